# cython: language_level=3
"""Deltas sent back as learned messages, one per link; ``neuron_rule_fallback`` has the fallback."""

import numpy as np

from libc.stdint cimport int64_t

from sklearn_metabp._kernels.scopes._small_mlp cimport BLOCK, SmallMLP, address, fill_mlp

from sklearn_metabp._kernels.functions import ACTIVATIONS
from sklearn_metabp._kernels.scopes.neuron_rule_fallback import check_neuron_arguments

__all__ = ["NeuronRule"]

cdef extern from "neuron_loops.h" nogil:
    ctypedef struct NeuronPass:
        int64_t n_neurons
        int64_t n_next
        const int64_t* codes
        const void* deltas
        const void* weights
        const void* activations
        int function
        void* slopes
        void* out
        void* transposed
        void* padding
        double scale
        SmallMLP mlp
    void send_back_f64(const NeuronPass*, int64_t)
    void send_back_f32(const NeuronPass*, int64_t)


cdef class NeuronRule:
    """Deltas that a layer sends back to the one before; see the fallback."""

    cdef NeuronPass _pass
    cdef tuple _arrays  # keeps alive what the pass points to
    cdef bint _is_double
    cdef int64_t _max_batch

    def __init__(self, deltas, weights, activations, function, out, codes, mlp_params, mlp_sizes,
                 hidden, output, scale, slopes=None, centre=None):
        mlp, codes = check_neuron_arguments(
            deltas, weights, activations, function, out, codes, mlp_params, mlp_sizes, hidden,
            output, slopes, centre,
        )
        dtype = weights.dtype
        workspace = np.zeros((3, mlp.widest * BLOCK), dtype)
        self._max_batch, self._is_double = len(deltas), dtype == np.float64
        self._pass.n_neurons, self._pass.n_next = weights.shape
        self._pass.activations = address(activations if slopes is None else None)
        if slopes is None:
            slopes = np.zeros(activations.shape, dtype)
        transposed = np.zeros(weights.size, dtype)
        padding = np.zeros(weights.shape[1] * BLOCK, dtype)
        self._arrays = (deltas, weights, activations, out, codes, mlp, workspace, slopes,
                        transposed, padding)
        self._pass.transposed, self._pass.padding = address(transposed), address(padding)
        self._pass.codes = <int64_t*>address(codes)
        self._pass.deltas, self._pass.weights = address(deltas), address(weights)
        self._pass.slopes, self._pass.out = address(slopes), address(out)
        self._pass.function, self._pass.scale = ACTIVATIONS[function].code, scale
        fill_mlp(&self._pass.mlp, mlp, workspace)

    def send_back(self, Py_ssize_t n):
        """Write the deltas of the first n patterns."""
        if not 0 < n <= self._max_batch:
            raise IndexError(f"{n} patterns of at most {self._max_batch}")
        with nogil:
            if self._is_double:
                send_back_f64(&self._pass, n)
            else:
                send_back_f32(&self._pass, n)

# cython: language_level=3
"""The inputs of every link, and the learned rule's MLP of them, in one pass over the parameters.

The fallbacks are in ``link_rule_fallback``.
"""

import numpy as np

from libc.stdint cimport int64_t

from sklearn_metabp._kernels.rules._compiled_rule cimport CompiledRule, StepNumbers
from sklearn_metabp._kernels.scopes._small_mlp cimport BLOCK, SmallMLP, address, fill_mlp

from sklearn_metabp._kernels.arrays import are_writable, readable
from sklearn_metabp._kernels.flat import LAYER
from sklearn_metabp._kernels.scopes.link_history import LINK_INPUTS, row_positions
from sklearn_metabp._kernels.scopes.link_rule_fallback import check_links, check_neurons
from sklearn_metabp._kernels.scopes.link_rule_fallback import check_updates, count_neurons
from sklearn_metabp._kernels.scopes.small_mlp import SmallMLP as CheckedMLP

__all__ = ["LinkRule", "link_inputs"]

# Inputs that depend on the weight matrix or bias vector of a link.
_OF_TENSORS = frozenset({"weight", "activation", "delta", "is_bias", "is_output", "depth"})

cdef extern from "link_loops.h" nogil:
    enum:
        N_HISTORY_ROWS
    ctypedef struct LinkPass:
        const int64_t* tensors
        int64_t n_tensors
        int64_t last_layer
        const int64_t* codes
        int64_t n_inputs
        int64_t n_links
        double epsilon
        bint needs_weight_rms
        bint differs_by_tensor
        const void* gradients
        const void* params
        const void* activations
        const void* deltas
        void* history[N_HISTORY_ROWS]
        void* matrix
        SmallMLP mlp
        double scale
        double first_step
        int normalizer
        void* updates
    void begin_links(LinkPass*, int64_t t)
    void walk_links_f64(const LinkPass*)
    void walk_links_f32(const LinkPass*)
    int change_links_f64(const LinkPass*, const void* gradients, int64_t first, int64_t n)
    int change_links_f32(const LinkPass*, const void* gradients, int64_t first, int64_t n)


cdef class _Walk:
    """A pass over the links of a network, and the arrays that it points to."""

    cdef LinkPass links
    cdef list arrays
    cdef bint is_double

    @staticmethod
    cdef _Walk over(gradients, params, history, tensors, codes, double epsilon):
        """Return a walk without MLP, matrix and updates."""
        tensors, codes = readable(tensors, np.int64), readable(codes, np.int64)
        check_links(gradients, params, history, tensors, codes)
        cdef _Walk walk = _Walk.__new__(_Walk)
        cdef Py_ssize_t row
        walk.arrays = [gradients, params, history, tensors, codes]
        walk.is_double = params.dtype == np.float64
        walk.links.tensors, walk.links.n_tensors = <int64_t*>address(tensors), len(tensors)
        walk.links.last_layer = tensors[:, LAYER].max()
        walk.links.codes, walk.links.n_inputs = <int64_t*>address(codes), len(codes)
        walk.links.epsilon = epsilon
        walk.links.n_links = len(params)
        walk.links.differs_by_tensor = any(LINK_INPUTS[code] in _OF_TENSORS for code in codes)
        walk.links.needs_weight_rms = LINK_INPUTS.index("weight") in codes
        walk.links.gradients, walk.links.params = address(gradients), address(params)
        walk.links.activations = walk.links.deltas = walk.links.matrix = NULL
        for row, position in enumerate(row_positions(codes)):
            walk.links.history[row] = NULL if position < 0 else address(history[position])
        return walk

    cdef inline void take(self, int64_t t) noexcept nogil:
        begin_links(&self.links, t)
        if self.is_double:
            walk_links_f64(&self.links)
        else:
            walk_links_f32(&self.links)


def link_inputs(gradients, params, history, Py_ssize_t t, tensors, codes, activations, deltas,
                double epsilon, matrix):
    """Advance the history and write the inputs of every link, its normalizers last."""
    cdef _Walk walk = _Walk.over(gradients, params, history, tensors, codes, epsilon)
    check_neurons(activations, deltas, count_neurons(tensors, codes), params.dtype)
    shape = len(params), len(codes) + 1 + (LINK_INPUTS.index("last_step") in codes)
    if matrix.shape != shape or not are_writable([matrix], params.dtype):
        raise ValueError(
            f"matrix must have shape {shape} and be aligned, of the dtype of the other arrays"
        )
    workspace = np.empty(max(1, len(codes)) * BLOCK, params.dtype)
    walk.links.activations, walk.links.deltas = address(activations), address(deltas)
    walk.links.matrix, walk.links.mlp.workspace = address(matrix), address(workspace)
    with nogil:
        walk.take(t)


cdef class LinkRule(CompiledRule):
    """The update of every link of one training; see the fallback."""

    cdef _Walk _walk
    cdef int64_t _n_steps  # before the run
    cdef object _dtype
    cdef tuple _n_neurons
    cdef bint _takes_neurons

    def __init__(self, gradients, params, history, updates, tensors, codes, epsilon, mlp_params,
                 mlp_sizes, hidden, output, scale, int normalizer, double first_step, centre=None):
        cdef _Walk walk = _Walk.over(gradients, params, history, tensors, codes, epsilon)
        check_updates(params, updates, codes, normalizer)
        mlp = CheckedMLP(len(codes), params.dtype, mlp_params, mlp_sizes, hidden, output, centre)
        workspace = np.zeros((3, mlp.widest * BLOCK), params.dtype)
        fill_mlp(&walk.links.mlp, mlp, workspace)
        walk.links.scale, walk.links.first_step = scale, first_step
        walk.links.normalizer, walk.links.updates = normalizer, address(updates)
        walk.arrays += [mlp, workspace, updates]
        self._walk, self._dtype, self._n_neurons = walk, params.dtype, count_neurons(tensors, codes)
        self._takes_neurons = any(self._n_neurons)
        self.params, self.by_blocks = params, not walk.links.differs_by_tensor

    def update(self, Py_ssize_t t, activations=None, deltas=None):
        """Advance the history by step t and write the updates."""
        if self._takes_neurons or activations is not None or deltas is not None:
            check_neurons(activations, deltas, self._n_neurons, self._dtype)
        self._walk.links.activations = address(activations)
        self._walk.links.deltas = address(deltas)
        with nogil:
            self._walk.take(t)

    def begin_run(self, int64_t n_steps, int64_t index, int64_t epoch):
        """Prepare for a run of steps without Python, after ``n_steps`` steps of the rule."""
        if self._takes_neurons:
            raise ValueError("activations and deltas are known to Python alone.")
        self._n_steps = n_steps

    cdef int begin(self, const StepNumbers* numbers) noexcept nogil:
        begin_links(&self._walk.links, self._n_steps + numbers.index + 1)
        return 1

    cdef int change(self, void* gradients, int64_t first, int64_t n) noexcept nogil:
        if self._walk.is_double:
            return change_links_f64(&self._walk.links, gradients, first, n)
        return change_links_f32(&self._walk.links, gradients, first, n)

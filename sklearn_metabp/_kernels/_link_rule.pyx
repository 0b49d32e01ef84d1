# cython: language_level=3, boundscheck=False, cdivision=True, initializedcheck=False
"""What is known at every link, and the learned rule's MLP of it, in one pass over the parameters.

The twins are ``reference.link_inputs`` and ``reference.LinkRule``.
"""

import numpy as np

from libc.stdint cimport int64_t
from libc.string cimport memset

from sklearn_metabp._kernels.functions import FUNCTION_CODES, fits_layers

cdef extern from "link_loops.h" nogil:
    int BLOCK, WEIGHT, ACTIVATION, DELTA, WARMUP_999
    ctypedef struct Tensor:
        double inverse_weight_rms, is_bias, is_output, depth
        double correction_5, correction_9, correction_99, correction_999, epsilon
        const void* activations
        const void* deltas
        int64_t fan_out
    double inverse_rms_f64(const double*, int64_t)
    double inverse_rms_f32(const float*, int64_t)
    void link_block_f64(const Tensor*, const double*, const double*, double*, double*, double*, double*,
                        double*, int64_t, int64_t, const int64_t*, int64_t, double*, double*)
    void link_block_f32(const Tensor*, const float*, const float*, float*, float*, float*, float*,
                        float*, int64_t, int64_t, const int64_t*, int64_t, float*, float*)
    double* mlp_block_f64(const double*, const int64_t*, int64_t, int, int, int64_t, double*, double*)
    float* mlp_block_f32(const float*, const int64_t*, int64_t, int, int, int64_t, float*, float*)
    void link_updates_f64(const double*, const double*, const double*, int64_t, double, int, double*)
    void link_updates_f32(const float*, const float*, const float*, int64_t, float, int, float*)

ctypedef fused real:
    float
    double

cdef enum:
    MAX_BLOCK = 64  # BLOCK, where C wants a constant


cdef class _Pass:
    """One walk over all links: their inputs into a matrix, or through the MLP into updates."""

    cdef const int64_t[::1] sizes, codes, mlp_sizes
    cdef int64_t t, n_params, mlp_layers
    cdef bint needs_weight_rms
    cdef int hidden, output, homogeneity
    cdef double epsilon, scale

    cdef void walk(self, real* g, real* w, real* history, real* activations, real* deltas, real* matrix,
                   real* mlp_params, real* workspace, real* spare, real* updates) noexcept nogil:
        cdef int64_t n_layers = self.sizes.shape[0] - 1, n = self.n_params
        cdef int64_t tensor, layer, start = 0, size, block, first, count, k, i, at, unit_in = 0, unit_out = 0
        cdef int64_t n_inputs = self.codes.shape[0]
        cdef real unit[MAX_BLOCK]
        cdef real* answer
        cdef Tensor facts
        # Powers are half of the time of a small network's step: once for all tensors.
        facts.correction_5 = 1 - 0.5 ** self.t
        facts.correction_9 = 1 - 0.9 ** self.t
        facts.correction_99 = 1 - 0.99 ** self.t
        facts.correction_999 = 1 - 0.999 ** self.t
        for tensor in range(2 * n_layers):
            layer = tensor % n_layers
            if tensor == n_layers:
                unit_out = 0
            size = self.sizes[layer + 1] * (self.sizes[layer] if tensor < n_layers else 1)
            self.describe(&facts, tensor, n_layers)
            if activations != NULL and tensor < n_layers:
                facts.activations = activations + unit_in
            if deltas != NULL:
                facts.deltas = deltas + unit_out
            if self.needs_weight_rms:
                if real is double:
                    facts.inverse_weight_rms = inverse_rms_f64(w + start, size)
                else:
                    facts.inverse_weight_rms = inverse_rms_f32(w + start, size)
            for block in range((size + MAX_BLOCK - 1) // MAX_BLOCK):
                first = block * MAX_BLOCK
                count = min(<int64_t>MAX_BLOCK, size - first)
                at = start + first
                if real is double:
                    link_block_f64(&facts, g + at, w + at, history + at, history + n + at,
                                   history + 2 * n + at, history + 3 * n + at, history + 4 * n + at, first,
                                   count, &self.codes[0], n_inputs, workspace, unit)
                else:
                    link_block_f32(&facts, g + at, w + at, history + at, history + n + at,
                                   history + 2 * n + at, history + 3 * n + at, history + 4 * n + at, first,
                                   count, &self.codes[0], n_inputs, workspace, unit)
                if matrix != NULL:
                    for i in range(count):
                        for k in range(n_inputs):
                            matrix[(at + i) * (n_inputs + 1) + k] = workspace[k * MAX_BLOCK + i]
                        matrix[(at + i) * (n_inputs + 1) + n_inputs] = unit[i]
                elif real is double:
                    answer = mlp_block_f64(mlp_params, &self.mlp_sizes[0], self.mlp_layers, self.hidden,
                                           self.output, count, workspace, spare)
                    link_updates_f64(answer, unit, history + 4 * n + at, count, self.scale,
                                     self.homogeneity, updates + at)
                else:
                    answer = mlp_block_f32(mlp_params, &self.mlp_sizes[0], self.mlp_layers, self.hidden,
                                           self.output, count, workspace, spare)
                    link_updates_f32(answer, unit, history + 4 * n + at, count, <float>self.scale,
                                     self.homogeneity, updates + at)
            start += size
            unit_out += self.sizes[layer + 1]
            unit_in += self.sizes[layer]

    cdef void describe(self, Tensor* facts, int64_t tensor, int64_t n_layers) noexcept nogil:
        cdef int64_t layer = tensor % n_layers
        facts.is_bias = tensor >= n_layers
        facts.is_output = layer == n_layers - 1
        facts.depth = layer / <double>max(<int64_t>1, n_layers - 1)
        facts.epsilon = self.epsilon
        facts.fan_out = self.sizes[layer + 1]
        facts.inverse_weight_rms = 0
        facts.activations = NULL
        facts.deltas = NULL


cdef int64_t _count_params(const int64_t[::1] sizes) noexcept:
    cdef int64_t layer, total = 0
    for layer in range(sizes.shape[0] - 1):
        total += (sizes[layer] + 1) * sizes[layer + 1]
    return total


cdef bint _among(int64_t code, const int64_t[::1] codes) noexcept:
    cdef int64_t k
    for k in range(codes.shape[0]):
        if codes[k] == code:
            return True
    return False


cdef _Pass _new_pass(sizes, codes, Py_ssize_t t, double epsilon):
    cdef _Pass walk = _Pass.__new__(_Pass)
    walk.sizes = sizes
    walk.codes = codes
    walk.t = t
    walk.epsilon = epsilon
    walk.n_params = _count_params(walk.sizes)
    walk.needs_weight_rms = _among(WEIGHT, walk.codes)
    return walk


cdef int _check(_Pass walk, Py_ssize_t n_gradients, Py_ssize_t n_params, Py_ssize_t n_rows,
                Py_ssize_t n_columns, Py_ssize_t n_activations, Py_ssize_t n_deltas) except -1:
    cdef int64_t n = walk.n_params, layer, n_in = 0, n_out = 0, k
    for k in range(walk.codes.shape[0]):
        if not 0 <= walk.codes[k] <= WARMUP_999:
            raise ValueError(f"codes must be from 0 to {WARMUP_999}, positions in LINK_INPUTS")
    if not fits_layers(n_gradients, walk.sizes) or n_params != n or n_rows != 5 or n_columns != n:
        raise ValueError(f"gradients, params and history must hold {n} links")
    for layer in range(walk.sizes.shape[0] - 1):
        n_in += walk.sizes[layer]
        n_out += walk.sizes[layer + 1]
    if n_activations != (n_in if _among(ACTIVATION, walk.codes) else 0):
        raise ValueError(f"activations must hold {n_in} units where they are an input, else be None")
    if n_deltas != (n_out if _among(DELTA, walk.codes) else 0):
        raise ValueError(f"deltas must hold {n_out} units where they are an input, else be None")
    return 0


def link_inputs(const real[::1] gradients, const real[::1] params, real[:, ::1] history, Py_ssize_t t,
                sizes, codes, const real[::1] activations, const real[::1] deltas, double epsilon,
                real[:, ::1] matrix):
    """Advance the history and write the inputs of every link, its unit last."""
    cdef _Pass walk = _new_pass(sizes, codes, t, epsilon)
    _check(walk, gradients.shape[0], params.shape[0], history.shape[0], history.shape[1],
           0 if activations is None else activations.shape[0], 0 if deltas is None else deltas.shape[0])
    if matrix.shape[0] != walk.n_params or matrix.shape[1] != walk.codes.shape[0] + 1:
        raise ValueError(f"matrix must have shape ({walk.n_params}, {walk.codes.shape[0] + 1})")
    cdef real[::1] workspace = np.zeros(max(1, walk.codes.shape[0]) * MAX_BLOCK, np.asarray(gradients).dtype)
    cdef real* none = NULL
    cdef real* activations_at = NULL if activations is None else <real*>&activations[0]
    cdef real* deltas_at = NULL if deltas is None else <real*>&deltas[0]
    with nogil:
        walk.walk(<real*>&gradients[0], <real*>&params[0], &history[0, 0], activations_at, deltas_at,
                  &matrix[0, 0], none, &workspace[0], none, none)


cdef class LinkRule:
    """The update of every link of one training; see ``reference.LinkRule``."""

    cdef _Pass _pass
    cdef tuple _arrays
    cdef bint _is_double
    cdef int64_t _n_in, _n_out
    cdef void* _gradients
    cdef void* _params
    cdef void* _history
    cdef void* _mlp_params
    cdef void* _workspace
    cdef void* _spare
    cdef void* _updates

    def __init__(self, gradients, params, history, updates, sizes, codes, epsilon, mlp_params, mlp_sizes,
                 hidden, output, scale, homogeneity):
        cdef _Pass walk = _new_pass(sizes, codes, 1, epsilon)
        cdef int64_t layer, widest = 0
        self._n_in = sum(sizes[:-1]) if _among(ACTIVATION, walk.codes) else 0
        self._n_out = sum(sizes[1:]) if _among(DELTA, walk.codes) else 0
        _check(walk, len(gradients), len(params), history.shape[0], history.shape[1], self._n_in, self._n_out)
        if not fits_layers(len(mlp_params), mlp_sizes):
            raise ValueError(f"{len(mlp_params)} parameters do not make an MLP of layers {list(mlp_sizes)}")
        walk.mlp_sizes = mlp_sizes
        walk.mlp_layers = walk.mlp_sizes.shape[0] - 1
        for layer in range(walk.mlp_layers + 1):
            widest = max(widest, walk.mlp_sizes[layer])
        dtype = params.dtype
        self._arrays = arrays = (gradients, params, history, mlp_params, updates, np.zeros(2 * widest * MAX_BLOCK, dtype))
        alike = all(a.dtype == dtype and a.flags.c_contiguous for a in arrays) and dtype in (np.float32, np.float64)
        if not alike or walk.mlp_sizes[0] != walk.codes.shape[0] or walk.mlp_sizes[walk.mlp_layers] != 1 or (
                len(updates) != walk.n_params):
            raise ValueError("the MLP, the arrays and the updates do not fit together")
        walk.hidden = FUNCTION_CODES[hidden]
        walk.output = FUNCTION_CODES[output]
        walk.scale = scale
        walk.homogeneity = homogeneity
        self._pass = walk
        self._is_double = dtype == np.float64
        self._gradients, self._params, self._history, self._mlp_params, self._updates, self._workspace = (
            <void*><size_t>gradients.ctypes.data, <void*><size_t>params.ctypes.data,
            <void*><size_t>history.ctypes.data, <void*><size_t>mlp_params.ctypes.data,
            <void*><size_t>updates.ctypes.data, <void*><size_t>arrays[5].ctypes.data)
        self._spare = <void*><size_t>(arrays[5].ctypes.data + widest * MAX_BLOCK * dtype.itemsize)

    def update(self, Py_ssize_t t, activations=None, deltas=None):
        """Advance the history by step t and write the updates."""
        cdef void* a = NULL
        cdef void* d = NULL
        if self._n_in or self._n_out or activations is not None or deltas is not None:
            a, d = self._units(activations, self._n_in), self._units(deltas, self._n_out)
        self._pass.t = t
        with nogil:
            if self._is_double:
                self._pass.walk(<double*>self._gradients, <double*>self._params, <double*>self._history,
                                <double*>a, <double*>d, <double*>NULL, <double*>self._mlp_params,
                                <double*>self._workspace, <double*>self._spare, <double*>self._updates)
            else:
                self._pass.walk(<float*>self._gradients, <float*>self._params, <float*>self._history,
                                <float*>a, <float*>d, <float*>NULL, <float*>self._mlp_params,
                                <float*>self._workspace, <float*>self._spare, <float*>self._updates)

    cdef void* _units(self, values, int64_t n) except? NULL:
        if values is None and n == 0:
            return NULL
        if values is None or len(values) != n or values.dtype != self._arrays[0].dtype or (
                not values.flags.c_contiguous):
            raise ValueError(f"activations and deltas must hold their units where they are an input, else be None; "
                             f"{n} are needed")
        return <void*><size_t>values.ctypes.data

# cython: language_level=3, boundscheck=False, cdivision=True, initializedcheck=False
"""What is known at every link, and the learned rule's MLP of it, in one pass over the parameters.

The twins are ``reference.link_inputs`` and ``reference.LinkRule``.
"""

import numpy as np

from libc.stdint cimport int64_t
from libc.string cimport memset

from sklearn_metabp._kernels.arrays import are_readable, are_writable, readable
from sklearn_metabp._kernels.functions import FUNCTION_CODES, fits_layers

__all__ = ["LinkRule", "link_inputs"]

cdef extern from "link_loops.h" nogil:
    int BLOCK, WEIGHT, ACTIVATION, DELTA, GRADIENT_PEAK, MOMENTUM_9_PEAK, GRADIENT_NORM, LAST_STEP
    int UNIT_STRIDE
    ctypedef struct Memory_f64:
        double* peak
        double* norm
        double* last
        double* strides
    ctypedef struct Memory_f32:
        float* peak
        float* norm
        float* last
        float* strides
    ctypedef struct Tensor:
        double inverse_weight_rms, is_bias, is_output, depth
        double correction_5, correction_9, correction_99, correction_999, epsilon
        const void* activations
        const void* deltas
        int64_t fan_out
    double inverse_rms_f64(const double*, int64_t)
    double inverse_rms_f32(const float*, int64_t)
    double downhill_f64(double)
    float downhill_f32(float)
    void link_block_f64(const Tensor*, const double*, const double*, double*, double*, double*, double*,
                        double*, const Memory_f64*, int64_t, int64_t, const int64_t*, int64_t, double*, double*)
    void link_block_f32(const Tensor*, const float*, const float*, float*, float*, float*, float*,
                        float*, const Memory_f32*, int64_t, int64_t, const int64_t*, int64_t, float*, float*)
    double* mlp_block_f64(const double*, const int64_t*, int64_t, int, int, int64_t, double*, double*)
    float* mlp_block_f32(const float*, const int64_t*, int64_t, int, int, int64_t, float*, float*)
    void link_updates_f64(const double*, const double*, const double*, const double*, const Memory_f64*,
                          int64_t, double, int, double, double*)
    void link_updates_f32(const float*, const float*, const float*, const float*, const Memory_f32*,
                          int64_t, float, int, float, float*)

ctypedef fused real:
    float
    double

cdef enum:
    MAX_BLOCK = 64  # BLOCK, where C wants a constant


cdef class _Pass:
    """One walk over all links: their inputs into a matrix, or through the MLP into updates."""

    cdef const int64_t[::1] sizes, codes, mlp_sizes
    cdef int64_t t, n_params, mlp_layers
    cdef bint needs_weight_rms, has_peak, has_norm, has_steps
    cdef int hidden, output, unit
    cdef double epsilon, scale, first_step
    cdef const void* centre  # of the MLP's inputs, or NULL

    cdef void walk(self, real* g, real* w, real* history, real* activations, real* deltas, real* matrix,
                   real* mlp_params, real* workspace, real* spare, real* updates) noexcept nogil:
        cdef int64_t n_layers = self.sizes.shape[0] - 1, n = self.n_params
        cdef int64_t tensor, layer, start = 0, size, block, first, count, k, i, at, unit_in = 0, unit_out = 0
        cdef int64_t n_inputs = self.codes.shape[0]
        cdef int64_t n_columns = n_inputs + 1 + self.has_steps
        cdef real rms[MAX_BLOCK]
        cdef real* answer
        cdef Tensor facts
        cdef Memory_f64 memory_f64
        cdef Memory_f32 memory_f32
        cdef real* peak = history + 5 * n if self.has_peak else NULL
        cdef real* norm = history + (5 + self.has_peak) * n if self.has_norm else NULL
        cdef real* last = history + (5 + self.has_peak + self.has_norm) * n if self.has_steps else NULL
        cdef real* strides = last + n if self.has_steps else NULL
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
                    memory_f64.peak = peak + at if peak != NULL else NULL
                    memory_f64.norm = norm + at if norm != NULL else NULL
                    memory_f64.last = last + at if last != NULL else NULL
                    memory_f64.strides = strides + at if last != NULL else NULL
                    link_block_f64(&facts, g + at, w + at, history + at, history + n + at,
                                   history + 2 * n + at, history + 3 * n + at, history + 4 * n + at, &memory_f64,
                                   first, count, &self.codes[0], n_inputs, workspace, rms)
                else:
                    memory_f32.peak = peak + at if peak != NULL else NULL
                    memory_f32.norm = norm + at if norm != NULL else NULL
                    memory_f32.last = last + at if last != NULL else NULL
                    memory_f32.strides = strides + at if last != NULL else NULL
                    link_block_f32(&facts, g + at, w + at, history + at, history + n + at,
                                   history + 2 * n + at, history + 3 * n + at, history + 4 * n + at, &memory_f32,
                                   first, count, &self.codes[0], n_inputs, workspace, rms)
                if matrix != NULL:
                    for i in range(count):
                        for k in range(n_inputs):
                            matrix[(at + i) * n_columns + k] = workspace[k * MAX_BLOCK + i]
                        matrix[(at + i) * n_columns + n_inputs] = rms[i]
                        if self.has_steps and real is double:
                            matrix[(at + i) * n_columns + n_inputs + 1] = downhill_f64(g[at + i]) * strides[at + i]
                        elif self.has_steps:
                            matrix[(at + i) * n_columns + n_inputs + 1] = downhill_f32(g[at + i]) * strides[at + i]
                    continue
                if self.centre != NULL:
                    for k in range(n_inputs):
                        for i in range(count):
                            workspace[k * MAX_BLOCK + i] -= (<const real*>self.centre)[k]
                if real is double:
                    answer = mlp_block_f64(mlp_params, &self.mlp_sizes[0], self.mlp_layers, self.hidden,
                                           self.output, count, workspace, spare)
                    link_updates_f64(answer, g + at, rms, history + 4 * n + at, &memory_f64, count, self.scale,
                                     self.unit, self.first_step, updates + at)
                else:
                    answer = mlp_block_f32(mlp_params, &self.mlp_sizes[0], self.mlp_layers, self.hidden,
                                           self.output, count, workspace, spare)
                    link_updates_f32(answer, g + at, rms, history + 4 * n + at, &memory_f32, count,
                                     <float>self.scale, self.unit, <float>self.first_step, updates + at)
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
    walk.sizes, walk.codes = readable(sizes), readable(codes)
    walk.t = t
    walk.epsilon = epsilon
    walk.centre = NULL
    walk.n_params = _count_params(walk.sizes)
    walk.needs_weight_rms = _among(WEIGHT, walk.codes)
    walk.has_peak = _among(GRADIENT_PEAK, walk.codes) or _among(MOMENTUM_9_PEAK, walk.codes)
    walk.has_norm = _among(GRADIENT_NORM, walk.codes)
    walk.has_steps = _among(LAST_STEP, walk.codes)
    return walk


cdef int _check(_Pass walk, Py_ssize_t n_gradients, Py_ssize_t n_params, Py_ssize_t n_rows,
                Py_ssize_t n_columns, Py_ssize_t n_activations, Py_ssize_t n_deltas) except -1:
    cdef int64_t n = walk.n_params, layer, n_in = 0, n_out = 0, k
    for k in range(walk.codes.shape[0]):
        if not 0 <= walk.codes[k] <= LAST_STEP:
            raise ValueError(f"codes must be from 0 to {LAST_STEP}, positions in LINK_INPUTS")
    cdef int64_t wanted = 5 + walk.has_peak + walk.has_norm + 2 * walk.has_steps
    if not fits_layers(n_gradients, walk.sizes) or n_params != n or n_rows != wanted or n_columns != n:
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
    """Advance the history and write the inputs of every link, its units last."""
    cdef _Pass walk = _new_pass(sizes, codes, t, epsilon)
    _check(walk, gradients.shape[0], params.shape[0], history.shape[0], history.shape[1],
           0 if activations is None else activations.shape[0], 0 if deltas is None else deltas.shape[0])
    cdef int64_t n_matrix_columns = walk.codes.shape[0] + 1 + walk.has_steps
    if matrix.shape[0] != walk.n_params or matrix.shape[1] != n_matrix_columns:
        raise ValueError(f"matrix must have shape ({walk.n_params}, {n_matrix_columns})")
    cdef size_t ends = <size_t>&gradients[0] | <size_t>&params[0] | <size_t>&history[0, 0] | <size_t>&matrix[0, 0]
    if activations is not None:
        ends |= <size_t>&activations[0]
    if deltas is not None:
        ends |= <size_t>&deltas[0]
    if ends % sizeof(real):
        raise ValueError("all arrays must be aligned")
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
                 hidden, output, scale, int unit, double first_step, centre=None):
        cdef _Pass walk = _new_pass(sizes, codes, 1, epsilon)
        cdef int64_t layer, widest = 0
        self._n_in = sum(sizes[:-1]) if _among(ACTIVATION, walk.codes) else 0
        self._n_out = sum(sizes[1:]) if _among(DELTA, walk.codes) else 0
        _check(walk, len(gradients), len(params), history.shape[0], history.shape[1], self._n_in, self._n_out)
        if not fits_layers(len(mlp_params), mlp_sizes):
            raise ValueError(f"{len(mlp_params)} parameters do not make an MLP of layers {list(mlp_sizes)}")
        walk.mlp_sizes = readable(mlp_sizes)
        walk.mlp_layers = walk.mlp_sizes.shape[0] - 1
        for layer in range(walk.mlp_layers + 1):
            widest = max(widest, walk.mlp_sizes[layer])
        dtype = params.dtype
        mlp_params = readable(mlp_params)
        self._arrays = arrays = (gradients, params, history, mlp_params, updates, np.zeros(2 * widest * MAX_BLOCK, dtype))
        alike = are_readable((gradients, params, mlp_params), dtype) and are_writable((history, updates), dtype)
        if centre is not None:
            alike = alike and are_readable((centre,), dtype) and centre.shape == (walk.codes.shape[0],)
        if not alike or walk.mlp_sizes[0] != walk.codes.shape[0] or walk.mlp_sizes[walk.mlp_layers] != 1 or (
                len(updates) != walk.n_params):
            raise ValueError("the MLP, the arrays and the updates do not fit together")
        walk.hidden = FUNCTION_CODES[hidden]
        walk.output = FUNCTION_CODES[output]
        walk.scale = scale
        if not 0 <= unit <= UNIT_STRIDE or (unit == UNIT_STRIDE and not walk.has_steps):
            raise ValueError("unit must be that of a position in LINK_UNITS; a stride needs last_step as input")
        walk.unit = unit
        if centre is not None:
            self._arrays = (*arrays, centre)
            walk.centre = <const void*><size_t>centre.ctypes.data
        walk.first_step = first_step
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
        if values is None or len(values) != n or not are_readable([values], self._arrays[0].dtype):
            raise ValueError(f"activations and deltas must hold their units where they are an input, else be None; "
                             f"{n} are needed")
        return <void*><size_t>values.ctypes.data

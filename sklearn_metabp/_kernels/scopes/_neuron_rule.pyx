# cython: language_level=3, boundscheck=False, cdivision=True, initializedcheck=False
"""What neurons send back, as a learned message per link. The twin is ``reference.NeuronRule``."""

import numpy as np

from libc.stdint cimport int64_t

from sklearn_metabp._kernels.arrays import are_readable, are_writable, readable
from sklearn_metabp._kernels.functions import FUNCTION_CODES, fits_layers
from sklearn_metabp._kernels.scopes.neuron_rule_fallback import check_slopes_are_told

__all__ = ["NeuronRule"]

cdef extern from "neuron_loops.h" nogil:
    double inverse_rms_f64(const double*, int64_t)
    double inverse_rms_f32(const float*, int64_t)
    void times_slope_f64(int, double*, const double*, int64_t)
    void times_slope_f32(int, float*, const float*, int64_t)
    void send_back_f64(const double*, const double*, const double*, int64_t, int64_t, int64_t, const int64_t*,
                       int64_t, const double*, const double*, const int64_t*, int64_t, int, int, double, double, double,
                       double*, double*, double*)
    void send_back_f32(const float*, const float*, const float*, int64_t, int64_t, int64_t, const int64_t*,
                       int64_t, const float*, const float*, const int64_t*, int64_t, int, int, float, float, float,
                       float*, float*, float*)

ctypedef fused real:
    float
    double

cdef enum:
    MAX_BLOCK = 64


cdef class NeuronRule:
    """What one layer sends back to the one before; see ``reference.NeuronRule``."""

    cdef tuple _arrays
    cdef const int64_t[::1] _codes, _mlp_sizes
    cdef int _function, _hidden, _output
    cdef bint _is_double, _knows_slopes
    cdef double _scale
    cdef int64_t _batch, _units, _next
    cdef void* _slopes
    cdef void* _centre
    cdef void* _at[7]  # deltas, weights, activations, out, MLP, its two halves of workspace

    def __init__(self, deltas, weights, activations, function, out, codes, mlp_params, mlp_sizes, hidden,
                 output, scale, slopes=None, centre=None):
        if not fits_layers(len(mlp_params), mlp_sizes) or mlp_sizes[0] != len(codes) or mlp_sizes[-1] != 1 or (
                not all(0 <= code < 3 for code in codes)):
            raise ValueError("the MLP does not fit the inputs")
        self._batch, (self._units, self._next) = len(deltas), weights.shape
        batch, units, following = self._batch, self._units, self._next
        dtype = weights.dtype
        mlp_params = readable(mlp_params)
        arrays = (deltas, weights, activations, out, mlp_params)
        self._knows_slopes = slopes is not None
        if self._knows_slopes:
            arrays = (*arrays, slopes)
        else:
            check_slopes_are_told(function)
        if centre is not None:
            if centre.shape != (len(codes),) or centre.dtype != dtype or not centre.flags.c_contiguous:
                raise ValueError("the centre does not fit the inputs")
            arrays = (*arrays, centre)
        shapes = [a.shape for a in arrays[:4]]
        alike = are_readable(arrays, dtype) and are_writable([out], dtype)
        alike = alike and (not self._knows_slopes or slopes.shape == (batch, units))
        if not alike or shapes != [(batch, following), (units, following), (batch, units), (batch, units)]:
            raise ValueError("deltas, weights, activations, out and the MLP do not fit together")
        widest = int(max(mlp_sizes))
        workspace = np.zeros((2, widest * MAX_BLOCK), dtype)
        if not self._knows_slopes:
            slopes = np.zeros((batch, units), dtype)
        self._arrays = (*arrays, workspace, slopes)
        for position, array in enumerate((*arrays[:5], workspace[0], workspace[1])):
            self._at[position] = <void*><size_t>array.ctypes.data
        self._centre = NULL if centre is None else <void*><size_t>centre.ctypes.data
        self._slopes = <void*><size_t>slopes.ctypes.data
        self._codes, self._mlp_sizes = readable(codes), readable(mlp_sizes)
        self._function = FUNCTION_CODES[function]
        self._hidden, self._output = FUNCTION_CODES[hidden], FUNCTION_CODES[output]
        self._scale = scale
        self._is_double = dtype == np.float64

    def send_back(self, Py_ssize_t n):
        """Write the deltas of the first n patterns."""
        if not 0 < n <= self._batch:
            raise IndexError(f"{n} patterns of at most {self._batch}")
        with nogil:
            if self._is_double:
                self._typed[double](n, <double*>self._slopes)
            else:
                self._typed[float](n, <float*>self._slopes)

    cdef void _typed(self, int64_t n, real* slopes) noexcept nogil:
        cdef real* deltas = <real*>self._at[0]
        cdef real* weights = <real*>self._at[1]
        cdef real* out = <real*>self._at[3]
        cdef int64_t i
        cdef double delta, weight
        if not self._knows_slopes:
            for i in range(n * self._units):
                slopes[i] = 1
        if real is double:
            delta = inverse_rms_f64(deltas, n * self._next)
            weight = inverse_rms_f64(weights, self._units * self._next)
            if not self._knows_slopes:
                times_slope_f64(self._function, slopes, <real*>self._at[2], n * self._units)
        else:
            delta = inverse_rms_f32(deltas, n * self._next)
            weight = inverse_rms_f32(weights, self._units * self._next)
            if not self._knows_slopes:
                times_slope_f32(self._function, slopes, <real*>self._at[2], n * self._units)
        if delta == 0 or weight == 0:
            for i in range(n * self._units):
                out[i] = 0
        elif real is double:
            send_back_f64(deltas, weights, slopes, n, self._units, self._next, &self._codes[0],
                          self._codes.shape[0], <real*>self._centre, <real*>self._at[4], &self._mlp_sizes[0],
                          self._mlp_sizes.shape[0] - 1, self._hidden, self._output,
                          self._scale, delta, weight, <real*>self._at[5],
                          <real*>self._at[6], out)
        else:
            send_back_f32(deltas, weights, slopes, n, self._units, self._next, &self._codes[0],
                          self._codes.shape[0], <real*>self._centre, <real*>self._at[4], &self._mlp_sizes[0],
                          self._mlp_sizes.shape[0] - 1, self._hidden, self._output,
                          <float>self._scale, <float>delta, <float>weight,
                          <real*>self._at[5], <real*>self._at[6], out)

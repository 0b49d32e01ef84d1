# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""What neurons send back, as a learned message per link. The twin is ``reference.NeuronRule``."""

import numpy as np

from libc.stdint cimport int64_t

cdef extern from "neuron_loops.h" nogil:
    double inverse_rms_f64(const double*, int64_t)
    double inverse_rms_f32(const float*, int64_t)
    void send_back_f64(const double*, const double*, const double*, int64_t, int64_t, int64_t, const int64_t*,
                       int64_t, const double*, const int64_t*, int64_t, int, int, double, double, double,
                       double*, double*, double*)
    void send_back_f32(const float*, const float*, const float*, int64_t, int64_t, int64_t, const int64_t*,
                       int64_t, const float*, const int64_t*, int64_t, int, int, float, float, float,
                       float*, float*, float*)

ctypedef fused real:
    float
    double

cdef enum:
    MAX_BLOCK = 64

_FUNCTIONS = {"identity": 0, "logistic": 1, "tanh": 2, "relu": 3}


cdef class NeuronRule:
    """Deltas of a layer from those of the next; see ``reference.NeuronRule``."""

    cdef readonly object dtype
    cdef object _mlp_params, _workspace
    cdef const int64_t[::1] _codes, _mlp_sizes
    cdef int _hidden, _output
    cdef double _scale
    cdef int64_t _widest

    def __init__(self, codes, mlp_params, mlp_sizes, hidden, output, scale):
        n_mlp = int(((mlp_sizes[:-1] + 1) * mlp_sizes[1:]).sum())
        if mlp_sizes[0] != len(codes) or mlp_sizes[-1] != 1 or len(mlp_params) != n_mlp or (
                mlp_params.dtype not in (np.float32, np.float64)) or not all(0 <= code < 3 for code in codes):
            raise ValueError("the MLP does not fit the inputs")
        self.dtype = mlp_params.dtype
        self._codes, self._mlp_sizes = codes, mlp_sizes
        self._hidden, self._output, self._scale = _FUNCTIONS[hidden], _FUNCTIONS[output], scale
        self._mlp_params = mlp_params
        self._widest = max(mlp_sizes)
        self._workspace = np.zeros(2 * self._widest * MAX_BLOCK, self.dtype)

    def send_back(self, deltas, weights, derivatives, out):
        """Write the deltas of a layer from those of the next."""
        if self.dtype == np.float64:
            self._typed[double](deltas, weights, derivatives, out, self._mlp_params, self._workspace)
        else:
            self._typed[float](deltas, weights, derivatives, out, self._mlp_params, self._workspace)

    cdef _typed(self, const real[:, ::1] deltas, const real[:, ::1] weights, const real[:, ::1] derivatives,
                real[:, ::1] out, const real[::1] mlp_params, real[::1] workspace):
        cdef int64_t n = deltas.shape[0], following = deltas.shape[1], units = weights.shape[0]
        cdef double delta, weight
        if weights.shape[1] != following or derivatives.shape[0] != n or derivatives.shape[1] != units or (
                out.shape[0] != n or out.shape[1] != units or n * units * following == 0):
            raise ValueError("deltas, weights, derivatives and out do not fit together")
        with nogil:
            if real is double:
                delta = inverse_rms_f64(&deltas[0, 0], n * following)
                weight = inverse_rms_f64(&weights[0, 0], units * following)
            else:
                delta = inverse_rms_f32(&deltas[0, 0], n * following)
                weight = inverse_rms_f32(&weights[0, 0], units * following)
            if delta == 0 or weight == 0:
                for n in range(n):
                    for units in range(out.shape[1]):
                        out[n, units] = 0
            elif real is double:
                send_back_f64(&deltas[0, 0], &weights[0, 0], &derivatives[0, 0], n, units, following,
                              &self._codes[0], self._codes.shape[0], &mlp_params[0], &self._mlp_sizes[0],
                              self._mlp_sizes.shape[0] - 1, self._hidden, self._output,
                              self._scale / (delta * weight), delta, weight, &workspace[0],
                              &workspace[self._widest * MAX_BLOCK], &out[0, 0])
            else:
                send_back_f32(&deltas[0, 0], &weights[0, 0], &derivatives[0, 0], n, units, following,
                              &self._codes[0], self._codes.shape[0], &mlp_params[0], &self._mlp_sizes[0],
                              self._mlp_sizes.shape[0] - 1, self._hidden, self._output,
                              <float>(self._scale / (delta * weight)), <float>delta, <float>weight, &workspace[0],
                              &workspace[self._widest * MAX_BLOCK], &out[0, 0])

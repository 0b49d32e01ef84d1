# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The elementwise step of every compiled update rule. The twins are in ``reference_rules``."""

from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_ND, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from libc.math cimport sqrt
from libc.stdint cimport int64_t

__all__ = [
    "adadelta_step",
    "adagrad_step",
    "adam_step",
    "adamax_step",
    "apply_updates",
    "average_step",
    "decay_step",
    "lion_step",
    "momentum_step",
    "nadam_step",
    "norm",
    "radam_step",
    "rmsprop_step",
    "rprop_step",
    "sgd_step",
]

cdef extern from "rule_loops.h" nogil:
    void sgd_f64(const double*, double*, int64_t, double)
    void sgd_f32(const float*, float*, int64_t, float)
    void momentum_f64(const double*, double*, double*, int64_t, double, double, int)
    void momentum_f32(const float*, float*, float*, int64_t, float, float, int)
    void adam_f64(const double*, double*, double*, double*, int64_t, double, double, double, double, double, double)
    void adam_f32(const float*, float*, float*, float*, int64_t, double, double, double, double, double, double)
    void rprop_f64(const double*, double*, double*, double*, int64_t, double, double, double, double, double)
    void rprop_f32(const float*, float*, float*, float*, int64_t, double, double, double, double, double)
    void adagrad_f64(const double*, double*, double*, int64_t, double, double)
    void adagrad_f32(const float*, float*, float*, int64_t, double, double)
    void adadelta_f64(const double*, double*, double*, double*, int64_t, double, double, double)
    void adadelta_f32(const float*, float*, float*, float*, int64_t, double, double, double)
    void rmsprop_f64(const double*, double*, double*, int64_t, double, double, double)
    void rmsprop_f32(const float*, float*, float*, int64_t, double, double, double)
    void adamax_f64(const double*, double*, double*, double*, int64_t, double, double, double, double, double)
    void adamax_f32(const float*, float*, float*, float*, int64_t, double, double, double, double, double)
    void nadam_f64(const double*, double*, double*, double*, int64_t, double, double, double, double, double, double)
    void nadam_f32(const float*, float*, float*, float*, int64_t, double, double, double, double, double, double)
    void radam_f64(const double*, double*, double*, double*, int64_t, double, double, double, double, int)
    void radam_f32(const float*, float*, float*, float*, int64_t, double, double, double, double, int)
    void lion_f64(const double*, double*, double*, int64_t, double, double, double)
    void lion_f32(const float*, float*, float*, int64_t, double, double, double)
    void decay_f64(const double*, double*, int64_t, double)
    void average_f64(const double*, const double*, double*, int64_t, double)
    double squares_f64(const double*, int64_t)
    void decay_f32(const float*, float*, int64_t, float)
    void average_f32(const float*, const float*, float*, int64_t, float)
    double squares_f32(const float*, int64_t)
    int apply_f64(double*, const double*, int64_t)
    int apply_f32(float*, const float*, int64_t)


cdef class _Arrays:
    """Flat arrays of one length and dtype, opened without the cost of typed views."""

    cdef Py_buffer views[4]
    cdef int n_open
    cdef Py_ssize_t n
    cdef bint is_double

    def __cinit__(self):
        self.n_open = 0

    def __dealloc__(self):
        while self.n_open > 0:
            self.n_open -= 1
            PyBuffer_Release(&self.views[self.n_open])

    cdef void* open(self, array, bint writable) except NULL:
        cdef Py_buffer* view = &self.views[self.n_open]
        PyObject_GetBuffer(array, view, PyBUF_ND | PyBUF_FORMAT | (PyBUF_WRITABLE if writable else 0))
        self.n_open += 1
        cdef char kind = view.format[0]
        if view.ndim != 1 or view.shape[0] == 0 or kind not in (b"d", b"f"):
            raise ValueError("arrays must be flat, aligned, not empty, and of float32 or float64")
        if self.n_open == 1:
            self.n, self.is_double = view.shape[0], kind == b"d"
        elif view.shape[0] != self.n or (kind == b"d") != self.is_double:
            raise ValueError("arrays must have the same length and dtype")
        return view.buf


def sgd_step(gradients, updates, double learning_rate):
    cdef _Arrays arrays = _Arrays.__new__(_Arrays)
    cdef void* g = arrays.open(gradients, False)
    cdef void* u = arrays.open(updates, True)
    with nogil:
        if arrays.is_double:
            sgd_f64(<double*>g, <double*>u, arrays.n, learning_rate)
        else:
            sgd_f32(<float*>g, <float*>u, arrays.n, <float>learning_rate)


def momentum_step(gradients, velocity, updates, double learning_rate, double momentum, bint nesterov):
    cdef _Arrays arrays = _Arrays.__new__(_Arrays)
    cdef void* g = arrays.open(gradients, False)
    cdef void* v = arrays.open(velocity, True)
    cdef void* u = arrays.open(updates, True)
    with nogil:
        if arrays.is_double:
            momentum_f64(<double*>g, <double*>v, <double*>u, arrays.n, learning_rate, momentum, nesterov)
        else:
            momentum_f32(<float*>g, <float*>v, <float*>u, arrays.n, <float>learning_rate, <float>momentum,
                         nesterov)


def adam_step(gradients, mean, square, updates, double learning_rate, double beta_1, double beta_2,
              double epsilon, Py_ssize_t t):
    cdef _Arrays arrays = _Arrays.__new__(_Arrays)
    cdef void* g = arrays.open(gradients, False)
    cdef void* m = arrays.open(mean, True)
    cdef void* v = arrays.open(square, True)
    cdef void* u = arrays.open(updates, True)
    cdef double correction_1 = 1 - beta_1 ** t, correction_2 = 1 - beta_2 ** t
    with nogil:
        if arrays.is_double:
            adam_f64(<double*>g, <double*>m, <double*>v, <double*>u, arrays.n, learning_rate, beta_1,
                     beta_2, epsilon, correction_1, correction_2)
        else:
            adam_f32(<float*>g, <float*>m, <float*>v, <float*>u, arrays.n, learning_rate, beta_1,
                     beta_2, epsilon, correction_1, correction_2)


def rprop_step(gradients, previous, sizes, updates, double share, double increase, double decrease,
               double min_step, double max_step):
    cdef _Arrays arrays = _Arrays.__new__(_Arrays)
    cdef void* g = arrays.open(gradients, False)
    cdef void* p = arrays.open(previous, True)
    cdef void* z = arrays.open(sizes, True)
    cdef void* u = arrays.open(updates, True)
    with nogil:
        if arrays.is_double:
            rprop_f64(<double*>g, <double*>p, <double*>z, <double*>u, arrays.n, share, increase, decrease,
                      min_step, max_step)
        else:
            rprop_f32(<float*>g, <float*>p, <float*>z, <float*>u, arrays.n, share, increase, decrease,
                      min_step, max_step)


def adagrad_step(gradients, total, updates, double learning_rate, double epsilon):
    cdef _Arrays arrays = _Arrays.__new__(_Arrays)
    cdef void* g = arrays.open(gradients, False)
    cdef void* s = arrays.open(total, True)
    cdef void* u = arrays.open(updates, True)
    with nogil:
        if arrays.is_double:
            adagrad_f64(<double*>g, <double*>s, <double*>u, arrays.n, learning_rate, epsilon)
        else:
            adagrad_f32(<float*>g, <float*>s, <float*>u, arrays.n, learning_rate, epsilon)


def adadelta_step(gradients, square, moved, updates, double learning_rate, double decay, double epsilon):
    cdef _Arrays arrays = _Arrays.__new__(_Arrays)
    cdef void* g = arrays.open(gradients, False)
    cdef void* v = arrays.open(square, True)
    cdef void* m = arrays.open(moved, True)
    cdef void* u = arrays.open(updates, True)
    with nogil:
        if arrays.is_double:
            adadelta_f64(<double*>g, <double*>v, <double*>m, <double*>u, arrays.n, learning_rate, decay,
                         epsilon)
        else:
            adadelta_f32(<float*>g, <float*>v, <float*>m, <float*>u, arrays.n, learning_rate, decay, epsilon)


def rmsprop_step(gradients, square, updates, double learning_rate, double decay, double epsilon):
    cdef _Arrays arrays = _Arrays.__new__(_Arrays)
    cdef void* g = arrays.open(gradients, False)
    cdef void* v = arrays.open(square, True)
    cdef void* u = arrays.open(updates, True)
    with nogil:
        if arrays.is_double:
            rmsprop_f64(<double*>g, <double*>v, <double*>u, arrays.n, learning_rate, decay, epsilon)
        else:
            rmsprop_f32(<float*>g, <float*>v, <float*>u, arrays.n, learning_rate, decay, epsilon)


def adamax_step(gradients, mean, largest, updates, double learning_rate, double beta_1, double beta_2,
                double epsilon, Py_ssize_t t):
    cdef _Arrays arrays = _Arrays.__new__(_Arrays)
    cdef void* g = arrays.open(gradients, False)
    cdef void* m = arrays.open(mean, True)
    cdef void* v = arrays.open(largest, True)
    cdef void* u = arrays.open(updates, True)
    cdef double correction = 1 - beta_1 ** t
    with nogil:
        if arrays.is_double:
            adamax_f64(<double*>g, <double*>m, <double*>v, <double*>u, arrays.n, learning_rate, beta_1,
                       beta_2, epsilon, correction)
        else:
            adamax_f32(<float*>g, <float*>m, <float*>v, <float*>u, arrays.n, learning_rate, beta_1, beta_2,
                       epsilon, correction)


def nadam_step(gradients, mean, square, updates, double of_mean, double of_gradient, double beta_1,
               double beta_2, double epsilon, Py_ssize_t t):
    cdef _Arrays arrays = _Arrays.__new__(_Arrays)
    cdef void* g = arrays.open(gradients, False)
    cdef void* m = arrays.open(mean, True)
    cdef void* v = arrays.open(square, True)
    cdef void* u = arrays.open(updates, True)
    cdef double correction = 1 - beta_2 ** t
    with nogil:
        if arrays.is_double:
            nadam_f64(<double*>g, <double*>m, <double*>v, <double*>u, arrays.n, of_mean, of_gradient,
                      beta_1, beta_2, epsilon, correction)
        else:
            nadam_f32(<float*>g, <float*>m, <float*>v, <float*>u, arrays.n, of_mean, of_gradient, beta_1,
                      beta_2, epsilon, correction)


def radam_step(gradients, mean, square, updates, double corrected_rate, double beta_1, double beta_2,
               double epsilon, bint divided):
    cdef _Arrays arrays = _Arrays.__new__(_Arrays)
    cdef void* g = arrays.open(gradients, False)
    cdef void* m = arrays.open(mean, True)
    cdef void* v = arrays.open(square, True)
    cdef void* u = arrays.open(updates, True)
    with nogil:
        if arrays.is_double:
            radam_f64(<double*>g, <double*>m, <double*>v, <double*>u, arrays.n, corrected_rate, beta_1,
                      beta_2, epsilon, divided)
        else:
            radam_f32(<float*>g, <float*>m, <float*>v, <float*>u, arrays.n, corrected_rate, beta_1, beta_2,
                      epsilon, divided)


def lion_step(gradients, mean, updates, double learning_rate, double beta_1, double beta_2):
    cdef _Arrays arrays = _Arrays.__new__(_Arrays)
    cdef void* g = arrays.open(gradients, False)
    cdef void* m = arrays.open(mean, True)
    cdef void* u = arrays.open(updates, True)
    with nogil:
        if arrays.is_double:
            lion_f64(<double*>g, <double*>m, <double*>u, arrays.n, learning_rate, beta_1, beta_2)
        else:
            lion_f32(<float*>g, <float*>m, <float*>u, arrays.n, learning_rate, beta_1, beta_2)


def decay_step(weights, updates, double share):
    cdef _Arrays arrays = _Arrays.__new__(_Arrays)
    cdef void* w = arrays.open(weights, False)
    cdef void* u = arrays.open(updates, True)
    with nogil:
        if arrays.is_double:
            decay_f64(<double*>w, <double*>u, arrays.n, share)
        else:
            decay_f32(<float*>w, <float*>u, arrays.n, share)


def average_step(params, updates, average, double share):
    cdef _Arrays arrays = _Arrays.__new__(_Arrays)
    cdef void* w = arrays.open(params, False)
    cdef void* u = arrays.open(updates, False)
    cdef void* a = arrays.open(average, True)
    with nogil:
        if arrays.is_double:
            average_f64(<double*>w, <double*>u, <double*>a, arrays.n, share)
        else:
            average_f32(<float*>w, <float*>u, <float*>a, arrays.n, share)


def norm(values):
    """Square root of the sum of squares, summed in double."""
    cdef _Arrays arrays = _Arrays.__new__(_Arrays)
    cdef void* x = arrays.open(values, False)
    cdef double total
    with nogil:
        if arrays.is_double:
            total = squares_f64(<double*>x, arrays.n)
        else:
            total = squares_f32(<float*>x, arrays.n)
    return sqrt(total)


def apply_updates(params, updates):
    """Add the updates; return False if one was not finite."""
    cdef _Arrays arrays = _Arrays.__new__(_Arrays)
    cdef void* w = arrays.open(params, True)
    cdef void* u = arrays.open(updates, False)
    cdef int applied
    with nogil:
        if arrays.is_double:
            applied = apply_f64(<double*>w, <double*>u, arrays.n)
        else:
            applied = apply_f32(<float*>w, <float*>u, arrays.n)
    return applied != 0

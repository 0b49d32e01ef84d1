# cython: language_level=3, boundscheck=False, cdivision=True, initializedcheck=False
"""All updates of a network from what is known of each pattern. The twin is ``reference.PatternRule``."""

import numpy as np

from libc.stdint cimport int64_t
from libc.string cimport memcpy

ctypedef fused real:
    float
    double

cdef enum:
    MAX_SOURCES = 256


cdef class PatternRule:
    """Gathers what is known of each pattern, runs the MLP and takes the mean; see ``reference.PatternRule``."""

    cdef tuple _arrays
    cdef object _forward
    cdef int _n_sources
    cdef bint _is_double
    cdef int64_t _batch, _n_columns, _n_updates
    cdef int64_t _width[MAX_SOURCES]
    cdef int64_t _stride[MAX_SOURCES]
    cdef void* _source[MAX_SOURCES]
    cdef void* _matrix
    cdef void* _outputs
    cdef void* _updates

    def __init__(self, sources, mlp, matrix, updates):
        outputs = mlp.layer_outputs[-1]
        dtype = updates.dtype
        arrays = (*sources, matrix, outputs, updates)
        self._arrays = (*arrays, mlp)
        self._forward = mlp.forward
        self._batch, self._n_columns = matrix.shape
        self._n_updates = len(updates)
        alike = dtype in (np.float32, np.float64) and all(a.dtype == dtype and a.flags.c_contiguous for a in arrays)
        widths = [array.shape[-1] for array in sources]
        if not alike or len(sources) > MAX_SOURCES or sum(widths) != self._n_columns or (
                outputs.shape[1] != self._n_updates) or len(outputs) < self._batch or any(
                array.ndim == 2 and len(array) < self._batch for array in sources):
            raise ValueError("sources, MLP, matrix and updates do not fit together")
        self._is_double = dtype == np.float64
        self._n_sources = len(sources)
        for position, array in enumerate(sources):
            self._width[position] = array.shape[-1]
            self._stride[position] = array.shape[-1] if array.ndim == 2 else 0
            self._source[position] = <void*><size_t>array.ctypes.data
        self._matrix, self._outputs, self._updates = (
            <void*><size_t>matrix.ctypes.data, <void*><size_t>outputs.ctypes.data, <void*><size_t>updates.ctypes.data)

    def update(self, Py_ssize_t n):
        """Write the mean prediction over the first n patterns."""
        if not 0 < n <= self._batch:
            raise IndexError(f"{n} patterns of at most {self._batch}")
        with nogil:
            if self._is_double:
                self._gather[double](n, <double*>self._matrix)
            else:
                self._gather[float](n, <float*>self._matrix)
        self._forward(0, n)
        with nogil:
            if self._is_double:
                self._mean[double](n, <double*>self._updates)
            else:
                self._mean[float](n, <float*>self._updates)

    cdef void _gather(self, int64_t n, real* matrix) noexcept nogil:
        cdef int64_t p
        cdef int k
        for p in range(n):
            for k in range(self._n_sources):
                memcpy(matrix, <real*>self._source[k] + p * self._stride[k], self._width[k] * sizeof(real))
                matrix += self._width[k]

    cdef void _mean(self, int64_t n, real* updates) noexcept nogil:
        cdef int64_t p, i
        cdef real* outputs = <real*>self._outputs
        for i in range(self._n_updates):
            updates[i] = 0
        for p in range(n):
            for i in range(self._n_updates):
                updates[i] += outputs[p * self._n_updates + i]
        for i in range(self._n_updates):
            updates[i] /= n

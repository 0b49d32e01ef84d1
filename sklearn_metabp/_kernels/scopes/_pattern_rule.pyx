# cython: language_level=3, boundscheck=False, cdivision=True, initializedcheck=False
"""All updates of a network from its patterns; ``pattern_rule_fallback`` has the fallback."""

import numpy as np

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from sklearn_metabp._kernels.arrays import are_readable, are_writable

__all__ = ["PatternRule"]

ctypedef fused real:
    float
    double

ctypedef struct Source:
    void* values
    int64_t width
    int64_t stride      # from a pattern to the next: 0 where all share the values


cdef class PatternRule:
    """All updates of a network from the patterns of a batch; see the fallback."""

    cdef tuple _arrays
    cdef object _forward
    cdef int _n_sources
    cdef bint _is_double
    cdef int64_t _batch, _n_columns, _n_updates
    cdef Source* _sources
    cdef void* _matrix
    cdef void* _centre
    cdef void* _outputs
    cdef void* _updates

    def __init__(self, sources, mlp, matrix, updates, centre=None):
        if self._sources != NULL:
            raise TypeError("a kernel is made once: make another one.")
        outputs = mlp.layer_outputs[-1]
        dtype = updates.dtype
        arrays = (*sources, matrix, outputs, updates) + (() if centre is None else (centre,))
        self._arrays = (*arrays, mlp)
        self._forward = mlp.forward
        self._batch, self._n_columns = matrix.shape
        self._n_updates = len(updates)
        alike = are_readable(arrays, dtype) and are_writable((matrix, updates), dtype)
        widths = [array.shape[-1] for array in sources]
        if not alike or sum(widths) != self._n_columns or (
                centre is not None and centre.shape != (self._n_columns,)) or (
                outputs.shape[1] != self._n_updates) or len(outputs) < self._batch or any(
                array.ndim == 2 and len(array) < self._batch for array in sources):
            raise ValueError("sources, MLP, matrix, centre and updates do not fit together")
        self._is_double = dtype == np.float64
        self._n_sources = len(sources)
        self._sources = <Source*>PyMem_Calloc(max(1, len(sources)), sizeof(Source))
        if self._sources == NULL:
            raise MemoryError()
        for position, array in enumerate(sources):
            self._sources[position].width = array.shape[-1]
            self._sources[position].stride = array.shape[-1] if array.ndim == 2 else 0
            self._sources[position].values = <void*><size_t>array.ctypes.data
        self._centre = NULL if centre is None else <void*><size_t>centre.ctypes.data
        self._matrix = <void*><size_t>matrix.ctypes.data
        self._outputs = <void*><size_t>outputs.ctypes.data
        self._updates = <void*><size_t>updates.ctypes.data

    def __dealloc__(self):
        PyMem_Free(self._sources)

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
        cdef int64_t p, i
        cdef int k
        cdef Source* source
        cdef real* centre = <real*>self._centre
        for p in range(n):
            for k in range(self._n_sources):
                source = &self._sources[k]
                memcpy(matrix, <real*>source.values + p * source.stride,
                       source.width * sizeof(real))
                matrix += source.width
            if centre != NULL:
                for i in range(self._n_columns):
                    matrix[i - self._n_columns] -= centre[i]

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

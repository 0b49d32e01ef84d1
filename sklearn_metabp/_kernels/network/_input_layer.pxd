"""Scales and embeddings in front of the first layer of neurons."""

from libc.stdint cimport int64_t

cdef class InputRows:
    cdef readonly object rows_array         # what the first layer of neurons receives
    cdef void* rows
    cdef void* deltas                       # of these rows
    cdef int width, n_inputs
    cdef int64_t row_work                   # operations of a row, for threads

    cdef object _buffers
    cdef void* _columns             # an InputColumn for each column of X
    cdef int64_t _item, _scratch_bytes
    cdef bint _is_double
    cdef char* _scratch

    cdef void embed(self, const void* x, int first, int n, int thread) noexcept nogil
    cdef void gradients(self, int first, int last, const void* x, int n, double scale,
                        int thread) noexcept nogil

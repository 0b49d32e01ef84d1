"""The passes that a penalty of the input gradients takes behind the backward pass."""

from libc.stdint cimport int64_t

from sklearn_metabp._kernels.network._batch_rows cimport BatchRows
from sklearn_metabp._kernels.network._layers cimport Layer, Thread, ThreadPool, Work
from sklearn_metabp._kernels.network._products cimport Products


cdef class InputGradient:
    cdef void* inputs               # rows of the batch, and behind them the rates of the inputs
    cdef double penalty             # of the last batch: the sum over its patterns

    cdef BatchRows _rows
    cdef object _buffers, _penalties, _groups
    cdef bint _is_double
    cdef int _norm, _loss, _n_layers
    cdef double _beta
    cdef int64_t _item, _n_weights, _n_groups
    cdef int64_t* _groups_at
    cdef double* _penalties_at      # of each pattern
    cdef void* _zeros               # in place of biases
    cdef void* _scratch_at          # of BLAS
    cdef Layer* _layers
    cdef const Products* _products
    cdef ThreadPool* _pool
    cdef Thread* _threads

    cdef fit_in(self, BatchRows rows, Layer* layers, const Products* products, ThreadPool* pool,
                Thread* threads, void* scratch)
    cdef int fill(self, int n) noexcept nogil
    cdef void _fill_part(self, const Work* work, int part, int thread) noexcept nogil
    cdef void _send_back(self, int number, int first, int n, int thread) noexcept nogil

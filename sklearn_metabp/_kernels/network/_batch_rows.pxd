"""The rows that batches are drawn from, and where the last batch lies."""

from libc.stdint cimport int32_t, int64_t

from sklearn_metabp._kernels.network._layer_loops cimport SparseRows

cdef enum Change:
    NOTHING
    ORDER
    COLUMNS
    NEURONS


cdef class BatchRows:
    cdef readonly object inputs_array       # activations[0]; None for a sparse X until it is needed
    cdef object targets_array
    cdef Py_ssize_t n_rows
    cdef bint is_sparse, has_targets
    cdef int n                              # number of rows of the batch
    cdef int64_t n_inputs                   # columns of X
    cdef SparseRows sparse
    cdef void* inputs                       # of the batch, of a dense X
    cdef void* targets                      # of the batch; not filled where it has labels
    cdef int32_t* labels                    # of the batch, one for each group of outputs, or NULL
    cdef void* label_no                     # targets of the neurons that have no label, and of
    cdef void* label_yes                    # those that have one; NULL where they are 0 and 1
    cdef void* weight                       # of the batch; NULL where the rows have none
    cdef Py_ssize_t* order_at                # NULL where a batch has the rows from start to stop
    cdef Change changed                     # what is not as it was when it was loaded

    cdef object _rows, _dtype, _row_numbers, _input_buffer, _target_buffer, _weight_buffer
    cdef object _groups, _label_buffer
    cdef int64_t* _groups_at                # widths of the groups that may have labels, or NULL
    cdef int64_t _n_groups
    cdef int64_t* _row_numbers_at
    cdef Py_ssize_t _max_batch, _item
    cdef int64_t _n_outputs
    cdef bint _changes_inputs               # so that they have to be a copy
    cdef bint _gathers, _has_sparse_targets, _inputs_are_stale, _targets_are_stale
    cdef char* _inputs_at
    cdef char* _targets_at
    cdef char* _weight_at
    cdef int32_t* _neurons
    cdef char* _target_values               # of the neurons, or NULL
    cdef int64_t* _neuron_starts
    cdef object _no, _yes                   # targets of the output neurons
    cdef void* _no_at
    cdef void* _yes_at

    cdef object sparse_arrays(self)
    cdef void enter(self, Py_ssize_t start, Py_ssize_t stop) noexcept nogil
    cdef int _write_targets(self, Py_ssize_t p, Py_ssize_t row) noexcept nogil


cdef void* address(array) except? NULL

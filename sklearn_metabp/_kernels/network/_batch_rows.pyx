# cython: language_level=3, boundscheck=False, wraparound=False
# cython: cdivision=True, initializedcheck=False
"""The rows that batches are drawn from; ``rows.py`` checks them."""

import numpy as np

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, int64_t, uint32_t

from sklearn_metabp._kernels.network._layer_loops cimport (
    dense_rows, gather, row_labels, write_targets,
)

from sklearn_metabp._kernels.network.csr_rows import X_CHANGED, CSRRows
from sklearn_metabp._kernels.network.rows import ORDER_CHANGED, TARGETS_CHANGED, check_rows
from sklearn_metabp._kernels.network.sparse_targets import SparseTargets


cdef class BatchRows:
    """Batches, in the memory of the caller if they hold all rows, and else gathered into buffers.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Neurons of the first and of the last layer.
    dtype : dtype
    max_batch : int
    groups : ndarray of int64, default=None
        Widths of the groups of outputs. If they are given and the targets of every row are ``yes``
        at one neuron of each group, the batch has ``labels``, and targets only when somebody reads
        them.
    changes_inputs : bool, default=False
        Whether the caller writes to ``inputs``. Training batches are then always copied.
    """

    def __init__(self, int64_t n_inputs, int64_t n_outputs, dtype, Py_ssize_t max_batch,
                 groups=None, bint changes_inputs=False):
        self._changes_inputs = changes_inputs
        self.n_inputs, self._n_outputs = n_inputs, n_outputs
        self._groups, self._groups_at = groups, <int64_t*>address(groups)
        self._n_groups = 0 if groups is None else len(groups)
        self._row_numbers = np.zeros(max_batch, np.int64)
        self._row_numbers_at = <int64_t*>address(self._row_numbers)
        self._dtype, self._item, self._max_batch = dtype, dtype.itemsize, max_batch

    def load(self, X, targets, sample_weight, order):
        """Take the rows; if they do not fit, keep the rows that were loaded before."""
        sizes = self.n_inputs, self._n_outputs
        rows = check_rows(sizes, self._dtype, X, targets, sample_weight, order)
        X, targets, sample_weight, order, self.n_rows = rows
        self._rows = rows
        self.n, self.changed = 0, NOTHING
        self.has_targets = targets is not None
        self.is_sparse = isinstance(X, CSRRows)
        self._has_sparse_targets = isinstance(targets, SparseTargets)
        # Training batches use the same buffers at every step, unless a batch has all rows.
        self._gathers = order is not None or (
            self.has_targets and (self._changes_inputs or self._max_batch < self.n_rows)
        )
        self.order_at = <Py_ssize_t*>address(order)
        self.inputs_array, self._inputs_at = None, NULL
        if self.is_sparse:
            self._load_sparse(X)
        else:
            self._inputs_at = <char*>address(X)
            self.inputs_array = X
            if self._gathers:
                self._input_buffer = self._buffer(self._input_buffer, self.n_inputs)
                self.inputs_array = self._input_buffer
            self.inputs = address(self.inputs_array)
        self.targets_array, self._targets_at, self.labels = targets, NULL, NULL
        if self._has_sparse_targets:
            self._neurons = <int32_t*>address(targets.neurons)
            self._neuron_starts = <int64_t*>address(targets.indptr)
            self._target_values = <char*>address(targets.values)
            self._no, self._yes = targets.no.astype(self._dtype), targets.yes.astype(self._dtype)
            self._no_at, self._yes_at = address(self._no), address(self._yes)
            self.label_no = self.label_yes = NULL
            if not targets.are_zero_and_one:
                self.label_no, self.label_yes = self._no_at, self._yes_at
            if self._groups is not None and targets.is_yes_once_in(self._groups):
                if self._label_buffer is None:
                    self._label_buffer = np.zeros((self._max_batch, self._n_groups), np.int32)
                self.labels = <int32_t*>address(self._label_buffer)
        else:
            self._targets_at = <char*>address(targets)
        if self._gathers or self._has_sparse_targets:
            self._target_buffer = self._buffer(self._target_buffer, self._n_outputs)
            self.targets_array = self._target_buffer
        self.targets = address(self.targets_array)
        self._weight_at = <char*>address(sample_weight)
        self.weight = self._weight_at
        if self._gathers and sample_weight is not None:
            self._weight_buffer = self._buffer(self._weight_buffer)
            self.weight = address(self._weight_buffer)

    def _load_sparse(self, X):
        self.sparse.values = address(X.values)
        self.sparse.columns = <int32_t*>address(X.columns)
        self.sparse.indptr = <int64_t*>address(X.indptr)
        self.sparse.rows = self._row_numbers_at
        self._inputs_are_stale = True
        self.inputs = NULL

    cdef object sparse_arrays(self):
        """Return the ``CSRRows`` of a sparse X."""
        return self._rows[0]

    def _buffer(self, old, *width):
        return np.zeros((self._max_batch, *width), self._dtype) if old is None else old

    def fill_inputs(self):
        """Write the last batch of a sparse X into ``inputs_array``; that of a dense X is there."""
        if not (self.is_sparse and self._inputs_are_stale):
            return
        if self.inputs_array is None:
            self.inputs_array = np.zeros((self._max_batch, self.n_inputs), self._dtype)
        cdef void* inputs = address(self.inputs_array)
        cdef bint is_double = self._item == sizeof(double)
        cdef int outside = dense_rows(is_double, &self.sparse, inputs, self.n, self.n_inputs)
        if outside:
            self.changed = COLUMNS
            self.raise_change()
        self._inputs_are_stale = False

    def fill_targets(self):
        """Return the targets of the last batch, made from labels where it has labels."""
        cdef Py_ssize_t p
        if self.labels != NULL and self._targets_are_stale:
            for p in range(self.n):
                write_targets(self._item == sizeof(double),
                              <char*>self.targets + p * self._n_outputs * self._item,
                              self.labels + p * self._n_groups, NULL, self._n_groups,
                              self._n_outputs, self._no_at, self._yes_at)
            self._targets_are_stale = False
        return self.targets_array

    def raise_change(self):
        """Raise the error that names the array that changed while it was held."""
        message, last = {
            ORDER: (ORDER_CHANGED, self.n_rows),
            COLUMNS: (X_CHANGED, self.n_inputs),
            NEURONS: (TARGETS_CHANGED, self._n_outputs),
        }[self.changed]
        self.n, self.changed = 0, NOTHING
        raise ValueError(message.format(last - 1))

    cdef void enter(self, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
        """Draw a batch; if it cannot be read because rows changed, set ``changed``."""
        cdef Py_ssize_t p, row, item = self._item
        cdef Py_ssize_t n_inputs = self.n_inputs * item, n_outputs = self._n_outputs * item
        cdef int64_t* rows = self._row_numbers_at
        cdef bint is_double = item == sizeof(double)
        cdef int n = <int>(stop - start)
        self.n, self._inputs_are_stale, self._targets_are_stale = n, True, True
        if not self._gathers:
            if not self.is_sparse:
                self.inputs = self._inputs_at + start * n_inputs
            if self._targets_at != NULL:
                self.targets = self._targets_at + start * n_outputs
            if self._weight_at != NULL:
                self.weight = self._weight_at + start * item
            if not (self.is_sparse or self._has_sparse_targets):
                return
        for p in range(n):
            row = start + p if self.order_at == NULL else self.order_at[start + p]
            if <size_t>row >= <size_t>self.n_rows:  # a negative one is beyond all rows
                self.n, self.changed = 0, ORDER
                return
            rows[p] = row
        if self._gathers and not self.is_sparse:
            gather(is_double, self.inputs, self._inputs_at, rows, n, self.n_inputs)
        if self._gathers and self._targets_at != NULL:
            gather(is_double, self.targets, self._targets_at, rows, n, self._n_outputs)
        if self._gathers and self._weight_at != NULL:
            gather(is_double, self.weight, self._weight_at, rows, n, 1)
        if self._has_sparse_targets:
            for p in range(n):
                if self._write_targets(p, rows[p]):
                    self.n, self.changed = 0, NEURONS
                    return

    cdef int _write_targets(self, Py_ssize_t p, Py_ssize_t row) noexcept nogil:
        """Write the labels or targets of a row; return whether a neuron is out of range."""
        cdef const int32_t* neurons = self._neurons + self._neuron_starts[row]
        cdef int64_t n_neurons = self._neuron_starts[row + 1] - self._neuron_starts[row]
        if self.labels != NULL:
            return row_labels(self.labels + p * self._n_groups, neurons, self._groups_at,
                              self._n_groups)
        cdef char* values = NULL
        if self._target_values != NULL:
            values = self._target_values + self._neuron_starts[row] * self._item
        return write_targets(self._item == sizeof(double),
                             <char*>self.targets + p * self._n_outputs * self._item, neurons,
                             values, n_neurons, self._n_outputs, self._no_at, self._yes_at)


cdef void* address(array) except? NULL:
    """Return the address of a C-contiguous array, NULL for None; its owner keeps it alive."""
    cdef Py_buffer view
    if array is None:
        return NULL
    PyObject_GetBuffer(array, &view, PyBUF_SIMPLE)
    PyBuffer_Release(&view)
    return view.buf

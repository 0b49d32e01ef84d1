# cython: language_level=3, boundscheck=False, wraparound=False
# cython: cdivision=True, initializedcheck=False
"""The weights of a sparse first layer, which take steps when somebody needs them."""

import numpy as np

cimport cython
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.math cimport NAN, isfinite
from libc.stdint cimport int64_t

from sklearn_metabp._kernels.network._batch_rows cimport address
from sklearn_metabp._kernels.network._epoch_ends cimport (
    FINISHED, LOSS_IS_NOT_FINITE, ROWS_CHANGED, UPDATE_IS_NOT_FINITE, End,
)
from sklearn_metabp._kernels.network._layer_loops cimport SparseRows
from sklearn_metabp._kernels.rules._compiled_rule cimport LATE_STEPS, CompiledRule, LateStep

cdef extern from "sparse_entries.h" nogil:
    ctypedef struct Entry_f64:
        pass
    ctypedef struct Entry_f32:
        pass
    void* sort_entries(bint, const SparseRows* x, void* entries, void* others, int64_t n,
                       int64_t fan_in)
    int64_t column_of(bint, const void* entries, int64_t k)
    void fetch(const void* at, int64_t n_bytes)
    void columns_gradient(bint, void* out, const void* entries, int64_t begin, int64_t end,
                          int64_t first, int64_t n, const void* deltas, int64_t width,
                          double scale)

__all__ = ["LateWeights"]

cdef enum:
    PART = 64               # weights that are caught up together, at least
    AHEAD = 1               # parts that are fetched before they are needed
    MANY_WEIGHTS = 1 << 20  # fewer, and their rule's state, are in the last cache anyway


def is_worthwhile(X, shape, batch_size):
    """Return whether most weights of a first layer can skip most steps.

    It depends on shapes alone, so that every machine adds up the penalty in the same order.
    """
    fan_in, width = shape
    if fan_in * width < MANY_WEIGHTS:
        return False
    return np.diff(X.indptr).mean() * batch_size <= fan_in


@cython.final
cdef class LateWeights:
    """Weights that a batch touches are brought up to date before it, all others at the end.

    A batch of a sparse X reads and has gradients for few rows of W, those of the columns in it. All
    others have the gradient of the penalty in this step, or none. A part of W is a row, or a few
    narrow ones. A part that a batch does not touch waits. Before the next batch that touches it, it
    takes all the steps that it has missed, while it is in the first cache. The gradient of a step
    that touches it waits with it. A window of ``LATE_STEPS`` steps is kept; at its end all parts
    are brought up to date.

    The penalty of a step is complete only when all weights have taken it, so losses of steps are
    known at the end of the window. Then the first step that was not finite is found as well.

    Parameters
    ----------
    rule : CompiledRule
        It can be late. The weights are the first of its parameters.
    X : CSRRows
    shape : (fan_in, width)
    gradients : ndarray of shape (n_params,)
        Those of parts that wait are kept here.
    batch_size : int
    is_penalised : bool
    losses : memoryview of shape (n_epochs,)
        Gets the mean loss of every epoch that ends.
    n_rows_before, total_loss : int, float
        Rows of the epoch before the first step, and the sum of their losses.
    """

    def __init__(self, CompiledRule rule, X, shape, gradients, batch_size, is_penalised,
                 double[::1] losses, n_rows_before, total_loss):
        if self._parts != NULL:
            raise TypeError("late weights are made once: make others.")
        counts = np.diff(X.indptr)
        n_rows = len(counts)
        rule.make_late()
        self._rule, self._losses, self._is_penalised = rule, losses, is_penalised
        self._fan_in, self._width = shape
        self._is_double, self._item = gradients.dtype == np.float64, gradients.dtype.itemsize
        self._gradients = <char*>address(gradients)
        self._n_rows, self.end = n_rows, FINISHED
        self._rows_so_far, self.total_loss = n_rows_before, total_loss
        self.loss = self.last_loss = NAN
        # No batch has more entries than the rows that have most of them.
        most = counts
        if batch_size < n_rows:
            most = np.partition(counts, n_rows - batch_size)[n_rows - batch_size :]
        entry = sizeof(Entry_f64) if self._is_double else sizeof(Entry_f32)
        entries = np.empty((2, max(1, int(most.sum())) * entry), np.uint8)
        self._kept = [gradients, entries]
        self._entries, self._others = address(entries[0]), address(entries[1])
        self._part_rows = 1
        while self._part_rows * self._width < PART:
            self._part_rows *= 2
        self._n_parts = (self._fan_in + self._part_rows - 1) // self._part_rows
        self._parts = <Part*>PyMem_Calloc(self._n_parts, sizeof(Part))
        self._steps = <LateStep*>PyMem_Calloc(LATE_STEPS, sizeof(LateStep))
        self._recorded = <Recorded*>PyMem_Calloc(LATE_STEPS, sizeof(Recorded))
        if self._parts == NULL or self._steps == NULL or self._recorded == NULL:
            raise MemoryError()

    def __dealloc__(self):
        PyMem_Free(self._parts)
        PyMem_Free(self._steps)
        PyMem_Free(self._recorded)

    cdef bint enter(self, const SparseRows* x, int64_t n) noexcept nogil:
        """Sort the entries of a batch and bring the weights that it needs up to date.

        Returns whether a column is outside.
        """
        cdef int64_t p, k = 0, part, ahead = 0, n_ahead = 0
        self._sorted = sort_entries(self._is_double, x, self._entries, self._others, n,
                                    self._fan_in)
        self._n_entries = 0
        if self._sorted == NULL:
            return True
        for p in range(n):
            self._n_entries += x.indptr[x.rows[p] + 1] - x.indptr[x.rows[p]]
        while k < self._n_entries:
            while ahead < self._n_entries and n_ahead <= AHEAD:
                part = column_of(self._is_double, self._sorted, ahead) // self._part_rows
                self._fetch(part)
                ahead = self._end_of(part, ahead)
                n_ahead += 1
            part = column_of(self._is_double, self._sorted, k) // self._part_rows
            k = self._end_of(part, k)
            n_ahead -= 1
            self._catch_up(part)
        return False

    cdef void begin(self, double decay) noexcept nogil:
        """Keep the numbers of the step that the rule has begun; the penalty adds decay w."""
        cdef LateStep* step = &self._steps[self._n_begun]
        step.decay, step.squares, step.is_finite = decay, 0, True
        self._rule.keep(self._n_begun)
        self._n_begun += 1

    cdef void keep_gradient(self, const void* deltas, double scale) noexcept nogil:
        """Compute the gradient of this step for the weights that the batch touches."""
        cdef int64_t k = 0, start, part, first, ahead = 0, n_ahead = 0
        while k < self._n_entries:
            while ahead < self._n_entries and n_ahead <= AHEAD:
                part = column_of(self._is_double, self._sorted, ahead) // self._part_rows
                fetch(self._gradients + part * self._part_rows * self._width * self._item,
                      self._part_rows * self._width * self._item)
                ahead = self._end_of(part, ahead)
                n_ahead += 1
            n_ahead -= 1
            start, part = k, column_of(self._is_double, self._sorted, k) // self._part_rows
            k = self._end_of(part, k)
            first = part * self._part_rows
            columns_gradient(self._is_double, self._gradients + first * self._width * self._item,
                             self._sorted, start, k, first, self._rows_of(part), deltas,
                             self._width, scale)
            self._parts[part].has_gradient = True

    cdef End record(self, End end, double loss, int64_t n_rows) noexcept nogil:
        """Record a step that ended like this, with the loss of a batch as far as it is known."""
        cdef LateStep* step = &self._steps[self._n_recorded]
        if end == ROWS_CHANGED:
            return end
        if self._n_begun == self._n_recorded:  # the loss was not finite, so nothing has changed
            step.decay, step.squares, step.is_finite = 0, 0, True
        if end == UPDATE_IS_NOT_FINITE:
            step.is_finite = False
        self._recorded[self._n_recorded].loss = loss
        self._recorded[self._n_recorded].n_rows = n_rows
        self._n_recorded += 1
        if end != FINISHED or self._n_recorded == LATE_STEPS:
            self.settle()
        return self.end

    cdef void settle(self) noexcept nogil:
        """Bring all weights up to date, and find out how the steps went that were recorded."""
        cdef int64_t part, slot = 0
        cdef LateStep* step
        for part in range(self._n_parts):
            self._catch_up(part)
            self._parts[part].n_taken = 0
        while slot < self._n_recorded and self.end == FINISHED:
            step = &self._steps[slot]
            self.loss = self._recorded[slot].loss + 0.5 * step.decay * step.squares
            if not isfinite(self.loss):
                self.end = LOSS_IS_NOT_FINITE
            elif not step.is_finite:
                self.end = UPDATE_IS_NOT_FINITE
            else:
                self._count(self.loss, self._recorded[slot].n_rows)
            slot += 1
        self._n_begun = self._n_recorded = 0

    cdef void _count(self, double loss, int64_t n_rows) noexcept nogil:
        """Count a step, and the epoch that ends with it."""
        self.n_steps += 1
        self.last_loss = loss
        self.total_loss += loss * n_rows
        self._rows_so_far += n_rows
        if self._rows_so_far == self._n_rows:
            self._losses[self.n_epochs] = self.total_loss / self._n_rows
            self.n_epochs += 1
            self.total_loss, self._rows_so_far = 0, 0

    cdef void _catch_up(self, int64_t part) noexcept nogil:
        """Take the steps that a part has missed."""
        cdef Part* at = &self._parts[part]
        cdef int64_t first = part * self._part_rows * self._width, end = self._n_begun
        cdef char* gradient = NULL
        if at.has_gradient:
            gradient = self._gradients + first * self._item
        if self._rule.rests_at_zero and not self._is_penalised:
            end = at.n_taken + at.has_gradient
        if at.n_taken < end:
            self._rule.change_late(self._steps, at.n_taken, end, self._is_penalised, gradient,
                                   first, self._rows_of(part) * self._width)
        at.n_taken, at.has_gradient = self._n_begun, False

    cdef void _fetch(self, int64_t part) noexcept nogil:
        """Ask for what ``_catch_up`` reads."""
        cdef int64_t first = part * self._part_rows * self._width
        if self._parts[part].n_taken < self._n_begun:
            self._rule.fetch(first, self._part_rows * self._width)
        if self._parts[part].has_gradient:
            fetch(self._gradients + first * self._item,
                  self._part_rows * self._width * self._item)

    cdef int64_t _end_of(self, int64_t part, int64_t k) noexcept nogil:
        """Return where the sorted entries of a part end, of which the first is k."""
        cdef int64_t column = (part + 1) * self._part_rows
        while k < self._n_entries and column_of(self._is_double, self._sorted, k) < column:
            k += 1
        return k

    cdef inline int64_t _rows_of(self, int64_t part) noexcept nogil:
        """Return how many rows of W a part has: the last one may have fewer than others."""
        return min(self._part_rows, self._fan_in - part * self._part_rows)

"""The weights of a sparse first layer, which take steps when somebody needs them."""

from libc.stdint cimport int32_t, int64_t

from sklearn_metabp._kernels.network._epoch_ends cimport End
from sklearn_metabp._kernels.network._layer_loops cimport SparseRows
from sklearn_metabp._kernels.rules._compiled_rule cimport CompiledRule, LateStep


ctypedef struct Part:
    int32_t n_taken         # steps of the window that it has taken
    int32_t has_gradient    # whether the step after these has one, and not zeros


ctypedef struct Recorded:
    double loss             # of a batch, without the penalty of these weights
    int64_t n_rows


cdef class LateWeights:
    cdef readonly Py_ssize_t n_epochs, n_steps      # that are recorded to their end
    cdef readonly double loss, last_loss            # of the step that ended them, and before it
    cdef readonly double total_loss                 # of the rows of the epoch that has not ended
    cdef End end                                    # FINISHED until a step is not finite

    cdef CompiledRule _rule
    cdef object _kept
    cdef bint _is_double, _is_penalised
    cdef int64_t _fan_in, _width, _item, _part_rows, _n_parts, _n_entries, _n_rows, _rows_so_far
    cdef double[::1] _losses
    cdef char* _gradients
    cdef void* _entries
    cdef void* _others
    cdef void* _sorted
    cdef Part* _parts
    cdef LateStep* _steps
    cdef Recorded* _recorded
    cdef int64_t _n_begun, _n_recorded

    cdef bint enter(self, const SparseRows* x, int64_t n) noexcept nogil
    cdef void begin(self, double decay) noexcept nogil
    cdef void keep_gradient(self, const void* deltas, double scale) noexcept nogil
    cdef End record(self, End end, double loss, int64_t n_rows) noexcept nogil
    cdef void settle(self) noexcept nogil
    cdef void _count(self, double loss, int64_t n_rows) noexcept nogil
    cdef int64_t _end_of(self, int64_t part, int64_t k) noexcept nogil
    cdef void _fetch(self, int64_t part) noexcept nogil
    cdef void _catch_up(self, int64_t part) noexcept nogil
    cdef inline int64_t _rows_of(self, int64_t part) noexcept nogil

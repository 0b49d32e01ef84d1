"""An update rule that takes steps without Python, in an epoch that runs in C."""

from libc.stdint cimport int64_t

ctypedef struct StepNumbers:
    # The numbers of a step that a rule may use.
    int64_t index       # of the step in this run, from 0
    int64_t epoch       # in this run, from 0
    int64_t n_patterns  # of the batch
    double loss         # of the batch, the penalty included; NaN while the weights still change


cdef extern from "../rules/late_steps.h" nogil:
    enum:
        LATE_STEPS
    ctypedef struct LateStep:
        double decay
        double squares
        int is_finite


cdef class CompiledRule:
    cdef readonly object params     # the flat vector that it changes
    # Whether any part of the vector can be changed by itself, several by several threads at once.
    cdef bint by_blocks
    cdef bint can_be_late           # whether a part can take its steps later
    cdef bint rests_at_zero         # whether gradients of zero change nothing

    cdef int begin(self, const StepNumbers* numbers) noexcept nogil
    cdef int change(self, void* gradients, int64_t first, int64_t n) noexcept nogil
    cdef int make_late(self) except -1
    cdef void keep(self, int64_t slot) noexcept nogil
    cdef void change_late(self, LateStep* steps, int64_t begin, int64_t end, bint is_penalised,
                          const void* gradients, int64_t first, int64_t n) noexcept nogil
    cdef void fetch(self, int64_t first, int64_t n) noexcept nogil

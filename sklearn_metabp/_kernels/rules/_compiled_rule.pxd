"""An update rule that takes steps without Python, in an epoch that runs in C."""

from libc.stdint cimport int64_t

ctypedef struct StepNumbers:
    # The numbers of a step that a rule may use.
    int64_t index       # of the step in this run, from 0
    int64_t epoch       # in this run, from 0
    int64_t n_patterns  # of the batch
    double loss         # of the batch, the penalty included; NaN while the weights still change


cdef class CompiledRule:
    cdef readonly object params     # the flat vector that it changes
    # Whether any part of the vector can be changed by itself, several by several threads at once.
    cdef bint by_blocks

    cdef int begin(self, const StepNumbers* numbers) noexcept nogil
    cdef int change(self, void* gradients, int64_t first, int64_t n) noexcept nogil

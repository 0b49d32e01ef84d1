"""The table of elementwise steps, for kernels that run them without Python."""

from libc.stdint cimport int64_t

cdef extern from "rule_loops_types.h" nogil:
    enum:
        MAX_ARRAYS
        MAX_NUMBERS
    ctypedef void (*Loop)(void** arrays, int64_t n, const double* numbers) noexcept nogil
    ctypedef struct RuleStep:
        const char* name
        const char* arrays
        int n_numbers
        void (*prepare)(double* numbers) noexcept nogil
        Loop f64
        Loop f32

cdef const RuleStep* find_step(const char* name) except NULL

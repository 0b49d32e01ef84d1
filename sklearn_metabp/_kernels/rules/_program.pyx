# cython: language_level=3, boundscheck=False, wraparound=False
"""Elementwise update rules that run in C, block by block of the parameters."""

import numpy as np

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.math cimport INFINITY
from libc.stdint cimport int64_t

from sklearn_metabp._kernels.rules._compiled_rule cimport (
    LATE_STEPS, CompiledRule, LateStep, StepNumbers,
)
from sklearn_metabp._kernels.rules._rule_steps cimport MAX_ARRAYS, RuleStep, find_step

__all__ = ["Program"]

cdef extern from "program.h" nogil:
    enum:
        MAX_OPERATIONS
        MAX_NUMBERS
        OF_STATE
        OF_GRADIENTS
        OF_UPDATES
        OF_PARAMS
    ctypedef struct Operation:
        const RuleStep* step
        int64_t first
        int64_t end
        char** at
        int* kind
        const double* table
        int64_t n_rows
        int counts
        double* numbers
    void clip_f64(double* g, int64_t n, double longest)
    void clip_f32(float* g, int64_t n, double longest)
    void begin_operation(Operation* operation, int64_t index)
    int run_operations_f64(const Operation*, int n, double* w, double* g, int64_t first, int64_t n)
    int run_operations_f32(const Operation*, int n, float* w, float* g, int64_t first, int64_t n)
    void run_late_f64(const Operation*, int n, const double* numbers, LateStep*, int64_t begin,
                      int64_t end, int, double* w, const double* g, int64_t first, int64_t n)
    void run_late_f32(const Operation*, int n, const double* numbers, LateStep*, int64_t begin,
                      int64_t end, int, float* w, const float* g, int64_t first, int64_t n)
    void fetch_late_f64(const Operation*, int n, const double* w, int64_t first, int64_t n)
    void fetch_late_f32(const Operation*, int n, const float* w, int64_t first, int64_t n)


cdef class Program(CompiledRule):
    """A rule whose steps are elementwise operations.

    Parameters
    ----------
    operations : list of Operation
        Of ``sklearn_metabp.update_rules.operation``, in their order. Every array is a vector of the
        state, or a slice of ``params``, ``gradients`` or ``updates``, which are replaced by the
        block that is being changed. The first ones may be ``clip_step``.
    params, gradients, updates : ndarray of shape (n_params,)
    """

    cdef list _tables, _kept
    cdef double _longest            # length that a gradient may have
    cdef Operation* _at
    cdef int _n, _n_clips
    cdef bint _is_double
    cdef char* _params_at
    cdef object _late
    cdef double* _late_at           # numbers of the operations, for every step that may be late

    def __init__(self, operations, params, gradients, updates):
        cdef int k
        self._longest, self._n_clips = INFINITY, 0
        while operations[self._n_clips].function.__name__ == "clip_step":
            self._n_clips += 1
        operations = operations[self._n_clips :]
        if len(operations) > MAX_OPERATIONS:
            raise ValueError(f"a rule has at most {MAX_OPERATIONS} operations")
        self.params, self.by_blocks = params, self._n_clips == 0
        self._n = len(operations)
        self._is_double = params.dtype == np.float64
        self._params_at = address(params)
        self._kept = [params, gradients, updates]
        self._tables = [None] * self._n
        self._at = <Operation*>PyMem_Calloc(MAX_OPERATIONS, sizeof(Operation))
        if self._at == NULL:
            raise MemoryError()
        vectors = {
            OF_GRADIENTS: address_of(gradients),
            OF_UPDATES: address_of(updates),
            OF_PARAMS: address_of(params),
        }
        self.can_be_late, self.rests_at_zero = self.by_blocks, True
        for k in range(self._n):
            self._open(&self._at[k], operations[k], vectors, len(params), params.dtype)

    def __dealloc__(self):
        PyMem_Free(self._at)

    cdef _open(self, Operation* at, operation, dict vectors, int64_t n, dtype):
        """Find the arrays of an operation in the vectors of the training."""
        cdef int k
        at.step = find_step(operation.function.__name__.encode())
        at.counts = operation.counts
        at.first, at.end = 0, n
        item = dtype.itemsize
        for k, array in enumerate(operation.arrays):
            if array.dtype != dtype or array.ndim != 1 or not array.flags.c_contiguous:
                raise ValueError("the arrays of an operation are flat and of the parameters' dtype")
            self._kept.append(array)
            where = address_of(array)
            at.kind[k] = OF_STATE
            for kind, start in vectors.items():
                if start <= where < start + n * item:
                    at.kind[k] = kind
                    at.first = (where - start) // item
                    at.end = at.first + len(array)
        for k, array in enumerate(operation.arrays):
            if len(array) != at.end - at.first:
                raise ValueError("the arrays of an operation have one length")
            if at.kind[k] in (OF_STATE, OF_PARAMS):
                self.rests_at_zero = False
            if at.kind[k] == OF_STATE:
                at.at[k] = address(array) - at.first * <int64_t>item

    def load(self, tables):
        """Take the numbers of the next steps, a table (n_steps or 1, n_numbers) per operation."""
        cdef int k
        for table in tables[: self._n_clips]:
            self._longest = min(self._longest, table[0][0])
        tables = tables[self._n_clips :]
        for k in range(self._n):
            table = np.ascontiguousarray(tables[k], np.float64)
            if table.ndim != 2 or table.shape[1] != self._at[k].step.n_numbers:
                raise ValueError("a table of numbers does not fit its operation")
            self._tables[k] = table
            self._at[k].table = <double*>address(table)
            self._at[k].n_rows = len(table)

    cdef int begin(self, const StepNumbers* numbers) noexcept nogil:
        cdef int k
        for k in range(self._n):
            begin_operation(&self._at[k], numbers.index)
        return 1

    cdef int change(self, void* gradients, int64_t first, int64_t n) noexcept nogil:
        if self._n_clips and self._is_double:
            clip_f64(<double*>gradients, n, self._longest)
        elif self._n_clips:
            clip_f32(<float*>gradients, n, self._longest)
        if self._is_double:
            return run_operations_f64(self._at, self._n, <double*>self._params_at,
                                      <double*>gradients, first, n)
        return run_operations_f32(self._at, self._n, <float*>self._params_at, <float*>gradients,
                                  first, n)

    cdef int make_late(self) except -1:
        if self._late is None:
            self._late = np.empty((LATE_STEPS, max(self._n, 1), MAX_NUMBERS))
            self._late_at = <double*>address(self._late)
        return 0

    cdef void keep(self, int64_t slot) noexcept nogil:
        cdef int k, number
        for k in range(self._n):
            for number in range(MAX_NUMBERS):
                self._late_at[(slot * self._n + k) * MAX_NUMBERS + number] = (
                    self._at[k].numbers[number])

    cdef void change_late(self, LateStep* steps, int64_t begin, int64_t end, bint is_penalised,
                          const void* gradients, int64_t first, int64_t n) noexcept nogil:
        if self._is_double:
            run_late_f64(self._at, self._n, self._late_at, steps, begin, end, is_penalised,
                         <double*>self._params_at, <const double*>gradients, first, n)
        else:
            run_late_f32(self._at, self._n, self._late_at, steps, begin, end, is_penalised,
                         <float*>self._params_at, <const float*>gradients, first, n)

    cdef void fetch(self, int64_t first, int64_t n) noexcept nogil:
        if self._is_double:
            fetch_late_f64(self._at, self._n, <const double*>self._params_at, first, n)
        else:
            fetch_late_f32(self._at, self._n, <const float*>self._params_at, first, n)


cdef char* address(array) except NULL:
    """Return the address of a C-contiguous array; its owner keeps it alive."""
    cdef Py_buffer view
    PyObject_GetBuffer(array, &view, PyBUF_SIMPLE)
    PyBuffer_Release(&view)
    return <char*>view.buf


cdef size_t address_of(array):
    return <size_t>address(array)

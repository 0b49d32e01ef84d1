# cython: language_level=3
"""The compiled elementwise steps of the update rules, as the table in ``rule_loops.h`` lists them.

Arrays come first in a call, then numbers. The fallbacks in ``rule_steps_fallback`` name them and
write the equations.
"""

from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_ND, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.object cimport PyObject
from libc.math cimport sqrt
from libc.stdint cimport int64_t
from libc.string cimport strcmp, strlen

cdef extern from "rule_loops.h" nogil:
    enum:
        N_RULE_STEPS
    const RuleStep rule_steps[]
    void clip_f64(double*, int64_t, double)
    void clip_f32(float*, int64_t, double)
    double squares_f64(const double*, int64_t)
    double squares_f32(const float*, int64_t)
    void distance_f64(const double*, const double*, const double*, double*, int64_t, double, double,
                      double*)
    void distance_f32(const float*, const float*, const float*, float*, int64_t, double, double,
                      double*)
    int apply_f64(double*, const double*, int64_t)
    int apply_f32(float*, const float*, int64_t)

cdef extern from *:
    # Cython has no name for this way of calling: the arguments as a C array, without a tuple.
    ctypedef struct PyMethodDef:
        const char* ml_name
        void* ml_meth
        int ml_flags
        const char* ml_doc
    int METH_FASTCALL
    object PyCFunction_New(PyMethodDef*, object)


cdef struct Arrays:
    # Flat arrays of one length and dtype, opened without the cost of typed views.
    Py_buffer views[MAX_ARRAYS]
    void* at[MAX_ARRAYS]
    int n_open
    int64_t n
    bint is_double


cdef int open_array(Arrays* arrays, object array, bint is_written) except -1:
    """Open the next array, or raise ValueError if it does not fit the arrays before it."""
    cdef Py_buffer* view = &arrays.views[arrays.n_open]
    PyObject_GetBuffer(array, view, PyBUF_ND | PyBUF_FORMAT | (PyBUF_WRITABLE if is_written else 0))
    arrays.at[arrays.n_open] = view.buf
    arrays.n_open += 1
    cdef char kind = view.format[0]
    if view.ndim != 1 or view.shape[0] == 0 or kind not in (b"d", b"f"):
        raise ValueError("arrays must be flat, aligned, not empty, and of float32 or float64")
    if arrays.n_open == 1:
        arrays.n, arrays.is_double = view.shape[0], kind == b"d"
    elif view.shape[0] != arrays.n or (kind == b"d") != arrays.is_double:
        raise ValueError("arrays must have the same length and dtype")
    return 0


cdef inline void close_arrays(Arrays* arrays) noexcept:
    while arrays.n_open > 0:
        arrays.n_open -= 1
        PyBuffer_Release(&arrays.views[arrays.n_open])


cdef class _Step:
    """A row of the table as a Python function."""

    cdef const RuleStep* step
    cdef Py_ssize_t n_arrays
    cdef PyMethodDef method

    @staticmethod
    cdef function(const RuleStep* step):
        cdef _Step row = _Step.__new__(_Step)
        row.step, row.n_arrays = step, strlen(step.arrays)
        row.method.ml_name = step.name
        row.method.ml_meth = <void*>take_step
        row.method.ml_flags = METH_FASTCALL
        row.method.ml_doc = b"See rule_steps_fallback."
        return PyCFunction_New(&row.method, row)


cdef object take_step(_Step row, PyObject** arguments, Py_ssize_t n_arguments):
    """Check the arguments of any step, and run its loop."""
    cdef const RuleStep* step = row.step
    cdef Py_ssize_t k, n_arrays = row.n_arrays
    cdef Arrays arrays
    cdef double numbers[MAX_NUMBERS]
    if n_arguments != n_arrays + step.n_numbers:
        raise TypeError(
            f"{step.name.decode()} takes {n_arrays} arrays and {step.n_numbers} numbers, got "
            f"{n_arguments} arguments"
        )
    arrays.n_open = 0
    try:
        for k in range(n_arrays):
            open_array(&arrays, <object>arguments[k], step.arrays[k] == b"w")
        for k in range(step.n_numbers):
            numbers[k] = <double><object>arguments[n_arrays + k]
        step.prepare(numbers)
        with nogil:
            if arrays.is_double:
                step.f64(arrays.at, arrays.n, numbers)
            else:
                step.f32(arrays.at, arrays.n, numbers)
    finally:
        close_arrays(&arrays)


cdef const RuleStep* find_step(const char* name) except NULL:
    """Return the row of the table with a name."""
    cdef int position
    for position in range(N_RULE_STEPS):
        if strcmp(rule_steps[position].name, name) == 0:
            return &rule_steps[position]
    raise ValueError(f"there is no elementwise step {name.decode()!r}")


def norm(values):
    """Return the square root of the sum of squares, summed in double."""
    cdef Arrays arrays
    cdef double total
    arrays.n_open = 0
    try:
        open_array(&arrays, values, False)
        with nogil:
            if arrays.is_double:
                total = squares_f64(<double*>arrays.at[0], arrays.n)
            else:
                total = squares_f32(<float*>arrays.at[0], arrays.n)
    finally:
        close_arrays(&arrays)
    return sqrt(total)


def clip_step(gradients, double max_norm):
    """Divide the gradient by its length over ``max_norm`` where it is longer."""
    cdef Arrays arrays
    arrays.n_open = 0
    try:
        open_array(&arrays, gradients, True)
        with nogil:
            if arrays.is_double:
                clip_f64(<double*>arrays.at[0], arrays.n, max_norm)
            else:
                clip_f32(<float*>arrays.at[0], arrays.n, max_norm)
    finally:
        close_arrays(&arrays)


def distance_sums(gradients, params, start, direction, double decay, double share):
    """Move s towards the gradient; return the sum of g (start - w), and that of the sizes of s."""
    cdef Arrays arrays
    cdef double sums[2]
    cdef int k
    arrays.n_open = 0
    try:
        for k, array in enumerate((gradients, params, start, direction)):
            open_array(&arrays, array, k == 3)
        with nogil:
            if arrays.is_double:
                distance_f64(<double*>arrays.at[0], <double*>arrays.at[1], <double*>arrays.at[2],
                             <double*>arrays.at[3], arrays.n, decay, share, sums)
            else:
                distance_f32(<float*>arrays.at[0], <float*>arrays.at[1], <float*>arrays.at[2],
                             <float*>arrays.at[3], arrays.n, decay, share, sums)
    finally:
        close_arrays(&arrays)
    return sums[0], sums[1]


def apply_updates(params, updates):
    """Add the updates to the parameters; return False if an update was not finite."""
    cdef Arrays arrays
    cdef int is_finite
    arrays.n_open = 0
    try:
        open_array(&arrays, params, True)
        open_array(&arrays, updates, False)
        with nogil:
            if arrays.is_double:
                is_finite = apply_f64(<double*>arrays.at[0], <double*>arrays.at[1], arrays.n)
            else:
                is_finite = apply_f32(<float*>arrays.at[0], <float*>arrays.at[1], arrays.n)
    finally:
        close_arrays(&arrays)
    return is_finite != 0


__all__ = ["apply_updates", "clip_step", "distance_sums", "norm"]

cdef int position
for position in range(N_RULE_STEPS):
    function = _Step.function(&rule_steps[position])
    globals()[function.__name__] = function
    __all__.append(function.__name__)

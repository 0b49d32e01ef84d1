"""Products of a layer, in tiles or over SciPy's BLAS; all matrices are row-major."""

from libc.stdint cimport int64_t
from scipy.linalg.cython_blas cimport dgemm, sgemm

from sklearn_metabp._kernels.network._layer_loops cimport fill_rows, transpose

cdef extern from "../network/tiles.h" nogil:
    enum:
        AS_IT_IS
        RECTIFY
        TIMES_RELU_SLOPE
        N_TARGETS
    ctypedef struct Products:
        void (*forward)(int64_t n, int64_t width, int64_t fan_in, const void* x,
                        const void* weights, const void* biases, int finish, void* out,
                        void* scratch) noexcept nogil
        void (*backward)(int64_t n, int64_t width, int64_t fan_in, const void* deltas,
                         const void* weights, int finish, const void* x, void* out,
                         void* scratch) noexcept nogil
        void (*pack_deltas)(int64_t n, int64_t width, const void* deltas,
                            void* packed) noexcept nogil
        void (*gradient)(int64_t n, int64_t width, int64_t fan_in, int64_t row, int64_t row_end,
                         double scale, const void* x, const void* packed, void* out,
                         void* scratch) noexcept nogil
        int64_t (*packed)(int64_t n, int64_t width) noexcept nogil
        int64_t (*scratch)(int64_t n, int64_t width, int64_t fan_in, int64_t rows) noexcept nogil
    const Products* products_of[N_TARGETS][2]
    const char* target_names[N_TARGETS]
    int has_target(int target)

# OpenBLAS takes products of up to a million multiplications without packing their operands first.
cdef enum:
    SMALL_PRODUCT = 1000000


cdef inline void _gemm(bint is_double, bint left_t, bint right_t, int rows, int cols, int inner,
                       double scale, void* left, void* right, double keep,
                       void* out) noexcept nogil:
    """Write scale op(left) op(right) + keep out to out: BLAS sees the transposes."""
    cdef char ta = b"T" if right_t else b"N"
    cdef char tb = b"T" if left_t else b"N"
    cdef int lda = inner if right_t else cols
    cdef int ldb = rows if left_t else inner
    cdef float scale_32 = <float>scale, keep_32 = <float>keep
    if is_double:
        dgemm(&ta, &tb, &cols, &rows, &inner, &scale, <double*>right, &lda, <double*>left, &ldb,
              &keep, <double*>out, &cols)
    else:
        sgemm(&ta, &tb, &cols, &rows, &inner, &scale_32, <float*>right, &lda, <float*>left, &ldb,
              &keep_32, <float*>out, &cols)


cdef inline void* _row(bint is_double, void* matrix, int64_t row, int64_t width) noexcept nogil:
    """Return where a row of a matrix begins."""
    return <char*>matrix + row * width * <int64_t>(sizeof(double) if is_double else sizeof(float))


cdef inline int _parts(int rows, int cols, int inner) noexcept nogil:
    """Return how many products to split one into: two to four small ones are 15 % faster."""
    cdef double smalls = <double>rows * cols * inner / SMALL_PRODUCT
    return <int>smalls + 1 if 1 < smalls < 4 else 1


cdef inline void blas_forward(bint is_double, int n, int width, int fan_in, void* x,
                              void* weights, void* biases, void* out) noexcept nogil:
    """Write biases + x weights to out, in parts of the batch."""
    cdef int parts = _parts(n, width, fan_in), part, start, stop
    fill_rows(is_double, out, biases, n, width)
    for part in range(parts):
        start, stop = n * part // parts, n * (part + 1) // parts
        _gemm(is_double, False, False, stop - start, width, fan_in, 1,
              _row(is_double, x, start, fan_in), weights, 1, _row(is_double, out, start, width))


cdef inline void blas_gradient(bint is_double, int n, int width, int fan_in, double scale,
                               void* x, void* delta, void* out) noexcept nogil:
    """Write scale x^T delta to out, in parts of the batch."""
    cdef int parts = _parts(n, width, fan_in), part, start, stop
    for part in range(parts):
        start, stop = n * part // parts, n * (part + 1) // parts
        _gemm(is_double, True, False, fan_in, width, stop - start, scale,
              _row(is_double, x, start, fan_in), _row(is_double, delta, start, width),
              part > 0, out)


cdef inline void blas_backward(bint is_double, int n, int width, int fan_in, void* delta,
                               void* weights, void* scratch, void* out) noexcept nogil:
    """Write delta weights^T to out; a small product is faster with the weights transposed."""
    if <double>n * width * fan_in > SMALL_PRODUCT:
        _gemm(is_double, False, True, n, fan_in, width, 1, delta, weights, 0, out)
        return
    transpose(is_double, scratch, weights, fan_in, width)
    _gemm(is_double, False, False, n, fan_in, width, 1, delta, scratch, 0, out)

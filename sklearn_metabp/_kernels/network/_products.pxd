"""Products of a layer over SciPy's BLAS, all matrices row-major."""

from libc.stdint cimport int64_t
from scipy.linalg.cython_blas cimport dgemm, sgemm

from sklearn_metabp._kernels.network._layer_loops cimport real, transpose

# OpenBLAS takes products of up to a million multiplications without packing their operands first.
cdef enum:
    SMALL_PRODUCT = 1000000


cdef inline void _gemm(bint left_t, bint right_t, int rows, int cols, int inner, real scale,
                       real* left, real* right, real keep, real* out) noexcept nogil:
    """out = scale op(left) op(right) + keep out: BLAS sees the transposes."""
    cdef char ta = b"T" if right_t else b"N"
    cdef char tb = b"T" if left_t else b"N"
    cdef int lda = inner if right_t else cols
    cdef int ldb = rows if left_t else inner
    if real is double:
        dgemm(&ta, &tb, &cols, &rows, &inner, &scale, right, &lda, left, &ldb, &keep, out, &cols)
    else:
        sgemm(&ta, &tb, &cols, &rows, &inner, &scale, right, &lda, left, &ldb, &keep, out, &cols)


cdef inline int _parts(int rows, int cols, int inner) noexcept nogil:
    """How many products to split one into: two to four small ones are 15 % faster than one."""
    cdef double smalls = <double>rows * cols * inner / SMALL_PRODUCT
    return <int>smalls + 1 if 1 < smalls < 4 else 1


cdef inline void forward_product(int n, int width, int fan_in, real* x, real* weights, real* out) noexcept nogil:
    """out += x weights, where out holds the biases; in parts of the batch."""
    cdef int parts = _parts(n, width, fan_in), part, start, stop
    for part in range(parts):
        start, stop = n * part // parts, n * (part + 1) // parts
        _gemm(False, False, stop - start, width, fan_in, <real>1, x + <int64_t>start * fan_in, weights,
              <real>1, out + <int64_t>start * width)


cdef inline void gradient_product(int n, int width, int fan_in, real scale, real* x, real* delta,
                                  real* out) noexcept nogil:
    """out = scale x^T delta, in parts of the batch."""
    cdef int parts = _parts(n, width, fan_in), part, start, stop
    for part in range(parts):
        start, stop = n * part // parts, n * (part + 1) // parts
        _gemm(True, False, fan_in, width, stop - start, scale, x + <int64_t>start * fan_in,
              delta + <int64_t>start * width, <real>(part > 0), out)


cdef inline void backward_product(int n, int width, int fan_in, real* delta, real* weights, real* scratch,
                                  real* out) noexcept nogil:
    """out = delta weights^T; a small product is faster after transposing the weights."""
    if <double>n * width * fan_in > SMALL_PRODUCT:
        _gemm(False, True, n, fan_in, width, <real>1, delta, weights, <real>0, out)
        return
    transpose(scratch, weights, fan_in, width)
    _gemm(False, False, n, fan_in, width, <real>1, delta, scratch, <real>0, out)

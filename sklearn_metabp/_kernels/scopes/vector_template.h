/* Included by shared_loops_template.h, once per vector width: the type of a vector, and what the
 * compiler's vectors lack. */
#if defined(__GNUC__)
typedef REAL VARIANT(Vector)
    __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
typedef BITS VARIANT(Mask) __attribute__((vector_size(VECTOR_BYTES)));
#else
typedef REAL VARIANT(Vector);
#endif

#if defined(X86_VECTORS)
TARGET LANE VECTOR VARIANT(least)(VECTOR a, VECTOR b) { return (VECTOR)X86(min)(a, b); }
TARGET LANE VECTOR VARIANT(greatest)(VECTOR a, VECTOR b) { return (VECTOR)X86(max)(a, b); }
TARGET LANE VECTOR VARIANT(root)(VECTOR x) { return (VECTOR)X86(sqrt)(x); }
#else
LANE VECTOR VARIANT(least)(VECTOR a, VECTOR b) { return SELECT(a < b, a, b); }
LANE VECTOR VARIANT(greatest)(VECTOR a, VECTOR b) { return SELECT(a > b, a, b); }
LANE VECTOR VARIANT(root)(VECTOR x)
{
    REAL *lanes = (REAL *)&x;
    for (int64_t l = 0; l < LANES; l++) lanes[l] = SQRT(lanes[l]);
    return x;
}
#endif

TARGET LANE VECTOR VARIANT(everywhere)(REAL number)
{
    const VECTOR zero = {0};
    return number - zero; /* a number plus 0 would be computed, as -0 + 0 is 0 */
}

TARGET LANE VECTOR VARIANT(product_plus)(VECTOR a, VECTOR b, VECTOR sum)
{
#if defined(FUSED) && !defined(NOFMA)
    return (VECTOR)X86(fmadd)(a, b, sum);
#else
    return a * b + sum;
#endif
}

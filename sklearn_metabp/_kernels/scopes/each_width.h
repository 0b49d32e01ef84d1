/* Includes the file that STRIP_TEMPLATE names once per vector width, as each_precision.h does per
 * precision: for vectors of 16 bytes, and of 32 where the compiler can choose at run time.
 *
 * In such a file VECTOR is the type of a vector, VARIANT(loop) the function of this width, and
 * a strip two vectors. Vectors are the compiler's, with + - * / and comparisons; where it has none, a
 * vector is one number. NaN as the second argument of LEAST and GREATEST stays NaN.
 */
#define VECTOR VARIANT(Vector)
#define MASK VARIANT(Mask)
#define LANES ((int64_t)(sizeof(VECTOR) / sizeof(REAL)))
#define STRIP (2 * LANES)
#define LEAST(a, b) VARIANT(least)(a, b)
#define GREATEST(a, b) VARIANT(greatest)(a, b)
#define ONE VARIANT(One)
#define ROOT(x) VARIANT(root)(x)
#define EVERYWHERE(number) VARIANT(everywhere)(number)
#define PRODUCT_PLUS(a, b, sum) VARIANT(product_plus)(a, b, sum)
#if defined(__GNUC__)
#define SELECT(mask, a, b) ((VECTOR)(((mask) & (MASK)(a)) | (~(mask) & (MASK)(b))))
#else
#define SELECT(mask, a, b) ((mask) ? (a) : (b))
#endif

#define VARIANT(name) NAME(name##_narrow)
#define VECTOR_BYTES 16
#define TARGET
#define X86(operation) X86_NARROW(operation)
#include STRIP_TEMPLATE
#undef VARIANT
#undef VECTOR_BYTES
#undef TARGET
#undef X86

#if defined(WIDE_VECTORS)
#define VARIANT(name) NAME(name##_wide)
#define VECTOR_BYTES 32
#define TARGET __attribute__((target("avx2,fma")))
#define X86(operation) X86_WIDE(operation)
#define FUSED
#include STRIP_TEMPLATE
#undef FUSED
#undef VARIANT
#undef VECTOR_BYTES
#undef TARGET
#undef X86
#endif

#undef VECTOR
#undef MASK
#undef LANES
#undef STRIP
#undef ONE
#undef LEAST
#undef GREATEST
#undef ROOT
#undef EVERYWHERE
#undef PRODUCT_PLUS
#undef SELECT
#undef STRIP_TEMPLATE

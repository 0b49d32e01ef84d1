/* Includes the file that TEMPLATE names for every instruction set with a fused multiply-add, each
 * for float64 and float32; see vectors.h. Elsewhere nothing is included.
 *
 * The functions of a set must only be called where has_target says so.
 */
#include "vectors.h"

#if HAS_AVX

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f")
#endif
#define TARGET avx512
#define VECTOR_BYTES 64
#define FMA_f64 _mm512_fmadd_pd
#define FMA_f32 _mm512_fmadd_ps
#define ROWS_1 8
#define ROWS_2 8
#define ROWS_3 8
#include "each_vector_precision.h"
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define TARGET avx2
#define VECTOR_BYTES 32
#define FMA_f64 _mm256_fmadd_pd
#define FMA_f32 _mm256_fmadd_ps
#define ROWS_1 8
#define ROWS_2 6
#define ROWS_3 4
#include "each_vector_precision.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#elif HAS_NEON

#define TARGET neon
#define VECTOR_BYTES 16
#define FMA_f64(a, b, c) vfmaq_f64(c, a, b)
#define FMA_f32(a, b, c) vfmaq_f32(c, a, b)
#define ROWS_1 8
#define ROWS_2 8
#define ROWS_3 8
#include "each_vector_precision.h"

#endif

#undef TEMPLATE

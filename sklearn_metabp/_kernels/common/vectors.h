/* Vectors of the instruction sets with a fused multiply-add, and the choice between the sets.
 *
 * A template that each_target.h includes has these names:
 *
 * - TARGET and TARGET_NAME: the instruction set, VECTOR_BYTES: the size of its registers;
 * - V: a vector of LANES values of REAL, with the operators of C;
 * - FMA(a, b, c): a b + c of vectors, rounded once;
 * - ROWS_1, ROWS_2, ROWS_3: rows of a tile that is one, two or three vectors wide. The sums of a
 *   tile, rows times vectors, fill the registers and hide the latency of the multiply-add.
 */
#ifndef SKLEARN_METABP_VECTORS_H
#define SKLEARN_METABP_VECTORS_H

#include "clones.h"

#if defined(__GNUC__) && defined(__x86_64__)
#include <immintrin.h>
#define HAS_AVX 1
#define HAS_NEON 0
#elif defined(__GNUC__) && defined(__aarch64__)
#include <arm_neon.h>
#define HAS_AVX 0
#define HAS_NEON 1
#else
#define HAS_AVX 0
#define HAS_NEON 0
#endif

#if defined(__GNUC__) && !defined(__clang__)
#define NOT_INLINE __attribute__((noinline, noclone)) static
#elif defined(__GNUC__)
#define NOT_INLINE __attribute__((noinline)) static
#endif

#define JOIN_EXPANDED(a, b) a##_##b
#define JOIN(a, b) JOIN_EXPANDED(a, b)
#define TARGET_NAME(name) JOIN(NAME(name), TARGET)

/* The instruction sets, the widest first; BLAS is where there is none of the others. */
enum { AVX512, AVX2, NEON, BLAS, N_TARGETS };

UNUSED static const char *const target_names[N_TARGETS] = {"avx512", "avx2", "neon", "blas"};

/* Return whether this build has an instruction set and the processor knows it. */
UNUSED static int has_target(int target)
{
#if HAS_AVX
    if (target == AVX512) return __builtin_cpu_supports("avx512f") != 0;
    if (target == AVX2)
        return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
#endif
#if HAS_NEON
    if (target == NEON) return 1;
#endif
    return target == BLAS;
}

#endif

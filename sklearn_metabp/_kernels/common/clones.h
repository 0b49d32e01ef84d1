/* Which vector units a loop is compiled for.
 *
 * CLONES asks the compiler for one copy of the function per instruction set and lets the loader
 * choose when the module is loaded, so that one wheel is fast on every machine. It needs GCC and
 * the indirect functions of glibc; elsewhere (MSVC, clang, musl, arm64) the baseline is compiled.
 */
#ifndef SKLEARN_METABP_CLONES_H
#define SKLEARN_METABP_CLONES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__)
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CLONES
#endif

#if defined(__GNUC__)
#define LANE static inline __attribute__((always_inline))
#define UNUSED __attribute__((unused))
#else
#define LANE static __forceinline
#define UNUSED
#endif

/* Before a short loop with a choice in it: GCC must not unroll it before it looks for vectors, or it
 * finds branches. */
#if defined(__GNUC__) && !defined(__clang__)
#define AS_VECTORS _Pragma("GCC unroll 1")
#else
#define AS_VECTORS
#endif

/* An index that another thread may write: read once, so that the value that was looked at is the
 * one used; a negative one is beyond all others. */
#define READ_INDEX(at) ((int64_t)(uint32_t)*(const volatile int32_t *)(at))

#if defined(_MSC_VER)
#define restrict __restrict
#endif

#endif

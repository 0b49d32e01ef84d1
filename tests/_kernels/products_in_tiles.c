/* Compares the products in tiles with sums in order, one fused multiply-add after the other, for
 * vectors of 16, 32 and 64 bytes. Prints the products that differ and returns their number.
 *
 * A machine with AVX2 is enough: 64 bytes are computed in halves.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "network/tiles.h"

enum { NO_AVX2 = 101 };

#if !HAS_AVX
int main(void) { return NO_AVX2; }
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")

#define IN_HALVES(name, real, half_fma)                                                         \
    typedef real name##_vector __attribute__((vector_size(64)));                                \
    LANE name##_vector name(name##_vector a, name##_vector b, name##_vector c)                  \
    {                                                                                           \
        typedef real Half __attribute__((vector_size(32)));                                     \
        typedef union {                                                                         \
            name##_vector whole;                                                                \
            Half half[2];                                                                       \
        } Halves;                                                                               \
        Halves sum = {c}, x = {a}, y = {b};                                                     \
        for (int i = 0; i < 2; i++) sum.half[i] = half_fma(x.half[i], y.half[i], sum.half[i]);  \
        return sum.whole;                                                                       \
    }
IN_HALVES(fma_f64, double, _mm256_fmadd_pd)
IN_HALVES(fma_f32, float, _mm256_fmadd_ps)

#define TARGET bytes_16
#define VECTOR_BYTES 16
#define FMA_f64 _mm_fmadd_pd
#define FMA_f32 _mm_fmadd_ps
#define ROWS_1 8
#define ROWS_2 8
#define ROWS_3 8
#define TEMPLATE "../network/tiles_template.h"
#include "common/each_vector_precision.h"
#define TARGET bytes_64
#define VECTOR_BYTES 64
#define FMA_f64 fma_f64
#define FMA_f32 fma_f32
#define ROWS_1 8
#define ROWS_2 8
#define ROWS_3 8
#include "common/each_vector_precision.h"
#undef TEMPLATE

static const int shapes[][3] = {/* rows, width, inputs */
    {1, 1, 2},    {4, 2, 3},    {1, 7, 3},      {32, 10, 4},  {32, 3, 10},   {5, 100, 64},
    {33, 100, 65}, {9, 64, 300}, {200, 10, 100}, {50, 1, 256}, {47, 37, 260}, {3, 500, 130},
    {130, 129, 131}, {25, 24, 1}, {24, 48, 128}, {257, 5, 129}, {31, 400, 150}, {300, 290, 261},
    {70, 100, 530},
};

static const Products *const sets[][2] = {
    {&products_f32_bytes_16, &products_f64_bytes_16},
    {&products_f32_avx2, &products_f64_avx2},
    {&products_f32_bytes_64, &products_f64_bytes_64},
};

enum { GUARD = 64 }; /* values behind an array that must stay as they are */

#define REAL double
#define NAME(name) name##_f64
#define FUSED __builtin_fma
#include "products_in_tiles_template.h"
#undef REAL
#undef NAME
#undef FUSED
#define REAL float
#define NAME(name) name##_f32
#define FUSED __builtin_fmaf
#include "products_in_tiles_template.h"

int main(void)
{
    int n_wrong = 0;
    if (!has_target(AVX2)) return NO_AVX2;
    for (unsigned set = 0; set < sizeof sets / sizeof *sets; set++)
        for (unsigned shape = 0; shape < sizeof shapes / sizeof *shapes; shape++) {
            const int *const s = shapes[shape];
            n_wrong += wrong_f32(sets[set][0], s[0], s[1], s[2]);
            n_wrong += wrong_f64(sets[set][1], s[0], s[1], s[2]);
        }
    return n_wrong > 100 ? 100 : n_wrong;
}
#pragma GCC pop_options
#endif

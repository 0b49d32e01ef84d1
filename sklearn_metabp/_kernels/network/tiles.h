/* The products of a layer for the instruction sets with a fused multiply-add.
 *
 * All matrices are row-major. There is a table of functions for each set and precision; where there
 * is none, BLAS computes the products. tiles_template.h has the functions.
 */
#ifndef SKLEARN_METABP_TILES_H
#define SKLEARN_METABP_TILES_H

#include "../common/vectors.h"

enum {
    TINY_LAYER = 32, /* multiplications of a product that tiles are too large for */
    FEW_ROWS = 8, /* of so many a panel of the weights is read too rarely for a copy */
    STRIP = 24, /* rows of a that are read where they are, before the next panel */
    PACK_PANELS = 4, /* of so many and more, rows of a are read often enough for a copy */
    PANEL_BYTES = 24 << 10, /* of a panel: most of the first cache; the depth of a block follows */
    PANELS = 1 << 19, /* bytes of the panels that are packed together */
    PACKED_ROWS = 1 << 18, /* bytes of the rows of a that are packed together: the second cache */
};

#define PREFETCH(at) __builtin_prefetch(at) /* for the next tile */

/* The first address from `at` on where a line of the cache begins. */
#define ALIGNED(at) ((void *)(((uintptr_t)(at) + 63) / 64 * 64))

typedef struct {
    void (*forward)(int64_t n, int64_t width, int64_t fan_in, const void *x, const void *weights,
                    const void *biases, int finish, void *out, void *scratch);
    void (*backward)(int64_t n, int64_t width, int64_t fan_in, const void *deltas,
                     const void *weights, int finish, const void *x, void *out, void *scratch);
    void (*pack_deltas)(int64_t n, int64_t width, const void *deltas, void *packed);
    void (*gradient)(int64_t n, int64_t width, int64_t fan_in, int64_t row, int64_t row_end,
                     double scale, const void *x, const void *packed, void *out, void *scratch);
    int64_t (*packed)(int64_t n, int64_t width);
    int64_t (*scratch)(int64_t n, int64_t width, int64_t fan_in, int64_t rows);
} Products;

#define TEMPLATE "../network/tiles_template.h"
#include "../common/each_target.h"

#define NO_PRODUCTS {NULL, NULL}
#if HAS_AVX
#define OF_AVX512 {&products_f32_avx512, &products_f64_avx512}
#define OF_AVX2 {&products_f32_avx2, &products_f64_avx2}
#else
#define OF_AVX512 NO_PRODUCTS
#define OF_AVX2 NO_PRODUCTS
#endif
#if HAS_NEON
#define OF_NEON {&products_f32_neon, &products_f64_neon}
#else
#define OF_NEON NO_PRODUCTS
#endif

/* By target, then by is_double; NULL where BLAS computes them. */
static const Products *const products_of[N_TARGETS][2] = {OF_AVX512, OF_AVX2, OF_NEON, NO_PRODUCTS};

#endif

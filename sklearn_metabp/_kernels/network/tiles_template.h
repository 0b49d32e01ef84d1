/* Included by tiles.h, once per instruction set and precision: products of a layer, in tiles.
 *
 * A tile is a few rows by one to three vectors of a product. Its sums stay in registers while k
 * runs over the inner dimension, in order, each addend by a fused multiply-add. So a value of a
 * product has the same bits whatever the tile and the instruction set.
 */

/* What a tile does with its sums before it writes them. */
#ifndef SKLEARN_METABP_FINISH
#define SKLEARN_METABP_FINISH
enum { AS_IT_IS, RECTIFY, TIMES_RELU_SLOPE, TIMES_SCALE };
#endif

/* R rows and C vectors of out = finish(start + a b), where a[r, k] is a[r a_row + k a_step], b[k]
 * begins at b + k b_step, and x has a value for each of out (TIMES_RELU_SLOPE). Of the last vector
 * only the columns below `cols` are written. */
LANE void TARGET_NAME(tile)(const int R, const int C, int64_t inner, const REAL *a, int64_t a_row,
                            int64_t a_step, const REAL *b, int64_t b_step, const REAL *start,
                            int finish, REAL scale, const REAL *x, REAL *out, int64_t out_row,
                            int64_t cols)
{
    V sums[8][3];
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) {
        const V first = start ? TARGET_NAME(load)(start + c * LANES) : (V){0};
#pragma GCC unroll 8
        for (int r = 0; r < R; r++) sums[r][c] = first;
    }
    for (int64_t k = 0; k < inner; k++, a += a_step, b += b_step) {
        V of_b[3];
#pragma GCC unroll 8
        for (int c = 0; c < C; c++) of_b[c] = TARGET_NAME(load)(b + c * LANES);
#pragma GCC unroll 8
        for (int r = 0; r < R; r++) {
            const V of_a = a[r * a_row] - (V){0}; /* in every lane */
#pragma GCC unroll 8
            for (int c = 0; c < C; c++) sums[r][c] = FMA(of_a, of_b[c], sums[r][c]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
#pragma GCC unroll 8
        for (int c = 0; c < C; c++) {
            V sum = sums[r][c];
            const int64_t at = r * out_row + c * LANES, n_left = cols - c * LANES;
            if (finish == RECTIFY) { /* NaN stays NaN */
                sum = (V)(~(sum < 0) & (__typeof__(sum < 0))sum);
            } else if (finish == TIMES_SCALE) {
                sum *= scale;
            } else if (finish == TIMES_RELU_SLOPE) {
                const V of_x = n_left < LANES ? TARGET_NAME(load_part)(x + at, n_left)
                                              : TARGET_NAME(load)(x + at);
                sum = (V)((of_x > 0) & (__typeof__(of_x > 0))sum);
            }
            if (n_left < LANES)
                TARGET_NAME(store_part)(out + at, sum, n_left);
            else
                TARGET_NAME(store)(out + at, sum);
        }
    }
}

/* A tile of some rows and vectors that are known at run time. */
static void TARGET_NAME(any_tile)(int64_t rows, int64_t vectors, int64_t inner, const REAL *a,
                                  int64_t a_row, int64_t a_step, const REAL *b, int64_t b_step,
                                  const REAL *start, int finish, REAL scale, const REAL *x,
                                  REAL *out, int64_t out_row, int64_t cols)
{
#define TILE(R, C)                                                                             \
    case 8 * C + R:                                                                            \
        TARGET_NAME(tile)(R, C, inner, a, a_row, a_step, b, b_step, start, finish, scale, x,   \
                          out, out_row, cols);                                                 \
        break;
#define UP_TO_4(C) TILE(1, C) TILE(2, C) TILE(3, C) TILE(4, C)
#define UP_TO_6(C) UP_TO_4(C) TILE(5, C) TILE(6, C)
#define UP_TO_8(C) UP_TO_6(C) TILE(7, C) TILE(8, C)
    switch (8 * vectors + rows) {
        UP_TO_8(1)
#if ROWS_2 == 8
        UP_TO_8(2)
#else
        UP_TO_6(2)
#endif
#if ROWS_3 == 8
        UP_TO_8(3)
#else
        UP_TO_4(3)
#endif
    }
#undef TILE
#undef UP_TO_4
#undef UP_TO_6
#undef UP_TO_8
}

/* The columns of a product are cut into panels of one to three vectors, as evenly as possible. */
LANE int64_t TARGET_NAME(n_panels)(int64_t cols)
{
    const int64_t vectors = (cols + LANES - 1) / LANES;
    return (vectors + 2) / 3;
}

LANE int64_t TARGET_NAME(panel_start)(int64_t cols, int64_t panel)
{
    const int64_t vectors = (cols + LANES - 1) / LANES;
    return vectors * panel / TARGET_NAME(n_panels)(cols) * LANES;
}

/* Copy n rows of a panel, `width` columns and then zeros up to `step`, next to each other. */
static void TARGET_NAME(pack)(REAL *to, int64_t step, const REAL *from, int64_t from_row,
                              int64_t n, int64_t width)
{
    if (width == step) {
        for (int64_t k = 0; k < n; k++, from += from_row, to += step)
            for (int64_t i = 0; i < step; i += LANES)
                TARGET_NAME(store)(to + i, TARGET_NAME(load)(from + i));
        return;
    }
    for (int64_t k = 0; k < n; k++, from += from_row, to += step) {
        for (int64_t i = 0; i < width; i++) to[i] = from[i];
        for (int64_t i = width; i < step; i++) to[i] = 0;
    }
}

/* The tiles of one panel, for all rows of a. */
LANE void TARGET_NAME(panel)(int64_t rows, int64_t step, int64_t inner, const REAL *a,
                             int64_t a_row, int64_t a_step, const REAL *b, int64_t b_step,
                             const REAL *start, int finish, REAL scale, const REAL *x, REAL *out,
                             int64_t out_row, int64_t cols)
{
    const int64_t vectors = step / LANES;
    const int64_t most = vectors == 1 ? ROWS_1 : vectors == 2 ? ROWS_2 : ROWS_3;
    for (int64_t r = 0; r < rows; r += most) {
        const int64_t n = rows - r < most ? rows - r : most;
        TARGET_NAME(any_tile)(n, vectors, inner, a + r * a_row, a_row, a_step, b, b_step, start,
                              finish, scale, x ? x + r * out_row : x, out + r * out_row, out_row,
                              cols);
    }
}

/* out = finish(biases + x weights), rule (1): n rows. Scratch: a panel of fan_in + 1 rows. */
static void TARGET_NAME(forward_product)(int64_t n, int64_t width, int64_t fan_in, const void *x,
                                         const void *weights, const void *biases, int finish,
                                         void *out, void *scratch)
{
    const int64_t n_panels = TARGET_NAME(n_panels)(width);
    for (int64_t panel = 0; panel < n_panels; panel++) {
        const int64_t j = TARGET_NAME(panel_start)(width, panel);
        const int64_t step = TARGET_NAME(panel_start)(width, panel + 1) - j;
        const int64_t cols = width - j < step ? width - j : step;
        const REAL *b = (const REAL *)weights + j, *start = (const REAL *)biases + j;
        int64_t b_step = width;
        if (n >= FEW_ROWS || cols < step) { /* a copy is worth it, or must not be read beyond */
            TARGET_NAME(pack)((REAL *)scratch, step, start, 0, 1, cols);
            TARGET_NAME(pack)((REAL *)scratch + step, step, b, width, fan_in, cols);
            start = scratch;
            b = (REAL *)scratch + step;
            b_step = step;
        }
        TARGET_NAME(panel)(n, step, fan_in, x, fan_in, 1, b, b_step, start, finish, 0, NULL,
                           (REAL *)out + j, width, cols);
    }
}

/* out = finish(deltas weights^T): the sum of rule (6). Scratch: a panel of `width` rows. */
static void TARGET_NAME(backward_product)(int64_t n, int64_t width, int64_t fan_in,
                                          const void *deltas, const void *weights, int finish,
                                          const void *x, void *out, void *scratch)
{
    const int64_t n_panels = TARGET_NAME(n_panels)(fan_in);
    REAL *b = scratch;
    for (int64_t panel = 0; panel < n_panels; panel++) {
        const int64_t j = TARGET_NAME(panel_start)(fan_in, panel);
        const int64_t step = TARGET_NAME(panel_start)(fan_in, panel + 1) - j;
        const int64_t cols = fan_in - j < step ? fan_in - j : step;
        const REAL *w = (const REAL *)weights + j * width;
        for (int64_t i = 0; i < cols; i++)
            for (int64_t k = 0; k < width; k++) b[k * step + i] = w[i * width + k];
        for (int64_t i = cols; i < step; i++)
            for (int64_t k = 0; k < width; k++) b[k * step + i] = 0;
        TARGET_NAME(panel)(n, step, width, deltas, width, 1, b, step, NULL, finish, 0,
                           x ? (const REAL *)x + j : x, (REAL *)out + j, fan_in, cols);
    }
}

/* Copy the deltas of n rows, panel after panel: what gradient_product needs. */
static void TARGET_NAME(pack_deltas)(int64_t n, int64_t width, const void *deltas, void *packed)
{
    const int64_t n_panels = TARGET_NAME(n_panels)(width);
    for (int64_t panel = 0; panel < n_panels; panel++) {
        const int64_t j = TARGET_NAME(panel_start)(width, panel);
        const int64_t step = TARGET_NAME(panel_start)(width, panel + 1) - j;
        const int64_t cols = width - j < step ? width - j : step;
        TARGET_NAME(pack)((REAL *)packed + n * j, step, (const REAL *)deltas + j, width, n, cols);
    }
}

/* Rows `row` to `row_end` of scale x^T deltas, rule (3) without its learning rate; out begins at
 * the first of them. */
static void TARGET_NAME(gradient_product)(int64_t n, int64_t width, int64_t fan_in, int64_t row,
                                          int64_t row_end, double scale, const void *x,
                                          const void *packed, void *out, void *scratch)
{
    const int64_t n_panels = TARGET_NAME(n_panels)(width), rows = row_end - row;
    const REAL *a = (const REAL *)x + row;
    int64_t a_row = 1, a_step = fan_in;
    if (n_panels > 2) { /* each value is used so often that a copy of the columns is worth it */
        for (int64_t p = 0; p < n; p++)
            for (int64_t i = 0; i < rows; i++) ((REAL *)scratch)[p * rows + i] = a[p * fan_in + i];
        a = scratch;
        a_step = rows;
    }
    for (int64_t panel = 0; panel < n_panels; panel++) {
        const int64_t j = TARGET_NAME(panel_start)(width, panel);
        const int64_t step = TARGET_NAME(panel_start)(width, panel + 1) - j;
        const int64_t cols = width - j < step ? width - j : step;
        TARGET_NAME(panel)(rows, step, n, a, a_row, a_step, (const REAL *)packed + n * j, step,
                           NULL, TIMES_SCALE, (REAL)scale, NULL, (REAL *)out + j, width, cols);
    }
}

/* Values that pack_deltas writes. */
static int64_t TARGET_NAME(packed)(int64_t n, int64_t width)
{
    return n * TARGET_NAME(panel_start)(width, TARGET_NAME(n_panels)(width));
}

/* Values of scratch for batches of n rows and a layer. */
static int64_t TARGET_NAME(scratch)(int64_t n, int64_t width, int64_t fan_in, int64_t rows)
{
    const int64_t panel = 3 * LANES, packed = TARGET_NAME(packed)(n, width), columns = n * rows;
    const int64_t forward = (fan_in + 1) * panel, backward = width * panel;
    const int64_t gradient = packed + columns;
    const int64_t most = forward > backward ? forward : backward;
    return most > gradient ? most : gradient;
}

static const Products TARGET_NAME(products) = {
    TARGET_NAME(forward_product), TARGET_NAME(backward_product), TARGET_NAME(pack_deltas),
    TARGET_NAME(gradient_product), TARGET_NAME(packed), TARGET_NAME(scratch),
};

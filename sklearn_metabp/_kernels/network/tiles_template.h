/* Included by tiles.h, once per instruction set and precision: products of a layer, in tiles.
 *
 * A tile is a few rows by one to three vectors of a product. Its sums stay in registers while k
 * runs over the inner dimension, in order, each addend by a fused multiply-add. So a value of a
 * product has the same bits whatever the tile, the block and the instruction set.
 */

/* What a tile does with its sums before it writes them. */
#ifndef SKLEARN_METABP_FINISH
#define SKLEARN_METABP_FINISH
enum { AS_IT_IS, RECTIFY, TIMES_RELU_SLOPE, TIMES_SCALE };
#endif

/* out = finish(start + a b), where a[r, k] is a[r a_row + k a_step] and start is a row that is added
 * to each row of a b (zeros if NULL). x has a value for each of out (TIMES_RELU_SLOPE). */
#define PRODUCT TARGET_NAME(Product)
#define BLOCK (BLOCK_BYTES / (int)sizeof(REAL))
typedef struct {
    int64_t rows, cols, inner;
    const REAL *a;
    int64_t a_row, a_step;
    const REAL *start;
    int finish;
    REAL scale;
    const REAL *x;
    REAL *out;
} PRODUCT;

/* R rows and C vectors of out. The rows of start are start_row apart (0: there is one), those of x
 * and out out_row. */
LANE void TARGET_NAME(tile)(const int R, const int C, int64_t inner, const REAL *a, int64_t a_row,
                            int64_t a_step, const REAL *b, int64_t b_step, const REAL *start,
                            int64_t start_row, int finish, REAL scale, const REAL *x, REAL *out,
                            int64_t out_row)
{
    V sums[8][3];
    const char *a_bytes = (const char *)a; /* GCC makes a second loop for a_step = 1 of `a += 1` */
    a_step *= sizeof(REAL);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
#pragma GCC unroll 8
        for (int c = 0; c < C; c++)
            sums[r][c] = start ? TARGET_NAME(load)(start + r * start_row + c * LANES) : (V){0};
    }
    for (int64_t k = 0; k < inner; k++, a_bytes += a_step, b += b_step) {
        V of_b[3];
#pragma GCC unroll 8
        for (int c = 0; c < C; c++) of_b[c] = TARGET_NAME(load)(b + c * LANES);
#pragma GCC unroll 8
        for (int r = 0; r < R; r++) {
            const V of_a = ((const REAL *)a_bytes)[r * a_row] - (V){0}; /* in every lane */
#pragma GCC unroll 8
            for (int c = 0; c < C; c++) sums[r][c] = FMA(of_a, of_b[c], sums[r][c]);
        }
    }
#define EACH_SUM(STATEMENT)                                                                     \
    _Pragma("GCC unroll 8") for (int r = 0; r < R; r++)                                         \
    {                                                                                           \
        _Pragma("GCC unroll 8") for (int c = 0; c < C; c++)                                     \
        {                                                                                       \
            const int64_t at = r * out_row + c * LANES;                                         \
            V sum = sums[r][c];                                                                 \
            STATEMENT;                                                                          \
            TARGET_NAME(store)(out + at, sum);                                                  \
        }                                                                                       \
    }
    if (finish == RECTIFY) { /* NaN stays NaN */
        EACH_SUM(sum = (V)(~(sum < 0) & (__typeof__(sum < 0))sum))
    } else if (finish == TIMES_RELU_SLOPE) {
        EACH_SUM(sum = (V)((TARGET_NAME(load)(x + at) > 0) & (__typeof__(sum > 0))sum))
    } else { /* AS_IT_IS: the scale is 1 */
        EACH_SUM(sum *= scale)
    }
#undef EACH_SUM
}

/* A tile of some rows and vectors that are known at run time. */
NOT_INLINE void TARGET_NAME(any_tile)(int64_t rows, int64_t vectors, int64_t inner, const REAL *a,
                                      int64_t a_row, int64_t a_step, const REAL *b,
                                      int64_t b_step, const REAL *start, int64_t start_row,
                                      int finish, REAL scale, const REAL *x, REAL *out,
                                      int64_t out_row)
{
#define TILE(R, C)                                                                              \
    case 8 * C + R:                                                                             \
        TARGET_NAME(tile)(R, C, inner, a, a_row, a_step, b, b_step, start, start_row, finish,   \
                          scale, x, out, out_row);                                              \
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

/* The columns of a product are cut into panels of one to three vectors, as evenly as possible.
 * A panel of b is copied so that its rows follow each other. */
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
LANE void TARGET_NAME(pack)(REAL *to, int64_t step, const REAL *from, int64_t from_row, int64_t n,
                            int64_t width)
{
    for (int64_t k = 0; k < n; k++, from += from_row, to += step) {
        int64_t i = 0;
        for (; i + LANES <= width; i += LANES)
            TARGET_NAME(store)(to + i, TARGET_NAME(load)(from + i));
        if (i < step) TARGET_NAME(store)(to + i, TARGET_NAME(load_part)(from + i, width - i));
    }
}

/* Copy n rows of the panels from `panel` to panel_end, each panel next to the one before. */
static void TARGET_NAME(pack_panels)(REAL *to, const REAL *from, int64_t from_row, int64_t n,
                                     int64_t cols, int64_t panel, int64_t panel_end)
{
    const int64_t j_first = TARGET_NAME(panel_start)(cols, panel);
    for (int64_t k_block = 0; k_block < n; k_block += 8) { /* stay in a few pages of `from` */
        const int64_t n_rows = n - k_block < 8 ? n - k_block : 8;
        int64_t j = j_first;
        for (int64_t q = panel; q < panel_end; q++) {
            const int64_t j_end = TARGET_NAME(panel_start)(cols, q + 1), step = j_end - j;
            const REAL *at = from + k_block * from_row + j;
            REAL *out = to + (j - j_first) * n + k_block * step;
            if (j_end > cols)
                TARGET_NAME(pack)(out, step, at, from_row, n_rows, cols - j);
            else if (step == 3 * LANES)
                TARGET_NAME(pack)(out, 3 * LANES, at, from_row, n_rows, 3 * LANES);
            else
                TARGET_NAME(pack)(out, step, at, from_row, n_rows, step);
            j = j_end;
        }
    }
}

/* The same of the transpose: n columns of `from`, of which `width` rows are the panel's columns. */
static void TARGET_NAME(pack_transposed)(REAL *to, int64_t step, const REAL *from,
                                         int64_t from_row, int64_t n, int64_t width)
{
    for (int64_t i = 0; i < width; i++)
        for (int64_t k = 0; k < n; k++) to[k * step + i] = from[i * from_row + k];
    for (int64_t i = width; i < step; i++)
        for (int64_t k = 0; k < n; k++) to[k * step + i] = 0;
}

/* Copy rows of a matrix of n_cols columns. */
LANE void TARGET_NAME(copy_rows)(REAL *to, int64_t to_row, const REAL *from, int64_t from_row,
                                 int64_t n, int64_t n_cols)
{
    for (int64_t r = 0; r < n; r++)
        for (int64_t c = 0; c < n_cols; c++) to[r * to_row + c] = from[r * from_row + c];
}

/* A block of a product: k from k_start to k_end, and the panels from `panel` to panel_end. b points
 * to the first panel. Panels were packed with `depth` rows, and b_row is 0; or they were not, depth is 1 and
 * their rows are b_row apart. */
static void TARGET_NAME(strips)(const PRODUCT *p, int64_t k_start, int64_t k_end, int64_t panel,
                                int64_t panel_end, const REAL *b, int64_t depth, int64_t b_row)
{
    const int first = k_start == 0, last = k_end == p->inner;
    const int finish = last ? p->finish : AS_IT_IS;
    const REAL scale = last ? p->scale : 1;
    const int64_t inner = k_end - k_start, out_row = p->cols;
    const int64_t j_first = TARGET_NAME(panel_start)(p->cols, panel);
    REAL copy[STRIP * (BLOCK + LANES)];
    for (int64_t strip = 0; strip < p->rows; strip += STRIP) {
        const int64_t strip_end = strip + STRIP < p->rows ? strip + STRIP : p->rows;
        const REAL *a = p->a + strip * p->a_row + k_start * p->a_step;
        int64_t a_row = p->a_row;
        if (p->a_step == 1 && inner > 32 && panel_end - panel > 3) {
            a_row = (inner + LANES - 1) / LANES * LANES;
            TARGET_NAME(pack)(copy, a_row, a, p->a_row, strip_end - strip, inner);
            a = copy;
        }
        /* The last panel first: what it writes beyond its columns is the start of the next row. */
        int64_t end = TARGET_NAME(panel_start)(p->cols, panel_end);
        for (int64_t q = panel_end; q-- > panel;) {
            const int64_t j = TARGET_NAME(panel_start)(p->cols, q), step = end - j;
            const int64_t cols = p->cols - j < step ? p->cols - j : step;
            const int64_t vectors = step / LANES;
            const int64_t most = vectors == 1 ? ROWS_1 : vectors == 2 ? ROWS_2 : ROWS_3;
            const REAL *of_b = b + (j - j_first) * depth;
            const int64_t b_step = b_row ? b_row : step;
            for (int64_t r = strip; r < strip_end; r += most) {
                const int64_t n = strip_end - r < most ? strip_end - r : most;
                const REAL *of_a = a + (r - strip) * a_row;
                const REAL *x = p->x ? p->x + r * out_row + j : NULL;
                REAL *out = p->out + r * out_row + j;
                const REAL *start = first ? (p->start ? p->start + j : NULL) : out;
                const int fits = (r + n - 1) * out_row + j + step <= p->rows * out_row;
                if (cols == step || (fits && first && last)) {
                    TARGET_NAME(any_tile)(n, vectors, inner, of_a, a_row, p->a_step, of_b, b_step,
                                          start, first ? 0 : out_row, finish, scale, x, out,
                                          out_row);
                } else {
                    REAL of_x[8 * 3 * VECTOR_BYTES / sizeof(REAL)];
                    REAL of_out[8 * 3 * VECTOR_BYTES / sizeof(REAL)];
                    if (x) TARGET_NAME(copy_rows)(of_x, step, x, out_row, n, cols);
                    if (!first) {
                        TARGET_NAME(copy_rows)(of_out, step, out, out_row, n, cols);
                        start = of_out;
                    }
                    TARGET_NAME(any_tile)(n, vectors, inner, of_a, a_row, p->a_step, of_b, b_step,
                                          start, first ? 0 : step, finish, scale, of_x, of_out,
                                          step);
                    TARGET_NAME(copy_rows)(out, out_row, of_out, step, n, cols);
                }
            }
            end = j;
        }
    }
}

/* The inner dimension is cut into blocks, as evenly as possible. */
LANE int64_t TARGET_NAME(n_blocks)(int64_t inner)
{
    return (inner + BLOCK - 1) / BLOCK + (inner == 0);
}

/* Compute a product. b[k, j] is b[k b_row + j], or b[k + j b_row] where it is to be transposed. */
static void TARGET_NAME(product)(const PRODUCT *p, const REAL *b, int64_t b_row, int transposed,
                                 REAL *scratch)
{
    const int64_t n_panels = TARGET_NAME(n_panels)(p->cols);
    const int64_t n_blocks = TARGET_NAME(n_blocks)(p->inner);
    for (int64_t block = 0; block < n_blocks; block++) {
        const int64_t k = p->inner * block / n_blocks, k_end = p->inner * (block + 1) / n_blocks;
        const int64_t depth = k_end - k;
        int64_t group = PANELS / (3 * VECTOR_BYTES * (depth + 1)) + 1;
        for (int64_t end = n_panels; end > 0; end -= group) {
            int64_t panel = end > group ? end - group : 0;
            if (p->rows < FEW_ROWS && !transposed) {
                if (end < n_panels || p->cols % LANES == 0) {
                    TARGET_NAME(strips)(p, k, k_end, 0, end, b + k * b_row, 1, b_row);
                    break;
                }
                panel = end - 1; /* its last vector must not be read from b */
                group = 1;
            }
            if (transposed) {
                const int64_t j_first = TARGET_NAME(panel_start)(p->cols, panel);
                int64_t j = j_first;
                for (int64_t q = panel; q < end; q++) {
                    const int64_t j_end = TARGET_NAME(panel_start)(p->cols, q + 1);
                    TARGET_NAME(pack_transposed)(scratch + (j - j_first) * depth, j_end - j,
                                                 b + j * b_row + k, b_row, depth,
                                                 (j_end < p->cols ? j_end : p->cols) - j);
                    j = j_end;
                }
            } else {
                TARGET_NAME(pack_panels)(scratch, b + k * b_row, b_row, depth, p->cols, panel, end);
            }
            TARGET_NAME(strips)(p, k, k_end, panel, end, scratch, depth, 0);
        }
    }
}

/* out = finish(biases + x weights), rule (1): n rows. */
static void TARGET_NAME(forward_product)(int64_t n, int64_t width, int64_t fan_in, const void *x,
                                         const void *weights, const void *biases, int finish,
                                         void *out, void *scratch)
{
    REAL *start = ALIGNED(scratch);
    const int64_t padded = (width + LANES - 1) / LANES * LANES;
    TARGET_NAME(pack)(start, padded, biases, 0, 1, width);
    const PRODUCT p = {n, width, fan_in, x, fan_in, 1, start, finish, 1, NULL, out};
    TARGET_NAME(product)(&p, weights, width, 0, ALIGNED(start + padded));
}

/* out = finish(deltas weights^T): the sum of rule (6). */
static void TARGET_NAME(backward_product)(int64_t n, int64_t width, int64_t fan_in,
                                          const void *deltas, const void *weights, int finish,
                                          const void *x, void *out, void *scratch)
{
    const PRODUCT p = {n, fan_in, width, deltas, width, 1, NULL, finish, 1, x, out};
    TARGET_NAME(product)(&p, weights, width, 1, ALIGNED(scratch));
}

/* Copy the deltas of n rows, panel after panel: what gradient_product needs. */
static void TARGET_NAME(pack_deltas)(int64_t n, int64_t width, const void *deltas, void *packed)
{
    TARGET_NAME(pack_panels)(ALIGNED(packed), deltas, width, n, width, 0,
                             TARGET_NAME(n_panels)(width));
}

/* Rows `row` to `row_end` of scale x^T deltas, rule (3) without its learning rate; out begins at
 * the first of them. */
static void TARGET_NAME(gradient_product)(int64_t n, int64_t width, int64_t fan_in, int64_t row,
                                          int64_t row_end, double scale, const void *x,
                                          const void *packed, void *out, void *scratch)
{
    const int64_t n_panels = TARGET_NAME(n_panels)(width), rows = row_end - row;
    PRODUCT p = {rows, width, n, (const REAL *)x + row, 1, fan_in, NULL, TIMES_SCALE, (REAL)scale,
                 NULL, out};
    if (n_panels > 1) { /* each value is used so often that a copy of the columns is worth it */
        p.a_step = (rows + LANES - 1) / LANES * LANES;
        TARGET_NAME(pack)(ALIGNED(scratch), p.a_step, p.a, fan_in, n, rows);
        p.a = ALIGNED(scratch);
    }
    const int64_t n_blocks = TARGET_NAME(n_blocks)(n);
    for (int64_t block = 0; block < n_blocks; block++) {
        const int64_t k = n * block / n_blocks, k_end = n * (block + 1) / n_blocks;
        for (int64_t panel = n_panels; panel-- > 0;) {
            const int64_t j = TARGET_NAME(panel_start)(width, panel);
            const int64_t step = TARGET_NAME(panel_start)(width, panel + 1) - j;
            TARGET_NAME(strips)(&p, k, k_end, panel, panel + 1,
                                (const REAL *)ALIGNED(packed) + n * j + k * step, n, 0);
        }
    }
}

/* Values of scratch that pack_deltas needs. */
static int64_t TARGET_NAME(packed)(int64_t n, int64_t width)
{
    return n * (width + LANES) + 64 / (int64_t)sizeof(REAL);
}

/* Values of scratch for batches of n rows and a layer, `rows` of whose gradient a call computes. */
static int64_t TARGET_NAME(scratch)(int64_t n, int64_t width, int64_t fan_in, int64_t rows)
{
    const int64_t edge = 64 / (int64_t)sizeof(REAL) + LANES; /* for alignment and the last vector */
    const int64_t panels = PANELS / (int64_t)sizeof(REAL) + (BLOCK + 1) * 3 * LANES;
    const int64_t products = width + panels + 2 * edge;
    const int64_t gradient = TARGET_NAME(packed)(n, width) + n * (rows + LANES) + 2 * edge;
    (void)fan_in;
    return products > gradient ? products : gradient;
}

static const Products TARGET_NAME(products) = {
    TARGET_NAME(forward_product), TARGET_NAME(backward_product), TARGET_NAME(pack_deltas),
    TARGET_NAME(gradient_product), TARGET_NAME(packed), TARGET_NAME(scratch),
};
#undef PRODUCT
#undef BLOCK

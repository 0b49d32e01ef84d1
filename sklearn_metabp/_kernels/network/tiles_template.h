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

/* out = finish(start + a b), where a[r, k] is a[r a_row + k a_step] and start is a row that is
 * added to each row of a b (zeros if NULL). x has a value for each of out (TIMES_RELU_SLOPE). */
#define PRODUCT TARGET_NAME(Product)
#define BLOCK (PANEL_BYTES / (3 * VECTOR_BYTES))
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

/* A column of tiles: some rows of a, or of a block of its columns, times a panel of b. The rows of
 * start are start_row apart (0: there is one), those of x and out out_row. If a is packed, a_row is
 * 1, a_step is GROUP, and GROUP rows follow each other. */
#define GROUP (LANES > ROWS_3 ? LANES : ROWS_3)
#define COLUMN TARGET_NAME(Column)
typedef struct {
    int64_t inner;
    const REAL *a;
    int64_t a_row, a_step, is_packed;
    const REAL *b;
    int64_t b_step;
    const REAL *start;
    int64_t start_row;
    int finish;
    REAL scale;
    const REAL *x;
    REAL *out;
    int64_t out_row;
} COLUMN;

/* Where a row of a begins. */
LANE const REAL *TARGET_NAME(row_of_a)(const COLUMN *t, int64_t row)
{
    if (!t->is_packed) return t->a + row * t->a_row;
    return t->a + row / GROUP * GROUP * t->inner + row % GROUP;
}

/* Add the products of one k to the sums of a tile. */
LANE void TARGET_NAME(add_products)(const int R, const int C, const REAL *a, int64_t a_row,
                                    const REAL *b, V sums[8][3])
{
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

/* R rows from `row` on, and C vectors. */
LANE void TARGET_NAME(tile)(const int R, const int C, const int is_packed, const COLUMN *t,
                            int64_t row)
{
    V sums[8][3];
    const REAL *a = TARGET_NAME(row_of_a)(t, row), *b = t->b;
    const REAL *start = t->start ? t->start + row * t->start_row : NULL;
    const int64_t out_row = t->out_row;
    REAL *out = t->out + row * out_row;
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
        PREFETCH(out + (R + r) * out_row);
        PREFETCH(out + (R + r) * out_row + C * LANES - 1);
        if (t->x) {
            PREFETCH(t->x + (row + R + r) * out_row);
            PREFETCH(t->x + (row + R + r) * out_row + C * LANES - 1);
        }
#pragma GCC unroll 8
        for (int c = 0; c < C; c++)
            sums[r][c] = start ? TARGET_NAME(load)(start + r * t->start_row + c * LANES) : (V){0};
    }
    int64_t k = t->inner;
    if (is_packed) { /* all steps are constants */
        const int b_step = C * LANES;
#pragma GCC unroll 4
        for (; k > 0; k--, a += GROUP, b += b_step)
            TARGET_NAME(add_products)(R, C, a, 1, b, sums);
    } else {
        const int64_t a_row = t->a_row, b_step = t->b_step;
        const int64_t a_step = t->a_step * sizeof(REAL);
        for (; k > 0; k--, b += b_step) {
            TARGET_NAME(add_products)(R, C, a, a_row, b, sums);
            a = (const REAL *)((const char *)a + a_step); /* GCC makes a loop for 1 of a += 1 */
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
    if (t->finish == RECTIFY) { /* NaN stays NaN */
        EACH_SUM(sum = (V)(~(sum < 0) & (__typeof__(sum < 0))sum))
    } else if (t->finish == TIMES_RELU_SLOPE) {
        const REAL *x = t->x + row * out_row;
        EACH_SUM(sum = (V)((TARGET_NAME(load)(x + at) > 0) & (__typeof__(sum > 0))sum))
    } else { /* AS_IT_IS: the scale is 1 */
        const REAL scale = t->scale;
        EACH_SUM(sum *= scale)
    }
#undef EACH_SUM
}

/* Compute the rows from `row` to row_end, R at a time, and what is left: packed rows are whole
 * tiles. */
LANE void TARGET_NAME(tiles_of)(const int R, const int C, const int is_packed, const COLUMN *t,
                                int64_t row, int64_t row_end)
{
    for (; row + (is_packed ? 0 : R - 1) < row_end; row += R)
        TARGET_NAME(tile)(R, C, is_packed, t, row);
    if (is_packed) return;
#define REST(n)                                                                                 \
    case n:                                                                                     \
        if (n < R) TARGET_NAME(tile)(n < R ? n : 1, C, 0, t, row);                              \
        break;
    switch (row_end - row) {
        REST(1) REST(2) REST(3) REST(4) REST(5) REST(6) REST(7)
    }
#undef REST
}

NOT_INLINE void TARGET_NAME(tiles)(int64_t vectors, const COLUMN *t, int64_t row, int64_t row_end)
{
    if (t->is_packed && vectors == 3)
        TARGET_NAME(tiles_of)(ROWS_3, 3, 1, t, row, row_end);
    else if (t->is_packed) /* no panel has one vector: only the result of one vector has such */
        TARGET_NAME(tiles_of)(ROWS_3, 2, 1, t, row, row_end);
    else if (vectors == 3)
        TARGET_NAME(tiles_of)(ROWS_3, 3, 0, t, row, row_end);
    else if (vectors == 2)
        TARGET_NAME(tiles_of)(ROWS_2, 2, 0, t, row, row_end);
    else
        TARGET_NAME(tiles_of)(ROWS_1, 1, 0, t, row, row_end);
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

/* Copy n rows of a panel next to each other, `width` columns of each. What follows up to `step` is
 * part of the next row, of no meaning: no column of the result comes from there. */
LANE void TARGET_NAME(pack)(REAL *to, int64_t step, const REAL *from, int64_t from_row, int64_t n,
                            int64_t width)
{
    for (int64_t k = 0; k < n; k++, from += from_row, to += step) {
        const int is_inside = (n - 1 - k) * from_row >= step - width;
        int64_t i = 0;
        for (; i + LANES <= (is_inside ? step : width); i += LANES)
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
    for (int64_t i = 0; i < step; i += LANES) {
        const int64_t n_rows = width - i < LANES ? width - i : LANES;
        int64_t k = 0;
        for (; n_rows == LANES && k + LANES <= n; k += LANES) {
            V square[LANES];
#pragma GCC unroll 16
            for (int row = 0; row < LANES; row++)
                square[row] = TARGET_NAME(load)(from + (i + row) * from_row + k);
            TARGET_NAME(transpose)(square);
#pragma GCC unroll 16
            for (int row = 0; row < LANES; row++)
                TARGET_NAME(store)(to + (k + row) * step + i, square[row]);
        }
        for (; k < n; k++)
            for (int64_t row = 0; row < LANES; row++)
                to[k * step + i + row] = row < n_rows ? from[(i + row) * from_row + k] : 0;
    }
}

/* Copy rows of a matrix of n_cols columns. */
LANE void TARGET_NAME(copy_rows)(REAL *to, int64_t to_row, const REAL *from, int64_t from_row,
                                 int64_t n, int64_t n_cols)
{
    for (int64_t r = 0; r < n; r++)
        for (int64_t c = 0; c < n_cols; c++) to[r * to_row + c] = from[r * from_row + c];
}

/* The inner dimension is cut into blocks, as evenly as possible. */
LANE int64_t TARGET_NAME(n_blocks)(int64_t inner)
{
    return (inner + BLOCK - 1) / BLOCK + (inner == 0);
}

/* Rows of a that are packed together: strips of GROUPs, as even as possible. */
LANE int64_t TARGET_NAME(packed_rows)(int64_t rows, int64_t depth)
{
    const int64_t most = PACKED_ROWS / (int64_t)sizeof(REAL) / (depth + (depth == 0));
    const int64_t groups = (rows + GROUP - 1) / GROUP;
    const int64_t n_strips = (rows + most - 1) / most;
    return (groups + n_strips - 1) / n_strips * GROUP;
}

/* Pack rows of a: GROUP rows after GROUP rows, each a row of numbers for each k. */
static void TARGET_NAME(pack_rows)(const PRODUCT *p, int64_t row, int64_t row_end, int64_t k,
                                   int64_t depth, REAL *to)
{
    for (; row < row_end; row += GROUP, to += GROUP * depth) {
        const REAL *a = p->a + row * p->a_row + k * p->a_step;
        const int64_t rows = row_end - row < GROUP ? row_end - row : GROUP;
        if (p->a_step == 1)
            TARGET_NAME(pack_transposed)(to, GROUP, a, p->a_row, depth, rows);
        else if (rows == GROUP)
            TARGET_NAME(pack)(to, GROUP, a, p->a_step, depth, GROUP);
        else
            TARGET_NAME(pack)(to, GROUP, a, p->a_step, depth, rows);
    }
}

/* A part of a product: rows from `row` to row_end, k from k_start to k_end, the panels from `panel`
 * to panel_end. b points to the first panel. Panels were packed with `depth` rows, and b_row is 0;
 * or they were not, depth is 1, and their rows are b_row apart. a are the packed rows, or NULL. */
static void TARGET_NAME(strip)(const PRODUCT *p, int64_t row, int64_t row_end, int64_t k_start,
                               int64_t k_end, int64_t panel, int64_t panel_end, const REAL *a,
                               const REAL *b, int64_t depth, int64_t b_row)
{
    const int first = k_start == 0, last = k_end == p->inner;
    const int64_t j_first = TARGET_NAME(panel_start)(p->cols, panel);
    /* The last panel first: what it writes beyond its columns is the start of the next row. */
    int64_t end = TARGET_NAME(panel_start)(p->cols, panel_end);
    COLUMN t = {.inner = k_end - k_start, .a = a, .a_row = 1, .a_step = GROUP, .is_packed = 1};
    if (!a) {
        t.a = p->a + row * p->a_row + k_start * p->a_step;
        t.a_row = p->a_row, t.a_step = p->a_step, t.is_packed = 0;
    }
    t.finish = last ? p->finish : AS_IT_IS;
    t.scale = last ? p->scale : 1;
    for (int64_t q = panel_end; q-- > panel;) {
        const int64_t j = TARGET_NAME(panel_start)(p->cols, q), step = end - j;
        const int64_t cols = p->cols - j < step ? p->cols - j : step, vectors = step / LANES;
        int64_t whole = row_end - row; /* rows of tiles that may be written where they belong */
        if (cols < step) {
            const int64_t room = (p->rows - row) * p->cols - j - step;
            const int64_t most = first && last && room >= 0 ? room / p->cols + 1 : 0;
            if (most < whole) whole = most / 8 * 8; /* a tile does not cross groups */
        }
        if (a) whole = whole / ROWS_3 * ROWS_3;
        t.b = b + (j - j_first) * depth;
        t.b_step = b_row ? b_row : step;
        t.out_row = p->cols;
        t.out = p->out + row * p->cols + j;
        t.x = p->x ? p->x + row * p->cols + j : NULL;
        t.start = first ? (p->start ? p->start + j : NULL) : t.out;
        t.start_row = first ? 0 : p->cols;
        TARGET_NAME(tiles)(vectors, &t, 0, whole);
        for (int64_t r = whole; r < row_end - row; r += 8) {
            REAL of_x[8 * 3 * VECTOR_BYTES / sizeof(REAL)];
            REAL of_out[8 * 3 * VECTOR_BYTES / sizeof(REAL)];
            const int64_t n = row_end - row - r < 8 ? row_end - row - r : 8;
            COLUMN part = t;
            part.a = TARGET_NAME(row_of_a)(&t, r);
            part.out = of_out, part.out_row = step;
            if (t.x) {
                part.x = of_x;
                TARGET_NAME(copy_rows)(of_x, step, t.x + r * p->cols, p->cols, n, cols);
            }
            if (!first) {
                part.start = of_out, part.start_row = step;
                TARGET_NAME(copy_rows)(of_out, step, t.out + r * p->cols, p->cols, n, cols);
            }
            TARGET_NAME(tiles)(vectors, &part, 0, n);
            TARGET_NAME(copy_rows)(t.out + r * p->cols, p->cols, of_out, step, n, cols);
        }
        end = j;
    }
}

/* The same of all rows; a strip runs through all panels before the next one begins. Rows of a are
 * packed into `packed`, or read where they are if it is NULL. */
static void TARGET_NAME(strips)(const PRODUCT *p, int64_t k_start, int64_t k_end, int64_t panel,
                                int64_t panel_end, REAL *packed, const REAL *b, int64_t depth,
                                int64_t b_row)
{
    const int64_t rows = packed ? TARGET_NAME(packed_rows)(p->rows, k_end - k_start) : STRIP;
    for (int64_t row = 0; row < p->rows; row += rows) {
        const int64_t row_end = row + rows < p->rows ? row + rows : p->rows;
        if (packed && (panel_end == TARGET_NAME(n_panels)(p->cols) || rows < p->rows))
            TARGET_NAME(pack_rows)(p, row, row_end, k_start, k_end - k_start, packed);
        TARGET_NAME(strip)(p, row, row_end, k_start, k_end, panel, panel_end, packed, b, depth,
                           b_row);
    }
}

/* A product that is too small for tiles: value after value. */
static void TARGET_NAME(tiny_product)(const PRODUCT *p, const REAL *b, int64_t b_row,
                                      int64_t b_col)
{
    for (int64_t r = 0; r < p->rows; r++)
        for (int64_t j = 0; j < p->cols; j++) {
            const int64_t at = r * p->cols + j;
            REAL sum = p->start ? p->start[j] : 0;
            for (int64_t k = 0; k < p->inner; k++)
                sum = FUSED(p->a[r * p->a_row + k * p->a_step], b[k * b_row + j * b_col], sum);
            if (p->finish == RECTIFY)
                sum = sum < 0 ? 0 : sum;
            else if (p->finish == TIMES_RELU_SLOPE)
                sum = p->x[at] > 0 ? sum : 0;
            else
                sum *= p->scale;
            p->out[at] = sum;
        }
}

/* Rows of a are packed where each value serves so many columns that a copy is worth it. */
LANE int TARGET_NAME(packs_rows)(int64_t rows, int64_t cols, int64_t inner)
{
    return TARGET_NAME(n_panels)(cols) >= PACK_PANELS && inner > 32 && rows >= FEW_ROWS;
}

LANE int64_t TARGET_NAME(most_packed_rows)(void)
{
    return PACKED_ROWS / (int64_t)sizeof(REAL) + 2 * GROUP * (BLOCK + 1);
}

/* Values of scratch that TARGET_NAME(product) needs. */
static int64_t TARGET_NAME(product_scratch)(int64_t rows, int64_t cols, int64_t inner)
{
    const int64_t depth = inner < BLOCK ? inner : BLOCK;
    const int64_t all = (cols + 3 * LANES) * (depth + 1);
    const int64_t most = PANELS / (int64_t)sizeof(REAL) + (BLOCK + 1) * 3 * LANES;
    const int64_t of_a = TARGET_NAME(packs_rows)(rows, cols, inner);
    return (all < most ? all : most) + (of_a ? TARGET_NAME(most_packed_rows)() : 0);
}

/* Compute a product. b[k, j] is b[k b_row + j], or b[k + j b_row] where it is to be transposed. */
static void TARGET_NAME(product)(const PRODUCT *p, const REAL *b, int64_t b_row, int transposed,
                                 REAL *scratch)
{
    const int64_t n_panels = TARGET_NAME(n_panels)(p->cols);
    const int64_t n_blocks = TARGET_NAME(n_blocks)(p->inner);
    const int packs_a = TARGET_NAME(packs_rows)(p->rows, p->cols, p->inner);
    REAL *of_a = NULL;
    if (packs_a) {
        of_a = scratch;
        scratch += TARGET_NAME(most_packed_rows)();
    }
    for (int64_t block = 0; block < n_blocks; block++) {
        const int64_t k = p->inner * block / n_blocks, k_end = p->inner * (block + 1) / n_blocks;
        const int64_t depth = k_end - k;
        int64_t group = PANELS / (3 * VECTOR_BYTES * (depth + 1)) + 1;
        if (packs_a && transposed && TARGET_NAME(packed_rows)(p->rows, depth) >= p->rows)
            group = 1; /* used once: right after the copy, from the first cache */
        for (int64_t end = n_panels; end > 0; end -= group) {
            int64_t panel = end > group ? end - group : 0;
            if (p->rows < FEW_ROWS && !transposed) {
                if (end < n_panels || p->cols % LANES == 0) {
                    TARGET_NAME(strips)(p, k, k_end, 0, end, NULL, b + k * b_row, 1, b_row);
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
            TARGET_NAME(strips)(p, k, k_end, panel, end, of_a, scratch, depth, 0);
        }
    }
}

/* out = finish(biases + x weights), rule (1): n rows. */
static void TARGET_NAME(forward_product)(int64_t n, int64_t width, int64_t fan_in, const void *x,
                                         const void *weights, const void *biases, int finish,
                                         void *out, void *scratch)
{
    PRODUCT p = {n, width, fan_in, x, fan_in, 1, biases, finish, 1, NULL, out};
    if (n * width * fan_in <= TINY_LAYER) {
        TARGET_NAME(tiny_product)(&p, weights, width, 1);
        return;
    }
    REAL *start = ALIGNED(scratch);
    const int64_t padded = (width + LANES - 1) / LANES * LANES;
    TARGET_NAME(pack)(start, padded, biases, 0, 1, width);
    p.start = start;
    TARGET_NAME(product)(&p, weights, width, 0, ALIGNED(start + padded));
}

/* out = finish(deltas weights^T): the sum of rule (6). */
static void TARGET_NAME(backward_product)(int64_t n, int64_t width, int64_t fan_in,
                                          const void *deltas, const void *weights, int finish,
                                          const void *x, void *out, void *scratch)
{
    const PRODUCT p = {n, fan_in, width, deltas, width, 1, NULL, finish, 1, x, out};
    if (n * width * fan_in <= TINY_LAYER) {
        TARGET_NAME(tiny_product)(&p, weights, 1, width);
        return;
    }
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
    if (n * width * rows <= TINY_LAYER && n_panels == 1) { /* a panel of one vector or more */
        TARGET_NAME(tiny_product)(&p, ALIGNED(packed), TARGET_NAME(panel_start)(width, 1), 1);
        return;
    }
    REAL *const of_a = n_panels > 1 ? ALIGNED(scratch) : NULL;
    const int64_t n_blocks = TARGET_NAME(n_blocks)(n);
    for (int64_t block = 0; block < n_blocks; block++) {
        const int64_t k = n * block / n_blocks, k_end = n * (block + 1) / n_blocks;
        if (of_a) TARGET_NAME(pack_rows)(&p, 0, rows, k, k_end - k, of_a);
        for (int64_t panel = n_panels; panel-- > 0;) {
            const int64_t j = TARGET_NAME(panel_start)(width, panel);
            const int64_t step = TARGET_NAME(panel_start)(width, panel + 1) - j;
            TARGET_NAME(strip)(&p, 0, rows, k, k_end, panel, panel + 1, of_a,
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
    const int64_t depth = n < BLOCK ? n : BLOCK;
    const int64_t forward = width + TARGET_NAME(product_scratch)(n, width, fan_in);
    const int64_t backward = TARGET_NAME(product_scratch)(n, fan_in, width);
    const int64_t gradient = TARGET_NAME(packed)(n, width) + depth * (rows + GROUP);
    const int64_t products = forward > backward ? forward : backward;
    return (products > gradient ? products : gradient) + 2 * edge;
}

static const Products TARGET_NAME(products) = {
    TARGET_NAME(forward_product), TARGET_NAME(backward_product), TARGET_NAME(pack_deltas),
    TARGET_NAME(gradient_product), TARGET_NAME(packed), TARGET_NAME(scratch),
};
#undef PRODUCT
#undef BLOCK
#undef COLUMN
#undef GROUP

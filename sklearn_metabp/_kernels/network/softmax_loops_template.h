/* Included by layer_loops.h, once per precision: softmax over groups of neurons, and its log-loss
 * J = -sum_k t_k log y_k with delta = t - (sum_k t_k) y.
 *
 * The vector units add SUM_LANES numbers at once, and the lanes are added as a tree at the end, so
 * that the bits are the same on every machine. A wide group is taken row by row, and its lanes are
 * classes. The rows of a narrow group are transposed, and its lanes are rows.
 */

/* What a softmax is computed from and writes to. Targets are a matrix t, or labels (the neuron of
 * each group whose target is yes, row after row), or neither: then only the outputs are written.
 * With labels, no and yes have a target for every neuron, the same within a group; where they are
 * NULL, the targets are 0 and 1. */
typedef struct {
    REAL *x;
    const REAL *t;
    const int32_t *labels;
    const REAL *no;
    const REAL *yes;
    REAL *d;
    const REAL *weight; /* of the rows; NULL where they have none */
    int64_t width;
    int64_t n_groups;
} NAME(Softmax);

/* Add up the lanes: the upper half to the lower one, until one is left. */
LANE REAL NAME(tree)(REAL *lanes)
{
    for (int64_t half = SUM_LANES / 2; half > 0; half /= 2)
        for (int64_t j = 0; j < half; j++) lanes[j] += lanes[j + half];
    return lanes[0];
}

/* The largest of n >= SUM_LANES numbers; in `lowest` the smallest. Of NaN nothing is seen. */
LANE REAL NAME(extremes)(const REAL *restrict x, int64_t n, REAL *lowest)
{
    REAL high[SUM_LANES], low[SUM_LANES];
    for (int64_t j = 0; j < SUM_LANES; j++) high[j] = low[j] = x[j];
    for (int64_t k = SUM_LANES; k < n; k += SUM_LANES) {
        const REAL *next = x + (k + SUM_LANES <= n ? k : n - SUM_LANES); /* some of them twice */
        AS_VECTORS
        for (int64_t j = 0; j < SUM_LANES; j++) {
            high[j] = next[j] > high[j] ? next[j] : high[j];
            low[j] = next[j] < low[j] ? next[j] : low[j];
        }
    }
    for (int64_t half = SUM_LANES / 2; half > 0; half /= 2)
        for (int64_t j = 0; j < half; j++) {
            high[j] = high[j + half] > high[j] ? high[j + half] : high[j];
            low[j] = low[j + half] < low[j] ? low[j + half] : low[j];
        }
    *lowest = low[0];
    return high[0];
}

/* x = e^(x - top) of n >= SUM_LANES numbers; return their sum. */
LANE REAL NAME(exponentials)(REAL *restrict x, int64_t n, REAL top)
{
    REAL sums[SUM_LANES], last[SUM_LANES];
    const BITS n_done = (BITS)(n % SUM_LANES ? SUM_LANES - n % SUM_LANES : SUM_LANES);
    for (BITS j = 0; j < SUM_LANES; j++) {
        last[j] = NAME(exp_below_lane)(x[n - SUM_LANES + j] - top);
        sums[j] = j < n_done ? 0 : last[j]; /* the first of the last ones are summed below */
    }
    for (int64_t k = 0; k + SUM_LANES <= n; k += SUM_LANES)
        for (int64_t j = 0; j < SUM_LANES; j++) {
            x[k + j] = NAME(exp_below_lane)(x[k + j] - top);
            sums[j] += x[k + j];
        }
    for (int64_t j = 0; j < SUM_LANES; j++) x[n - SUM_LANES + j] = last[j];
    return NAME(tree)(sums);
}

/* Return sum_k t_k (x_k - top); in `mass` sum_k t_k. */
LANE REAL NAME(target_sums)(const REAL *restrict x, const REAL *restrict t, int64_t n, REAL top,
                            REAL *mass)
{
    REAL dots[SUM_LANES], sums[SUM_LANES];
    const BITS n_done = (BITS)(n % SUM_LANES ? SUM_LANES - n % SUM_LANES : SUM_LANES);
    for (BITS j = 0; j < SUM_LANES; j++) {
        const REAL target = t[n - SUM_LANES + j];
        const REAL product = target * (x[n - SUM_LANES + j] - top);
        dots[j] = j < n_done ? 0 : product;
        sums[j] = j < n_done ? 0 : target;
    }
    for (int64_t k = 0; k + SUM_LANES <= n; k += SUM_LANES)
        for (int64_t j = 0; j < SUM_LANES; j++) {
            dots[j] += t[k + j] * (x[k + j] - top);
            sums[j] += t[k + j];
        }
    *mass = NAME(tree)(sums);
    return NAME(tree)(dots);
}

/* The same sums with the target yes at one place and no at all others. */
LANE REAL NAME(label_target_sums)(const REAL *restrict x, BITS label, REAL no, REAL yes, int64_t n,
                                  REAL top, REAL *mass)
{
    REAL dots[SUM_LANES], sums[SUM_LANES];
    const BITS n_done = (BITS)(n % SUM_LANES ? SUM_LANES - n % SUM_LANES : SUM_LANES);
    for (BITS j = 0; j < SUM_LANES; j++) {
        const REAL target = (BITS)n - SUM_LANES + j == label ? yes : no;
        const REAL product = target * (x[n - SUM_LANES + j] - top);
        dots[j] = j < n_done ? 0 : product;
        sums[j] = j < n_done ? 0 : target;
    }
    for (BITS k = 0; k + SUM_LANES <= (BITS)n; k += SUM_LANES)
        for (BITS j = 0; j < SUM_LANES; j++) {
            const REAL target = k + j == label ? yes : no;
            dots[j] += target * (x[k + j] - top);
            sums[j] += target;
        }
    *mass = NAME(tree)(sums);
    return NAME(tree)(dots);
}

/* t_k (x_k - top) of the only target that is not 0. An infinite difference of another class makes
 * the product with its target NaN, and so the sum over the classes. */
LANE REAL NAME(label_sum)(REAL x, REAL top, REAL lowest)
{
    return x - top + 0 * (lowest - top);
}

/* A group of `size` >= SUM_LANES neurons that begins at neuron `start`, for n <= WIDE_ROWS rows. In
 * `losses`, the loss of each row is added. Each step is taken for all rows before the next, so that
 * the processor need not wait for the end of one row. */
LANE void NAME(wide_softmax)(const NAME(Softmax) *s, int64_t group, int64_t start, int64_t size,
                             int64_t first_row, int64_t n, double *losses)
{
    REAL tops[WIDE_ROWS], lows[WIDE_ROWS], totals[WIDE_ROWS], masses[WIDE_ROWS], dots[WIDE_ROWS];
    const int64_t width = s->width, at = first_row * width + start;
    const int32_t *labels = s->labels ? s->labels + first_row * s->n_groups + group : NULL;
    const REAL *t = s->t ? s->t + at : NULL;
    REAL *x = s->x + at, *d = t || labels ? s->d + at : NULL;
    for (int64_t p = 0; p < n; p++) tops[p] = NAME(extremes)(x + p * width, size, lows + p);
    for (int64_t p = 0; p < n; p++) {
        if (t) {
            dots[p] = NAME(target_sums)(x + p * width, t + p * width, size, tops[p], masses + p);
        } else if (s->no) {
            const BITS label = (BITS)(labels[p * s->n_groups] - start);
            dots[p] = NAME(label_target_sums)(x + p * width, label, s->no[start], s->yes[start],
                                              size, tops[p], masses + p);
        } else if (labels) {
            const REAL net = x[p * width + labels[p * s->n_groups] - start];
            dots[p] = NAME(label_sum)(net, tops[p], lows[p]);
            masses[p] = 1;
        }
    }
    for (int64_t p = 0; p < n; p++) totals[p] = NAME(exponentials)(x + p * width, size, tops[p]);
    for (int64_t p = 0; p < n; p++) {
        REAL *restrict y = x + p * width, *restrict delta = d + p * width;
        const REAL inverse = 1 / totals[p], weight = s->weight ? s->weight[first_row + p] : 1;
        if (t) {
            const REAL *restrict target = t + p * width;
            for (int64_t k = 0; k < size; k++) {
                y[k] *= inverse;
                delta[k] = weight * (target[k] - masses[p] * y[k]);
            }
        } else if (labels) {
            const int64_t label = labels[p * s->n_groups] - start;
            const REAL no = s->no ? s->no[start] : 0, yes = s->no ? s->yes[start] : 1;
            for (int64_t k = 0; k < size; k++) {
                y[k] *= inverse;
                delta[k] = weight * (no - masses[p] * y[k]);
            }
            delta[label] = weight * (yes - masses[p] * y[label]);
        } else {
            for (int64_t k = 0; k < size; k++) y[k] *= inverse;
        }
    }
    if (d)
        for (int64_t p = 0; p < n; p++)
            losses[p] += (double)(masses[p] * NAME(log_lane)(totals[p])) - dots[p];
}

/* The same for a group of at most NARROW neurons: lanes[k] are neuron k of SUM_LANES rows. */
LANE void NAME(narrow_softmax)(const NAME(Softmax) *s, int64_t group, int64_t start, int64_t size,
                               int64_t first_row, int64_t n, double *losses)
{
    REAL block[SOFTMAX_ROWS / SUM_LANES][NARROW][SUM_LANES];
    REAL totals[SOFTMAX_ROWS], masses[SOFTMAX_ROWS], dots[SOFTMAX_ROWS];
    const int64_t width = s->width, at = first_row * width + start;
    const int32_t *labels = s->labels ? s->labels + first_row * s->n_groups + group : NULL;
    REAL *restrict x = s->x + at;
    for (int64_t begin = 0; begin < n; begin += SUM_LANES) {
        REAL(*restrict lanes)[SUM_LANES] = block[begin / SUM_LANES];
        const int64_t count = n - begin < SUM_LANES ? n - begin : SUM_LANES;
        for (int64_t k = 0; k < size; k++) {
            const REAL *column = x + begin * width + k;
            if (count == SUM_LANES)
                for (int64_t j = 0; j < SUM_LANES; j++) lanes[k][j] = column[j * width];
            else
                for (int64_t j = 0; j < SUM_LANES; j++)
                    lanes[k][j] = column[j < count ? j * width : 0];
        }
    }
    for (int64_t begin = 0; begin < n; begin += SUM_LANES) {
        REAL(*restrict lanes)[SUM_LANES] = block[begin / SUM_LANES];
        REAL *restrict total = totals + begin, top[SUM_LANES], low[SUM_LANES], inverse[SUM_LANES];
        const int64_t count = n - begin < SUM_LANES ? n - begin : SUM_LANES;
        for (int64_t j = 0; j < SUM_LANES; j++) top[j] = low[j] = lanes[0][j];
        for (int64_t k = 1; k < size; k++)
            AS_VECTORS
            for (int64_t j = 0; j < SUM_LANES; j++) {
                top[j] = lanes[k][j] > top[j] ? lanes[k][j] : top[j];
                low[j] = lanes[k][j] < low[j] ? lanes[k][j] : low[j];
            }
        if (s->t)
            for (int64_t p = begin; p < begin + count; p++) {
                const REAL *t = s->t + at + p * width;
                dots[p] = masses[p] = 0;
                for (int64_t k = 0; k < size; k++) {
                    dots[p] += t[k] * (lanes[k][p - begin] - top[p - begin]);
                    masses[p] += t[k];
                }
            }
        else if (s->no) {
            REAL *restrict dot = dots + begin, *restrict mass = masses + begin;
            BITS label[SUM_LANES];
            for (int64_t j = 0; j < SUM_LANES; j++) {
                label[j] = labels[(begin + (j < count ? j : 0)) * s->n_groups] - (BITS)start;
                dot[j] = mass[j] = 0;
            }
            for (BITS k = 0; k < (BITS)size; k++)
                for (int64_t j = 0; j < SUM_LANES; j++) {
                    const REAL t = k == label[j] ? s->yes[start] : s->no[start];
                    dot[j] += t * (lanes[k][j] - top[j]);
                    mass[j] += t;
                }
        } else if (s->labels)
            for (int64_t j = 0; j < count; j++) {
                const REAL net = x[(begin + j) * width + labels[(begin + j) * s->n_groups] - start];
                dots[begin + j] = NAME(label_sum)(net, top[j], low[j]);
            }
        for (int64_t j = 0; j < SUM_LANES; j++) total[j] = 0;
        for (int64_t k = 0; k < size; k++)
            for (int64_t j = 0; j < SUM_LANES; j++) {
                lanes[k][j] = NAME(exp_below_lane)(lanes[k][j] - top[j]);
                total[j] += lanes[k][j];
            }
        for (int64_t j = 0; j < SUM_LANES; j++) inverse[j] = 1 / total[j];
        for (int64_t k = 0; k < size; k++)
            for (int64_t j = 0; j < SUM_LANES; j++) lanes[k][j] *= inverse[j];
    }
    for (int64_t p = 0; p < n; p++)
        for (int64_t k = 0; k < size; k++)
            x[p * width + k] = block[p / SUM_LANES][k][p % SUM_LANES];
    if (s->t == NULL && s->labels == NULL) return;
    REAL *restrict d = s->d + at;
    if (s->t) {
        const REAL *restrict t = s->t + at;
        for (int64_t p = 0; p < n; p++)
            for (int64_t k = p * width; k < p * width + size; k++) d[k] = t[k] - masses[p] * x[k];
    } else if (s->no) {
        for (int64_t p = 0; p < n; p++) {
            for (int64_t k = p * width; k < p * width + size; k++)
                d[k] = s->no[start] - masses[p] * x[k];
            const int64_t k = p * width + labels[p * s->n_groups] - start;
            d[k] = s->yes[start] - masses[p] * x[k];
        }
    } else {
        const int64_t run = size == width ? n * width : size; /* values side by side */
        for (int64_t p = 0; p < n * width; p += size == width ? run : width)
            for (int64_t k = p; k < p + run; k++) d[k] = 0 - x[k];
        for (int64_t p = 0; p < n; p++) {
            const int64_t k = p * width + labels[p * s->n_groups] - start;
            d[k] = 1 - x[k];
            masses[p] = 1;
        }
    }
    if (s->weight)
        for (int64_t p = 0; p < n; p++)
            for (int64_t k = p * width; k < p * width + size; k++) d[k] *= s->weight[first_row + p];
    for (int64_t p = 0; p < n; p++) totals[p] = masses[p] * NAME(log_lane)(totals[p]);
    for (int64_t p = 0; p < n; p++) losses[p] += (double)totals[p] - dots[p];
}

/* Softmax of n rows; return the sum of their losses, 0 where there are no targets. */
CLONES UNUSED static double NAME(softmax_rows)(const NAME(Softmax) *s, int64_t n,
                                               const int64_t *groups)
{
    double lanes[LOSS_LANES] = {0}, losses[SOFTMAX_ROWS];
    for (int64_t row = 0; row < n; row += SOFTMAX_ROWS) {
        const int64_t count = n - row < SOFTMAX_ROWS ? n - row : SOFTMAX_ROWS;
        for (int64_t p = 0; p < count; p++) losses[p] = 0;
        for (int64_t g = 0, start = 0; g < s->n_groups; start += groups[g++]) {
            if (groups[g] <= NARROW)
                NAME(narrow_softmax)(s, g, start, groups[g], row, count, losses);
            else
                for (int64_t p = 0; p < count; p += WIDE_ROWS)
                    NAME(wide_softmax)(s, g, start, groups[g], row + p,
                                       count - p < WIDE_ROWS ? count - p : WIDE_ROWS, losses + p);
        }
        if (s->weight)
            for (int64_t p = 0; p < count; p++) losses[p] *= s->weight[row + p];
        add_to_lanes(lanes, losses, count);
    }
    return sum_of_lanes(lanes);
}

/* Softmax over each group of neurons of a row; width is the sum of the groups. */
UNUSED static void NAME(softmax)(REAL *x, int64_t n, int64_t width, const int64_t *groups,
                                 int64_t n_groups)
{
    const NAME(Softmax) s = {.x = x, .width = width, .n_groups = n_groups};
    NAME(softmax_rows)(&s, n, groups);
}

UNUSED static double NAME(softmax_log_loss)(REAL *x, const REAL *t, REAL *d, const REAL *weight,
                                            int64_t n, int64_t width, const int64_t *groups,
                                            int64_t n_groups)
{
    const NAME(Softmax) s = {x, t, NULL, NULL, NULL, d, weight, width, n_groups};
    return NAME(softmax_rows)(&s, n, groups);
}

/* The same, with the neuron of each group whose target is yes in place of a matrix: labels has
 * n_groups numbers a row. Each must be a neuron of its group (see row_labels). */
UNUSED static double NAME(softmax_labels_log_loss)(REAL *x, const int32_t *labels, const REAL *no,
                                                   const REAL *yes, REAL *d, const REAL *weight,
                                                   int64_t n, int64_t width, const int64_t *groups,
                                                   int64_t n_groups)
{
    const NAME(Softmax) s = {x, NULL, labels, no, yes, d, weight, width, n_groups};
    return NAME(softmax_rows)(&s, n, groups);
}

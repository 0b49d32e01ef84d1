/* Included by layer_loops.h, once per precision: the loops of a penalty of the input gradients;
 * input_gradient_fallback.py has the equations. x are outputs, d deltas, e rates of net inputs. */

#define SQUARE_LANES 8 /* of the sums of a row, which have one order on every machine */

/* d are the deltas of the inputs, -g times the sample weights. They become the rates of the inputs,
 * c = beta d|g|/dg, and `penalties` gets |g| of each row, times its weight. */
CLONES UNUSED static void NAME(input_changes)(int norm, REAL *restrict d,
                                              const REAL *restrict weight,
                                              double *restrict penalties, int64_t n, int64_t width,
                                              double beta)
{
    for (int64_t p = 0; p < n; p++, d += width) {
        double lanes[SQUARE_LANES] = {0}, sum = 0;
        int64_t i = 0;
        if (norm == L1_NORM) {
            for (; i + SQUARE_LANES <= width; i += SQUARE_LANES)
                for (int64_t j = 0; j < SQUARE_LANES; j++)
                    lanes[j] += d[i + j] < 0 ? -d[i + j] : d[i + j];
            for (; i < width; i++) lanes[0] += d[i] < 0 ? -d[i] : d[i];
            for (i = 0; i < width; i++)
                d[i] = (REAL)beta * (d[i] > 0 ? -1 : d[i] < 0 ? 1 : -d[i]);
            for (int64_t j = 0; j < SQUARE_LANES; j++) sum += lanes[j];
            penalties[p] = sum;
            continue;
        }
        const REAL inverse = !weight ? 1 : weight[p] == 0 ? 0 : 1 / weight[p];
        const REAL scale = -(REAL)beta * inverse;
        for (; i + SQUARE_LANES <= width; i += SQUARE_LANES)
            for (int64_t j = 0; j < SQUARE_LANES; j++)
                lanes[j] += (double)d[i + j] * d[i + j];
        for (; i < width; i++) lanes[0] += (double)d[i] * d[i];
        for (i = 0; i < width; i++) d[i] *= scale;
        for (int64_t j = 0; j < SQUARE_LANES; j++) sum += lanes[j];
        penalties[p] = 0.5 * sum * inverse;
    }
}

/* Second derivative of a loss of the error e = t - x by x; in `pull` minus the first one. */
LANE REAL NAME(error_curvature)(int loss, REAL e, REAL *pull)
{
    if (loss == ABSOLUTE_ERROR) {
        *pull = e > 0 ? 1 : e < 0 ? -1 : e;
        return 0;
    }
    if (loss == HUBER) {
        *pull = e > 1 ? 1 : e < -1 ? -1 : e;
        return e <= 1 && e >= -1;
    }
    *pull = e;
    return 1;
}

/* R of rule (5) for outputs that each have their own loss: e becomes the rate of the deltas. */
CLONES UNUSED static void NAME(value_changes)(int loss, int function, REAL *restrict e,
                                              const REAL *restrict x, const REAL *restrict t,
                                              int64_t n)
{
    REAL slopes[LOSS_BLOCK], bends[LOSS_BLOCK];
    for (int64_t start = 0; start < n; start += LOSS_BLOCK) {
        const int64_t count = n - start < LOSS_BLOCK ? n - start : LOSS_BLOCK;
        for (int64_t i = 0; i < count; i++) slopes[i] = 1;
        NAME(times_slope)(function, slopes, x + start, count);
        if (loss == LOG_LOSS || loss == POISSON) { /* delta = t - x */
            for (int64_t i = 0; i < count; i++) e[start + i] *= -slopes[i];
            continue;
        }
        NAME(curvatures)(function, bends, x + start, count);
        for (int64_t i = 0; i < count; i++) {
            REAL pull;
            const REAL bend = NAME(error_curvature)(loss, t[start + i] - x[start + i], &pull);
            e[start + i] *= pull * bends[i] - bend * slopes[i] * slopes[i];
        }
    }
}

/* The same for a group of softmax of one row. t is NULL where one target is 1 and the others 0. */
UNUSED static void NAME(group_changes)(int loss, REAL *restrict e, const REAL *restrict x,
                                       const REAL *restrict t, int64_t size)
{
    REAL mean = 0;
    for (int64_t k = 0; k < size; k++) mean += e[k] * x[k];
    if (loss == LOG_LOSS) {
        REAL mass = t ? 0 : 1;
        for (int64_t k = 0; t && k < size; k++) mass += t[k];
        for (int64_t k = 0; k < size; k++) e[k] = -mass * (x[k] * (e[k] - mean));
        return;
    }
    REAL of_pull = 0, of_change = 0, pull; /* sum of pull x, and of what it changes by */
    for (int64_t k = 0; k < size; k++) {
        const REAL bend = NAME(error_curvature)(loss, t[k] - x[k], &pull);
        const REAL change = x[k] * (e[k] - mean);
        of_pull += pull * x[k];
        of_change += (pull - bend * x[k]) * change;
    }
    for (int64_t k = 0; k < size; k++) {
        const REAL bend = NAME(error_curvature)(loss, t[k] - x[k], &pull);
        const REAL change = x[k] * (e[k] - mean);
        e[k] = change * (pull - of_pull) - x[k] * (bend * change + of_change);
    }
}

/* R of rule (5), times the sample weights. */
UNUSED static void NAME(output_changes)(int loss, int function, REAL *restrict e,
                                        const REAL *restrict x, const REAL *restrict t,
                                        const REAL *restrict weight, int64_t n, int64_t width,
                                        const int64_t *groups, int64_t n_groups)
{
    if (function != SOFTMAX) NAME(value_changes)(loss, function, e, x, t, n * width);
    for (int64_t p = 0; p < n; p++, e += width, x += width, t = t ? t + width : NULL) {
        if (function == SOFTMAX)
            for (int64_t g = 0, k = 0; g < n_groups; k += groups[g++])
                NAME(group_changes)(loss, e + k, x + k, t ? t + k : NULL, groups[g]);
        if (weight)
            for (int64_t k = 0; k < width; k++) e[k] *= weight[p];
    }
}

CLONES UNUSED static void NAME(add)(REAL *restrict sums, const REAL *restrict addends, int64_t n)
{
    for (int64_t i = 0; i < n; i++) sums[i] += addends[i];
}

/* pulls += d, and a copy of d behind the pulls. */
CLONES UNUSED static void NAME(join_pulls)(REAL *restrict pulls, REAL *restrict behind,
                                           const REAL *restrict d, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        pulls[i] += d[i];
        behind[i] = d[i];
    }
}
#undef SQUARE_LANES

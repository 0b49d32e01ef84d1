/* Included by layer_loops.h, once per precision; a sparse row's values and columns begin at
 * indptr[row].
 *
 * The columns may be the caller's own and may change while a network trains, in another thread too:
 * each is read once, looked at and only then used. A loop that meets one outside stops and
 * returns 1.
 */

/* out += X W, for the given rows of X. */
CLONES UNUSED static int NAME(sparse_product)(REAL *restrict out, const REAL *restrict weights,
                                              const REAL *values, const int32_t *columns,
                                              const int64_t *indptr, const int64_t *rows, int64_t n,
                                              int64_t width, int64_t fan_in)
{
    for (int64_t p = 0; p < n; p++, out += width) {
        int64_t k = indptr[rows[p]];
        const int64_t stop = indptr[rows[p] + 1];
        for (; k + 4 <= stop;
             k += 4) { /* four at once: out is read and written a quarter as often */
            const int64_t ia = READ_INDEX(columns + k), ib = READ_INDEX(columns + k + 1);
            const int64_t ic = READ_INDEX(columns + k + 2), id = READ_INDEX(columns + k + 3);
            if ((ia >= fan_in) | (ib >= fan_in) | (ic >= fan_in) | (id >= fan_in)) return 1;
            const REAL a = values[k], b = values[k + 1], c = values[k + 2], d = values[k + 3];
            const REAL *wa = weights + ia * width, *wb = weights + ib * width;
            const REAL *wc = weights + ic * width, *wd = weights + id * width;
            for (int64_t j = 0; j < width; j++)
                out[j] += (a * wa[j] + b * wb[j]) + (c * wc[j] + d * wd[j]);
        }
        for (; k < stop; k++) {
            const int64_t i = READ_INDEX(columns + k);
            if (i >= fan_in) return 1;
            const REAL *w = weights + i * width;
            for (int64_t j = 0; j < width; j++) out[j] += values[k] * w[j];
        }
    }
    return 0;
}

/* out = scale X^T delta, for the given rows of X, of which delta has one each. */
CLONES UNUSED static int NAME(sparse_gradient)(REAL *restrict out, const REAL *restrict delta,
                                               const REAL *values, const int32_t *columns,
                                               const int64_t *indptr, const int64_t *rows,
                                               int64_t n, int64_t width, int64_t fan_in, REAL scale)
{
    memset(out, 0, (size_t)(fan_in * width) * sizeof(REAL));
    for (int64_t p = 0; p < n; p++, delta += width)
        for (int64_t k = indptr[rows[p]]; k < indptr[rows[p] + 1]; k++) {
            const int64_t i = READ_INDEX(columns + k);
            if (i >= fan_in) return 1;
            REAL *g = out + i * width;
            const REAL value = scale * values[k];
            for (int64_t j = 0; j < width; j++) g[j] += value * delta[j];
        }
    return 0;
}

/* The given rows of X with their zeros; several values at one place are added. */
UNUSED static int NAME(dense_rows)(REAL *restrict out, const REAL *values, const int32_t *columns,
                                   const int64_t *indptr, const int64_t *rows, int64_t n,
                                   int64_t fan_in)
{
    memset(out, 0, (size_t)(n * fan_in) * sizeof(REAL));
    for (int64_t p = 0; p < n; p++, out += fan_in)
        for (int64_t k = indptr[rows[p]]; k < indptr[rows[p] + 1]; k++) {
            const int64_t i = READ_INDEX(columns + k);
            if (i >= fan_in) return 1;
            out[i] += values[k];
        }
    return 0;
}

/* A row of targets: yes at the given neurons, or their values if there are some; no at the others.
 * Both have a number for every neuron. */
UNUSED static int NAME(write_targets)(REAL *restrict target, const int32_t *neurons,
                                      const REAL *restrict values, int64_t n_neurons, int64_t width,
                                      const REAL *restrict no, const REAL *restrict yes)
{
    for (int64_t i = 0; i < width; i++) target[i] = no[i];
    for (int64_t k = 0; k < n_neurons; k++) {
        const int64_t i = READ_INDEX(neurons + k);
        if (i >= width) return 1;
        target[i] = values ? values[k] : yes[i];
    }
    return 0;
}

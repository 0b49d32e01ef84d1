/* Included once per precision by layer_loops.h; a sparse row's values and columns lie from indptr[row] on. */

/* out += X W, for the given rows of X. */
CLONES UNUSED static void NAME(sparse_product)(REAL *restrict out, const REAL *restrict weights,
                                               const REAL *values, const int32_t *columns,
                                               const int64_t *indptr, const int64_t *rows, int64_t n,
                                               int64_t width)
{
    for (int64_t p = 0; p < n; p++, out += width) {
        int64_t k = indptr[rows[p]];
        const int64_t stop = indptr[rows[p] + 1];
        for (; k + 4 <= stop; k += 4) { /* four at once: out is read and written a quarter as often */
            const REAL a = values[k], b = values[k + 1], c = values[k + 2], d = values[k + 3];
            const REAL *wa = weights + columns[k] * width, *wb = weights + columns[k + 1] * width;
            const REAL *wc = weights + columns[k + 2] * width, *wd = weights + columns[k + 3] * width;
            for (int64_t j = 0; j < width; j++) out[j] += (a * wa[j] + b * wb[j]) + (c * wc[j] + d * wd[j]);
        }
        for (; k < stop; k++) {
            const REAL *w = weights + columns[k] * width;
            for (int64_t j = 0; j < width; j++) out[j] += values[k] * w[j];
        }
    }
}

/* out = scale X^T delta, for the given rows of X, of which delta has one each. */
CLONES UNUSED static void NAME(sparse_gradient)(REAL *restrict out, const REAL *restrict delta,
                                                const REAL *values, const int32_t *columns,
                                                const int64_t *indptr, const int64_t *rows, int64_t n,
                                                int64_t width, int64_t fan_in, REAL scale)
{
    memset(out, 0, (size_t)(fan_in * width) * sizeof(REAL));
    for (int64_t p = 0; p < n; p++, delta += width)
        for (int64_t k = indptr[rows[p]]; k < indptr[rows[p] + 1]; k++) {
            REAL *g = out + columns[k] * width;
            const REAL value = scale * values[k];
            for (int64_t j = 0; j < width; j++) g[j] += value * delta[j];
        }
}

/* The given rows of X with their zeros; what stands in one place adds up. */
UNUSED static void NAME(dense_rows)(REAL *restrict out, const REAL *values, const int32_t *columns,
                                    const int64_t *indptr, const int64_t *rows, int64_t n, int64_t fan_in)
{
    memset(out, 0, (size_t)(n * fan_in) * sizeof(REAL));
    for (int64_t p = 0; p < n; p++)
        for (int64_t k = indptr[rows[p]]; k < indptr[rows[p] + 1]; k++)
            out[p * fan_in + columns[k]] += values[k];
}

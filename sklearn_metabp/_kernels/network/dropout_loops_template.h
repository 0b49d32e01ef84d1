/* Included by layer_loops.h, once per precision. */

CLONES UNUSED static void NAME(drop_neurons)(REAL *restrict x, REAL *restrict slope,
                                             const uint32_t *restrict bits, int64_t n,
                                             uint32_t threshold, REAL scale)
{
    for (int64_t i = 0; i < n; i++) {
        REAL factor = bits[i] < threshold ? 0 : scale;
        x[i] *= factor;
        slope[i] *= factor;
    }
}

CLONES UNUSED static void NAME(drop_values)(REAL *restrict values, const uint32_t *restrict bits,
                                            int64_t n, uint32_t threshold, REAL scale)
{
    for (int64_t i = 0; i < n; i++) values[i] *= bits[i] < threshold ? 0 : scale;
}

/* A neuron is dropped where its bits are below the threshold; the others, and their slopes, are
 * scaled, as are their curvatures where there are some. */
UNUSED static void NAME(drop)(REAL *restrict x, REAL *restrict slope, REAL *restrict curvature,
                              int64_t n, int64_t width, uint64_t layer_key, uint32_t threshold,
                              REAL scale)
{
    uint32_t bits[DROPOUT_BLOCK];
    for (int64_t p = 0; p < n; p++) {
        const uint64_t row_key = mix64(layer_key + GOLDEN * ((uint64_t)p + 1));
        for (int64_t first = 0; first < width; first += DROPOUT_BLOCK) {
            const int64_t count = width - first < DROPOUT_BLOCK ? width - first : DROPOUT_BLOCK;
            dropout_bits(bits, row_key, (uint32_t)first, count);
            NAME(drop_neurons)(x + p * width + first, slope + p * width + first, bits, count,
                               threshold, scale);
            if (curvature)
                NAME(drop_values)(curvature + p * width + first, bits, count, threshold, scale);
        }
    }
}

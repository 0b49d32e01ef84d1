/* Included by layer_loops.h, once per precision. */

CLONES UNUSED static void NAME(add_scaled)(REAL *restrict x, const double *restrict z, int64_t n,
                                           double scale)
{
    for (int64_t i = 0; i < n; i++) x[i] = (REAL)(x[i] + scale * z[i]);
}

/* x += deviation z, with normal numbers z of row and column. */
UNUSED static void NAME(add_noise)(REAL *restrict x, int64_t n, int64_t width, uint64_t layer_key,
                                   double deviation)
{
    uint32_t radii[DROPOUT_BLOCK], angles[DROPOUT_BLOCK];
    double z[DROPOUT_BLOCK];
    for (int64_t p = 0; p < n; p++) {
        const uint64_t radius_key = mix64(layer_key + GOLDEN * ((uint64_t)p + 1));
        const uint64_t angle_key = mix64(radius_key);
        for (int64_t first = 0; first < width; first += DROPOUT_BLOCK) {
            const int64_t count = width - first < DROPOUT_BLOCK ? width - first : DROPOUT_BLOCK;
            dropout_bits(radii, radius_key, (uint32_t)first, count);
            dropout_bits(angles, angle_key, (uint32_t)first, count);
            normal_numbers(z, radii, angles, count);
            NAME(add_scaled)(x + p * width + first, z, count, deviation);
        }
    }
}

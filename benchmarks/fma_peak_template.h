/* Included by fma_peak.c for each instruction set and precision. */
NOT_INLINE double TARGET_NAME(peak)(int64_t n)
{
    V sums[12], x = (V){0} + (REAL)0.999, y = (V){0} + (REAL)0.001, total = {0};
    for (int i = 0; i < 12; i++) sums[i] = (V){0} + (REAL)i;
    for (int64_t k = 0; k < n; k++) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++) sums[i] = FMA(sums[i], x, y);
    }
    for (int i = 0; i < 12; i++) total += sums[i];
    sink = total[0];
    return 2.0 * 12 * LANES * n;
}

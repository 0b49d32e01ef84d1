/* Included by rule_loops.h and program.h, once per precision. */

/* Sum of squares in eight lanes of double. */
CLONES UNUSED static double NAME(squares)(const REAL *restrict x, int64_t n)
{
    double sums[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int lane = 0; lane < 8; lane++) sums[lane] += (double)x[i + lane] * x[i + lane];
    for (; i < n; i++) sums[0] += (double)x[i] * x[i];
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) +
           ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

/* g *= longest / |g| where g is longer: with the largest value divided out where |g| overflows. */
UNUSED static void NAME(clip)(REAL *restrict g, int64_t n, double longest)
{
    double length = sqrt(NAME(squares)(g, n));
    if (!(length > longest)) return;
    if (length == INFINITY) {
        REAL top = 0;
        for (int64_t i = 0; i < n; i++) {
            const REAL size = g[i] < 0 ? -g[i] : g[i];
            top = size > top ? size : top;
        }
        for (int64_t i = 0; i < n; i++) g[i] /= top;
        length = sqrt(NAME(squares)(g, n));
    }
    const REAL factor = (REAL)(longest / length);
    for (int64_t i = 0; i < n; i++) g[i] *= factor;
}

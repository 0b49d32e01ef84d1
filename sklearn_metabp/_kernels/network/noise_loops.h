/* Normal random numbers as a function of where they are used, from the bits of dropout_hash.h.
 *
 * sqrt(-2 ln u) sin(v pi / 2), u uniform in (0, 1) and v in (-1, 1), is normal: G. E. P. Box and
 * M. E. Muller, "A Note on the Generation of Random Normal Deviates", Ann. Math. Stat. 29 (1958),
 * with half of the circle, on which a sine has the distribution that it has on all of it. The
 * arithmetic is that of double for both precisions. It calls no library, so its bits are the same
 * on every machine.
 */
#ifndef SKLEARN_METABP_NOISE_LOOPS_H
#define SKLEARN_METABP_NOISE_LOOPS_H

#include "dropout_hash.h" /* after elementary_template.h */

/* sin x for |x| <= pi / 2: Taylor's series, of which the first term left out is below 2e-18. */
LANE double sine_lane(double x)
{
    const double q = x * x;
    double y = 1 / 51090942171709440000.0; /* 1 / 21! */
    y = y * q - 1 / 121645100408832000.0;
    y = y * q + 1 / 355687428096000.0;
    y = y * q - 1 / 1307674368000.0;
    y = y * q + 1 / 6227020800.0;
    y = y * q - 1 / 39916800.0;
    y = y * q + 1 / 362880.0;
    y = y * q - 1 / 5040.0;
    y = y * q + 1 / 120.0;
    y = y * q - 1 / 6.0;
    return x * (y * q + 1);
}

LANE double normal_lane(uint32_t radius, uint32_t angle)
{
    const double u = (radius + 0.5) * 0x1p-32;
    const double x = ((int32_t)angle + 0.5) * (0x1p-31 * 1.57079632679489661923);
    return sqrt(-2 * log_lane_f64(u)) * sine_lane(x);
}

CLONES UNUSED static void normal_numbers(double *restrict z, const uint32_t *restrict radii,
                                         const uint32_t *restrict angles, int64_t n)
{
    for (int64_t i = 0; i < n; i++) z[i] = normal_lane(radii[i], angles[i]);
}

#endif

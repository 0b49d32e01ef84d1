/* Included by layer_loops.h, once per precision: functions of one number, without branches. */

/* exp(r + k ln 2) = 2^k exp(r), |r| <= ln(2)/2: `tail` is exp(r) - 1, the return value 2^k. */
LANE REAL NAME(split_exp)(REAL x, REAL *tail)
{
    REAL shifted = x * (REAL)1.4426950408889634074 + ROUND_SHIFT;
    BITS k;
    memcpy(&k, &shifted, sizeof k);
    REAL whole = shifted - ROUND_SHIFT;
    REAL r = (x - whole * LN2_HIGH) - whole * LN2_LOW;
    REAL q = r * r;
    *tail = (EXP_EVEN(q) + r * EXP_ODD(q)) * q + r;
    k = (k + EXPONENT_BIAS) << MANTISSA;
    REAL power;
    memcpy(&power, &k, sizeof power);
    return power;
}

LANE REAL NAME(exp_lane)(REAL x)
{
    REAL tail, power;
    x = x < EXP_MIN ? EXP_MIN : x;
    x = x > EXP_MAX ? EXP_MAX : x;
    power = NAME(split_exp)(x, &tail);
    return power * tail + power;
}

/* e^x for x <= 0; 0 where it is below the smallest float with all its digits. */
LANE REAL NAME(exp_below_lane)(REAL x)
{
    REAL tail, power = NAME(split_exp)(x, &tail);
    REAL y = power * tail + power;
    return x < EXP_MIN ? 0 : y;
}

/* tanh(a) = (e^2a - 1) / (e^2a + 1), with e^2a - 1 kept whole near zero. */
LANE REAL NAME(tanh_lane)(REAL x)
{
    REAL a = x < 0 ? -x : x;
    a = a > TANH_FLAT ? TANH_FLAT : a;
    REAL tail;
    REAL power = NAME(split_exp)(2 * a, &tail);
    REAL expm1 = power * tail + (power - 1);
    REAL y = expm1 / (expm1 + 2);
    return x < 0 ? -y : y;
}

/* e^x - 1, whole near zero, for x <= 0. */
LANE REAL NAME(expm1_lane)(REAL x)
{
    REAL tail, power;
    x = x < EXP_MIN ? EXP_MIN : x;
    power = NAME(split_exp)(x, &tail);
    return power * tail + (power - 1);
}

/* atanh s for |s| <= 1/3 */
LANE REAL NAME(atanh_lane)(REAL s)
{
    REAL q = s * s, qq = q * q;
    return s + s * (q * (ATANH_EVEN(qq) + q * ATANH_ODD(qq)));
}

/* log(1 + u) = 2 atanh(u / (2 + u)), for u from 0 to 1. */
LANE REAL NAME(log1p_lane)(REAL u)
{
    return 2 * NAME(atanh_lane)(u / (2 + u));
}

/* log x for x > 0: x = 2^k m with m from sqrt(1/2) to sqrt(2), log m = 2 atanh((m - 1) / (m + 1)).
 */
LANE REAL NAME(log_lane)(REAL x)
{
    const REAL half_root = (REAL)0.70710678118654752440, one = 1;
    BITS bits, half_root_bits, one_bits, k;
    const int is_tiny = x < TINY; /* has fewer digits, until it is multiplied */
    REAL normal = is_tiny ? x * ((BITS)1 << MANTISSA) : x;
    memcpy(&bits, &normal, sizeof bits);
    memcpy(&half_root_bits, &half_root, sizeof half_root_bits);
    memcpy(&one_bits, &one, sizeof one_bits);
    bits += one_bits - half_root_bits;
    k = bits >> MANTISSA;
    bits = (bits & (((BITS)1 << MANTISSA) - 1)) + half_root_bits;
    REAL m, whole, shift = ROUND_SHIFT;
    memcpy(&m, &bits, sizeof m);
    memcpy(&bits, &shift, sizeof bits);
    bits += k; /* ROUND_SHIFT + k, which no vector unit lacks */
    memcpy(&whole, &bits, sizeof whole);
    whole = whole - ROUND_SHIFT - (is_tiny ? EXPONENT_BIAS + MANTISSA : EXPONENT_BIAS);
    REAL log_m = 2 * NAME(atanh_lane)((m - 1) / (m + 1));
    REAL y = whole * LN2_HIGH + (whole * LN2_LOW + log_m);
    return x < (REAL)INFINITY ? y : x; /* also of NaN */
}

/* 1 / (1 + e^-x), of which no e^|x| can overflow; `power` is e^-|x|. */
LANE REAL NAME(logistic_lane)(REAL x, REAL *power)
{
    *power = NAME(exp_below_lane)(x < 0 ? x : -x);
    return (x < 0 ? *power : 1) / (1 + *power);
}

/* Probability above a >= 0 of the normal distribution, and in `power` exp(-a^2 / 2): a^2 is split
 * into an exact part and a rest of at most 1/12, and their exponentials are multiplied. */
LANE REAL NAME(normal_tail)(REAL a, REAL *power)
{
    BITS bits;
    REAL high, tail;
    memcpy(&bits, &a, sizeof bits);
    bits &= SPLIT_MASK;
    memcpy(&high, &bits, sizeof high);
    REAL rest = (REAL)-0.5 * (a - high) * (a + high);
    REAL two = NAME(split_exp)((REAL)-0.5 * high * high, &tail);
    REAL whole = two * tail + two;
    *power = whole + whole * rest * (1 + rest / 2 * (1 + rest / 3 * (1 + rest / 4)));
    REAL inverse = 1 / (a + NORMAL_TAIL_CENTRE);
    REAL t = (a - NORMAL_TAIL_CENTRE) * inverse;
    return *power * (inverse * NORMAL_TAIL(t));
}

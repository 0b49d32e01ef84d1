/* Included by layer_loops.h, once per precision: functions of one number, without branches. */

/* exp(r + k ln 2) = 2^k exp(r), |r| <= ln(2)/2: `tail` is exp(r) - 1, the return value 2^k. */
LANE REAL NAME(split_exp)(REAL x, REAL *tail)
{
    REAL shifted = x * (REAL)1.4426950408889634074 + ROUND_SHIFT;
    BITS k;
    memcpy(&k, &shifted, sizeof k);
    REAL whole = shifted - ROUND_SHIFT;
    REAL r = (x - whole * LN2_HIGH) - whole * LN2_LOW;
    *tail = EXP_TAYLOR(r);
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

/* log(1 + u) = 2 atanh(u / (2 + u)), for u from 0 to 1. */
LANE REAL NAME(log1p_lane)(REAL u)
{
    REAL s = u / (2 + u), q = s * s;
    return 2 * s + 2 * s * ATANH_TAYLOR(q);
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

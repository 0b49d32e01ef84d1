/* Included by layer_loops.h, once per precision; x are activations, d deltas. */

CLONES UNUSED static void NAME(logistic)(REAL *restrict x, int64_t n)
{
    REAL power;
    for (int64_t i = 0; i < n; i++) x[i] = NAME(logistic_lane)(x[i], &power);
}

CLONES UNUSED static void NAME(tanh)(REAL *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] = NAME(tanh_lane)(x[i]);
}

/* NaN stays NaN, so that a network that diverged is found out. */
CLONES UNUSED static void NAME(relu)(REAL *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] = x[i] < 0 ? 0 : x[i];
}

CLONES UNUSED static void NAME(exponential)(REAL *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] = NAME(exp_lane)(x[i]);
}

/* exp as an activation: infinite where it overflows, so that divergence shows. */
LANE REAL NAME(exp_neuron_lane)(REAL x)
{
    REAL y = NAME(exp_lane)(x);
    return x > EXP_MAX ? (REAL)INFINITY : y;
}

CLONES UNUSED static void NAME(exp_neurons)(REAL *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] = NAME(exp_neuron_lane)(x[i]);
}

CLONES UNUSED static void NAME(leaky_relu)(REAL *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] = x[i] < 0 ? (REAL)LEAK * x[i] : x[i];
}

CLONES UNUSED static void NAME(elu)(REAL *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        REAL below = NAME(expm1_lane)(x[i] < 0 ? x[i] : 0);
        x[i] = x[i] < 0 ? below : x[i];
    }
}

CLONES UNUSED static void NAME(selu)(REAL *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        REAL below = (REAL)SELU_FLOOR * NAME(expm1_lane)(x[i] < 0 ? x[i] : 0);
        x[i] = x[i] < 0 ? below : (REAL)SELU_SCALE * x[i];
    }
}

/* log(1 + e^x) = max(x, 0) + log(1 + e^-|x|) */
CLONES UNUSED static void NAME(softplus)(REAL *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        REAL a = x[i] < 0 ? -x[i] : x[i];
        x[i] = (x[i] > 0 ? x[i] : 0) + NAME(log1p_lane)(NAME(exp_below_lane)(-a));
    }
}

/* x Phi(x), and its slope Phi(x) + x phi(x). */
LANE REAL NAME(gelu_lane)(REAL x, REAL *slope)
{
    REAL a = x < 0 ? -x : x, power;
    a = a > TAIL_FLAT ? TAIL_FLAT : a;
    REAL tail = NAME(normal_tail)(a, &power);
    REAL share = x < 0 ? tail : 1 - tail;
    REAL near = (x < 0 ? -a : a) * power * (REAL)0.39894228040143267794;
    *slope = share + near;
    return x < -TAIL_FLAT ? 0 : x * share;
}

/* x / (1 + e^-x), and its slope s (1 + x (1 - s)) with s = 1 / (1 + e^-x). */
LANE REAL NAME(silu_lane)(REAL x, REAL *slope)
{
    REAL near = x < EXP_MIN ? EXP_MIN : x;
    near = near > -EXP_MIN ? -EXP_MIN : near;
    REAL power = NAME(exp_lane)(-near);
    REAL share = 1 / (1 + power);
    *slope = share * (1 + near * (power * share));
    return x < EXP_MIN ? 0 : x * share;
}

/* tanh(log(1 + e^x)) = a / b, and the derivative of this, c / b^2, with p = e^-|x|. */
LANE void NAME(mish_terms)(REAL x, REAL *p, REAL *a, REAL *b, REAL *c)
{
    *p = NAME(exp_below_lane)(x < 0 ? x : -x);
    const REAL more = *p * (*p + 2), less = 1 + 2 * *p;
    *a = x < 0 ? more : less;
    *b = x < 0 ? more + 2 : less + 2 * *p * *p;
    *c = 4 * *p * (1 + *p) * (x < 0 ? 1 : *p);
}

/* x tanh(log(1 + e^x)), and its slope. */
LANE REAL NAME(mish_lane)(REAL x, REAL *slope)
{
    REAL near = x < EXP_MIN ? EXP_MIN : x, p, a, b, c;
    near = near > -EXP_MIN ? -EXP_MIN : near;
    NAME(mish_terms)(near, &p, &a, &b, &c);
    const REAL share = a / b;
    *slope = share + near * (c / (b * b));
    return x < EXP_MIN ? 0 : x * share;
}

CLONES UNUSED static void NAME(gelu)(REAL *restrict x, int64_t n)
{
    REAL slope;
    for (int64_t i = 0; i < n; i++) x[i] = NAME(gelu_lane)(x[i], &slope);
}

CLONES UNUSED static void NAME(silu)(REAL *restrict x, int64_t n)
{
    REAL slope;
    for (int64_t i = 0; i < n; i++) x[i] = NAME(silu_lane)(x[i], &slope);
}

CLONES UNUSED static void NAME(mish)(REAL *restrict x, int64_t n)
{
    REAL slope;
    for (int64_t i = 0; i < n; i++) x[i] = NAME(mish_lane)(x[i], &slope);
}

CLONES UNUSED static void NAME(gelu_and_slope)(REAL *restrict x, REAL *restrict slope, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] = NAME(gelu_lane)(x[i], slope + i);
}

CLONES UNUSED static void NAME(silu_and_slope)(REAL *restrict x, REAL *restrict slope, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] = NAME(silu_lane)(x[i], slope + i);
}

CLONES UNUSED static void NAME(mish_and_slope)(REAL *restrict x, REAL *restrict slope, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] = NAME(mish_lane)(x[i], slope + i);
}

/* x = f(in) of every function but softmax. */
UNUSED static void NAME(activate)(int function, REAL *restrict x, int64_t n)
{
    switch (function) {
    case LOGISTIC: NAME(logistic)(x, n); break;
    case TANH: NAME(tanh)(x, n); break;
    case RELU: NAME(relu)(x, n); break;
    case EXP: NAME(exp_neurons)(x, n); break;
    case LEAKY_RELU: NAME(leaky_relu)(x, n); break;
    case ELU: NAME(elu)(x, n); break;
    case SOFTPLUS: NAME(softplus)(x, n); break;
    case GELU: NAME(gelu)(x, n); break;
    case SILU: NAME(silu)(x, n); break;
    case SELU: NAME(selu)(x, n); break;
    case MISH: NAME(mish)(x, n); break;
    default: break;
    }
}

CLONES UNUSED static void NAME(times_logistic_slope)(REAL *restrict d, const REAL *restrict x,
                                                     int64_t n)
{
    for (int64_t i = 0; i < n; i++) d[i] *= x[i] * (1 - x[i]);
}

CLONES UNUSED static void NAME(times_tanh_slope)(REAL *restrict d, const REAL *restrict x,
                                                 int64_t n)
{
    for (int64_t i = 0; i < n; i++) d[i] *= 1 - x[i] * x[i];
}

CLONES UNUSED static void NAME(times_relu_slope)(REAL *restrict d, const REAL *restrict x,
                                                 int64_t n)
{
    for (int64_t i = 0; i < n; i++) d[i] = x[i] > 0 ? d[i] : 0;
}

CLONES UNUSED static void NAME(times_leaky_relu_slope)(REAL *restrict d, const REAL *restrict x,
                                                       int64_t n)
{
    for (int64_t i = 0; i < n; i++) d[i] *= x[i] > 0 ? (REAL)1 : (REAL)LEAK;
}

CLONES UNUSED static void NAME(times_elu_slope)(REAL *restrict d, const REAL *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) d[i] *= x[i] > 0 ? 1 : 1 + x[i];
}

CLONES UNUSED static void NAME(times_selu_slope)(REAL *restrict d, const REAL *restrict x,
                                                 int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        d[i] *= x[i] > 0 ? (REAL)SELU_SCALE : x[i] + (REAL)SELU_FLOOR;
}

/* 1 / (1 + e^-in) = 1 - e^-x */
CLONES UNUSED static void NAME(times_softplus_slope)(REAL *restrict d, const REAL *restrict x,
                                                     int64_t n)
{
    for (int64_t i = 0; i < n; i++) d[i] *= -NAME(expm1_lane)(-x[i]);
}

CLONES UNUSED static void NAME(multiply)(REAL *restrict d, const REAL *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) d[i] *= x[i];
}

/* d *= f'(in), with the slope written in terms of the activation x = f(in). */
UNUSED static void NAME(times_slope)(int function, REAL *restrict d, const REAL *restrict x,
                                     int64_t n)
{
    switch (function) {
    case LOGISTIC: NAME(times_logistic_slope)(d, x, n); break;
    case TANH: NAME(times_tanh_slope)(d, x, n); break;
    case RELU: NAME(times_relu_slope)(d, x, n); break;
    case EXP: NAME(multiply)(d, x, n); break;
    case LEAKY_RELU: NAME(times_leaky_relu_slope)(d, x, n); break;
    case ELU: NAME(times_elu_slope)(d, x, n); break;
    case SOFTPLUS: NAME(times_softplus_slope)(d, x, n); break;
    case SELU: NAME(times_selu_slope)(d, x, n); break;
    default: break;
    }
}

/* x = f(in) and, of any hidden function, slope = f'(in). */
UNUSED static void NAME(activate_and_slope)(int function, REAL *restrict x, REAL *restrict slope,
                                            int64_t n)
{
    if (function == GELU) {
        NAME(gelu_and_slope)(x, slope, n);
    } else if (function == SILU) {
        NAME(silu_and_slope)(x, slope, n);
    } else if (function == MISH) {
        NAME(mish_and_slope)(x, slope, n);
    } else {
        NAME(activate)(function, x, n);
        for (int64_t i = 0; i < n; i++) slope[i] = 1;
        NAME(times_slope)(function, slope, x, n);
    }
}

/* Of f(in) in x, f'(in) in slope and in in gap: x = (1 - a) in + a f(in), its slope, and the gap
 * f(in) - in, with a factor a for each neuron. Without slope only x and gap are written. */
CLONES UNUSED static void NAME(mix)(REAL *restrict x, REAL *restrict slope, REAL *restrict gap,
                                    const REAL *restrict a, int64_t n, int64_t width)
{
    for (int64_t p = 0; p < n; p++, x += width, gap += width) {
        for (int64_t k = 0; k < width; k++) {
            const REAL in = gap[k], f = x[k];
            x[k] = (1 - a[k]) * in + a[k] * f;
            gap[k] = f - in;
        }
        if (slope)
            for (int64_t k = 0; k < width; k++)
                slope[p * width + k] = (1 - a[k]) + a[k] * slope[p * width + k];
    }
}

/* phi(x) (2 - x^2) */
CLONES UNUSED static void NAME(gelu_curvatures)(REAL *restrict curvature, const REAL *restrict x,
                                                int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        REAL a = x[i] < 0 ? -x[i] : x[i];
        a = a > TAIL_FLAT ? TAIL_FLAT : a;
        REAL density = NAME(exp_below_lane)(a * a * (REAL)-0.5) * (REAL)0.39894228040143267794;
        curvature[i] = density * (2 - a * a);
    }
}

/* s (1 - s) (2 + x (1 - 2 s)), with s = 1 / (1 + e^-x) */
CLONES UNUSED static void NAME(silu_curvatures)(REAL *restrict curvature, const REAL *restrict x,
                                                int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        REAL near = x[i] < EXP_MIN ? EXP_MIN : x[i];
        near = near > -EXP_MIN ? -EXP_MIN : near;
        REAL power = NAME(exp_lane)(-near);
        REAL share = 1 / (1 + power), rest = power * share;
        curvature[i] = share * rest * (2 + near * (rest - share));
    }
}

/* t' (2 + x (1 - s - 2 t s)), with t = tanh(log(1 + e^x)) and s = 1 / (1 + e^-x) */
CLONES UNUSED static void NAME(mish_curvatures)(REAL *restrict curvature, const REAL *restrict x,
                                                int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        REAL near = x[i] < EXP_MIN ? EXP_MIN : x[i], p, a, b, c;
        near = near > -EXP_MIN ? -EXP_MIN : near;
        NAME(mish_terms)(near, &p, &a, &b, &c);
        const REAL large = 1 / (1 + p), small = p * large;
        const REAL share = near < 0 ? small : large, rest = near < 0 ? large : small;
        curvature[i] = c / (b * b) * (2 + near * (rest - 2 * (a / b) * share));
    }
}

/* f''(in) of the functions whose outputs do not determine it, from the net inputs. */
UNUSED static void NAME(net_curvatures)(int function, REAL *restrict curvature,
                                        const REAL *restrict net, int64_t n)
{
    if (function == GELU)
        NAME(gelu_curvatures)(curvature, net, n);
    else if (function == SILU)
        NAME(silu_curvatures)(curvature, net, n);
    else if (function == MISH)
        NAME(mish_curvatures)(curvature, net, n);
}

/* f''(in) of the others, from the outputs x. */
CLONES UNUSED static void NAME(curvatures)(int function, REAL *restrict curvature,
                                           const REAL *restrict x, int64_t n)
{
    switch (function) {
    case LOGISTIC:
        for (int64_t i = 0; i < n; i++) curvature[i] = x[i] * (1 - x[i]) * (1 - 2 * x[i]);
        break;
    case TANH:
        for (int64_t i = 0; i < n; i++) curvature[i] = -2 * x[i] * (1 - x[i] * x[i]);
        break;
    case ELU:
        for (int64_t i = 0; i < n; i++) curvature[i] = x[i] > 0 ? 0 : 1 + x[i];
        break;
    case SELU:
        for (int64_t i = 0; i < n; i++) curvature[i] = x[i] > 0 ? 0 : x[i] + (REAL)SELU_FLOOR;
        break;
    case SOFTPLUS:
        for (int64_t i = 0; i < n; i++) {
            REAL slope = -NAME(expm1_lane)(-x[i]);
            curvature[i] = slope * (1 - slope);
        }
        break;
    case EXP:
        for (int64_t i = 0; i < n; i++) curvature[i] = x[i];
        break;
    case GELU:
    case SILU:
    case MISH: break;
    default:
        for (int64_t i = 0; i < n; i++) curvature[i] = 0;
    }
}

/* Copy rows of a matrix, in the order of their numbers. */
CLONES UNUSED static void NAME(gather)(REAL *restrict out, const REAL *restrict from,
                                       const int64_t *rows, int64_t n, int64_t width)
{
    if (width > 32) {
        for (int64_t p = 0; p < n; p++)
            memcpy(out + p * width, from + rows[p] * width, (size_t)width * sizeof(REAL));
        return;
    }
    for (int64_t p = 0; p < n; p++, out += width) { /* a call would take longer than the copy */
        const REAL *row = from + rows[p] * width;
        for (int64_t i = 0; i < width; i++) out[i] = row[i];
    }
}

UNUSED static void NAME(fill_rows)(REAL *restrict rows, const REAL *restrict row, int64_t n,
                                   int64_t width)
{
    for (int64_t p = 0; p < n; p++) memcpy(rows + p * width, row, width * sizeof(REAL));
}

CLONES UNUSED static void NAME(column_sums)(REAL *restrict sums, const REAL *restrict rows,
                                            int64_t n, int64_t width, REAL scale)
{
    for (int64_t k = 0; k < width; k++) sums[k] = 0;
    for (int64_t p = 0; p < n; p++)
        for (int64_t k = 0; k < width; k++) sums[k] += rows[p * width + k];
    for (int64_t k = 0; k < width; k++) sums[k] *= scale;
}

/* Return the sum of n values, taken in double in their order. */
UNUSED static double NAME(sum)(const REAL *values, int64_t n)
{
    double total = 0;
    for (int64_t i = 0; i < n; i++) total += values[i];
    return total;
}

/* g += scale * w; returns sum w^2, of 8 sums that fit in vector registers. */
CLONES UNUSED static double NAME(add_decay)(REAL *restrict g, const REAL *restrict w, int64_t n,
                                            REAL scale)
{
    double squares[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int64_t j = 0; j < 8; j++) {
            g[i + j] += scale * w[i + j];
            squares[j] += (double)w[i + j] * w[i + j];
        }
    for (; i < n; i++) {
        g[i] += scale * w[i];
        squares[0] += (double)w[i] * w[i];
    }
    for (int64_t j = 1; j < 8; j++) squares[0] += squares[j];
    return squares[0];
}

/* out = in^T, for a matrix of n rows and m columns, in tiles of 8 by 8. */
CLONES UNUSED static void NAME(transpose)(REAL *restrict out, const REAL *restrict in, int64_t n,
                                          int64_t m)
{
    for (int64_t row = 0; row < n; row += 8) {
        const int64_t row_end = row + 8 < n ? row + 8 : n;
        for (int64_t col = 0; col < m; col++)
            for (int64_t r = row; r < row_end; r++) out[col * n + r] = in[r * m + col];
    }
}

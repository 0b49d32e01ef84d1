/* Included once per precision by layer_loops.h; x are activations, d deltas, t targets. */

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

CLONES UNUSED static void NAME(logistic)(REAL *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] = 1 / (1 + NAME(exp_lane)(-x[i]));
}

CLONES UNUSED static void NAME(tanh)(REAL *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] = NAME(tanh_lane)(x[i]);
}

/* NaN stays NaN: a network that diverged must not look alive. */
CLONES UNUSED static void NAME(relu)(REAL *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] = x[i] < 0 ? 0 : x[i];
}

CLONES UNUSED static void NAME(exponential)(REAL *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] = NAME(exp_lane)(x[i]);
}

UNUSED static void NAME(softmax)(REAL *restrict x, int64_t n, int64_t width)
{
    for (int64_t p = 0; p < n; p++) {
        REAL *row = x + p * width;
        REAL top = row[0];
        for (int64_t k = 1; k < width; k++) top = row[k] > top ? row[k] : top;
        for (int64_t k = 0; k < width; k++) row[k] -= top;
    }
    NAME(exponential)(x, n * width);
    for (int64_t p = 0; p < n; p++) {
        REAL *row = x + p * width, total = 0;
        for (int64_t k = 0; k < width; k++) total += row[k];
        REAL inverse = 1 / total;
        for (int64_t k = 0; k < width; k++) row[k] *= inverse;
    }
}

UNUSED static void NAME(activate)(int function, REAL *restrict x, int64_t n, int64_t width)
{
    switch (function) {
    case LOGISTIC: NAME(logistic)(x, n * width); break;
    case TANH: NAME(tanh)(x, n * width); break;
    case RELU: NAME(relu)(x, n * width); break;
    case SOFTMAX: NAME(softmax)(x, n, width); break;
    default: break;
    }
}

CLONES UNUSED static void NAME(times_logistic_slope)(REAL *restrict d, const REAL *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) d[i] *= x[i] * (1 - x[i]);
}

CLONES UNUSED static void NAME(times_tanh_slope)(REAL *restrict d, const REAL *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) d[i] *= 1 - x[i] * x[i];
}

CLONES UNUSED static void NAME(times_relu_slope)(REAL *restrict d, const REAL *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) d[i] = x[i] > 0 ? d[i] : 0;
}

/* d *= f'(in), with the slope written in terms of the activation x = f(in). */
UNUSED static void NAME(times_slope)(int function, REAL *restrict d, const REAL *restrict x, int64_t n)
{
    switch (function) {
    case LOGISTIC: NAME(times_logistic_slope)(d, x, n); break;
    case TANH: NAME(times_tanh_slope)(d, x, n); break;
    case RELU: NAME(times_relu_slope)(d, x, n); break;
    default: break;
    }
}

UNUSED static void NAME(fill_rows)(REAL *restrict rows, const REAL *restrict row, int64_t n, int64_t width)
{
    for (int64_t p = 0; p < n; p++) memcpy(rows + p * width, row, width * sizeof(REAL));
}

CLONES UNUSED static void NAME(column_sums)(REAL *restrict sums, const REAL *restrict rows, int64_t n,
                                            int64_t width, REAL scale)
{
    for (int64_t k = 0; k < width; k++) sums[k] = 0;
    for (int64_t p = 0; p < n; p++)
        for (int64_t k = 0; k < width; k++) sums[k] += rows[p * width + k];
    for (int64_t k = 0; k < width; k++) sums[k] *= scale;
}

/* g += scale * w; returns sum w^2, of 8 sums that fit in vector registers. */
CLONES UNUSED static double NAME(add_decay)(REAL *restrict g, const REAL *restrict w, int64_t n, REAL scale)
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
CLONES UNUSED static void NAME(transpose)(REAL *restrict out, const REAL *restrict in, int64_t n, int64_t m)
{
    for (int64_t row = 0; row < n; row += 8) {
        const int64_t row_end = row + 8 < n ? row + 8 : n;
        for (int64_t col = 0; col < m; col++)
            for (int64_t r = row; r < row_end; r++) out[col * n + r] = in[r * m + col];
    }
}

/* Softmax and its log-loss: J = -sum_k t_k log y_k, delta = t - (sum_k t_k) y. */
UNUSED static double NAME(softmax_log_loss)(REAL *restrict x, const REAL *restrict t, REAL *restrict d,
                                            const REAL *restrict weight, int64_t n, int64_t width)
{
    double loss = 0;
    for (int64_t p = 0; p < n; p++) {
        REAL *row = x + p * width;
        const REAL *target = t + p * width;
        REAL top = row[0], dot = 0;
        for (int64_t k = 1; k < width; k++) top = row[k] > top ? row[k] : top;
        for (int64_t k = 0; k < width; k++) row[k] -= top;
        for (int64_t k = 0; k < width; k++) dot += target[k] * row[k];
        loss -= (double)dot * (weight ? weight[p] : 1);
    }
    NAME(exponential)(x, n * width);
    for (int64_t p = 0; p < n; p++) {
        REAL *row = x + p * width, *delta = d + p * width;
        const REAL *target = t + p * width;
        REAL total = 0, mass = 0, s = weight ? weight[p] : 1;
        for (int64_t k = 0; k < width; k++) total += row[k];
        for (int64_t k = 0; k < width; k++) mass += target[k];
        loss += (double)(mass * s) * log((double)total);
        REAL inverse = 1 / total;
        for (int64_t k = 0; k < width; k++) row[k] *= inverse;
        for (int64_t k = 0; k < width; k++) delta[k] = s * (target[k] - mass * row[k]);
    }
    return loss;
}

/* Logistic units and the log-loss of each: J = sum_k max(in, 0) - t in + log(1 + e^-|in|). */
UNUSED static double NAME(logistic_log_loss)(REAL *restrict x, const REAL *restrict t, REAL *restrict d,
                                             const REAL *restrict weight, int64_t n, int64_t width)
{
    double loss = 0;
    for (int64_t p = 0; p < n; p++) {
        double row_loss = 0;
        for (int64_t i = p * width; i < (p + 1) * width; i++) {
            double in = x[i];
            row_loss += (in > 0 ? in : in < 0 ? 0 : in) - t[i] * in + log1p(exp(-fabs(in)));
        }
        loss += row_loss * (weight ? weight[p] : 1);
    }
    NAME(logistic)(x, n * width);
    for (int64_t p = 0; p < n; p++) {
        REAL s = weight ? weight[p] : 1;
        for (int64_t i = p * width; i < (p + 1) * width; i++) d[i] = s * (t[i] - x[i]);
    }
    return loss;
}

/* Half the sum of squares, J = 1/2 sum_k (t_k - y_k)^2: rule (2); delta = (t - y) f'(in): rule (5). */
UNUSED static double NAME(squared_error)(int function, REAL *restrict x, const REAL *restrict t,
                                         REAL *restrict d, const REAL *restrict weight, int64_t n,
                                         int64_t width)
{
    double loss = 0;
    NAME(activate)(function, x, n, width);
    for (int64_t p = 0; p < n; p++) {
        REAL s = weight ? weight[p] : 1;
        double row_loss = 0;
        for (int64_t i = p * width; i < (p + 1) * width; i++) {
            REAL e = t[i] - x[i];
            row_loss += (double)e * e;
            d[i] = s * e;
        }
        loss += 0.5 * s * row_loss;
    }
    if (function == SOFTMAX) { /* delta_k = y_k (e_k - sum_l e_l y_l) */
        for (int64_t p = 0; p < n; p++) {
            REAL *delta = d + p * width, *row = x + p * width, mean = 0;
            for (int64_t k = 0; k < width; k++) mean += delta[k] * row[k];
            for (int64_t k = 0; k < width; k++) delta[k] = row[k] * (delta[k] - mean);
        }
    } else {
        NAME(times_slope)(function, d, x, n * width);
    }
    return loss;
}

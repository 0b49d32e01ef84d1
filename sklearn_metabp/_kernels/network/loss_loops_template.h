/* Included by layer_loops.h, once per precision; x are net inputs, then outputs, d deltas, t
 * targets. */

/* Softmax over groups and its log-loss: J = -sum_k t_k log y_k, delta = t - (sum_k t_k) y. */
UNUSED static double NAME(softmax_log_loss)(REAL *restrict x, const REAL *restrict t,
                                            REAL *restrict d, const REAL *restrict weight,
                                            int64_t n, int64_t width, const int64_t *groups,
                                            int64_t n_groups)
{
    double loss = 0;
    for (int64_t p = 0; p < n; p++) {
        REAL *row = x + p * width, dot = 0;
        const REAL *target = t + p * width;
        for (int64_t g = 0; g < n_groups; row += groups[g], target += groups[g++]) {
            REAL top = row[0];
            for (int64_t k = 1; k < groups[g]; k++) top = row[k] > top ? row[k] : top;
            for (int64_t k = 0; k < groups[g]; k++) row[k] -= top;
            for (int64_t k = 0; k < groups[g]; k++) dot += target[k] * row[k];
        }
        loss -= (double)dot * (weight ? weight[p] : 1);
    }
    NAME(exponential)(x, n * width);
    for (int64_t p = 0; p < n; p++) {
        REAL *row = x + p * width, *delta = d + p * width;
        const REAL *target = t + p * width;
        REAL s = weight ? weight[p] : 1;
        for (int64_t g = 0; g < n_groups;
             row += groups[g], delta += groups[g], target += groups[g++]) {
            REAL total = 0, mass = 0;
            for (int64_t k = 0; k < groups[g]; k++) total += row[k];
            for (int64_t k = 0; k < groups[g]; k++) mass += target[k];
            loss += (double)(mass * s) * log((double)total);
            REAL inverse = 1 / total;
            for (int64_t k = 0; k < groups[g]; k++) row[k] *= inverse;
            for (int64_t k = 0; k < groups[g]; k++) delta[k] = s * (target[k] - mass * row[k]);
        }
    }
    return loss;
}

/* Logistic neurons and the log-loss of each: J = sum_k max(in, 0) - t in + log(1 + e^-|in|). */
UNUSED static double NAME(logistic_log_loss)(REAL *restrict x, const REAL *restrict t,
                                             REAL *restrict d, const REAL *restrict weight,
                                             int64_t n, int64_t width)
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

/* exp neurons: J = sum_k t log(t / y) - t + y, half the Poisson deviance, with log y the net input.
 */
UNUSED static double NAME(poisson)(REAL *restrict x, const REAL *restrict t, REAL *restrict d,
                                   const REAL *restrict weight, int64_t n, int64_t width)
{
    double loss = 0;
    for (int64_t p = 0; p < n; p++) {
        double row_loss = 0;
        for (int64_t i = p * width; i < (p + 1) * width; i++) {
            double target = t[i];
            row_loss += (target == 0 ? 0 : target * (log(target) - x[i] - 1));
        }
        loss += row_loss * (weight ? weight[p] : 1);
    }
    NAME(exp_neurons)(x, n * width);
    for (int64_t p = 0; p < n; p++) {
        REAL s = weight ? weight[p] : 1;
        double row_loss = 0;
        for (int64_t i = p * width; i < (p + 1) * width; i++) {
            row_loss += x[i];
            d[i] = s * (t[i] - x[i]);
        }
        loss += row_loss * s;
    }
    return loss;
}

/* Half the sum of squares, J = 1/2 sum_k (t_k - y_k)^2: rule (2); d is minus its derivative by y.
 */
UNUSED static double NAME(squared_error)(const REAL *restrict x, const REAL *restrict t,
                                         REAL *restrict d, const REAL *restrict weight, int64_t n,
                                         int64_t width)
{
    double loss = 0;
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
    return loss;
}

/* J = sum_k |t_k - y_k| */
CLONES UNUSED static double NAME(absolute_error)(const REAL *restrict x, const REAL *restrict t,
                                                 REAL *restrict d, const REAL *restrict weight,
                                                 int64_t n, int64_t width)
{
    double loss = 0;
    for (int64_t p = 0; p < n; p++) {
        REAL s = weight ? weight[p] : 1;
        double row_loss = 0;
        for (int64_t i = p * width; i < (p + 1) * width; i++) {
            REAL e = t[i] - x[i];
            row_loss += e < 0 ? -e : e;
            d[i] = s * (e > 0 ? 1 : e < 0 ? -1 : e);
        }
        loss += s * row_loss;
    }
    return loss;
}

/* J = sum_k e^2 / 2 where |e| <= 1, |e| - 1/2 beyond, e = t_k - y_k */
CLONES UNUSED static double NAME(huber)(const REAL *restrict x, const REAL *restrict t,
                                        REAL *restrict d, const REAL *restrict weight, int64_t n,
                                        int64_t width)
{
    double loss = 0;
    for (int64_t p = 0; p < n; p++) {
        REAL s = weight ? weight[p] : 1;
        double row_loss = 0;
        for (int64_t i = p * width; i < (p + 1) * width; i++) {
            REAL e = t[i] - x[i];
            REAL pull = e > 1    ? 1
                        : e < -1 ? -1
                                 : e; /* e^2/2 = pull (e - pull/2), and so beyond 1 */
            row_loss += (double)pull * (e - (REAL)0.5 * pull);
            d[i] = s * pull;
        }
        loss += s * row_loss;
    }
    return loss;
}

/* Rule (5): d, minus the derivative by the outputs x, becomes that by their net inputs. */
UNUSED static void NAME(through_outputs)(int function, REAL *restrict d, const REAL *restrict x,
                                         int64_t n, int64_t width, const int64_t *groups,
                                         int64_t n_groups)
{
    if (function != SOFTMAX) {
        NAME(times_slope)(function, d, x, n * width);
        return;
    }
    for (int64_t p = 0; p < n; p++) { /* delta_k = y_k (e_k - sum_l e_l y_l) */
        for (int64_t g = 0; g < n_groups; d += groups[g], x += groups[g++]) {
            REAL mean = 0;
            for (int64_t k = 0; k < groups[g]; k++) mean += d[k] * x[k];
            for (int64_t k = 0; k < groups[g]; k++) d[k] = x[k] * (d[k] - mean);
        }
    }
}

/* Loss of outputs whose net inputs are x, the sum over n rows; x becomes the outputs, d the deltas.
 */
UNUSED static double NAME(output_rules)(int loss, int function, REAL *restrict x,
                                        const REAL *restrict t, REAL *restrict d,
                                        const REAL *restrict weight, int64_t n, int64_t width,
                                        const int64_t *groups, int64_t n_groups)
{
    double sum;
    if (loss == LOG_LOSS) {
        if (function == SOFTMAX)
            return NAME(softmax_log_loss)(x, t, d, weight, n, width, groups, n_groups);
        return NAME(logistic_log_loss)(x, t, d, weight, n, width);
    }
    if (loss == POISSON) return NAME(poisson)(x, t, d, weight, n, width);
    if (function == SOFTMAX)
        NAME(softmax)(x, n, width, groups, n_groups);
    else
        NAME(activate)(function, x, n * width);
    if (loss == ABSOLUTE_ERROR)
        sum = NAME(absolute_error)(x, t, d, weight, n, width);
    else if (loss == HUBER)
        sum = NAME(huber)(x, t, d, weight, n, width);
    else
        sum = NAME(squared_error)(x, t, d, weight, n, width);
    NAME(through_outputs)(function, d, x, n, width, groups, n_groups);
    return sum;
}

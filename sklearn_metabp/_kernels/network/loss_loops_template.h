/* Included by layer_loops.h, once per precision; x are net inputs, then outputs, d deltas, t
 * targets, `losses` one loss a value. Softmax with its log-loss is in softmax_loops_template.h. */

/* Logistic neurons and the log-loss of each: J = max(in, 0) - t in + log(1 + e^-|in|). */
LANE void NAME(logistic_log_losses)(REAL *restrict x, const REAL *restrict t, REAL *restrict d,
                                    double *restrict losses, int64_t n)
{
    REAL logs[LOSS_BLOCK];
    for (int64_t i = 0; i < n; i++) {
        REAL in = x[i], power;
        x[i] = NAME(logistic_lane)(in, &power);
        logs[i] = NAME(log1p_lane)(power);
        d[i] = t[i] - x[i];
        losses[i] = (double)(in < 0 ? 0 : in) - (double)t[i] * in;
    }
    for (int64_t i = 0; i < n; i++) losses[i] += logs[i];
}

/* exp neurons: J = t log(t / y) - t + y, half the Poisson deviance, with log y the net input. */
LANE void NAME(poisson_losses)(REAL *restrict x, const REAL *restrict t, REAL *restrict d,
                               double *restrict losses, int64_t n)
{
    REAL logs[LOSS_BLOCK];
    for (int64_t i = 0; i < n; i++) logs[i] = t[i] == 0 ? 0 : NAME(log_lane)(t[i]);
    for (int64_t i = 0; i < n; i++) {
        losses[i] = (double)t[i] * ((double)logs[i] - x[i] - 1);
        x[i] = NAME(exp_neuron_lane)(x[i]);
        losses[i] += x[i];
        d[i] = t[i] - x[i];
    }
}

/* Half the square, J = 1/2 (t - y)^2: rule (2); d is minus its derivative by y, as in the next two.
 */
LANE void NAME(squared_errors)(const REAL *restrict x, const REAL *restrict t, REAL *restrict d,
                               double *restrict losses, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        d[i] = t[i] - x[i];
        losses[i] = 0.5 * d[i] * d[i];
    }
}

/* J = |t - y| */
LANE void NAME(absolute_errors)(const REAL *restrict x, const REAL *restrict t, REAL *restrict d,
                                double *restrict losses, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        REAL e = t[i] - x[i];
        losses[i] = e < 0 ? -e : e;
        d[i] = e > 0 ? 1 : e < 0 ? -1 : e;
    }
}

/* J = e^2 / 2 where |e| <= 1, |e| - 1/2 beyond, e = t - y */
LANE void NAME(huber_losses)(const REAL *restrict x, const REAL *restrict t, REAL *restrict d,
                             double *restrict losses, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        REAL e = t[i] - x[i];
        d[i] = e > 1 ? 1 : e < -1 ? -1 : e;
        losses[i] = (double)d[i] * (e - (REAL)0.5 * d[i]); /* e^2/2 = d (e - d/2), as beyond 1 */
    }
}

/* Multiply values and their losses by the sample weights of their rows; `first` is the number of
 * the first value. */
LANE void NAME(weigh)(REAL *restrict d, double *restrict losses, const REAL *restrict weight,
                      int64_t first, int64_t n, int64_t width)
{
    REAL factors[LOSS_BLOCK];
    int64_t p = first / width, k = first % width;
    for (int64_t i = 0; i < n; i++) {
        factors[i] = weight[p];
        if (++k == width) k = 0, p++;
    }
    for (int64_t i = 0; i < n; i++) d[i] *= factors[i];
    for (int64_t i = 0; i < n; i++) losses[i] *= factors[i];
}

/* Losses that every output has for itself: their sum over n rows, times the sample weights. x are
 * net inputs, which become outputs, for the log-loss and Poisson, and outputs for the others. */
CLONES UNUSED static double NAME(value_losses)(int loss, REAL *x, const REAL *t, REAL *d,
                                               const REAL *weight, int64_t n, int64_t width)
{
    double lanes[LOSS_LANES] = {0}, losses[LOSS_BLOCK];
    for (int64_t i = 0; i < n * width; i += LOSS_BLOCK) {
        const int64_t count = n * width - i < LOSS_BLOCK ? n * width - i : LOSS_BLOCK;
        switch (loss) {
        case LOG_LOSS: NAME(logistic_log_losses)(x + i, t + i, d + i, losses, count); break;
        case POISSON: NAME(poisson_losses)(x + i, t + i, d + i, losses, count); break;
        case ABSOLUTE_ERROR: NAME(absolute_errors)(x + i, t + i, d + i, losses, count); break;
        case HUBER: NAME(huber_losses)(x + i, t + i, d + i, losses, count); break;
        default: NAME(squared_errors)(x + i, t + i, d + i, losses, count);
        }
        if (weight) NAME(weigh)(d + i, losses, weight, i, count, width);
        add_to_lanes(lanes, losses, count);
    }
    return sum_of_lanes(lanes);
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
    if (loss == LOG_LOSS && function == SOFTMAX)
        return NAME(softmax_log_loss)(x, t, d, weight, n, width, groups, n_groups);
    if (loss == LOG_LOSS || loss == POISSON)
        return NAME(value_losses)(loss, x, t, d, weight, n, width);
    if (function == SOFTMAX)
        NAME(softmax)(x, n, width, groups, n_groups);
    else
        NAME(activate)(function, x, n * width);
    const double sum = NAME(value_losses)(loss, x, t, d, weight, n, width);
    NAME(through_outputs)(function, d, x, n, width, groups, n_groups);
    return sum;
}

/* Included by cell_loops.h, once per precision. */

CLONES UNUSED static void NAME(divide)(REAL *restrict x, const int64_t *restrict by, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] /= (REAL)by[i];
}

/* The step of a GRU: r and z of the inputs' product become gates, n the new states.
 * r = logistic(r + r'), z = logistic(z + z'), n = tanh(n + r n'), s = (1 - z) n + z s_before. */
CLONES UNUSED static void NAME(gru_step)(REAL *restrict gates, const REAL *restrict of_states,
                                         const REAL *restrict before, REAL *restrict states,
                                         int64_t n, int64_t width)
{
    REAL power;
    for (int64_t p = 0; p < n; p++) {
        REAL *restrict r = gates + p * 3 * width, *restrict new = r + 2 * width;
        const REAL *restrict m = of_states + p * 3 * width;
        for (int64_t k = 0; k < 2 * width; k++) r[k] = NAME(logistic_lane)(r[k] + m[k], &power);
        for (int64_t k = 0; k < width; k++)
            new[k] = NAME(tanh_lane)(new[k] + r[k] * m[2 * width + k]);
        const REAL *restrict z = r + width, *restrict s = before + p * width;
        for (int64_t k = 0; k < width; k++)
            states[p * width + k] = (1 - z[k]) * new[k] + z[k] * s[k];
    }
}

/* The step back: `error`, minus the derivative of the loss by the states, becomes the part of that
 * by the states before which goes past the products. Deltas of both products are written. */
CLONES UNUSED static void NAME(gru_backward)(const REAL *restrict gates,
                                             const REAL *restrict of_states,
                                             const REAL *restrict before, REAL *restrict error,
                                             REAL *restrict of_inputs,
                                             REAL *restrict of_state_product, int64_t n,
                                             int64_t width)
{
    for (int64_t p = 0; p < n; p++) {
        const REAL *restrict r = gates + p * 3 * width, *restrict z = r + width;
        const REAL *restrict new = z + width, *restrict m = of_states + (p * 3 + 2) * width;
        const REAL *restrict s = before + p * width;
        REAL *restrict e = error + p * width;
        REAL *restrict d_in = of_inputs + p * 3 * width;
        REAL *restrict d_state = of_state_product + p * 3 * width;
        for (int64_t k = 0; k < width; k++) {
            const REAL of_n = e[k] * (1 - z[k]) * (1 - new[k] * new[k]);
            const REAL of_z = e[k] * (s[k] - new[k]) * (z[k] * (1 - z[k]));
            const REAL of_r = of_n * m[k] * (r[k] * (1 - r[k]));
            d_in[k] = d_state[k] = of_r;
            d_in[width + k] = d_state[width + k] = of_z;
            d_in[2 * width + k] = of_n;
            d_state[2 * width + k] = of_n * r[k];
            e[k] *= z[k];
        }
    }
}

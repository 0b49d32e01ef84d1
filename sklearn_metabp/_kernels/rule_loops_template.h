/* Included once per precision by rule_loops.h; g are gradients, u updates. */

CLONES UNUSED static void NAME(sgd)(const REAL *restrict g, REAL *restrict u, int64_t n, REAL learning_rate)
{
    for (int64_t i = 0; i < n; i++) u[i] = -learning_rate * g[i];
}

CLONES UNUSED static void NAME(momentum)(const REAL *restrict g, REAL *restrict v, REAL *restrict u,
                                         int64_t n, REAL learning_rate, REAL momentum, int nesterov)
{
    if (nesterov)
        for (int64_t i = 0; i < n; i++) {
            v[i] = momentum * v[i] + g[i];
            u[i] = -learning_rate * (g[i] + momentum * v[i]);
        }
    else
        for (int64_t i = 0; i < n; i++) {
            v[i] = momentum * v[i] + g[i];
            u[i] = -learning_rate * v[i];
        }
}

CLONES UNUSED static void NAME(adam)(const REAL *restrict g, REAL *restrict m, REAL *restrict v,
                                     REAL *restrict u, int64_t n, double learning_rate, double beta_1,
                                     double beta_2, double epsilon, double correction_1, double correction_2)
{
    /* 1 - beta in double: in float 1 - 0.999f is wrong in the fifth digit. */
    const REAL keep_1 = (REAL)beta_1, add_1 = (REAL)(1 - beta_1);
    const REAL keep_2 = (REAL)beta_2, add_2 = (REAL)(1 - beta_2);
    const REAL rate = (REAL)(learning_rate / correction_1), root = (REAL)(1 / sqrt(correction_2));
    const REAL tiny = (REAL)epsilon;
    for (int64_t i = 0; i < n; i++) {
        m[i] = keep_1 * m[i] + add_1 * g[i];
        v[i] = keep_2 * v[i] + add_2 * g[i] * g[i];
        u[i] = -rate * m[i] / (SQRT(v[i]) * root + tiny);
    }
}

/* w += u; 0 if an update was not finite: the exponent bits of NaN and infinity are all ones. */
CLONES UNUSED static int NAME(apply)(REAL *restrict w, const REAL *restrict u, int64_t n)
{
    BITS bad = 0;
    for (int64_t i = 0; i < n; i++) {
        BITS bits;
        memcpy(&bits, u + i, sizeof bits);
        bad |= (bits & EXPONENT_BITS) == EXPONENT_BITS;
        w[i] += u[i];
    }
    return !bad;
}

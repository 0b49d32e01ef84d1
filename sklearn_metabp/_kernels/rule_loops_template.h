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
                                     REAL *restrict u, int64_t n, REAL learning_rate, REAL beta_1,
                                     REAL beta_2, REAL epsilon, REAL correction_1, REAL correction_2)
{
    const REAL rate = learning_rate / correction_1, root = 1 / SQRT(correction_2);
    for (int64_t i = 0; i < n; i++) {
        m[i] = beta_1 * m[i] + (1 - beta_1) * g[i];
        v[i] = beta_2 * v[i] + (1 - beta_2) * g[i] * g[i];
        u[i] = -rate * m[i] / (SQRT(v[i]) * root + epsilon);
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

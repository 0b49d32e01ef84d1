/* Included by rule_loops.h, once per precision. g are the gradients, u the updates of a step. */

CLONES UNUSED static void NAME(sgd)(const REAL *restrict g, REAL *restrict u, int64_t n,
                                    REAL learning_rate)
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
                                     REAL *restrict u, int64_t n, double corrected_rate,
                                     double beta_1, double beta_2, double epsilon,
                                     double root_correction)
{
    /* 1 - beta in double: in float 1 - 0.999f is wrong in the fifth digit. */
    const REAL keep_1 = (REAL)beta_1, add_1 = (REAL)(1 - beta_1);
    const REAL keep_2 = (REAL)beta_2, add_2 = (REAL)(1 - beta_2);
    const REAL rate = (REAL)corrected_rate, root = (REAL)root_correction, tiny = (REAL)epsilon;
    for (int64_t i = 0; i < n; i++) {
        m[i] = keep_1 * m[i] + add_1 * g[i];
        v[i] = keep_2 * v[i] + add_2 * g[i] * g[i];
        u[i] = -rate * m[i] / (SQRT(v[i]) * root + tiny);
    }
}

/* Zero for zero, NaN for NaN. */
LANE REAL NAME(sign)(REAL x) { return x > 0 ? 1 : x < 0 ? -1 : x; }

CLONES UNUSED static void NAME(rprop)(const REAL *restrict g, REAL *restrict previous,
                                      REAL *restrict size, REAL *restrict u, int64_t n,
                                      double share, double increase, double decrease,
                                      double min_step, double max_step)
{
    const REAL up = (REAL)increase, down = (REAL)decrease, low = (REAL)min_step,
               high = (REAL)max_step;
    const REAL part = (REAL)share;
    for (int64_t i = 0; i < n; i++) {
        const REAL now = NAME(sign)(g[i]), turned = now * NAME(sign)(previous[i]);
        const REAL z = size[i] * (turned > 0 ? up : turned < 0 ? down : 1);
        size[i] = z < low ? low : z > high ? high : z;
        previous[i] = turned < 0 ? 0 : g[i];
        u[i] = turned < 0 ? 0 : -part * size[i] * now;
    }
}

CLONES UNUSED static void NAME(adagrad)(const REAL *restrict g, REAL *restrict total,
                                        REAL *restrict u, int64_t n, double learning_rate,
                                        double epsilon)
{
    const REAL rate = (REAL)learning_rate, tiny = (REAL)epsilon;
    for (int64_t i = 0; i < n; i++) {
        total[i] += g[i] * g[i];
        u[i] = -rate * g[i] / (SQRT(total[i]) + tiny);
    }
}

CLONES UNUSED static void NAME(adadelta)(const REAL *restrict g, REAL *restrict v,
                                         REAL *restrict moved, REAL *restrict u, int64_t n,
                                         double learning_rate, double decay, double epsilon)
{
    const REAL rate = (REAL)learning_rate, keep = (REAL)decay, add = (REAL)(1 - decay),
               tiny = (REAL)epsilon;
    for (int64_t i = 0; i < n; i++) {
        v[i] = keep * v[i] + add * g[i] * g[i];
        const REAL move = SQRT(moved[i] + tiny) / SQRT(v[i] + tiny) * g[i];
        moved[i] = keep * moved[i] + add * move * move;
        u[i] = -rate * move;
    }
}

CLONES UNUSED static void NAME(rmsprop)(const REAL *restrict g, REAL *restrict v, REAL *restrict u,
                                        int64_t n, double learning_rate, double decay,
                                        double epsilon)
{
    const REAL rate = (REAL)learning_rate, keep = (REAL)decay, add = (REAL)(1 - decay),
               tiny = (REAL)epsilon;
    for (int64_t i = 0; i < n; i++) {
        v[i] = keep * v[i] + add * g[i] * g[i];
        u[i] = -rate * g[i] / (SQRT(v[i]) + tiny);
    }
}

CLONES UNUSED static void NAME(adamax)(const REAL *restrict g, REAL *restrict m,
                                       REAL *restrict largest, REAL *restrict u, int64_t n,
                                       double corrected_rate, double beta_1, double beta_2,
                                       double epsilon, double t)
{
    (void)t; /* it is in the corrected rate */
    const REAL keep_1 = (REAL)beta_1, add_1 = (REAL)(1 - beta_1), keep_2 = (REAL)beta_2;
    const REAL rate = (REAL)corrected_rate, tiny = (REAL)epsilon;
    for (int64_t i = 0; i < n; i++) {
        const REAL now = (g[i] < 0 ? -g[i] : g[i]) + tiny, before = keep_2 * largest[i];
        m[i] = keep_1 * m[i] + add_1 * g[i];
        largest[i] = before > now ? before : now;
        u[i] = -rate * m[i] / largest[i];
    }
}

/* of_mean and of_gradient have learning rate and corrections in them. */
CLONES UNUSED static void NAME(nadam)(const REAL *restrict g, REAL *restrict m, REAL *restrict v,
                                      REAL *restrict u, int64_t n, double of_mean,
                                      double of_gradient, double beta_1, double beta_2,
                                      double epsilon, double root_correction)
{
    const REAL keep_1 = (REAL)beta_1, add_1 = (REAL)(1 - beta_1);
    const REAL keep_2 = (REAL)beta_2, add_2 = (REAL)(1 - beta_2);
    const REAL by_m = (REAL)of_mean, by_g = (REAL)of_gradient, root = (REAL)root_correction;
    const REAL tiny = (REAL)epsilon;
    for (int64_t i = 0; i < n; i++) {
        m[i] = keep_1 * m[i] + add_1 * g[i];
        v[i] = keep_2 * v[i] + add_2 * g[i] * g[i];
        u[i] = -(by_m * m[i] + by_g * g[i]) / (SQRT(v[i]) * root + tiny);
    }
}

/* The rate has the corrections in it; without root the mean is not divided. */
CLONES UNUSED static void NAME(radam)(const REAL *restrict g, REAL *restrict m, REAL *restrict v,
                                      REAL *restrict u, int64_t n, double corrected_rate,
                                      double beta_1, double beta_2, double epsilon, int divided)
{
    const REAL keep_1 = (REAL)beta_1, add_1 = (REAL)(1 - beta_1);
    const REAL keep_2 = (REAL)beta_2, add_2 = (REAL)(1 - beta_2);
    const REAL rate = (REAL)corrected_rate, tiny = (REAL)epsilon;
    for (int64_t i = 0; i < n; i++) {
        m[i] = keep_1 * m[i] + add_1 * g[i];
        v[i] = keep_2 * v[i] + add_2 * g[i] * g[i];
        u[i] = divided ? -rate * m[i] / (SQRT(v[i]) + tiny) : -rate * m[i];
    }
}

CLONES UNUSED static void NAME(lion)(const REAL *restrict g, REAL *restrict m, REAL *restrict u,
                                     int64_t n, double learning_rate, double beta_1, double beta_2)
{
    const REAL keep_1 = (REAL)beta_1, add_1 = (REAL)(1 - beta_1);
    const REAL keep_2 = (REAL)beta_2, add_2 = (REAL)(1 - beta_2), rate = (REAL)learning_rate;
    for (int64_t i = 0; i < n; i++) {
        u[i] = -rate * NAME(sign)(keep_1 * m[i] + add_1 * g[i]);
        m[i] = keep_2 * m[i] + add_2 * g[i];
    }
}

/* The moments are those of the distance d times g. */
CLONES UNUSED static void NAME(prodigy)(const REAL *restrict g, REAL *restrict m, REAL *restrict v,
                                        REAL *restrict u, int64_t n, double distance,
                                        double learning_rate, double beta_1, double beta_2,
                                        double epsilon)
{
    const REAL d = (REAL)distance, tiny = (REAL)(distance * epsilon);
    const REAL keep_1 = (REAL)beta_1, add_1 = (REAL)(1 - beta_1);
    const REAL keep_2 = (REAL)beta_2, add_2 = (REAL)(1 - beta_2);
    const REAL rate = (REAL)(learning_rate * distance);
    for (int64_t i = 0; i < n; i++) {
        const REAL scaled = d * g[i];
        m[i] = keep_1 * m[i] + add_1 * scaled;
        v[i] = keep_2 * v[i] + add_2 * scaled * scaled;
        u[i] = -rate * m[i] / (SQRT(v[i]) + tiny);
    }
}

/* s = keep s + add g. Writes the sum of g (start - w) and that of |s|, each in lanes of double. */
CLONES UNUSED static void NAME(distance)(const REAL *restrict g, const REAL *restrict w,
                                         const REAL *restrict start, REAL *restrict s, int64_t n,
                                         double decay, double share, double *restrict sums)
{
    enum { LANES = 64 }; /* so many that the compiler keeps the loop over them, and vectorises it */
    const REAL keep = (REAL)decay, add = (REAL)share;
    double dots[LANES] = {0}, sizes[LANES] = {0};
    for (int64_t i = 0; i < n; i += LANES) {
        const int n_lanes = n - i < LANES ? (int)(n - i) : LANES;
        for (int lane = 0; lane < n_lanes; lane++) {
            const REAL now = keep * s[i + lane] + add * g[i + lane];
            s[i + lane] = now;
            dots[lane] += (double)g[i + lane] * ((double)start[i + lane] - (double)w[i + lane]);
            sizes[lane] += (double)(now < 0 ? -now : now);
        }
    }
    sums[0] = sums[1] = 0;
    for (int lane = 0; lane < LANES; lane++) {
        sums[0] += dots[lane];
        sums[1] += sizes[lane];
    }
}

/* u -= share w. */
CLONES UNUSED static void NAME(decay)(const REAL *restrict w, REAL *restrict u, int64_t n,
                                      REAL share)
{
    for (int64_t i = 0; i < n; i++) u[i] -= share * w[i];
}

/* u -= share w, but not where u and w have the same sign. */
CLONES UNUSED static void NAME(cautious_decay)(const REAL *restrict w, REAL *restrict u, int64_t n,
                                               REAL share)
{
    for (int64_t i = 0; i < n; i++) {
        const REAL grows = NAME(sign)(u[i]) * NAME(sign)(w[i]);
        u[i] -= (grows > 0 ? 0 : share) * w[i];
    }
}

/* u = factor u - share w; if cautious, without decay where u and w have the same sign. */
CLONES UNUSED static void NAME(layerwise)(const REAL *restrict w, const REAL *restrict factors,
                                          const REAL *restrict shares, REAL *restrict u, int64_t n,
                                          int cautious)
{
    if (cautious)
        for (int64_t i = 0; i < n; i++) {
            const REAL grows = NAME(sign)(u[i]) * NAME(sign)(w[i]);
            u[i] = factors[i] * u[i] - (grows > 0 ? 0 : shares[i]) * w[i];
        }
    else
        for (int64_t i = 0; i < n; i++) u[i] = factors[i] * u[i] - shares[i] * w[i];
}

/* a += share ((w + u) - a). */
CLONES UNUSED static void NAME(average)(const REAL *restrict w, const REAL *restrict u,
                                        REAL *restrict a, int64_t n, REAL share)
{
    for (int64_t i = 0; i < n; i++) a[i] += share * (w[i] + u[i] - a[i]);
}

/* e is x - z. z takes the step, x moves a share of the way to z, and u becomes the step of y. */
CLONES UNUSED static void NAME(schedule_free)(REAL *restrict e, REAL *restrict u, int64_t n,
                                              double beta, double factor, double share)
{
    const REAL mix = (REAL)beta, scale = (REAL)factor, rest = (REAL)(1 - share);
    for (int64_t i = 0; i < n; i++) {
        const REAL of_z = scale * u[i], before = e[i];
        e[i] = rest * (before - of_z);
        u[i] = of_z + mix * (e[i] - before);
    }
}

/* Included by controller_loops.h, once per precision. Of a tensor, or of a part of it, g are the
 * gradients, w the weights, m_* running means, slow and fast those of the squares. */

/* 0 for NaN, infinity and what has no finite square. */
LANE REAL NAME(sane)(REAL g)
{
    const REAL most = sizeof(REAL) == 4 ? (REAL)1e18 : (REAL)1e150;
    return (g < 0 ? -g : g) <= most ? g : 0;
}

CLONES UNUSED static void NAME(advance_part)(const REAL *restrict g, REAL *restrict m_5,
                                             REAL *restrict m_9, REAL *restrict m_99,
                                             REAL *restrict slow, REAL *restrict fast, int64_t n)
{
    const REAL add_9 = (REAL)(1 - 0.9), add_99 = (REAL)(1 - 0.99);
    const REAL add_999 = (REAL)(1 - 0.999), add_95 = (REAL)(1 - 0.95);
    for (int64_t i = 0; i < n; i++) {
        const REAL now = NAME(sane)(g[i]), square = now * now;
        m_5[i] = (REAL)0.5 * m_5[i] + (REAL)0.5 * now;
        m_9[i] = (REAL)0.9 * m_9[i] + add_9 * now;
        m_99[i] = (REAL)0.99 * m_99[i] + add_99 * now;
        slow[i] = (REAL)0.999 * slow[i] + add_999 * square;
        fast[i] = (REAL)0.95 * fast[i] + add_95 * square;
    }
}

LANE void NAME(add_products)(const REAL *restrict g, const REAL *restrict w,
                             const REAL *restrict m_5, const REAL *restrict m_9,
                             const REAL *restrict m_99, const REAL *restrict slow,
                             const REAL *restrict fast, int64_t i, double lanes[N_SUMS][8], int l)
{
    const double now = NAME(sane)(g[i]), five = m_5[i], nine = m_9[i], ninety = m_99[i];
    lanes[GG][l] += now * now;
    lanes[G9][l] += now * nine;
    lanes[M55][l] += five * five;
    lanes[M99][l] += nine * nine;
    lanes[M9999][l] += ninety * ninety;
    lanes[M599][l] += five * ninety;
    lanes[SLOW_SUM][l] += slow[i];
    lanes[FAST_SUM][l] += fast[i];
    lanes[WW][l] += (double)w[i] * w[i];
}

/* Sums over a tensor, in eight lanes of double. */
CLONES UNUSED static void NAME(sum_tensor)(const REAL *restrict g, const REAL *restrict w,
                                           const REAL *restrict m_5, const REAL *restrict m_9,
                                           const REAL *restrict m_99, const REAL *restrict slow,
                                           const REAL *restrict fast, int64_t n,
                                           double *restrict sums)
{
    double lanes[N_SUMS][8] = {{0}};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int l = 0; l < 8; l++) NAME(add_products)(g, w, m_5, m_9, m_99, slow, fast, i + l, lanes, l);
    for (; i < n; i++) NAME(add_products)(g, w, m_5, m_9, m_99, slow, fast, i, lanes, 0);
    for (int s = 0; s < N_SUMS; s++) {
        sums[s] = 0;
        for (int l = 0; l < 8; l++) sums[s] += lanes[s][l];
    }
}

/* Advance the running means, unless that was done, and move: everything in one pass. */
LANE void NAME(step_part)(const REAL *restrict g, const REAL *restrict w,
                                          REAL *restrict m_5, REAL *restrict m_9,
                                          REAL *restrict m_99, REAL *restrict slow,
                                          REAL *restrict fast, REAL *restrict u,
                                          REAL *restrict average, int64_t n, const LayerMove *move,
                                          int is_advanced, int cautious)
{
    const REAL by_g = (REAL)move->by_g, by_5 = (REAL)move->by_5, by_9 = (REAL)move->by_9,
               by_99 = (REAL)move->by_99, by_slow = (REAL)move->by_slow,
               by_fast = (REAL)move->by_fast, rate = (REAL)move->rate, share = (REAL)move->share,
               keep = (REAL)move->keep, take = (REAL)move->take, tiny = (REAL)1e-8;
    /* 1 m + 0 g is m. */
    const REAL keep_5 = (REAL)(is_advanced ? 1 : 0.5), add_5 = (REAL)(is_advanced ? 0 : 0.5);
    const REAL keep_9 = (REAL)(is_advanced ? 1 : 0.9), add_9 = (REAL)(is_advanced ? 0 : 1 - 0.9);
    const REAL keep_99 = (REAL)(is_advanced ? 1 : 0.99),
               add_99 = (REAL)(is_advanced ? 0 : 1 - 0.99);
    const REAL keep_999 = (REAL)(is_advanced ? 1 : 0.999),
               add_999 = (REAL)(is_advanced ? 0 : 1 - 0.999);
    const REAL keep_95 = (REAL)(is_advanced ? 1 : 0.95),
               add_95 = (REAL)(is_advanced ? 0 : 1 - 0.95);
    for (int64_t i = 0; i < n; i++) {
        const REAL now = NAME(sane)(g[i]), square = now * now, weight = w[i];
        const REAL five = m_5[i] = keep_5 * m_5[i] + add_5 * now;
        const REAL nine = m_9[i] = keep_9 * m_9[i] + add_9 * now;
        const REAL ninety = m_99[i] = keep_99 * m_99[i] + add_99 * now;
        const REAL v = slow[i] = keep_999 * slow[i] + add_999 * square;
        const REAL v_fast = fast[i] = keep_95 * fast[i] + add_95 * square;
        const REAL x = (by_g * now + by_5 * five + by_9 * nine + by_99 * ninety) /
                       (SQRT(by_slow * v + by_fast * v_fast) + tiny);
        const REAL step = -rate * (x < -8 ? -8 : x > 8 ? 8 : x);
        /* Cautious decay is where the step alone shrinks the weight. */
        const REAL decay = share * weight, cautious_decay = step * weight < 0 ? decay : 0;
        const REAL shrink = cautious ? cautious_decay : decay;
        const REAL update = step - shrink;
        u[i] = update;
        average[i] = keep * average[i] + take * (weight + update);
    }
}

/* Add the gain of the weights, in the first step of a training. */
UNUSED static void NAME(grow)(const REAL *w, REAL *u, REAL *average, int64_t n, double growth,
                              double take)
{
    for (int64_t i = 0; i < n; i++) {
        const REAL more = (REAL)growth * w[i];
        u[i] += more;
        average[i] += (REAL)take * more;
    }
}

LANE void NAME(move_lanes)(const LayerPass *pass, int64_t k, const LayerMove *move)
{
    const int64_t first = pass->bounds[k], n = pass->bounds[k + 1] - first;
    REAL *moments = (REAL *)pass->moments + first, *squares = (REAL *)pass->squares + first;
    NAME(step_part)((const REAL *)pass->gradients + first, (const REAL *)pass->params + first,
                    moments, moments + pass->n_params, moments + 2 * pass->n_params, squares,
                    squares + pass->n_params, (REAL *)pass->updates + first,
                    (REAL *)pass->average + first, n, move, pass->needs_statistics,
                    pass->cautious);
    if (move->growth != 0)
        NAME(grow)((const REAL *)pass->params + first, (REAL *)pass->updates + first,
                   (REAL *)pass->average + first, n, move->growth, move->take);
}

UNUSED static void NAME(move_narrow)(const LayerPass *pass, int64_t k, const LayerMove *move)
{
    NAME(move_lanes)(pass, k, move);
}

#if defined(WIDE_VECTORS)
/* The pass is bound by arithmetic: to multiply and add is one instruction here. */
__attribute__((target("avx2,fma"))) UNUSED static void NAME(move_wide)(const LayerPass *pass,
                                                                       int64_t k,
                                                                       const LayerMove *move)
{
    NAME(move_lanes)(pass, k, move);
}
#endif

UNUSED static void NAME(move_tensor)(const LayerPass *pass, int64_t k, const LayerMove *move)
{
#if defined(WIDE_VECTORS)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        NAME(move_wide)(pass, k, move);
        return;
    }
#endif
    NAME(move_narrow)(pass, k, move);
}

/* Write the inputs of tensor k into column `column` of the controller's workspace. */
UNUSED static void NAME(look_at)(const LayerPass *pass, int64_t k, const LayerStep *step,
                                 int64_t column, double *known)
{
    const int64_t first = pass->bounds[k], n = pass->bounds[k + 1] - first;
    double *inputs = pass->mlp.workspace;
    memcpy(known + LAYER_LOG_FAN_IN, pass->fixed + k * N_FIXED, N_FIXED * sizeof *known);
    if (pass->needs_statistics) {
        const REAL *g = (const REAL *)pass->gradients + first;
        REAL *moments = (REAL *)pass->moments + first, *squares = (REAL *)pass->squares + first;
        double sums[N_SUMS];
        NAME(advance_part)(g, moments, moments + pass->n_params, moments + 2 * pass->n_params,
                           squares, squares + pass->n_params, n);
        NAME(sum_tensor)(g, (const REAL *)pass->params + first,
                         moments, moments + pass->n_params, moments + 2 * pass->n_params, squares,
                         squares + pass->n_params, n, sums);
        statistics(pass, k, step, sums, known);
    }
    for (int64_t input = 0; input < pass->mlp.sizes[0]; input++)
        inputs[input * BLOCK + column] = bounded(known[pass->codes[input]], 3);
}

/* Take a step: BLOCK tensors go through the controller together. */
UNUSED static void NAME(step_layers)(const LayerPass *pass, LayerStep *step)
{
    double known[N_LAYER_INPUTS];
    fill_masses(step);
    changing_inputs(pass, step, known);
    for (int64_t begin = 0; begin < pass->n_tensors; begin += BLOCK) {
        const int64_t left = pass->n_tensors - begin, count = left < BLOCK ? left : BLOCK;
        for (int64_t i = 0; i < count; i++)
            NAME(look_at)(pass, begin + i, step, i, known);
        const double *outputs = pass->mlp.outputs;
        run_mlp_f64(&pass->mlp, count);
        for (int64_t i = 0; i < count; i++) {
            const int64_t k = begin + i;
            double z[N_CONTROLS] = {0};
            for (int64_t j = 0; j < pass->n_outputs; j++)
                z[pass->controls[j]] = outputs[j * BLOCK + i];
            const LayerMove move = move_of(pass, k, step, z);
            NAME(move_tensor)(pass, k, &move);
            set_dropout(pass, k, z[SET_DROPOUT]);
        }
    }
}

/* Take a step with these gradients and apply it. Return 0 if an update was not finite. */
UNUSED static int NAME(change_layers)(const LayerPass *pass, LayerStep *step, const void *gradients)
{
    LayerPass now = *pass;
    now.gradients = gradients;
    NAME(step_layers)(&now, step);
    return NAME(apply)((REAL *)pass->params, pass->updates, pass->n_params);
}

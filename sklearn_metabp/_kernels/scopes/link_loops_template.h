/* Included by link_loops.h, once per precision. g are gradients, w weights and biases, v squares, m
 * momenta. */

LANE REAL NAME(clip)(REAL z)
{
    z = z > 10 ? 10 : z;
    return z < -10 ? -10 : z;
}

/* Return the direction against the gradient: 1, -1 or 0. */
LANE REAL NAME(downhill)(REAL g) { return (REAL)((g < 0) - (g > 0)); }

/* Return a row of the history from link `at` on; NULL where no input needs the row. */
LANE REAL *NAME(row)(const LinkPass *pass, int row, int64_t at)
{
    return pass->history[row] ? (REAL *)pass->history[row] + at : NULL;
}

/* Advance the running means of `count` links, and write the reciprocals of their root mean squares.
 * The arrays are parameters because compilers take `restrict` at its word there. */
CLONES UNUSED static void NAME(advance_means)(const REAL *restrict g, REAL *restrict m_5,
                                              REAL *restrict m_9, REAL *restrict m_99,
                                              REAL *restrict v_9, REAL *restrict v_999,
                                              int64_t count, REAL root_9, REAL root_999,
                                              REAL epsilon, REAL *restrict rms,
                                              REAL *restrict fast, REAL *restrict slow)
{
    for (int64_t i = 0; i < count; i++) {
        m_5[i] = (REAL)0.5 * m_5[i] + (REAL)0.5 * g[i];
        m_9[i] = (REAL)0.9 * m_9[i] + (REAL)(1 - 0.9) * g[i];
        m_99[i] = (REAL)0.99 * m_99[i] + (REAL)(1 - 0.99) * g[i];
        v_9[i] = (REAL)0.9 * v_9[i] + (REAL)(1 - 0.9) * g[i] * g[i];
        v_999[i] = (REAL)0.999 * v_999[i] + (REAL)(1 - 0.999) * g[i] * g[i];
        rms[i] = SQRT(v_9[i]) * root_9 + epsilon;
        fast[i] = 1 / rms[i];
        slow[i] = 1 / (SQRT(v_999[i]) * root_999 + epsilon);
    }
}

/* Advance the history of `count` links, the first of which is number `first` of its tensor and `at`
 * of all links. Write their inputs, one row of BLOCK lanes per input, and their root mean squares.
 */
CLONES UNUSED static void NAME(link_block)(const LinkPass *pass, const Tensor *tensor, int64_t at,
                                           int64_t first, int64_t count, REAL *restrict inputs,
                                           REAL *restrict rms)
{
    const REAL *restrict g = (const REAL *)pass->gradients + at;
    const REAL *restrict w = (const REAL *)pass->params + at;
    const REAL *restrict m_5 = NAME(row)(pass, ROW_MOMENTUM_5, at);
    const REAL *restrict m_9 = NAME(row)(pass, ROW_MOMENTUM_9, at);
    const REAL *restrict m_99 = NAME(row)(pass, ROW_MOMENTUM_99, at);
    REAL *restrict peak = NAME(row)(pass, ROW_PEAK_999, at);
    REAL *restrict norm = NAME(row)(pass, ROW_NORM, at);
    const REAL *restrict last = NAME(row)(pass, ROW_LAST_STEP, at);
    const REAL *restrict strides = NAME(row)(pass, ROW_STRIDE, at);
    const REAL *restrict activations = tensor->activations, *restrict deltas = tensor->deltas;
    const int64_t *codes = pass->codes;
    const REAL epsilon = (REAL)pass->epsilon;
    REAL fast[BLOCK], slow[BLOCK];
    NAME(advance_means)(g, NAME(row)(pass, ROW_MOMENTUM_5, at), NAME(row)(pass, ROW_MOMENTUM_9, at),
                        NAME(row)(pass, ROW_MOMENTUM_99, at), NAME(row)(pass, ROW_SQUARE_9, at),
                        NAME(row)(pass, ROW_SQUARE_999, at), count,
                        (REAL)(1 / sqrt(pass->correction_9)),
                        (REAL)(1 / sqrt(pass->correction_999)), epsilon, rms, fast, slow);
    if (peak)
        for (int64_t i = 0; i < count; i++) {
            const REAL size = g[i] < 0 ? -g[i] : g[i];
            peak[i] = (REAL)0.999 * peak[i] > size ? (REAL)0.999 * peak[i] : size;
        }
    if (norm)
        for (int64_t i = 0; i < count; i++) norm[i] += g[i] * g[i];
    for (int64_t k = 0; k < pass->n_inputs; k++) {
        REAL *restrict z = inputs + k * BLOCK;
        const int64_t code = codes[k];
        const REAL *restrict scale = code < GRADIENT_BY_RMS_999 ? fast : slow;
        REAL constant = 0;
        switch (code) {
        case GRADIENT_BY_RMS_9:
        case GRADIENT_BY_RMS_999:
            for (int64_t i = 0; i < count; i++) z[i] = NAME(clip)(g[i] * scale[i]);
            continue;
        case MOMENTUM_5_BY_RMS_9:
        case MOMENTUM_5_BY_RMS_999:
            constant = (REAL)1 / (REAL)pass->correction_5;
            for (int64_t i = 0; i < count; i++) z[i] = NAME(clip)(m_5[i] * scale[i] * constant);
            continue;
        case MOMENTUM_9_BY_RMS_9:
        case MOMENTUM_9_BY_RMS_999:
            constant = (REAL)1 / (REAL)pass->correction_9;
            for (int64_t i = 0; i < count; i++) z[i] = NAME(clip)(m_9[i] * scale[i] * constant);
            continue;
        case MOMENTUM_99_BY_RMS_9:
        case MOMENTUM_99_BY_RMS_999:
            constant = (REAL)1 / (REAL)pass->correction_99;
            for (int64_t i = 0; i < count; i++) z[i] = NAME(clip)(m_99[i] * scale[i] * constant);
            continue;
        case RMS_9_BY_RMS_999:
            for (int64_t i = 0; i < count; i++) z[i] = NAME(clip)(rms[i] * slow[i]);
            continue;
        case WEIGHT:
            constant = (REAL)tensor->inverse_weight_rms;
            for (int64_t i = 0; i < count; i++) z[i] = NAME(clip)(w[i] * constant);
            continue;
        case ACTIVATION:
            for (int64_t i = 0; i < count; i++)
                z[i] = activations ? NAME(clip)(activations[(first + i) / tensor->fan_out]) : 1;
            continue;
        case DELTA:
            for (int64_t i = 0; i < count; i++)
                z[i] = NAME(clip)(deltas[(first + i) % tensor->fan_out]);
            continue;
        case GRADIENT_BY_PEAK_999:
            for (int64_t i = 0; i < count; i++) z[i] = NAME(clip)(g[i] / (peak[i] + epsilon));
            continue;
        case MOMENTUM_9_BY_PEAK_999:
            constant = (REAL)1 / (REAL)pass->correction_9;
            for (int64_t i = 0; i < count; i++)
                z[i] = NAME(clip)(m_9[i] * constant / (peak[i] + epsilon));
            continue;
        case GRADIENT_BY_NORM:
            for (int64_t i = 0; i < count; i++) z[i] = NAME(clip)(g[i] / (SQRT(norm[i]) + epsilon));
            continue;
        case LAST_STEP:
            for (int64_t i = 0; i < count; i++)
                z[i] = NAME(clip)(NAME(downhill)(g[i]) * last[i] / strides[i]);
            continue;
        case IS_BIAS: constant = (REAL)tensor->is_bias; break;
        case IS_OUTPUT: constant = (REAL)tensor->is_output; break;
        case DEPTH: constant = (REAL)tensor->depth; break;
        case WARMUP_9: constant = (REAL)pass->correction_9; break;
        case WARMUP_99: constant = (REAL)pass->correction_99; break;
        case WARMUP_999: constant = (REAL)pass->correction_999; break;
        }
        for (int64_t i = 0; i < count; i++) z[i] = constant;
    }
}

/* Write Delta w = scale * normalizer * output. A link without a gradient so far does not move. NaN
 * stays NaN. A link that has taken no step yet takes one of first_step, where the stride is the
 * normalizer. */
CLONES UNUSED static void NAME(link_updates)(const REAL *restrict output, const REAL *restrict rms,
                                             const REAL *restrict g, const REAL *restrict v_999,
                                             REAL *restrict last, REAL *restrict strides,
                                             int64_t count, REAL scale, int normalizer,
                                             REAL first_step, REAL *restrict updates)
{
    for (int64_t i = 0; i < count; i++) {
        REAL u = scale * output[i];
        if (normalizer == NORMALIZER_RMS_9) u *= rms[i];
        if (normalizer == NORMALIZER_STRIDE)
            u = NAME(downhill)(g[i]) * (strides[i] > TINY ? strides[i] * u : first_step);
        updates[i] = v_999[i] == 0 ? 0 : u;
    }
    if (last)
        for (int64_t i = 0; i < count; i++) {
            const REAL size = updates[i] < 0 ? -updates[i] : updates[i];
            strides[i] = size > strides[i] / 4 ? size : strides[i];
            last[i] = updates[i];
        }
}

/* Write a row of the matrix for every link of a block: its inputs, then its normalizers. */
UNUSED static void NAME(fill_matrix)(const LinkPass *pass, int64_t at, int64_t count,
                                     const REAL *inputs, const REAL *rms)
{
    const REAL *g = (const REAL *)pass->gradients + at, *strides = NAME(row)(pass, ROW_STRIDE, at);
    REAL *out = (REAL *)pass->matrix + at * (pass->n_inputs + 1 + (strides != NULL));
    for (int64_t i = 0; i < count; i++) {
        for (int64_t k = 0; k < pass->n_inputs; k++) *out++ = inputs[k * BLOCK + i];
        *out++ = rms[i];
        if (strides) *out++ = NAME(downhill)(g[i]) * strides[i];
    }
}

/* Walk once over all links: write their inputs into the matrix where there is one, else their
 * updates. */
UNUSED static void NAME(walk_links)(LinkPass *pass)
{
    const int64_t n_layers = pass->n_layers, *sizes = pass->sizes;
    int64_t start = 0, neuron_in = 0, neuron_out = 0;
    REAL rms[BLOCK], *inputs = pass->mlp.workspace;
    /* Powers are half of the time of a small network's step: once for all tensors. */
    pass->correction_5 = 1 - pow(0.5, (double)pass->t);
    pass->correction_9 = 1 - pow(0.9, (double)pass->t);
    pass->correction_99 = 1 - pow(0.99, (double)pass->t);
    pass->correction_999 = 1 - pow(0.999, (double)pass->t);
    for (int64_t number = 0; number < 2 * n_layers;
         number++) { /* weights of every layer, then biases */
        const int64_t layer = number % n_layers;
        const int is_bias = number >= n_layers;
        const int64_t size = sizes[layer + 1] * (is_bias ? 1 : sizes[layer]);
        if (layer == 0) neuron_out = 0;
        Tensor tensor = {0};
        tensor.is_bias = is_bias;
        tensor.is_output = layer == n_layers - 1;
        tensor.depth = layer / (double)(n_layers > 1 ? n_layers - 1 : 1);
        tensor.fan_out = sizes[layer + 1];
        if (pass->activations && !is_bias)
            tensor.activations = (const REAL *)pass->activations + neuron_in;
        if (pass->deltas) tensor.deltas = (const REAL *)pass->deltas + neuron_out;
        if (pass->needs_weight_rms)
            tensor.inverse_weight_rms = NAME(inverse_rms)((const REAL *)pass->params + start, size);
        for (int64_t first = 0; first < size; first += BLOCK) {
            const int64_t count = size - first < BLOCK ? size - first : BLOCK, at = start + first;
            NAME(link_block)(pass, &tensor, at, first, count, inputs, rms);
            if (pass->matrix)
                NAME(fill_matrix)(pass, at, count, inputs, rms);
            else
                NAME(link_updates)(
                    NAME(run_mlp)(&pass->mlp, count), rms, (const REAL *)pass->gradients + at,
                    NAME(row)(pass, ROW_SQUARE_999, at), NAME(row)(pass, ROW_LAST_STEP, at),
                    NAME(row)(pass, ROW_STRIDE, at), count, (REAL)pass->scale, pass->normalizer,
                    (REAL)pass->first_step, (REAL *)pass->updates + at);
        }
        start += size;
        neuron_out += sizes[layer + 1];
        neuron_in += sizes[layer];
    }
}

/* Included by link_loops_template.h, once per vector width: a strip of links, from the gradient to
 * the update in one pass. See mlp_strip_template.h for strips. */

/* Return the direction against the gradient: 1, -1 or 0. */
TARGET LANE VECTOR VARIANT(downhill)(VECTOR g)
{
    const VECTOR zero = {0}, one = EVERYWHERE(1);
    return SELECT(g < 0, one, zero) - SELECT(g > 0, one, zero);
}

/* Return 1 / (sqrt(square) * root + epsilon), and its reciprocal in `rms`. */
TARGET LANE VECTOR VARIANT(inverse_of)(VECTOR square, REAL root, REAL epsilon, VECTOR *rms)
{
    *rms = ROOT(square) * root + epsilon;
    return 1 / *rms;
}

/* Write the values that all links of a tensor share at a step. */
TARGET LANE void VARIANT(fill_constants)(const LinkPass *pass, const Tensor *tensor,
                                         VECTOR values[][2])
{
    const double constants[][2] = {
        {VALUE_1, 1},
        {VALUE_IS_BIAS, tensor->is_bias},
        {VALUE_IS_OUTPUT, tensor->is_output},
        {VALUE_DEPTH, tensor->depth},
        {VALUE_WARMUP_9, pass->correction_9},
        {VALUE_WARMUP_99, pass->correction_99},
        {VALUE_WARMUP_999, pass->correction_999},
    };
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        values[(int)constants[i][0]][0] = values[(int)constants[i][0]][1] =
            EVERYWHERE((REAL)constants[i][1]);
}

/* Advance the history of vector `i` of a strip, the first link of which is number `first` of its
 * tensor, and write the values that inputs are products of. */
TARGET LANE void VARIANT(advance)(const LinkPass *pass, const Tensor *tensor,
                                  const NAME(Corrections) by, const NAME(Links) *links, int64_t at,
                                  int64_t first, int i, VECTOR values[][2])
{
    REAL *const *history = links->history;
    at += i * LANES, first += i * LANES;
    const VECTOR g = *(const VECTOR *)(links->gradients + at);
    VECTOR *m_5 = (VECTOR *)(history[ROW_MOMENTUM_5] + at);
    VECTOR *m_9 = (VECTOR *)(history[ROW_MOMENTUM_9] + at);
    VECTOR *m_99 = (VECTOR *)(history[ROW_MOMENTUM_99] + at);
    VECTOR *v_9 = (VECTOR *)(history[ROW_SQUARE_9] + at);
    VECTOR *v_999 = (VECTOR *)(history[ROW_SQUARE_999] + at);
    const VECTOR five = *m_5 = (REAL)0.5 * *m_5 + (REAL)0.5 * g;
    const VECTOR nine = *m_9 = (REAL)0.9 * *m_9 + (REAL)(1 - 0.9) * g;
    const VECTOR ninety = *m_99 = (REAL)0.99 * *m_99 + (REAL)(1 - 0.99) * g;
    const VECTOR fast = *v_9 = (REAL)0.9 * *v_9 + (REAL)(1 - 0.9) * g * g;
    const VECTOR slow = *v_999 = (REAL)0.999 * *v_999 + (REAL)(1 - 0.999) * g * g;
    VECTOR rms;
    values[VALUE_GRADIENT][i] = g;
    values[VALUE_MOMENTUM_5][i] = five * by.mean_5;
    values[VALUE_MOMENTUM_9][i] = nine * by.mean_9;
    values[VALUE_MOMENTUM_99][i] = ninety * by.mean_99;
    values[VALUE_BY_RMS_999][i] = VARIANT(inverse_of)(slow, by.root_999, by.epsilon, &rms);
    values[VALUE_BY_RMS_9][i] = VARIANT(inverse_of)(fast, by.root_9, by.epsilon, &rms);
    values[VALUE_RMS_9][i] = rms;
    if (history[ROW_PEAK_999]) {
        VECTOR *peak = (VECTOR *)(history[ROW_PEAK_999] + at);
        *peak = GREATEST((REAL)0.999 * *peak, GREATEST(-g, g));
        values[VALUE_BY_PEAK_999][i] = 1 / (*peak + by.epsilon);
    }
    if (history[ROW_NORM]) {
        VECTOR *norm = (VECTOR *)(history[ROW_NORM] + at), unused;
        *norm += g * g;
        values[VALUE_BY_NORM][i] = VARIANT(inverse_of)(*norm, 1, by.epsilon, &unused);
    }
    if (history[ROW_LAST_STEP]) {
        const VECTOR last = *(VECTOR *)(history[ROW_LAST_STEP] + at);
        values[VALUE_LAST_STEP][i] =
            VARIANT(downhill)(g) * last / *(VECTOR *)(history[ROW_STRIDE] + at);
    }
    if (pass->needs_weight_rms)
        values[VALUE_WEIGHT][i] =
            *(const VECTOR *)(links->params + at) * (REAL)tensor->inverse_weight_rms;
    if (pass->activations) {
        REAL *sources = (REAL *)&values[VALUE_ACTIVATION][i];
        for (int64_t l = 0; l < LANES; l++) sources[l] = NAME(source_of)(tensor, first + l);
    }
    if (pass->deltas) {
        const REAL *deltas = tensor->deltas;
        REAL *sinks = (REAL *)&values[VALUE_DELTA][i];
        for (int64_t l = 0; l < LANES; l++) sinks[l] = deltas[(first + l) % tensor->fan_out];
    }
}

/* Write the inputs of a strip, one row of STRIP lanes per input. */
TARGET LANE void VARIANT(write_inputs)(const REAL *centre, const int64_t *codes, int64_t n_inputs,
                                       VECTOR values[][2], REAL *inputs)
{
    const VECTOR most = EVERYWHERE(10);
    for (int64_t k = 0; k < n_inputs; k++) {
        const int8_t *quotient = QUOTIENTS[codes[k]];
        const VECTOR *above = values[quotient[0]], *below = values[quotient[1]];
        VECTOR *z = (VECTOR *)(inputs + k * STRIP);
        const REAL middle = centre ? centre[k] : 0;
        z[0] = GREATEST(-most, LEAST(most, above[0] * below[0])) - middle;
        z[1] = GREATEST(-most, LEAST(most, above[1] * below[1])) - middle;
    }
}

/* Write Delta w = scale * normalizer * output. A link without a gradient so far does not move. NaN
 * stays NaN. A link that has taken no step yet takes one of first_step, where the stride is the
 * normalizer. */
TARGET LANE void VARIANT(write_updates)(const LinkPass *pass, const NAME(Links) *links, int64_t at,
                                        VECTOR values[][2], ONE outputs)
{
    const REAL scale = (REAL)pass->scale, first_step = (REAL)pass->first_step;
    REAL *const *history = links->history;
    const VECTOR zero = {0};
    for (int i = 0; i < 2; i++, at += LANES) {
        VECTOR u = scale * (i ? outputs.a1 : outputs.a0), *stride = (VECTOR *)(history[ROW_STRIDE] + at);
        const VECTOR g = values[VALUE_GRADIENT][i];
        const VECTOR slow = *(VECTOR *)(history[ROW_SQUARE_999] + at);
        if (pass->normalizer == NORMALIZER_RMS_9) u *= values[VALUE_RMS_9][i];
        if (pass->normalizer == NORMALIZER_STRIDE)
            u = VARIANT(downhill)(g) * SELECT(*stride > TINY, *stride * u, EVERYWHERE(first_step));
        u = SELECT(slow == 0, zero, u);
        *(VECTOR *)(links->updates + at) = u;
        if (history[ROW_LAST_STEP]) {
            const VECTOR size = GREATEST(-u, u);
            *stride = SELECT(size > *stride / 4, size, *stride);
            *(VECTOR *)(history[ROW_LAST_STEP] + at) = u;
        }
    }
}

/* Walk over `count` links of a tensor: write their inputs into the matrix where there is one, else
 * their updates. The history of a strip is advanced before and behind the MLP of the strip before,
 * so that divisions and roots do not wait for products, nor these for them. */
TARGET LANE void VARIANT(walk)(const LinkPass *pass, const Tensor *tensor, int64_t count,
                               const int64_t *codes, int64_t n_inputs)
{
    VECTOR room[2][N_VALUES][2], (*values)[2] = room[0], (*before)[2] = room[1];
    REAL *inputs = pass->mlp.workspace, padding[N_LINK_ARRAYS * STRIP];
    const LinkPass here = *pass; /* which no store changes */
    const NAME(Corrections) by = NAME(corrections)(pass);
    const NAME(Links) all = NAME(links_of)(pass, tensor->start);
    NAME(Links) last;
    const int64_t n_whole = count / STRIP * STRIP;
    if (n_whole < count) last = NAME(padded)(&all, n_whole, count - n_whole, padding, STRIP);
    VARIANT(fill_constants)(pass, tensor, values);
    VARIANT(fill_constants)(pass, tensor, before);
    for (int64_t first = 0; first < count + STRIP; first += STRIP) {
        const NAME(Links) *links = first < n_whole ? &all : &last;
        const int64_t at = first < n_whole ? first : 0;
        if (first < count) VARIANT(advance)(&here, tensor, by, links, at, first, 0, values);
        if (first > 0) {
            const int is_whole = first <= n_whole;
            const NAME(Links) *behind = is_whole ? &all : &last;
            const int64_t start = is_whole ? first - STRIP : 0;
            if (here.matrix)
                NAME(fill_matrix)(pass, behind, start, tensor->start + first - STRIP,
                                  is_whole ? STRIP : count - n_whole, inputs, STRIP,
                                  (const REAL *)before[VALUE_RMS_9]);
            else
                VARIANT(write_updates)(&here, behind, start, before,
                                       VARIANT(only_output)(&here.mlp, n_inputs, inputs, STRIP));
        }
        if (first < count) {
            VARIANT(advance)(&here, tensor, by, links, at, first, 1, values);
            VARIANT(write_inputs)(here.mlp.centre, codes, n_inputs, values, inputs);
        }
        VECTOR(*swap)[2] = before;
        before = values, values = swap;
    }
    if (n_whole < count) NAME(unpad)(&last, &all, n_whole, count - n_whole);
}

TARGET UNUSED static void VARIANT(walk_tensor)(const LinkPass *pass, const Tensor *tensor,
                                               int64_t count)
{
    const int64_t n = N_DEFAULT_INPUTS;
    if (pass->n_inputs == n && !memcmp(pass->codes, DEFAULT_INPUTS, sizeof DEFAULT_INPUTS))
        VARIANT(walk)(pass, tensor, count, DEFAULT_INPUTS, n);
    else
        VARIANT(walk)(pass, tensor, count, pass->codes, pass->n_inputs);
}

/* Included by neuron_loops_template.h, once per vector width. A strip is of neurons that receive,
 * and the neurons that send follow one another: so the sum of the messages stays in registers, and
 * has the order of the senders. */

/* Write the deltas of up to a strip of neurons for one pattern. `weights` are those of the strip
 * from the first sender, and `stride` is the way to the next. */
TARGET LANE void VARIANT(receive)(const NeuronPass *pass, const REAL *deltas, const REAL *weights,
                                  int64_t stride, const REAL *slopes, REAL inverse_delta,
                                  REAL inverse_weight, REAL *out)
{
    const int64_t n_inputs = pass->mlp.sizes[0], *codes = pass->codes;
    const REAL *centre = pass->mlp.centre, scale = (REAL)pass->scale;
    REAL *inputs = pass->mlp.workspace;
    VECTOR sum0 = EVERYWHERE(0), sum1 = sum0;
    for (int64_t h = 0; h < pass->n_next; h++, weights += stride) {
        const VECTOR w0 = ((const VECTOR *)weights)[0], w1 = ((const VECTOR *)weights)[1];
        for (int64_t k = 0; k < n_inputs; k++) {
            const REAL middle = centre ? centre[k] : 0;
            VECTOR *z = (VECTOR *)(inputs + k * STRIP);
            if (codes[k] == NEURON_DELTA) {
                z[0] = z[1] = EVERYWHERE(deltas[h] * inverse_delta - middle);
            } else if (codes[k] == NEURON_WEIGHT) {
                z[0] = w0 * inverse_weight - middle, z[1] = w1 * inverse_weight - middle;
            } else {
                const VECTOR *slope = (const VECTOR *)slopes;
                z[0] = slope[0] - middle, z[1] = slope[1] - middle;
            }
        }
        const ONE messages = VARIANT(only_output)(&pass->mlp, n_inputs, inputs, STRIP);
        sum0 += scale * (deltas[h] * w0) * messages.a0;
        sum1 += scale * (deltas[h] * w1) * messages.a1;
    }
    ((VECTOR *)out)[0] = sum0, ((VECTOR *)out)[1] = sum1;
}

TARGET UNUSED static void VARIANT(send_strips)(const NeuronPass *pass, int64_t n,
                                               REAL inverse_delta, REAL inverse_weight)
{
    const NeuronPass here = *pass; /* which no store changes */
    const int64_t neurons = here.n_neurons, next = here.n_next;
    const int64_t n_whole = neurons / STRIP * STRIP, n_rest = neurons - n_whole;
    const REAL *deltas = here.deltas, *slopes = here.slopes, *weights = here.transposed;
    REAL *out = here.out, *last_weights = here.padding;
    REAL last_slopes[STRIP], last_out[STRIP];
    memset(last_slopes, 0, sizeof last_slopes);
    if (n_rest) {
        memset(last_weights, 0, next * STRIP * sizeof(REAL));
        for (int64_t h = 0; h < next; h++)
            memcpy(last_weights + h * STRIP, weights + h * neurons + n_whole, n_rest * sizeof(REAL));
    }
    for (int64_t p = 0; p < n; p++, deltas += next, slopes += neurons, out += neurons) {
        for (int64_t i = 0; i < n_whole; i += STRIP)
            VARIANT(receive)(&here, deltas, weights + i, neurons, slopes + i, inverse_delta,
                             inverse_weight, out + i);
        if (n_rest) {
            memcpy(last_slopes, slopes + n_whole, n_rest * sizeof(REAL));
            VARIANT(receive)(&here, deltas, last_weights, STRIP, last_slopes, inverse_delta,
                             inverse_weight, last_out);
            memcpy(out + n_whole, last_out, n_rest * sizeof(REAL));
        }
    }
}

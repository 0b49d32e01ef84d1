/* Included by neuron_loops.h, once per precision. */

/* Compute the deltas of a layer (n x neurons) from those of the next (n x next) over the weights
 * between them (neurons x next): out_i = scale sum_h delta_h w_hi MLP(delta_h / delta_rms, w_hi /
 * weight_rms, f'_i), BLOCK messages at once. */
UNUSED static void NAME(send_back)(const NeuronPass *pass, int64_t n)
{
    const int64_t neurons = pass->n_neurons, next = pass->n_next, n_inputs = pass->mlp.sizes[0];
    const int64_t *codes = pass->codes;
    const REAL *deltas = pass->deltas, *weights = pass->weights;
    REAL *slopes = pass->slopes, *out = pass->out, *inputs = pass->mlp.workspace;
    const REAL scale = (REAL)pass->scale;
    if (pass->activations) { /* the slopes are told by the activations */
        for (int64_t i = 0; i < n * neurons; i++) slopes[i] = 1;
        NAME(times_slope)(pass->function, slopes, pass->activations, n * neurons);
    }
    const double delta_root = NAME(inverse_rms)(deltas, n * next);
    const double weight_root = NAME(inverse_rms)(weights, neurons * next);
    const REAL inverse_delta = (REAL)delta_root, inverse_weight = (REAL)weight_root;
    for (int64_t i = 0; i < n * neurons; i++) out[i] = 0;
    if (delta_root == 0 || weight_root == 0) return;
    const int64_t total = n * neurons * next;
    REAL normalizers[BLOCK];
    for (int64_t first = 0; first < total; first += BLOCK) {
        const int64_t count = total - first < BLOCK ? total - first : BLOCK;
        int64_t h = first % next,
                neuron = first / next; /* neuron = pattern * neurons + its number */
        for (int64_t m = 0; m < count; m++) {
            const REAL delta = deltas[neuron / neurons * next + h],
                       weight = weights[neuron % neurons * next + h];
            normalizers[m] = delta * weight;
            for (int64_t k = 0; k < n_inputs; k++)
                inputs[k * BLOCK + m] = codes[k] == NEURON_DELTA    ? delta * inverse_delta
                                        : codes[k] == NEURON_WEIGHT ? weight * inverse_weight
                                                                    : slopes[neuron];
            if (++h == next) {
                h = 0;
                neuron++;
            }
        }
        const REAL *messages = NAME(run_mlp)(&pass->mlp, count);
        h = first % next;
        neuron = first / next;
        for (int64_t m = 0; m < count; m++) {
            out[neuron] += scale * normalizers[m] * messages[m];
            if (++h == next) {
                h = 0;
                neuron++;
            }
        }
    }
}

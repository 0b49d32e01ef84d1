/* Included once per precision by neuron_loops.h. */

/* deltas of a layer (n x units) from those of the next (n x next) over weights (units x next):
 * out_i = scale sum_h delta_h w_hi MLP(delta_h / delta_rms, w_hi / weight_rms, f'_i), BLOCK messages
 * at once. Where there is a centre, it is subtracted from the MLP's inputs. */
UNUSED static void NAME(send_back)(const REAL *deltas, const REAL *weights, const REAL *derivatives, int64_t n,
                                   int64_t units, int64_t next, const int64_t *codes, int64_t n_inputs,
                                   const REAL *centre, const REAL *mlp_params, const int64_t *mlp_sizes, int64_t mlp_layers,
                                   int hidden, int output, REAL scale, REAL inverse_delta,
                                   REAL inverse_weight, REAL *inputs, REAL *spare, REAL *out)
{
    const int64_t total = n * units * next;
    REAL unit_of[BLOCK];
    for (int64_t i = 0; i < n * units; i++) out[i] = 0;
    for (int64_t first = 0; first < total; first += BLOCK) {
        const int64_t count = total - first < BLOCK ? total - first : BLOCK;
        int64_t h = first % next, neuron = first / next; /* neuron = pattern * units + unit */
        for (int64_t m = 0; m < count; m++) {
            const REAL delta = deltas[neuron / units * next + h], weight = weights[neuron % units * next + h];
            unit_of[m] = delta * weight;
            for (int64_t k = 0; k < n_inputs; k++)
                inputs[k * BLOCK + m] = codes[k] == NEURON_DELTA    ? delta * inverse_delta
                                        : codes[k] == NEURON_WEIGHT ? weight * inverse_weight
                                                                    : derivatives[neuron];
            if (++h == next) {
                h = 0;
                neuron++;
            }
        }
        if (centre)
            for (int64_t k = 0; k < n_inputs; k++)
                for (int64_t m = 0; m < count; m++) inputs[k * BLOCK + m] -= centre[k];
        const REAL *messages = NAME(mlp_block)(mlp_params, mlp_sizes, mlp_layers, hidden, output, count, inputs, spare);
        h = first % next;
        neuron = first / next;
        for (int64_t m = 0; m < count; m++) {
            out[neuron] += scale * unit_of[m] * messages[m];
            if (++h == next) {
                h = 0;
                neuron++;
            }
        }
    }
}

/* Included by neuron_loops.h, once per precision. */
#define STRIP_TEMPLATE "../scopes/neuron_strip_template.h"
#include "each_width.h"

/* Compute the deltas of a layer (n x neurons) from those of the next (n x next) over the weights
 * between them (neurons x next): out_i = scale sum_h delta_h w_hi MLP(delta_h / delta_rms, w_hi /
 * weight_rms, f'_i). */
UNUSED static void NAME(send_back)(const NeuronPass *pass, int64_t n)
{
    const int64_t neurons = pass->n_neurons, next = pass->n_next;
    REAL *slopes = pass->slopes, *out = pass->out;
    if (pass->activations) { /* the slopes are told by the activations */
        for (int64_t i = 0; i < n * neurons; i++) slopes[i] = 1;
        NAME(times_slope)(pass->function, slopes, pass->activations, n * neurons);
    }
    const double delta_root = NAME(inverse_rms)(pass->deltas, n * next);
    const double weight_root = NAME(inverse_rms)(pass->weights, neurons * next);
    if (delta_root == 0 || weight_root == 0) {
        for (int64_t i = 0; i < n * neurons; i++) out[i] = 0;
        return;
    }
    NAME(transpose)(pass->transposed, pass->weights, neurons, next);
#if defined(WIDE_VECTORS)
    if (HAS_WIDE_VECTORS) {
        NAME(send_strips_wide)(pass, n, (REAL)delta_root, (REAL)weight_root);
        return;
    }
#endif
    NAME(send_strips_narrow)(pass, n, (REAL)delta_root, (REAL)weight_root);
}

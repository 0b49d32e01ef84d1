/* The elementwise loops of recurrent cells, for float32 (suffix _f32) and float64 (suffix _f64). */
#ifndef SKLEARN_METABP_CELL_LOOPS_H
#define SKLEARN_METABP_CELL_LOOPS_H

#include "../network/layer_loops.h"

/* The codes of cells.py; a test compares them. */
enum { ELMAN, GRU };

#define TEMPLATE "../recurrent/cell_loops_template.h"
#include "../common/each_precision.h"

BY_PRECISION(gru_step,
             (int is_double, void *gates, const void *of_states, const void *before, void *states,
              int64_t n, int64_t width),
             (gates, of_states, before, states, n, width))
BY_PRECISION(gru_backward,
             (int is_double, const void *gates, const void *of_states, const void *before,
              void *error, void *of_inputs, void *of_state_product, int64_t n, int64_t width),
             (gates, of_states, before, error, of_inputs, of_state_product, n, width))
BY_PRECISION(divide, (int is_double, void *x, const int64_t *by, int64_t n), (x, by, n))

/* The order of the time steps of a batch; see Packing in sequences.py. `starts` gets n_timesteps + 1
 * numbers at most, and the number of time steps is returned. `counts` has room for the longest
 * sequence and two more. */
UNUSED static int64_t pack_sequences(const int64_t *lengths, int64_t n, int64_t *counts,
                                     int64_t *order, int64_t *starts)
{
    int64_t longest = 0, place = 0;
    for (int64_t i = 0; i < n; i++)
        if (lengths[i] > longest) longest = lengths[i];
    for (int64_t t = 0; t <= longest; t++) counts[t] = 0;
    for (int64_t i = 0; i < n; i++) counts[lengths[i]]++;
    for (int64_t length = longest; length > 0; length--) { /* first places of the lengths */
        const int64_t count = counts[length];
        counts[length] = place;
        place += count;
    }
    for (int64_t i = 0; i < n; i++) order[counts[lengths[i]]++] = i;
    starts[0] = 0; /* counts[t + 1] sequences are longer than t by now */
    for (int64_t t = 0; t < longest; t++) starts[t + 1] = starts[t] + counts[t + 1];
    return longest;
}

#endif

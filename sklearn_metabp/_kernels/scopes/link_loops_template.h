/* Included by link_loops.h, once per precision. g are gradients, w weights and biases, v squares, m
 * momenta. */

/* The arrays of links, from the first one of a tensor on. */
typedef struct {
    const REAL *gradients, *params;
    REAL *updates;                 /* NULL where there is a matrix */
    REAL *history[N_HISTORY_ROWS]; /* NULL where no input needs the row */
} NAME(Links);

/* Factors that make running means of what is remembered of `t` steps. */
typedef struct {
    REAL mean_5, mean_9, mean_99, root_9, root_999, epsilon;
} NAME(Corrections);

LANE NAME(Corrections) NAME(corrections)(const LinkPass *pass)
{
    NAME(Corrections) by;
    by.mean_5 = (REAL)1 / (REAL)pass->correction_5;
    by.mean_9 = (REAL)1 / (REAL)pass->correction_9;
    by.mean_99 = (REAL)1 / (REAL)pass->correction_99;
    by.root_9 = (REAL)(1 / sqrt(pass->correction_9));
    by.root_999 = (REAL)(1 / sqrt(pass->correction_999));
    by.epsilon = (REAL)pass->epsilon;
    return by;
}

/* Return the direction against the gradient: 1, -1 or 0. */
LANE REAL NAME(downhill)(REAL g) { return (REAL)((g < 0) - (g > 0)); }

/* Return the activation that a link of a tensor multiplies: 1 for a bias. */
LANE REAL NAME(source_of)(const Tensor *tensor, int64_t link)
{
    const REAL *activations = tensor->activations;
    return activations && link < tensor->size ? activations[link / tensor->fan_out] : 1;
}

LANE NAME(Links) NAME(links_of)(const LinkPass *pass, int64_t start)
{
    NAME(Links) links;
    links.gradients = (const REAL *)pass->gradients + start;
    links.params = (const REAL *)pass->params + start;
    links.updates = pass->updates ? (REAL *)pass->updates + start : NULL;
    for (int row = 0; row < N_HISTORY_ROWS; row++)
        links.history[row] = pass->history[row] ? (REAL *)pass->history[row] + start : NULL;
    return links;
}

/* Return a copy of n links from `first` on in `room`, followed by zeros up to a whole strip. */
UNUSED static NAME(Links) NAME(padded)(const NAME(Links) *links, int64_t first, int64_t n,
                                       REAL *room, int64_t strip)
{
    NAME(Links) copy;
    memset(room, 0, N_LINK_ARRAYS * strip * sizeof *room);
    copy.gradients = memcpy(room, links->gradients + first, n * sizeof *room);
    copy.params = memcpy(room + strip, links->params + first, n * sizeof *room);
    copy.updates = room + 2 * strip;
    for (int row = 0; row < N_HISTORY_ROWS; row++) {
        REAL *values = room + (3 + row) * strip;
        copy.history[row] = links->history[row] ? values : NULL;
        if (links->history[row]) memcpy(values, links->history[row] + first, n * sizeof *room);
    }
    return copy;
}

/* Copy back what was written. */
UNUSED static void NAME(unpad)(const NAME(Links) *copy, const NAME(Links) *links, int64_t first,
                               int64_t n)
{
    if (links->updates) memcpy(links->updates + first, copy->updates, n * sizeof(REAL));
    for (int row = 0; row < N_HISTORY_ROWS; row++)
        if (links->history[row])
            memcpy(links->history[row] + first, copy->history[row], n * sizeof(REAL));
}

/* Write the matrix from row `row` on, a row for each of n links from `at` on: its inputs, then its
 * normalizers. */
UNUSED static void NAME(fill_matrix)(const LinkPass *pass, const NAME(Links) *links, int64_t at,
                                     int64_t row, int64_t n, const REAL *inputs, int64_t strip,
                                     const REAL *rms)
{
    const REAL *strides = links->history[ROW_STRIDE];
    REAL *out = (REAL *)pass->matrix + row * (pass->n_inputs + 1 + (strides != NULL));
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < pass->n_inputs; k++) *out++ = inputs[k * strip + i];
        *out++ = rms[i];
        if (strides) *out++ = NAME(downhill)(links->gradients[at + i]) * strides[at + i];
    }
}

#define STRIP_TEMPLATE "../scopes/link_strip_template.h"
#include "each_width.h"

UNUSED static void NAME(walk_tensor)(const LinkPass *pass, const Tensor *tensor, int64_t count)
{
#if defined(WIDE_VECTORS)
    if (HAS_WIDE_VECTORS) {
        NAME(walk_tensor_wide)(pass, tensor, count);
        return;
    }
#endif
    NAME(walk_tensor_narrow)(pass, tensor, count);
}

/* Walk once over all links, after begin_links: write their inputs into the matrix where there is
 * one, else their updates. */
UNUSED static void NAME(walk_links)(const LinkPass *pass)
{
    int64_t start = 0;
    if (!pass->differs_by_tensor) { /* then all links are those of one tensor */
        const Tensor all = {0};
        NAME(walk_tensor)(pass, &all, pass->n_links);
        return;
    }
    for (int64_t number = 0; number < pass->n_tensors; number++) {
        const int64_t *row = pass->tensors + number * N_TENSOR_COLUMNS, layer = row[OF_LAYER];
        const int64_t size = row[OF_ROWS] * row[OF_COLUMNS];
        Tensor tensor = {0};
        tensor.start = start;
        tensor.size = size;
        tensor.is_bias = row[OF_IS_BIAS];
        tensor.is_output = layer == pass->last_layer;
        tensor.depth = layer / (double)(pass->last_layer > 1 ? pass->last_layer : 1);
        tensor.fan_out = row[OF_COLUMNS];
        if (pass->activations && !row[OF_IS_BIAS])
            tensor.activations = (const REAL *)pass->activations + row[OF_SOURCE];
        if (pass->deltas) tensor.deltas = (const REAL *)pass->deltas + row[OF_TARGET];
        if (pass->needs_weight_rms)
            tensor.inverse_weight_rms = NAME(inverse_rms)((const REAL *)pass->params + start, size);
        NAME(walk_tensor)(pass, &tensor, size);
        start += size;
    }
}

/* Change n parameters from `first` on by their updates; `gradients` begins with that of the first.
 * They are all parameters where inputs differ by tensor. Return 0 if an update was not finite. */
UNUSED static int NAME(change_links)(const LinkPass *pass, const void *gradients, int64_t first,
                                     int64_t n)
{
    LinkPass part = *pass;
    part.gradients = (const REAL *)gradients - first;
    if (part.differs_by_tensor) {
        NAME(walk_links)(&part);
    } else {
        Tensor block = {0};
        block.start = first;
        NAME(walk_tensor)(&part, &block, n);
    }
    return NAME(apply)((REAL *)pass->params + first, (const REAL *)pass->updates + first, n);
}

/* The input layer: scales and embeddings of single columns, for float32 and float64. */
#ifndef SKLEARN_METABP_INPUT_LAYER_LOOPS_H
#define SKLEARN_METABP_INPUT_LAYER_LOOPS_H

#include "../common/clones.h"

/* The codes of EMBEDDINGS in input_layer.py; a test compares them. */
enum { PERIODIC, PIECEWISE_LINEAR };

#define BASIS_ARRAYS 4  /* of numbers of every basis function, at most */
#define EMBEDDED_ROWS 64 /* rows whose basis functions are computed together */

/* A column of X, and what the input layer makes of it: n_linear sums of n_functions basis functions
 * with their intercepts, and behind them the column itself where it is kept. */
typedef struct {
    int kind;
    int keeps_input;
    int64_t source;      /* column of X */
    int64_t target;      /* first column of the embedded rows */
    int64_t n_functions; /* 0 for a column that is not embedded */
    int64_t n_linear;
    const void *scale; /* NULL without scales */
    void *scale_gradient;
    const void *basis[BASIS_ARRAYS]; /* (n_functions,) each */
    void *basis_gradients[BASIS_ARRAYS]; /* NULL where the array is fixed */
    const void *coefs; /* (n_functions, n_linear) */
    void *coef_gradients;
    const void *intercepts; /* (n_linear,) */
    void *intercept_gradients;
} InputColumn;

/* docs/design/sine_polynomials.py prints these */
#define TURN_SINE_f64(q) (((((((1.01262859053169061e-1 * q + -7.17822415835363999e-1) * q \
    + 3.81993676074978207) * q + -1.50946421138116332e+1) * q + 4.20586939375371888e+1) * q \
    + -7.67058597530039084e+1) * q + 8.16052492760748832e+1) * q + -4.13417022403997602e+1)
#define TURN_SINE_f32(q) (((4.021233408e+1f * q + -7.663422187e+1f) * q + 8.160435621e+1f) * q \
    + -4.134170050e+1f)

/* Rows of a batch, filled up to whole blocks. */
UNUSED static inline int64_t whole_blocks(int64_t n)
{
    return (n + EMBEDDED_ROWS - 1) / EMBEDDED_ROWS * EMBEDDED_ROWS;
}

#define TEMPLATE "../network/input_layer_loops_template.h"
#include "../common/each_precision.h"

UNUSED static inline void embed_column(int is_double, const InputColumn *column, void *out,
                                       int64_t width, const void *x, int64_t n_inputs, int64_t n,
                                       void *scratch)
{
    if (is_double)
        embed_column_f64(column, out, width, x, n_inputs, n, scratch);
    else
        embed_column_f32(column, out, width, x, n_inputs, n, scratch);
}

UNUSED static inline void column_gradients(int is_double, const InputColumn *column,
                                           const void *deltas, int64_t width, const void *x,
                                           int64_t n_inputs, int64_t n, double scale,
                                           void *scratch)
{
    if (is_double)
        column_gradients_f64(column, deltas, width, x, n_inputs, n, scale, scratch);
    else
        column_gradients_f32(column, deltas, width, x, n_inputs, n, (float)scale, scratch);
}

/* Values that column_gradients needs as scratch, which is more than embed_column does. */
UNUSED static inline int64_t input_scratch(int64_t n, int64_t n_linear)
{
    return (n_linear + 3) * whole_blocks(n) + (n_linear + 2) * 16 + 2 * EMBEDDED_ROWS;
}

#endif

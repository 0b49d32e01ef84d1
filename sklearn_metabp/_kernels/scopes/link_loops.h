/* The kernel of the link scope, for float32 (_f32) and float64 (_f64). */
#ifndef SKLEARN_METABP_LINK_LOOPS_H
#define SKLEARN_METABP_LINK_LOOPS_H

#include "shared_loops.h"

/* A test holds the names and the order of the next three to link_history.py. */

/* LINK_INPUTS: a quotient is spelled BY, and a decay is the digits after the point. */
enum {
    GRADIENT_BY_RMS_9,
    MOMENTUM_5_BY_RMS_9,
    MOMENTUM_9_BY_RMS_9,
    MOMENTUM_99_BY_RMS_9,
    GRADIENT_BY_RMS_999,
    MOMENTUM_5_BY_RMS_999,
    MOMENTUM_9_BY_RMS_999,
    MOMENTUM_99_BY_RMS_999,
    RMS_9_BY_RMS_999,
    WEIGHT,
    ACTIVATION,
    DELTA,
    IS_BIAS,
    IS_OUTPUT,
    DEPTH,
    WARMUP_9,
    WARMUP_99,
    WARMUP_999,
    GRADIENT_BY_PEAK_999,
    MOMENTUM_9_BY_PEAK_999,
    GRADIENT_BY_NORM,
    LAST_STEP
};

/* LINK_NORMALIZERS */
enum { NORMALIZER_1, NORMALIZER_RMS_9, NORMALIZER_STRIDE };

/* HISTORY_ROWS */
enum {
    ROW_MOMENTUM_5,
    ROW_MOMENTUM_9,
    ROW_MOMENTUM_99,
    ROW_SQUARE_9,
    ROW_SQUARE_999,
    ROW_PEAK_999,
    ROW_NORM,
    ROW_LAST_STEP,
    ROW_STRIDE
};
enum { N_HISTORY_ROWS = ROW_STRIDE + 1 };
enum { N_LINK_ARRAYS = N_HISTORY_ROWS + 3 }; /* and gradients, params, updates */

/* Values of a link that inputs are products of. */
enum {
    VALUE_1,
    VALUE_GRADIENT,
    VALUE_MOMENTUM_5,
    VALUE_MOMENTUM_9,
    VALUE_MOMENTUM_99,
    VALUE_RMS_9,
    VALUE_BY_RMS_9,
    VALUE_BY_RMS_999,
    VALUE_BY_PEAK_999,
    VALUE_BY_NORM,
    VALUE_WEIGHT,
    VALUE_ACTIVATION,
    VALUE_DELTA,
    VALUE_IS_BIAS,
    VALUE_IS_OUTPUT,
    VALUE_DEPTH,
    VALUE_WARMUP_9,
    VALUE_WARMUP_99,
    VALUE_WARMUP_999,
    VALUE_LAST_STEP
};
enum { N_VALUES = VALUE_LAST_STEP + 1 };

/* The two values that each of LINK_INPUTS is the product of. */
static const int8_t QUOTIENTS[][2] = {
    {VALUE_GRADIENT, VALUE_BY_RMS_9},
    {VALUE_MOMENTUM_5, VALUE_BY_RMS_9},
    {VALUE_MOMENTUM_9, VALUE_BY_RMS_9},
    {VALUE_MOMENTUM_99, VALUE_BY_RMS_9},
    {VALUE_GRADIENT, VALUE_BY_RMS_999},
    {VALUE_MOMENTUM_5, VALUE_BY_RMS_999},
    {VALUE_MOMENTUM_9, VALUE_BY_RMS_999},
    {VALUE_MOMENTUM_99, VALUE_BY_RMS_999},
    {VALUE_RMS_9, VALUE_BY_RMS_999},
    {VALUE_WEIGHT, VALUE_1},
    {VALUE_ACTIVATION, VALUE_1},
    {VALUE_DELTA, VALUE_1},
    {VALUE_IS_BIAS, VALUE_1},
    {VALUE_IS_OUTPUT, VALUE_1},
    {VALUE_DEPTH, VALUE_1},
    {VALUE_WARMUP_9, VALUE_1},
    {VALUE_WARMUP_99, VALUE_1},
    {VALUE_WARMUP_999, VALUE_1},
    {VALUE_GRADIENT, VALUE_BY_PEAK_999},
    {VALUE_MOMENTUM_9, VALUE_BY_PEAK_999},
    {VALUE_GRADIENT, VALUE_BY_NORM},
    {VALUE_LAST_STEP, VALUE_1},
};

/* Inputs of a rule that was given none: the compiler makes a copy of the kernel for them. */
static const int64_t DEFAULT_INPUTS[] = {
    GRADIENT_BY_RMS_9,     MOMENTUM_9_BY_RMS_9, MOMENTUM_99_BY_RMS_9, GRADIENT_BY_RMS_999,
    MOMENTUM_9_BY_RMS_999, RMS_9_BY_RMS_999,    WARMUP_9,
};
#define N_DEFAULT_INPUTS (int64_t)(sizeof DEFAULT_INPUTS / sizeof *DEFAULT_INPUTS)

/* TENSOR_COLUMNS of flat.py */
enum { OF_ROWS, OF_COLUMNS, OF_LAYER, OF_IS_BIAS, OF_SOURCE, OF_TARGET, OF_FAN_IN };
enum { N_TENSOR_COLUMNS = OF_FAN_IN + 1 };

/* One walk over all links of a network; all arrays are of the precision of the call. */
typedef struct {
    const int64_t *tensors; /* a table with TENSOR_COLUMNS */
    int64_t n_tensors, last_layer;
    int64_t n_links;
    const int64_t *codes; /* of the inputs */
    int64_t n_inputs;
    double correction_5, correction_9, correction_99, correction_999; /* 1 - decay^t */
    double epsilon;
    int needs_weight_rms, differs_by_tensor;
    const void *gradients, *params;
    const void *activations,
        *deltas; /* of all layers before, and after, one of weights; NULL if no input */
    void *history[N_HISTORY_ROWS]; /* NULL where no input needs the row */
    void *matrix;                  /* NULL where updates are wanted */
    SmallMLP mlp;
    double scale, first_step;
    int normalizer;
    void *updates;
} LinkPass;

/* Values that the links of one weight matrix or bias vector share at one step. */
typedef struct {
    double inverse_weight_rms, is_bias, is_output, depth;
    const void
        *activations;   /* of the source neurons, by row; NULL for a bias or where it is no input */
    const void *deltas; /* of the target neurons, by column; NULL where it is no input */
    int64_t start, size, fan_out;
} Tensor;

/* Take the number of a step, from 1. Powers are half of the time of a small network's step. */
UNUSED static void begin_links(LinkPass *pass, int64_t t)
{
    pass->correction_5 = 1 - pow(0.5, (double)t);
    pass->correction_9 = 1 - pow(0.9, (double)t);
    pass->correction_99 = 1 - pow(0.99, (double)t);
    pass->correction_999 = 1 - pow(0.999, (double)t);
}

#define TEMPLATE "../rules/apply_template.h"
#include "../common/each_precision.h"
#define TEMPLATE "../scopes/link_loops_template.h"
#include "../common/each_precision.h"

#endif

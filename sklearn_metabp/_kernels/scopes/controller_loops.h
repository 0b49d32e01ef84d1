/* The kernel of the layer scope, for float32 (_f32) and float64 (_f64). The controller itself
 * computes in double: it is small. */
#ifndef SKLEARN_METABP_CONTROLLER_LOOPS_H
#define SKLEARN_METABP_CONTROLLER_LOOPS_H

#include "shared_loops.h"

/* LAYER_INPUTS and LAYER_CONTROLS of layer_steps.py; a test holds the names and the order to it. */
enum {
    LAYER_PROGRESS,
    LAYER_REMAINING,
    LAYER_EARLY,
    LAYER_LAST_TENTH,
    LAYER_LOG_PLANNED,
    LAYER_WARMUP_10,
    LAYER_WARMUP_100,
    LAYER_LOG_EPOCHS,
    LAYER_LOG_BATCH,
    LAYER_LOG_LOSS,
    LAYER_LOG_LOSS_BY_FIRST,
    LAYER_LOG_LOSS_FAST_BY_SLOW,
    LAYER_HAS_VALIDATION,
    LAYER_LOG_VALIDATION_BY_LOSS,
    LAYER_LOG_VALIDATION_BY_BEST,
    LAYER_VALIDATIONS_SINCE_BEST,
    LAYER_LOG_FAN_IN,
    LAYER_LOG_FAN_OUT,
    LAYER_IS_BIAS,
    LAYER_IS_LAST,
    LAYER_IS_FIRST,
    LAYER_DEPTH,
    LAYER_IS_CLASSIFICATION,
    LAYER_IS_SATURATING,
    LAYER_LOG_ROWS,
    LAYER_LOG_PARAMS_BY_ROWS,
    LAYER_LOG_RMS_BY_FIRST,
    LAYER_LOG_SIGNAL_9,
    LAYER_LOG_SIGNAL_99,
    LAYER_COSINE_9,
    LAYER_COSINE_5_99,
    LAYER_LOG_SQUARES_FAST_BY_SLOW,
    LAYER_LOG_NET_INPUTS
};
#define N_LAYER_INPUTS (LAYER_LOG_NET_INPUTS + 1)
#define N_FIXED (LAYER_LOG_PARAMS_BY_ROWS - LAYER_LOG_FAN_IN + 1)

enum {
    SET_STEP,
    SET_GRADIENT,
    SET_MOMENTUM_5,
    SET_MOMENTUM_9,
    SET_MOMENTUM_99,
    SET_FAST_SQUARES,
    SET_DECAY,
    SET_HORIZON,
    SET_GAIN,
    SET_DROPOUT
};
#define N_CONTROLS (SET_DROPOUT + 1)

/* Of the columns of what is remembered of a tensor, of the losses and of the validations. */
enum { TENSOR_MASS, TENSOR_COSINE, TENSOR_FIRST_RMS, N_TENSOR_COLUMNS };
enum { FIRST_LOSS, FAST_LOSS, SLOW_LOSS };
enum { N_VALIDATIONS, LAST_VALIDATION, BEST_VALIDATION, SINCE_BEST };

/* Sums over a tensor that its statistics are computed from. */
enum { GG, G9, M55, M99, M9999, M599, SLOW_SUM, FAST_SUM, WW, N_SUMS };

typedef struct {
    int64_t n_tensors, n_params;
    const int64_t *bounds;   /* n_tensors + 1 */
    const int64_t *hidden_before; /* of each tensor: number of the hidden layer, or -1 */
    const double *fixed;     /* n_tensors x N_FIXED */
    const int64_t *codes;    /* of the inputs, as many as the MLP has */
    const int64_t *controls; /* that the MLP's outputs are */
    int64_t n_outputs;
    int64_t n_planned;
    double learning_rate, weight_decay, horizon, start_dropout; /* of the start */
    int cautious, needs_statistics;
    const void *gradients, *params;
    void *updates, *moments, *squares, *average;
    double *tensors, *losses;
    const double *validation; /* the training writes it between two steps */
    double *shares, *dropout; /* by hidden layer: remembered, and that of the network or NULL */
    SmallMLP mlp; /* in double */
} LayerPass;

/* What changes from step to step. */
typedef struct {
    int64_t t, epoch, n_patterns;
    int is_first;
    double loss;
    double mass_5, mass_9, mass_99, mass_999, mass_95; /* of running means: 1 - decay^t */
} LayerStep;

/* What the controls come to in one tensor. */
typedef struct {
    double rate, share, growth;         /* of the step, of the decay, of the gain less 1 */
    double by_g, by_5, by_9, by_99;     /* of gradient and means, corrected */
    double by_slow, by_fast;            /* of the squares, corrected */
    double keep, take;                  /* of the average */
} LayerMove;

#define SMALLEST_LOSS 1e-12

/* Within +- largest; 0 for NaN. */
LANE double bounded(double x, double largest)
{
    return x > largest ? largest : x < -largest ? -largest : x == x ? x : 0;
}

LANE double log_quotient(double above, double below)
{
    return above > 0 && below > 0 ? log2(above / below) : 0;
}

LANE double cosine_of(double dot, double a, double b)
{
    const double size = sqrt(a * b);
    return size > 0 ? dot / size : 0;
}

UNUSED static void fill_masses(LayerStep *step)
{
    const double t = (double)step->t;
    step->mass_5 = 1 - exp2(-t);
    step->mass_9 = 1 - pow(0.9, t);
    step->mass_99 = 1 - pow(0.99, t);
    step->mass_999 = 1 - pow(0.999, t);
    step->mass_95 = 1 - pow(0.95, t);
}

/* Advance the running losses and compute the inputs that all tensors have in common. */
UNUSED static void changing_inputs(const LayerPass *pass, const LayerStep *step, double *known)
{
    double *losses = pass->losses;
    const double t = (double)step->t, planned = (double)pass->n_planned, p = t / planned;
    if (step->t == 1) losses[FIRST_LOSS] = step->loss;
    losses[FAST_LOSS] = 0.9 * losses[FAST_LOSS] + (1 - 0.9) * step->loss;
    losses[SLOW_LOSS] = 0.99 * losses[SLOW_LOSS] + (1 - 0.99) * step->loss;
    const double fast = losses[FAST_LOSS] / step->mass_9 + SMALLEST_LOSS,
                 slow = losses[SLOW_LOSS] / step->mass_99 + SMALLEST_LOSS;
    known[LAYER_PROGRESS] = p;
    known[LAYER_REMAINING] = log2(1 / (1.01 - (p < 1 ? p : 1)));
    known[LAYER_EARLY] = tanh(8 * p);
    known[LAYER_LAST_TENTH] = p < 0.9 ? 0 : p < 1 ? 10 * p - 9 : 1;
    known[LAYER_LOG_PLANNED] = log2(planned / 300) / 2;
    known[LAYER_WARMUP_10] = tanh(t / 10);
    known[LAYER_WARMUP_100] = tanh(t / 100);
    known[LAYER_LOG_EPOCHS] = log2(1 + (double)step->epoch) / 3;
    known[LAYER_LOG_BATCH] = log2((double)step->n_patterns / 32) / 2;
    known[LAYER_LOG_LOSS] = log2(fast) / 4;
    known[LAYER_LOG_LOSS_BY_FIRST] = log2(fast / (losses[FIRST_LOSS] + SMALLEST_LOSS)) / 2;
    known[LAYER_LOG_LOSS_FAST_BY_SLOW] = log2(fast / slow);
    const double *validation = pass->validation;
    const int has_validation = validation[N_VALIDATIONS] > 0;
    const double last = validation[LAST_VALIDATION] + SMALLEST_LOSS,
                 best = validation[BEST_VALIDATION] + SMALLEST_LOSS;
    known[LAYER_HAS_VALIDATION] = has_validation;
    known[LAYER_LOG_VALIDATION_BY_LOSS] = has_validation ? log2(last / fast) / 2 : 0;
    known[LAYER_LOG_VALIDATION_BY_BEST] = has_validation ? log2(last / best) / 2 : 0;
    known[LAYER_VALIDATIONS_SINCE_BEST] =
        has_validation ? log2(1 + validation[SINCE_BEST]) / 3 : 0;
}

/* Compute the statistics of a tensor from its sums; advance what is remembered of it. */
UNUSED static void statistics(const LayerPass *pass, int64_t k, const LayerStep *step,
                              const double *sums, double *known)
{
    double *tensor = pass->tensors + k * N_TENSOR_COLUMNS;
    const double n = (double)(pass->bounds[k + 1] - pass->bounds[k]);
    const double mass_9 = step->mass_9, mass_99 = step->mass_99;
    const double slow = sums[SLOW_SUM] / step->mass_999,
                 fast = sums[FAST_SUM] / step->mass_95;
    const double rms = sqrt(sums[WW] / n),
                 fan_in = exp2(4 * known[LAYER_LOG_FAN_IN]);
    if (step->t == 1) tensor[TENSOR_FIRST_RMS] = rms;
    tensor[TENSOR_COSINE] =
        0.9 * tensor[TENSOR_COSINE] + (1 - 0.9) * cosine_of(sums[G9], sums[GG], sums[M99]);
    known[LAYER_LOG_RMS_BY_FIRST] = log_quotient(rms, tensor[TENSOR_FIRST_RMS]);
    known[LAYER_LOG_SIGNAL_9] = log_quotient(sums[M99] / mass_9 / mass_9, slow) / 4;
    known[LAYER_LOG_SIGNAL_99] = log_quotient(sums[M9999] / mass_99 / mass_99, slow) / 4;
    known[LAYER_COSINE_9] = tensor[TENSOR_COSINE] / mass_9;
    known[LAYER_COSINE_5_99] = cosine_of(sums[M599], sums[M55], sums[M9999]);
    known[LAYER_LOG_SQUARES_FAST_BY_SLOW] = log_quotient(fast, slow) / 2;
    known[LAYER_LOG_NET_INPUTS] = log_quotient(sqrt(fan_in) * rms, 1) / 2;
}

/* Compute what the outputs z of the controller come to; the mass of the average moves on. */
UNUSED static LayerMove move_of(const LayerPass *pass, int64_t k, const LayerStep *step,
                                const double *z)
{
    double *mass = pass->tensors + k * N_TENSOR_COLUMNS + TENSOR_MASS;
    double mix[4], total = 0;
    for (int d = 0; d < 4; d++) {
        mix[d] = bounded(z[SET_GRADIENT + d], 1e6) + (SET_GRADIENT + d == SET_MOMENTUM_9);
        total += fabs(mix[d]);
    }
    for (int d = 0; d < 4; d++) mix[d] = total > 0 ? mix[d] / total : 0;
    const double q = tanh(bounded(z[SET_FAST_SQUARES], 40) / 2), share = q > 0 ? q : 0;
    const double horizon = pass->horizon * exp2(2 * bounded(z[SET_HORIZON], 4));
    const double beta = 1 - 1 / (horizon < 1 ? 1 : horizon > 1e4 ? 1e4 : horizon);
    LayerMove move;
    move.rate = pass->learning_rate * exp2(2 * bounded(z[SET_STEP], 4));
    move.by_g = mix[0];
    move.by_5 = mix[1] / step->mass_5;
    move.by_9 = mix[2] / step->mass_9;
    move.by_99 = mix[3] / step->mass_99;
    move.by_slow = (1 - share) / step->mass_999;
    move.by_fast = share / step->mass_95;
    move.share = 0;
    if (!(pass->fixed[k * N_FIXED + LAYER_IS_BIAS - LAYER_LOG_FAN_IN] > 0)) {
        double decay = bounded(z[SET_DECAY], 10) + pass->weight_decay;
        decay = decay < 0 ? 0 : decay > 10 ? 10 : decay;
        move.share = move.rate * decay < 1 ? move.rate * decay : 1;
    }
    move.growth = step->is_first ? exp2(2 * bounded(z[SET_GAIN], 1.5)) - 1 : 0;
    *mass = beta * *mass + 1 - beta;
    move.take = (1 - beta) / *mass;
    move.keep = 1 - move.take;
    return move;
}

/* Set the share of neurons that the next step drops before tensor k. */
UNUSED static void set_dropout(const LayerPass *pass, int64_t k, double z)
{
    const int64_t layer = pass->hidden_before[k];
    if (layer < 0) return;
    const double share = pass->start_dropout + bounded(z, 2) / 2;
    pass->shares[layer] = share < 0 ? 0 : share > 0.6 ? 0.6 : share;
    if (pass->dropout) pass->dropout[layer] = pass->shares[layer];
}

#define TEMPLATE "../rules/apply_template.h"
#include "../common/each_precision.h"
#define TEMPLATE "../scopes/controller_loops_template.h"
#include "../common/each_precision.h"

#endif

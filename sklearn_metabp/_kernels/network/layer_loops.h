/* The elementwise loops of a layer, for float32 (suffix _f32) and float64 (suffix _f64). */
#ifndef SKLEARN_METABP_LAYER_LOOPS_H
#define SKLEARN_METABP_LAYER_LOOPS_H

#include "../common/clones.h"
#include "dropout_hash.h"
#include "loss_sums.h"
#include "sparse_rows.h"

/* The codes of the tables in functions/; a test compares them. */
enum {
    IDENTITY, LOGISTIC, TANH, RELU, SOFTMAX, EXP, LEAKY_RELU, ELU, SOFTPLUS, GELU,
    SILU, SELU, MISH
};
enum { SQUARED_ERROR, LOG_LOSS, ABSOLUTE_ERROR, HUBER, POISSON };
enum { L2_NORM, L1_NORM };

#define LEAK 0.01            /* slope of leaky_relu below zero */
#define SELU_SCALE 1.0507009873554804934 /* slope of selu above zero */
#define SELU_FLOOR 1.7580993408473768599 /* minus the limit of selu below zero */
#define NORMAL_TAIL_CENTRE 5 /* of the polynomials that docs/design/gelu_polynomials.py prints */

#define LOSS_BLOCK 256   /* values whose losses are computed and then added up */
#define SOFTMAX_ROWS 64  /* rows of a softmax that are computed together */
#define WIDE_ROWS 4      /* the same if they are wide */
#define NARROW 16        /* classes of a softmax at most, for its lanes to be rows */

#define TEMPLATE "../common/elementary_template.h"
#include "../common/each_precision.h"
#define TEMPLATE "../network/layer_loops_template.h"
#include "../common/each_precision.h"
#define TEMPLATE "../network/softmax_loops_template.h"
#include "../common/each_precision.h"
#define TEMPLATE "../network/loss_loops_template.h"
#include "../common/each_precision.h"
#define TEMPLATE "../network/input_gradient_loops_template.h"
#include "../common/each_precision.h"
#define TEMPLATE "../network/dropout_loops_template.h"
#include "../common/each_precision.h"
#include "noise_loops.h"
#define TEMPLATE "../network/noise_loops_template.h"
#include "../common/each_precision.h"
#define TEMPLATE "../network/sparse_loops_template.h"
#include "../common/each_precision.h"

/* One name for both precisions, for callers whose pointers have no type: is_double chooses the
 * loop. */
#define BY_PRECISION(name, parameters, arguments) \
    UNUSED static inline void name parameters     \
    {                                             \
        if (is_double)                            \
            name##_f64 arguments;                 \
        else                                      \
            name##_f32 arguments;                 \
    }
#define RESULT_BY_PRECISION(type, name, parameters, arguments)          \
    UNUSED static inline type name parameters                           \
    {                                                                   \
        return is_double ? name##_f64 arguments : name##_f32 arguments; \
    }

BY_PRECISION(activate, (int is_double, int function, void *x, int64_t n), (function, x, n))
BY_PRECISION(activate_and_slope, (int is_double, int function, void *x, void *slope, int64_t n),
             (function, x, slope, n))
BY_PRECISION(mix,
             (int is_double, void *x, void *slope, void *gap, const void *factors, int64_t n,
              int64_t width),
             (x, slope, gap, factors, n, width))
BY_PRECISION(softmax,
             (int is_double, void *x, int64_t n, int64_t width, const int64_t *groups,
              int64_t n_groups),
             (x, n, width, groups, n_groups))
BY_PRECISION(times_slope, (int is_double, int function, void *deltas, const void *x, int64_t n),
             (function, deltas, x, n))
BY_PRECISION(multiply, (int is_double, void *deltas, const void *slope, int64_t n),
             (deltas, slope, n))
BY_PRECISION(gather,
             (int is_double, void *out, const void *from, const int64_t *rows, int64_t n,
              int64_t width),
             (out, from, rows, n, width))
BY_PRECISION(fill_rows, (int is_double, void *rows, const void *row, int64_t n, int64_t width),
             (rows, row, n, width))
BY_PRECISION(column_sums,
             (int is_double, void *sums, const void *rows, int64_t n, int64_t width, double scale),
             (sums, rows, n, width, scale))
BY_PRECISION(transpose, (int is_double, void *out, const void *matrix, int64_t n, int64_t m),
             (out, matrix, n, m))
BY_PRECISION(add_noise,
             (int is_double, void *x, int64_t n, int64_t width, uint64_t layer_key,
              double deviation),
             (x, n, width, layer_key, deviation))
BY_PRECISION(drop,
             (int is_double, void *x, void *slope, void *curvature, int64_t n, int64_t width,
              uint64_t layer_key, uint32_t threshold, double scale),
             (x, slope, curvature, n, width, layer_key, threshold, scale))
BY_PRECISION(net_curvatures,
             (int is_double, int function, void *curvature, const void *net, int64_t n),
             (function, curvature, net, n))
BY_PRECISION(curvatures, (int is_double, int function, void *curvature, const void *x, int64_t n),
             (function, curvature, x, n))
BY_PRECISION(add, (int is_double, void *sums, const void *addends, int64_t n), (sums, addends, n))
BY_PRECISION(input_changes,
             (int is_double, int norm, void *d, const void *weight, double *penalties, int64_t n,
              int64_t width, double beta),
             (norm, d, weight, penalties, n, width, beta))
BY_PRECISION(output_changes,
             (int is_double, int loss, int function, void *e, const void *x, const void *t,
              const void *weight, int64_t n, int64_t width, const int64_t *groups,
              int64_t n_groups),
             (loss, function, e, x, t, weight, n, width, groups, n_groups))
BY_PRECISION(join_pulls,
             (int is_double, void *pulls, void *behind, const void *d, int64_t n),
             (pulls, behind, d, n))
RESULT_BY_PRECISION(double, sum, (int is_double, const void *values, int64_t n), (values, n))
RESULT_BY_PRECISION(double, add_decay,
                    (int is_double, void *gradients, const void *weights, int64_t n, double scale),
                    (gradients, weights, n, scale))
RESULT_BY_PRECISION(double, output_rules,
                    (int is_double, int loss, int function, void *x, const void *targets,
                     void *deltas, const void *weight, int64_t n, int64_t width,
                     const int64_t *groups, int64_t n_groups),
                    (loss, function, x, targets, deltas, weight, n, width, groups, n_groups))
RESULT_BY_PRECISION(double, softmax_labels_log_loss,
                    (int is_double, void *x, const int32_t *labels, const void *no, const void *yes,
                     void *deltas, const void *weight, int64_t n, int64_t width,
                     const int64_t *groups, int64_t n_groups),
                    (x, labels, no, yes, deltas, weight, n, width, groups, n_groups))

/* Write the labels of a row, the neuron of each group whose target is yes. Return whether one lies
 * outside its group: the neurons may be the caller's own and may change, so each is read once. */
UNUSED static inline int row_labels(int32_t *labels, const int32_t *neurons, const int64_t *groups,
                                    int64_t n_groups)
{
    for (int64_t g = 0, start = 0; g < n_groups; start += groups[g++]) {
        const int64_t neuron = READ_INDEX(neurons + g);
        if (neuron < start || neuron >= start + groups[g]) return 1;
        labels[g] = (int32_t)neuron;
    }
    return 0;
}

/* Each of these returns whether a column or a neuron is out of range. The output is then
 * incomplete. */
RESULT_BY_PRECISION(int, sparse_product,
                    (int is_double, const SparseRows *x, void *out, const void *weights, int64_t n,
                     int64_t width, int64_t fan_in),
                    (out, weights, x->values, x->columns, x->indptr, x->rows, n, width, fan_in))
RESULT_BY_PRECISION(int, sparse_gradient,
                    (int is_double, const SparseRows *x, void *out, const void *deltas, int64_t n,
                     int64_t width, int64_t fan_in, double scale),
                    (out, deltas, x->values, x->columns, x->indptr, x->rows, n, width, fan_in,
                     scale))
RESULT_BY_PRECISION(int, dense_rows,
                    (int is_double, const SparseRows *x, void *out, int64_t n, int64_t fan_in),
                    (out, x->values, x->columns, x->indptr, x->rows, n, fan_in))
RESULT_BY_PRECISION(int, write_targets,
                    (int is_double, void *target, const int32_t *neurons, const void *values,
                     int64_t n_neurons, int64_t width, const void *no, const void *yes),
                    (target, neurons, values, n_neurons, width, no, yes))

#endif

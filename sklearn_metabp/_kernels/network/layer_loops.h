/* The elementwise loops of a layer, for float32 (suffix _f32) and float64 (suffix _f64). */
#ifndef SKLEARN_METABP_LAYER_LOOPS_H
#define SKLEARN_METABP_LAYER_LOOPS_H

#include "../common/clones.h"
#include "dropout_hash.h"

/* The codes of functions.py. */
enum { IDENTITY, LOGISTIC, TANH, RELU, SOFTMAX, EXP, LEAKY_RELU, ELU, SOFTPLUS, GELU, SILU };
enum { SQUARED_ERROR, LOG_LOSS, ABSOLUTE_ERROR, HUBER, POISSON };

#define LEAK 0.01            /* slope of leaky_relu below zero */
#define NORMAL_TAIL_CENTRE 5 /* of the polynomials that docs/design/gelu_polynomials.py prints */

#define TEMPLATE "../common/elementary_template.h"
#include "../common/each_precision.h"
#define TEMPLATE "../network/layer_loops_template.h"
#include "../common/each_precision.h"
#define TEMPLATE "../network/loss_loops_template.h"
#include "../common/each_precision.h"
#define TEMPLATE "../network/dropout_loops_template.h"
#include "../common/each_precision.h"
#define TEMPLATE "../network/sparse_loops_template.h"
#include "../common/each_precision.h"

#endif

/* The kernel of the neuron scope, for float32 (_f32) and float64 (_f64). */
#ifndef SKLEARN_METABP_NEURON_LOOPS_H
#define SKLEARN_METABP_NEURON_LOOPS_H

#include "shared_loops.h"

/* NEURON_INPUTS of neuron_rule_fallback.py; a test holds the names and the order to it. */
enum { NEURON_DELTA, NEURON_WEIGHT, NEURON_DERIVATIVE };

/* The messages of one layer to the one before; all arrays are of the precision of the call. */
typedef struct {
    int64_t n_neurons, n_next; /* of the layer that receives, and of the one that sends */
    const int64_t *codes;      /* of the inputs */
    const void *deltas, *weights;
    const void *activations; /* of the layer that receives; NULL where its slopes are given */
    int function;            /* its activation function */
    void *slopes;
    void *out;
    void *transposed, *padding; /* room for the weights, and for a block of next neurons */
    double scale;
    SmallMLP mlp;
} NeuronPass;

#define TEMPLATE "../scopes/neuron_loops_template.h"
#include "../common/each_precision.h"

#endif

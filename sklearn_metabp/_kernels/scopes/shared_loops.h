/* Shared by the kernels of the scopes, for float32 (_f32) and float64 (_f64): the small MLP that
 * is the learned rule, and inverse root mean squares. */
#ifndef SKLEARN_METABP_SHARED_LOOPS_H
#define SKLEARN_METABP_SHARED_LOOPS_H

#include "../network/layer_loops.h"

/* Links that go through the small MLP together, so that its activations fit the first cache. */
#define BLOCK 64

#if defined(__GNUC__) && defined(__x86_64__)
#define WIDE_VECTORS
#endif

/* An MLP with one output; all arrays are of the precision of the call. */
typedef struct {
    const void *params;
    const int64_t *sizes;    /* neurons of every layer */
    int64_t n_layers;        /* layers of weights */
    int hidden, output;      /* activation functions */
    const void *centre;      /* subtracted from the inputs; NULL for none */
    void *workspace, *spare; /* BLOCK times the widest layer, each */
} SmallMLP;

#define TEMPLATE "../scopes/shared_loops_template.h"
#include "../common/each_precision.h"

#endif

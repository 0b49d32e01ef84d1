/* Shared by the kernels of the scopes, for float32 (_f32) and float64 (_f64): the small MLP that
 * is the learned rule, and inverse root mean squares. */
#ifndef SKLEARN_METABP_SHARED_LOOPS_H
#define SKLEARN_METABP_SHARED_LOOPS_H

#include "../network/layer_loops.h"

/* Tensors that go through the small MLP together; two strips of the widest vectors. */
#define BLOCK 64

#if defined(__GNUC__) && defined(__x86_64__)
#include <immintrin.h>
#define X86_VECTORS
#define WIDE_VECTORS
#define HAS_WIDE_VECTORS (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
#endif

/* An MLP; all arrays are of the precision of the call. */
typedef struct {
    const void *params, *biases; /* biases are the later part of the parameters */
    const int64_t *sizes;        /* neurons of every layer */
    int64_t n_layers;            /* layers of weights */
    int64_t widest, n_behind;    /* neurons of the widest layer, and of the last hidden one */
    int hidden, output;          /* activation functions */
    const void *centre;          /* subtracted from the inputs; NULL for none */
    void *workspace, *spare, *outputs; /* BLOCK times the widest layer, each */
} SmallMLP;

#define TEMPLATE "../scopes/shared_loops_template.h"
#include "../common/each_precision.h"

#endif

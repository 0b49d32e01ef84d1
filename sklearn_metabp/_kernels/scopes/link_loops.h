/* What is known at a link, and a small MLP of it, for float32 (_f32) and float64 (_f64). */
#ifndef SKLEARN_METABP_LINK_LOOPS_H
#define SKLEARN_METABP_LINK_LOOPS_H

#include <float.h>

#include "../network/layer_loops.h"

/* Links that go through the small MLP together: its activations stay in the first cache. */
#define BLOCK 64

#if defined(__GNUC__) && defined(__x86_64__)
#define WIDE_VECTORS
#endif

/* The inputs of the link scope, in the order of reference.LINK_INPUTS. */
enum {
    GRADIENT_FAST, MOMENTUM_5_FAST, MOMENTUM_9_FAST, MOMENTUM_99_FAST,
    GRADIENT_SLOW, MOMENTUM_5_SLOW, MOMENTUM_9_SLOW, MOMENTUM_99_SLOW,
    RMS_RATIO, WEIGHT, ACTIVATION, DELTA, IS_BIAS, IS_OUTPUT, DEPTH, WARMUP_9, WARMUP_99,
    WARMUP_999, GRADIENT_PEAK, MOMENTUM_9_PEAK, GRADIENT_NORM, LAST_STEP
};

/* What an update is in units of, in the order of reference.LINK_UNITS. */
enum { UNIT_1, UNIT_RMS, UNIT_STRIDE };

/* What the links of one weight matrix or bias vector share at one step. */
typedef struct {
    double inverse_weight_rms, is_bias, is_output, depth;
    double correction_5, correction_9, correction_99, correction_999; /* 1 - decay^t */
    double epsilon;
    const void *activations; /* of the source units, by row; NULL for a bias or where not asked for */
    const void *deltas;      /* of the target units, by column; NULL where not asked for */
    int64_t fan_out;
} Tensor;

#define REAL double
#define NAME(name) name##_f64
#define SQRT sqrt
#define TINY DBL_MIN
#include "link_loops_template.h"
#undef REAL
#undef NAME
#undef SQRT
#undef TINY

#define REAL float
#define NAME(name) name##_f32
#define SQRT sqrtf
#define TINY FLT_MIN
#include "link_loops_template.h"
#undef REAL
#undef NAME
#undef SQRT
#undef TINY

#endif

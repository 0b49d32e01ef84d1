/* The elementwise loops of a layer, for float32 (suffix _f32) and float64 (suffix _f64). */
#ifndef SKLEARN_METABP_LAYER_LOOPS_H
#define SKLEARN_METABP_LAYER_LOOPS_H

#include "clones.h"

enum { IDENTITY = 0, LOGISTIC = 1, TANH = 2, RELU = 3, SOFTMAX = 4 };
enum { SQUARED_ERROR = 0, LOG_LOSS = 1 };

#define REAL double
#define BITS uint64_t
#define NAME(name) name##_f64
#define MANTISSA 52
#define EXPONENT_BIAS 1023
#define EXP_MIN -708.0
#define EXP_MAX 709.0
#define TANH_FLAT 20.0   /* tanh(x) is 1 to rounding beyond */
#define LN2_HIGH 0x1.62e42fefa38p-1
#define LN2_LOW 0x1.ef35793c7673p-45
#define ROUND_SHIFT 0x1.8p52
#define EXP_TAYLOR(r) ((((((((((((r / 6227020800.0 + 1 / 479001600.0) * r + 1 / 39916800.0) * r \
    + 1 / 3628800.0) * r + 1 / 362880.0) * r + 1 / 40320.0) * r + 1 / 5040.0) * r + 1 / 720.0) * r \
    + 1 / 120.0) * r + 1 / 24.0) * r + 1 / 6.0) * r + 0.5) * r * r + r)
#include "layer_loops_template.h"
#undef REAL
#undef BITS
#undef NAME
#undef MANTISSA
#undef EXPONENT_BIAS
#undef EXP_MIN
#undef EXP_MAX
#undef TANH_FLAT
#undef LN2_HIGH
#undef LN2_LOW
#undef ROUND_SHIFT
#undef EXP_TAYLOR

#define REAL float
#define BITS uint32_t
#define NAME(name) name##_f32
#define MANTISSA 23
#define EXPONENT_BIAS 127
#define EXP_MIN -87.0f
#define EXP_MAX 88.0f
#define TANH_FLAT 9.5f
#define LN2_HIGH 0x1.62e4p-1f
#define LN2_LOW 0x1.7f7d1cp-20f
#define ROUND_SHIFT 0x1.8p23f
#define EXP_TAYLOR(r) ((((((r / 5040.0f + 1 / 720.0f) * r + 1 / 120.0f) * r + 1 / 24.0f) * r \
    + 1 / 6.0f) * r + 0.5f) * r * r + r)
#include "layer_loops_template.h"
#undef REAL
#undef BITS
#undef NAME
#undef MANTISSA
#undef EXPONENT_BIAS
#undef EXP_MIN
#undef EXP_MAX
#undef TANH_FLAT
#undef LN2_HIGH
#undef LN2_LOW
#undef ROUND_SHIFT
#undef EXP_TAYLOR

#endif

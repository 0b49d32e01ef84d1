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
/* atanh(s) / s - 1 for |s| <= 1/3, by s^2 */
#define ATANH_TAYLOR(q) ((((((((((((((((q / 33 + 1 / 31.0) * q + 1 / 29.0) * q + 1 / 27.0) * q \
    + 1 / 25.0) * q + 1 / 23.0) * q + 1 / 21.0) * q + 1 / 19.0) * q + 1 / 17.0) * q + 1 / 15.0) * q \
    + 1 / 13.0) * q + 1 / 11.0) * q + 1 / 9.0) * q + 1 / 7.0) * q + 1 / 5.0) * q + 1 / 3.0) * q)
#define TAIL_FLAT 37.5 /* of the normal distribution nothing is left beyond */
#define SPLIT_MASK 0xfffffffff8000000u /* 26 digits, whose square is exact */
#define NORMAL_TAIL(t) (((((((((((((((((((((( \
    2.25226251907262323e-9) * t \
    + 7.71539842541520315e-9) * t \
    + -1.06024045907218475e-8) * t \
    + -6.68694316439831071e-8) * t \
    + 4.36070416877434468e-8) * t \
    + 4.34609477088881568e-7) * t \
    + -3.37289788077746192e-7) * t \
    + -2.77038684063077106e-6) * t \
    + 3.98104686906930038e-6) * t \
    + 1.66817084138842179e-5) * t \
    + -4.97628024492822370e-5) * t \
    + -5.93758612173880587e-5) * t \
    + 5.44899051514387860e-4) * t \
    + -7.97869376703588194e-4) * t \
    + -2.99337676766641600e-3) * t \
    + 2.07950667978333358e-2) * t \
    + -6.91186387065777338e-2) * t \
    + 1.65020366170483693e-1) * t \
    + -3.13533156671294070e-1) * t \
    + 4.95305615969974533e-1) * t \
    + -6.65382502890056815e-1) * t \
    + 7.69193049750062965e-1)
#include "../common/elementary_template.h"
#include "layer_loops_template.h"
#include "loss_loops_template.h"
#include "dropout_loops_template.h"
#include "sparse_loops_template.h"
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
#undef ATANH_TAYLOR
#undef TAIL_FLAT
#undef SPLIT_MASK
#undef NORMAL_TAIL

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
#define ATANH_TAYLOR(q) ((((((((q / 17 + 1 / 15.0f) * q + 1 / 13.0f) * q + 1 / 11.0f) * q + 1 / 9.0f) * q \
    + 1 / 7.0f) * q + 1 / 5.0f) * q + 1 / 3.0f) * q)
#define TAIL_FLAT 13.0f
#define SPLIT_MASK 0xfffff000u
#define NORMAL_TAIL(t) (((((((((( \
    3.680492080e-4f) * t \
    + -1.060908861e-3f) * t \
    + -3.015481393e-3f) * t \
    + 2.089468437e-2f) * t \
    + -6.909332531e-2f) * t \
    + 1.650072693e-1f) * t \
    + -3.135364799e-1f) * t \
    + 4.953062531e-1f) * t \
    + -6.653824085e-1f) * t \
    + 7.691930439e-1f)
#include "../common/elementary_template.h"
#include "layer_loops_template.h"
#include "loss_loops_template.h"
#include "dropout_loops_template.h"
#include "sparse_loops_template.h"
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
#undef ATANH_TAYLOR
#undef TAIL_FLAT
#undef SPLIT_MASK
#undef NORMAL_TAIL

#endif

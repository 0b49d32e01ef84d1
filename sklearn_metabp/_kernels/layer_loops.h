/* The elementwise loops of a layer, for float32 (suffix _f32) and float64 (suffix _f64). */
#ifndef SKLEARN_METABP_LAYER_LOOPS_H
#define SKLEARN_METABP_LAYER_LOOPS_H

#include "clones.h"
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
#define NORMAL_TAIL(t) ((((((((((((((((((((((( \
    -2.31613107007825109e-10) * t \
    + -5.68627661680221152e-10) * t \
    + 1.82569259282196185e-9) * t \
    + 5.68492943912918159e-9) * t \
    + -1.09963871699183960e-8) * t \
    + -3.91606793554609146e-8) * t \
    + 7.71101117469110214e-8) * t \
    + 2.43339850556268757e-7) * t \
    + -6.75081243321623960e-7) * t \
    + -1.27007189658800951e-6) * t \
    + 6.64442264648786744e-6) * t \
    + 9.61304777498969805e-7) * t \
    + -6.04274832522787983e-5) * t \
    + 1.34276843616184906e-4) * t \
    + 2.19550737710579716e-4) * t \
    + -2.37884435671374371e-3) * t \
    + 8.99137055058039577e-3) * t \
    + -2.34139004876908574e-2) * t \
    + 4.78553522841705400e-2) * t \
    + -8.08838772641274555e-2) * t \
    + 1.16068811886003284e-1) * t \
    + -1.43457555264011972e-1) * t \
    + 7.69193049750062959e-2)
#include "elementary_template.h"
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
#define NORMAL_TAIL(t) ((((((((((( \
    -1.992133422e-5f) * t \
    + 1.872608027e-4f) * t \
    + 2.258014391e-4f) * t \
    + -2.400418819e-3f) * t \
    + 8.983699807e-3f) * t \
    + -2.341098326e-2f) * t \
    + 4.785663910e-2f) * t \
    + -8.088403264e-2f) * t \
    + 1.160687486e-1f) * t \
    + -1.434575524e-1f) * t \
    + 7.691930544e-2f)
#include "elementary_template.h"
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

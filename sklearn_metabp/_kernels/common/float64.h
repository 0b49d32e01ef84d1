/* float64: the type, and the numbers of it that loops use. Included by each_precision.h. */
#define REAL double
#define BITS uint64_t
#define NAME(name) name##_f64
#define SQRT sqrt
#define TINY DBL_MIN
#define EXPONENT_BITS 0x7ff0000000000000u /* all ones in NaN and infinity */
#define MANTISSA 52
#define EXPONENT_BIAS 1023
#define EXP_MIN -708.0
#define EXP_MAX 709.0
#define TANH_FLAT 20.0 /* tanh(x) is 1 to rounding beyond */
#define LN2_HIGH 0x1.62e42fefa38p-1
#define LN2_LOW 0x1.ef35793c7673p-45
#define ROUND_SHIFT 0x1.8p52
#define EXP_TAYLOR(r) ((((((((((((r / 6227020800.0 + 1 / 479001600.0) * r + 1 / 39916800.0) * r \
    + 1 / 3628800.0) * r + 1 / 362880.0) * r + 1 / 40320.0) * r + 1 / 5040.0) * r + 1 / 720.0) * r \
    + 1 / 120.0) * r + 1 / 24.0) * r + 1 / 6.0) * r + 0.5) * r * r + r)
/* atanh(s) / s - 1 for |s| <= 1/3, by s^2 */
#define ATANH_TAYLOR(q) ((((((((((((((((q / 33 + 1 / 31.0) * q + 1 / 29.0) * q + 1 / 27.0) * q \
    + 1 / 25.0) * q + 1 / 23.0) * q + 1 / 21.0) * q + 1 / 19.0) * q + 1 / 17.0) * q \
    + 1 / 15.0) * q + 1 / 13.0) * q + 1 / 11.0) * q + 1 / 9.0) * q + 1 / 7.0) * q + 1 / 5.0) * q \
    + 1 / 3.0) * q)
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

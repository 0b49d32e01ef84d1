/* float64: the type, and the numbers of it that loops use. Included by each_precision.h. */
#define REAL double
#define BITS uint64_t
#define NAME(name) name##_f64
#define SQRT sqrt
#define TINY DBL_MIN
#define EXPONENT_BITS 0x7ff0000000000000u /* all ones in NaN and infinity */
#define MANTISSA 52
#define SUM_LANES 8 /* numbers that are added at once */
#define EXPONENT_BIAS 1023
#define EXP_MIN -708.0
#define EXP_MAX 709.0
#define TANH_FLAT 20.0 /* tanh(x) is 1 to rounding beyond */
#define LN2_HIGH 0x1.62e42fefa38p-1
#define LN2_LOW 0x1.ef35793c7673p-45
#define ROUND_SHIFT 0x1.8p52
/* exp and atanh: docs/design/exp_polynomials.py prints them */
#define EXP_EVEN(q) ((((2.76201387197339956e-7 * q + 2.48015211902177277e-5) * q \
    + 1.38888889172817933e-3) * q + 4.16666666666239915e-2) * q + 5.00000000000000103e-1)
#define EXP_ODD(q) ((((2.51004241570050673e-8 * q + 2.75572683786841929e-6) * q \
    + 1.98412698631059687e-4) * q + 8.33333333333005135e-3) * q + 1.66666666666666675e-1)
#define ATANH_EVEN(qq) (((((7.81528890046142571e-2 * qq + 5.42258919744000748e-2) * qq \
    + 6.66758931572462792e-2) * qq + 9.09090994898135719e-2) * qq \
    + 1.42857142858000496e-1) * qq + 3.33333333333333334e-1)
#define ATANH_ODD(qq) ((((3.74607189777538337e-2 * qq + 5.86713953065159872e-2) * qq \
    + 7.69227198243027464e-2) * qq + 1.11111110991183853e-1) * qq + 1.99999999999997613e-1)
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

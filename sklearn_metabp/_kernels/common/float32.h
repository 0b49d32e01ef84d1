/* float32: the type, and the numbers of it that loops use. Included by each_precision.h. */
#define REAL float
#define BITS uint32_t
#define NAME(name) name##_f32
#define SQRT sqrtf
#define TINY FLT_MIN
#define EXPONENT_BITS 0x7f800000u
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
#define ATANH_TAYLOR(q) ((((((((q / 17 + 1 / 15.0f) * q + 1 / 13.0f) * q + 1 / 11.0f) * q \
    + 1 / 9.0f) * q + 1 / 7.0f) * q + 1 / 5.0f) * q + 1 / 3.0f) * q)
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

/* float32: the type, and the numbers of it that loops use. Included by each_precision.h. */
#define REAL float
#define BITS uint32_t
#define NAME(name) name##_f32
#define SQRT sqrtf
#define TINY FLT_MIN
#define EXPONENT_BITS 0x7f800000u
#define MANTISSA 23
#define SUM_LANES 16
#define EXPONENT_BIAS 127
#define EXP_MIN -87.0f
#define EXP_MAX 88.0f
#define TANH_FLAT 9.5f
#define LN2_HIGH 0x1.62e4p-1f
#define LN2_LOW 0x1.7f7d1cp-20f
#define ROUND_SHIFT 0x1.8p23f
#define EXP_EVEN(q) ((1.392621347e-3f * q + 4.166655444e-2f) * q + 5.000000000e-1f)
#define EXP_ODD(q) (8.363202972e-3f * q + 1.666657685e-1f)
#define ATANH_EVEN(qq) ((1.161216461e-1f * qq + 1.429617900e-1f) * qq + 3.333333366e-1f)
#define ATANH_ODD(qq) (1.085328790e-1f * qq + 1.999985317e-1f)
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

/* The elementwise loops of the update rules, for float32 (suffix _f32) and float64 (suffix _f64). */
#ifndef SKLEARN_METABP_RULE_LOOPS_H
#define SKLEARN_METABP_RULE_LOOPS_H

#include "../common/clones.h"

#define REAL double
#define BITS uint64_t
#define NAME(name) name##_f64
#define SQRT sqrt
#define EXPONENT_BITS 0x7ff0000000000000u
#include "rule_loops_template.h"
#undef REAL
#undef BITS
#undef NAME
#undef SQRT
#undef EXPONENT_BITS

#define REAL float
#define BITS uint32_t
#define NAME(name) name##_f32
#define SQRT sqrtf
#define EXPONENT_BITS 0x7f800000u
#include "rule_loops_template.h"
#undef REAL
#undef BITS
#undef NAME
#undef SQRT
#undef EXPONENT_BITS

#endif

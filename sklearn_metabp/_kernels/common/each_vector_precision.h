/* Included by each_target.h: TEMPLATE for float64 and float32, with vectors of one target. */
#include "float64.h"
#define FMA FMA_f64
#include "vector_type.h"
#include TEMPLATE
#undef V
#undef LOOSE_V
#undef LANES
#undef FMA
#include "end_of_precision.h"

#include "float32.h"
#define FMA FMA_f32
#include "vector_type.h"
#include TEMPLATE
#undef V
#undef LOOSE_V
#undef LANES
#undef FMA
#include "end_of_precision.h"

#undef TARGET
#undef VECTOR_BYTES
#undef FMA_f64
#undef FMA_f32
#undef ROWS_1
#undef ROWS_2
#undef ROWS_3

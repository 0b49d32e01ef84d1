/* Includes the file that TEMPLATE names once for float64 and once for float32.
 *
 * In a template REAL is the type and NAME(loop) the function loop_f64 or loop_f32. The path in
 * TEMPLATE is relative to this folder. This header has no guard: each header of loops includes it.
 */
#include <float.h>

#include "clones.h"

#include "float64.h"
#include TEMPLATE
#include "end_of_precision.h"

#include "float32.h"
#include TEMPLATE
#include "end_of_precision.h"

#undef TEMPLATE

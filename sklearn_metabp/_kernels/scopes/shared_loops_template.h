/* Included by shared_loops.h, once per precision. */

/* Return 1 / sqrt(mean of w^2), and 0 where all are 0. */
CLONES UNUSED static double NAME(inverse_rms)(const REAL *restrict w, int64_t n)
{
    double squares = 0;
    for (int64_t i = 0; i < n; i++) squares += (double)w[i] * w[i];
    return squares > 0 ? 1 / sqrt(squares / n) : 0;
}

#if MANTISSA == 52
#define X86_NARROW(operation) _mm_##operation##_pd
#define X86_WIDE(operation) _mm256_##operation##_pd
#else
#define X86_NARROW(operation) _mm_##operation##_ps
#define X86_WIDE(operation) _mm256_##operation##_ps
#endif
#define STRIP_TEMPLATE "vector_template.h"
#include "each_width.h"
#undef X86_NARROW
#undef X86_WIDE

#define STRIP_TEMPLATE "mlp_strip_template.h"
#include "each_width.h"

/* Run the MLP on the inputs of a block of `count`, which are in its workspace, one row of BLOCK
 * lanes per input. */
UNUSED static void NAME(run_mlp)(const SmallMLP *mlp, int64_t count)
{
    REAL *inputs = mlp->workspace;
    const REAL *centre = mlp->centre;
    if (centre)
        for (int64_t k = 0; k < mlp->sizes[0]; k++)
            for (int64_t i = 0; i < count; i++) inputs[k * BLOCK + i] -= centre[k];
#if defined(WIDE_VECTORS)
    if (HAS_WIDE_VECTORS) {
        NAME(all_outputs_wide)(mlp, count);
        return;
    }
#endif
    NAME(all_outputs_narrow)(mlp, count);
}

/* Included by shared_loops.h, once per precision. */

/* Return 1 / sqrt(mean of w^2), and 0 where all are 0. */
CLONES UNUSED static double NAME(inverse_rms)(const REAL *restrict w, int64_t n)
{
    double squares = 0;
    for (int64_t i = 0; i < n; i++) squares += (double)w[i] * w[i];
    return squares > 0 ? 1 / sqrt(squares / n) : 0;
}

#define VECTOR NAME(narrow)
#define VECTOR_BYTES 16
#define LAYER NAME(mlp_layer_narrow)
#define TARGET
#include "mlp_layer_template.h"
#undef VECTOR
#undef VECTOR_BYTES
#undef LAYER
#undef TARGET

#if defined(WIDE_VECTORS)
#define VECTOR NAME(wide)
#define VECTOR_BYTES 32
#define LAYER NAME(mlp_layer_wide)
#define TARGET __attribute__((target("avx2,fma")))
#include "mlp_layer_template.h"
#undef VECTOR
#undef VECTOR_BYTES
#undef LAYER
#undef TARGET
#endif

UNUSED static void NAME(mlp_layer)(const REAL *weights, const REAL *biases, int64_t fan_in,
                                   int64_t fan_out, int64_t count, const REAL *in, REAL *out)
{
#if defined(WIDE_VECTORS)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        NAME(mlp_layer_wide)(weights, biases, fan_in, fan_out, count, in, out);
        return;
    }
#endif
    NAME(mlp_layer_narrow)(weights, biases, fan_in, fan_out, count, in, out);
}

/* The MLP of a block: `in` holds the inputs; the answer is where the return value points. */
UNUSED static REAL *NAME(mlp_block)(const REAL *params, const int64_t *sizes, int64_t n_layers,
                                    int hidden, int output, int64_t count, REAL *in, REAL *out)
{
    const REAL *weights = params, *biases = params;
    /* Whole vectors, if there are more than two: values beyond the count are not used. */
    const int64_t padded = count > 2 ? (count + 7) / 8 * 8 : count;
    for (int64_t l = 0; l < n_layers; l++) biases += sizes[l] * sizes[l + 1];
    for (int64_t l = 0; l < n_layers; l++) {
        NAME(mlp_layer)(weights, biases, sizes[l], sizes[l + 1], count, in, out);
        for (int64_t h = 0; h < sizes[l + 1]; h++)
            NAME(activate)(l + 1 < n_layers ? hidden : output, out + h * BLOCK, padded);
        weights += sizes[l] * sizes[l + 1];
        biases += sizes[l + 1];
        REAL *swap = in;
        in = out;
        out = swap;
    }
    return in;
}

/* Run the MLP on the inputs of a block of `count`, which are in its workspace, one row of BLOCK
 * lanes per input. Return where the outputs are. */
UNUSED static const REAL *NAME(run_mlp)(const SmallMLP *mlp, int64_t count)
{
    REAL *inputs = mlp->workspace;
    const REAL *centre = mlp->centre;
    if (centre)
        for (int64_t k = 0; k < mlp->sizes[0]; k++)
            for (int64_t i = 0; i < count; i++) inputs[k * BLOCK + i] -= centre[k];
    return NAME(mlp_block)(mlp->params, mlp->sizes, mlp->n_layers, mlp->hidden, mlp->output, count,
                           inputs, mlp->spare);
}

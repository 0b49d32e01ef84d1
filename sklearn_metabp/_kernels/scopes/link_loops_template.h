/* Included once per precision by link_loops.h. */

LANE REAL NAME(clip)(REAL z)
{
    z = z > 10 ? 10 : z;
    return z < -10 ? -10 : z;
}

CLONES UNUSED static double NAME(inverse_rms)(const REAL *restrict w, int64_t n)
{
    double squares = 0;
    for (int64_t i = 0; i < n; i++) squares += (double)w[i] * w[i];
    return squares > 0 ? 1 / sqrt(squares / n) : 0;
}

/* What links remember where an input asks for it; NULL where none does. */
typedef struct {
    REAL *peak, *norm, *last, *strides;
} NAME(Memory);

/* Which way against the gradient is. */
LANE REAL NAME(downhill)(REAL g) { return (REAL)((g < 0) - (g > 0)); }

/* Advance the history of `count` links, the first being number `first` of its tensor, and write
 * their inputs, one row of BLOCK lanes per input, and their unit. */
CLONES UNUSED static void NAME(link_block)(
    const Tensor *tensor, const REAL *restrict g, const REAL *restrict w, REAL *restrict m_5,
    REAL *restrict m_9, REAL *restrict m_99, REAL *restrict v_9, REAL *restrict v_999,
    const NAME(Memory) *memory, int64_t first, int64_t count, const int64_t *restrict codes,
    int64_t n_inputs, REAL *restrict inputs, REAL *restrict unit)
{
    REAL *restrict peak = memory->peak, *restrict norm = memory->norm;
    const REAL *restrict last = memory->last, *restrict strides = memory->strides;
    REAL fast[BLOCK], slow[BLOCK];
    const REAL root_9 = (REAL)(1 / sqrt(tensor->correction_9));
    const REAL root_999 = (REAL)(1 / sqrt(tensor->correction_999));
    const REAL epsilon = (REAL)tensor->epsilon;
    const REAL *restrict activations = tensor->activations, *restrict deltas = tensor->deltas;
    for (int64_t i = 0; i < count; i++) {
        m_5[i] = (REAL)0.5 * m_5[i] + (REAL)0.5 * g[i];
        m_9[i] = (REAL)0.9 * m_9[i] + (REAL)(1 - 0.9) * g[i];
        m_99[i] = (REAL)0.99 * m_99[i] + (REAL)(1 - 0.99) * g[i];
        v_9[i] = (REAL)0.9 * v_9[i] + (REAL)(1 - 0.9) * g[i] * g[i];
        v_999[i] = (REAL)0.999 * v_999[i] + (REAL)(1 - 0.999) * g[i] * g[i];
        unit[i] = SQRT(v_9[i]) * root_9 + epsilon;
        fast[i] = 1 / unit[i];
        slow[i] = 1 / (SQRT(v_999[i]) * root_999 + epsilon);
    }
    if (peak)
        for (int64_t i = 0; i < count; i++) {
            const REAL size = g[i] < 0 ? -g[i] : g[i];
            peak[i] = (REAL)0.999 * peak[i] > size ? (REAL)0.999 * peak[i] : size;
        }
    if (norm)
        for (int64_t i = 0; i < count; i++) norm[i] += g[i] * g[i];
    for (int64_t k = 0; k < n_inputs; k++) {
        REAL *restrict z = inputs + k * BLOCK;
        const int64_t code = codes[k];
        const REAL *restrict scale = code < GRADIENT_SLOW ? fast : slow;
        REAL constant = 0;
        switch (code) {
        case GRADIENT_FAST: case GRADIENT_SLOW:
            for (int64_t i = 0; i < count; i++) z[i] = NAME(clip)(g[i] * scale[i]);
            continue;
        case MOMENTUM_5_FAST: case MOMENTUM_5_SLOW:
            constant = (REAL)1 / (REAL)tensor->correction_5;
            for (int64_t i = 0; i < count; i++) z[i] = NAME(clip)(m_5[i] * scale[i] * constant);
            continue;
        case MOMENTUM_9_FAST: case MOMENTUM_9_SLOW:
            constant = (REAL)1 / (REAL)tensor->correction_9;
            for (int64_t i = 0; i < count; i++) z[i] = NAME(clip)(m_9[i] * scale[i] * constant);
            continue;
        case MOMENTUM_99_FAST: case MOMENTUM_99_SLOW:
            constant = (REAL)1 / (REAL)tensor->correction_99;
            for (int64_t i = 0; i < count; i++) z[i] = NAME(clip)(m_99[i] * scale[i] * constant);
            continue;
        case RMS_RATIO:
            for (int64_t i = 0; i < count; i++) z[i] = NAME(clip)(unit[i] * slow[i]);
            continue;
        case WEIGHT:
            constant = (REAL)tensor->inverse_weight_rms;
            for (int64_t i = 0; i < count; i++) z[i] = NAME(clip)(w[i] * constant);
            continue;
        case ACTIVATION:
            for (int64_t i = 0; i < count; i++)
                z[i] = activations ? NAME(clip)(activations[(first + i) / tensor->fan_out]) : 1;
            continue;
        case DELTA:
            for (int64_t i = 0; i < count; i++)
                z[i] = NAME(clip)(deltas[(first + i) % tensor->fan_out]);
            continue;
        case GRADIENT_PEAK:
            for (int64_t i = 0; i < count; i++) z[i] = NAME(clip)(g[i] / (peak[i] + epsilon));
            continue;
        case MOMENTUM_9_PEAK:
            constant = (REAL)1 / (REAL)tensor->correction_9;
            for (int64_t i = 0; i < count; i++) z[i] = NAME(clip)(m_9[i] * constant / (peak[i] + epsilon));
            continue;
        case GRADIENT_NORM:
            for (int64_t i = 0; i < count; i++) z[i] = NAME(clip)(g[i] / (SQRT(norm[i]) + epsilon));
            continue;
        case LAST_STEP:
            for (int64_t i = 0; i < count; i++)
                z[i] = NAME(clip)(NAME(downhill)(g[i]) * last[i] / strides[i]);
            continue;
        case IS_BIAS: constant = (REAL)tensor->is_bias; break;
        case IS_OUTPUT: constant = (REAL)tensor->is_output; break;
        case DEPTH: constant = (REAL)tensor->depth; break;
        case WARMUP_9: constant = (REAL)tensor->correction_9; break;
        case WARMUP_99: constant = (REAL)tensor->correction_99; break;
        case WARMUP_999: constant = (REAL)tensor->correction_999; break;
        }
        for (int64_t i = 0; i < count; i++) z[i] = constant;
    }
}

#define VECTOR NAME(narrow)
#define VECTOR_BYTES 16
#define LAYER NAME(mlp_layer_narrow)
#define TARGET
#include "../common/mlp_layer_template.h"
#undef VECTOR
#undef VECTOR_BYTES
#undef LAYER
#undef TARGET

#if defined(WIDE_VECTORS)
#define VECTOR NAME(wide)
#define VECTOR_BYTES 32
#define LAYER NAME(mlp_layer_wide)
#define TARGET __attribute__((target("avx2,fma")))
#include "../common/mlp_layer_template.h"
#undef VECTOR
#undef VECTOR_BYTES
#undef LAYER
#undef TARGET
#endif

UNUSED static void NAME(mlp_layer)(const REAL *weights, const REAL *biases, int64_t fan_in, int64_t fan_out,
                                   int64_t count, const REAL *in, REAL *out)
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
UNUSED static REAL *NAME(mlp_block)(const REAL *params, const int64_t *sizes, int64_t n_layers, int hidden,
                                    int output, int64_t count, REAL *in, REAL *out)
{
    const REAL *weights = params, *biases = params;
    /* Whole vectors, where it is more than one or two: what is beyond the count is not looked at. */
    const int64_t padded = count > 2 ? (count + 7) / 8 * 8 : count;
    for (int64_t l = 0; l < n_layers; l++) biases += sizes[l] * sizes[l + 1];
    for (int64_t l = 0; l < n_layers; l++) {
        NAME(mlp_layer)(weights, biases, sizes[l], sizes[l + 1], count, in, out);
        for (int64_t h = 0; h < sizes[l + 1]; h++)
            NAME(activate)(l + 1 < n_layers ? hidden : output, out + h * BLOCK, padded);
        weights += sizes[l] * sizes[l + 1];
        biases += sizes[l + 1];
        REAL *swap = in; in = out; out = swap;
    }
    return in;
}

/* Delta w = scale * unit * answer; a link that never saw a gradient stays, NaN is NaN. One that has taken no
 * step yet takes, in units of its stride, one of first_step. */
CLONES UNUSED static void NAME(link_updates)(const REAL *restrict answer, const REAL *restrict g,
                                             const REAL *restrict rms, const REAL *restrict v_999,
                                             const NAME(Memory) *memory, int64_t count, REAL scale, int unit,
                                             REAL first_step, REAL *restrict updates)
{
    REAL *restrict last = memory->last, *restrict strides = memory->strides;
    for (int64_t i = 0; i < count; i++) {
        REAL u = scale * answer[i];
        if (unit == UNIT_RMS) u *= rms[i];
        if (unit == UNIT_STRIDE)
            u = NAME(downhill)(g[i]) * (strides[i] > TINY ? strides[i] * u : first_step);
        updates[i] = v_999[i] == 0 ? 0 : u;
    }
    if (last)
        for (int64_t i = 0; i < count; i++) {
            const REAL size = updates[i] < 0 ? -updates[i] : updates[i];
            strides[i] = size > strides[i] / 4 ? size : strides[i];
            last[i] = updates[i];
        }
}

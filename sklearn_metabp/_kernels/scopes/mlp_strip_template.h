/* Included by shared_loops_template.h, once per vector width: the small MLP of a strip.
 *
 * Predictions lie in the lanes of vectors, and the numbers of the MLP are broadcast. Four neurons of
 * the two vectors of a strip are eight sums in registers, so a number that was broadcast is used
 * twice and an input four times; the compiler does not find this by itself. Every sum begins with
 * the bias and goes through the inputs in their order.
 */

/* Values of four neurons a to d in the two vectors of a strip. */
typedef struct {
    VECTOR a0, a1, b0, b1, c0, c1, d0, d1;
} VARIANT(Four);
#define FOUR VARIANT(Four)
/* Values of one neuron. */
typedef struct {
    VECTOR a0, a1;
} VARIANT(One);

/* Return net inputs of four neurons. A row of `in`, which is an input, has `stride` values. */
TARGET LANE FOUR VARIANT(four_neurons)(const REAL *weights, const REAL *biases, int64_t fan_in,
                                       int64_t fan_out, const REAL *in, int64_t stride)
{
    VECTOR a0 = EVERYWHERE(biases[0]), b0 = EVERYWHERE(biases[1]);
    VECTOR c0 = EVERYWHERE(biases[2]), d0 = EVERYWHERE(biases[3]);
    VECTOR a1 = a0, b1 = b0, c1 = c0, d1 = d0;
    for (int64_t k = 0; k < fan_in; k++) {
        const VECTOR *source = (const VECTOR *)(in + k * stride);
        const REAL *row = weights + k * fan_out;
        const VECTOR x0 = source[0], x1 = source[1];
        const VECTOR a = EVERYWHERE(row[0]), b = EVERYWHERE(row[1]);
        const VECTOR c = EVERYWHERE(row[2]), d = EVERYWHERE(row[3]);
        a0 = PRODUCT_PLUS(a, x0, a0), a1 = PRODUCT_PLUS(a, x1, a1);
        b0 = PRODUCT_PLUS(b, x0, b0), b1 = PRODUCT_PLUS(b, x1, b1);
        c0 = PRODUCT_PLUS(c, x0, c0), c1 = PRODUCT_PLUS(c, x1, c1);
        d0 = PRODUCT_PLUS(d, x0, d0), d1 = PRODUCT_PLUS(d, x1, d1);
    }
    const FOUR sums = {a0, a1, b0, b1, c0, c1, d0, d1};
    return sums;
}

/* Return the net input of one neuron. */
TARGET LANE ONE VARIANT(one_neuron)(const REAL *weights, REAL bias, int64_t fan_in, int64_t fan_out,
                                    const REAL *in, int64_t stride)
{
    VECTOR a0 = EVERYWHERE(bias), a1 = a0;
    for (int64_t k = 0; k < fan_in; k++) {
        const VECTOR *source = (const VECTOR *)(in + k * stride), a = EVERYWHERE(weights[k * fan_out]);
        a0 = PRODUCT_PLUS(a, source[0], a0), a1 = PRODUCT_PLUS(a, source[1], a1);
    }
    const ONE sums = {a0, a1};
    return sums;
}

/* Apply a function to net inputs. NaN stays NaN. */
TARGET LANE FOUR VARIANT(activate_four)(int function, FOUR x)
{
    if (function == RELU) {
        const VECTOR zero = EVERYWHERE(0);
        x.a0 = GREATEST(zero, x.a0), x.a1 = GREATEST(zero, x.a1);
        x.b0 = GREATEST(zero, x.b0), x.b1 = GREATEST(zero, x.b1);
        x.c0 = GREATEST(zero, x.c0), x.c1 = GREATEST(zero, x.c1);
        x.d0 = GREATEST(zero, x.d0), x.d1 = GREATEST(zero, x.d1);
    } else if (function != IDENTITY) {
        FOUR in_memory = x;
        NAME(activate)(function, (REAL *)&in_memory, 4 * STRIP);
        x = in_memory;
    }
    return x;
}

TARGET LANE ONE VARIANT(activate_one)(int function, ONE x)
{
    if (function != IDENTITY) {
        ONE in_memory = x;
        NAME(activate)(function, (REAL *)&in_memory, STRIP);
        x = in_memory;
    }
    return x;
}

/* Write the values of a layer, whose rows, which are neurons, have `out_stride` values. */
TARGET UNUSED static void VARIANT(mlp_layer)(const REAL *weights, const REAL *biases,
                                             int64_t fan_in, int64_t fan_out, int function,
                                             const REAL *in, int64_t stride, REAL *out,
                                             int64_t out_stride)
{
    int64_t h = 0;
    for (; h + 4 <= fan_out; h += 4, out += 4 * out_stride) {
        const FOUR x = VARIANT(activate_four)(
            function, VARIANT(four_neurons)(weights + h, biases + h, fan_in, fan_out, in, stride));
        const VECTOR values[] = {x.a0, x.a1, x.b0, x.b1, x.c0, x.c1, x.d0, x.d1};
        for (int i = 0; i < 8; i++) ((VECTOR *)(out + i / 2 * out_stride))[i % 2] = values[i];
    }
    for (; h < fan_out; h++, out += out_stride) {
        const ONE x = VARIANT(activate_one)(
            function, VARIANT(one_neuron)(weights + h, biases[h], fan_in, fan_out, in, stride));
        ((VECTOR *)out)[0] = x.a0, ((VECTOR *)out)[1] = x.a1;
    }
}

/* Write the values of the first layers, and return where those of the last of them are, in rows of
 * STRIP values. Weights and biases move on. */
TARGET UNUSED static const REAL *VARIANT(hidden_layers)(const SmallMLP *mlp, int64_t n_layers,
                                                        const REAL **weights, const REAL **biases,
                                                        const REAL *in, int64_t stride)
{
    /* Both halves hold the widest layer: a strip is at most half a block. */
    REAL *next = mlp->spare, *other = next + BLOCK / 2 * mlp->widest;
    for (int64_t l = 0; l < n_layers; l++) {
        const int64_t fan_in = mlp->sizes[l], fan_out = mlp->sizes[l + 1];
        VARIANT(mlp_layer)(*weights, *biases, fan_in, fan_out, mlp->hidden, in, stride, next, STRIP);
        *weights += fan_in * fan_out, *biases += fan_out;
        in = next, stride = STRIP, next = other, other = (REAL *)in;
    }
    return in;
}

/* Return the net input of the only neuron behind a hidden layer, whose values do not leave the
 * registers. */
TARGET LANE ONE VARIANT(neuron_behind)(const REAL *weights, const REAL *biases, int64_t fan_in,
                                       int64_t n_hidden, int function, const REAL *in,
                                       int64_t stride)
{
    const REAL *behind = weights + fan_in * n_hidden;
    ONE sum;
    sum.a0 = sum.a1 = EVERYWHERE(biases[n_hidden]);
    int64_t h = 0;
    for (; h + 4 <= n_hidden; h += 4) {
        const FOUR x = VARIANT(activate_four)(
            function, VARIANT(four_neurons)(weights + h, biases + h, fan_in, n_hidden, in, stride));
        const VECTOR a = EVERYWHERE(behind[h]), b = EVERYWHERE(behind[h + 1]);
        const VECTOR c = EVERYWHERE(behind[h + 2]), d = EVERYWHERE(behind[h + 3]);
        sum.a0 = PRODUCT_PLUS(a, x.a0, sum.a0), sum.a1 = PRODUCT_PLUS(a, x.a1, sum.a1);
        sum.a0 = PRODUCT_PLUS(b, x.b0, sum.a0), sum.a1 = PRODUCT_PLUS(b, x.b1, sum.a1);
        sum.a0 = PRODUCT_PLUS(c, x.c0, sum.a0), sum.a1 = PRODUCT_PLUS(c, x.c1, sum.a1);
        sum.a0 = PRODUCT_PLUS(d, x.d0, sum.a0), sum.a1 = PRODUCT_PLUS(d, x.d1, sum.a1);
    }
    for (; h < n_hidden; h++) {
        const ONE x = VARIANT(activate_one)(
            function, VARIANT(one_neuron)(weights + h, biases[h], fan_in, n_hidden, in, stride));
        const VECTOR a = EVERYWHERE(behind[h]);
        sum.a0 = PRODUCT_PLUS(a, x.a0, sum.a0), sum.a1 = PRODUCT_PLUS(a, x.a1, sum.a1);
    }
    return sum;
}

/* Return the output of an MLP with one output. `in` holds the inputs less the centre, in rows of
 * `stride` values. */
TARGET LANE ONE VARIANT(only_output)(const SmallMLP *mlp, int64_t n_inputs, const REAL *in,
                                     int64_t stride)
{
    const REAL *weights = mlp->params, *biases = mlp->biases;
    const int64_t n_layers = mlp->n_layers;
    if (n_layers == 1)
        return VARIANT(activate_one)(
            mlp->output, VARIANT(one_neuron)(weights, biases[0], n_inputs, 1, in, stride));
    if (n_layers > 2) {
        in = VARIANT(hidden_layers)(mlp, n_layers - 2, &weights, &biases, in, stride);
        return VARIANT(activate_one)(
            mlp->output, VARIANT(neuron_behind)(weights, biases, mlp->sizes[n_layers - 2],
                                                mlp->n_behind, mlp->hidden, in, STRIP));
    }
    return VARIANT(activate_one)(
        mlp->output, VARIANT(neuron_behind)(weights, biases, n_inputs, mlp->n_behind, mlp->hidden,
                                            in, stride));
}

/* Write the outputs of an MLP for a block, one row of BLOCK lanes an output, as its inputs are. */
TARGET UNUSED static void VARIANT(all_outputs)(const SmallMLP *mlp, int64_t count)
{
    const int64_t before = mlp->n_layers - 1;
    for (int64_t lane = 0; lane < count; lane += STRIP) {
        const REAL *weights = mlp->params, *biases = mlp->biases;
        const REAL *in = (const REAL *)mlp->workspace + lane;
        if (before)
            in = VARIANT(hidden_layers)(mlp, before, &weights, &biases, in, BLOCK);
        VARIANT(mlp_layer)(weights, biases, mlp->sizes[before], mlp->sizes[before + 1], mlp->output,
                           in, before ? STRIP : BLOCK, (REAL *)mlp->outputs + lane, BLOCK);
    }
}
#undef FOUR

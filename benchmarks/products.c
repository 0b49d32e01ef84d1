/* The products in tiles as functions that products.py can call: best_target() names the table. */
#include "network/tiles.h"

int best_target(void)
{
    int target = 0;
    while (!has_target(target)) target++;
    return target;
}

const char *name_of(int target) { return target_names[target]; }

int64_t scratch_of(int target, int is_double, int64_t n, int64_t width, int64_t fan_in,
                   int64_t rows)
{
    return products_of[target][is_double]->scratch(n, width, fan_in, rows);
}

void forward(int target, int is_double, int64_t n, int64_t width, int64_t fan_in, const void *x,
             const void *weights, const void *biases, void *out, void *scratch)
{
    products_of[target][is_double]->forward(n, width, fan_in, x, weights, biases, RECTIFY, out,
                                            scratch);
}

void backward(int target, int is_double, int64_t n, int64_t width, int64_t fan_in,
              const void *deltas, const void *weights, const void *x, void *out, void *scratch)
{
    products_of[target][is_double]->backward(n, width, fan_in, deltas, weights, TIMES_RELU_SLOPE,
                                             x, out, scratch);
}

/* The whole gradient, `rows` rows of the weights at a time. */
void gradient(int target, int is_double, int64_t n, int64_t width, int64_t fan_in, int64_t rows,
              const void *x, const void *deltas, void *out, void *scratch)
{
    const Products *products = products_of[target][is_double];
    const int64_t size = is_double ? sizeof(double) : sizeof(float);
    char *const rest = (char *)scratch + products->packed(n, width) * size;
    products->pack_deltas(n, width, deltas, scratch);
    for (int64_t row = 0; row < fan_in; row += rows)
        products->gradient(n, width, fan_in, row, row + rows < fan_in ? row + rows : fan_in,
                           -1.0 / n, x, scratch, (char *)out + row * width * size, rest);
}

/* Included by products_in_tiles.c for each precision. */

/* n values of which some are zero, and some large enough to make the order of a sum visible. */
static REAL *NAME(numbers)(int64_t n)
{
    REAL *const values = malloc((n + GUARD) * sizeof(REAL));
    for (int64_t i = 0; i < n + GUARD; i++)
        values[i] = rand() % 5 ? (REAL)(rand() % 20011 - 10000) / (REAL)(rand() % 1000 + 1) : 0;
    return values;
}

static int NAME(differ)(const char *name, const REAL *a, const REAL *b, int64_t n, int64_t rows,
                        int64_t width, int64_t fan_in)
{
    const int differ = memcmp(a, b, (n + GUARD) * sizeof(REAL)) != 0;
    if (differ)
        printf("%s of %d rows, %d to %d, differs (%d bytes a value)\n", name, (int)rows,
               (int)fan_in, (int)width, (int)sizeof(REAL));
    return differ;
}

/* The number of products of a layer that differ. */
static int NAME(wrong)(const Products *products, int64_t n, int64_t width, int64_t fan_in)
{
    const int64_t chunk = 24, n_scratch = products->scratch(n, width, fan_in, chunk);
    REAL *const x = NAME(numbers)(n * fan_in), *const weights = NAME(numbers)(width * fan_in);
    REAL *const biases = NAME(numbers)(width), *const deltas = NAME(numbers)(n * width);
    REAL *const scratch = NAME(numbers)(n_scratch), *const packed = NAME(numbers)(n_scratch);
    REAL *const largest = NAME(numbers)((n + fan_in) * (width + fan_in));
    REAL *const expected = NAME(numbers)((n + fan_in) * (width + fan_in));
    const REAL scale = (REAL)(-1.0 / 3);
    int n_wrong = 0;
#define EQUAL(name, n_values, ...)                                                              \
    memcpy(expected, largest, ((n_values) + GUARD) * sizeof(REAL));                             \
    for (int64_t i = 0; i < (n_values); i++) __VA_ARGS__                                        \
    products->name;                                                                             \
    n_wrong += NAME(differ)(#name, expected, largest, n_values, n, width, fan_in);

    for (int rectify = 0; rectify < 2; rectify++) {
        EQUAL(forward(n, width, fan_in, x, weights, biases, rectify ? RECTIFY : AS_IT_IS, largest,
                      scratch),
              n * width, {
                  REAL sum = biases[i % width];
                  for (int64_t k = 0; k < fan_in; k++)
                      sum = FUSED(x[i / width * fan_in + k], weights[k * width + i % width], sum);
                  expected[i] = rectify && sum < 0 ? 0 : sum;
              })
        EQUAL(backward(n, width, fan_in, deltas, weights, rectify ? TIMES_RELU_SLOPE : AS_IT_IS, x,
                       largest, scratch),
              n * fan_in, {
                  REAL sum = 0;
                  for (int64_t k = 0; k < width; k++)
                      sum = FUSED(deltas[i / fan_in * width + k], weights[i % fan_in * width + k],
                                  sum);
                  expected[i] = rectify && !(x[i] > 0) ? 0 : sum;
              })
    }
    products->pack_deltas(n, width, deltas, packed);
    for (int64_t row = 0; row < fan_in; row += chunk) {
        const int64_t row_end = row + chunk < fan_in ? row + chunk : fan_in;
        EQUAL(gradient(n, width, fan_in, row, row_end, -1.0 / 3, x, packed, largest, scratch),
              (row_end - row) * width, {
                  REAL sum = 0;
                  for (int64_t k = 0; k < n; k++)
                      sum = FUSED(x[k * fan_in + row + i / width], deltas[k * width + i % width],
                                  sum);
                  expected[i] = sum * scale;
              })
    }
#undef EQUAL
    REAL *const all[] = {x, weights, biases, deltas, scratch, packed, largest, expected};
    for (int i = 0; i < 8; i++) free(all[i]);
    return n_wrong;
}

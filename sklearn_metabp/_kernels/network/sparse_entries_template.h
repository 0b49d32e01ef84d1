/* Included by sparse_entries.h, once per precision. */

typedef struct {
    int32_t column;
    int32_t row; /* of the batch */
    REAL value;
} NAME(Entry);

/* Write the entries of the given rows, sorted by column, those of a column in the order of the
 * rows. Returns where they are, in `entries` or in `others`, or NULL if a column is outside.
 *
 * Columns are sorted by their lowest digit, then by the next, and so on. No digit mixes what the
 * ones before have sorted. Each column is read once, as in sparse_loops_template.h. */
UNUSED static NAME(Entry) *NAME(sort_entries)(NAME(Entry) *entries, NAME(Entry) *others,
                                              const REAL *values, const int32_t *columns,
                                              const int64_t *indptr, const int64_t *rows, int64_t n,
                                              int64_t fan_in)
{
    enum { N_DIGITS = 3, N_VALUES = 1 << DIGIT };
    int32_t starts[N_DIGITS][N_VALUES] = {{0}};
    int64_t n_entries = 0;
    for (int64_t p = 0; p < n; p++)
        for (int64_t k = indptr[rows[p]]; k < indptr[rows[p] + 1]; k++) {
            const int64_t i = READ_INDEX(columns + k);
            if (i >= fan_in) return NULL;
            entries[n_entries++] = (NAME(Entry)){(int32_t)i, (int32_t)p, values[k]};
            for (int digit = 0; digit < N_DIGITS; digit++)
                starts[digit][(i >> digit * DIGIT) % N_VALUES]++;
        }
    for (int digit = 0; digit < N_DIGITS && (fan_in - 1) >> digit * DIGIT; digit++) {
        int32_t *start = starts[digit], before = 0;
        for (int value = 0; value < N_VALUES; value++) {
            const int32_t count = start[value];
            start[value] = before;
            before += count;
        }
        for (int64_t k = 0; k < n_entries; k++)
            others[start[(entries[k].column >> digit * DIGIT) % N_VALUES]++] = entries[k];
        NAME(Entry) *sorted = others;
        others = entries;
        entries = sorted;
    }
    return entries;
}

/* out = scale X^T delta, for the columns from `first` on; the entries are those of n columns.
 * The order of a sum is that of sparse_gradient. */
CLONES UNUSED static void NAME(columns_gradient)(REAL *restrict out, const NAME(Entry) *entries,
                                                 int64_t n_entries, int64_t first, int64_t n,
                                                 const REAL *restrict delta, int64_t width,
                                                 REAL scale)
{
    memset(out, 0, (size_t)(n * width) * sizeof(REAL));
    for (int64_t k = 0; k < n_entries; k++) {
        REAL *restrict g = out + (entries[k].column - first) * width;
        const REAL *restrict d = delta + entries[k].row * width;
        const REAL value = scale * entries[k].value;
        for (int64_t j = 0; j < width; j++) g[j] += value * d[j];
    }
}

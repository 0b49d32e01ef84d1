/* Included by summary_loops.h, once per precision. Sums are in double, in eight lanes that are added
 * as a tree. */

#define ABS(x) ((REAL)fabs((double)(x)))
#define INTEGER NAME(integer)
#define SIGN_OFF NAME(sign_off)

LANE double NAME(tree)(const double *s)
{
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

LANE REAL NAME(largest)(const REAL *top)
{
    REAL most = top[0];
    for (int lane = 1; lane < 8; lane++) most = top[lane] > most ? top[lane] : most;
    return most;
}

/* Sum of |x|, root of the sum of squares, largest |x|, mean, share of zeros. */
CLONES static void NAME(sizes)(const REAL *restrict x, int64_t n, double *restrict out)
{
    double sizes[8] = {0}, squares[8] = {0}, sums[8] = {0}, zeros[8] = {0};
    REAL top[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        AS_VECTORS for (int lane = 0; lane < 8; lane++) {
            const REAL value = x[i + lane], size = ABS(value);
            const double wide = value;
            sizes[lane] += (double)size;
            squares[lane] += wide * wide;
            sums[lane] += wide;
            zeros[lane] += value == 0 ? 1 : 0;
            top[lane] = size > top[lane] ? size : top[lane];
        }
    for (; i < n; i++) {
        const REAL value = x[i], size = ABS(value);
        sizes[0] += (double)size;
        squares[0] += (double)value * value;
        sums[0] += (double)value;
        zeros[0] += value == 0 ? 1 : 0;
        top[0] = size > top[0] ? size : top[0];
    }
    out[0] = NAME(tree)(sizes);
    out[1] = sqrt(NAME(tree)(squares));
    out[2] = (double)NAME(largest)(top);
    out[3] = NAME(tree)(sums) / (double)n;
    out[4] = NAME(tree)(zeros) / (double)n;
}

/* Mean, standard deviation, largest |x|, share of zeros. The sums are of differences from the first
 * value, so that a spread that is small beside the mean keeps its digits. */
CLONES static void NAME(spread)(const REAL *restrict x, int64_t n, double *restrict out)
{
    double squares[8] = {0}, sums[8] = {0}, zeros[8] = {0};
    const double first = x[0];
    REAL top[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        AS_VECTORS for (int lane = 0; lane < 8; lane++) {
            const REAL value = x[i + lane], size = ABS(value);
            const double apart = (double)value - first;
            squares[lane] += apart * apart;
            sums[lane] += apart;
            zeros[lane] += value == 0 ? 1 : 0;
            top[lane] = size > top[lane] ? size : top[lane];
        }
    for (; i < n; i++) {
        const REAL value = x[i], size = ABS(value);
        const double apart = (double)value - first;
        squares[0] += apart * apart;
        sums[0] += apart;
        zeros[0] += value == 0 ? 1 : 0;
        top[0] = size > top[0] ? size : top[0];
    }
    const double shift = NAME(tree)(sums) / (double)n;
    const double variance = NAME(tree)(squares) / (double)n - shift * shift;
    out[0] = first + shift;
    out[1] = variance > 0 ? sqrt(variance) : 0 * variance; /* NaN stays NaN */
    out[2] = (double)NAME(largest)(top);
    out[3] = NAME(tree)(zeros) / (double)n;
}

/* How often every neuron has a value between low and high. */
CLONES static void NAME(count_between)(const REAL *restrict x, int64_t n_rows, int64_t width,
                                       REAL low, REAL high, REAL *restrict counts)
{
    for (int64_t j = 0; j < width; j++) counts[j] = 0;
    for (int64_t row = 0; row < n_rows; row++, x += width)
        for (int64_t j = 0; j < width; j++) counts[j] += (x[j] > low) & (x[j] < high) ? (REAL)1 : (REAL)0;
}

/* Share of flat values, and of neurons with no other. */
static void NAME(flatness)(const REAL *restrict x, int64_t n_rows, int64_t width, double low,
                           double high, int is_flat_between, REAL *restrict counts, double *out)
{
    double n_flat = 0, n_dead = 0;
    NAME(count_between)(x, n_rows, width, (REAL)low, (REAL)high, counts);
    for (int64_t j = 0; j < width; j++) {
        const double flat = is_flat_between ? counts[j] : (double)n_rows - counts[j];
        n_flat += flat;
        n_dead += flat == (double)n_rows;
    }
    out[0] = n_flat / ((double)n_rows * (double)width);
    out[1] = n_dead / (double)width;
}

/* Exponent and first three digits of |x|: larger for a larger |x|. */
LANE INTEGER NAME(size_key)(REAL x)
{
    INTEGER bits;
    memcpy(&bits, &x, sizeof x);
    return (bits & SIGN_OFF) >> (MANTISSA - 3);
}

/* The bin of every value: bins of larger values have larger numbers. NaN, whose key is above that of
 * the largest value, is in the last bin of its sign. */
CLONES static void NAME(find_bins)(const REAL *restrict x, int64_t n, REAL top,
                                   uint16_t *restrict bins)
{
    const INTEGER top_key = NAME(size_key)(top);
    for (int64_t i = 0; i < n; i++) {
        INTEGER bits;
        memcpy(&bits, &x[i], sizeof bits);
        INTEGER down = top_key - ((bits & SIGN_OFF) >> (MANTISSA - 3));
        down = down < 0 ? 0 : down;
        down = down < SIZES - 1 ? down : SIZES - 1;
        bins[i] = (uint16_t)(bits < 0 ? down : BINS - 1 - down);
    }
}

static void NAME(sort_few)(REAL *x, int64_t first, int64_t last)
{
    for (int64_t i = first + 1; i <= last; i++) {
        const REAL value = x[i];
        int64_t j = i;
        for (; j > first && value < x[j - 1]; j--) x[j] = x[j - 1];
        x[j] = value;
    }
}

/* Move the value of rank k to its place among x[first..last], smaller ones before it. */
static REAL NAME(select)(REAL *x, int64_t first, int64_t last, int64_t k)
{
    while (last - first >= 16) {
        const REAL a = x[first], b = x[first + (last - first) / 2], c = x[last];
        const REAL pivot = a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
        int64_t i = first, j = last;
        while (i <= j) {
            while (x[i] < pivot) i++;
            while (pivot < x[j]) j--;
            if (i <= j) {
                const REAL other = x[i];
                x[i++] = x[j];
                x[j--] = other;
            }
        }
        if (k <= j) last = j;
        else if (k >= i) first = i;
        else return x[k];
    }
    NAME(sort_few)(x, first, last);
    return x[k];
}

/* The values of some ranks, ascending: count the values by bins, gather the bins in which ranks lie,
 * and select there. The scratch memory has space for n + 1 values and n bins. */
static void NAME(values_of_ranks)(const REAL *restrict x, int64_t n, REAL top, const int64_t *ranks,
                                  REAL *restrict scratch, uint16_t *restrict bins, double *values)
{
    int32_t tables[2][BINS] = {{0}}; /* two, so that a count seldom waits for the last */
    int64_t places[BINS], starts[RANKS], firsts[RANKS], ends[RANKS];
    uint8_t is_kept[BINS] = {0};
    int64_t i = 0, below = 0, gathered = 0;
    int rank = 0;
    NAME(find_bins)(x, n, top, bins);
    for (; i + 2 <= n; i += 2) {
        tables[0][bins[i]]++;
        tables[1][bins[i + 1]]++;
    }
    if (i < n) tables[0][bins[i]]++;
    for (int bin = 0; bin < BINS; bin++) {
        const int64_t count = (int64_t)tables[0][bin] + tables[1][bin];
        for (; rank < RANKS && ranks[rank] < below + count; rank++) {
            if (!is_kept[bin]) {
                is_kept[bin] = 1;
                places[bin] = gathered;
                gathered += count;
            }
            starts[rank] = gathered - count;
            ends[rank] = gathered - 1;
            firsts[rank] = below;
        }
        below += count;
    }
    for (int bin = 0; bin < BINS; bin++)
        if (!is_kept[bin]) places[bin] = gathered; /* where nothing is kept */
    for (i = 0; i < n; i++) {
        const int bin = bins[i];
        scratch[places[bin]] = x[i];
        places[bin] += is_kept[bin];
    }
    int64_t from = 0;
    for (rank = 0; rank < RANKS; rank++) {
        const int64_t k = starts[rank] + ranks[rank] - firsts[rank];
        from = from > starts[rank] ? from : starts[rank];
        values[rank] = (double)NAME(select)(scratch, from, ends[rank], k);
        from = k;
    }
}

UNUSED static void NAME(take)(const REAL *restrict x, const int64_t *restrict places, int64_t n,
                              REAL *restrict taken)
{
    for (int64_t i = 0; i < n; i++) taken[i] = x[places[i]];
}

/* Quantiles as NumPy computes them: linear between the values of two ranks. */
static void NAME(quantiles)(const REAL *restrict x, int64_t n, double top, REAL *restrict scratch,
                            uint16_t *restrict bins, double *restrict out)
{
    if (top == 0) {
        for (int k = 0; k < QUANTILES; k++) out[k] = 0;
        return;
    }
    int64_t ranks[RANKS];
    double values[RANKS], shares[QUANTILES];
    for (int k = 0; k < QUANTILES; k++) {
        const double place = levels[k] * (double)(n - 1);
        const int64_t rank = (int64_t)place;
        ranks[2 * k] = rank;
        ranks[2 * k + 1] = rank + 1 < n ? rank + 1 : rank;
        shares[k] = place - (double)rank;
    }
    if (n <= FEW) {
        memcpy(scratch, x, (size_t)n * sizeof *x);
        NAME(sort_few)(scratch, 0, n - 1);
        for (int k = 0; k < RANKS; k++) values[k] = (double)scratch[ranks[k]];
    } else {
        NAME(values_of_ranks)(x, n, (REAL)top, ranks, scratch, bins, values);
    }
    for (int k = 0; k < QUANTILES; k++) {
        const double low = values[2 * k], high = values[2 * k + 1], apart = high - low;
        out[k] = shares[k] < 0.5 ? low + apart * shares[k] : high - apart * (1 - shares[k]);
    }
}

#undef ABS
#undef INTEGER
#undef SIGN_OFF

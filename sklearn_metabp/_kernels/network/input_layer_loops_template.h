/* Included by input_layer_loops.h, once per precision. */

/* sin(2 pi v) for |v| <= 1/4 */
LANE REAL NAME(turn_sine)(REAL v)
{
    const REAL q = v * v;
    return v * (REAL)6.28318530717958647693 + v * (q * NAME(TURN_SINE)(q));
}

/* Turns from -1/2 to 1/2: the nearest whole turn is taken away. So many turns that half a turn
 * could not be told from none are whole ones; NaN and infinity become NaN. */
LANE REAL NAME(part_of_turn)(REAL t)
{
    const REAL whole = (t + ROUND_SHIFT) - ROUND_SHIFT;
    const REAL size = t < 0 ? -t : t;
    return size < ROUND_SHIFT / 3 ? t - whole : 0 * t;
}

/* cos(2 pi r) = sin(2 pi (1/4 - |r|)) for |r| <= 1/2 */
LANE REAL NAME(turn_cosine_lane)(REAL r)
{
    return NAME(turn_sine)((REAL)0.25 - (r < 0 ? -r : r));
}

/* sin(2 pi r) = sin(2 pi (1/2 - r)) for |r| <= 1/2 */
LANE REAL NAME(turn_sine_lane)(REAL r)
{
    const REAL half = r < 0 ? (REAL)-0.5 : (REAL)0.5;
    const REAL size = r < 0 ? -r : r;
    return NAME(turn_sine)(size > (REAL)0.25 ? half - r : r);
}

/* min(max(u, low), high), NaN of NaN */
LANE REAL NAME(clipped_lane)(REAL u, REAL low, REAL high)
{
    u = u < low ? low : u;
    return u > high ? high : u;
}

/* Values of one basis function of a block of rows. */
LANE void NAME(basis_values)(const InputColumn *column, int64_t f, REAL *restrict z,
                             const REAL *restrict x)
{
    const REAL *const *basis = (const REAL *const *)column->basis;
    switch (column->kind) {
    case PERIODIC: {
        const REAL frequency = basis[0][f], phase = basis[1][f];
        for (int i = 0; i < EMBEDDED_ROWS; i++)
            z[i] = NAME(turn_cosine_lane)(NAME(part_of_turn)(frequency * x[i] + phase));
        break;
    }
    case PIECEWISE_LINEAR: {
        const REAL start = basis[0][f], rate = basis[1][f];
        const REAL low = basis[2][f], high = basis[3][f];
        for (int i = 0; i < EMBEDDED_ROWS; i++)
            z[i] = NAME(clipped_lane)((x[i] - start) * rate, low, high);
        break;
    }
    }
}

/* out of one column for n rows. Scratch: n_linear + 2 blocks of EMBEDDED_ROWS. */
CLONES UNUSED static void NAME(embed_column)(const InputColumn *column, REAL *restrict out,
                                             int64_t width, const REAL *restrict from,
                                             int64_t n_inputs, int64_t n, REAL *restrict scratch)
{
    const int64_t m = column->n_linear;
    const REAL *coefs = (const REAL *)column->coefs;
    const REAL *intercepts = (const REAL *)column->intercepts;
    const REAL scale = column->scale == NULL ? 1 : *(const REAL *)column->scale;
    REAL *restrict x = scratch, *restrict z = x + EMBEDDED_ROWS;
    REAL *restrict sums = z + EMBEDDED_ROWS;
    from += column->source;
    out += column->target;
    for (int64_t first = 0; first < n; first += EMBEDDED_ROWS) {
        const int64_t count = n - first < EMBEDDED_ROWS ? n - first : EMBEDDED_ROWS;
        for (int64_t i = 0; i < count; i++) x[i] = scale * from[(first + i) * n_inputs];
        if (m > 0) {
            for (int64_t i = count; i < EMBEDDED_ROWS; i++) x[i] = 0;
            for (int64_t j = 0; j < m; j++)
                for (int i = 0; i < EMBEDDED_ROWS; i++) sums[j * EMBEDDED_ROWS + i] = intercepts[j];
            for (int64_t f = 0; f < column->n_functions; f++) {
                NAME(basis_values)(column, f, z, x);
                for (int64_t j = 0; j < m; j++) {
                    const REAL coef = coefs[f * m + j];
                    for (int i = 0; i < EMBEDDED_ROWS; i++)
                        sums[j * EMBEDDED_ROWS + i] += coef * z[i];
                }
            }
        }
        for (int64_t i = 0; i < count; i++) {
            REAL *row = out + (first + i) * width;
            for (int64_t j = 0; j < m; j++) row[j] = sums[j * EMBEDDED_ROWS + i];
            if (column->keeps_input) row[m] = x[i];
        }
    }
}

/* totals[lane] += sum of a[i] b[i] over the rows of each lane */
LANE void NAME(add_products)(REAL *restrict totals, const REAL *restrict a, const REAL *restrict b)
{
    for (int i = 0; i < EMBEDDED_ROWS; i += SUM_LANES)
        for (int lane = 0; lane < SUM_LANES; lane++) totals[lane] += a[i + lane] * b[i + lane];
}

LANE void NAME(add_values)(REAL *restrict totals, const REAL *restrict a)
{
    for (int i = 0; i < EMBEDDED_ROWS; i += SUM_LANES)
        for (int lane = 0; lane < SUM_LANES; lane++) totals[lane] += a[i + lane];
}

LANE REAL NAME(sum_of_lanes)(const REAL *totals)
{
    REAL total = totals[0];
    for (int lane = 1; lane < SUM_LANES; lane++) total += totals[lane];
    return total;
}

/* Gradients of the parameters of one column, from the deltas of the embedded rows. A sum over the
 * rows has SUM_LANES lanes, whatever the vector unit. Scratch: input_scratch values. */
CLONES UNUSED static void NAME(column_gradients)(const InputColumn *column,
                                                 const REAL *restrict deltas, int64_t width,
                                                 const REAL *restrict from, int64_t n_inputs,
                                                 int64_t n, REAL scale, REAL *restrict scratch)
{
    const int64_t m = column->n_linear, rows = whole_blocks(n);
    const REAL *coefs = (const REAL *)column->coefs;
    const REAL factor = column->scale == NULL ? 1 : *(const REAL *)column->scale;
    REAL *restrict x = scratch, *restrict given = x + rows;
    REAL *restrict pulls = given + rows; /* deltas of x */
    REAL *restrict d = pulls + rows;     /* deltas of the sums, (m, rows) */
    REAL *restrict totals = d + m * rows, *restrict by_slope = totals + m * SUM_LANES;
    REAL *restrict by_phase = by_slope + SUM_LANES;
    REAL z[EMBEDDED_ROWS], dz[EMBEDDED_ROWS];
    from += column->source;
    deltas += column->target;
    for (int64_t i = 0; i < n; i++) {
        const REAL *row = deltas + i * width;
        given[i] = from[i * n_inputs];
        x[i] = factor * given[i];
        pulls[i] = column->keeps_input ? row[m] : 0;
        for (int64_t j = 0; j < m; j++) d[j * rows + i] = row[j];
    }
    for (int64_t i = n; i < rows; i++) {
        x[i] = given[i] = pulls[i] = 0;
        for (int64_t j = 0; j < m; j++) d[j * rows + i] = 0;
    }
    for (int64_t j = 0; j < m; j++) {
        for (int lane = 0; lane < SUM_LANES; lane++) totals[lane] = 0;
        for (int64_t i = 0; i < rows; i += EMBEDDED_ROWS)
            NAME(add_values)(totals, d + j * rows + i);
        ((REAL *)column->intercept_gradients)[j] = scale * NAME(sum_of_lanes)(totals);
    }
    for (int64_t f = 0; f < column->n_functions; f++) {
        const REAL *const *basis = (const REAL *const *)column->basis;
        for (int64_t lane = 0; lane < (m + 2) * SUM_LANES; lane++) totals[lane] = 0;
        for (int64_t first = 0; first < rows; first += EMBEDDED_ROWS) {
            const REAL *restrict at = x + first;
            REAL *restrict pull = pulls + first;
            for (int i = 0; i < EMBEDDED_ROWS; i++) dz[i] = 0;
            for (int64_t j = 0; j < m; j++) {
                const REAL coef = coefs[f * m + j];
                const REAL *restrict row = d + j * rows + first;
                for (int i = 0; i < EMBEDDED_ROWS; i++) dz[i] += coef * row[i];
            }
            NAME(basis_values)(column, f, z, at);
            for (int64_t j = 0; j < m; j++)
                NAME(add_products)(totals + j * SUM_LANES, d + j * rows + first, z);
            if (column->kind == PERIODIC) {
                const REAL frequency = basis[0][f], phase = basis[1][f];
                for (int i = 0; i < EMBEDDED_ROWS; i++) {
                    const REAL r = NAME(part_of_turn)(frequency * at[i] + phase);
                    dz[i] *= (REAL)-6.28318530717958647693 * NAME(turn_sine_lane)(r);
                    pull[i] += frequency * dz[i];
                }
                NAME(add_products)(by_slope, dz, at);
                NAME(add_values)(by_phase, dz);
            } else {
                const REAL rate = basis[1][f], low = basis[2][f], high = basis[3][f];
                const REAL start = basis[0][f];
                for (int i = 0; i < EMBEDDED_ROWS; i++) {
                    const REAL u = (at[i] - start) * rate;
                    pull[i] += low <= u && u < high ? rate * dz[i] : 0;
                }
            }
        }
        for (int64_t j = 0; j < m; j++)
            ((REAL *)column->coef_gradients)[f * m + j] =
                scale * NAME(sum_of_lanes)(totals + j * SUM_LANES);
        if (column->basis_gradients[0] != NULL) {
            ((REAL *)column->basis_gradients[0])[f] = scale * NAME(sum_of_lanes)(by_slope);
            ((REAL *)column->basis_gradients[1])[f] = scale * NAME(sum_of_lanes)(by_phase);
        }
    }
    if (column->scale_gradient != NULL) {
        for (int lane = 0; lane < SUM_LANES; lane++) totals[lane] = 0;
        for (int64_t i = 0; i < rows; i += EMBEDDED_ROWS)
            NAME(add_products)(totals, pulls + i, given + i);
        *(REAL *)column->scale_gradient = scale * NAME(sum_of_lanes)(totals);
    }
}

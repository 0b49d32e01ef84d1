/* Included by program.h, once per precision. */

/* g = base + decay w; returns sum w^2, of 8 sums that fit in vector registers. */
CLONES UNUSED static double NAME(late_gradient)(REAL *restrict g, const REAL *restrict base,
                                                const REAL *restrict w, int64_t n, REAL decay)
{
    double squares[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int64_t j = 0; j < 8; j++) {
            g[i + j] = base[i + j] + decay * w[i + j];
            squares[j] += (double)w[i + j] * w[i + j];
        }
    for (; i < n; i++) {
        g[i] = base[i] + decay * w[i];
        squares[0] += (double)w[i] * w[i];
    }
    for (int64_t j = 1; j < 8; j++) squares[0] += squares[j];
    return squares[0];
}

/* Take the steps from `from` to `to` with n parameters w from number `first` on.
 *
 * The gradients are those of step `from`, or NULL where they are zero as in the steps after it. The
 * penalty's part is added here. The bits are those of one step after the other, because every
 * parameter sees the same operations; only sums of squares are added up in another order. */
UNUSED static void NAME(run_late)(const Operation *operations, int n_operations,
                                  const double *numbers, LateStep *steps, int64_t from, int64_t to,
                                  int is_penalised, REAL *w, const REAL *gradients, int64_t first,
                                  int64_t n)
{
    static const REAL zeros[RULE_BLOCK];
    REAL sum[RULE_BLOCK], updates[RULE_BLOCK];
    for (int64_t start = 0; start < n; start += RULE_BLOCK) {
        const int64_t begin = first + start;
        const int64_t end = first + (n - start < RULE_BLOCK ? n : start + RULE_BLOCK);
        for (int64_t step = from; step < to; step++) {
            const REAL *g = step == from && gradients ? gradients + start : zeros;
            if (is_penalised) {
                steps[step].squares += NAME(late_gradient)(sum, g, w + begin, end - begin,
                                                           (REAL)steps[step].decay);
                g = sum;
            }
            for (int number = 0; number < n_operations; number++) {
                const Operation *operation = operations + number;
                const int64_t at = begin > operation->first ? begin : operation->first;
                const int64_t stop = end < operation->end ? end : operation->end;
                void *arrays[MAX_ARRAYS];
                if (at >= stop) continue;
                for (int k = 0; operation->step->arrays[k]; k++) {
                    const int kind = operation->kind[k];
                    arrays[k] = kind == OF_GRADIENTS ? (void *)(g + (at - begin))
                                : kind == OF_UPDATES ? (void *)(updates + (at - begin))
                                : kind == OF_PARAMS  ? (void *)(w + at)
                                                     : (void *)((REAL *)operation->at[k] + at);
                }
                (sizeof(REAL) == sizeof(double) ? operation->step->f64 : operation->step->f32)(
                    arrays, stop - at, numbers + (step * n_operations + number) * MAX_NUMBERS);
            }
            steps[step].is_finite &= NAME(apply)(w + begin, updates, end - begin);
        }
    }
}

/* Ask for what `run_late` will read and write. Inlined as `fetch` is. */
LANE UNUSED void NAME(fetch_late)(const Operation *operations, int n_operations, const REAL *w,
                                  int64_t first, int64_t n)
{
    fetch(w + first, n * sizeof(REAL));
    for (int number = 0; number < n_operations; number++)
        for (int k = 0; operations[number].step->arrays[k]; k++)
            if (operations[number].kind[k] == OF_STATE)
                fetch((const REAL *)operations[number].at[k] + first, n * sizeof(REAL));
}

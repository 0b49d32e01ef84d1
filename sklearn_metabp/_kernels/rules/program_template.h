/* Included by program.h, once per precision. */

/* Change n parameters w from number `first` on by their gradients g; 0 if an update is not finite.
 *
 * The updates of a block stay in the first cache. */
UNUSED static int NAME(run_operations)(const Operation *operations, int n_operations, REAL *w,
                                       REAL *g, int64_t first, int64_t n)
{
    REAL updates[RULE_BLOCK];
    int is_finite = 1;
    for (int64_t start = 0; start < n; start += RULE_BLOCK) {
        const int64_t begin = first + start;
        const int64_t end = first + (n - start < RULE_BLOCK ? n : start + RULE_BLOCK);
        for (int number = 0; number < n_operations; number++) {
            const Operation *operation = operations + number;
            const int64_t from = begin > operation->first ? begin : operation->first;
            const int64_t to = end < operation->end ? end : operation->end;
            void *arrays[MAX_ARRAYS];
            if (from >= to) continue;
            for (int k = 0; operation->step->arrays[k]; k++) {
                const int kind = operation->kind[k];
                arrays[k] = kind == OF_GRADIENTS ? (void *)(g + (from - first))
                            : kind == OF_UPDATES ? (void *)(updates + (from - begin))
                            : kind == OF_PARAMS  ? (void *)(w + from)
                                                 : (void *)((REAL *)operation->at[k] + from);
            }
            (sizeof(REAL) == sizeof(double) ? operation->step->f64 : operation->step->f32)(
                arrays, to - from, operation->numbers);
        }
        is_finite &= NAME(apply)(w + begin, updates, end - begin);
    }
    return is_finite;
}

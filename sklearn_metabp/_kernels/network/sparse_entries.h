/* The entries of a batch of sparse rows, sorted by column. */
#ifndef SKLEARN_METABP_SPARSE_ENTRIES_H
#define SKLEARN_METABP_SPARSE_ENTRIES_H

#include "../common/clones.h"
#include "../common/fetch.h"
#include "sparse_rows.h"

enum { DIGIT = 11 }; /* bits of a column that are sorted at once */

#define TEMPLATE "../network/sparse_entries_template.h"
#include "../common/each_precision.h"

/* One name for both precisions, as in layer_loops.h. */
UNUSED static inline void *sort_entries(int is_double, const SparseRows *x, void *entries,
                                        void *others, int64_t n, int64_t fan_in)
{
    return is_double ? (void *)sort_entries_f64(entries, others, x->values, x->columns, x->indptr,
                                                x->rows, n, fan_in)
                     : (void *)sort_entries_f32(entries, others, x->values, x->columns, x->indptr,
                                                x->rows, n, fan_in);
}

UNUSED static inline int64_t column_of(int is_double, const void *entries, int64_t k)
{
    return is_double ? ((const Entry_f64 *)entries)[k].column
                     : ((const Entry_f32 *)entries)[k].column;
}

UNUSED static inline void columns_gradient(int is_double, void *out, const void *entries,
                                           int64_t begin, int64_t end, int64_t first, int64_t n,
                                           const void *deltas, int64_t width, double scale)
{
    if (is_double)
        columns_gradient_f64(out, (const Entry_f64 *)entries + begin, end - begin, first, n, deltas,
                             width, scale);
    else
        columns_gradient_f32(out, (const Entry_f32 *)entries + begin, end - begin, first, n, deltas,
                             width, (float)scale);
}

#endif

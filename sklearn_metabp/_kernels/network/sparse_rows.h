/* The rows of a sparse matrix. */
#ifndef SKLEARN_METABP_SPARSE_ROWS_H
#define SKLEARN_METABP_SPARSE_ROWS_H

#include <stdint.h>

/* The values and columns of a row begin at indptr[row]. */
typedef struct {
    const void *values;
    const int32_t *columns;
    const int64_t *indptr;
    int64_t *rows; /* of the batch */
} SparseRows;

#endif

/* A row of the table of elementwise steps; rule_loops.h has the table. */
#ifndef SKLEARN_METABP_RULE_LOOPS_TYPES_H
#define SKLEARN_METABP_RULE_LOOPS_TYPES_H

#include <stdint.h>

enum { MAX_ARRAYS = 4, MAX_NUMBERS = 6 };

typedef void (*Loop)(void *const *arrays, int64_t n, const double *numbers);

typedef struct {
    const char *name;
    const char *arrays;
    int n_numbers;
    void (*prepare)(double *numbers);
    Loop f64, f32;
} RuleStep;

#endif

/* A rule as a list of elementwise operations, run on a block of the parameters. */
#ifndef SKLEARN_METABP_PROGRAM_H
#define SKLEARN_METABP_PROGRAM_H

#include "../common/fetch.h"
#include "late_steps.h"
#include "rule_loops_types.h"

#define TEMPLATE "../rules/apply_template.h"
#include "../common/each_precision.h"
#define TEMPLATE "../rules/norm_template.h"
#include "../common/each_precision.h"

enum { MAX_OPERATIONS = 8, RULE_BLOCK = 512 };

/* An array of an operation is the whole vector's, from `at` on, or one of these. */
enum { OF_STATE, OF_GRADIENTS, OF_UPDATES, OF_PARAMS };

typedef struct {
    const RuleStep *step;
    int64_t first, end; /* the parameters that it is for */
    char *at[MAX_ARRAYS];
    int kind[MAX_ARRAYS];
    const double *table; /* a row of numbers for each step, or one for all */
    int64_t n_rows;
    int counts; /* whether the last number is one higher at each step */
    double numbers[MAX_NUMBERS];
} Operation;

/* Take the numbers of a step; a negative index is not allowed. */
UNUSED static void begin_operation(Operation *operation, int64_t index)
{
    const int n_numbers = operation->step->n_numbers;
    const int64_t row = index < operation->n_rows ? index : operation->n_rows - 1;
    for (int k = 0; k < n_numbers; k++)
        operation->numbers[k] = operation->table[row * n_numbers + k];
    if (operation->counts && operation->n_rows == 1)
        operation->numbers[n_numbers - 1] += (double)index;
    operation->step->prepare(operation->numbers);
}

#define TEMPLATE "../rules/program_template.h"
#include "../common/each_precision.h"

#define TEMPLATE "../rules/late_steps_template.h"
#include "../common/each_precision.h"

#endif

/* The elementwise steps of the update rules, for both precisions, and the table of them. */
#ifndef SKLEARN_METABP_RULE_LOOPS_H
#define SKLEARN_METABP_RULE_LOOPS_H

#define TEMPLATE "../rules/rule_loops_template.h"
#include "../common/each_precision.h"

/* The steps that Python can call: the loop's name, its arrays in the order of the call, r for one
 * that is only read and w for one that is written, and how many numbers follow them. */
#define RULE_STEPS(STEP)        \
    STEP(sgd, rw, 1)            \
    STEP(momentum, rww, 3)      \
    STEP(rprop, rwww, 5)        \
    STEP(adagrad, rww, 2)       \
    STEP(adadelta, rwww, 3)     \
    STEP(rmsprop, rww, 3)       \
    STEP(adam, rwww, 5)         \
    STEP(adamax, rwww, 5)       \
    STEP(nadam, rwww, 6)        \
    STEP(radam, rwww, 5)        \
    STEP(lion, rww, 3)          \
    STEP(prodigy, rwww, 5)      \
    STEP(decay, rw, 1)          \
    STEP(cautious_decay, rw, 1) \
    STEP(layerwise, rrrw, 1)    \
    STEP(average, rrw, 1)       \
    STEP(schedule_free, ww, 3)

enum { MAX_ARRAYS = 4, MAX_NUMBERS = 6 };

typedef void (*Loop)(void *const *arrays, int64_t n, const double *numbers);

typedef struct {
    const char *name;
    const char *arrays;
    int n_numbers;
    Loop f64, f32;
} RuleStep;

#define ARRAYS_rw a[0], a[1]
#define ARRAYS_ww a[0], a[1]
#define ARRAYS_rrw a[0], a[1], a[2]
#define ARRAYS_rww a[0], a[1], a[2]
#define ARRAYS_rrrw a[0], a[1], a[2], a[3]
#define ARRAYS_rwww a[0], a[1], a[2], a[3]
#define NUMBERS_1 x[0]
#define NUMBERS_2 NUMBERS_1, x[1]
#define NUMBERS_3 NUMBERS_2, x[2]
#define NUMBERS_5 NUMBERS_3, x[3], x[4]
#define NUMBERS_6 NUMBERS_5, x[5]

/* A function of one signature around every loop. */
#define CALL(loop, arrays, n_numbers)                                   \
    static void call_##loop(void *const *a, int64_t n, const double *x) \
    {                                                                   \
        loop(ARRAYS_##arrays, n, NUMBERS_##n_numbers);                  \
    }
#define BOTH_CALLS(name, arrays, n_numbers) \
    CALL(name##_f64, arrays, n_numbers) CALL(name##_f32, arrays, n_numbers)
RULE_STEPS(BOTH_CALLS)

#define ROW(name, arrays, n_numbers) \
    {#name "_step", #arrays, n_numbers, call_##name##_f64, call_##name##_f32},
UNUSED static const RuleStep rule_steps[] = {RULE_STEPS(ROW)};
enum { N_RULE_STEPS = sizeof rule_steps / sizeof *rule_steps };

#endif

/* The elementwise steps of the update rules, for both precisions, and the table of them. */
#ifndef SKLEARN_METABP_RULE_LOOPS_H
#define SKLEARN_METABP_RULE_LOOPS_H

#include "rule_loops_types.h"

#define TEMPLATE "../rules/rule_loops_template.h"
#include "../common/each_precision.h"
#define TEMPLATE "../rules/apply_template.h"
#include "../common/each_precision.h"
#define TEMPLATE "../rules/norm_template.h"
#include "../common/each_precision.h"

/* a^n and b^n for a whole n >= 0, by squaring: the same bits on every machine. Two at once take as
 * long as one, and no branch depends on the digits of n, which change from step to step. */
UNUSED static void whole_powers(double a, double b, double n, double *power_a, double *power_b)
{
    *power_a = *power_b = 1;
    for (uint64_t left = (uint64_t)n; left; left >>= 1, a *= a, b *= b) {
        *power_a *= left & 1 ? a : 1;
        *power_b *= left & 1 ? b : 1;
    }
}

/* Once per step, before its loop: numbers of the call become those of the loop. */
UNUSED static void as_they_are(double *x) { (void)x; }

UNUSED static void adam_corrections(double *x) /* rate, beta_1, beta_2, epsilon, t */
{
    double of_mean, of_square;
    whole_powers(x[1], x[2], x[4], &of_mean, &of_square);
    x[0] /= 1 - of_mean;
    x[4] = 1 / sqrt(1 - of_square);
}

UNUSED static void mean_correction(double *x) /* rate, beta_1, beta_2, epsilon, t */
{
    double of_mean, unused;
    whole_powers(x[1], 1, x[4], &of_mean, &unused);
    x[0] /= 1 - of_mean;
}

UNUSED static void root_correction(double *x) /* ..., beta_2, epsilon, t */
{
    double of_square, unused;
    whole_powers(x[3], 1, x[5], &of_square, &unused);
    x[5] = 1 / sqrt(1 - of_square);
}

/* The steps that Python can call: the loop's name, its arrays in the order of the call, r for one
 * that is only read and w for one that is written, how many numbers follow them, and what is
 * computed of these once per step. */
#define RULE_STEPS(STEP)                     \
    STEP(sgd, rw, 1, as_they_are)            \
    STEP(momentum, rww, 3, as_they_are)      \
    STEP(rprop, rwww, 5, as_they_are)        \
    STEP(adagrad, rww, 2, as_they_are)       \
    STEP(adadelta, rwww, 3, as_they_are)     \
    STEP(rmsprop, rww, 3, as_they_are)       \
    STEP(adam, rwww, 5, adam_corrections)    \
    STEP(adamax, rwww, 5, mean_correction)   \
    STEP(nadam, rwww, 6, root_correction)    \
    STEP(radam, rwww, 5, as_they_are)        \
    STEP(lion, rww, 3, as_they_are)          \
    STEP(prodigy, rwww, 5, as_they_are)      \
    STEP(decay, rw, 1, as_they_are)          \
    STEP(cautious_decay, rw, 1, as_they_are) \
    STEP(layerwise, rrrw, 1, as_they_are)    \
    STEP(average, rrw, 1, as_they_are)       \
    STEP(schedule_free, ww, 3, as_they_are)

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
#define CALL(loop, arrays, numbers)                                     \
    static void call_##loop(void *const *a, int64_t n, const double *x) \
    {                                                                   \
        loop(ARRAYS_##arrays, n, numbers);                              \
    }
#define BOTH_CALLS(name, arrays, n_numbers, prepare) \
    CALL(name##_f64, arrays, NUMBERS_##n_numbers)    \
    CALL(name##_f32, arrays, NUMBERS_##n_numbers)
RULE_STEPS(BOTH_CALLS)

#define ROW(name, arrays, n_numbers, prepare) \
    {#name "_step", #arrays, n_numbers, prepare, call_##name##_f64, call_##name##_f32},
UNUSED static const RuleStep rule_steps[] = {RULE_STEPS(ROW)};
enum { N_RULE_STEPS = sizeof rule_steps / sizeof *rule_steps };

#endif

/* Statistics of flat arrays and of layers, for both precisions. */
#ifndef SKLEARN_METABP_SUMMARY_LOOPS_H
#define SKLEARN_METABP_SUMMARY_LOOPS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* A histogram has bins of an eighth of a power of two, down to 2^-32 of the largest value; smaller
 * values share the last bin of their sign. */
enum { SIZES = 256, BINS = 2 * SIZES, FEW = 64, QUANTILES = 5, RANKS = 2 * QUANTILES };

typedef int64_t integer_f64;
typedef int32_t integer_f32;
static const int64_t sign_off_f64 = INT64_MAX;
static const int32_t sign_off_f32 = INT32_MAX;
static const double levels[QUANTILES] = {0.05, 0.25, 0.5, 0.75, 0.95};

#define TEMPLATE "../summaries/summary_loops_template.h"
#include "../common/each_precision.h"

#endif

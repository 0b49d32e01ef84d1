/* Sums of losses: always in double and in LOSS_LANES lanes, which are added as a tree at the end.
 * The order does not depend on the vector units, so the bits are the same on every machine. */
#ifndef SKLEARN_METABP_LOSS_SUMS_H
#define SKLEARN_METABP_LOSS_SUMS_H

#include "../common/clones.h"

#define LOSS_LANES 8

/* Add n losses, the first to the first lane. */
LANE void add_to_lanes(double *restrict lanes, const double *restrict losses, int64_t n)
{
    int64_t i = 0;
    for (; i + LOSS_LANES <= n; i += LOSS_LANES)
        for (int64_t j = 0; j < LOSS_LANES; j++) lanes[j] += losses[i + j];
    for (int64_t j = 0; j < n - i; j++) lanes[j] += losses[i + j];
}

LANE double sum_of_lanes(const double *lanes)
{
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6]))
           + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

#endif

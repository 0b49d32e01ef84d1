/* NumPy's RandomState.shuffle of row numbers: the same order from the same random numbers. */
#ifndef SKLEARN_METABP_SHUFFLE_H
#define SKLEARN_METABP_SHUFFLE_H

#include "../common/clones.h"

/* NumPy's public interface to a bit generator, from the capsule that it offers. */
typedef struct {
    void *state;
    uint64_t (*next_uint64)(void *state);
    uint32_t (*next_uint32)(void *state);
    double (*next_double)(void *state);
    uint64_t (*next_raw)(void *state);
} BitGenerator;

/* A whole number from 0 to most: bits are drawn until those that count are not above it. */
LANE uint64_t random_interval(const BitGenerator *random, uint64_t most)
{
    uint64_t mask = most, value;
    for (int shift = 1; shift < 64; shift *= 2) mask |= mask >> shift;
    do {
        value = mask & (most <= 0xffffffff ? random->next_uint32(random->state)
                                           : random->next_uint64(random->state));
    } while (value > most);
    return value;
}

/* Fisher and Yates' shuffle, from the last row to the first. */
UNUSED static void shuffle(const BitGenerator *random, intptr_t *order, intptr_t n)
{
    for (intptr_t i = n - 1; i > 0; i--) {
        const intptr_t j = (intptr_t)random_interval(random, (uint64_t)i), kept = order[j];
        order[j] = order[i];
        order[i] = kept;
    }
}

#endif

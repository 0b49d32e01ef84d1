/* Random bits as a function of where they are used: no state, so that any step can be taken again.
 *
 * mix64 is the finalizer of SplitMix64 (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195).
 * The bits of a neuron are 32-bit arithmetic, which vectorises: the rounds and constants of
 * "lowbias32" (C. Wellons, "Prospecting for hash functions", 2018), with the upper half of the
 * row's key mixed in between them: added there instead of xored, rows whose lower halves are
 * neighbours would have masks that are alike.
 */
#ifndef SKLEARN_METABP_DROPOUT_HASH_H
#define SKLEARN_METABP_DROPOUT_HASH_H

#include "../common/clones.h"

#define GOLDEN 0x9e3779b97f4a7c15u /* 2^64 over the golden ratio */
enum { DROPOUT_BLOCK = 256 };

LANE uint64_t mix64(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Layer -1 is the input. */
UNUSED static uint64_t dropout_layer_key(uint64_t key, uint64_t step, uint64_t layer)
{
    return mix64(mix64(key + GOLDEN * step) + GOLDEN * (layer + 1));
}

/* The key of a row is mix64(layer_key + GOLDEN (row + 1)); this is the layer's if rows are counted
 * from the first of some rows. */
UNUSED static uint64_t dropout_rows_key(uint64_t layer_key, uint64_t first_row)
{
    return layer_key + GOLDEN * first_row;
}

CLONES UNUSED static void dropout_bits(uint32_t *restrict bits, uint64_t row_key, uint32_t first,
                                       int64_t count)
{
    const uint32_t low = (uint32_t)row_key, high = (uint32_t)(row_key >> 32);
    for (int64_t i = 0; i < count; i++) {
        uint32_t h = first + (uint32_t)i + low;
        h = (h ^ (h >> 16)) * 0x7feb352du;
        h = (h ^ (h >> 15) ^ high) * 0x846ca68bu;
        bits[i] = h ^ (h >> 16);
    }
}

#endif

/* Included by each_vector_precision.h: the vector of REAL of a target. Once per module. */
#define V TARGET_NAME(vector)
#define LOOSE_V TARGET_NAME(loose_vector)
#define LANES ((int)(VECTOR_BYTES / sizeof(REAL)))
typedef REAL V __attribute__((vector_size(VECTOR_BYTES)));
typedef REAL LOOSE_V __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));

LANE V TARGET_NAME(load)(const REAL *at) { return *(const LOOSE_V *)at; }
LANE void TARGET_NAME(store)(REAL *at, V values) { *(LOOSE_V *)at = values; }

/* The first n values, and zeros. */
LANE V TARGET_NAME(load_part)(const REAL *at, int64_t n)
{
    REAL values[VECTOR_BYTES / sizeof(REAL)];
    for (int lane = 0; lane < LANES; lane++) values[lane] = lane < n ? at[lane] : 0;
    return TARGET_NAME(load)(values);
}

LANE void TARGET_NAME(store_part)(REAL *at, V values, int64_t n)
{
    REAL copy[VECTOR_BYTES / sizeof(REAL)];
    TARGET_NAME(store)(copy, values);
    for (int lane = 0; lane < n && lane < LANES; lane++) at[lane] = copy[lane];
}

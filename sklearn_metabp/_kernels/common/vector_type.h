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

#if defined(__clang__) /* has no __builtin_shuffle */
LANE void TARGET_NAME(transpose)(V *square)
{
    for (int row = 0; row < LANES; row++)
        for (int lane = 0; lane < row; lane++) {
            const REAL value = square[row][lane];
            square[row][lane] = square[lane][row];
            square[lane][row] = value;
        }
}
#else
/* Transpose a square of LANES vectors: each pass swaps the off-diagonal squares of `size` lanes. */
LANE void TARGET_NAME(transpose)(V *square)
{
    typedef BITS Lanes __attribute__((vector_size(VECTOR_BYTES)));
#pragma GCC unroll 4
    for (int size = 1; size < LANES; size *= 2) {
        Lanes upper = {0}, lower = {0}; /* of both rows' lanes, those of the lower from LANES on */
#pragma GCC unroll 16
        for (int lane = 0; lane < LANES; lane++) {
            upper[lane] = lane & size ? lane - size + LANES : lane;
            lower[lane] = lane & size ? lane + LANES : lane + size;
        }
#pragma GCC unroll 16
        for (int row = 0; row < LANES; row++) {
            if (row & size) continue;
            const V above = square[row], below = square[row + size];
            square[row] = __builtin_shuffle(above, below, upper);
            square[row + size] = __builtin_shuffle(above, below, lower);
        }
    }
}
#endif

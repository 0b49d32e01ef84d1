/* What this processor can do at most, in one precision: floor.py compiles and runs this program.

Compile with -DDOUBLE for double precision. The arguments are numbers of parameters. It prints a
line for every figure, with the time in nanoseconds of processor time:

    fma       one fused multiply-add, of as many as the vector units compute at once
    exp       one exponential function, of a vector loop in the first cache
    chain     one online step of a network with one weight: what has to wait for what
    adam N    one pass over four arrays of N numbers that reads all four and writes three

Every figure is the least of several rounds. */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef DOUBLE
#define REAL double
#define INTEGER int64_t
#define UNSIGNED uint64_t
#else
#define REAL float
#define INTEGER int32_t
#define UNSIGNED uint32_t
#endif

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

/* Enough chains to hide the latency of the units, few enough for the registers. */
#if defined(__AVX512F__) || defined(__aarch64__)
#define N_CHAINS 24
#else
#define N_CHAINS 12
#endif

typedef REAL vector __attribute__((vector_size(VECTOR_BYTES)));
enum { LANES = VECTOR_BYTES / sizeof(REAL), IS_DOUBLE = sizeof(REAL) == 8, N_ROUNDS = 7 };

static volatile REAL sink; /* what is written here must be computed */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static void fused_multiply_adds(long n, void *unused) {
    (void)unused;
    vector chains[N_CHAINS], a = {0}, b = {0};
    a += (REAL)(0.5 + 1e-9 * sink);
    b += (REAL)(0.25 + 1e-9 * sink);
    for (int k = 0; k < N_CHAINS; k++) chains[k] = b * (REAL)k;
    for (long i = 0; i < n; i++)
#pragma GCC unroll 24
        for (int k = 0; k < N_CHAINS; k++) chains[k] = chains[k] * a + b;
    vector sum = {0};
    for (int k = 0; k < N_CHAINS; k++) sum += chains[k];
    for (int k = 0; k < LANES; k++) sink = sum[k];
}

/* exp(x) = 2^k exp(r) with the Taylor polynomial of r in [-ln(2) / 2, ln(2) / 2]: degree 12 leaves
   less than 2^-48 in double and degree 6 less than 2^-22 in float, as good as a kernel would have
   it with one term more. The sum with the constant has k in its lowest bits. */
static inline REAL exp_of(REAL x) {
    const REAL shift = IS_DOUBLE ? (REAL)(6755399441055744.0 + 1023) : (REAL)(12582912.0 + 127);
    static const REAL factorials[] = {479001600, 39916800, 3628800, 362880, 40320, 5040, 720, 120,
                                      24, 6, 2, 1, 1};
    REAL sum = x * (REAL)1.4426950408889634 + shift, power;
    INTEGER k;
    memcpy(&k, &sum, sizeof k);
    k = (INTEGER)((UNSIGNED)k << (IS_DOUBLE ? 52 : 23));
    memcpy(&power, &k, sizeof power);
    REAL r = x - (sum - shift) * (REAL)0.6931471805599453;
    REAL polynomial = 1 / factorials[IS_DOUBLE ? 0 : 6];
#pragma GCC unroll 12
    for (int i = IS_DOUBLE ? 1 : 7; i < 13; i++) polynomial = polynomial * r + 1 / factorials[i];
    return polynomial * power;
}

enum { N_EXP = 1024 };

__attribute__((noinline)) static void exponentials_of(const REAL *restrict x, REAL *restrict y) {
    for (int k = 0; k < N_EXP; k++) y[k] = exp_of(x[k]);
}

static void exponentials(long n, void *buffer) {
    REAL *x = buffer, *y = x + N_EXP;
    for (long i = 0; i < n; i++) exponentials_of(x, y);
    sink = y[0];
}

static REAL root(REAL x) { return IS_DOUBLE ? (REAL)sqrt(x) : (REAL)sqrtf((float)x); }

static void chain(long n, void *unused) {
    (void)unused;
    REAL w = (REAL)0.1, m = 0, v = 0;
    const REAL x = (REAL)(0.7 + 1e-9 * sink);
    for (long i = 0; i < n; i++) {
        REAL delta = (REAL)(i & 1) - 1 / (1 + exp_of(-w * x)), g = -delta * x;
        m = (REAL)0.9 * m + (REAL)0.1 * g;
        v = (REAL)0.999 * v + (REAL)0.001 * (g * g);
        w -= (REAL)0.001 * m / (root(v) + (REAL)1e-8);
    }
    sink = w;
}

struct four { long n; REAL *w, *m, *v, *g; };

__attribute__((noinline)) static void pass(long n, REAL *restrict w, REAL *restrict m, REAL *restrict v, const REAL *restrict g) {
    for (long i = 0; i < n; i++) {
        m[i] = (REAL)0.9 * m[i] + g[i];
        v[i] = (REAL)0.5 * v[i] + g[i];
        w[i] = (REAL)0.9 * w[i] + g[i];
    }
}

static void passes(long n, void *arrays) {
    struct four *of = arrays;
    for (long i = 0; i < n; i++) pass(of->n, of->w, of->m, of->v, of->g);
    sink = of->w[of->n - 1];
}

/* The least nanoseconds of one repetition; a round takes some milliseconds. */
static double least(void (*function)(long, void *), void *argument) {
    long n = 1;
    double elapsed = 0, best = 1e300;
    for (; elapsed < 5e6; n *= 2) {
        double start = now();
        function(n, argument);
        elapsed = now() - start;
    }
    for (int i = 0; i < N_ROUNDS; i++) {
        double start = now();
        function(n, argument);
        elapsed = (now() - start) / (double)n;
        if (elapsed < best) best = elapsed;
    }
    return best;
}

static REAL *zeros(long n) {
    size_t bytes = ((size_t)n * sizeof(REAL) + 63) / 64 * 64;
    REAL *array = aligned_alloc(64, bytes);
    if (!array) exit(1);
    memset(array, 0, bytes);
    return array;
}

int main(int argc, char **argv) {
    printf("fma %.9g\n", least(fused_multiply_adds, NULL) / (N_CHAINS * LANES));
    REAL *values = zeros(2 * N_EXP);
    printf("exp %.9g\n", least(exponentials, values) / N_EXP);
    printf("chain %.9g\n", least(chain, NULL));
    for (int i = 1; i < argc; i++) {
        long n = atol(argv[i]);
        struct four of = {n, zeros(n), zeros(n), zeros(n), zeros(n)};
        printf("adam %ld %.9g\n", n, least(passes, &of));
        free(of.w), free(of.m), free(of.v), free(of.g);
    }
    return 0;
}

/* Training steps of k networks of float32, relu, softmax and Adam; see members.py.
 *
 * The products are those of a BLAS, whose sgemm is passed in. Matrices are row-major.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef void (*Sgemm)(char *, char *, int *, int *, int *, float *, float *, int *, float *, int *,
                      float *, float *, int *);

#define MAX_LAYERS 8
#define MAX_MEMBERS 16
#define LANES 8

typedef struct {
    int n_layers, n_rows, sizes[MAX_LAYERS + 1];
    int64_t n_params;
    float *params, *gradients, *moments, *squares;
    float *weights[MAX_LAYERS], *biases[MAX_LAYERS];
    float *weight_gradients[MAX_LAYERS], *bias_gradients[MAX_LAYERS];
    float *outputs[MAX_LAYERS + 1], *deltas[MAX_LAYERS + 1];
} Member;

static float *zeros(int64_t n) { return calloc((size_t)n, sizeof(float)); }

static float drawn(void) { return 0.2f * ((float)rand() / (float)RAND_MAX - 0.5f); }

static int64_t count_params(int n_layers, const int *sizes) {
    int64_t n = 0;
    for (int i = 0; i < n_layers; i++) n += (int64_t)(sizes[i] + 1) * sizes[i + 1];
    return n;
}

static void make(Member *one, int n_layers, const int *sizes, int n_rows) {
    one->n_layers = n_layers, one->n_rows = n_rows;
    one->n_params = count_params(n_layers, sizes);
    one->params = zeros(one->n_params), one->gradients = zeros(one->n_params);
    one->moments = zeros(one->n_params), one->squares = zeros(one->n_params);
    for (int64_t i = 0; i < one->n_params; i++) one->params[i] = drawn();
    int64_t at = 0;
    for (int i = 0; i < n_layers; i++) {
        one->weights[i] = one->params + at, one->weight_gradients[i] = one->gradients + at;
        at += (int64_t)sizes[i] * sizes[i + 1];
    }
    for (int i = 0; i < n_layers; i++) {
        one->biases[i] = one->params + at, one->bias_gradients[i] = one->gradients + at;
        at += sizes[i + 1];
    }
    for (int i = 0; i <= n_layers; i++) {
        one->sizes[i] = sizes[i];
        one->outputs[i] = zeros((int64_t)n_rows * sizes[i]);
        one->deltas[i] = zeros((int64_t)n_rows * sizes[i]);
    }
}

static void release(Member *one) {
    free(one->params), free(one->gradients), free(one->moments), free(one->squares);
    for (int i = 0; i <= one->n_layers; i++) free(one->outputs[i]), free(one->deltas[i]);
}

static float exponential(float x) {
    x *= 1.44269504f;
    x = x < -126.0f ? -126.0f : x;
    float whole = floorf(x), r = x - whole;
    float power = 1 + r * (0.6931472f + r * (0.2402265f + r * (0.0555041f + r * 0.0096181f)));
    union { int32_t bits; float value; } scale = {((int32_t)whole + 127) << 23};
    return power * scale.value;
}

static void gather(Member *one, const float *X, const int *rows) {
    int width = one->sizes[0];
    for (int r = 0; r < one->n_rows; r++)
        memcpy(one->outputs[0] + (int64_t)r * width, X + (int64_t)rows[r] * width, 4 * (size_t)width);
}

static void forward(Member *one, int i, Sgemm sgemm) {
    int n = one->n_rows, from = one->sizes[i], to = one->sizes[i + 1];
    float unit = 1, zero = 0, *x = one->outputs[i + 1], *biases = one->biases[i];
    sgemm("N", "N", &to, &n, &from, &unit, one->weights[i], &to, one->outputs[i], &from, &zero, x, &to);
    for (int r = 0; r < n; r++, x += to) {
        for (int j = 0; j < to; j++) x[j] += biases[j];
        if (i < one->n_layers - 1) {
            for (int j = 0; j < to; j++) x[j] = x[j] > 0 ? x[j] : 0;
            continue;
        }
        float largest = x[0], total = 0;
        for (int j = 1; j < to; j++) largest = x[j] > largest ? x[j] : largest;
        for (int j = 0; j < to; j++) total += x[j] = exponential(x[j] - largest);
        for (int j = 0; j < to; j++) x[j] /= total;
    }
}

static void compare(Member *one, const int *y, const int *rows) {
    int last = one->n_layers, width = one->sizes[last];
    float share = 1.0f / (float)one->n_rows;
    for (int r = 0; r < one->n_rows; r++)
        for (int j = 0; j < width; j++)
            one->deltas[last][r * width + j] =
                (one->outputs[last][r * width + j] - (float)(y[rows[r]] == j)) * share;
}

static void backward(Member *one, int i, Sgemm sgemm) {
    int n = one->n_rows, from = one->sizes[i], to = one->sizes[i + 1];
    float unit = 1, zero = 0, *deltas = one->deltas[i + 1], *sums = one->bias_gradients[i];
    sgemm("N", "T", &to, &from, &n, &unit, deltas, &to, one->outputs[i], &from, &zero,
          one->weight_gradients[i], &to);
    memset(sums, 0, 4 * (size_t)to);
    for (int r = 0; r < n; r++)
        for (int j = 0; j < to; j++) sums[j] += deltas[(int64_t)r * to + j];
    if (!i) return;
    sgemm("T", "N", &from, &n, &to, &unit, one->weights[i], &to, deltas, &to, &zero, one->deltas[i],
          &from);
    for (int64_t t = 0; t < (int64_t)n * from; t++)
        if (!(one->outputs[i][t] > 0)) one->deltas[i][t] = 0;
}

static void adam(float *params, const float *gradients, float *moments, float *squares, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        moments[i] = 0.9f * moments[i] + 0.1f * gradients[i];
        squares[i] = 0.999f * squares[i] + 0.001f * gradients[i] * gradients[i];
        params[i] -= 1e-3f * moments[i] / (sqrtf(squares[i]) + 1e-8f);
    }
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Return the seconds of one step of one network: one network after another, or all step by step. */
double run(void *blas, int together, int k, int n_layers, const int *sizes, int n_rows, int n_samples,
           int n_steps, const float *X, const int *y) {
    Sgemm sgemm = (Sgemm)blas;
    Member members[MAX_MEMBERS];
    int *order = malloc(sizeof(int) * (size_t)k * (size_t)(n_samples + n_rows));
    for (int64_t i = 0; i < (int64_t)k * (n_samples + n_rows); i++) order[i] = rand() % n_samples;
    for (int q = 0; q < k; q++) make(members + q, n_layers, sizes, n_rows);
    /* Alone, the outer loop has one network at a time; together, all in one pass of it. */
    int width = together ? k : 1;
    double start = now();
    for (int first = 0; first < k; first += width)
        for (int step = 0; step < n_steps; step++) {
            Member *end = members + first + width;
            int at = (step * n_rows) % n_samples;
#define EACH for (Member *one = members + first; one < end; one++)
#define ROWS (order + (one - members) * (int64_t)(n_samples + n_rows) + at)
            EACH gather(one, X, ROWS);
            for (int i = 0; i < n_layers; i++) EACH forward(one, i, sgemm);
            EACH compare(one, y, ROWS);
            for (int i = n_layers - 1; i >= 0; i--) EACH backward(one, i, sgemm);
            EACH adam(one->params, one->gradients, one->moments, one->squares, one->n_params);
        }
    double seconds = (now() - start) / n_steps / k;
    for (int q = 0; q < k; q++) release(members + q);
    free(order);
    return seconds;
}

typedef float Lanes[LANES];
#define LANE for (int q = 0; q < LANES; q++)

/* The same with up to LANES networks side by side in the lanes of vectors, row by row. */
double run_in_lanes(int k, int n_layers, const int *sizes, int n_rows, int n_samples, int n_steps,
                    const float *X, const int *y) {
    int64_t n = count_params(n_layers, sizes);
    Lanes *params = (Lanes *)zeros(n * LANES), *gradients = (Lanes *)zeros(n * LANES);
    float *moments = zeros(n * LANES), *squares = zeros(n * LANES);
    Lanes *x[MAX_LAYERS + 1], *d[MAX_LAYERS + 1];
    for (int64_t i = 0; i < n; i++) LANE params[i][q] = drawn();
    for (int i = 0; i <= n_layers; i++) {
        x[i] = (Lanes *)zeros((int64_t)sizes[i] * LANES);
        d[i] = (Lanes *)zeros((int64_t)sizes[i] * LANES);
    }
    int *order = malloc(sizeof(int) * LANES * (size_t)(n_samples + n_rows));
    for (int64_t i = 0; i < LANES * (int64_t)(n_samples + n_rows); i++) order[i] = rand() % n_samples;
    int width = sizes[n_layers];
    double start = now();
    for (int step = 0; step < n_steps; step++) {
        memset(gradients, 0, sizeof(Lanes) * (size_t)n);
        for (int r = 0; r < n_rows; r++) {
            const int *row = order + (int64_t)((step * n_rows) % n_samples + r) * LANES;
            for (int j = 0; j < sizes[0]; j++) LANE x[0][j][q] = X[(int64_t)row[q] * sizes[0] + j];
            int64_t w = 0;
            for (int i = 0; i < n_layers; i++) {
                int64_t biases = w + (int64_t)sizes[i] * sizes[i + 1];
                for (int j = 0; j < sizes[i + 1]; j++) {
                    Lanes in;
                    LANE in[q] = params[biases + j][q];
                    for (int h = 0; h < sizes[i]; h++)
                        LANE in[q] += x[i][h][q] * params[w + (int64_t)h * sizes[i + 1] + j][q];
                    LANE x[i + 1][j][q] = i < n_layers - 1 && !(in[q] > 0) ? 0 : in[q];
                }
                w = biases + sizes[i + 1];
            }
            Lanes largest, total = {0};
            LANE largest[q] = x[n_layers][0][q];
            for (int j = 1; j < width; j++)
                LANE largest[q] = x[n_layers][j][q] > largest[q] ? x[n_layers][j][q] : largest[q];
            for (int j = 0; j < width; j++)
                LANE total[q] += x[n_layers][j][q] = exponential(x[n_layers][j][q] - largest[q]);
            for (int j = 0; j < width; j++)
                LANE d[n_layers][j][q] =
                    (x[n_layers][j][q] / total[q] - (float)(y[row[q]] == j)) / (float)n_rows;
            for (int i = n_layers - 1; i >= 0; i--) {
                int64_t biases = w - sizes[i + 1];
                w = biases - (int64_t)sizes[i] * sizes[i + 1];
                for (int j = 0; j < sizes[i + 1]; j++) LANE gradients[biases + j][q] += d[i + 1][j][q];
                for (int h = 0; h < sizes[i]; h++) {
                    Lanes sent = {0};
                    for (int j = 0; j < sizes[i + 1]; j++) {
                        int64_t link = w + (int64_t)h * sizes[i + 1] + j;
                        LANE gradients[link][q] += x[i][h][q] * d[i + 1][j][q];
                        LANE sent[q] += d[i + 1][j][q] * params[link][q];
                    }
                    LANE d[i][h][q] = x[i][h][q] > 0 ? sent[q] : 0;
                }
            }
        }
        adam((float *)params, (float *)gradients, moments, squares, n * LANES);
    }
    double seconds = (now() - start) / n_steps / k;
    for (int i = 0; i <= n_layers; i++) free(x[i]), free(d[i]);
    free(params), free(gradients), free(moments), free(squares), free(order);
    return seconds;
}

/* Included by shared_loops_template.h, once per vector width. LAYER is the function's name.
 *
 * One layer for `count` links of a block at once, out_h = b_h + sum_k w_kh in_k. The compiler's
 * vector types hold four neurons by two vectors of links in registers, which it does not find by
 * itself. Where a compiler has no such types, a vector is one number.
 */
#if defined(__GNUC__)
typedef REAL VECTOR __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
#else
typedef REAL VECTOR;
#endif

TARGET UNUSED static void LAYER(const REAL *restrict weights, const REAL *restrict biases,
                                int64_t fan_in, int64_t fan_out, int64_t count,
                                const REAL *restrict in, REAL *restrict out)
{
    const int64_t lanes = sizeof(VECTOR) / sizeof(REAL);
    const VECTOR zero = {0};
    for (int64_t lane = 0; lane < count; lane += 2 * lanes) {
        int64_t h = 0;
        for (; h + 4 <= fan_out; h += 4) {
            VECTOR a0 = zero + biases[h], b0 = zero + biases[h + 1];
            VECTOR c0 = zero + biases[h + 2], d0 = zero + biases[h + 3];
            VECTOR a1 = a0, b1 = b0, c1 = c0, d1 = d0;
            for (int64_t k = 0; k < fan_in; k++) {
                const REAL *row = weights + k * fan_out + h;
                const VECTOR *source = (const VECTOR *)(in + k * BLOCK + lane);
                const VECTOR s0 = source[0], s1 = source[1];
                a0 += row[0] * s0;
                a1 += row[0] * s1;
                b0 += row[1] * s0;
                b1 += row[1] * s1;
                c0 += row[2] * s0;
                c1 += row[2] * s1;
                d0 += row[3] * s0;
                d1 += row[3] * s1;
            }
            VECTOR *target = (VECTOR *)(out + h * BLOCK + lane);
            const int64_t next = BLOCK / lanes;
            target[0] = a0;
            target[1] = a1;
            target[next] = b0;
            target[next + 1] = b1;
            target[2 * next] = c0;
            target[2 * next + 1] = c1;
            target[3 * next] = d0;
            target[3 * next + 1] = d1;
        }
        for (; h < fan_out; h++) {
            VECTOR a0 = zero + biases[h], a1 = a0;
            for (int64_t k = 0; k < fan_in; k++) {
                const REAL weight = weights[k * fan_out + h];
                const VECTOR *source = (const VECTOR *)(in + k * BLOCK + lane);
                a0 += weight * source[0];
                a1 += weight * source[1];
            }
            VECTOR *target = (VECTOR *)(out + h * BLOCK + lane);
            target[0] = a0;
            target[1] = a1;
        }
    }
}

/* Included by rule_loops.h and program.h, once per precision. */

/* w += u; 0 if an update was not finite: the exponent bits of NaN and infinity are all ones. */
CLONES UNUSED static int NAME(apply)(REAL *restrict w, const REAL *restrict u, int64_t n)
{
    BITS bad = 0;
    for (int64_t i = 0; i < n; i++) {
        BITS bits;
        memcpy(&bits, u + i, sizeof bits);
        bad |= (bits & EXPONENT_BITS) == EXPONENT_BITS;
        w[i] += u[i];
    }
    return !bad;
}

/* Fused multiply-adds of registers alone: what no product can exceed. */
#include <stdint.h>

static volatile double sink;

#define TEMPLATE "fma_peak_template.h"
#include "common/each_target.h"

/* Run a loop n times, and return how many multiplications and additions that were. */
double run_peak(int target, int is_double, int64_t n)
{
#if HAS_AVX
    if (target == AVX512) return is_double ? peak_f64_avx512(n) : peak_f32_avx512(n);
    if (target == AVX2) return is_double ? peak_f64_avx2(n) : peak_f32_avx2(n);
#elif HAS_NEON
    if (target == NEON) return is_double ? peak_f64_neon(n) : peak_f32_neon(n);
#endif
    return 0;
}

"""The C loops of a layer, each under one name for both precisions; what they do stands in the headers."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

ctypedef fused real:
    float
    double

cdef extern from "layer_loops.h" nogil:
    void activate_f64(int, double*, int64_t)
    void activate_f32(int, float*, int64_t)
    void activate_and_slope_f64(int, double*, double*, int64_t)
    void activate_and_slope_f32(int, float*, float*, int64_t)
    void softmax_f64(double*, int64_t, int64_t, const int64_t*, int64_t)
    void softmax_f32(float*, int64_t, int64_t, const int64_t*, int64_t)
    void times_slope_f64(int, double*, const double*, int64_t)
    void times_slope_f32(int, float*, const float*, int64_t)
    void multiply_f64(double*, const double*, int64_t)
    void multiply_f32(float*, const float*, int64_t)
    void fill_rows_f64(double*, const double*, int64_t, int64_t)
    void fill_rows_f32(float*, const float*, int64_t, int64_t)
    void column_sums_f64(double*, const double*, int64_t, int64_t, double)
    void column_sums_f32(float*, const float*, int64_t, int64_t, float)
    double add_decay_f64(double*, const double*, int64_t, double)
    double add_decay_f32(float*, const float*, int64_t, float)
    void transpose_f64(double*, const double*, int64_t, int64_t)
    void transpose_f32(float*, const float*, int64_t, int64_t)
    uint64_t dropout_layer_key(uint64_t, uint64_t, uint64_t)
    void drop_f64(double*, double*, int64_t, int64_t, uint64_t, uint32_t, double)
    void drop_f32(float*, float*, int64_t, int64_t, uint64_t, uint32_t, float)
    int sparse_product_f64(double*, const double*, const double*, const int32_t*, const int64_t*, const int64_t*,
                           int64_t, int64_t, int64_t)
    int sparse_product_f32(float*, const float*, const float*, const int32_t*, const int64_t*, const int64_t*,
                           int64_t, int64_t, int64_t)
    int sparse_gradient_f64(double*, const double*, const double*, const int32_t*, const int64_t*,
                            const int64_t*, int64_t, int64_t, int64_t, double)
    int sparse_gradient_f32(float*, const float*, const float*, const int32_t*, const int64_t*,
                            const int64_t*, int64_t, int64_t, int64_t, float)
    int dense_rows_f64(double*, const double*, const int32_t*, const int64_t*, const int64_t*, int64_t, int64_t)
    int dense_rows_f32(float*, const float*, const int32_t*, const int64_t*, const int64_t*, int64_t, int64_t)
    int write_targets_f64(double*, const int32_t*, int64_t, int64_t, double, double)
    int write_targets_f32(float*, const int32_t*, int64_t, int64_t, float, float)
    double output_rules_f64(int, int, double*, const double*, double*, const double*, int64_t, int64_t,
                            const int64_t*, int64_t)
    double output_rules_f32(int, int, float*, const float*, float*, const float*, int64_t, int64_t,
                            const int64_t*, int64_t)


cdef inline void activate(int function, real* x, int64_t n) noexcept nogil:
    if real is double:
        activate_f64(function, x, n)
    else:
        activate_f32(function, x, n)


cdef inline void activate_and_slope(int function, real* x, real* slope, int64_t n) noexcept nogil:
    if real is double:
        activate_and_slope_f64(function, x, slope, n)
    else:
        activate_and_slope_f32(function, x, slope, n)


cdef inline void drop(real* x, real* slope, int64_t n, int64_t width, uint64_t layer_key, uint32_t threshold,
                      real scale) noexcept nogil:
    if real is double:
        drop_f64(x, slope, n, width, layer_key, threshold, scale)
    else:
        drop_f32(x, slope, n, width, layer_key, threshold, scale)


cdef inline void softmax(real* x, int64_t n, int64_t width, const int64_t* groups, int64_t n_groups) noexcept nogil:
    if real is double:
        softmax_f64(x, n, width, groups, n_groups)
    else:
        softmax_f32(x, n, width, groups, n_groups)


cdef inline void times_slope(int function, real* deltas, const real* x, int64_t n) noexcept nogil:
    if real is double:
        times_slope_f64(function, deltas, x, n)
    else:
        times_slope_f32(function, deltas, x, n)


cdef inline void multiply(real* deltas, const real* slope, int64_t n) noexcept nogil:
    if real is double:
        multiply_f64(deltas, slope, n)
    else:
        multiply_f32(deltas, slope, n)


cdef inline void fill_rows(real* rows, const real* row, int64_t n, int64_t width) noexcept nogil:
    if real is double:
        fill_rows_f64(rows, row, n, width)
    else:
        fill_rows_f32(rows, row, n, width)


cdef inline void column_sums(real* sums, const real* rows, int64_t n, int64_t width, real scale) noexcept nogil:
    if real is double:
        column_sums_f64(sums, rows, n, width, scale)
    else:
        column_sums_f32(sums, rows, n, width, scale)


cdef inline double add_decay(real* gradients, const real* weights, int64_t n, real scale) noexcept nogil:
    if real is double:
        return add_decay_f64(gradients, weights, n, scale)
    else:
        return add_decay_f32(gradients, weights, n, scale)


cdef inline void transpose(real* out, const real* matrix, int64_t n, int64_t m) noexcept nogil:
    if real is double:
        transpose_f64(out, matrix, n, m)
    else:
        transpose_f32(out, matrix, n, m)


cdef inline double output_rules(int loss, int function, real* x, const real* targets, real* deltas,
                                const real* weight, int64_t n, int64_t width, const int64_t* groups,
                                int64_t n_groups) noexcept nogil:
    if real is double:
        return output_rules_f64(loss, function, x, targets, deltas, weight, n, width, groups, n_groups)
    else:
        return output_rules_f32(loss, function, x, targets, deltas, weight, n, width, groups, n_groups)


ctypedef struct SparseRows:
    const void* values
    const int32_t* columns
    const int64_t* indptr
    int64_t* rows    # of the batch


# Each returns whether a column or a unit lies outside; what is written is then incomplete.

cdef inline int sparse_product(SparseRows* x, real* out, const real* weights, int64_t n, int64_t width,
                               int64_t fan_in) noexcept nogil:
    if real is double:
        return sparse_product_f64(out, weights, <double*>x.values, x.columns, x.indptr, x.rows, n, width, fan_in)
    else:
        return sparse_product_f32(out, weights, <float*>x.values, x.columns, x.indptr, x.rows, n, width, fan_in)


cdef inline int sparse_gradient(SparseRows* x, real* out, const real* deltas, int64_t n, int64_t width,
                                int64_t fan_in, real scale) noexcept nogil:
    if real is double:
        return sparse_gradient_f64(out, deltas, <double*>x.values, x.columns, x.indptr, x.rows, n, width, fan_in,
                                   scale)
    else:
        return sparse_gradient_f32(out, deltas, <float*>x.values, x.columns, x.indptr, x.rows, n, width, fan_in,
                                   scale)


cdef inline int dense_rows(SparseRows* x, real* out, int64_t n, int64_t fan_in) noexcept nogil:
    if real is double:
        return dense_rows_f64(out, <double*>x.values, x.columns, x.indptr, x.rows, n, fan_in)
    else:
        return dense_rows_f32(out, <float*>x.values, x.columns, x.indptr, x.rows, n, fan_in)


cdef inline int write_targets(real* target, const int32_t* units, int64_t n_units, int64_t width, real no,
                              real yes) noexcept nogil:
    if real is double:
        return write_targets_f64(target, units, n_units, width, no, yes)
    else:
        return write_targets_f32(target, units, n_units, width, no, yes)

"""The C loops of a layer, on pointers without type; the first argument chooses the precision."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

cdef extern from "../network/sparse_rows.h" nogil:
    ctypedef struct SparseRows:
        const void* values
        const int32_t* columns
        const int64_t* indptr
        int64_t* rows

cdef extern from "../network/layer_loops.h" nogil:
    int RELU
    int SOFTMAX

    void activate(bint, int function, void* x, int64_t n)
    void activate_and_slope(bint, int function, void* x, void* slope, int64_t n)
    void mix(bint, void* x, void* slope, void* gap, const void* factors, int64_t n, int64_t width)
    void softmax(bint, void* x, int64_t n, int64_t width, const int64_t* groups, int64_t n_groups)
    void times_slope(bint, int function, void* deltas, const void* x, int64_t n)
    void multiply(bint, void* deltas, const void* slope, int64_t n)
    void gather(bint, void* out, const void* rows_of, const int64_t* rows, int64_t n,
                int64_t width)
    void fill_rows(bint, void* rows, const void* row, int64_t n, int64_t width)
    void column_sums(bint, void* sums, const void* rows, int64_t n, int64_t width, double scale)
    void transpose(bint, void* out, const void* matrix, int64_t n, int64_t m)
    void add_noise(bint, void* x, int64_t n, int64_t width, uint64_t layer_key, double deviation)
    void drop(bint, void* x, void* slope, void* curvature, int64_t n, int64_t width,
              uint64_t layer_key, uint32_t threshold, double scale)
    void net_curvatures(bint, int function, void* curvature, const void* net, int64_t n)
    void curvatures(bint, int function, void* curvature, const void* x, int64_t n)
    void add(bint, void* sums, const void* addends, int64_t n)
    void input_changes(bint, int norm, void* d, const void* weight, double* penalties, int64_t n,
                       int64_t width, double beta)
    void output_changes(bint, int loss, int function, void* e, const void* x, const void* t,
                        const void* weight, int64_t n, int64_t width, const int64_t* groups,
                        int64_t n_groups)
    void join_pulls(bint, void* pulls, void* behind, const void* d, int64_t n)
    double sum_of "sum"(bint, const void* values, int64_t n)
    double add_decay(bint, void* gradients, const void* weights, int64_t n, double scale)
    double output_rules(bint, int loss, int function, void* x, const void* targets, void* deltas,
                        const void* weight, int64_t n, int64_t width, const int64_t* groups,
                        int64_t n_groups)
    double softmax_labels_log_loss(bint, void* x, const int32_t* labels, const void* no,
                                   const void* yes, void* deltas, const void* weight, int64_t n,
                                   int64_t width, const int64_t* groups, int64_t n_groups)
    int row_labels(int32_t* labels, const int32_t* neurons, const int64_t* groups,
                   int64_t n_groups)
    int sparse_product(bint, const SparseRows* x, void* out, const void* weights, int64_t n,
                       int64_t width, int64_t fan_in)
    int sparse_gradient(bint, const SparseRows* x, void* out, const void* deltas, int64_t n,
                        int64_t width, int64_t fan_in, double scale)
    int dense_rows(bint, const SparseRows* x, void* out, int64_t n, int64_t fan_in)
    int write_targets(bint, void* target, const int32_t* neurons, const void* values,
                      int64_t n_neurons, int64_t width, const void* no, const void* yes)
    uint64_t dropout_layer_key(uint64_t key, uint64_t step, uint64_t layer)
    uint64_t dropout_rows_key(uint64_t layer_key, uint64_t first_row)

"""The layers of a kernel as C sees them, and the parts of work on them that threads share."""

from libc.stdint cimport int64_t

cdef extern from "../common/thread_pool.h" nogil:
    ctypedef struct ThreadPool:
        int n_threads
    void run_parts(ThreadPool* pool, void (*function)(void*, int, int) noexcept nogil,
                   void* context, int n_parts)
    void close_pool(ThreadPool* pool)

# The parts of a product that threads share: multiplications at least, and a multiple of these rows
# of the batch. A gradient has several parts per thread, because they need no memory of their own.
cdef enum:
    PART_WORK = 1 << 18
    PART_ROWS = 8
    GRADIENT_PARTS = 4


ctypedef struct Layer:
    int fan_in
    int width
    int function
    void* weights       # in the flat vectors, as are the next three
    void* biases
    void* weight_gradients  # NULL in a kernel that only goes forward
    void* bias_gradients
    void* outputs       # of a batch, as are the deltas
    void* deltas
    void* slopes        # NULL where the outputs are enough
    void* curvatures    # f'' times what slopes multiply; NULL unless a penalty needs them
    void* mixes         # factors of a parametric activation, or NULL, as are the next two
    void* mix_gradients
    void* gaps          # f(in) - in of a batch; behind rule (6), times what the outputs receive
    void* pulls         # what the gradients are computed from: the deltas, or see InputGradient
    int64_t start       # of the weights in the flat vector
    int64_t bias_start
    int64_t block_rows  # of the weights, whose gradient is computed and used at once
    int64_t n_blocks
    double squares      # of the weights, where there is a penalty


ctypedef struct Thread:
    void* tiles         # memory for products
    char* block         # gradients of a block, for a rule
    int is_finite       # whether all updates were


ctypedef struct Work:   # that threads share
    void* kernel
    int n_parts
    int n               # rows of the batch
    int number          # of the layer, of all work but passes through all layers
    int end             # of a forward pass
    void* rule          # of gradients; NULL if they are written to their array


cdef inline int row_parts(const ThreadPool* pool, int n, int64_t row_work) noexcept nogil:
    """Return how many parts of the batch threads share, of so many multiplications a row."""
    cdef int64_t most = min(n // PART_ROWS, n * row_work // PART_WORK)
    return <int>max(1, min(most, pool.n_threads))


cdef inline int part_start(const Work* work, int part) noexcept nogil:
    """Return the first row of a part of a batch; that of the part after the last one is n."""
    if part == 0:
        return 0
    if part == work.n_parts:
        return work.n
    return <int>(<int64_t>work.n * part // work.n_parts // PART_ROWS) * PART_ROWS


cdef inline void* row_of(void* matrix, int64_t row, int64_t width, int64_t item) noexcept nogil:
    """Return the address of a row of a matrix."""
    return <char*>matrix + row * width * item

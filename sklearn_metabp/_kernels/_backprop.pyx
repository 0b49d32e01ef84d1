# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Forward and backward of a whole minibatch in one call. The twin is ``reference.Backprop``."""

import numpy as np

from libc.math cimport NAN
from libc.stdint cimport int64_t
from libc.string cimport memcpy
from scipy.linalg.cython_blas cimport dgemm, sgemm

from sklearn_metabp._kernels.reference import check_backprop_arguments, check_rows

cdef extern from "layer_loops.h" nogil:
    int SQUARED_ERROR, LOG_LOSS, SOFTMAX
    void activate_f64(int, double*, int64_t, int64_t)
    void activate_f32(int, float*, int64_t, int64_t)
    void times_slope_f64(int, double*, const double*, int64_t)
    void times_slope_f32(int, float*, const float*, int64_t)
    void fill_rows_f64(double*, const double*, int64_t, int64_t)
    void fill_rows_f32(float*, const float*, int64_t, int64_t)
    void column_sums_f64(double*, const double*, int64_t, int64_t, double)
    void column_sums_f32(float*, const float*, int64_t, int64_t, float)
    double add_decay_f64(double*, const double*, int64_t, double)
    double add_decay_f32(float*, const float*, int64_t, float)
    void transpose_f64(double*, const double*, int64_t, int64_t)
    void transpose_f32(float*, const float*, int64_t, int64_t)
    double softmax_log_loss_f64(double*, const double*, double*, const double*, int64_t, int64_t)
    double softmax_log_loss_f32(float*, const float*, float*, const float*, int64_t, int64_t)
    double logistic_log_loss_f64(double*, const double*, double*, const double*, int64_t, int64_t)
    double logistic_log_loss_f32(float*, const float*, float*, const float*, int64_t, int64_t)
    double squared_error_f64(int, double*, const double*, double*, const double*, int64_t, int64_t)
    double squared_error_f32(int, float*, const float*, float*, const float*, int64_t, int64_t)

ctypedef fused real:
    float
    double

# The codes of layer_loops.h.
_FUNCTIONS = {"identity": 0, "logistic": 1, "tanh": 2, "relu": 3, "softmax": 4}
_LOSSES = {"squared_error": 0, "log_loss": 1}

cdef enum:
    MAX_LAYERS = 100  # deeper than any MLP that trains


cdef inline void _gemm(bint left_t, bint right_t, int rows, int cols, int inner, real scale,
                       real* left, real* right, real keep, real* out) noexcept nogil:
    """out = scale op(left) op(right) + keep out, all row-major: BLAS sees the transposes."""
    cdef char ta = b"T" if right_t else b"N"
    cdef char tb = b"T" if left_t else b"N"
    cdef int lda = inner if right_t else cols
    cdef int ldb = rows if left_t else inner
    if real is double:
        dgemm(&ta, &tb, &cols, &rows, &inner, &scale, right, &lda, left, &ldb, &keep, out, &cols)
    else:
        sgemm(&ta, &tb, &cols, &rows, &inner, &scale, right, &lda, left, &ldb, &keep, out, &cols)


# OpenBLAS takes products of up to a million multiplications without packing their operands first.
cdef enum:
    SMALL_PRODUCT = 1000000


cdef inline int _parts(int rows, int cols, int inner) noexcept nogil:
    """How many products to split one into: two to four small ones are 15 % faster than one."""
    cdef double smalls = <double>rows * cols * inner / SMALL_PRODUCT
    return <int>smalls + 1 if 1 < smalls < 4 else 1


cdef inline void _forward_product(int n, int width, int fan_in, real* x, real* weights, real* out) noexcept nogil:
    """out += x weights, where out holds the biases; in parts of the batch."""
    cdef int parts = _parts(n, width, fan_in), part, start, stop
    for part in range(parts):
        start, stop = n * part // parts, n * (part + 1) // parts
        _gemm(False, False, stop - start, width, fan_in, <real>1, x + <int64_t>start * fan_in, weights,
              <real>1, out + <int64_t>start * width)


cdef inline void _gradient_product(int n, int width, int fan_in, real scale, real* x, real* delta,
                                   real* out) noexcept nogil:
    """out = scale x^T delta, in parts of the batch."""
    cdef int parts = _parts(n, width, fan_in), part, start, stop
    for part in range(parts):
        start, stop = n * part // parts, n * (part + 1) // parts
        _gemm(True, False, fan_in, width, stop - start, scale, x + <int64_t>start * fan_in,
              delta + <int64_t>start * width, <real>(part > 0), out)


cdef inline void _backward_product(int n, int width, int fan_in, real* delta, real* weights, real* scratch,
                                   real* out) noexcept nogil:
    """out = delta weights^T; a small product is faster after transposing the weights."""
    if <double>n * width * fan_in > SMALL_PRODUCT:
        _gemm(False, True, n, fan_in, width, <real>1, delta, weights, <real>0, out)
        return
    if real is double:
        transpose_f64(scratch, weights, fan_in, width)
    else:
        transpose_f32(scratch, weights, fan_in, width)
    _gemm(False, False, n, fan_in, width, <real>1, delta, scratch, <real>0, out)


cdef class Backprop:
    """Activations, deltas, gradients and loss of a minibatch.

    See ``reference.Backprop`` for the parameters, the attributes and the equations.
    """

    cdef readonly tuple layer_sizes
    cdef readonly list activations
    cdef readonly list deltas
    cdef readonly object targets
    cdef readonly object params
    cdef readonly object gradients_
    cdef readonly object dtype
    cdef readonly double alpha
    cdef readonly Py_ssize_t max_batch

    cdef object _data, _data_targets, _data_weight, _order, _weight, _scratch, _input_array, _target_array
    cdef bint _is_double, _gathers
    cdef int _n_layers                      # layers of weights
    cdef int _sizes[MAX_LAYERS + 1]
    cdef int _functions[MAX_LAYERS]
    cdef int _loss
    cdef int64_t _weight_start[MAX_LAYERS]
    cdef int64_t _bias_start[MAX_LAYERS]
    cdef int64_t _n_weights
    cdef double _total                      # patterns of the batch, or their sample weights
    cdef void* _activation_at[MAX_LAYERS + 1]
    cdef void* _delta_at[MAX_LAYERS]
    cdef void* _params_at
    cdef void* _gradients_at
    cdef void* _scratch_at
    cdef void* _input_buffer
    cdef void* _target_buffer
    cdef void* _weight_buffer
    cdef void* _data_at
    cdef void* _data_targets_at
    cdef void* _data_weight_at
    cdef Py_ssize_t* _order_at
    cdef Py_ssize_t _n_data

    def __init__(self, layer_sizes, activation, out_activation, loss, params, gradients, *,
                 max_batch, alpha=0.0):
        cdef int layer
        cdef int64_t start = 0
        self.layer_sizes = tuple(int(size) for size in layer_sizes)
        check_backprop_arguments(
            self.layer_sizes, activation, out_activation, loss, params, gradients, max_batch
        )
        self._n_layers = len(self.layer_sizes) - 1
        if self._n_layers > MAX_LAYERS:
            raise ValueError(
                f"hidden_layer_sizes has {self._n_layers - 1} layers; at most {MAX_LAYERS - 1} are supported."
            )
        self.dtype = params.dtype
        self._is_double = self.dtype == np.float64
        self.alpha = alpha
        self.max_batch = max_batch
        self._loss = _LOSSES[loss]
        for layer in range(self._n_layers + 1):
            self._sizes[layer] = self.layer_sizes[layer]
        for layer in range(self._n_layers):
            last = layer == self._n_layers - 1
            self._functions[layer] = _FUNCTIONS[out_activation if last else activation]
            self._weight_start[layer] = start
            start += <int64_t>self._sizes[layer] * self._sizes[layer + 1]
        self._n_weights = start
        for layer in range(self._n_layers):
            self._bias_start[layer] = start
            start += self._sizes[layer + 1]
        self.params = params
        self.gradients_ = gradients
        self._params_at = _address(params)
        self._gradients_at = _address(gradients)
        widest = max(a * b for a, b in zip(self.layer_sizes, self.layer_sizes[1:]))
        self._scratch = np.empty(min(widest, SMALL_PRODUCT), self.dtype)
        self._scratch_at = _address(self._scratch)
        self.activations = [None]
        self.deltas = []
        for layer in range(1, self._n_layers + 1):
            activations = np.zeros((max_batch, self._sizes[layer]), self.dtype)
            deltas = np.zeros((max_batch, self._sizes[layer]), self.dtype)
            self.activations.append(activations)
            self.deltas.append(deltas)
            self._activation_at[layer] = _address(activations)
            self._delta_at[layer - 1] = _address(deltas)

    def load(self, X, targets=None, sample_weight=None, order=None):
        """Name the rows that batches are drawn from; see ``reference.Backprop``."""
        check_rows(self.layer_sizes, self.dtype, X, targets, sample_weight, order)
        self._data, self._data_targets, self._data_weight, self._order = X, targets, sample_weight, order
        self._n_data = X.shape[0]
        self._data_at = _address(X)
        self._data_targets_at = NULL if targets is None else _address(targets)
        self._data_weight_at = NULL if sample_weight is None else _address(sample_weight)
        self._order_at = NULL if order is None else <Py_ssize_t*>_address(order)
        # Training batches lie in the same buffers step after step, unless the batch is all there is.
        self._gathers = order is not None or (targets is not None and self.max_batch < self._n_data)
        if self._gathers:
            if self._input_array is None:
                self._input_array = np.zeros((self.max_batch, self._sizes[0]), self.dtype)
                self._target_array = np.zeros((self.max_batch, self._sizes[self._n_layers]), self.dtype)
                self._weight = np.zeros(self.max_batch, self.dtype)
            self.activations[0], self.targets = self._input_array, self._target_array
            self._input_buffer = _address(self._input_array)
            self._target_buffer = _address(self._target_array)
            self._weight_buffer = _address(self._weight)
        else:
            self.activations[0], self.targets = X, targets

    def gradients(self, Py_ssize_t start, Py_ssize_t stop, send_back=None):
        """Fill activations, deltas and gradients for a batch and return its loss.

        ``send_back(layer)``, where given, fills the deltas of a hidden layer in place of rule (6).
        """
        if start < 0 or stop > self._n_data or stop - start > self.max_batch or start >= stop:
            raise IndexError(f"batch {start}:{stop} of {self._n_data} rows, at most {self.max_batch} at once")
        if self._data_targets_at == NULL:
            raise ValueError("gradients need targets: load them with X.")
        cdef double loss
        cdef int n = <int>(stop - start), layer
        if send_back is None:
            with nogil:
                loss = self._typed(start, stop, n, -1)
            return loss
        loss = self._typed(start, stop, n, 0)
        for layer in range(self._n_layers - 1, -1, -1):
            self._typed(start, stop, n, 1 + layer)
            if layer > 0:
                send_back(layer - 1)
        return loss + self._typed(start, stop, n, self._n_layers + 1)

    cdef double _typed(self, Py_ssize_t start, Py_ssize_t stop, int n, int part) noexcept nogil:
        """All of the backward pass (part -1), or outputs (0), a layer's gradient (1 + layer), penalty (last)."""
        if self._is_double:
            return self._part[double](start, stop, n, part, <double*>NULL)
        return self._part[float](start, stop, n, part, <float*>NULL)

    cdef double _part(self, Py_ssize_t start, Py_ssize_t stop, int n, int part, real* _) noexcept nogil:
        cdef int layer
        cdef double loss
        if part == 0:
            return self._output_rules[real](start, stop, n, _)
        if part == self._n_layers + 1:
            return self._penalty[real](_)
        if part > 0:
            self._layer_gradient[real](part - 1, n, _)
            return 0
        loss = self._output_rules[real](start, stop, n, _)
        for layer in range(self._n_layers - 1, -1, -1):
            self._layer_gradient[real](layer, n, _)
            if layer > 0:
                self._send_back[real](layer, n, _)
        return loss + self._penalty[real](_)

    def forward(self, Py_ssize_t start, Py_ssize_t stop):
        """Fill the activations for a batch."""
        if start < 0 or stop > self._n_data or stop - start > self.max_batch or start >= stop:
            raise IndexError(f"batch {start}:{stop} of {self._n_data} rows, at most {self.max_batch} at once")
        with nogil:
            if self._is_double:
                self._enter[double](start, stop, <double*>NULL)
                self._forward[double](stop - start, True, <double*>NULL)
            else:
                self._enter[float](start, stop, <float*>NULL)
                self._forward[float](stop - start, True, <float*>NULL)

    # The last argument of each method below is unused: it tells Cython which type is meant.

    cdef void _enter(self, Py_ssize_t start, Py_ssize_t stop, real* _) noexcept nogil:
        """Point layer 0 at the batch, gathered into the buffers where an order is set."""
        cdef Py_ssize_t width = self._sizes[0], n_outputs = self._sizes[self._n_layers], row, p
        if not self._gathers:
            self._activation_at[0] = <void*>(<real*>self._data_at + start * width)
            return
        self._activation_at[0] = self._input_buffer
        for p in range(stop - start):
            row = start + p if self._order_at == NULL else self._order_at[start + p]
            memcpy(<real*>self._input_buffer + p * width, <real*>self._data_at + row * width, width * sizeof(real))
            if self._data_targets_at != NULL:
                memcpy(<real*>self._target_buffer + p * n_outputs,
                       <real*>self._data_targets_at + row * n_outputs, n_outputs * sizeof(real))
            if self._data_weight_at != NULL:
                (<real*>self._weight_buffer)[p] = (<real*>self._data_weight_at)[row]

    cdef void _forward(self, int n, bint to_outputs, real* _) noexcept nogil:
        """Rule (1): in = W x + theta, x = f(in); the last f is left to the loss unless to_outputs."""
        cdef int layer, width
        cdef real* out
        for layer in range(self._n_layers):
            width = self._sizes[layer + 1]
            out = <real*>self._activation_at[layer + 1]
            if real is double:
                fill_rows_f64(out, <real*>self._params_at + self._bias_start[layer], n, width)
            else:
                fill_rows_f32(out, <real*>self._params_at + self._bias_start[layer], n, width)
            _forward_product(n, width, self._sizes[layer], <real*>self._activation_at[layer],
                             <real*>self._params_at + self._weight_start[layer], out)
            if layer < self._n_layers - 1 or to_outputs:
                if real is double:
                    activate_f64(self._functions[layer], out, n, width)
                else:
                    activate_f32(self._functions[layer], out, n, width)

    cdef double _output_rules(self, Py_ssize_t start, Py_ssize_t stop, int n, real* _) noexcept nogil:
        """Forward, then rules (2) and (5): the mean loss of the batch, without penalty."""
        cdef int last = self._n_layers - 1, n_outputs = self._sizes[self._n_layers], p
        cdef real* targets
        cdef real* weight = NULL
        cdef real* outputs = <real*>self._activation_at[self._n_layers]
        cdef real* delta = <real*>self._delta_at[last]
        cdef double loss

        self._enter[real](start, stop, _)
        self._forward[real](n, False, _)

        if not self._gathers:
            targets = <real*>self._data_targets_at + start * n_outputs
            if self._data_weight_at != NULL:
                weight = <real*>self._data_weight_at + start
        else:
            targets = <real*>self._target_buffer
            if self._data_weight_at != NULL:
                weight = <real*>self._weight_buffer
        self._total = n
        if weight != NULL:
            self._total = 0
            for p in range(n):
                self._total += weight[p]
            if self._total == 0:
                self._total = 1

        if self._loss == SQUARED_ERROR:
            if real is double:
                loss = squared_error_f64(self._functions[last], outputs, targets, delta, weight, n, n_outputs)
            else:
                loss = squared_error_f32(self._functions[last], outputs, targets, delta, weight, n, n_outputs)
        elif self._functions[last] == SOFTMAX:
            if real is double:
                loss = softmax_log_loss_f64(outputs, targets, delta, weight, n, n_outputs)
            else:
                loss = softmax_log_loss_f32(outputs, targets, delta, weight, n, n_outputs)
        else:
            if real is double:
                loss = logistic_log_loss_f64(outputs, targets, delta, weight, n, n_outputs)
            else:
                loss = logistic_log_loss_f32(outputs, targets, delta, weight, n, n_outputs)
        return loss / self._total

    cdef void _layer_gradient(self, int layer, int n, real* _) noexcept nogil:
        """dJ/dw = -mean delta x: rule (3) without its learning rate."""
        cdef int width = self._sizes[layer + 1]
        cdef double scale = -1 / self._total
        cdef real* delta = <real*>self._delta_at[layer]
        cdef real* gradients = <real*>self._gradients_at
        _gradient_product(n, width, self._sizes[layer], <real>scale, <real*>self._activation_at[layer], delta,
                          gradients + self._weight_start[layer])
        if real is double:
            column_sums_f64(gradients + self._bias_start[layer], delta, n, width, scale)
        else:
            column_sums_f32(gradients + self._bias_start[layer], delta, n, width, <float>scale)

    cdef void _send_back(self, int layer, int n, real* _) noexcept nogil:
        """Rule (6): delta_i = f'(in_i) sum_h delta_h w_hi, from a layer to the one before."""
        cdef int64_t n_deltas = <int64_t>n * self._sizes[layer]
        cdef real* before = <real*>self._delta_at[layer - 1]
        _backward_product(n, self._sizes[layer + 1], self._sizes[layer], <real*>self._delta_at[layer],
                          <real*>self._params_at + self._weight_start[layer], <real*>self._scratch_at, before)
        if real is double:
            times_slope_f64(self._functions[layer - 1], before, <real*>self._activation_at[layer], n_deltas)
        else:
            times_slope_f32(self._functions[layer - 1], before, <real*>self._activation_at[layer], n_deltas)

    cdef double _penalty(self, real* _) noexcept nogil:
        """Add the gradient of the L2 penalty and return the penalty."""
        cdef double squares
        if self.alpha == 0:
            return 0
        if real is double:
            squares = add_decay_f64(<real*>self._gradients_at, <real*>self._params_at, self._n_weights,
                                    self.alpha / self._total)
        else:
            squares = add_decay_f32(<real*>self._gradients_at, <real*>self._params_at, self._n_weights,
                                    <float>(self.alpha / self._total))
        return 0.5 * self.alpha * squares / self._total


cdef void* _address(array) except? NULL:
    """Where a C-contiguous array lies; the caller keeps the array alive."""
    if not array.flags.c_contiguous:
        raise ValueError("the array must be C-contiguous")
    return <void*><size_t>array.ctypes.data

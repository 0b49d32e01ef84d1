# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Forward and backward of a whole minibatch in one call. The twin is ``reference.Backprop``."""

import numpy as np

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from sklearn_metabp._kernels._layer_loops cimport (
    activate, activate_and_slope, add_decay, column_sums, drop, dropout_layer_key, fill_rows, multiply, output_rules, real, softmax,
    times_slope,
)
from sklearn_metabp._kernels._products cimport (
    SMALL_PRODUCT, backward_product, forward_product, gradient_product,
)

from sklearn_metabp._kernels.functions import DERIVATIVES_AT, FUNCTION_CODES, LOSS_CODES
from sklearn_metabp._kernels.reference import check_backprop_arguments, check_dropout, check_rows

cdef extern from "layer_loops.h" nogil:
    int SOFTMAX

cdef enum:
    MAX_LAYERS = 100  # deeper than any MLP that trains

# How a forward pass ends: with the outputs, or with the output layer's net inputs, left to the loss; in
# training the slopes of the hidden layers are kept.
cdef enum:
    TO_OUTPUTS
    TO_LOSS
    TRAINING


cdef class Backprop:
    """Activations, deltas, gradients and loss of a minibatch.

    See ``reference.Backprop`` for the parameters, the attributes and the equations.
    """

    cdef readonly tuple layer_sizes
    cdef readonly list activations
    cdef readonly list layer_outputs
    cdef readonly list deltas
    cdef readonly list slopes
    cdef readonly object targets
    cdef readonly object params
    cdef readonly object gradients_
    cdef readonly object dtype
    cdef readonly double alpha
    cdef readonly double dropout
    cdef readonly uint64_t n_steps
    cdef readonly Py_ssize_t max_batch

    cdef object _groups, _data, _data_targets, _data_weight, _order, _weight, _scratch, _input_array, _target_array
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
    cdef void* _slope_at[MAX_LAYERS]
    cdef bint _drops
    cdef uint64_t _dropout_key
    cdef int64_t* _groups_at
    cdef int64_t _n_groups
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

    def __init__(self, layer_sizes, activations, out_activation, loss, params, gradients, *,
                 max_batch, alpha=0.0, out_groups=None, dropout=0.0, dropout_key=None, n_steps=0):
        cdef int layer
        cdef int64_t start = 0
        self.layer_sizes = tuple(int(size) for size in layer_sizes)
        check_backprop_arguments(
            self.layer_sizes, activations, out_activation, loss, params, gradients, max_batch, out_groups
        )
        check_dropout(dropout, dropout_key, n_steps)
        self._n_layers = len(self.layer_sizes) - 1
        if self._n_layers > MAX_LAYERS:
            raise ValueError(
                f"hidden_layer_sizes has {self._n_layers - 1} layers; at most {MAX_LAYERS - 1} are supported."
            )
        self.dtype = params.dtype
        self._is_double = self.dtype == np.float64
        self.alpha = alpha
        self.max_batch = max_batch
        self.dropout = dropout
        self.n_steps = n_steps
        self._drops = dropout > 0 and dropout_key is not None
        self._dropout_key = dropout_key or 0
        self._loss = LOSS_CODES[loss]
        for layer in range(self._n_layers + 1):
            self._sizes[layer] = self.layer_sizes[layer]
        for layer in range(self._n_layers):
            self._functions[layer] = FUNCTION_CODES[(*activations, out_activation)[layer]]
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
        self._groups = np.array(out_groups or (self._sizes[self._n_layers],), dtype=np.int64)
        self._groups_at = <int64_t*>_address(self._groups)
        self._n_groups = len(self._groups)
        self.layer_outputs, self.deltas, self.slopes = [], [], []
        for layer in range(self._n_layers):
            shape = (max_batch, self._sizes[layer + 1])
            self.layer_outputs.append(np.zeros(shape, self.dtype))
            self.deltas.append(np.zeros(shape, self.dtype))
            self._activation_at[layer + 1] = _address(self.layer_outputs[layer])
            self._delta_at[layer] = _address(self.deltas[layer])
            self._slope_at[layer] = NULL
            if layer < self._n_layers - 1:
                keeps = self._drops or activations[layer] in DERIVATIVES_AT
                self.slopes.append(np.zeros(shape, self.dtype) if keeps else None)
                if keeps:
                    self._slope_at[layer] = _address(self.slopes[layer])
        self.activations = [None, *self.layer_outputs]

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
        self.n_steps += 1
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
                self._forward[double](stop - start, TO_OUTPUTS, <double*>NULL)
            else:
                self._enter[float](start, stop, <float*>NULL)
                self._forward[float](stop - start, TO_OUTPUTS, <float*>NULL)

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

    cdef void _forward(self, int n, int end, real* _) noexcept nogil:
        """Rule (1): in = W x + theta, x = f(in)."""
        cdef int layer, width, function
        cdef real* out
        for layer in range(self._n_layers):
            width, function = self._sizes[layer + 1], self._functions[layer]
            out = <real*>self._activation_at[layer + 1]
            fill_rows(out, <real*>self._params_at + self._bias_start[layer], n, width)
            forward_product(n, width, self._sizes[layer], <real*>self._activation_at[layer],
                            <real*>self._params_at + self._weight_start[layer], out)
            if layer == self._n_layers - 1:
                if end == TO_OUTPUTS and function == SOFTMAX:
                    softmax(out, n, width, self._groups_at, self._n_groups)
                elif end == TO_OUTPUTS:
                    activate(function, out, <int64_t>n * width)
            elif end == TRAINING and self._slope_at[layer] != NULL:
                activate_and_slope(function, out, <real*>self._slope_at[layer], <int64_t>n * width)
                if self._drops:
                    drop(out, <real*>self._slope_at[layer], n, width,
                         dropout_layer_key(self._dropout_key, self.n_steps, layer),
                         <uint32_t>(self.dropout * 4294967296.0), <real>(1 / (1 - self.dropout)))
            else:
                activate(function, out, <int64_t>n * width)

    cdef double _output_rules(self, Py_ssize_t start, Py_ssize_t stop, int n, real* _) noexcept nogil:
        """Forward, then rules (2) and (5): the mean loss of the batch, without penalty."""
        cdef int last = self._n_layers - 1, n_outputs = self._sizes[self._n_layers], p
        cdef real* targets
        cdef real* weight = NULL
        cdef real* outputs = <real*>self._activation_at[self._n_layers]
        cdef real* delta = <real*>self._delta_at[last]

        self._enter[real](start, stop, _)
        self._forward[real](n, TRAINING, _)

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

        return output_rules(self._loss, self._functions[last], outputs, targets, delta, weight, n, n_outputs,
                            self._groups_at, self._n_groups) / self._total

    cdef void _layer_gradient(self, int layer, int n, real* _) noexcept nogil:
        """dJ/dw = -mean delta x: rule (3) without its learning rate."""
        cdef int width = self._sizes[layer + 1]
        cdef double scale = -1 / self._total
        cdef real* delta = <real*>self._delta_at[layer]
        cdef real* gradients = <real*>self._gradients_at
        gradient_product(n, width, self._sizes[layer], <real>scale, <real*>self._activation_at[layer], delta,
                         gradients + self._weight_start[layer])
        column_sums(gradients + self._bias_start[layer], delta, n, width, <real>scale)

    cdef void _send_back(self, int layer, int n, real* _) noexcept nogil:
        """Rule (6): delta_i = f'(in_i) sum_h delta_h w_hi, from a layer to the one before."""
        cdef int64_t n_deltas = <int64_t>n * self._sizes[layer]
        cdef real* before = <real*>self._delta_at[layer - 1]
        backward_product(n, self._sizes[layer + 1], self._sizes[layer], <real*>self._delta_at[layer],
                         <real*>self._params_at + self._weight_start[layer], <real*>self._scratch_at, before)
        if self._slope_at[layer - 1] != NULL:
            multiply(before, <real*>self._slope_at[layer - 1], n_deltas)
        else:
            times_slope(self._functions[layer - 1], before, <real*>self._activation_at[layer], n_deltas)

    cdef double _penalty(self, real* _) noexcept nogil:
        """Add the gradient of the L2 penalty and return the penalty."""
        cdef double squares
        if self.alpha == 0:
            return 0
        squares = add_decay(<real*>self._gradients_at, <real*>self._params_at, self._n_weights,
                            <real>(self.alpha / self._total))
        return 0.5 * self.alpha * squares / self._total


cdef void* _address(array) except? NULL:
    """Where a C-contiguous array lies; the caller keeps the array alive."""
    if not array.flags.c_contiguous:
        raise ValueError("the array must be C-contiguous")
    return <void*><size_t>array.ctypes.data

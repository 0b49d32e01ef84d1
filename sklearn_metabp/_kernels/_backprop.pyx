# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Forward and backward of a whole minibatch in one call. The twin is ``reference.Backprop``."""

import numpy as np
from scipy.sparse import issparse

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from sklearn_metabp._kernels._layer_loops cimport (
    SparseRows, activate, activate_and_slope, add_decay, column_sums, dense_rows, drop, dropout_layer_key,
    fill_rows, multiply, output_rules, real, softmax, sparse_gradient, sparse_product, times_slope,
)
from sklearn_metabp._kernels._products cimport (
    SMALL_PRODUCT, backward_product, forward_product, gradient_product,
)

from sklearn_metabp._kernels.csr_rows import check_csr
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

    cdef object _inputs, _groups, _data, _data_targets, _data_weight, _order, _weight, _scratch, _input_array, _target_array
    cdef object _csr, _rows
    cdef SparseRows _sparse
    cdef bint _is_double, _gathers, _is_sparse, _inputs_are_stale
    cdef int _n_batch                       # rows of the last batch
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

    @property
    def activations(self):
        """Of every layer, the input first; of a sparse X the batch, made dense."""
        self.fill_inputs()
        return [self._inputs, *self.layer_outputs]

    def fill_inputs(self):
        """Make the last batch of a sparse X dense, in ``activations[0]``; of a dense X it is there."""
        if not (self._is_sparse and self._inputs_are_stale):
            return
        if self._inputs is None:
            self._inputs = np.zeros((self.max_batch, self._sizes[0]), self.dtype)
        cdef void* inputs = _address(self._inputs)
        if self._is_double:
            dense_rows(&self._sparse, <double*>inputs, self._n_batch, self._sizes[0])
        else:
            dense_rows(&self._sparse, <float*>inputs, self._n_batch, self._sizes[0])
        self._inputs_are_stale = False

    def load(self, X, targets=None, sample_weight=None, order=None):
        """Name the rows that batches are drawn from; see ``reference.Backprop``."""
        check_rows(self.layer_sizes, self.dtype, X, targets, sample_weight, order)
        csr = check_csr(X) if issparse(X) else None
        self._data, self._data_targets, self._data_weight, self._order = X, targets, sample_weight, order
        self._n_data = X.shape[0]
        self._data_targets_at = NULL if targets is None else _address(targets)
        self._data_weight_at = NULL if sample_weight is None else _address(sample_weight)
        self._order_at = NULL if order is None else <Py_ssize_t*>_address(order)
        self._is_sparse = csr is not None
        # Training batches lie in the same buffers step after step, unless the batch is all there is.
        self._gathers = order is not None or (targets is not None and self.max_batch < self._n_data)
        if self._is_sparse:
            self._load_sparse(csr)
        else:
            self._data_at = _address(X)
            self._inputs = X
            self._csr = None
        self.targets = targets
        if self._gathers:
            if self._target_array is None:
                self._target_array = np.zeros((self.max_batch, self._sizes[self._n_layers]), self.dtype)
                self._weight = np.zeros(self.max_batch, self.dtype)
            self.targets = self._target_array
            self._target_buffer = _address(self._target_array)
            self._weight_buffer = _address(self._weight)
        if self._gathers and not self._is_sparse:
            if self._input_array is None:
                self._input_array = np.zeros((self.max_batch, self._sizes[0]), self.dtype)
            self._inputs = self._input_array
            self._input_buffer = _address(self._input_array)

    def _load_sparse(self, csr):
        self._csr = csr
        if self._rows is None:
            self._rows = np.zeros(self.max_batch, np.int64)
        self._sparse.values = _address(csr.values)
        self._sparse.columns = <int32_t*>_address(csr.columns)
        self._sparse.indptr = <int64_t*>_address(csr.indptr)
        self._sparse.rows = <int64_t*>_address(self._rows)
        self._n_batch, self._inputs, self._inputs_are_stale = 0, None, True

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
            return self._output_rules[real](start, stop, n, TRAINING, _)
        if part == self._n_layers + 1:
            return self._penalty[real](_)
        if part > 0:
            self._layer_gradient[real](part - 1, n, _)
            return 0
        loss = self._output_rules[real](start, stop, n, TRAINING, _)
        for layer in range(self._n_layers - 1, -1, -1):
            self._layer_gradient[real](layer, n, _)
            if layer > 0:
                self._send_back[real](layer, n, _)
        return loss + self._penalty[real](_)

    def summed_loss(self, Py_ssize_t start, Py_ssize_t stop):
        """Sum of the losses of some rows, times their sample weights; no penalty, nothing dropped."""
        if start < 0 or stop > self._n_data or stop - start > self.max_batch or start >= stop:
            raise IndexError(f"batch {start}:{stop} of {self._n_data} rows, at most {self.max_batch} at once")
        if self._data_targets_at == NULL:
            raise ValueError("losses need targets: load them with X.")
        cdef double loss
        cdef int n = <int>(stop - start)
        with nogil:
            if self._is_double:
                loss = self._output_rules[double](start, stop, n, TO_LOSS, <double*>NULL)
            else:
                loss = self._output_rules[float](start, stop, n, TO_LOSS, <float*>NULL)
        return loss * self._total

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
        self._n_batch, self._inputs_are_stale = <int>(stop - start), True
        if not self._gathers and not self._is_sparse:
            self._activation_at[0] = <void*>(<real*>self._data_at + start * width)
            return
        self._activation_at[0] = self._input_buffer
        for p in range(stop - start):
            row = start + p if self._order_at == NULL else self._order_at[start + p]
            if self._is_sparse:
                self._sparse.rows[p] = row
            else:
                memcpy(<real*>self._input_buffer + p * width, <real*>self._data_at + row * width,
                       width * sizeof(real))
            if not self._gathers:
                continue
            if self._data_targets_at != NULL:
                memcpy(<real*>self._target_buffer + p * n_outputs,
                       <real*>self._data_targets_at + row * n_outputs, n_outputs * sizeof(real))
            if self._data_weight_at != NULL:
                (<real*>self._weight_buffer)[p] = (<real*>self._data_weight_at)[row]

    cdef void _forward(self, int n, int end, real* _) noexcept nogil:
        """Rule (1): in = W x + theta, x = f(in)."""
        cdef int layer, width, function
        cdef real* out
        cdef real* weights
        for layer in range(self._n_layers):
            width, function = self._sizes[layer + 1], self._functions[layer]
            out = <real*>self._activation_at[layer + 1]
            fill_rows(out, <real*>self._params_at + self._bias_start[layer], n, width)
            weights = <real*>self._params_at + self._weight_start[layer]
            if layer == 0 and self._is_sparse:
                sparse_product(&self._sparse, out, weights, n, width)
            else:
                forward_product(n, width, self._sizes[layer], <real*>self._activation_at[layer], weights, out)
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

    cdef double _output_rules(self, Py_ssize_t start, Py_ssize_t stop, int n, int end, real* _) noexcept nogil:
        """Forward, then rules (2) and (5): the mean loss of the batch, without penalty."""
        cdef int last = self._n_layers - 1, n_outputs = self._sizes[self._n_layers], p
        cdef real* targets
        cdef real* weight = NULL
        cdef real* outputs = <real*>self._activation_at[self._n_layers]
        cdef real* delta = <real*>self._delta_at[last]

        self._enter[real](start, stop, _)
        self._forward[real](n, end, _)

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
        if layer == 0 and self._is_sparse:
            sparse_gradient(&self._sparse, gradients + self._weight_start[0], delta, n, width, self._sizes[0],
                            <real>scale)
        else:
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

# cython: language_level=3, boundscheck=False, wraparound=False
# cython: cdivision=True, initializedcheck=False
"""Forward and backward pass of a minibatch in one call; ``backprop_fallback`` has the fallback."""

import numpy as np

cimport cython
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int64_t, uint32_t, uint64_t

from sklearn_metabp._kernels.network._batch_rows cimport COLUMNS, NOTHING, BatchRows, address
from sklearn_metabp._kernels.network._layer_loops cimport (
    SOFTMAX, activate, activate_and_slope, add_decay, column_sums, drop, dropout_layer_key,
    fill_rows, multiply, output_rules, softmax, sparse_gradient, sparse_product, sum_of,
    times_slope,
)
from sklearn_metabp._kernels.network._products cimport (
    SMALL_PRODUCT, backward_product, forward_product, gradient_product,
)

from sklearn_metabp._kernels.functions import ACTIVATIONS, LOSSES
from sklearn_metabp._kernels.network.backprop_fallback import (
    check_backprop_arguments, check_dropout, check_shares,
)

__all__ = ["Backprop"]

# How a forward pass ends: with the outputs, or with the output layer's net inputs, left to the
# loss. In training the slopes of the hidden layers are kept.
cdef enum:
    TO_OUTPUTS
    TO_LOSS
    TRAINING


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


@cython.final  # its own methods are called without a table, and inlined
cdef class Backprop:
    """Activations, deltas, gradients and loss of a minibatch.

    See the fallback's ``Backprop`` for the parameters, the attributes and the equations.
    """

    cdef readonly tuple layer_sizes
    cdef readonly list layer_outputs
    cdef readonly list deltas
    cdef readonly list slopes
    cdef readonly object params
    cdef readonly object gradients_
    cdef readonly object dtype
    cdef readonly double alpha
    cdef readonly object dropout
    cdef public uint64_t n_steps
    cdef readonly Py_ssize_t max_batch

    cdef BatchRows _rows
    cdef object _groups, _scratch
    cdef bint _is_double
    cdef int _n_layers                      # layers of weights
    cdef Layer* _layers
    cdef int _loss
    cdef int64_t _n_weights
    cdef double _total                      # patterns of the batch, or their sample weights
    cdef bint _drops
    cdef uint64_t _dropout_key
    cdef const double* _shares              # of neurons to drop, by hidden layer
    cdef int64_t* _groups_at
    cdef int64_t _n_groups
    cdef void* _scratch_at

    def __init__(self, layer_sizes, activations, out_activation, loss, params, gradients, *,
                 max_batch, alpha=0.0, out_groups=None, dropout=0.0, dropout_key=None, n_steps=0):
        if self._layers != NULL:
            raise TypeError("a kernel is made once: make another one.")
        self.layer_sizes = tuple(int(size) for size in layer_sizes)
        check_backprop_arguments(
            self.layer_sizes, activations, out_activation, loss, params, gradients, max_batch,
            out_groups,
        )
        check_dropout(dropout, dropout_key, n_steps)
        self._n_layers = len(self.layer_sizes) - 1
        self.dtype = params.dtype
        self._is_double = self.dtype == np.float64
        self.alpha = alpha
        self.max_batch = max_batch
        self.dropout = np.full(self._n_layers - 1, dropout, np.float64)
        self._shares = <const double*>address(self.dropout)
        self.n_steps = n_steps
        self._drops = dropout_key is not None
        self._dropout_key = dropout_key or 0
        self._loss = LOSSES[loss].code
        self.params = params
        self.gradients_ = gradients
        widest = max(a * b for a, b in zip(self.layer_sizes, self.layer_sizes[1:]))
        self._scratch = np.empty(min(widest, SMALL_PRODUCT), self.dtype)
        self._scratch_at = address(self._scratch)
        self._groups = np.array(out_groups or self.layer_sizes[self._n_layers :], dtype=np.int64)
        self._groups_at = <int64_t*>address(self._groups)
        self._n_groups = len(self._groups)
        n_inputs, n_outputs = self.layer_sizes[0], self.layer_sizes[self._n_layers]
        self._rows = BatchRows(n_inputs, n_outputs, self.dtype, max_batch)
        self._make_layers((*activations, out_activation))

    def _make_layers(self, functions):
        cdef int number
        cdef int64_t start = 0, item = self.dtype.itemsize
        cdef char* params = <char*>address(self.params)
        cdef char* gradients = NULL if self.gradients_ is None else <char*>address(self.gradients_)
        cdef Layer* layer
        self._layers = <Layer*>PyMem_Calloc(self._n_layers, sizeof(Layer))
        if self._layers == NULL:
            raise MemoryError()
        self.layer_outputs, self.deltas, self.slopes = [], [], []
        for number in range(self._n_layers):
            layer = &self._layers[number]
            layer.fan_in, layer.width = self.layer_sizes[number], self.layer_sizes[number + 1]
            layer.function = ACTIVATIONS[functions[number]].code
            layer.weights = params + start * item
            layer.weight_gradients = NULL if gradients == NULL else gradients + start * item
            start += <int64_t>layer.fan_in * layer.width
            shape = (self.max_batch, layer.width)
            self.layer_outputs.append(np.zeros(shape, self.dtype))
            self.deltas.append(np.zeros(shape, self.dtype))
            layer.outputs = address(self.layer_outputs[number])
            layer.deltas = address(self.deltas[number])
            if number < self._n_layers - 1:
                keeps = self._drops or ACTIVATIONS[functions[number]].needs_net_inputs
                self.slopes.append(np.zeros(shape, self.dtype) if keeps else None)
                if keeps:
                    layer.slopes = address(self.slopes[number])
        self._n_weights = start
        for number in range(self._n_layers):
            layer = &self._layers[number]
            layer.biases = params + start * item
            layer.bias_gradients = NULL if gradients == NULL else gradients + start * item
            start += layer.width

    def __dealloc__(self):
        PyMem_Free(self._layers)

    @property
    def activations(self):
        """Activations of every layer, the input first; the batch of a sparse X is made dense."""
        self._rows.fill_inputs()
        return [self._rows.inputs_array, *self.layer_outputs]

    @property
    def targets(self):
        """Targets of the last training batch."""
        return self._rows.targets_array

    def fill_inputs(self):
        """Write the last batch of a sparse X into ``activations[0]``; a dense one is there."""
        self._rows.fill_inputs()

    def load(self, X, targets=None, sample_weight=None, order=None):
        """Take the rows that batches are drawn from; see the fallback."""
        self._rows.load(X, targets, sample_weight, order)

    cdef inline int _check_batch(self, Py_ssize_t start, Py_ssize_t stop) except -1:
        cdef Py_ssize_t n_rows = self._rows.n_rows
        if start < 0 or stop > n_rows or stop - start > self.max_batch or start >= stop:
            raise IndexError(
                f"batch {start}:{stop} of {n_rows} rows, at most {self.max_batch} at once"
            )
        return 0

    def gradients(self, Py_ssize_t start, Py_ssize_t stop, send_back=None):
        """Fill activations, deltas and gradients for a batch and return its loss.

        ``send_back(layer)``, where given, fills the deltas of a hidden layer in place of rule (6).
        """
        self._check_batch(start, stop)
        if not self._rows.has_targets:
            raise ValueError("gradients need targets: load them with X.")
        if self.gradients_ is None:
            raise ValueError("gradients need an array to be written to: make the kernel with one.")
        if self._drops:
            self._check_shares()
        self.n_steps += 1
        cdef double loss
        cdef int n = <int>(stop - start), layer
        if send_back is None:
            with nogil:
                loss = self._part(start, stop, n, -1)
            self._check_change()
            return loss
        loss = self._part(start, stop, n, 0)
        self._check_change()
        for layer in range(self._n_layers - 1, -1, -1):
            self._part(start, stop, n, 1 + layer)
            if layer > 0:
                send_back(layer - 1)
                if self._rows.n != n:
                    raise ValueError("send_back must not load other rows, nor draw another batch.")
        self._check_change()
        return loss + self._part(start, stop, n, self._n_layers + 1)

    cdef inline int _check_shares(self) except -1:
        """Raise ValueError unless every hidden layer can drop its share."""
        cdef int number
        for number in range(self._n_layers - 1):
            if not 0 <= self._shares[number] < 1:  # also for NaN
                check_shares(self.dropout)
        return 0

    cdef inline int _check_change(self) except -1:
        """Raise ValueError if the last batch could not be read as it was when it was loaded."""
        if self._rows.changed != NOTHING:
            self._rows.raise_change()
        return 0

    cdef double _part(self, Py_ssize_t start, Py_ssize_t stop, int n, int part) noexcept nogil:
        """Take a part of the backward pass, or all of it (-1).

        The parts are the outputs (0), the gradient of a layer (1 + layer) and the penalty (last).
        """
        cdef int layer
        cdef double loss
        if part == 0:
            return self._output_rules(start, stop, n, TRAINING)
        if part == self._n_layers + 1:
            return self._penalty()
        if part > 0:
            self._layer_gradient(part - 1, n)
            return 0
        loss = self._output_rules(start, stop, n, TRAINING)
        if self._rows.changed != NOTHING:
            return 0
        for layer in range(self._n_layers - 1, -1, -1):
            self._layer_gradient(layer, n)
            if layer > 0:
                self._send_back(layer, n)
        return loss + self._penalty()

    def summed_loss(self, Py_ssize_t start, Py_ssize_t stop):
        """Return the sum of the losses of some rows times their sample weights.

        It has no penalty, and nothing is dropped.
        """
        self._check_batch(start, stop)
        if not self._rows.has_targets:
            raise ValueError("losses need targets: load them with X.")
        cdef double loss
        cdef int n = <int>(stop - start)
        with nogil:
            loss = self._output_rules(start, stop, n, TO_LOSS)
        self._check_change()
        return loss * self._total

    def forward(self, Py_ssize_t start, Py_ssize_t stop):
        """Fill the activations for a batch."""
        self._check_batch(start, stop)
        with nogil:
            self._rows.enter(start, stop)
            if self._rows.changed == NOTHING:
                self._forward(stop - start, TO_OUTPUTS)
        self._check_change()

    cdef void _forward(self, int n, int end) noexcept nogil:
        """Rule (1): in = W x + theta, x = f(in)."""
        cdef bint is_double = self._is_double
        cdef int number, width
        cdef double share
        cdef Layer* layer
        cdef void* out
        cdef void* x = self._rows.inputs
        for number in range(self._n_layers):
            layer = &self._layers[number]
            width, out = layer.width, layer.outputs
            fill_rows(is_double, out, layer.biases, n, width)
            if number == 0 and self._rows.is_sparse:
                if sparse_product(is_double, &self._rows.sparse, out, layer.weights, n, width,
                                  layer.fan_in):
                    self._rows.changed = COLUMNS
                    return
            else:
                forward_product(is_double, n, width, layer.fan_in, x, layer.weights, out)
            if number == self._n_layers - 1:
                if end == TO_OUTPUTS and layer.function == SOFTMAX:
                    softmax(is_double, out, n, width, self._groups_at, self._n_groups)
                elif end == TO_OUTPUTS:
                    activate(is_double, layer.function, out, <int64_t>n * width)
            elif end == TRAINING and layer.slopes != NULL:
                activate_and_slope(is_double, layer.function, out, layer.slopes, <int64_t>n * width)
                share = self._shares[number] if self._drops else 0
                if share > 0:
                    drop(is_double, out, layer.slopes, n, width,
                         dropout_layer_key(self._dropout_key, self.n_steps, number),
                         <uint32_t>(share * 4294967296.0), 1 / (1 - share))
            else:
                activate(is_double, layer.function, out, <int64_t>n * width)
            x = out

    cdef double _output_rules(self, Py_ssize_t start, Py_ssize_t stop, int n,
                              int end) noexcept nogil:
        """Forward, then rules (2) and (5): the mean loss of the batch, without penalty."""
        cdef Layer* last = &self._layers[self._n_layers - 1]
        self._rows.enter(start, stop)
        if self._rows.changed == NOTHING:
            self._forward(n, end)
        if self._rows.changed != NOTHING:
            return 0
        self._total = n
        if self._rows.weight != NULL:
            self._total = sum_of(self._is_double, self._rows.weight, n)
            if self._total == 0:
                self._total = 1
        return output_rules(self._is_double, self._loss, last.function, last.outputs,
                            self._rows.targets, last.deltas, self._rows.weight, n, last.width,
                            self._groups_at, self._n_groups) / self._total

    cdef void _layer_gradient(self, int number, int n) noexcept nogil:
        """dJ/dw = -mean delta x: rule (3) without its learning rate."""
        cdef Layer* layer = &self._layers[number]
        cdef double scale = -1 / self._total
        if number == 0 and self._rows.is_sparse:
            if sparse_gradient(self._is_double, &self._rows.sparse, layer.weight_gradients,
                               layer.deltas, n, layer.width, layer.fan_in, scale):
                self._rows.changed = COLUMNS
        else:
            gradient_product(self._is_double, n, layer.width, layer.fan_in, scale,
                             self._rows.inputs if number == 0 else self._layers[number - 1].outputs,
                             layer.deltas, layer.weight_gradients)
        column_sums(self._is_double, layer.bias_gradients, layer.deltas, n, layer.width, scale)

    cdef void _send_back(self, int number, int n) noexcept nogil:
        """Rule (6): delta_i = f'(in_i) sum_h delta_h w_hi, from a layer to the one before."""
        cdef Layer* layer = &self._layers[number]
        cdef Layer* before = &self._layers[number - 1]
        cdef int64_t n_deltas = <int64_t>n * before.width
        backward_product(self._is_double, n, layer.width, before.width, layer.deltas, layer.weights,
                         self._scratch_at, before.deltas)
        if before.slopes != NULL:
            multiply(self._is_double, before.deltas, before.slopes, n_deltas)
        else:
            times_slope(self._is_double, before.function, before.deltas, before.outputs, n_deltas)

    cdef double _penalty(self) noexcept nogil:
        """Add the gradient of the L2 penalty and return the penalty."""
        cdef double squares
        if self.alpha == 0:
            return 0
        squares = add_decay(self._is_double, self._layers[0].weight_gradients,
                            self._layers[0].weights, self._n_weights, self.alpha / self._total)
        return 0.5 * self.alpha * squares / self._total

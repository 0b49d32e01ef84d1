# cython: language_level=3, boundscheck=False, wraparound=False
# cython: cdivision=True, initializedcheck=False
"""Forward and backward pass of a minibatch in one call; ``backprop_fallback`` has the fallback."""

import numpy as np

cimport cython
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.math cimport NAN, isfinite
from libc.stdint cimport int64_t, intptr_t, uint32_t, uint64_t
from libc.string cimport memcpy

from sklearn_metabp._kernels.network._batch_rows cimport COLUMNS, NOTHING, BatchRows, address
from sklearn_metabp._kernels.network._epoch_ends cimport (
    FINISHED, INTERRUPTED, LOSS_IS_NOT_FINITE, ROWS_CHANGED, UPDATE_IS_NOT_FINITE, End,
)
from sklearn_metabp._kernels.network._input_gradient cimport InputGradient
from sklearn_metabp._kernels.network._input_layer cimport InputRows
from sklearn_metabp._kernels.network._late_weights cimport LateWeights
from sklearn_metabp._kernels.network._layer_loops cimport (
    RELU, SOFTMAX, activate, activate_and_slope, add_decay, add_noise, column_sums, curvatures,
    drop, dropout_layer_key, dropout_rows_key, fill_rows, mix, multiply, net_curvatures, output_rules,
    softmax, softmax_labels_log_loss, sparse_gradient, sparse_product, sum_of, times_slope,
)
from sklearn_metabp._kernels.network._layers cimport (
    GRADIENT_PARTS, PART_WORK, Layer, Thread, ThreadPool, Work, close_pool, part_start, row_of,
    row_parts, run_parts,
)
from sklearn_metabp._kernels.network._products cimport (
    AS_IT_IS, N_TARGETS, RECTIFY, SMALL_PRODUCT, TIMES_RELU_SLOPE, Products, blas_backward,
    blas_forward, blas_gradient, has_target, products_of, target_names,
)
from sklearn_metabp._kernels.rules._compiled_rule cimport CompiledRule, StepNumbers

from sklearn_metabp._kernels.functions import ACTIVATIONS, LOSSES, check_input_gradient
from sklearn_metabp._kernels.network.backprop_fallback import (
    check_backprop_arguments, check_dropout, check_n_threads, check_noise, check_noise_of,
    check_sends_back_by_rule_6, check_shares, mix_starts,
)
from sklearn_metabp._kernels.network.epoch_ends import LOSS_IS_NOT_FINITE as BAD_LOSS
from sklearn_metabp._kernels.network.epoch_ends import UPDATE_IS_NOT_FINITE as BAD_UPDATE
from sklearn_metabp._kernels.network.input_layer import (
    check_input_layer, check_rows_of_input_layer, first_width,
)
from sklearn_metabp._kernels.network._late_weights import is_worthwhile

cdef extern from "shuffle.h" nogil:
    ctypedef struct BitGenerator:
        pass
    void shuffle(const BitGenerator* random, intptr_t* order, intptr_t n)

cdef extern from "Python.h":
    int PyErr_CheckSignals() except -1

__all__ = ["Backprop", "instruction_set", "instruction_sets", "use_instruction_set"]

# Gradients that a rule gets at once, at least: the first cache holds them and the rule's state.
cdef enum:
    BLOCK = 512
    ROWS = 24                   # a multiple of the rows of every tile
    WORK_BETWEEN_SIGNALS = 50000000

cdef int target = 0             # the instruction set of the kernels that are made from now on


def instruction_sets():
    """Return the names of the instruction sets that products can use here, the best first."""
    return [target_names[k].decode() for k in range(N_TARGETS) if has_target(k)]


def instruction_set():
    """Return the name of the instruction set of the kernels that are made from now on."""
    return target_names[target].decode()


def use_instruction_set(name):
    """Choose the instruction set of the kernels that are made from now on.

    Parameters
    ----------
    name : {"avx512", "avx2", "neon", "blas"}
        "blas" computes products by SciPy's BLAS.

    Raises
    ------
    ValueError
        If the processor or this build has no such set.
    """
    global target
    if name not in instruction_sets():
        raise ValueError(f"instruction set {name!r}: there is {', '.join(instruction_sets())}.")
    for k in range(N_TARGETS):
        if target_names[k].decode() == name:
            target = k


use_instruction_set(instruction_sets()[0])

# How a forward pass ends: with the outputs, or with the output layer's net inputs, left to the
# loss. In training the slopes of the hidden layers are kept.
cdef enum:
    TO_OUTPUTS
    TO_LOSS
    TRAINING


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
    cdef readonly double input_noise
    cdef readonly double input_gradient_penalty
    cdef readonly object input_layer
    cdef public uint64_t n_steps
    cdef readonly Py_ssize_t max_batch

    cdef BatchRows _rows
    cdef LateWeights _late                  # of the first layer, while epochs run that can wait
    cdef InputGradient _input_gradient      # None without a penalty
    cdef list _gaps
    cdef InputRows _input_rows              # None without an input layer
    cdef object _groups, _scratch, _tile_scratch, _block, _squares
    cdef const Products* _products          # NULL where BLAS computes them
    cdef ThreadPool _pool
    cdef Thread* _threads
    cdef double* _squares_at                # of the weights of each block
    cdef int64_t _item
    cdef bint _is_double
    cdef int _n_layers                      # layers of weights
    cdef Layer* _layers
    cdef int _loss
    cdef int64_t _n_weights, _n_biases, _n_extras
    cdef double _total                      # patterns of the batch, or their sample weights
    cdef bint _drops
    cdef uint64_t _dropout_key, _noise_key
    cdef bint _adds_noise, _mixes_outputs
    cdef const double* _shares              # of neurons to drop, by hidden layer
    cdef int64_t* _groups_at
    cdef int64_t _n_groups
    cdef void* _scratch_at

    def __init__(self, layer_sizes, activations, out_activation, loss, params, gradients, *,
                 max_batch, alpha=0.0, out_groups=None, dropout=0.0, dropout_key=None, n_steps=0,
                 n_threads=1, input_noise=0.0, noise_key=None, input_gradient_penalty=0.0,
                 input_gradient_norm="l2", input_layer=None, parametric_layers=()):
        if self._layers != NULL:
            raise TypeError("a kernel is made once: make another one.")
        self.layer_sizes = tuple(int(size) for size in layer_sizes)
        check_input_layer(input_layer, self.layer_sizes[0], input_gradient_penalty)
        dense_sizes = first_width(self.layer_sizes, input_layer)
        self.input_layer = input_layer
        n_before = 0 if input_layer is None else input_layer.n_params
        mixes, self._n_extras = mix_starts(
            parametric_layers, dense_sizes, n_before, input_gradient_penalty)
        check_backprop_arguments(
            dense_sizes, activations, out_activation, loss, params, gradients, max_batch,
            out_groups, self._n_extras,
        )
        check_dropout(dropout, dropout_key, n_steps)
        check_noise(input_noise, noise_key)
        check_n_threads(n_threads)
        check_input_gradient(input_gradient_penalty, input_gradient_norm)
        self._mixes_outputs = any(start is not None for start in mixes)
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
        self.input_noise = input_noise
        self._adds_noise = noise_key is not None and input_noise > 0
        self._noise_key = noise_key or 0
        self._loss = LOSSES[loss].code
        self.params = params
        self.gradients_ = gradients
        self._item = self.dtype.itemsize
        self.input_gradient_penalty = input_gradient_penalty
        self._products = products_of[target][self._is_double]
        n_threads = 1 if self._products == NULL else n_threads
        self._make_scratch(dense_sizes, n_threads)
        self._groups = np.array(out_groups or self.layer_sizes[self._n_layers :], dtype=np.int64)
        self._groups_at = <int64_t*>address(self._groups)
        self._n_groups = len(self._groups)
        n_inputs, n_outputs = self.layer_sizes[0], self.layer_sizes[self._n_layers]
        has_softmax = out_activation == "softmax" and loss == "log_loss"
        self._rows = BatchRows(n_inputs, n_outputs, self.dtype, max_batch,
                               self._groups if has_softmax else None, self._adds_noise)
        if input_gradient_penalty > 0 and gradients is not None:
            self._input_gradient = InputGradient(
                self.layer_sizes, (*activations, out_activation), loss, self._groups, max_batch,
                self.dtype, input_gradient_penalty, input_gradient_norm)
        self._make_layers(dense_sizes, (*activations, out_activation), mixes)
        if input_layer is not None:
            start = self._n_weights + self._n_biases
            stop = start + n_before
            self._input_rows = InputRows(
                input_layer, params[start:stop],
                None if gradients is None else gradients[start:stop], max_batch, n_threads)
        if self._input_gradient is not None:
            self._input_gradient.fit_in(self._rows, self._layers, self._products, &self._pool,
                                        self._threads, self._scratch_at)

    def _make_scratch(self, dense_sizes, int n_threads):
        cdef int thread
        cdef int64_t of_tiles = 0, of_block
        n_rows = self._rows_of_buffers()
        sizes = list(zip(dense_sizes, dense_sizes[1:]))
        blocks = [block_rows(fan_in, width) for fan_in, width in sizes]
        of_block = cache_lines(max(rows * width for rows, (_, width) in zip(blocks, sizes)))
        self._squares = np.zeros(max(-(-size // rows) for rows, (size, _) in zip(blocks, sizes)))
        self._squares_at = <double*>address(self._squares)
        if self._products == NULL:
            widest = max(a * b for a, b in sizes)
            self._scratch = np.empty(min(widest, SMALL_PRODUCT), self.dtype)
            self._scratch_at = address(self._scratch)
        else:
            of_tiles = cache_lines(max(
                self._products.scratch(n_rows, width, fan_in, rows)
                for rows, (fan_in, width) in zip(blocks, sizes)
            ))
        self._block = aligned(n_threads * of_block, self.dtype)
        self._tile_scratch = aligned(n_threads * of_tiles, self.dtype)
        self._pool.n_threads = n_threads
        self._threads = <Thread*>PyMem_Calloc(n_threads, sizeof(Thread))
        if self._threads == NULL:
            raise MemoryError()
        for thread in range(n_threads):
            self._threads[thread].tiles = (<char*>address(self._tile_scratch)
                                           + thread * of_tiles * self._item)
            self._threads[thread].block = (<char*>address(self._block)
                                           + thread * of_block * self._item)

    def _rows_of_buffers(self):
        """Return the number of rows of what gradients are computed from; see InputGradient."""
        is_penalised = self.input_gradient_penalty > 0 and self.gradients_ is not None
        return self.max_batch * (2 if is_penalised else 1)

    def _make_layers(self, dense_sizes, functions, mixes):
        cdef int number
        cdef int64_t start = 0, item = self.dtype.itemsize
        cdef char* params = <char*>address(self.params)
        cdef char* gradients = NULL if self.gradients_ is None else <char*>address(self.gradients_)
        cdef Layer* layer
        self._layers = <Layer*>PyMem_Calloc(self._n_layers, sizeof(Layer))
        if self._layers == NULL:
            raise MemoryError()
        self.layer_outputs, self.deltas, self.slopes, self._gaps = [], [], [], []
        for number in range(self._n_layers):
            layer = &self._layers[number]
            layer.fan_in, layer.width = dense_sizes[number], dense_sizes[number + 1]
            layer.function = ACTIVATIONS[functions[number]].code
            layer.weights = params + start * item
            layer.weight_gradients = NULL if gradients == NULL else gradients + start * item
            layer.start, layer.block_rows = start, block_rows(layer.fan_in, layer.width)
            layer.n_blocks = (layer.fan_in + layer.block_rows - 1) // layer.block_rows
            start += <int64_t>layer.fan_in * layer.width
            shape = (self.max_batch, layer.width)
            outputs = np.zeros((self._rows_of_buffers(), layer.width), self.dtype)
            self.layer_outputs.append(outputs[: self.max_batch])
            self.deltas.append(np.zeros(shape, self.dtype))
            layer.outputs = address(self.layer_outputs[number])
            layer.deltas = layer.pulls = address(self.deltas[number])
            if number < self._n_layers - 1:
                keeps = self._drops or ACTIVATIONS[functions[number]].needs_net_inputs
                if mixes[number] is not None:
                    keeps = True
                    gaps = np.zeros(shape, self.dtype)
                    self._gaps.append(gaps)
                    layer.gaps = address(gaps)
                    layer.mixes = params + <int64_t>mixes[number] * item
                    if gradients != NULL:
                        layer.mix_gradients = gradients + <int64_t>mixes[number] * item
                self.slopes.append(np.zeros(shape, self.dtype) if keeps else None)
                if keeps:
                    layer.slopes = address(self.slopes[number])
        self._n_weights = start
        for number in range(self._n_layers):
            layer = &self._layers[number]
            layer.biases = params + start * item
            layer.bias_gradients = NULL if gradients == NULL else gradients + start * item
            layer.bias_start = start
            start += layer.width
        self._n_biases = start - self._n_weights

    def __dealloc__(self):
        close_pool(&self._pool)
        PyMem_Free(self._threads)
        PyMem_Free(self._layers)

    @property
    def activations(self):
        """Activations of every layer, the input first; the batch of a sparse X is made dense."""
        self._rows.fill_inputs()
        return [self._rows.inputs_array, *self.layer_outputs]

    @property
    def received(self):
        """The rows that the first layer of neurons receives, after the input layer if any."""
        return self.activations[0] if self._input_rows is None else self._input_rows.rows_array

    @property
    def targets(self):
        """Targets of the last training batch."""
        return self._rows.fill_targets()

    def fill_inputs(self):
        """Write the last batch of a sparse X into ``activations[0]``; a dense one is there."""
        self._rows.fill_inputs()

    def fill_targets(self):
        """Write the last batch's targets into ``targets`` where labels stand for them."""
        self._rows.fill_targets()

    def load(self, X, targets=None, sample_weight=None, order=None):
        """Take the rows that batches are drawn from; see the fallback."""
        check_noise_of(X, self._adds_noise)
        check_rows_of_input_layer(self.input_layer, X)
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
        check_sends_back_by_rule_6(send_back, self.input_gradient_penalty, self._mixes_outputs)
        cdef double loss
        cdef int n = <int>(stop - start), layer
        if send_back is None:
            with nogil:
                loss = self._output_rules(start, stop, n, TRAINING)
                if self._rows.changed == NOTHING:
                    if self._input_gradient is not None:
                        loss += self._input_gradient_passes(n)
                    for layer in range(self._n_layers - 1, -1, -1):
                        if self._sends_back(layer):
                            self._send_back(layer, n)
                        self._layer_gradients(layer, n, NULL)
                    if self._input_rows is not None:
                        self._input_layer_gradients(n)
            self._check_change()
            return loss + self._penalty()
        loss = self._output_rules(start, stop, n, TRAINING)
        self._check_change()
        for layer in range(self._n_layers - 1, -1, -1):
            if layer > 0:
                send_back(layer - 1)
                if self._rows.n != n:
                    raise ValueError("send_back must not load other rows, nor draw another batch.")
            elif self._input_rows is not None:
                self._send_back(0, n)
            self._layer_gradients(layer, n, NULL)
        if self._input_rows is not None:
            self._input_layer_gradients(n)
        self._check_change()
        return loss + self._penalty()

    def run_steps(self, rule, batch_size, n_steps, random, losses, start=0, total=0.0):
        """Train for some steps without Python; see the fallback.

        Rules (1) to (6), with a compiled rule in place of rule (3).
        """
        if self._rows.order_at == NULL:
            return self._run_steps(rule, batch_size, n_steps, random, losses, start, total)
        with random._bit_generator.lock:  # it may belong to several threads
            return self._run_steps(rule, batch_size, n_steps, random, losses, start, total)

    def _run_steps(self, CompiledRule rule, Py_ssize_t batch_size, int64_t most_steps, random,
                   double[::1] losses, Py_ssize_t start, double total):
        cdef Py_ssize_t n_rows = self._rows.n_rows, stop, epoch = 0, n_batches
        cdef int64_t n_steps = 0, work = 0, step_work = 3 * self._n_weights * batch_size + 1000
        cdef double loss = NAN, last_loss = NAN
        cdef End end = FINISHED
        cdef BitGenerator* generator = NULL
        cdef object interruption = None
        cdef LateWeights late
        if rule.params is not self.params:
            raise ValueError("the rule must be made for the parameters of this kernel.")
        if self.gradients_ is None or not self._rows.has_targets:
            raise ValueError("a training needs targets, and an array for gradients.")
        if not 0 < batch_size <= self.max_batch:
            raise ValueError("batches do not fit.")
        if not 0 <= start < n_rows or start % batch_size:
            raise ValueError("start must be where a batch starts.")
        n_batches = (n_rows + batch_size - 1) // batch_size
        if losses.shape[0] < (start // batch_size + most_steps) // n_batches:
            raise ValueError("losses have no place for every epoch that ends.")
        if self._drops:
            self._check_shares()
        self._late = self._late_weights(rule, batch_size, losses, start, total)
        if self._rows.order_at != NULL:
            generator = <BitGenerator*>PyCapsule_GetPointer(
                random._bit_generator.capsule, "BitGenerator")
        with nogil:
            while n_steps < most_steps:
                if start == 0 and generator != NULL:
                    shuffle(generator, <intptr_t*>self._rows.order_at, n_rows)
                stop = start + batch_size if start + batch_size < n_rows else n_rows
                end = self._train_step(rule, start, stop, epoch, n_steps, &loss)
                if self._late is not None:
                    end = self._late.record(end, loss, stop - start)
                if end != FINISHED:
                    break
                last_loss = loss
                n_steps += 1
                total += loss * (stop - start)
                start = stop
                if start == n_rows:
                    losses[epoch] = total / n_rows
                    epoch += 1
                    start, total = 0, 0
                work += step_work
                if work > WORK_BETWEEN_SIGNALS:
                    work = 0
                    with gil:
                        try:
                            PyErr_CheckSignals()
                        except BaseException as error:
                            interruption = error
                    if interruption is not None:
                        end = INTERRUPTED
                        break
            if self._late is not None:
                self._late.settle()
        if self._late is not None:
            late, self._late = self._late, None
            epoch, n_steps, loss, last_loss = late.n_epochs, late.n_steps, late.loss, late.last_loss
            total = late.total_loss
            if late.end != FINISHED:
                end = late.end
        if end == ROWS_CHANGED:
            self._check_change()
        problem = interruption
        if end == LOSS_IS_NOT_FINITE:
            problem = BAD_LOSS.format(loss)
        elif end == UPDATE_IS_NOT_FINITE:
            problem, last_loss = BAD_UPDATE, loss
        return epoch, n_steps, last_loss, total, problem

    cdef LateWeights _late_weights(self, CompiledRule rule, Py_ssize_t batch_size,
                                   double[::1] losses, Py_ssize_t start, double total):
        """Return the weights of the first layer if it is worth while that they wait, or None."""
        if not (self._rows.is_sparse and rule.can_be_late) or self._input_gradient is not None:
            return None
        X, shape = self._rows.sparse_arrays(), self.layer_sizes[:2]
        if not is_worthwhile(X, shape, batch_size):
            return None
        return LateWeights(rule, X, shape, self.gradients_, batch_size, self.alpha != 0, losses,
                           start, total)

    cdef End _train_step(self, CompiledRule rule, Py_ssize_t start, Py_ssize_t stop,
                         int64_t epoch, int64_t index, double* loss) noexcept nogil:
        """Take a step of a training: forward, backward, and the change of the weights."""
        cdef int n = <int>(stop - start), layer
        cdef int is_finite = 1
        cdef StepNumbers numbers
        self.n_steps += 1
        loss[0] = self._output_rules(start, stop, n, TRAINING)
        if self._rows.changed != NOTHING:
            return ROWS_CHANGED
        if not isfinite(loss[0]):
            return LOSS_IS_NOT_FINITE
        numbers.index, numbers.epoch, numbers.n_patterns, numbers.loss = index, epoch, n, NAN
        if rule.by_blocks:
            is_finite &= rule.begin(&numbers)
        if self._late is not None:
            self._late.begin(self.alpha / self._total)
        if self._input_gradient is not None:
            loss[0] += self._input_gradient_passes(n)
            if self._rows.changed != NOTHING:
                return ROWS_CHANGED
        for layer in range(self._n_layers - 1, -1, -1):
            if self._sends_back(layer):
                self._send_back(layer, n)  # before the weights of this layer change
            is_finite &= self._layer_gradients(layer, n, <void*>rule if rule.by_blocks else NULL)
        if self._input_rows is not None:
            self._input_layer_gradients(n)
        if self._rows.changed != NOTHING:
            return ROWS_CHANGED
        loss[0] += self._penalty()
        if rule.by_blocks:
            is_finite &= rule.change(self._layers[0].bias_gradients, self._n_weights,
                                     self._n_biases + self._n_extras)
        else:
            numbers.loss = loss[0]
            is_finite &= rule.begin(&numbers)
            is_finite &= rule.change(self._layers[0].weight_gradients, 0,
                                     self._n_weights + self._n_biases + self._n_extras)
        if not isfinite(loss[0]):
            return LOSS_IS_NOT_FINITE
        return FINISHED if is_finite else UPDATE_IS_NOT_FINITE

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
        """Rule (1) for the batch."""
        cdef Layer* layer = &self._layers[0]
        cdef int64_t row_work = self._n_weights
        cdef Work work
        if self._input_rows is not None:
            row_work += self._input_rows.row_work
        if self._rows.is_sparse:
            row_work -= <int64_t>layer.fan_in * layer.width
            if self._late is not None and self._late.enter(&self._rows.sparse, n):
                self._rows.changed = COLUMNS
                return
            fill_rows(self._is_double, layer.outputs, layer.biases, n, layer.width)
            if sparse_product(self._is_double, &self._rows.sparse, layer.outputs, layer.weights, n,
                              layer.width, layer.fan_in):
                self._rows.changed = COLUMNS
                return
        work.kernel, work.n, work.end = <void*>self, n, end
        work.n_parts = row_parts(&self._pool, n, row_work)
        if work.n_parts == 1:
            self._forward_part(&work, 0, 0)
        else:
            run_parts(&self._pool, forward_part, &work, work.n_parts)

    cdef void _forward_part(self, const Work* work, int part, int thread) noexcept nogil:
        """Rule (1) for some rows: in = W x + theta, x = f(in)."""
        cdef bint is_double = self._is_double, is_rectified
        cdef int end = work.end, number, width
        cdef int first = part_start(work, part), n = part_start(work, part + 1) - first
        cdef Layer* layer
        cdef void* out
        cdef void* slopes
        cdef void* bends
        cdef void* gaps
        cdef void* x = NULL
        if not self._rows.is_sparse:
            x = row_of(self._rows.inputs, first, self._rows.n_inputs, self._item)
            if end == TRAINING and self._adds_noise:
                add_noise(is_double, x, n, self._rows.n_inputs,
                          dropout_rows_key(dropout_layer_key(self._noise_key, self.n_steps, -1),
                                           first),
                          self.input_noise)
            if self._input_rows is not None:
                self._input_rows.embed(x, first, n, thread)
                x = row_of(self._input_rows.rows, first, self._input_rows.width, self._item)
        for number in range(self._n_layers):
            layer = &self._layers[number]
            width = layer.width
            out = row_of(layer.outputs, first, width, self._item)
            slopes = bends = gaps = NULL
            if end == TRAINING and layer.slopes != NULL:
                slopes = row_of(layer.slopes, first, width, self._item)
            if end == TRAINING and layer.curvatures != NULL:
                bends = row_of(layer.curvatures, first, width, self._item)
            is_rectified = False
            if number == 0 and self._rows.is_sparse:
                pass  # the net inputs are there
            elif self._products != NULL:
                is_rectified = layer.function == RELU and slopes == NULL and layer.mixes == NULL
                self._products.forward(n, width, layer.fan_in, x, layer.weights, layer.biases,
                                       RECTIFY if is_rectified else AS_IT_IS, out,
                                       self._threads[thread].tiles)
            else:
                blas_forward(is_double, n, width, layer.fan_in, x, layer.weights, layer.biases, out)
            if number == self._n_layers - 1:
                if end == TO_OUTPUTS and layer.function == SOFTMAX:
                    softmax(is_double, out, n, width, self._groups_at, self._n_groups)
                elif end == TO_OUTPUTS:
                    activate(is_double, layer.function, out, <int64_t>n * width)
            elif layer.mixes != NULL:
                gaps = row_of(layer.gaps, first, width, self._item)
                memcpy(gaps, out, <int64_t>n * width * self._item)
                if slopes == NULL:
                    activate(is_double, layer.function, out, <int64_t>n * width)
                else:
                    activate_and_slope(is_double, layer.function, out, slopes, <int64_t>n * width)
                mix(is_double, out, slopes, gaps, layer.mixes, n, width)
                if end == TRAINING:
                    self._drop(number, out, slopes, gaps, n, first)
            elif slopes != NULL:
                if bends != NULL:
                    net_curvatures(is_double, layer.function, bends, out, <int64_t>n * width)
                activate_and_slope(is_double, layer.function, out, slopes, <int64_t>n * width)
                if bends != NULL:
                    curvatures(is_double, layer.function, bends, out, <int64_t>n * width)
                self._drop(number, out, slopes, bends, n, first)
            elif not is_rectified:
                activate(is_double, layer.function, out, <int64_t>n * width)
                if bends != NULL:
                    curvatures(is_double, layer.function, bends, out, <int64_t>n * width)
            x = out

    cdef inline void _drop(self, int number, void* out, void* slopes, void* factors, int n,
                           int first) noexcept nogil:
        """Drop neurons of some rows of a hidden layer; factors are multiplied as slopes are."""
        cdef double share = self._shares[number] if self._drops else 0
        if share > 0:
            drop(self._is_double, out, slopes, factors, n, self._layers[number].width,
                 dropout_rows_key(dropout_layer_key(self._dropout_key, self.n_steps, number),
                                  first),
                 <uint32_t>(share * 4294967296.0), 1 / (1 - share))

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
        if self._rows.labels != NULL:
            return softmax_labels_log_loss(
                self._is_double, last.outputs, self._rows.labels, self._rows.label_no,
                self._rows.label_yes, last.deltas, self._rows.weight, n, last.width,
                self._groups_at, self._n_groups) / self._total
        return output_rules(self._is_double, self._loss, last.function, last.outputs,
                            self._rows.targets, last.deltas, self._rows.weight, n, last.width,
                            self._groups_at, self._n_groups) / self._total

    cdef int _layer_gradients(self, int number, int n, void* rule) noexcept nogil:
        """Compute the gradients of a layer.

        If there is a rule, it changes the weights of a block of rows as soon as their gradient is
        computed; 0 if an update was not finite. Otherwise the gradients are written to their array.
        """
        cdef Layer* layer = &self._layers[number]
        cdef int n_rows = n if self._input_gradient is None else 2 * n
        cdef int64_t k, size = <int64_t>n_rows * layer.fan_in * layer.width
        cdef int thread, is_finite = 1
        cdef Work work
        if number == 0 and self._late is not None:
            self._late.keep_gradient(layer.deltas, -1 / self._total)
            self._column_gradients(layer, n)
            layer.squares = 0
            return True
        if self._is_sparse(number):
            if sparse_gradient(self._is_double, &self._rows.sparse, layer.weight_gradients,
                               layer.deltas, n, layer.width, layer.fan_in, -1 / self._total):
                self._rows.changed = COLUMNS
                return 0
            size = 0
        elif self._products != NULL:
            self._products.pack_deltas(n_rows, layer.width, layer.pulls, self._threads[0].tiles)
        else:
            blas_gradient(self._is_double, n_rows, layer.width, layer.fan_in, -1 / self._total,
                          self._inputs(number), layer.pulls, layer.weight_gradients)
        work.kernel, work.number, work.n, work.rule, work.n_parts = <void*>self, number, n, rule, 1
        if self._pool.n_threads > 1 and size >= 2 * PART_WORK:
            work.n_parts = <int>min(layer.n_blocks, min(
                size // PART_WORK, GRADIENT_PARTS * self._pool.n_threads))
        for thread in range(self._pool.n_threads):
            self._threads[thread].is_finite = 1
        if work.n_parts == 1:
            self._gradient_part(&work, 0, 0)
        else:
            run_parts(&self._pool, gradient_part, &work, work.n_parts)
        for thread in range(self._pool.n_threads):
            is_finite &= self._threads[thread].is_finite
        layer.squares = 0
        if self.alpha != 0:
            for k in range(layer.n_blocks):
                layer.squares += self._squares_at[k]
        return is_finite

    cdef void _gradient_part(self, const Work* work, int part, int thread) noexcept nogil:
        """dJ/dw = -mean delta x, rule (3) without its learning rate, and the penalty's gradient.

        The first part also computes dJ/dtheta = -mean delta.
        """
        cdef Layer* layer = &self._layers[work.number]
        cdef int n = work.n, n_rows = n if self._input_gradient is None else 2 * n
        cdef double scale = -1 / self._total
        cdef void* x = self._inputs(work.number)
        cdef bint in_tiles = self._products != NULL and not self._is_sparse(work.number)
        cdef int64_t block = 0, last = layer.n_blocks, row, end, at, length
        cdef char* packed = <char*>self._threads[0].tiles
        cdef char* scratch = <char*>self._threads[thread].tiles
        cdef char* gradient
        if work.n_parts > 1:
            block = layer.n_blocks * part // work.n_parts
            last = layer.n_blocks * (part + 1) // work.n_parts
        if part == 0:
            self._column_gradients(layer, n)
        if in_tiles:
            scratch += self._products.packed(n_rows, layer.width) * self._item
        for block in range(block, last):
            row = block * layer.block_rows
            end = min(row + layer.block_rows, layer.fan_in)
            at, length = row * layer.width, (end - row) * layer.width
            gradient = <char*>layer.weight_gradients + at * self._item
            if in_tiles:
                if work.rule != NULL:
                    gradient = self._threads[thread].block
                self._products.gradient(n_rows, layer.width, layer.fan_in, row, end, scale, x,
                                        packed, gradient, scratch)
            if self.alpha != 0:
                self._squares_at[block] = add_decay(
                    self._is_double, gradient, <char*>layer.weights + at * self._item, length,
                    self.alpha / self._total)
            if work.rule != NULL:
                self._threads[thread].is_finite &= (<CompiledRule>work.rule).change(
                    gradient, layer.start + at, length)

    cdef inline void _column_gradients(self, Layer* layer, int n) noexcept nogil:
        """dJ/dtheta = -mean delta, and dJ/da = -mean (f(in) - in) sum_h delta_h w_h."""
        cdef double scale = -1 / self._total
        column_sums(self._is_double, layer.bias_gradients, layer.pulls, n, layer.width, scale)
        if layer.mixes != NULL:
            column_sums(self._is_double, layer.mix_gradients, layer.gaps, n, layer.width, scale)

    cdef inline void* _inputs(self, int number) noexcept nogil:
        """Return the activations that a layer gets, which its gradient is computed from."""
        if number > 0:
            return self._layers[number - 1].outputs
        if self._input_rows is not None:
            return self._input_rows.rows
        return self._rows.inputs if self._input_gradient is None else self._input_gradient.inputs

    cdef inline bint _is_sparse(self, int number) noexcept nogil:
        """Return whether a layer's gradient is that of sparse rows; with a penalty it is dense."""
        return number == 0 and self._rows.is_sparse and self._input_gradient is None

    cdef inline bint _sends_back(self, int number) noexcept nogil:
        """Return whether rule (6) goes on from a layer, among its gradients, to what it receives.

        With a penalty it did so before.
        """
        return (number > 0 and self._input_gradient is None
                or number == 0 and self._input_rows is not None)

    cdef void _input_layer_gradients(self, int n) noexcept nogil:
        """Compute the gradients of the input layer, whose deltas are there."""
        cdef int64_t size = n * self._input_rows.row_work
        cdef Work work
        work.kernel, work.n, work.n_parts = <void*>self, n, 1
        if self._pool.n_threads > 1 and size >= 2 * PART_WORK:
            work.n_parts = <int>min(self._input_rows.n_inputs, min(
                size // PART_WORK, GRADIENT_PARTS * self._pool.n_threads))
        if work.n_parts == 1:
            self._input_layer_part(&work, 0, 0)
        else:
            run_parts(&self._pool, input_layer_part, &work, work.n_parts)

    cdef void _input_layer_part(self, const Work* work, int part, int thread) noexcept nogil:
        """Compute the gradients of some columns."""
        cdef int64_t n_inputs = self._input_rows.n_inputs
        self._input_rows.gradients(<int>(n_inputs * part // work.n_parts),
                                   <int>(n_inputs * (part + 1) // work.n_parts),
                                   self._rows.inputs, work.n, -1 / self._total, thread)

    cdef double _input_gradient_passes(self, int n) noexcept nogil:
        """Rule (6) to the first layer, and the passes of a penalty; return their mean penalty."""
        cdef int layer
        for layer in range(self._n_layers - 1, 0, -1):
            self._send_back(layer, n)
        if self._input_gradient.fill(n):
            self._rows.changed = COLUMNS
            return 0
        return self._input_gradient.penalty / self._total

    cdef void _send_back(self, int number, int n) noexcept nogil:
        """Rule (6) for the batch, from a layer to the one before, or to the input layer."""
        cdef Layer* layer = &self._layers[number]
        cdef Work work
        work.kernel, work.number, work.n = <void*>self, number, n
        work.n_parts = row_parts(&self._pool, n, <int64_t>layer.fan_in * layer.width)
        if number == 0 and work.n_parts == 1:
            self._send_back_to_inputs(&work, 0, 0)
        elif number == 0:
            run_parts(&self._pool, send_back_to_inputs_part, &work, work.n_parts)
        elif work.n_parts == 1:
            self._send_back_part(&work, 0, 0)
        else:
            run_parts(&self._pool, send_back_part, &work, work.n_parts)

    cdef void _send_back_part(self, const Work* work, int part, int thread) noexcept nogil:
        """Rule (6) for some rows: delta_i = f'(in_i) sum_h delta_h w_hi."""
        cdef Layer* layer = &self._layers[work.number]
        cdef Layer* before = &self._layers[work.number - 1]
        cdef int first = part_start(work, part), n = part_start(work, part + 1) - first
        cdef int64_t n_deltas = <int64_t>n * before.width
        cdef bint is_rectified = before.slopes == NULL and before.function == RELU
        cdef void* outputs = row_of(before.outputs, first, before.width, self._item)
        cdef void* deltas = row_of(layer.deltas, first, layer.width, self._item)
        cdef void* deltas_before = row_of(before.deltas, first, before.width, self._item)
        if self._products != NULL:
            self._products.backward(n, layer.width, before.width, deltas, layer.weights,
                                    TIMES_RELU_SLOPE if is_rectified else AS_IT_IS, outputs,
                                    deltas_before, self._threads[thread].tiles)
            if is_rectified:
                return
        else:
            blas_backward(self._is_double, n, layer.width, before.width, deltas, layer.weights,
                          self._scratch_at, deltas_before)
        if before.mixes != NULL:
            multiply(self._is_double, row_of(before.gaps, first, before.width, self._item),
                     deltas_before, n_deltas)
        if before.curvatures != NULL:
            multiply(self._is_double, row_of(before.curvatures, first, before.width, self._item),
                     deltas_before, n_deltas)
        if before.slopes != NULL:
            multiply(self._is_double, deltas_before,
                     row_of(before.slopes, first, before.width, self._item), n_deltas)
        else:
            times_slope(self._is_double, before.function, deltas_before, outputs, n_deltas)

    cdef void _send_back_to_inputs(self, const Work* work, int part, int thread) noexcept nogil:
        """Rule (6) for some rows, from the first layer of neurons to what it receives."""
        cdef int first = part_start(work, part), n = part_start(work, part + 1) - first
        cdef Layer* layer = &self._layers[0]
        cdef void* deltas = row_of(layer.deltas, first, layer.width, self._item)
        cdef void* received = row_of(self._input_rows.deltas, first, layer.fan_in, self._item)
        if self._products != NULL:
            self._products.backward(n, layer.width, layer.fan_in, deltas, layer.weights, AS_IT_IS,
                                    NULL, received, self._threads[thread].tiles)
        else:
            blas_backward(self._is_double, n, layer.width, layer.fan_in, deltas, layer.weights,
                          self._scratch_at, received)

    cdef double _penalty(self) noexcept nogil:
        """Return the L2 penalty; its gradient is in that of the weights."""
        cdef double squares = 0
        cdef int number
        if self.alpha == 0:
            return 0
        for number in range(self._n_layers):
            squares += self._layers[number].squares
        return 0.5 * self.alpha * squares / self._total


# Threads call a kernel by these. It is the caller's, who waits for them.

cdef void forward_part(void* work, int part, int thread) noexcept nogil:
    (<Backprop>(<Work*>work).kernel)._forward_part(<Work*>work, part, thread)


cdef void send_back_part(void* work, int part, int thread) noexcept nogil:
    (<Backprop>(<Work*>work).kernel)._send_back_part(<Work*>work, part, thread)


cdef void send_back_to_inputs_part(void* work, int part, int thread) noexcept nogil:
    (<Backprop>(<Work*>work).kernel)._send_back_to_inputs(<Work*>work, part, thread)


cdef void gradient_part(void* work, int part, int thread) noexcept nogil:
    (<Backprop>(<Work*>work).kernel)._gradient_part(<Work*>work, part, thread)


cdef void input_layer_part(void* work, int part, int thread) noexcept nogil:
    (<Backprop>(<Work*>work).kernel)._input_layer_part(<Work*>work, part, thread)


cdef int64_t block_rows(int64_t fan_in, int64_t width):
    """Return of how many rows of its weights a layer computes the gradient at once.

    It depends on nothing but the layer, because sums of squares are added up block by block.
    """
    cdef int64_t rows = ROWS
    while rows * width < BLOCK and rows < fan_in:
        rows += ROWS
    return min(rows, fan_in)


cdef aligned(n, dtype):
    """Return a flat array that begins with a line of the cache, and has a vector to spare."""
    array = np.zeros(n * dtype.itemsize + 192, np.uint8)
    start = (64 - <int64_t>address(array) % 64) % 64
    return array[start : start + n * dtype.itemsize + 64].view(dtype)


cdef int64_t cache_lines(int64_t n):
    """Return a number of values of whole lines of the cache, and a vector to spare."""
    return (n + 31) // 16 * 16

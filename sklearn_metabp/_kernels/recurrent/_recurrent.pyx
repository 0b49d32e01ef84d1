# cython: language_level=3, boundscheck=False, wraparound=False
# cython: cdivision=True, initializedcheck=False
"""Forward and backward pass through time; ``recurrent_fallback`` has the fallback."""

import numpy as np

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport NAN, isfinite
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from sklearn_metabp._kernels.network._batch_rows cimport NOTHING, BatchRows, address
from sklearn_metabp._kernels.network._layer_loops cimport (
    SOFTMAX, activate, activate_and_slope, add, add_decay, column_sums, drop, dropout_layer_key,
    dropout_rows_key, gather, multiply, output_rules, softmax, softmax_labels_log_loss, sum_of,
    times_slope, transpose,
)
from sklearn_metabp._kernels.network._products cimport (
    AS_IT_IS, SMALL_PRODUCT, Products, blas_backward, blas_forward, blas_gradient, has_target,
    products_of, target_names,
)
from sklearn_metabp._kernels.rules._compiled_rule cimport CompiledRule, StepNumbers

from sklearn_metabp._kernels.functions import ACTIVATIONS, LOSSES
from sklearn_metabp._kernels.network import instruction_set
from sklearn_metabp._kernels.network.backprop_fallback import check_dropout, check_shares
from sklearn_metabp._kernels.network.epoch_ends import LOSS_IS_NOT_FINITE, UPDATE_IS_NOT_FINITE
from sklearn_metabp._kernels.recurrent.cells import CELLS
from sklearn_metabp._kernels.recurrent.patterns import Patterns
from sklearn_metabp._kernels.recurrent.recurrent_fallback import (
    NO_SEND_BACK, check_recurrent_arguments, tensor_shapes,
)
from sklearn_metabp._kernels.recurrent.sequences import check_sequences, lengths_of

cdef extern from "cell_loops.h" nogil:
    int ELMAN
    int GRU
    void divide(bint, void* x, const int64_t* by, int64_t n)
    void gru_step(bint, void* gates, const void* of_states, const void* before, void* states,
                  int64_t n, int64_t width)
    void gru_backward(bint, const void* gates, const void* of_states, const void* before,
                      void* error, void* of_inputs, void* of_state_product, int64_t n,
                      int64_t width)
    int64_t pack_sequences(const int64_t* lengths, int64_t n, int64_t* counts, int64_t* order,
                           int64_t* starts)

cdef extern from "../network/tiles.h" nogil:
    enum:
        N_TARGETS

__all__ = ["RecurrentBackprop"]

# How a forward pass ends.
cdef enum:
    TO_OUTPUTS
    TO_LOSS
    TRAINING


@cython.final
cdef class RecurrentBackprop:
    """Activations, deltas, gradients and loss of a minibatch of sequences.

    See the fallback's ``RecurrentBackprop`` for the parameters, the attributes and the equations.
    """

    cdef readonly tuple layer_sizes
    cdef readonly object params, gradients_, dtype, dropout
    cdef readonly double alpha
    cdef public uint64_t n_steps
    cdef readonly Py_ssize_t max_batch
    cdef readonly bint every_step
    cdef readonly object bptt_steps

    cdef object _cell, _activation, _groups, _label_groups, _scratch, _zeros, _transposed
    cdef BatchRows _rows
    cdef dict _arrays               # buffers of the batch, by name
    cdef const Products* _products  # NULL where BLAS computes them
    cdef int64_t _item
    cdef bint _is_double, _is_gru, _drops, _has_slopes, _has_state_bias
    cdef int _function, _out_function, _loss
    cdef uint64_t _dropout_key
    cdef const double* _share
    cdef int64_t* _groups_at
    cdef int64_t _n_groups, _window
    cdef int _n_features, _n_states, _n_outputs, _width
    cdef int64_t _n_timesteps, _n_weights, _n_params
    # In the flat vectors: the weights of inputs, states and outputs, then the biases.
    cdef void* _weights[6]
    cdef void* _gradients[6]
    # Of the loaded rows, and of the batch.
    cdef const int64_t* _lengths
    cdef int64_t* _of_batch         # lengths of the rows of the batch
    cdef int64_t* _order
    cdef int64_t* _starts
    cdef int64_t* _counts
    cdef int64_t* _source           # of every pattern, among the time steps of all rows
    cdef int64_t* _of_pattern       # length of the sequence of every pattern
    cdef int64_t* _last
    cdef int64_t _n_times, _n_places
    cdef readonly int64_t n_patterns, most_patterns
    cdef int _n
    cdef double _total
    cdef void* _inputs
    cdef void* _of_inputs
    cdef void* _of_states
    cdef void* _before
    cdef void* _states
    cdef void* _slopes
    cdef void* _received
    cdef void* _factors
    cdef void* _outputs
    cdef void* _targets
    cdef void* _weight
    cdef void* _out_deltas
    cdef void* _out_errors
    cdef void* _error
    cdef void* _sent
    cdef void* _deltas_of_inputs
    cdef void* _deltas_of_states
    cdef void* _tiles
    cdef void* _blas_scratch
    cdef void* _no_biases
    cdef void* _state_weights_t

    def __init__(self, layer_sizes, cell, activation, out_activation, loss, params, gradients, *,
                 max_batch, every_step=False, bptt_steps=None, alpha=0.0, out_groups=None,
                 dropout=0.0, dropout_key=None, n_steps=0):
        if self._cell is not None:
            raise TypeError("a kernel is made once: make another one.")
        self.layer_sizes = tuple(int(size) for size in layer_sizes)
        check_recurrent_arguments(
            self.layer_sizes, cell, activation, out_activation, loss, params, gradients, max_batch,
            out_groups, bptt_steps,
        )
        check_dropout(dropout, dropout_key, n_steps)
        self._cell, self._activation = CELLS[cell], activation
        self.params, self.gradients_, self.dtype = params, gradients, params.dtype
        self.alpha, self.max_batch = alpha, max_batch
        self.every_step, self.bptt_steps = every_step, bptt_steps
        self._window = bptt_steps or 0
        self.dropout = np.full(1, dropout, np.float64)
        self._share = <const double*>address(self.dropout)
        self._dropout_key, self._drops, self.n_steps = dropout_key or 0, dropout_key is not None, n_steps
        self._is_double, self._item = self.dtype == np.float64, self.dtype.itemsize
        self._is_gru = self._cell.code == GRU
        self._has_state_bias = self._cell.has_state_bias
        self._function, self._out_function = ACTIVATIONS[activation].code, ACTIVATIONS[out_activation].code
        self._loss = LOSSES[loss].code
        self._has_slopes = ACTIVATIONS[activation].needs_net_inputs
        self._n_features, self._n_states, self._n_outputs = self.layer_sizes
        self._width = self._cell.n_gates * self._n_states
        self._groups = np.array(out_groups or self.layer_sizes[2:], dtype=np.int64)
        self._groups_at, self._n_groups = <int64_t*>address(self._groups), len(self._groups)
        has_softmax = out_activation == "softmax" and loss == "log_loss" and not every_step
        self._label_groups = self._groups if has_softmax else None
        self._products = NULL
        cdef int k
        for k in range(N_TARGETS):
            if has_target(k) and target_names[k].decode() == instruction_set():
                self._products = products_of[k][self._is_double]
        cdef char* params_at = <char*>address(params)
        cdef char* gradients_at = NULL if gradients is None else <char*>address(gradients)
        cdef int64_t start = 0
        for k, (rows, columns) in enumerate(tensor_shapes(self.layer_sizes, self._cell)):
            self._weights[k] = params_at + start * self._item
            self._gradients[k] = NULL if gradients_at == NULL else gradients_at + start * self._item
            start += rows * columns
            if k == 2:
                self._n_weights = start
        self._n_params = start
        self._zeros = np.zeros(max(self._width, self._n_states, self._n_outputs), self.dtype)
        self._no_biases = address(self._zeros)
        self._transposed = np.zeros(self._n_states * self._width, self.dtype)
        self._state_weights_t = address(self._transposed)

    def load(self, X, targets=None, sample_weight=None, order=None):
        """Take the rows that batches are drawn from; see the fallback."""
        check_sequences(self._n_features, self._n_outputs, self.every_step, self.dtype, X, targets)
        n, n_timesteps = X.shape[0], X.shape[1]
        n_outputs = self._n_outputs * (n_timesteps if self.every_step else 1)
        if self.every_step and targets is not None:
            targets = targets.reshape(n, n_outputs)
        rows = BatchRows(n_timesteps * self._n_features, n_outputs, self.dtype, self.max_batch,
                         self._label_groups)
        rows.load(X.reshape(n, n_timesteps * self._n_features), targets, sample_weight, order)
        self._rows, self._n_timesteps = rows, n_timesteps
        self._make_buffers(lengths_of(X))

    def _make_buffers(self, lengths):
        cdef Py_ssize_t n_rows = self.max_batch
        cdef Py_ssize_t n_patterns = np.sort(lengths)[::-1][:n_rows].sum() if len(lengths) else 1
        self.most_patterns = n_patterns
        cdef Py_ssize_t n_places = n_patterns if self.every_step else n_rows
        integers = {
            "lengths": lengths,
            "of_batch": np.zeros(n_rows, np.int64),
            "order": np.zeros(n_rows, np.int64),
            "starts": np.zeros(self._n_timesteps + 2, np.int64),
            "counts": np.zeros(self._n_timesteps + 2, np.int64),
            "source": np.zeros(n_patterns, np.int64),
            "of_pattern": np.zeros(n_patterns, np.int64),
            "last": np.zeros(n_rows, np.int64),
        }
        shapes = {
            "inputs": (n_patterns, self._n_features),
            "of_inputs": (n_patterns, self._width if self._is_gru else 0),
            "of_states": (n_patterns if self._is_gru else n_rows, self._width),
            "before": (n_patterns, self._n_states),
            "states": (n_patterns, self._n_states),
            "slopes": (n_patterns if self._has_slopes else 0, self._n_states),
            "received": (0 if self.every_step and not self._drops else n_places, self._n_states),
            "factors": (n_places if self._drops else 0, self._n_states),
            "outputs": (n_places, self._n_outputs),
            "targets": (n_patterns if self.every_step else 0, self._n_outputs),
            "weight": (n_patterns if self.every_step else 0,),
        }
        if self.gradients_ is not None or self._rows.has_targets:
            shapes["out_deltas"] = n_places, self._n_outputs
        if self.gradients_ is not None:
            shapes |= {
                "out_errors": (n_places, self._n_states),
                "error": (n_rows, self._n_states),
                "sent": (n_rows, self._n_states),
                "deltas_of_inputs": (n_patterns, self._width),
                "deltas_of_states": (n_patterns if self._is_gru else 0, self._width),
            }
        arrays = {name: np.zeros(shape, self.dtype) for name, shape in shapes.items()}
        self._arrays = integers | arrays
        self._lengths = <const int64_t*>address(integers["lengths"])
        self._of_batch = <int64_t*>address(integers["of_batch"])
        self._order = <int64_t*>address(integers["order"])
        self._starts = <int64_t*>address(integers["starts"])
        self._counts = <int64_t*>address(integers["counts"])
        self._source = <int64_t*>address(integers["source"])
        self._of_pattern = <int64_t*>address(integers["of_pattern"])
        self._last = <int64_t*>address(integers["last"])
        self._inputs, self._before = address(arrays["inputs"]), address(arrays["before"])
        self._states = address(arrays["states"])
        self._of_states = address(arrays["of_states"])
        # an Elman cell turns the product of the inputs into the states
        self._of_inputs = address(arrays["of_inputs"]) if self._is_gru else self._states
        self._slopes = address(arrays["slopes"]) if self._has_slopes else NULL
        self._factors, self._received = address(arrays["factors"]), address(arrays["received"])
        if self.every_step and not self._drops:
            self._received = self._states
        self._outputs = address(arrays["outputs"])
        self._targets, self._weight = address(arrays["targets"]), address(arrays["weight"])
        self._out_deltas = address(arrays.get("out_deltas"))
        self._out_errors, self._error = address(arrays.get("out_errors")), address(arrays.get("error"))
        self._sent = address(arrays.get("sent"))
        self._deltas_of_inputs = address(arrays.get("deltas_of_inputs"))
        self._deltas_of_states = self._deltas_of_inputs
        if self._is_gru:
            self._deltas_of_states = address(arrays.get("deltas_of_states"))
        self.n_patterns = 0
        products = [
            (n_patterns, self._width, self._n_features),
            (n_patterns, self._width, self._n_states),
            (n_rows, self._width, self._n_states),
            (n_rows, self._n_states, self._width),
            (n_places, self._n_outputs, self._n_states),
        ]
        if self._products != NULL:
            n_values = max(self._products.scratch(n, width, fan_in, fan_in)
                           for n, width, fan_in in products)
            self._scratch = np.zeros(n_values + 64, self.dtype)
            self._tiles = address(self._scratch)
        else:
            widest = max(width * fan_in for _, width, fan_in in products)
            self._scratch = np.zeros(min(widest, SMALL_PRODUCT), self.dtype)
            self._blas_scratch = address(self._scratch)

    cdef inline void* _at(self, void* matrix, int64_t row, int64_t width) noexcept nogil:
        """Return the address of a row of a matrix."""
        return <char*>matrix + row * width * self._item

    cdef inline void _product(self, int64_t n, int width, int fan_in, void* x, void* weights,
                              void* biases, void* out) noexcept nogil:
        """Write biases + x weights to out."""
        if self._products != NULL:
            self._products.forward(n, width, fan_in, x, weights, biases, AS_IT_IS, out, self._tiles)
        else:
            blas_forward(self._is_double, <int>n, width, fan_in, x, weights, biases, out)

    cdef inline void _gradient(self, int64_t n, int width, int fan_in, void* x, void* deltas,
                               void* out) noexcept nogil:
        """Write minus the mean of x^T deltas to out."""
        cdef double scale = -1 / self._total
        if self._products == NULL:
            blas_gradient(self._is_double, <int>n, width, fan_in, scale, x, deltas, out)
            return
        self._products.pack_deltas(n, width, deltas, self._tiles)
        self._products.gradient(n, width, fan_in, 0, fan_in, scale, x, self._tiles, out,
                                self._at(self._tiles, self._products.packed(n, width), 1))

    cdef void _enter(self, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
        """Draw a batch and pack it."""
        cdef int64_t i, t, p, n_running, row
        cdef bint is_double = self._is_double
        cdef Py_ssize_t* order_at = self._rows.order_at
        cdef void* at
        self._rows.enter(start, stop)
        if self._rows.changed != NOTHING:
            return
        self._n = <int>(stop - start)
        for i in range(self._n):
            row = start + i if order_at == NULL else order_at[start + i]
            self._of_batch[i] = self._lengths[row]
        self._n_times = pack_sequences(self._of_batch, self._n, self._counts, self._order,
                                       self._starts)
        self.n_patterns = self._starts[self._n_times]
        for t in range(self._n_times):
            n_running = self._starts[t + 1] - self._starts[t]
            for i in range(n_running):
                p = self._starts[t] + i
                self._source[p] = self._order[i] * self._n_timesteps + t
                self._of_pattern[p] = self._of_batch[self._order[i]]
        for i in range(self._n):
            self._last[self._order[i]] = self._starts[self._of_batch[self._order[i]] - 1] + i
        gather(is_double, self._inputs, self._rows.inputs, self._source, self.n_patterns,
               self._n_features)
        self._n_places = self.n_patterns if self.every_step else self._n
        self._total = self._n
        if self._rows.weight != NULL:
            self._total = sum_of(is_double, self._rows.weight, self._n)
            if self._total == 0:
                self._total = 1
        if not (self.every_step and self._rows.has_targets):
            return
        gather(is_double, self._targets, self._rows.targets, self._source, self.n_patterns,
               self._n_outputs)
        for p in range(self.n_patterns):
            at = self._at(self._weight, p, 1)
            i = self._source[p] // self._n_timesteps
            if self._rows.weight != NULL:
                memcpy(at, self._at(self._rows.weight, i, 1), self._item)
            elif is_double:
                (<double*>at)[0] = 1
            else:
                (<float*>at)[0] = 1
        divide(is_double, self._weight, self._of_pattern, self.n_patterns)

    cdef void _forward(self, int end) noexcept nogil:
        """Go through time, up to the net inputs of the outputs or to the outputs."""
        cdef bint is_double = self._is_double
        cdef int width = self._width, n_states = self._n_states
        cdef int64_t t, start, n, n_next = 0, state_row, k
        cdef void* of_states
        cdef void* states
        cdef double share
        self._product(self.n_patterns, width, self._n_features, self._inputs, self._weights[0],
                      self._weights[3], self._of_inputs)
        memset(self._before, 0, self._n * n_states * self._item)
        for t in range(self._n_times):
            start = self._starts[t]
            n = self._starts[t + 1] - start
            states = self._at(self._states, start, n_states)
            if self._is_gru:
                of_states = self._at(self._of_states, start, width)
                self._product(n, width, n_states, self._at(self._before, start, n_states),
                              self._weights[1], self._weights[4], of_states)
                gru_step(is_double, self._at(self._of_inputs, start, width), of_states,
                         self._at(self._before, start, n_states), states, n, n_states)
            else:
                if t > 0:  # the states before the first time step are 0
                    self._product(n, width, n_states, self._at(self._before, start, n_states),
                                  self._weights[1], self._no_biases, self._of_states)
                    add(is_double, states, self._of_states, n * n_states)
                if self._slopes != NULL and end == TRAINING:
                    activate_and_slope(is_double, self._function, states,
                                       self._at(self._slopes, start, n_states), n * n_states)
                else:
                    activate(is_double, self._function, states, n * n_states)
            if t + 1 < self._n_times:
                n_next = self._starts[t + 2] - self._starts[t + 1]
                memcpy(self._at(self._before, self._starts[t + 1], n_states), states,
                       n_next * n_states * self._item)
        if not self.every_step:
            gather(is_double, self._received, self._states, self._last, self._n, n_states)
        elif self._drops:
            memcpy(self._received, self._states, self.n_patterns * n_states * self._item)
        if self._drops and end == TRAINING:
            for k in range(self._n_places * n_states):
                if is_double:
                    (<double*>self._factors)[k] = 1
                else:
                    (<float*>self._factors)[k] = 1
            share = self._share[0]
            if share > 0:
                drop(is_double, self._received, self._factors, NULL, self._n_places, n_states,
                     dropout_rows_key(dropout_layer_key(self._dropout_key, self.n_steps, 0), 0),
                     <uint32_t>(share * 4294967296.0), 1 / (1 - share))
        self._product(self._n_places, self._n_outputs, n_states, self._received, self._weights[2],
                      self._weights[5], self._outputs)
        if end != TO_OUTPUTS:
            return
        if self._out_function == SOFTMAX:
            softmax(is_double, self._outputs, self._n_places, self._n_outputs, self._groups_at,
                    self._n_groups)
        else:
            activate(is_double, self._out_function, self._outputs,
                     self._n_places * self._n_outputs)

    cdef double _output_rules(self, Py_ssize_t start, Py_ssize_t stop, int end) noexcept nogil:
        """Forward, then rules (2) and (5): the mean loss of the batch, without penalty."""
        self._enter(start, stop)
        if self._rows.changed != NOTHING:
            return 0
        self._forward(end)
        if self._rows.labels != NULL:
            return softmax_labels_log_loss(
                self._is_double, self._outputs, self._rows.labels, self._rows.label_no,
                self._rows.label_yes, self._out_deltas, self._rows.weight, self._n,
                self._n_outputs, self._groups_at, self._n_groups) / self._total
        return output_rules(
            self._is_double, self._loss, self._out_function, self._outputs,
            self._targets if self.every_step else self._rows.targets, self._out_deltas,
            self._weight if self.every_step else self._rows.weight, self._n_places,
            self._n_outputs, self._groups_at, self._n_groups) / self._total

    cdef int64_t _through_time(self) noexcept nogil:
        """Compute the deltas from the last time step to the first that an error reaches.

        Return the first pattern of that time step. The deltas before it are 0.
        """
        cdef bint is_double = self._is_double
        cdef int width = self._width, n_states = self._n_states
        cdef int64_t item = self._item, t, start, n, n_next, i, first = 0, shortest
        cdef int64_t row = n_states * item
        cdef void* d_in
        cdef void* d_state
        cdef char* error = <char*>self._error
        if self._products != NULL:
            self._products.backward(self._n_places, self._n_outputs, n_states, self._out_deltas,
                                    self._weights[2], AS_IT_IS, NULL, self._out_errors,
                                    self._tiles)
        else:
            blas_backward(is_double, <int>self._n_places, self._n_outputs, n_states,
                          self._out_deltas, self._weights[2], self._blas_scratch,
                          self._out_errors)
        if self._drops:
            multiply(is_double, self._out_errors, self._factors, self._n_places * n_states)
        transpose(is_double, self._state_weights_t, self._weights[1], n_states, width)
        if self._window and not self.every_step:  # errors begin at the ends alone
            shortest = self._of_batch[self._order[self._n - 1]]
            first = max(0, shortest - self._window)
            memset(self._deltas_of_inputs, 0, self._starts[first] * width * item)
            if self._is_gru:
                memset(self._deltas_of_states, 0, self._starts[first] * width * item)
        n_next = 0
        for t in range(self._n_times - 1, first - 1, -1):
            start = self._starts[t]
            n = self._starts[t + 1] - start
            if self.every_step:
                memset(error + n_next * row, 0, (n - n_next) * row)
                add(is_double, error, self._at(self._out_errors, start, n_states), n * n_states)
            else:
                for i in range(n_next, n):  # sequences whose last time step this is
                    memcpy(error + i * row, self._at(self._out_errors, self._order[i], n_states),
                           row)
            d_in = self._at(self._deltas_of_inputs, start, width)
            d_state = self._at(self._deltas_of_states, start, width)
            if self._is_gru:
                gru_backward(is_double, self._at(self._of_inputs, start, width),
                             self._at(self._of_states, start, width),
                             self._at(self._before, start, n_states), error, d_in, d_state, n,
                             n_states)
            else:
                memcpy(d_in, error, n * row)
                if self._slopes != NULL:
                    multiply(is_double, d_in, self._at(self._slopes, start, n_states), n * n_states)
                else:
                    times_slope(is_double, self._function, d_in,
                                self._at(self._states, start, n_states), n * n_states)
            if t > first:
                if self._is_gru:
                    self._product(n, n_states, width, d_state, self._state_weights_t,
                                  self._no_biases, self._sent)
                    add(is_double, error, self._sent, n * n_states)
                else:
                    self._product(n, n_states, width, d_state, self._state_weights_t,
                                  self._no_biases, error)
                if self._window:
                    for i in range(n):
                        if (self._of_pattern[start + i] - t) % self._window == 0:
                            memset(error + i * row, 0, row)
            n_next = n
        return self._starts[first]

    cdef double _backward(self) noexcept nogil:
        """Fill the gradients after ``_output_rules``; return the penalty."""
        cdef bint is_double = self._is_double
        cdef int width = self._width, n_states = self._n_states
        cdef double scale = -1 / self._total
        cdef int64_t first = self._through_time(), n = self.n_patterns - first
        cdef void* d_in = self._at(self._deltas_of_inputs, first, width)
        cdef void* d_state = self._at(self._deltas_of_states, first, width)
        self._gradient(n, width, self._n_features, self._at(self._inputs, first, self._n_features),
                       d_in, self._gradients[0])
        self._gradient(n, width, n_states, self._at(self._before, first, n_states), d_state,
                       self._gradients[1])
        self._gradient(self._n_places, self._n_outputs, n_states, self._received,
                       self._out_deltas, self._gradients[2])
        column_sums(is_double, self._gradients[3], d_in, n, width, scale)
        if self._has_state_bias:
            column_sums(is_double, self._gradients[4], d_state, n, width, scale)
        column_sums(is_double, self._gradients[5], self._out_deltas, self._n_places,
                    self._n_outputs, scale)
        if self.alpha == 0:
            return 0
        return 0.5 * self.alpha / self._total * add_decay(
            is_double, self._gradients[0], self._weights[0], self._n_weights,
            self.alpha / self._total)

    cdef inline int _check_batch(self, Py_ssize_t start, Py_ssize_t stop) except -1:
        if self._rows is None:
            raise ValueError("load rows first.")
        cdef Py_ssize_t n_rows = self._rows.n_rows
        if start < 0 or stop > n_rows or stop - start > self.max_batch or start >= stop:
            raise IndexError(
                f"batch {start}:{stop} of {n_rows} rows, at most {self.max_batch} at once"
            )
        return 0

    cdef inline int _check_change(self) except -1:
        if self._rows.changed != NOTHING:
            self._rows.raise_change()
        return 0

    cdef int _check_training(self) except -1:
        if not self._rows.has_targets:
            raise ValueError("gradients need targets: load them with X.")
        if self.gradients_ is None:
            raise ValueError("gradients need an array to be written to: make the kernel with one.")
        if self._drops and not 0 <= self._share[0] < 1:
            check_shares(self.dropout)
        return 0

    def gradients(self, Py_ssize_t start, Py_ssize_t stop, send_back=None):
        """Fill activations, deltas and gradients for a batch and return its loss."""
        cdef double loss, penalty = 0
        self._check_batch(start, stop)
        self._check_training()
        if send_back is not None:
            raise ValueError(NO_SEND_BACK)
        self.n_steps += 1
        with nogil:
            loss = self._output_rules(start, stop, TRAINING)
            if self._rows.changed == NOTHING:
                penalty = self._backward()
        self._check_change()
        return loss + penalty

    def run_steps(self, CompiledRule rule, Py_ssize_t batch_size, int64_t most_steps, random,
                  double[::1] losses, Py_ssize_t start=0, double total=0.0):
        """Train for some steps with a compiled rule; see the fallback of ``Backprop``."""
        cdef Py_ssize_t n_rows, stop, epoch = 0
        cdef int64_t n_steps = 0
        cdef double loss, last_loss = NAN
        cdef int is_finite
        cdef StepNumbers numbers
        if self._rows is None or rule.params is not self.params:
            raise ValueError("rows must be loaded, and the rule made for the kernel's parameters.")
        self._check_training()
        n_rows = self._rows.n_rows
        if not 0 < batch_size <= self.max_batch:
            raise ValueError("batches do not fit.")
        if not 0 <= start < n_rows or start % batch_size:
            raise ValueError("start must be where a batch starts.")
        if losses.shape[0] < (start // batch_size + most_steps) // (
                (n_rows + batch_size - 1) // batch_size):
            raise ValueError("losses have no place for every epoch that ends.")
        order = self._rows._rows.order
        while n_steps < most_steps:
            if start == 0 and order is not None:
                random.shuffle(order)
            stop = min(start + batch_size, n_rows)
            self.n_steps += 1
            is_finite = 1
            with nogil:
                loss = self._output_rules(start, stop, TRAINING)
                if self._rows.changed == NOTHING and isfinite(loss):
                    loss += self._backward()
            self._check_change()
            if not isfinite(loss):
                return epoch, n_steps, last_loss, total, LOSS_IS_NOT_FINITE.format(loss)
            with nogil:
                numbers.index, numbers.epoch, numbers.loss = n_steps, epoch, loss
                numbers.n_patterns = self.n_patterns
                is_finite &= rule.begin(&numbers)
                is_finite &= rule.change(self._gradients[0], 0, self._n_params)
            if not is_finite:
                return epoch, n_steps, loss, total, UPDATE_IS_NOT_FINITE
            last_loss = loss
            n_steps += 1
            total += loss * (stop - start)
            start = stop
            if start == n_rows:
                losses[epoch] = total / n_rows
                epoch, start, total = epoch + 1, 0, 0
            try:
                PyErr_CheckSignals()
            except BaseException as interruption:
                return epoch, n_steps, last_loss, total, interruption
        return epoch, n_steps, last_loss, total, None

    def summed_loss(self, Py_ssize_t start, Py_ssize_t stop):
        """Return the sum of the losses of some sequences times their sample weights."""
        cdef double loss
        self._check_batch(start, stop)
        if not self._rows.has_targets:
            raise ValueError("losses need targets: load them with X.")
        with nogil:
            loss = self._output_rules(start, stop, TO_LOSS)
        self._check_change()
        return loss * self._total

    def forward(self, Py_ssize_t start, Py_ssize_t stop):
        """Fill the states and the outputs for a batch."""
        self._check_batch(start, stop)
        with nogil:
            self._enter(start, stop)
            if self._rows.changed == NOTHING:
                self._forward(TO_OUTPUTS)
        self._check_change()

    @property
    def outputs(self):
        """Outputs of the last batch: one for every row, or one for every pattern."""
        return self._arrays["outputs"][: self._n_places]

    def patterns(self):
        """Return the values of every time step of the last batch."""
        n, arrays = self.n_patterns, self._arrays
        places = np.arange(n) if self.every_step else arrays["last"][: self._n]
        of_inputs = arrays["deltas_of_inputs"][:n]
        slopes = arrays["slopes"][:n] if self._has_slopes else None
        targets = None
        if self._rows.has_targets:
            targets = arrays["targets"] if self.every_step else self._rows.fill_targets()
            targets = targets[: self._n_places]
        return Patterns(
            self._cell,
            self._activation,
            arrays["inputs"][:n],
            arrays["before"][:n],
            arrays["states"][:n],
            arrays["of_inputs"][:n] if self._is_gru else slopes,
            of_inputs,
            arrays["deltas_of_states"][:n] if self._is_gru else of_inputs,
            arrays["outputs"][: self._n_places],
            targets,
            arrays["out_deltas"][: self._n_places],
            places,
        )

    @property
    def activations(self):
        """Inputs with the states before, states, outputs; (n_patterns, n_neurons)."""
        return self.patterns().activations()

    @property
    def layer_outputs(self):
        """States and outputs of every pattern; outputs are NaN where there are none."""
        return self.patterns().layer_outputs()

    @property
    def deltas(self):
        """Deltas of the net inputs of every pattern."""
        return self.patterns().deltas()

    @property
    def slopes(self):
        """Derivatives of the cell's functions at the net inputs of every pattern."""
        return [self.patterns().derivatives()]

    @property
    def targets(self):
        """Targets of every pattern, NaN where there are none."""
        return self.patterns().all_targets()

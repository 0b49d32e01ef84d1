# cython: language_level=3, boundscheck=False, wraparound=False
# cython: cdivision=True, initializedcheck=False
"""The passes that a penalty of the input gradients takes behind the backward pass.

``input_gradient_fallback`` has the equations.
"""

import numpy as np

from libc.stdint cimport int64_t
from libc.string cimport memcpy

from sklearn_metabp._kernels.network._batch_rows cimport BatchRows, address
from sklearn_metabp._kernels.network._layer_loops cimport (
    RELU, add, dense_rows, input_changes, join_pulls, multiply, output_changes,
    times_slope,
)
from sklearn_metabp._kernels.network._layers cimport (
    Layer, Thread, ThreadPool, Work, part_start, row_of, row_parts, run_parts,
)
from sklearn_metabp._kernels.network._products cimport (
    AS_IT_IS, TIMES_RELU_SLOPE, Products, blas_backward, blas_forward,
)

from sklearn_metabp._kernels.functions import ACTIVATIONS, INPUT_GRADIENT_NORMS, LOSSES


cdef class InputGradient:
    """Forward on derivatives, and back once more.

    The gradient of a penalised batch of n rows is that of a batch of 2 n rows. Behind the
    activations x of a layer are their rates c. Behind its ``pulls``, which are delta + R{delta}, is
    delta. So one product computes x^T (delta + R{delta}) + c^T delta.

    Parameters
    ----------
    layer_sizes : tuple of int
    functions : tuple of str
        Activation functions of the layers, that of the outputs last.
    loss : str
    groups : ndarray of int64
        Widths of the groups of outputs.
    max_batch : int
    dtype : dtype
    penalty : float
        Symbol beta.
    norm : str
    """

    def __init__(self, layer_sizes, functions, loss, groups, max_batch, dtype, penalty, norm):
        self._n_layers = len(layer_sizes) - 1
        self._is_double, self._item = dtype == np.float64, dtype.itemsize
        self._loss, self._norm = LOSSES[loss].code, INPUT_GRADIENT_NORMS[norm].code
        self._beta = penalty
        self._groups, self._groups_at = groups, <int64_t*>address(groups)
        self._n_groups = len(groups)
        self._penalties = np.zeros(max_batch)
        self._penalties_at = <double*>address(self._penalties)
        inputs = np.zeros((2 * max_batch, layer_sizes[0]), dtype)
        zeros = np.zeros(max(layer_sizes), dtype)
        pulls = [np.zeros((2 * max_batch, width), dtype) for width in layer_sizes[1:]]
        curvatures = [
            np.zeros((max_batch, width), dtype) if ACTIVATIONS[function].is_bent else None
            for width, function in zip(layer_sizes[1 : self._n_layers], functions)
        ]
        self._buffers = inputs, zeros, pulls, curvatures
        self.inputs, self._zeros = address(inputs), address(zeros)

    cdef fit_in(self, BatchRows rows, Layer* layers, const Products* products, ThreadPool* pool,
                Thread* threads, void* scratch):
        """Take what belongs to a kernel, and give its layers their buffers."""
        cdef int number
        self._rows, self._layers, self._products = rows, layers, products
        self._pool, self._threads, self._scratch_at = pool, threads, scratch
        _, _, pulls, curvatures = self._buffers
        for number in range(self._n_layers):
            layers[number].pulls = address(pulls[number])
            self._n_weights += <int64_t>layers[number].fan_in * layers[number].width
            if number < self._n_layers - 1:
                layers[number].curvatures = address(curvatures[number])

    cdef int fill(self, int n) noexcept nogil:
        """Take the passes for the batch. All deltas are there, and s f'' in place of curvatures.

        Return whether a column of a sparse X is out of range.
        """
        cdef int64_t width = self._layers[0].fan_in
        cdef Work work
        cdef int p
        if self._rows.is_sparse:
            if dense_rows(self._is_double, &self._rows.sparse, self.inputs, n, width):
                return 1
        else:
            memcpy(self.inputs, self._rows.inputs, n * width * self._item)
        work.kernel, work.n = <void*>self, n
        work.n_parts = row_parts(self._pool, n, 3 * self._n_weights)
        if work.n_parts == 1:
            self._fill_part(&work, 0, 0)
        else:
            run_parts(self._pool, fill_part, &work, work.n_parts)
        self.penalty = 0
        for p in range(n):
            self.penalty += self._penalties_at[p]
        self.penalty *= self._beta
        return 0

    cdef void _fill_part(self, const Work* work, int part, int thread) noexcept nogil:
        """Take the passes for some rows."""
        cdef int first = part_start(work, part), n = part_start(work, part + 1) - first
        cdef int behind = work.n + first, number
        cdef int64_t item = self._item, n_values
        cdef Layer* layer = &self._layers[0]
        cdef void* changes = row_of(self.inputs, behind, layer.fan_in, item)
        cdef void* weight = NULL
        cdef void* targets = NULL
        cdef void* rates = NULL
        cdef void* out
        if self._rows.weight != NULL:
            weight = row_of(self._rows.weight, first, 1, item)
        self._send_back(0, first, n, thread)
        input_changes(self._is_double, self._norm, changes, weight, self._penalties_at + first, n,
                      layer.fan_in, self._beta)
        for number in range(self._n_layers):
            layer = &self._layers[number]
            rates = row_of(layer.pulls, first, layer.width, item)
            if number < self._n_layers - 1:
                rates = row_of(layer.outputs, behind, layer.width, item)
            if self._products != NULL:
                self._products.forward(n, layer.width, layer.fan_in, changes, layer.weights,
                                       self._zeros, AS_IT_IS, rates, self._threads[thread].tiles)
            else:
                blas_forward(self._is_double, n, layer.width, layer.fan_in, changes, layer.weights,
                             self._zeros, rates)
            changes = rates
            if number == self._n_layers - 1:
                break
            n_values = <int64_t>n * layer.width
            out = row_of(layer.outputs, first, layer.width, item)
            if layer.curvatures != NULL:
                multiply(self._is_double, row_of(layer.curvatures, first, layer.width, item), rates,
                         n_values)
            if layer.slopes != NULL:
                multiply(self._is_double, rates, row_of(layer.slopes, first, layer.width, item),
                         n_values)
            else:
                times_slope(self._is_double, layer.function, rates, out, n_values)
        if self._rows.labels == NULL:
            targets = row_of(self._rows.targets, first, layer.width, item)
        output_changes(self._is_double, self._loss, layer.function, rates,
                       row_of(layer.outputs, first, layer.width, item), targets, weight, n,
                       layer.width, self._groups_at, self._n_groups)
        for number in range(self._n_layers - 1, -1, -1):
            layer = &self._layers[number]
            if number > 0:
                self._send_back(number, first, n, thread)
            join_pulls(self._is_double, row_of(layer.pulls, first, layer.width, item),
                       row_of(layer.pulls, behind, layer.width, item),
                       row_of(layer.deltas, first, layer.width, item), <int64_t>n * layer.width)

    cdef void _send_back(self, int number, int first, int n, int thread) noexcept nogil:
        """R of rule (6) for some rows; from the first layer, rule (6) itself to the inputs."""
        cdef Layer* layer = &self._layers[number]
        cdef Layer* before = &self._layers[number - 1]
        cdef int64_t item = self._item, n_values = <int64_t>n * layer.fan_in
        cdef bint is_rectified = (number > 0 and before.slopes == NULL
                                  and before.function == RELU)
        cdef void* sent = row_of(layer.deltas if number == 0 else layer.pulls, first, layer.width,
                                 item)
        cdef void* received
        cdef void* outputs = NULL
        if number == 0:
            received = row_of(self.inputs, self._rows.n + first, layer.fan_in, item)
        else:
            received = row_of(before.pulls, first, before.width, item)
            outputs = row_of(before.outputs, first, before.width, item)
        if self._products != NULL:
            self._products.backward(n, layer.width, layer.fan_in, sent, layer.weights,
                                    TIMES_RELU_SLOPE if is_rectified else AS_IT_IS, outputs,
                                    received, self._threads[thread].tiles)
        else:
            blas_backward(self._is_double, n, layer.width, layer.fan_in, sent, layer.weights,
                          self._scratch_at, received)
        if number == 0:
            return
        if before.slopes != NULL:
            multiply(self._is_double, received, row_of(before.slopes, first, before.width, item),
                     n_values)
        elif self._products == NULL or not is_rectified:
            times_slope(self._is_double, before.function, received, outputs, n_values)
        if before.curvatures != NULL:
            add(self._is_double, received,
                        row_of(before.curvatures, first, before.width, item), n_values)


cdef void fill_part(void* work, int part, int thread) noexcept nogil:
    (<InputGradient>(<Work*>work).kernel)._fill_part(<Work*>work, part, thread)

# cython: language_level=3, boundscheck=False, wraparound=False
# cython: cdivision=True, initializedcheck=False
"""Scales and embeddings in front of the first layer of neurons; ``input_layer`` has the fallback."""

import numpy as np

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int64_t

from sklearn_metabp._kernels.network._batch_rows cimport address

cdef extern from "../network/input_layer_loops.h" nogil:
    int BASIS_ARRAYS
    ctypedef struct InputColumn:
        int kind
        int keeps_input
        int64_t source
        int64_t target
        int64_t n_functions
        int64_t n_linear
        const void* scale
        void* scale_gradient
        const void* basis[4]
        void* basis_gradients[4]
        const void* coefs
        void* coef_gradients
        const void* intercepts
        void* intercept_gradients
    void embed_column(bint, const InputColumn* column, void* out, int64_t width, const void* x,
                      int64_t n_inputs, int64_t n, void* scratch)
    void column_gradients(bint, const InputColumn* column, const void* deltas, int64_t width,
                          const void* x, int64_t n_inputs, int64_t n, double scale, void* scratch)
    int64_t input_scratch(int64_t n, int64_t n_linear)

# Operations that the cosine of a phase takes, for the share of the work that threads get.
cdef enum:
    BASIS_WORK = 16


cdef class InputRows:
    """The rows that the first layer of neurons receives, and the gradients of the input layer.

    Parameters
    ----------
    input_layer : InputLayer
    params, gradients : ndarray of shape (n_params,)
        The last values of the flat vectors. ``gradients`` is None in a kernel that only goes
        forward.
    max_batch, n_threads : int
    """

    def __init__(self, input_layer, params, gradients, int64_t max_batch, int n_threads):
        cdef InputColumn* column
        cdef int64_t target = 0, n_linear = 0
        cdef int number, k
        embedding = input_layer.embedding
        self._is_double, self._item = params.dtype == np.float64, params.dtype.itemsize
        self.n_inputs, self.width = input_layer.n_inputs, input_layer.width
        self.rows_array = np.zeros((max_batch, self.width), params.dtype)
        deltas = None if gradients is None else np.zeros_like(self.rows_array)
        self.rows, self.deltas = address(self.rows_array), address(deltas)
        values = input_layer.views(params)
        found = {} if gradients is None else input_layer.views(gradients)
        basis, basis_gradients, place_of = (), (), {}
        if embedding is not None:
            n_linear = embedding.n_linear
            names = [f"embedding_{name}_" for name in embedding.kind_of.trained]
            basis = *(values[name] for name in names), *embedding.fixed(params.dtype)
            basis_gradients = [found.get(name) for name in names]
            place_of = dict(zip(embedding.columns, range(len(embedding.columns))))
            self.row_work = len(embedding.columns) * embedding.n_functions * (
                BASIS_WORK + n_linear)
        self._columns = PyMem_Calloc(self.n_inputs, sizeof(InputColumn))
        if self._columns == NULL:
            raise MemoryError()
        for number in range(self.n_inputs):
            column = <InputColumn*>self._columns + number
            column.source, column.target, column.keeps_input = number, target, True
            target += input_layer.widths[number]
            if input_layer.has_scales:
                column.scale = address(values["input_scales_"][number : number + 1])
                if found:
                    column.scale_gradient = address(found["input_scales_"][number : number + 1])
            place = place_of.get(number)
            if place is None:
                continue
            column.kind, column.keeps_input = embedding.kind_of.code, embedding.kind_of.keeps_input
            column.n_functions, column.n_linear = embedding.n_functions, n_linear
            for k, array in enumerate(basis):
                column.basis[k] = address(array[place])
            for k, array in enumerate(basis_gradients):
                column.basis_gradients[k] = address(None if array is None else array[place])
            column.coefs = address(values["embedding_coefs_"][place])
            column.intercepts = address(values["embedding_intercepts_"][place])
            if found:
                column.coef_gradients = address(found["embedding_coefs_"][place])
                column.intercept_gradients = address(found["embedding_intercepts_"][place])
        self._scratch_bytes = self._item * input_scratch(
            1 if gradients is None else max_batch, n_linear)
        self._scratch_bytes = (self._scratch_bytes + 63) // 64 * 64
        scratch = np.zeros(n_threads * self._scratch_bytes, np.uint8)
        self._scratch = <char*>address(scratch)
        self._buffers = deltas, scratch, params, gradients, basis

    def __dealloc__(self):
        PyMem_Free(self._columns)

    cdef void embed(self, const void* x, int first, int n, int thread) noexcept nogil:
        """Write some rows of the batch, whose first row of X is given."""
        cdef char* out = <char*>self.rows + first * self.width * self._item
        cdef char* scratch = self._scratch + thread * self._scratch_bytes
        cdef InputColumn* columns = <InputColumn*>self._columns
        cdef int number
        for number in range(self.n_inputs):
            embed_column(self._is_double, &columns[number], out, self.width, x,
                         self.n_inputs, n, scratch)

    cdef void gradients(self, int first, int last, const void* x, int n, double scale,
                        int thread) noexcept nogil:
        """Compute the gradients of some columns, from all rows and their deltas."""
        cdef char* scratch = self._scratch + thread * self._scratch_bytes
        cdef InputColumn* columns = <InputColumn*>self._columns
        cdef int number
        for number in range(first, last):
            if columns[number].n_functions == 0 and columns[number].scale_gradient == NULL:
                continue
            column_gradients(self._is_double, &columns[number], self.deltas, self.width, x,
                             self.n_inputs, n, scale, scratch)

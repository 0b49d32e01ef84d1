# cython: language_level=3, boundscheck=False, wraparound=False
# cython: cdivision=True, initializedcheck=False
"""Statistics of the tensors and layers of a step; ``summaries_fallback`` has the fallback."""

import numpy as np

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int64_t, intptr_t, uint16_t

from sklearn_metabp._kernels.summaries.summaries_fallback import (
    MOST_VALUES, OF_DELTAS, OF_OUTPUTS, OF_TENSOR, QUANTILES, check_arrays, make_tables,
    places_of_sample,
)

cdef extern from "summary_loops.h" nogil:
    void sizes_f64(const double*, int64_t, double*)
    void sizes_f32(const float*, int64_t, double*)
    void spread_f64(const double*, int64_t, double*)
    void spread_f32(const float*, int64_t, double*)
    void flatness_f64(const double*, int64_t, int64_t, double, double, int, double*, double*)
    void flatness_f32(const float*, int64_t, int64_t, double, double, int, float*, double*)
    void take_f64(const double*, const int64_t*, int64_t, double*)
    void take_f32(const float*, const int64_t*, int64_t, float*)
    void quantiles_f64(const double*, int64_t, double, double*, uint16_t*, double*)
    void quantiles_f32(const float*, int64_t, double, float*, uint16_t*, double*)

__all__ = ["StepStatistics"]


ctypedef struct Layer:
    void* outputs
    void* deltas
    void* slopes        # NULL where the outputs tell where the function is flat
    double low
    double high
    int64_t width


cdef void* address(array) except? NULL:
    return <void*><intptr_t>array.ctypes.data


cdef class StepStatistics:
    """Tables of statistics of a training's flat vectors and layers, filled at every call.

    See the fallback's ``StepStatistics`` for the parameters and the attributes.
    """

    cdef readonly object numbers, tensors, outputs, deltas, dtype
    cdef object _kept
    cdef bint _is_double
    cdef int64_t _n_vectors, _n_tensors, _n_layers, _max_batch, _item
    cdef int64_t _of_tensor, _of_sizes, _of_outputs, _of_deltas
    cdef void** _vectors
    cdef int64_t* _bounds
    cdef Layer* _layers
    cdef int64_t _most_values
    cdef int64_t** _places          # of the values that quantiles are of; NULL for all
    cdef void* _sample
    cdef void* _scratch
    cdef uint16_t* _bins
    cdef double* _tensors_at
    cdef double* _outputs_at
    cdef double* _deltas_at

    def __init__(self, vectors, bounds, layers):
        cdef int64_t k
        cdef Layer* layer
        if self._vectors != NULL:
            raise TypeError("a kernel is made once: make another one.")
        vectors, layers = list(vectors), list(layers)
        check_arrays(vectors, bounds, layers)
        self._n_vectors, self._n_tensors = len(vectors), len(bounds) - 1
        self._n_layers = len(layers)
        self.dtype = vectors[0].dtype
        self._is_double = self.dtype == np.float64
        self._item = vectors[0].itemsize
        self._of_sizes, self._of_tensor = len(OF_TENSOR), len(OF_TENSOR) + len(QUANTILES)
        self._of_outputs, self._of_deltas = len(OF_OUTPUTS), len(OF_DELTAS)
        self.numbers, self.tensors, self.outputs, self.deltas = make_tables(
            self._n_vectors, self._n_tensors, self._n_layers
        )
        self._tensors_at = <double*>address(self.tensors)
        self._outputs_at = <double*>address(self.outputs)
        self._deltas_at = <double*>address(self.deltas)
        self._most_values = MOST_VALUES
        most = max([MOST_VALUES + 1] + [one.outputs.shape[1] for one in layers])
        sample, scratch = np.empty(MOST_VALUES, self.dtype), np.empty(most, self.dtype)
        bins = np.empty(MOST_VALUES, np.uint16)
        places = [places_of_sample(size) for size in np.diff(bounds)]
        self._sample, self._scratch = address(sample), address(scratch)
        self._bins = <uint16_t*>address(bins)
        self._kept = [vectors, layers, sample, scratch, bins, places]
        self._vectors = <void**>PyMem_Calloc(self._n_vectors, sizeof(void*))
        self._bounds = <int64_t*>PyMem_Calloc(len(bounds), sizeof(int64_t))
        self._layers = <Layer*>PyMem_Calloc(max(1, self._n_layers), sizeof(Layer))
        self._places = <int64_t**>PyMem_Calloc(self._n_tensors, sizeof(int64_t*))
        if (self._vectors == NULL or self._bounds == NULL or self._layers == NULL
                or self._places == NULL):
            raise MemoryError()
        for k in range(self._n_tensors):
            if bounds[k + 1] - bounds[k] > MOST_VALUES:
                self._places[k] = <int64_t*>address(places[k])
        for k in range(self._n_vectors):
            self._vectors[k] = address(vectors[k])
        for k in range(len(bounds)):
            self._bounds[k] = bounds[k]
        for k in range(self._n_layers):
            layer, arrays = &self._layers[k], layers[k]
            layer.outputs, layer.deltas = address(arrays.outputs), address(arrays.deltas)
            layer.slopes = NULL if arrays.slopes is None else address(arrays.slopes)
            layer.low, layer.high = arrays.low, arrays.high
            self._max_batch, layer.width = arrays.outputs.shape

    def __dealloc__(self):
        PyMem_Free(self._vectors)
        PyMem_Free(self._bounds)
        PyMem_Free(self._layers)
        PyMem_Free(self._places)

    def take(self, int64_t n_patterns):
        """Fill the tables for a batch of so many patterns."""
        cdef int64_t k, tensor
        cdef double* row = self._tensors_at
        if self._n_layers and not 0 < n_patterns <= self._max_batch:
            raise IndexError(f"a batch of {n_patterns} patterns is not in the arrays")
        with nogil:
            for k in range(self._n_vectors):
                for tensor in range(self._n_tensors):
                    self._of_one(<char*>self._vectors[k] + self._bounds[tensor] * self._item,
                                 self._bounds[tensor + 1] - self._bounds[tensor],
                                 self._places[tensor], row)
                    row += self._of_tensor
            for k in range(self._n_layers):
                self._of_layer(&self._layers[k], n_patterns, self._outputs_at + k * self._of_outputs,
                               self._deltas_at + k * self._of_deltas)

    cdef void _of_one(self, void* values, int64_t n, const int64_t* places,
                      double* row) noexcept nogil:
        """Fill the row of a tensor."""
        if self._is_double:
            sizes_f64(<double*>values, n, row)
            if places != NULL:
                n = self._most_values
                take_f64(<double*>values, places, n, <double*>self._sample)
                values = self._sample
            quantiles_f64(<double*>values, n, row[2], <double*>self._scratch, self._bins,
                          row + self._of_sizes)
        else:
            sizes_f32(<float*>values, n, row)
            if places != NULL:
                n = self._most_values
                take_f32(<float*>values, places, n, <float*>self._sample)
                values = self._sample
            quantiles_f32(<float*>values, n, row[2], <float*>self._scratch, self._bins,
                          row + self._of_sizes)

    cdef void _of_layer(self, Layer* layer, int64_t n, double* outputs,
                        double* deltas) noexcept nogil:
        """Fill the rows of a layer."""
        cdef int between = layer.slopes != NULL
        cdef void* values = layer.slopes if between else layer.outputs
        cdef int64_t size = n * layer.width
        if self._is_double:
            spread_f64(<double*>layer.outputs, size, outputs)
            spread_f64(<double*>layer.deltas, size, deltas)
            flatness_f64(<double*>values, n, layer.width, layer.low, layer.high, between,
                         <double*>self._scratch, outputs + 4)
        else:
            spread_f32(<float*>layer.outputs, size, outputs)
            spread_f32(<float*>layer.deltas, size, deltas)
            flatness_f32(<float*>values, n, layer.width, layer.low, layer.high, between,
                         <float*>self._scratch, outputs + 4)

"""The MLP of ``shared_loops.h``, over the arrays of a checked ``small_mlp.SmallMLP``."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t

cdef extern from "shared_loops.h" nogil:
    int BLOCK
    ctypedef struct SmallMLP:
        const void* params
        const void* biases
        const int64_t* sizes
        int64_t n_layers
        int64_t widest
        int64_t n_behind
        int hidden
        int output
        const void* centre
        void* workspace
        void* spare
        void* outputs


cdef inline void* address(array) except? NULL:
    """Return where a checked array lies, NULL for None; the caller keeps the array alive."""
    cdef Py_buffer view
    if array is None:
        return NULL
    PyObject_GetBuffer(array, &view, PyBUF_SIMPLE)
    PyBuffer_Release(&view)
    return view.buf


cdef inline void fill_mlp(SmallMLP* mlp, source, workspace):
    """Fill the struct; ``workspace`` has three rows of ``BLOCK`` times the widest layer."""
    mlp.params, mlp.biases = address(source.params), address(source.biases)
    mlp.centre, mlp.widest = address(source.centre), source.widest
    mlp.n_behind = source.sizes[-2]
    mlp.sizes, mlp.n_layers = <int64_t*>address(source.sizes), len(source.sizes) - 1
    mlp.hidden, mlp.output = source.hidden_code, source.output_code
    mlp.workspace, mlp.spare = address(workspace[0]), address(workspace[1])
    mlp.outputs = address(workspace[2])

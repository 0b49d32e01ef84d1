"""Arrays that lie in memory as no loop of C may take them."""

import numpy as np
from scipy import sparse


def at_odd_address(array) -> np.ndarray:
    """The same values one byte off, as a field of packed records or a mapped file may have them."""
    array = np.asarray(array)
    buffer = np.zeros(array.nbytes + 1 + array.itemsize, np.uint8)
    start = 1 if (buffer.ctypes.data + 1) % array.itemsize else 2
    moved = np.frombuffer(buffer, array.dtype, array.size, start).reshape(array.shape)
    moved[...] = array
    assert not moved.flags.aligned
    return moved


def sparse_at_odd_address(X):
    """A CSR matrix all of whose arrays are one byte off."""
    X = sparse.csr_array(X)
    for name in ("data", "indices", "indptr"):
        setattr(X, name, at_odd_address(getattr(X, name)))
    return X


def read_only(array) -> np.ndarray:
    """A view that refuses to be written, as of a file mapped for reading."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view

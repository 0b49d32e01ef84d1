"""Arrays with a place in memory that a C loop must not accept."""

import numpy as np
from scipy import sparse


def at_odd_address(array) -> np.ndarray:
    """Return the same values at an address that is one byte off.

    A field of packed records or a mapped file may have such an address.
    """
    array = np.asarray(array)
    buffer = np.zeros(array.nbytes + 1 + array.itemsize, np.uint8)
    start = 1 if (buffer.ctypes.data + 1) % array.itemsize else 2
    moved = np.frombuffer(buffer, array.dtype, array.size, start).reshape(array.shape)
    moved[...] = array
    assert not moved.flags.aligned
    return moved


def sparse_at_odd_address(X):
    """Return a CSR matrix with all its arrays one byte off."""
    X = sparse.csr_array(X)
    for name in ("data", "indices", "indptr"):
        setattr(X, name, at_odd_address(getattr(X, name)))
    return X


def read_only(array) -> np.ndarray:
    """Return a read-only view, like that of a file mapped for reading."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view

"""Shared copies of the arrays that recorded trainings have in common."""

import threading
from weakref import WeakValueDictionary

import numpy as np

from sklearn_metabp.tracing.files import checksum

_lock = threading.Lock()
_copies: WeakValueDictionary[tuple, np.ndarray] = WeakValueDictionary()


def shared_copy(array: np.ndarray) -> np.ndarray:
    """Return a read-only copy of an array, which all arrays with the same bytes share.

    So the fits of a search on one fold, and repeated fits on the same data, hold their data once. A
    copy lives as long as there is a reference to it.

    Parameters
    ----------
    array : ndarray of numbers of four or eight bytes

    Returns
    -------
    copy : ndarray
        C-contiguous.
    """
    array = np.ascontiguousarray(array)
    key = array.dtype.str, array.shape, checksum(array)
    with _lock:
        copy = _copies.get(key)
        if copy is None or not _have_same_bytes(copy, array):
            copy = _copies[key] = array.copy()
            copy.flags.writeable = False
        return copy


def _have_same_bytes(one: np.ndarray, other: np.ndarray) -> bool:
    """Tell whether two arrays have the same bytes, so that NaN equals NaN and -0 differs from 0."""
    return (
        one is other or one.reshape(-1).view(np.uint8).data == other.reshape(-1).view(np.uint8).data
    )

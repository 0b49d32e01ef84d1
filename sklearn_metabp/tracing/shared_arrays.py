"""One copy of every array that recorded trainings have in common."""

import threading
from weakref import WeakValueDictionary

import numpy as np

from sklearn_metabp.tracing.files import checksum

_lock = threading.Lock()
_copies: WeakValueDictionary[tuple, np.ndarray] = WeakValueDictionary()


def shared_copy(array: np.ndarray) -> np.ndarray:
    """A read-only copy of an array; the same one for every array with the same bytes.

    The fits of a search on one fold, and repeated fits on the same data, then hold their data once.
    A copy lives as long as somebody holds it.

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
        if copy is None or not _have_the_same_bytes(copy, array):
            copy = _copies[key] = array.copy()
            copy.flags.writeable = False
        return copy


def _have_the_same_bytes(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether the bytes are equal, of NaN and of minus zero too."""
    return (
        one is other or one.reshape(-1).view(np.uint8).data == other.reshape(-1).view(np.uint8).data
    )

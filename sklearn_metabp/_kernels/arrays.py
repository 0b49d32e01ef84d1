"""Checks of arrays before compiled loops read their memory.

A loop takes every array to be C-contiguous, in the machine's byte order and aligned: each value at
an address that its size divides. Anything else is undefined behaviour in C. An array that is only
read may be copied. An array that is written, or that changes while a kernel holds it, is never
copied, so it has to fit.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import DTypeLike

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def readable(array: np.ndarray, dtype: DTypeLike | None = None) -> np.ndarray:
    """Return the array itself where loops can read it, and else a copy.

    Parameters
    ----------
    array : ndarray
    dtype : dtype, default=None
        None keeps the dtype of the array, in the machine's byte order.

    Returns
    -------
    array : ndarray
        C-contiguous, aligned, of this dtype. It may be read-only.
    """
    if dtype is None:
        dtype = array.dtype if array.dtype.isnative else array.dtype.newbyteorder("=")
    flags = array.flags
    if flags.c_contiguous and flags.aligned and array.dtype == dtype:
        return array
    return np.require(array, dtype, ["C", "A"])


def are_readable(arrays: Iterable[np.ndarray], dtype: DTypeLike) -> bool:
    """Tell whether loops can read all the arrays without a copy; they must be of this dtype."""
    return dtype in FLOATS and all(
        array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned
        for array in arrays
    )


def are_writable(arrays: Sequence[np.ndarray], dtype: DTypeLike) -> bool:
    """Tell whether loops can also write all the arrays: they cannot write a read-only one."""
    return are_readable(arrays, dtype) and all(array.flags.writeable for array in arrays)

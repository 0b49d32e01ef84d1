"""The one door through which arrays come to the loops, which read memory as it lies.

A loop takes every array to be C-contiguous, in the machine's byte order and aligned: each value at
an address that its size divides. Anything else is undefined behaviour in C. An array that is only
read may be copied; one that is written, or that changes while a kernel holds it, has to be right as
it is.
"""

import numpy as np

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def readable(array, dtype=None) -> np.ndarray:
    """The array itself where loops can read it, else a copy.

    Parameters
    ----------
    array : ndarray
    dtype : dtype, default=None
        None keeps the array's, in the machine's byte order.

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


def are_readable(arrays, dtype) -> bool:
    """Tell whether loops can read all the arrays as they lie: of one dtype, float32 or float64."""
    return dtype in FLOATS and all(
        array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned
        for array in arrays
    )


def are_writable(arrays, dtype) -> bool:
    """Tell whether loops can also write all the arrays: they cannot write a read-only mapping of a file."""
    return are_readable(arrays, dtype) and all(array.flags.writeable for array in arrays)

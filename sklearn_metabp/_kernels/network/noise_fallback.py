"""Noise of the inputs in NumPy, as ``noise_loops.h`` computes it, which names the source."""

import numpy as np

from sklearn_metabp._kernels.network.dropout_fallback import mix64, random_bits, row_keys


def normal_numbers(key: int, step: int, n: int, width: int) -> np.ndarray:
    """Return independent numbers of the normal distribution with mean 0 and variance 1.

    They depend on the arguments alone. For fewer patterns or inputs they are a part of the same
    matrix.

    Parameters
    ----------
    key : int
        An integer of 64 bits.
    step : int
        Number of the step, from 1.
    n, width : int
        Patterns and inputs.

    Returns
    -------
    z : ndarray of float64 of shape (n, width)
        sqrt(-2 ln u) sin(pi v / 2), with u uniform in (0, 1) and v in (-1, 1).
    """
    radius_keys = row_keys(key, step, -1, n)
    u = (random_bits(radius_keys, width) + 0.5) / 2**32
    v = (random_bits(mix64(radius_keys), width).view(np.int32) + 0.5) / 2**31
    return np.sqrt(-2 * np.log(u)) * np.sin(np.pi / 2 * v)

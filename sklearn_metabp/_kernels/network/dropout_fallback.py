"""Masks of dropout in NumPy, with the bits of ``dropout_hash.h``, which names the sources."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

_GOLDEN = 0x9E3779B97F4A7C15
_64_BITS = 2**64 - 1


def mix64(z: Any) -> Any:
    """Mix the bits of a Python integer, or of an array of uint64."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _64_BITS
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _64_BITS
    return z ^ (z >> 31)


def row_keys(key: int, step: int, layer: int, n: int) -> np.ndarray:
    """Return the keys of the first n rows of a layer in a step, of shape (n,) of uint64.

    Hidden layers are counted from 0; -1 is the input.
    """
    layer_key = mix64(mix64(key + _GOLDEN * step & _64_BITS) + _GOLDEN * (layer + 1) & _64_BITS)
    return mix64(np.arange(1, n + 1, dtype=np.uint64) * np.uint64(_GOLDEN) + np.uint64(layer_key))


def random_bits(keys: np.ndarray, width: int) -> np.ndarray:
    """Return 32 bits for every row, by its key, and neuron, of shape (n, width) of uint32."""
    low, high = keys[:, None].astype(np.uint32), (keys[:, None] >> 32).astype(np.uint32)
    h: Any = np.arange(width, dtype=np.uint32) + low
    h = (h ^ (h >> 16)) * np.uint32(0x7FEB352D)
    h = (h ^ (h >> 15) ^ high) * np.uint32(0x846CA68B)
    return h ^ (h >> 16)


def dropout_factors(
    key: int, step: int, layer: int, n: int, width: int, dropout: float, dtype: DTypeLike
) -> np.ndarray:
    """Return the factors of the outputs of a hidden layer in a step: 0, or 1 / (1 - dropout).

    They depend on the arguments alone. For fewer patterns or neurons they are a part of the same
    matrix.

    Parameters
    ----------
    key : int
        An integer of 64 bits.
    step : int
        Number of the step, from 1.
    layer : int
        Number of the hidden layer, from 0.
    n, width : int
        Patterns and neurons.
    dropout : float
        Probability of 0, from 0 to below 1.
    dtype : dtype

    Returns
    -------
    factors : ndarray of shape (n, width)
    """
    bits = random_bits(row_keys(key, step, layer, n), width)
    zero, scale = np.array([0, 1 / (1 - dropout)], dtype)
    return np.where(bits < np.uint32(dropout * 2**32), zero, scale)

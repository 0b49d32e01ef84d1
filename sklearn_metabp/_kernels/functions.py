"""Activation functions, their derivatives, and a flat vector as matrices: what the twins share."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy.special import expit, softmax

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))

ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda net: net,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda net: np.maximum(net, 0),
    "softmax": lambda net: softmax(net, axis=1),
}

# f'(in), written in terms of x = f(in).
DERIVATIVES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": np.ones_like,
    "logistic": lambda x: x * (1 - x),
    "tanh": lambda x: 1 - x**2,
    "relu": lambda x: (x > 0).astype(x.dtype),
}


def weight_views(flat, layer_sizes) -> list[np.ndarray]:
    """Weight matrices of a flat vector, each (fan_in, fan_out)."""
    views, start = [], 0
    for fan_in, fan_out in pairwise(layer_sizes):
        views.append(flat[start : start + fan_in * fan_out].reshape(fan_in, fan_out))
        start += fan_in * fan_out
    return views


def bias_views(flat, layer_sizes) -> list[np.ndarray]:
    """Bias vectors of a flat vector, each (fan_out,)."""
    views: list[np.ndarray] = []
    stop = len(flat)
    for fan_out in reversed(layer_sizes[1:]):
        views.insert(0, flat[stop - fan_out : stop])
        stop -= fan_out
    return views


# As in the compiled twins, numbers that overflow say so by what they are.

"""First and second derivatives of the activation functions, as functions of the net input.

The kernels write f' in terms of x = f(in) where they can, which is cheaper; a second derivative
needs the net input. Where a function has a kink the derivatives are those from the left, as in the
kernels.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import expit

from sklearn_metabp._kernels.functions import DERIVATIVES_AT, LEAK

Function = Callable[[np.ndarray], np.ndarray]

_ROOT_2_PI = float(np.sqrt(2 * np.pi))


def _logistic_slope(net: np.ndarray) -> np.ndarray:
    return expit(net) * expit(-net)


def _logistic_curvature(net: np.ndarray) -> np.ndarray:
    return -_logistic_slope(net) * np.tanh(net / 2)


def _tanh_slope(net: np.ndarray) -> np.ndarray:
    return 4 * expit(2 * net) * expit(-2 * net)


def _normal_density(net: np.ndarray) -> np.ndarray:
    return np.exp(-(net**2) / 2) / _ROOT_2_PI


def _gelu_curvature(net: np.ndarray) -> np.ndarray:
    net = np.clip(
        net, -40, 40
    )  # the density is 0 there, and further out the square would be infinite
    return _normal_density(net) * (2 - net**2)


def _silu_curvature(net: np.ndarray) -> np.ndarray:
    return _logistic_slope(net) * (2 - net * np.tanh(net / 2))


SLOPES: dict[str, Function] = {
    "identity": np.ones_like,
    "logistic": _logistic_slope,
    "tanh": _tanh_slope,
    "relu": lambda net: (net > 0).astype(net.dtype),
    "leaky_relu": lambda net: np.where(net > 0, 1, LEAK).astype(net.dtype),
    "elu": lambda net: np.exp(np.minimum(net, 0)),
    "softplus": expit,
    "exp": np.exp,
    **DERIVATIVES_AT,
}

CURVATURES: dict[str, Function] = {
    "identity": np.zeros_like,
    "logistic": _logistic_curvature,
    "tanh": lambda net: -2 * np.tanh(net) * _tanh_slope(net),
    "relu": np.zeros_like,
    "leaky_relu": np.zeros_like,
    "elu": lambda net: np.where(net > 0, 0, np.exp(np.minimum(net, 0))).astype(net.dtype),
    "gelu": _gelu_curvature,
    "silu": _silu_curvature,
    "softplus": _logistic_slope,
    "exp": np.exp,
}

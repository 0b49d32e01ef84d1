"""Activation functions, their derivatives, and a flat vector as matrices: what the twins share."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy.special import expit, ndtr, softmax

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))

LEAK = 0.01  # slope of leaky_relu below zero


def _shares(net, share):
    """``net * share``, and 0 where no share is left, at minus infinity too."""
    return np.where(share == 0, share, net * share)


# x = f(in); softmax over the units of a row.
ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda net: net,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda net: np.maximum(net, 0),
    "softmax": lambda net: softmax(net, axis=1),
    "exp": np.exp,
    "leaky_relu": lambda net: np.where(net < 0, LEAK * net, net),
    "elu": lambda net: np.where(net < 0, np.expm1(np.minimum(net, 0)), net),
    "softplus": lambda net: np.maximum(net, 0) + np.log1p(np.exp(-np.abs(net))),
    "gelu": lambda net: _shares(net, ndtr(net)),
    "silu": lambda net: _shares(net, expit(net)),
}

# f'(in), written in terms of x = f(in).
DERIVATIVES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": np.ones_like,
    "logistic": lambda x: x * (1 - x),
    "tanh": lambda x: 1 - x**2,
    "relu": lambda x: (x > 0).astype(x.dtype),
    "exp": lambda x: x,
    "leaky_relu": lambda x: np.where(x > 0, x.dtype.type(1), x.dtype.type(LEAK)),
    "elu": lambda x: np.where(x > 0, x.dtype.type(1), 1 + x),
    "softplus": lambda x: -np.expm1(-x),
}

# f'(in) of the functions that take a value at two net inputs, so that x does not tell.
_NORMAL_PEAK = 1 / np.sqrt(2 * np.pi)
DERIVATIVES_AT: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "gelu": lambda net: (
        ndtr(net) + _shares(net, net.dtype.type(_NORMAL_PEAK) * np.exp(-(net**2) / 2))
    ),
    "silu": lambda net: expit(net) + _shares(net, expit(net) * expit(-net)),
}

HIDDEN_ACTIVATIONS = (
    "identity",
    "logistic",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "gelu",
    "silu",
    "softplus",
)
OUT_ACTIVATIONS = ("identity", "logistic", "tanh", "softmax", "exp")
LOSSES = ("squared_error", "log_loss", "absolute_error", "huber", "poisson")

# The codes of layer_loops.h.
FUNCTION_CODES = {name: code for code, name in enumerate(ACTIVATIONS)}
LOSS_CODES = {name: code for code, name in enumerate(LOSSES)}


def check_functions(activations, out_activation, loss, n_layers, n_outputs, out_groups) -> None:
    """Raise ValueError unless the names are known, one a hidden layer, and go together."""
    if isinstance(activations, str) or len(activations) != n_layers - 1:
        raise ValueError(
            f"activations must be one name per hidden layer, of which there are {n_layers - 1}; got "
            f"{activations!r}."
        )
    for name in activations:
        if name not in HIDDEN_ACTIVATIONS:
            raise ValueError(
                f"unknown activation function {name!r}: there are {list(HIDDEN_ACTIVATIONS)}."
            )
    if out_activation not in (*OUT_ACTIVATIONS, "relu"):
        raise ValueError(
            f"unknown activation function {out_activation!r} of the output layer: there are "
            f"{list(OUT_ACTIVATIONS)}."
        )
    if loss not in LOSSES:
        raise ValueError(f"unknown loss {loss!r}: there are {list(LOSSES)}.")
    if loss == "log_loss" and out_activation not in ("logistic", "softmax"):
        raise ValueError(
            f"loss='log_loss' needs probabilities: out_activation must be 'logistic' or 'softmax', got "
            f"{out_activation!r}."
        )
    if loss == "poisson" and out_activation != "exp":
        raise ValueError(
            f"loss='poisson' needs positive outputs: out_activation must be 'exp', got {out_activation!r}."
        )
    if out_groups is None:
        return
    if out_activation != "softmax":
        raise ValueError(f"out_groups need out_activation='softmax', got {out_activation!r}.")
    if not out_groups or min(out_groups) < 1 or sum(out_groups) != n_outputs:
        raise ValueError(
            f"out_groups must be widths of 1 or more that add up to the {n_outputs} outputs, got "
            f"{out_groups}."
        )


def fits_layers(n_params: int, layer_sizes) -> bool:
    """Whether so many parameters are those of layers of these sizes, of one unit or more each.

    Sizes may come from a file, so they are added up in Python's integers, which do not overflow.
    """
    sizes = [int(size) for size in layer_sizes]
    return (
        len(sizes) > 1
        and min(sizes) > 0
        and sum((a + 1) * b for a, b in pairwise(sizes)) == n_params
    )


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

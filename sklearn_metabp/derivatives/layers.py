"""A network at given inputs, as the factors of the product that its derivatives are.

A layer computes x = f(in) with in = x_before W + θ. Written with rows, its derivative is W F, where
F is the derivative of f: symmetric for every activation function there is, and of one number a unit
for all but softmax. Rows that pass through have a leading axis: (n_rows, n_samples, n_units).
"""

from typing import NamedTuple, Protocol

import numpy as np

from sklearn_metabp._kernels.functions import ACTIVATIONS
from sklearn_metabp.derivatives.functions import CURVATURES, SLOPES
from sklearn_metabp.network import Network


class Factor(Protocol):
    """The derivative F of a layer's activation function at its net inputs, one matrix a sample."""

    def times(self, rows: np.ndarray) -> np.ndarray:
        """Rows of shape (n_rows, n_samples, n_units) times F, of the same shape."""

    def times_weights(self, weights: np.ndarray) -> np.ndarray:
        """F times the transposed weights (fan_in, n_units), of shape (n_units, n_samples, fan_in)."""

    def change_times(self, rows: np.ndarray, net_changes: np.ndarray) -> np.ndarray:
        """Rows times the change of F where the net inputs change at the rate ``net_changes``."""


class Diagonal:
    """F of a layer whose units compute one by one: f'(in) on the diagonal."""

    def __init__(self, function: str, net_inputs: np.ndarray):
        self._function, self._net_inputs = function, net_inputs
        self.slopes = SLOPES[function](net_inputs)

    def times(self, rows: np.ndarray) -> np.ndarray:
        """See :class:`Factor`."""
        return rows * self.slopes

    def times_weights(self, weights: np.ndarray) -> np.ndarray:
        """See :class:`Factor`."""
        # in the order in which BLAS takes it
        return np.multiply(self.slopes.T[:, :, None], weights.T[:, None, :], order="C")

    def change_times(self, rows: np.ndarray, net_changes: np.ndarray) -> np.ndarray:
        """See :class:`Factor`."""
        return rows * (CURVATURES[self._function](self._net_inputs) * net_changes)


class Softmax:
    """F of softmax, diag(x) - x xᵀ, over all units or over groups of them.

    Parameters
    ----------
    outputs : ndarray of shape (n_samples, n_outputs)
        Activations x.
    widths : tuple of int
        Units of every group.
    """

    def __init__(self, outputs: np.ndarray, widths: tuple[int, ...]):
        self._outputs, self._widths = outputs, widths
        self._starts = np.cumsum((0, *widths[:-1]))

    def group_sums(self, values: np.ndarray) -> np.ndarray:
        """Sum over each unit's group, in the shape of ``values``."""
        return np.repeat(np.add.reduceat(values, self._starts, axis=-1), self._widths, axis=-1)

    def times(self, rows: np.ndarray) -> np.ndarray:
        """See :class:`Factor`."""
        x = self._outputs
        return x * (rows - self.group_sums(rows * x))

    def times_weights(self, weights: np.ndarray) -> np.ndarray:
        """See :class:`Factor`."""
        products = np.empty((len(weights.T), len(self._outputs), len(weights)), weights.dtype)
        for start, width in zip(self._starts, self._widths, strict=True):
            group = slice(start, start + width)
            x, w = self._outputs[:, group], weights[:, group]
            products[group] = x.T[:, :, None] * (w.T[:, None, :] - x @ w.T)
        return products

    def change_times(self, rows: np.ndarray, net_changes: np.ndarray) -> np.ndarray:
        """See :class:`Factor`."""
        x, x_changes = self._outputs, self.times(net_changes)
        return x_changes * (rows - self.group_sums(rows * x)) - x * self.group_sums(
            rows * x_changes
        )


class Layer(NamedTuple):
    """One layer at given inputs.

    Attributes
    ----------
    weights : ndarray of shape (fan_in, fan_out)
    inputs : ndarray of shape (n_samples, fan_in)
        Activations of the layer before.
    outputs : ndarray of shape (n_samples, fan_out)
        Activations.
    factor : Factor
        Derivative of the activation function.
    """

    weights: np.ndarray
    inputs: np.ndarray
    outputs: np.ndarray
    factor: Factor


def group_widths(network: Network) -> tuple[int, ...]:
    """Output units of every group that softmax makes add up to 1."""
    return network.out_groups or network.layout.layer_sizes[-1:]


def layers_at(network: Network, params: np.ndarray, X: np.ndarray) -> list[Layer]:
    """Rule (1), layer by layer, keeping what the derivatives need.

    Parameters
    ----------
    network : Network
    params : ndarray of shape (n_params,)
    X : ndarray of shape (n_samples, n_features), of the dtype of ``params``

    Returns
    -------
    layers : list of Layer
        Those with weights, the first hidden layer first.
    """
    layers: list[Layer] = []
    x = X
    layout = network.layout
    functions = (*network.activations, network.out_activation)
    for weights, biases, function in zip(
        layout.coefs(params), layout.intercepts(params), functions, strict=True
    ):
        net_inputs = x @ weights + biases
        factor: Factor
        if function == "softmax":
            widths = group_widths(network)
            outputs = _softmax(net_inputs, widths)
            factor = Softmax(outputs, widths)
        else:
            outputs = ACTIVATIONS[function](net_inputs)
            factor = Diagonal(function, net_inputs)
        layers.append(Layer(weights, x, outputs, factor))
        x = outputs
    return layers


def send_back(layers: list[Layer], rows: np.ndarray) -> list[np.ndarray]:
    """Rule (6) for rows: from the net inputs of the last layer to those of every layer.

    Parameters
    ----------
    layers : list of Layer
    rows : ndarray of shape (..., n_samples, n_outputs)
        Derivatives by the net inputs of the last layer, or anything linear in them, such as deltas.

    Returns
    -------
    by_layer : list of ndarray of shape (..., n_samples, n_units)
        In the order of the layers; ``rows`` is the last.
    """
    by_layer = [rows]
    for before, after in zip(layers[-2::-1], layers[:0:-1], strict=True):
        rows = before.factor.times(rows @ after.weights.T)
        by_layer.append(rows)
    return by_layer[::-1]


def _softmax(net_inputs: np.ndarray, widths: tuple[int, ...]) -> np.ndarray:
    groups = np.split(net_inputs, np.cumsum(widths)[:-1], axis=1)
    return np.concatenate([ACTIVATIONS["softmax"](group) for group in groups], axis=1)

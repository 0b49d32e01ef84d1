"""The layers of a network at given inputs, as factors of the product that gives its derivatives.

A layer computes x = f(in) with in = x_before W + θ. Its derivative is W F, where F is the
derivative of f. F is symmetric for every activation function, and diagonal for all but softmax. Row
vectors that are multiplied by W F have a leading axis: (n_vectors, n_samples, n_neurons).
"""

from typing import NamedTuple, Protocol

import numpy as np

from sklearn_metabp._kernels.functions import ACTIVATIONS, Activation, softmax_of_groups
from sklearn_metabp.network import Network


class Factor(Protocol):
    """The derivative F of a layer's activation function, one matrix per sample."""

    def times(self, vectors: np.ndarray) -> np.ndarray:
        """Multiply vectors, (n_vectors, n_samples, n_neurons), by F, which keeps their shape."""

    def times_weights(self, weights: np.ndarray) -> np.ndarray:
        """Multiply F by the transposed weights: (n_neurons, n_samples, fan_in)."""

    def change_times(self, vectors: np.ndarray, net_changes: np.ndarray) -> np.ndarray:
        """Multiply vectors by the rate of F where the net inputs have the rate ``net_changes``."""


class Diagonal:
    """F of an elementwise activation function: f'(in) on the diagonal."""

    def __init__(self, activation: Activation, net_inputs: np.ndarray) -> None:
        assert activation.slope is not None and activation.curvature is not None
        self._curvature, self._net_inputs = activation.curvature, net_inputs
        self._slopes = activation.slope(net_inputs)

    def times(self, vectors: np.ndarray) -> np.ndarray:
        """See :class:`Factor`."""
        return vectors * self._slopes

    def times_weights(self, weights: np.ndarray) -> np.ndarray:
        """See :class:`Factor`."""
        # order: as BLAS reads it
        return np.multiply(self._slopes.T[:, :, None], weights.T[:, None, :], order="C")

    def change_times(self, vectors: np.ndarray, net_changes: np.ndarray) -> np.ndarray:
        """See :class:`Factor`."""
        return vectors * (self._curvature(self._net_inputs) * net_changes)


class Softmax:
    """F of softmax, diag(x) - x xᵀ, over all neurons or over groups of them.

    Parameters
    ----------
    outputs : ndarray of shape (n_samples, n_outputs)
        Activations x.
    widths : tuple of int
        Neurons of every group.
    """

    def __init__(self, outputs: np.ndarray, widths: tuple[int, ...]) -> None:
        self._outputs, self._widths = outputs, widths
        self._starts = np.cumsum((0, *widths[:-1]))

    def group_sums(self, values: np.ndarray) -> np.ndarray:
        """Return the sum over each neuron's group, in the shape of ``values``."""
        return np.repeat(np.add.reduceat(values, self._starts, axis=-1), self._widths, axis=-1)

    def times(self, vectors: np.ndarray) -> np.ndarray:
        """See :class:`Factor`."""
        x = self._outputs
        return x * (vectors - self.group_sums(vectors * x))

    def times_weights(self, weights: np.ndarray) -> np.ndarray:
        """See :class:`Factor`."""
        products = np.empty((len(weights.T), len(self._outputs), len(weights)), weights.dtype)
        for start, width in zip(self._starts, self._widths, strict=True):
            group = slice(start, start + width)
            x, w = self._outputs[:, group], weights[:, group]
            products[group] = x.T[:, :, None] * (w.T[:, None, :] - x @ w.T)
        return products

    def change_times(self, vectors: np.ndarray, net_changes: np.ndarray) -> np.ndarray:
        """See :class:`Factor`."""
        x, x_changes = self._outputs, self.times(net_changes)
        through_x = x_changes * (vectors - self.group_sums(vectors * x))
        return through_x - x * self.group_sums(vectors * x_changes)


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
    """Return the number of outputs of every group that softmax makes add up to 1."""
    return network.out_groups or network.layout.layer_sizes[-1:]


def layers_at(network: Network, params: np.ndarray, X: np.ndarray) -> list[Layer]:
    """Compute rule (1) layer by layer and keep the arrays that the derivatives need.

    Parameters
    ----------
    network : Network
    params : ndarray of shape (n_params,)
    X : ndarray of shape (n_samples, n_features), of the dtype of ``params``

    Returns
    -------
    layers : list of Layer
        Layers with weights, the first hidden layer first.
    """
    layers: list[Layer] = []
    x = network.received(X, params)
    layout = network.layout
    functions = (*network.activations, network.out_activation)
    for weights, biases, function in zip(
        layout.coefs(params), layout.intercepts(params), functions, strict=True
    ):
        net_inputs = x @ weights + biases
        activation = ACTIVATIONS[function]
        factor: Factor
        if activation.sums_to_one:
            widths = group_widths(network)
            outputs = softmax_of_groups(net_inputs, widths)
            factor = Softmax(outputs, widths)
        else:
            outputs = activation.function(net_inputs)
            factor = Diagonal(activation, net_inputs)
        layers.append(Layer(weights, x, outputs, factor))
        x = outputs
    return layers


def send_back(layers: list[Layer], vectors: np.ndarray) -> list[np.ndarray]:
    """Compute rule (6) for vectors, from the net inputs of the last layer to those of every layer.

    Parameters
    ----------
    layers : list of Layer
    vectors : ndarray of shape (..., n_samples, n_outputs)
        Derivatives by the net inputs of the last layer, or anything linear in them, such as deltas.

    Returns
    -------
    by_layer : list of ndarray of shape (..., n_samples, n_neurons)
        In the order of the layers; ``vectors`` is the last.
    """
    by_layer = [vectors]
    for before, after in zip(layers[-2::-1], layers[:0:-1], strict=True):
        vectors = before.factor.times(vectors @ after.weights.T)
        by_layer.append(vectors)
    return by_layer[::-1]

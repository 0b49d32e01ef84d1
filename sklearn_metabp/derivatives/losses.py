"""Deltas of the output layer, and how they change with the net inputs: rule (5) and its derivative."""

from collections.abc import Callable

import numpy as np

from sklearn_metabp.derivatives.layers import Layer, Softmax
from sklearn_metabp.network import Network

OfOutputs = Callable[[np.ndarray, np.ndarray], np.ndarray]

# First and second derivative of a pattern's loss by each output x, with target t, where the
# derivatives by the net input are not written down at once.
LOSS_SLOPES: dict[str, OfOutputs] = {
    "squared_error": lambda x, t: x - t,
    "absolute_error": lambda x, t: np.sign(x - t),
    "huber": lambda x, t: np.clip(x - t, -1, 1),
}
LOSS_CURVATURES: dict[str, OfOutputs] = {
    "squared_error": lambda x, t: np.ones_like(x),
    "absolute_error": lambda x, t: np.zeros_like(x),
    "huber": lambda x, t: (np.abs(x - t) <= 1).astype(x.dtype),
}

# Loss and output activation whose derivatives cancel, so that no small number divides another.
CANONICAL = {("log_loss", "logistic"), ("log_loss", "softmax"), ("poisson", "exp")}


class OutputDeltas:
    """Minus the derivative of every pattern's loss by the net inputs of the output layer.

    Parameters
    ----------
    network : Network
    layer : Layer
        The output layer at the inputs.
    targets : ndarray of shape (n_samples, n_outputs)

    Attributes
    ----------
    deltas : ndarray of shape (n_samples, n_outputs)
    """

    def __init__(self, network: Network, layer: Layer, targets: np.ndarray):
        self._layer, self._targets, self._loss = layer, targets, network.loss
        self._is_canonical = (network.loss, network.out_activation) in CANONICAL
        if self._is_canonical:
            # log-softmax of targets that do not add up to 1 counts them by what they add up to
            softmax = layer.factor if isinstance(layer.factor, Softmax) else None
            self._mass = np.ones_like(targets) if softmax is None else softmax.group_sums(targets)
            self.deltas = targets - self._mass * layer.outputs
        else:
            self._errors = -LOSS_SLOPES[self._loss](layer.outputs, targets)
            self.deltas = layer.factor.times(self._errors)

    def changes(self, net_changes: np.ndarray) -> np.ndarray:
        """Rate at which the deltas change where the net inputs do at ``net_changes``.

        Both of shape (n_rows, n_samples, n_outputs).
        """
        layer = self._layer
        output_changes = layer.factor.times(net_changes)
        if self._is_canonical:
            return -self._mass * output_changes
        curvatures = LOSS_CURVATURES[self._loss](layer.outputs, self._targets)
        through_loss = layer.factor.times(-curvatures * output_changes)
        return through_loss + layer.factor.change_times(self._errors, net_changes)

"""Deltas of the output layer and their change with the net inputs: rule (5) and its derivative."""

import numpy as np

from sklearn_metabp._kernels.functions import LOSSES
from sklearn_metabp.derivatives.layers import Layer, Softmax
from sklearn_metabp.network import Network


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

    def __init__(self, network: Network, layer: Layer, targets: np.ndarray) -> None:
        self._factor = layer.factor
        self._of_error = LOSSES[network.loss].of_error
        if self._of_error is None:
            # f' has cancelled, so that no small number divides another. Within a group of softmax
            # the derivative counts the outputs as often as the targets add up to.
            softmax = layer.factor if isinstance(layer.factor, Softmax) else None
            self._mass = np.ones_like(targets) if softmax is None else softmax.group_sums(targets)
            self.deltas = targets - self._mass * layer.outputs
        else:
            self._errors = targets - layer.outputs
            self._pull = self._of_error.pull(self._errors)
            self.deltas = layer.factor.times(self._pull)

    def changes(self, net_changes: np.ndarray) -> np.ndarray:
        """Return the rate of the deltas where the net inputs have the rate ``net_changes``.

        Both are of shape (n_vectors, n_samples, n_outputs).
        """
        output_changes = self._factor.times(net_changes)
        if self._of_error is None:
            return -self._mass * output_changes
        curvatures = self._of_error.curvature(self._errors)
        through_loss = self._factor.times(-curvatures * output_changes)
        return through_loss + self._factor.change_times(self._pull, net_changes)

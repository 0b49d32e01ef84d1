"""The loss of a training's batches at other parameters."""

from typing import Any

import numpy as np

from sklearn_metabp.network.network import Network


class Trial:
    """A second kernel over the rows of a training, with parameters and gradients of its own.

    Nothing is dropped in it, whatever the network's dropout.

    Parameters
    ----------
    network : Network
    like : ndarray of shape (n_params,)
        Parameters, for their dtype.
    max_batch : int
        Rows of the largest batch.
    rows : tuple
        ``(X, targets, sample_weight, order)`` as kernels load them.
    """

    def __init__(self, network: Network, like: np.ndarray, max_batch: int, rows: tuple[Any, ...]):
        self._params, self._gradients = np.zeros_like(like), np.zeros_like(like)
        self._backprop = network.backprop(self._params, self._gradients, max_batch)
        self._backprop.load(*rows)

    def at(self, params: np.ndarray, start: int, stop: int) -> tuple[float, np.ndarray]:
        """Loss of a batch at some parameters, and the gradients there, until the next call."""
        self._params[...] = params
        return self._backprop.gradients(start, stop), self._gradients

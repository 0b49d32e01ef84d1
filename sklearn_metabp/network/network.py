"""What a network computes: its layers, activation functions and loss, without its weights."""

from dataclasses import dataclass

import numpy as np

from sklearn_metabp._kernels import Backprop
from sklearn_metabp._kernels.threads import one_blas_thread
from sklearn_metabp.network.layout import ParameterLayout

HIDDEN_ACTIVATIONS = ("identity", "logistic", "tanh", "relu")
OUT_ACTIVATIONS = ("identity", "logistic", "tanh", "softmax")
LOSSES = ("squared_error", "log_loss")

# Rows of a batch whose activations stay in the second cache while they go forward.
_FORWARD_BATCH = 512


@dataclass(frozen=True)
class Network:
    """A multilayer perceptron without its parameters.

    Parameters
    ----------
    layout : ParameterLayout
    activation : {"identity", "logistic", "tanh", "relu"}
        Of the hidden layers.
    out_activation : {"identity", "logistic", "tanh", "softmax"}
    loss : {"squared_error", "log_loss"}
        ``"squared_error"`` is rule (2) of Jakša and Katrák (2006), half the sum over the outputs.
    alpha : float, default=0.0
        Strength of the L2 penalty ``alpha / 2 * sum(w**2) / n_batch``.
    """

    layout: ParameterLayout
    activation: str
    out_activation: str
    loss: str
    alpha: float = 0.0

    def backprop(self, params: np.ndarray, gradients: np.ndarray, max_batch: int) -> Backprop:
        """Forward and backward over ``params``, for batches of up to ``max_batch`` rows."""
        return Backprop(
            self.layout.layer_sizes,
            self.activation,
            self.out_activation,
            self.loss,
            params,
            gradients,
            max_batch=max_batch,
            alpha=self.alpha,
        )

    def outputs(self, params: np.ndarray, X: np.ndarray) -> np.ndarray:
        """Activations of the output layer for every row of X, of shape (n_samples, n_outputs)."""
        n_samples = len(X)
        batch = min(_FORWARD_BATCH, n_samples)
        backprop = self.backprop(params, np.empty_like(params), batch)
        backprop.load(np.ascontiguousarray(X, params.dtype))
        outputs = np.empty((n_samples, self.layout.layer_sizes[-1]), params.dtype)
        with one_blas_thread():
            for start in range(0, n_samples, batch):
                stop = min(start + batch, n_samples)
                backprop.forward(start, stop)
                outputs[start:stop] = backprop.activations[-1][: stop - start]
        return outputs

"""The interface that every network offers to trainings."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import numpy as np

from sklearn_metabp._kernels.arrays import readable
from sklearn_metabp._kernels.network.input_layer import InputLayer
from sklearn_metabp._kernels.network.sparse_targets import SparseTargets
from sklearn_metabp.network.layout import ParameterLayout
from sklearn_metabp.network.mean_loss import MeanLoss


class BaseNetwork(ABC):
    """A network without its parameters: the interface that a training uses.

    Attributes
    ----------
    layout : ParameterLayout
    activations : tuple of str
        Activation function of every hidden layer.
    out_activation : str
    loss : str
    alpha : float
        Strength of the L2 penalty.
    dropout : float
    dropout_schedule : str or callable
    out_groups : tuple of int or None
    input_noise, input_gradient_penalty : float
        0 for a network that has none.
    input_gradient_norm : str
    input_layer : InputLayer or None
        Scales and an embedding in front of the first layer.
    """

    layout: ParameterLayout
    activations: tuple[str, ...]
    out_activation: str
    loss: str
    alpha: float
    dropout: float
    out_groups: tuple[int, ...] | None
    input_noise: float = 0.0
    input_gradient_penalty: float = 0.0
    input_gradient_norm: str = "l2"
    dropout_schedule: str | Callable[[int, int], float] = "constant"
    input_layer: InputLayer | None = None

    @property
    def parametric_layers(self) -> list[int]:
        """Numbers of the hidden layers with a parametric activation, from 0."""
        return []

    @property
    def without_functions(self) -> Self:
        """The network as files describe it: with a constant dropout in place of a user's function.

        Recorded steps do not depend on it.
        """
        if isinstance(self.dropout_schedule, str):
            return self
        return replace(self, dropout_schedule="constant")  # type: ignore[type-var]

    def start_extras(self, rng: np.random.RandomState) -> dict[str, np.ndarray]:
        """Return the first values of the layout's extras by name, drawn in their order.

        Parameters
        ----------
        rng : numpy.random.RandomState
        """
        return {} if self.input_layer is None else self.input_layer.start(rng)

    @abstractmethod
    def backprop(
        self,
        params: np.ndarray,
        gradients: np.ndarray | None,
        max_batch: int,
        *,
        dropout_key: int | None = None,
        noise_key: int | None = None,
        n_steps: int = 0,
        n_threads: int = 1,
    ) -> Any:
        """Make a kernel that goes forward and backward, for batches of up to ``max_batch`` rows."""

    @abstractmethod
    def outputs(self, params: np.ndarray, X: Any, *, n_threads: int = 1) -> np.ndarray:
        """Compute the activations of the output layer for every row of X."""

    @abstractmethod
    def count_patterns(self, backprop: Any, n_rows: int) -> int:
        """Return the number of patterns of a kernel's last batch, which had so many rows."""

    @abstractmethod
    def most_patterns(self, backprop: Any, n_rows: int) -> int:
        """Return the largest number of patterns of a batch that is known before it is drawn."""

    @abstractmethod
    def net_inputs(self, activations: list[np.ndarray], params: np.ndarray) -> list[np.ndarray]:
        """Return the net inputs of every layer, from the activations that it receives."""

    def received(self, X: np.ndarray, params: np.ndarray) -> np.ndarray:
        """Return the rows that the first layer receives: X, after the input layer if there is one.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        params : ndarray of shape (n_params,)
        """
        if self.input_layer is None:
            return X
        return self.input_layer.embed(X, self._input_params(params))

    def pull_back(self, X: np.ndarray, vectors: np.ndarray, params: np.ndarray) -> np.ndarray:
        """Return derivatives by X, from derivatives by the inputs of the first layer.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        vectors : ndarray of shape (..., n_samples, fan_in)
        params : ndarray of shape (n_params,)
        """
        if self.input_layer is None:
            return vectors
        return self.input_layer.pull_back(X, vectors, self._input_params(params))

    def _input_params(self, params: np.ndarray) -> np.ndarray:
        assert self.input_layer is not None
        start = self.layout.dense.n_params
        return params[start : start + self.input_layer.n_params]

    def mean_loss(
        self,
        params: np.ndarray,
        X: Any,
        targets: np.ndarray | SparseTargets,
        sample_weight: np.ndarray | None = None,
    ) -> float:
        """Compute the weighted mean loss of the rows, without penalty, dropout and noise.

        Parameters
        ----------
        params : ndarray of shape (n_params,)
        X : ndarray or sparse matrix of shape (n_samples, n_features)
            For a recurrent network, an array of shape (n_samples, n_timesteps, n_features).
        targets : ndarray or SparseTargets of shape (n_samples, n_outputs)
            With outputs at every time step, an array of shape (n_samples, n_timesteps, n_outputs).
        sample_weight : ndarray of shape (n_samples,), default=None
        """
        return MeanLoss(self.backprop, readable(params), X, targets, sample_weight).compute()

"""The common interface of all kinds of targets."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike

from sklearn_metabp._kernels.network.sparse_targets import SparseTargets


class Targets(ABC):
    """The conversion between rows and the outputs of a network, learned from the training rows.

    Attributes
    ----------
    kind : str
        Kind of y, in the words of scikit-learn's ``type_of_target`` for classes; ``"numbers"`` for
        numbers.
    is_numeric : bool
        True if y has numbers, with a mean and a scale, and no classes.
    is_multilabel : bool
        True if a row may have several labels.
    nothing_to_learn : str
        Reason why no network can do better than a constant, for a warning.
    out_activation : str
        Activation function of the output neurons.
    out_groups : tuple of int or None
        Numbers of neurons in the groups that have a softmax each; None for one group.
    """

    kind: str
    is_numeric: ClassVar[bool] = False
    nothing_to_learn: ClassVar[str] = "X says nothing about y"
    out_activation: str
    out_groups: tuple[int, ...] | None = None

    @property
    def is_multilabel(self) -> bool:
        """True if a row may have several labels."""
        return False

    @property
    def fitted_attributes(self) -> dict[str, Any]:
        """Attributes of a fitted estimator that belong to its targets."""
        return {}

    @abstractmethod
    def for_output(self, out_activation: str, loss: str) -> Self:
        """Return targets of the same classes for other output neurons or another loss."""

    @abstractmethod
    def check_known(self, y: Any, name: str = "y") -> None:
        """Raise ValueError if y is of another kind than before, or has a new class."""

    @abstractmethod
    def encode_rows(self, X: Any, y: Any, dtype: DTypeLike) -> np.ndarray | SparseTargets:
        """Return targets of the output neurons for rows, of shape (n_samples, n_outputs)."""

    @abstractmethod
    def n_outputs(self, y: Any) -> int:
        """Return the number of output neurons for y."""

    @abstractmethod
    def decode(self, outputs: np.ndarray) -> Any:
        """Return outputs of the network as predictions of y."""

    @abstractmethod
    def score_rows(self, X: Any, y: Any, outputs: np.ndarray, sample_weight: Any = None) -> float:
        """Return accuracy or R² of the outputs for rows; higher is better."""


class TargetsOfY(Targets):
    """Targets that follow from y alone."""

    @abstractmethod
    def encode(self, y: Any, dtype: DTypeLike) -> np.ndarray | SparseTargets:
        """Return targets of the output neurons, of shape (n_samples, n_outputs)."""

    def encode_rows(self, X: Any, y: Any, dtype: DTypeLike) -> np.ndarray | SparseTargets:
        """Return targets of the output neurons, of shape (n_samples, n_outputs)."""
        return self.encode(y, dtype)

    @abstractmethod
    def score(self, y: Any, outputs: np.ndarray, sample_weight: Any = None) -> float:
        """Return accuracy or R² of the outputs; higher is better."""

    def score_rows(self, X: Any, y: Any, outputs: np.ndarray, sample_weight: Any = None) -> float:
        """Return accuracy or R² of the outputs; higher is better."""
        return self.score(y, outputs, sample_weight)

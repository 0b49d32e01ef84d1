"""Targets at every time step of sequences, and back."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from sklearn_metabp._kernels.network.sparse_targets import SparseTargets
from sklearn_metabp.targets.targets import TargetsOfY


class SequenceTargets(TargetsOfY):
    """Targets of the output neurons at every time step.

    y is a masked array of shape (n_samples, n_timesteps) or (n_samples, n_timesteps, n_columns),
    and so are outputs; the mask covers the padding of shorter sequences.

    Parameters
    ----------
    steps : TargetsOfY
        The targets of one time step, learned from all that are not padding.
    """

    def __init__(self, steps: TargetsOfY):
        self.steps = steps
        self.kind = steps.kind
        self.is_numeric = steps.is_numeric  # type: ignore[misc]
        self.out_activation, self.out_groups = steps.out_activation, steps.out_groups

    def for_output(self, out_activation: str, loss: str) -> "SequenceTargets":
        """Return targets of the same classes for other output neurons or another loss."""
        return SequenceTargets(self.steps.for_output(out_activation, loss))

    @property
    def is_multilabel(self) -> bool:
        """True if a time step may have several labels."""
        return self.steps.is_multilabel

    @property
    def fitted_attributes(self) -> dict[str, Any]:
        """Attributes of a fitted estimator that belong to its targets."""
        return self.steps.fitted_attributes

    def check_known(self, y: Any, name: str = "y") -> None:
        """Raise ValueError if y is of another kind than before, or has a new class."""
        self.steps.check_known(steps_of(y), name)

    def encode(self, y: Any, dtype: DTypeLike) -> np.ndarray:
        """Return targets of shape (n_samples, n_timesteps, n_outputs), NaN in the padding."""
        encoded = self.steps.encode(steps_of(y), dtype)
        if isinstance(encoded, SparseTargets):
            encoded = np.asarray(encoded, dtype)
        targets = np.full((*y.shape[:2], encoded.shape[1]), np.nan, dtype)
        targets[~_padding(y)] = encoded
        return targets

    def smoothed(self, targets: np.ndarray, share: float) -> np.ndarray:
        """Return encoded targets with a share of the mean of all classes, at every time step."""
        return self.steps.smoothed(targets, share)  # type: ignore[attr-defined]

    def n_outputs(self, y: Any) -> int:
        """Return the number of output neurons for y."""
        return self.steps.n_outputs(steps_of(y))

    def decode(self, outputs: np.ndarray) -> Any:
        """Return outputs as predictions; see :func:`as_sequences` for the shape."""
        return as_sequences(self.steps.decode(steps_of(outputs)), outputs)

    def probabilities(self, outputs: np.ndarray) -> Any:
        """Return outputs as probabilities; see :func:`as_sequences` for the shape."""
        found = self.steps.probabilities(steps_of(outputs))  # type: ignore[attr-defined]
        if isinstance(found, list):
            return [as_sequences(one, outputs) for one in found]
        return as_sequences(found, outputs)

    def row_weights(self, class_weight: Any, y: Any) -> np.ndarray:
        """Refuse class weights: a sequence has no class of its own."""
        raise ValueError(
            "class_weight needs rows with one class, and with return_sequences=True a row has a "
            "class at every time step: set class_weight=None, or give fit a sample_weight."
        )

    def score(self, y: Any, outputs: np.ndarray, sample_weight: Any = None) -> float:
        """Return accuracy or R² over all time steps; each counts as its sequence."""
        weight = None
        if sample_weight is not None:
            weight = np.repeat(np.asarray(sample_weight), (~_padding(y)).sum(axis=1))
        return self.steps.score(steps_of(y), steps_of(outputs), weight)


def steps_of(values: np.ndarray) -> np.ndarray:
    """Return the values of all time steps that are not padding, sequence after sequence."""
    return np.ma.getdata(values)[~_padding(values)]


def as_sequences(steps: np.ndarray, like: np.ndarray) -> Any:
    """Return values of time steps as sequences; the inverse of :func:`steps_of`.

    Returns
    -------
    sequences : ndarray of shape (n_samples, n_timesteps, ...), or list of ndarray
        If some sequences are padded, a list with one array per sequence.
    """
    n_steps = (~_padding(like)).sum(axis=1)
    if (n_steps == like.shape[1]).all():
        return steps.reshape(*like.shape[:2], *steps.shape[1:])
    return np.split(steps, np.cumsum(n_steps)[:-1])


def _padding(values: np.ndarray) -> np.ndarray:
    mask = np.ma.getmaskarray(values)
    return mask if mask.ndim == 2 else mask[:, :, 0]

"""Sequences: the rows of a recurrent network, and the order in which a batch computes them.

A row of X is a sequence of time steps. One that is shorter than the longest ends with time steps of
NaN. A batch is packed: its time steps stand in the order of time, and those of one time by the
lengths of their sequences, the longest first. So the sequences that still run are always the first
ones, and no time step of padding is computed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_metabp._kernels.network.sparse_targets import SparseTargets

__all__ = ["Packing", "check_sequences", "flat_targets", "lengths_of"]


def lengths_of(X: np.ndarray) -> np.ndarray:
    """Return the number of time steps of every sequence before the padding.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_timesteps, n_features)
        A time step is padding if its first feature is NaN.

    Returns
    -------
    lengths : ndarray of int64 of shape (n_samples,)

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp._kernels.recurrent import lengths_of
    >>> lengths_of(np.array([[[1.0], [2.0]], [[3.0], [np.nan]]]))
    array([2, 1])
    """
    is_there = ~np.isnan(X[:, :, 0])
    backwards = is_there[:, ::-1].argmax(axis=1)
    return np.where(is_there.any(axis=1), X.shape[1] - backwards, 0).astype(np.int64)


def flat_targets(
    targets: np.ndarray | SparseTargets, sample_weight: np.ndarray | None
) -> tuple[Any, np.ndarray | None]:
    """Return targets with one row for every output, and the weights of these rows.

    Parameters
    ----------
    targets : ndarray or SparseTargets of shape (n_samples, n_outputs)
        They are returned as they are. Or an array of shape (n_samples, n_timesteps, n_outputs),
        with NaN at time steps of padding: a sequence counts as its sample weight, which its time
        steps share.
    sample_weight : ndarray of shape (n_samples,) or None

    Returns
    -------
    targets : ndarray or SparseTargets of shape (n, n_outputs)
    sample_weight : ndarray of shape (n,) or None

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp._kernels.recurrent import flat_targets
    >>> flat_targets(np.array([[[1.0], [2.0]], [[3.0], [np.nan]]]), None)[1]
    array([0.5, 0.5, 1. ])
    """
    if len(targets.shape) == 2:
        return targets, sample_weight
    assert isinstance(targets, np.ndarray)
    is_there = ~np.isnan(targets[:, :, 0])
    n_steps = is_there.sum(axis=1)
    weights = np.ones(len(targets), targets.dtype) if sample_weight is None else sample_weight
    return targets[is_there], np.repeat(weights / np.maximum(n_steps, 1), n_steps)


@dataclass(frozen=True)
class Packing:
    """The order of the time steps of a batch.

    Attributes
    ----------
    order : ndarray of int64 of shape (n_rows,)
        Rows of the batch by their lengths, the longest first.
    starts : ndarray of int64 of shape (n_timesteps + 1,)
        Place of the first pattern of every time step, and the number of all patterns.
    lengths : ndarray of int64 of shape (n_rows,)
        Lengths in this order.
    """

    order: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, lengths: np.ndarray) -> "Packing":
        """Return the packing of a batch of sequences of these lengths."""
        order = np.argsort(-lengths, kind="stable")
        running = [(lengths > t).sum() for t in range(lengths.max())]
        return cls(order, np.concatenate([[0], np.cumsum(running)]), lengths[order])

    @property
    def last(self) -> np.ndarray:
        """Places of the last time steps of the rows, in the order of the batch."""
        places = np.empty(len(self.order), np.int64)
        places[self.order] = self.starts[self.lengths - 1] + np.arange(len(self.order))
        return places

    @property
    def rows(self) -> np.ndarray:
        """Row of the batch that every pattern belongs to."""
        return np.concatenate([self.order[:n] for n in np.diff(self.starts)])

    @property
    def times(self) -> np.ndarray:
        """Time step of every pattern."""
        running = np.diff(self.starts)
        return np.repeat(np.arange(len(running)), running)


def check_sequences(
    n_features: int,
    n_outputs: int,
    every_step: bool,
    dtype: np.dtype,
    X: Any,
    targets: np.ndarray | SparseTargets | None,
) -> None:
    """Raise ValueError unless X and the targets have the axes of sequences."""
    if getattr(X, "ndim", 0) != 3 or not isinstance(X, np.ndarray) or X.shape[2] != n_features:
        raise ValueError(
            f"X must be an array of shape (n_samples, n_timesteps, {n_features}), got "
            f"{getattr(X, 'shape', type(X).__name__)}."
        )
    if X.dtype != dtype or not X.flags.c_contiguous or not X.shape[1]:
        raise ValueError(
            f"X must be C-contiguous with one time step or more, of dtype {dtype}; got shape "
            f"{X.shape}, dtype {X.dtype}."
        )
    if targets is not None and every_step and targets.shape != (*X.shape[:2], n_outputs):
        raise ValueError(
            f"targets must have the shape {(*X.shape[:2], n_outputs)}, got {targets.shape}."
        )
    if len(X) and lengths_of(X).min() < 1:
        raise ValueError("every sequence needs a time step that is not padding.")

"""Rows that are set aside to judge a network while it trains."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.model_selection import train_test_split

from sklearn_metabp.estimators._rows import Rows
from sklearn_metabp.network import Network
from sklearn_metabp.targets.class_weights import check_row_weights
from sklearn_metabp.training import TrainingState


class ValidationRows:
    """See ``training.Validation``.

    Parameters
    ----------
    network : Network
    targets : ClassTargets, MultiOutputTargets or NumberTargets
    rows : tuple of (X, y, sample_weight)
        X as the network takes it, y as the user gave it, weights or None.
    stops_training : bool
    score : callable or None
        Takes the parameters and these rows; None is accuracy or R².
    """

    def __init__(
        self, network: Network, targets: Any, rows: tuple, stops_training: bool, score: Callable | None
    ):
        self.stops_training = stops_training
        self._network, self._targets, self._rows, self._score = network, targets, rows, score
        dtype = network.layout.dtype
        X, y, sample_weight = rows
        self._X = X.astype(dtype, copy=False) if issparse(X) else np.ascontiguousarray(X, dtype)
        self._encoded = targets.encode(y, dtype)
        self._weight = None
        if sample_weight is not None:
            self._weight = check_row_weights(sample_weight, dtype, "sample_weight", "validation")

    def evaluate(self, params: np.ndarray) -> tuple[float, float]:
        """The score, and the mean loss without the penalty."""
        loss = self._network.mean_loss(params, self._X, self._encoded, self._weight)
        if self._score is not None:
            return self._score(params, *self._rows), loss
        _, y, sample_weight = self._rows
        outputs = self._network.outputs(params, self._X)
        return self._targets.score(y, outputs, sample_weight), loss


def split(rows: Rows, fraction: float, labels, state: TrainingState) -> tuple[Rows, Rows]:
    """Rows to train on and rows to validate on.

    A training that goes on with as many rows as before gets the same split.

    Parameters
    ----------
    rows : Rows
    fraction : float
        Share of the rows to validate on.
    labels : array-like or None
        Classes that both parts are to have in the same shares, where there are enough of each.
    state : TrainingState
        Draws the rows, and keeps what drew them.

    Raises
    ------
    ValueError
        If fewer than two rows are left for validation.
    """
    X, y, sample_weight = rows
    n_validation = int(np.ceil(fraction * X.shape[0]))
    if n_validation < 2 or X.shape[0] - n_validation < 1:
        raise ValueError(
            f"The validation set is too small or leaves nothing to train on: validation_fraction={fraction} "
            f"of {X.shape[0]} samples are {n_validation}. Raise 'validation_fraction', add rows, or pass "
            f"X_val and y_val."
        )
    if labels is not None:
        counts = np.unique(labels, return_counts=True)[1]
        if counts.min() < 2 or min(n_validation, X.shape[0] - n_validation) < len(counts):
            labels = None
    if state.split_random_state is None:
        state.split_random_state = copy.deepcopy(state.random_state)
        random_state = state.random_state
    else:
        random_state = copy.deepcopy(state.split_random_state)
    arrays = (X, y) if sample_weight is None else (X, y, sample_weight)
    parts = train_test_split(*arrays, test_size=fraction, stratify=labels, random_state=random_state)
    if sample_weight is None:
        parts += [None, None]
    return Rows(*parts[::2]), Rows(*parts[1::2])

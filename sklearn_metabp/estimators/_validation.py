"""The rows that a network is validated on while it trains."""

import copy
from collections.abc import Callable, Collection
from functools import partial
from typing import Self

import numpy as np
from scipy.sparse import issparse

from sklearn_metabp.estimators._rows import Rows
from sklearn_metabp.network import BaseNetwork, MeanLoss
from sklearn_metabp.targets import Targets
from sklearn_metabp.targets.class_weights import check_row_weights


class ValidationRows:
    """Encoded validation rows. See :class:`~sklearn_metabp.training.Validation`.

    Parameters
    ----------
    network : BaseNetwork
    targets : Targets
    rows : Rows
    stops_training : bool
    keeps_last_of_ties : bool
    score : callable or None
        Returns the score of parameters on these rows. None is accuracy or R².
    n_threads : int, default=1
        Number of threads for matrix products.
    """

    def __init__(
        self,
        network: BaseNetwork,
        targets: Targets,
        rows: Rows,
        stops_training: bool,
        keeps_last_of_ties: bool,
        score: Callable | None,
        n_threads: int = 1,
    ):
        self.stops_training = stops_training
        self.keeps_last_of_ties = keeps_last_of_ties
        self._epochs: Collection[int] | None = None
        self._losses_only = False
        self._on_validation: Callable[[np.ndarray, float], None] | None = None
        self._network, self._targets, self._rows, self._score = network, targets, rows, score
        self._n_threads = n_threads
        dtype = network.layout.dtype
        X, y, sample_weight = rows
        self._X = X.astype(dtype, copy=False) if issparse(X) else np.ascontiguousarray(X, dtype)
        if sample_weight is not None:
            sample_weight = check_row_weights(sample_weight, dtype, "sample_weight", "validation")
        encoded, params = targets.encode_rows(self._X, y, dtype), network.layout.zeros()
        make_kernel = partial(network.backprop, n_threads=n_threads)
        self._loss = MeanLoss(make_kernel, params, self._X, encoded, sample_weight)

    def for_many_fits(
        self,
        epochs: Collection[int] | None,
        *,
        with_scores: bool,
        on_validation: Callable[[np.ndarray, float], None] | None,
    ) -> Self:
        """Return the same rows, with the options of :func:`fit_checked`.

        Parameters
        ----------
        epochs : collection of int or None
            Numbers, from 1, of the epochs after which to validate. None means all.
        with_scores : bool
            If True, compute scores, which may take longer than losses. If False, the score is minus
            the loss.
        on_validation : callable or None
            Called with the parameters and the loss of every validation.
        """
        other = copy.copy(self)
        other._epochs = epochs
        other._losses_only = not with_scores
        other._on_validation = on_validation
        return other

    @property
    def weight(self) -> float:
        """Number of rows, or the sum of their weights."""
        weights = self._rows.sample_weight
        return float(self._X.shape[0] if weights is None else weights.sum())

    def is_due(self, n_epochs: int) -> bool:
        """Return whether to validate after the epoch of this number, from 1."""
        return self._epochs is None or n_epochs in self._epochs

    def loss(self, params: np.ndarray) -> float:
        """Return the mean loss without the penalty."""
        self._loss.params[...] = params
        return self._loss.compute()

    def evaluate(self, params: np.ndarray) -> tuple[float, float]:
        """Return the score, and the mean loss without the penalty."""
        loss = self.loss(params)
        if self._on_validation is not None:
            self._on_validation(params, loss)
        if self._losses_only:
            return -loss, loss
        if self._score is not None:
            return self._score(params), loss
        _, y, sample_weight = self._rows
        outputs = self._network.outputs(params, self._X, n_threads=self._n_threads)
        return self._targets.score_rows(self._X, y, outputs, sample_weight), loss

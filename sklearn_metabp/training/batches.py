"""Minibatches of the training rows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from scipy.sparse import csr_array

from sklearn_metabp._kernels.network.sparse_targets import SparseTargets
from sklearn_metabp.network import TrainingRows

_LISTED_BATCHES = 1000


@dataclass
class Batches:
    """Training rows, and their order in the minibatches.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), C-contiguous, or CSR
    targets : ndarray of shape (n_samples, n_outputs), C-contiguous, of X's dtype, or SparseTargets
    sample_weight : ndarray of shape (n_samples,) of X's dtype, or None
    size : int
        Rows of a batch. The last batch of an epoch may have fewer.
    shuffle : bool
        If True, every epoch has a new order of the rows.
    order : ndarray of shape (n_samples,) of intp, default=None
        Order of the rows in the last epoch. The next epoch shuffles it.

    Attributes
    ----------
    n_batches : int
        Batches of an epoch.
    """

    X: np.ndarray | csr_array
    targets: np.ndarray | SparseTargets
    sample_weight: np.ndarray | None
    size: int
    shuffle: bool
    order: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = len(self)
        self.n_batches = -(-n // self.size)
        # A list is faster to iterate over, but one of a million pairs would take 140 MB.
        self._listed = list(self._make_bounds()) if self.n_batches <= _LISTED_BATCHES else None
        if not self.shuffle or self.size >= n:  # the order has no effect in one batch of all rows
            self.order = None
        elif self.order is None or len(self.order) != n:
            self.order = np.arange(n, dtype=np.intp)

    def __len__(self) -> int:
        return self.X.shape[0]

    @property
    def rows(self) -> TrainingRows:
        """The rows and their order, for kernels and steps."""
        return TrainingRows(self.X, self.targets, self.sample_weight, self.order)

    def shuffle_rows(self, random_state: np.random.RandomState) -> None:
        """Draw the order of the rows for an epoch."""
        if self.order is not None:
            random_state.shuffle(self.order)

    def draw(self, random_state: np.random.RandomState) -> Iterable[tuple[int, int]]:
        """Draw a new order of the rows, and return start and stop of every batch of an epoch."""
        self.shuffle_rows(random_state)
        return self._listed or self._make_bounds()

    def _make_bounds(self) -> Iterator[tuple[int, int]]:
        n = len(self)
        return zip(range(0, n, self.size), chain(range(self.size, n, self.size), (n,)), strict=True)

"""Where minibatches come from."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array


@dataclass
class Batches:
    """The rows that steps draw their minibatches from.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), C-contiguous, or CSR
    targets : ndarray of shape (n_samples, n_outputs), C-contiguous, of X's dtype
    sample_weight : ndarray of shape (n_samples,) of X's dtype, or None
    size : int
        Rows of a batch; the last of an epoch may have fewer.
    shuffle : bool
        Whether every epoch goes through the rows in a new order.
    order : ndarray of shape (n_samples,) of intp, default=None
        Order of the rows in the epoch before, which the next one shuffles.
    """

    X: np.ndarray | csr_array
    targets: np.ndarray
    sample_weight: np.ndarray | None
    size: int
    shuffle: bool
    order: np.ndarray | None = None

    def __post_init__(self):
        n = len(self)
        self.slices = [(start, min(start + self.size, n)) for start in range(0, n, self.size)]
        if not self.shuffle or self.size >= n:  # one batch of all rows has no order worth drawing
            self.order = None
        elif self.order is None or len(self.order) != n:
            self.order = np.arange(n, dtype=np.intp)

    def __len__(self) -> int:
        return self.X.shape[0]

    def draw(self, random_state: np.random.RandomState) -> list[tuple[int, int]]:
        """Slices of an epoch's batches, after drawing a new order of the rows."""
        if self.order is not None:
            random_state.shuffle(self.order)
        return self.slices

"""The kernel of the network scope in NumPy, written as the equations read."""

from typing import Any

import numpy as np

from sklearn_metabp._kernels.arrays import are_readable, are_writable

__all__ = ["PatternRule"]


class PatternRule:
    """All updates of a network from the patterns of a batch: the mean of MLP(row) over the batch.

    Parameters
    ----------
    sources : list of ndarray
        Parts of a row, side by side, read at every step: of shape (max_batch, width) if every
        pattern has its own values, of shape (width,) if all patterns share them.
    mlp : Backprop
        The MLP, loaded with ``matrix``.
    matrix : ndarray of shape (max_batch, n_columns)
        Written at every step.
    updates : ndarray of shape (n_params,)
        Written at every step.
    centre : ndarray of shape (n_columns,), default=None
        Subtracted from every row.
    """

    def __init__(
        self,
        sources: list[np.ndarray],
        mlp: Any,
        matrix: np.ndarray,
        updates: np.ndarray,
        centre: np.ndarray | None = None,
    ) -> None:
        batch, columns = matrix.shape
        outputs = mlp.layer_outputs[-1]
        fits = sum(a.shape[-1] for a in sources) == columns and outputs.shape[1] == len(updates)
        fits &= are_readable(sources, updates.dtype) and are_writable(
            (matrix, updates), updates.dtype
        )
        fits &= centre is None or centre.shape == (columns,)
        if not fits or any(a.ndim == 2 and len(a) < batch for a in (*sources, outputs)):
            raise ValueError("sources, MLP, matrix, centre and updates do not fit together")
        self._centre = centre
        self._sources, self._mlp, self._matrix, self._updates = sources, mlp, matrix, updates

    def update(self, n: int) -> None:
        """Write the mean prediction over the first n patterns."""
        rows = [a[:n] if a.ndim == 2 else np.broadcast_to(a, (n, len(a))) for a in self._sources]
        self._matrix[:n] = np.hstack(rows)
        if self._centre is not None:
            self._matrix[:n] -= self._centre
        self._mlp.forward(0, n)
        self._updates[...] = self._mlp.layer_outputs[-1][:n].mean(axis=0)

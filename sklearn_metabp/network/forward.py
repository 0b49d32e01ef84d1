"""The forward pass through parameters that stay, call after call."""

import numpy as np
from scipy.sparse import issparse

from sklearn_metabp._kernels.network import Backprop

# Numbers in the buffers of a pass that is worth keeping: one or a few rows; for more its making is
# little.
_KEPT_NUMBERS = 1 << 13


class ForwardPass:
    """Forward through one vector of parameters, up to ``max_batch`` rows at a time.

    It sees what is written into the vector, and keeps no row after a call.

    Parameters
    ----------
    make_kernel : callable
        ``make_kernel(params, gradients, max_batch) -> Backprop``.
    params : ndarray of shape (n_params,)
    max_batch : int
    """

    def __init__(self, make_kernel, params: np.ndarray, max_batch: int):
        self._kernel: Backprop = make_kernel(params, None, max_batch)
        self.params, self.max_batch = params, max_batch
        sizes = self._kernel.layer_sizes
        self.is_small = max_batch * sum(sizes) <= _KEPT_NUMBERS
        self._rows = np.zeros((max_batch if self.is_small else 0, sizes[0]), params.dtype)
        self._kernel.load(self._rows)

    def serves(self, params: np.ndarray, n_rows: int) -> bool:
        """Whether it goes through this vector, and through so many rows at a time."""
        return self.params is params and n_rows <= self.max_batch

    def fill(self, outputs: np.ndarray, X) -> None:
        """Write the outputs of every row of X.

        Parameters
        ----------
        outputs : ndarray of shape (n_samples, n_outputs)
        X : ndarray or sparse matrix of shape (n_samples, n_features)
        """
        kernel, n, dtype = self._kernel, len(outputs), self.params.dtype
        if n <= len(self._rows) and not issparse(X) and X.shape[1] == self._rows.shape[1]:
            self._rows[:n] = X
            kernel.forward(0, n)
            outputs[...] = kernel.layer_outputs[-1][:n]
            return
        kernel.load(
            X.tocsr().astype(dtype, copy=False) if issparse(X) else np.ascontiguousarray(X, dtype)
        )
        try:
            for start in range(0, n, self.max_batch):
                stop = min(start + self.max_batch, n)
                kernel.forward(start, stop)
                outputs[start:stop] = kernel.layer_outputs[-1][: stop - start]
        finally:
            kernel.load(self._rows)

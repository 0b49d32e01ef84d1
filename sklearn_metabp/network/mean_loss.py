"""The mean loss of rows as a function of the parameters."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import issparse

from sklearn_metabp._kernels.network import Backprop
from sklearn_metabp._kernels.network.sparse_targets import SparseTargets
from sklearn_metabp._kernels.recurrent import RecurrentBackprop
from sklearn_metabp._kernels.threads import one_blas_thread

# Rows of a batch whose activations stay in the second cache while they go forward.
FORWARD_BATCH = 512
# Targets of classes in a block of rows, 512 kB in float64.
_TARGETS_AT_ONCE = 1 << 16


class MeanLoss:
    """The weighted mean loss of some rows, without penalty, dropout and noise.

    It holds the rows and a kernel over them, so a training that is validated many times makes the
    kernel once.

    Parameters
    ----------
    make_kernel : callable
        ``make_kernel(params, gradients, max_batch)`` makes a ``Backprop`` or
        ``RecurrentBackprop``.
    params : ndarray of shape (n_params,)
        Aligned and C-contiguous. Values that are written into it are used by the next call.
    X : ndarray or sparse matrix of shape (n_samples, n_features)
    targets : ndarray or SparseTargets of shape (n_samples, n_outputs)
    sample_weight : ndarray of shape (n_samples,), default=None
    """

    def __init__(
        self,
        make_kernel: Callable[[np.ndarray, np.ndarray | None, int], Backprop | RecurrentBackprop],
        params: np.ndarray,
        X: Any,
        targets: np.ndarray | SparseTargets,
        sample_weight: np.ndarray | None = None,
    ) -> None:
        self.params, n, dtype = params, X.shape[0], params.dtype
        total = n if sample_weight is None else float(np.sum(sample_weight, dtype=float))
        self._total = total or 1.0
        n_rows = min(FORWARD_BATCH, n)
        if isinstance(targets, SparseTargets):  # the kernel makes a matrix of a block of them
            n_rows = min(n_rows, max(1, _TARGETS_AT_ONCE // targets.shape[1]))
        self._kernel = make_kernel(params, None, n_rows)
        X = X.tocsr().astype(dtype, copy=False) if issparse(X) else np.ascontiguousarray(X, dtype)
        if isinstance(targets, SparseTargets):
            targets = targets.astype(dtype)
        else:
            targets = np.ascontiguousarray(targets, dtype)
        if sample_weight is not None:
            sample_weight = np.ascontiguousarray(sample_weight, dtype)
        self._kernel.load(X, targets, sample_weight)
        self._bounds = [(start, min(start + n_rows, n)) for start in range(0, n, n_rows)]

    def compute(self) -> float:
        """Compute the loss at the present values of ``params``."""
        with one_blas_thread():
            summed = sum(self._kernel.summed_loss(start, stop) for start, stop in self._bounds)
        return float(summed / self._total)

"""Rows as their own targets: an autoencoder reproduces its input."""

from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike
from scipy.sparse import issparse
from sklearn.metrics import r2_score

from sklearn_metabp._kernels.functions import LOSSES
from sklearn_metabp._kernels.network.sparse_targets import SparseTargets
from sklearn_metabp.targets.targets import Targets


class RowTargets(Targets):
    """The rows themselves as targets of the output neurons, one for each column of X.

    The target of a row x whose sign is -1 is its mirror image 2 c - x, with the centre c of the
    rows whose sign is 1. For inputs in [0, 1] around 1/2 this is 1 - x, and for standardised inputs
    it is -x.

    Parameters
    ----------
    out_activation : str
        ``"auto"`` or a name in ``OUT_ACTIVATIONS``.
    loss : str
        Name in ``NUMBER_LOSSES``.
    center : ndarray of shape (n_features,)

    Raises
    ------
    ValueError
        If the output activation does not fit the loss.
    """

    kind = "rows"
    nothing_to_learn = "the columns of X have nothing in common"

    def __init__(self, out_activation: str, loss: str, center: np.ndarray):
        self.loss, self.center = loss, center
        if out_activation == "auto":
            out_activation = LOSSES[loss].number_output or "identity"
        LOSSES[loss].check_output(out_activation, "auto")
        self.out_activation = out_activation

    @property
    def fitted_attributes(self) -> dict[str, Any]:
        """The attribute ``center_``."""
        return {"center_": self.center}

    def for_output(self, out_activation: str, loss: str) -> Self:
        """Return targets with the same centre for other output neurons or another loss."""
        return type(self)(out_activation, loss, self.center)

    def check_known(self, y: Any, name: str = "y") -> None:
        """Do nothing: rows of both signs are known."""

    def n_outputs(self, y: Any) -> int:
        """Return the number of output neurons, one for every column of X."""
        return len(self.center)

    def encode_rows(self, X: Any, y: Any, dtype: DTypeLike) -> np.ndarray | SparseTargets:
        """Return targets of the output neurons, of shape (n_samples, n_features).

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features), or CSR
        y : ndarray of shape (n_samples,)
            The sign of every row, 1 or -1.
        dtype : dtype

        Raises
        ------
        ValueError
            If a sparse row has the sign -1, because its mirror image is not sparse, or if the loss
            does not allow a target.
        """
        negative = y < 0
        if issparse(X):
            if negative.any():
                raise ValueError(
                    "The mirror image of a sparse row is not sparse: pass X.toarray(), or leave "
                    "the rows with y = -1 out."
                )
            LOSSES[self.loss].check_targets(X.data, "X")
            return SparseTargets.matrix(X, dtype)
        targets = np.ascontiguousarray(X, dtype)
        LOSSES[self.loss].check_targets(targets, "X")
        if negative.any():
            targets = targets.copy() if targets is X else targets
            targets[negative] = 2 * self.center - targets[negative]
            LOSSES[self.loss].check_targets(
                targets[negative], "the mirror image of a row of y = -1"
            )
        return targets

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Return outputs as they are."""
        return outputs

    def score_rows(self, X: Any, y: Any, outputs: np.ndarray, sample_weight: Any = None) -> float:
        """Return R² of the targets; columns count by their variance. NaN if one is not finite."""
        if not np.isfinite(outputs).all() or len(outputs) < 2:
            return np.nan
        targets = np.asarray(self.encode_rows(X, y, outputs.dtype))
        with np.errstate(over="ignore", invalid="ignore"):
            return float(
                r2_score(
                    targets, outputs, sample_weight=sample_weight, multioutput="variance_weighted"
                )
            )


def as_signs(y: Any, n_samples: int) -> np.ndarray:
    """Return the signs of rows for y: y itself if it has no other values than 1 and -1, else ones.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or None
    n_samples : int

    Returns
    -------
    signs : ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        If every row is -1, because an autoencoder needs rows to reproduce.

    Examples
    --------
    >>> from sklearn_metabp.targets.rows import as_signs
    >>> as_signs([1, -1, 1], 3)
    array([ 1., -1.,  1.])
    >>> as_signs(["a", "b", "a"], 3)
    array([1., 1., 1.])
    """
    signs = np.ones(n_samples)
    if y is None or issparse(y):
        return signs
    values: Any = np.asarray(y)
    if values.shape not in ((n_samples,), (n_samples, 1)) or values.dtype.kind not in "if":
        return signs
    is_negative = np.ravel(values == -1)
    if not (is_negative | np.ravel(values == 1)).all():
        return signs
    if is_negative.all():
        raise ValueError(
            "y is -1 for every row, so no row is left to reproduce: mark normal rows by 1."
        )
    signs[is_negative] = -1
    return signs


def weighted_center(X: Any, weight: np.ndarray) -> np.ndarray:
    """Return the weighted mean of rows, of shape (n_features,) in float64."""
    total = float(weight.sum(dtype=np.float64)) or 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(X.T @ (weight / total), np.float64).ravel()

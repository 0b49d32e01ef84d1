"""The rows that batches are drawn from, checked and in a form that kernels read."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from sklearn_metabp._kernels.arrays import readable
from sklearn_metabp._kernels.network.csr_rows import CSRRows, check_csr
from sklearn_metabp._kernels.network.sparse_targets import SparseTargets

ORDER_CHANGED = (
    "the order of the rows changed while a kernel held it: it must hold rows from 0 to {0}."
)
TARGETS_CHANGED = (
    "the targets changed while a kernel held them: they have neurons outside 0 to {0}."
)


class Rows(NamedTuple):
    """The rows that batches are drawn from.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features), or CSRRows
    targets : ndarray of shape (n_samples, n_outputs), SparseTargets or None
    sample_weight : ndarray of shape (n_samples,), or None
    order : ndarray of intp of shape (n_samples,), or None
        The caller's own array, which may change between batches.
    n : int
        Number of rows.
    """

    X: np.ndarray | CSRRows
    targets: np.ndarray | SparseTargets | None
    sample_weight: np.ndarray | None
    order: np.ndarray | None
    n: int


def check_rows(
    layer_sizes: Sequence[int],
    dtype: np.dtype,
    X: Any,
    targets: np.ndarray | SparseTargets | None,
    sample_weight: np.ndarray | None,
    order: np.ndarray | None,
) -> Rows:
    """Return the rows as kernels read them; arrays at odd addresses are copied.

    Raises
    ------
    ValueError
        If they do not fit the layers.
    """
    n = X.shape[0]
    shapes: dict[str, tuple[Any, tuple[int, ...]]] = {
        "X": (X, (n, layer_sizes[0])),
        "targets": (targets, (n, layer_sizes[-1])),
        "sample_weight": (sample_weight, (n,)),
    }
    for name, (array, shape) in shapes.items():
        fits = array is None or (array.shape == shape and array.dtype == dtype)
        fits &= not isinstance(array, np.ndarray) or array.flags.c_contiguous
        if not fits:
            raise ValueError(
                f"{name} must be C-contiguous of shape {shape}, dtype {dtype}; got shape "
                f"{array.shape}, dtype {array.dtype}."
            )
    if order is not None:
        _check_order(order, n)
    return Rows(
        check_csr(X) if issparse(X) else readable(X),
        targets if targets is None or isinstance(targets, SparseTargets) else readable(targets),
        None if sample_weight is None else readable(sample_weight),
        order,
        n,
    )


def _check_order(order: np.ndarray, n: int) -> None:
    fits = (
        order.dtype == np.intp
        and order.shape == (n,)
        and order.flags.c_contiguous
        and order.flags.aligned
    )
    if not fits:
        raise ValueError(f"order must be flat, aligned, of {n} rows, of dtype {np.dtype(np.intp)}.")
    if n and (order.min() < 0 or order.max() >= n):
        raise ValueError(f"order must hold rows from 0 to {n - 1}.")


def take_rows(rows: Rows, start: int, stop: int) -> slice | np.ndarray:
    """Return which rows a batch has.

    Raises
    ------
    ValueError
        If the order has changed to one of rows that do not exist.
    """
    if rows.order is None:
        return slice(start, stop)
    taken = rows.order[start:stop].copy()
    if taken.min() < 0 or taken.max() >= rows.n:
        raise ValueError(ORDER_CHANGED.format(rows.n - 1))
    return taken

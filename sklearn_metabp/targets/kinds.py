"""Questions about the kind of y: columns, multilabel, one-hot."""

from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.metrics import accuracy_score

_BLOCK_VALUES = 2**20
_MANY_ROWS = 20  # with one label each, which is no chance


def n_columns(y: Any) -> int:
    """Return the number of columns of y; a vector has one.

    y of every time step is a masked array, with one axis more.
    """
    n_axes = 2 if isinstance(y, np.ma.MaskedArray) else 1
    return 1 if y.ndim == n_axes else y.shape[n_axes]


def check_same_kind(y: Any, y_val: Any) -> None:
    """Raise ValueError unless the validation rows have as many columns of y."""
    if n_columns(y) != n_columns(y_val):
        raise ValueError(
            f"y_val must have as many columns as y: y has shape {y.shape}, y_val has {y_val.shape}."
        )


def is_multilabel(y: Any) -> bool:
    """Return whether y is a matrix of 0 and 1 alone.

    scikit-learn's ``type_of_target`` takes other pairs of values for labels too.
    """
    return getattr(y, "ndim", 0) == 2 and y.shape[1] > 1 and is_zero_or_one(y)


def is_zero_or_one(y: Any) -> bool:
    """Return whether y has no other values than 0 and 1."""
    if issparse(y):
        if not y.has_canonical_format:  # two entries of one place are one value
            y = y.copy()
            y.sum_duplicates()
        y = y.data
    if y.dtype.kind not in "biuf":
        return False
    n_rows = max(1, _BLOCK_VALUES // n_columns(y))
    blocks = (y[start : start + n_rows] for start in range(0, len(y), n_rows))
    return all(((block == 0) | (block == 1)).all() for block in blocks)


def is_one_hot(y: Any) -> bool:
    """Return whether every row of a multilabel y has one label, in more rows than by chance."""
    if y.shape[0] <= min(y.shape[1], _MANY_ROWS):
        return False
    return bool((np.ravel(y.sum(axis=1)) == 1).all())


def share_of_rows(right: np.ndarray, sample_weight: Any) -> float:
    """Return the share of rows that are right, weighted as scikit-learn does."""
    return float(accuracy_score(np.ones(len(right), bool), right, sample_weight=sample_weight))

"""What kind of classification y is."""

import numpy as np
from scipy.sparse import issparse
from sklearn.metrics import accuracy_score

_BLOCK_VALUES = 2**20
_SO_MANY_ARE_NO_CHANCE = 20  # rows with one label each


def n_columns(y) -> int:
    """Columns of y; a vector is one."""
    return 1 if y.ndim == 1 else y.shape[1]


def check_same_kind(y, y_val) -> None:
    """Raise ValueError if the rows to validate on have other columns than those to train on."""
    if n_columns(y) != n_columns(y_val):
        raise ValueError(
            f"y_val must have as many columns as y: y has shape {y.shape}, y_val has {y_val.shape}."
        )


def is_multilabel(y) -> bool:
    """Whether y is a matrix of 0 and 1 alone: what type_of_target takes for labels may be others."""
    return getattr(y, "ndim", 0) == 2 and y.shape[1] > 1 and is_zero_or_one(y)


def is_zero_or_one(y) -> bool:
    """Whether y has no other values than 0 and 1."""
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


def is_one_hot(y) -> bool:
    """Whether every row of a multilabel y has exactly one label, in more rows than chance explains."""
    if y.shape[0] <= min(y.shape[1], _SO_MANY_ARE_NO_CHANCE):
        return False
    return bool((np.ravel(y.sum(axis=1)) == 1).all())


def share_of_rows(right: np.ndarray, sample_weight) -> float:
    """Share of the rows that are right, weighed as scikit-learn does."""
    return float(accuracy_score(np.ones(len(right), bool), right, sample_weight=sample_weight))

"""Labels from any container of a user as arrays of one plain type."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.sparse import issparse

# For these scikit-learn's own errors name the remedy.
_LEFT_TO_SKLEARN = (list, tuple, np.ndarray, bytes)


def as_labels(y: Any, name: str = "y") -> Any:
    """Return labels as an array of strings, integers, numbers or booleans.

    All labels of a user pass through this function before any other code reads them. So fit, score,
    validation and scorers use the same types.

    Parameters
    ----------
    y : array-like or sparse matrix of shape (n_samples,) or (n_samples, n_columns)
        Lists, arrays, series, data frames; of any dtype, also objects, categories and nullable
        types.
    name : str, default="y"
        Name of y in error messages.

    Returns
    -------
    labels : ndarray of shape (n_samples,) or (n_samples, n_columns), or sparse matrix
        Objects only if columns of strings and of numbers are mixed. Sparse y, and a value that is
        no array at all, is returned as it is: scikit-learn's validation has an error for it.

    Raises
    ------
    ValueError
        If a label is missing, if a column has labels of several types, or if a type is not allowed.
    """
    if y is None or issparse(y):
        return y
    if _is_sparse_frame(y):
        return y.sparse.to_coo().tocsr()
    labels = np.asarray(y)
    if labels.dtype.kind == "T" or (labels.dtype.kind == "U" and isinstance(y, (list, tuple))):
        labels = np.array(y, dtype=object)  # NumPy makes a string of a number in a list of strings
    if labels.ndim == 0:
        return y
    if np.ma.is_masked(y):
        raise _missing(
            name, np.flatnonzero(np.ma.getmaskarray(y).any(axis=tuple(range(1, y.ndim))))[0]
        )
    if labels.dtype != object or labels.ndim > 2:
        return labels
    if labels.ndim == 1:
        return column_labels(labels, name)
    columns = [column_labels(column, f"{name}[:, {n}]") for n, column in enumerate(labels.T)]
    if len({column.dtype.kind in "biuf" for column in columns}) <= 1:
        return np.column_stack(columns)
    labels = np.empty(labels.shape, object)
    for n, column in enumerate(columns):
        labels[:, n] = column
    return labels


def column_labels(labels: np.ndarray, name: str = "y") -> np.ndarray:
    """Return the labels of a column, (n_samples,), in their common type; see :func:`as_labels`."""
    if labels.dtype != object or not len(labels):
        return labels
    types = set(map(type, labels))
    if all(issubclass(kind, str) for kind in types):
        return np.array(labels.tolist())
    if not all(issubclass(kind, (str, bool, np.bool_, Integral)) for kind in types):
        missing = next((row for row, label in enumerate(labels) if _is_missing(label)), None)
        if missing is not None:
            raise _missing(name, missing)
    if any(issubclass(kind, _LEFT_TO_SKLEARN) for kind in types):
        return labels
    if all(issubclass(kind, (bool, np.bool_)) for kind in types):
        return labels.astype(bool)
    if all(issubclass(kind, (bool, np.bool_, Integral)) for kind in types):
        return _integers(labels, name)
    if all(issubclass(kind, (bool, np.bool_, Integral, float, np.floating)) for kind in types):
        return labels.astype(float)
    names = " and ".join(sorted(kind.__name__ for kind in types))
    if len(types) > 1:
        raise ValueError(
            f"{name} has labels of several types, which have no order: {names}. Make them one "
            "type, for instance strings."
        )
    raise ValueError(
        f"Unknown label type: {name} has labels of type {names}. Labels are strings, integers or "
        "booleans."
    )


def _is_sparse_frame(y: Any) -> bool:
    """Return whether y is a pandas frame all of whose columns are sparse."""
    if getattr(y, "ndim", 0) != 2 or not hasattr(y, "iloc"):
        return False
    return all(type(dtype).__name__ == "SparseDtype" for dtype in y.dtypes)


def _integers(labels: np.ndarray, name: str) -> np.ndarray:
    for dtype in (np.int64, np.uint64):
        try:
            return labels.astype(dtype)
        except OverflowError:
            continue
    raise ValueError(f"{name} has integers that do not fit 64 bits: pass them as strings.")


def _is_missing(label: Any) -> bool:
    """Return whether a label is None, NaN, NaT or pandas' NA."""
    if label is None or type(label).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(label, Real | np.generic) and bool(label != label)


def _missing(name: str, row: int) -> ValueError:
    return ValueError(
        f"Input {name} contains NaN: the label of row {row} is missing. Leave such rows out, or "
        "give them a label of their own."
    )


def abbreviate(labels: list, n: int = 8) -> str:
    """Return the first labels as text for a message."""
    listed = ", ".join(map(repr, labels[:n]))
    return f"[{listed}]" if len(labels) <= n else f"[{listed}, … {len(labels) - n} more]"

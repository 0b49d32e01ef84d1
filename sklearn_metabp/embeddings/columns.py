"""The choice of columns by numbers, slices, masks and names."""

from typing import Any

import numpy as np

from sklearn_metabp.did_you_mean import did_you_mean


def column_numbers(columns: Any, n_features: int, names: np.ndarray | None) -> tuple[int, ...]:
    """Return the indices of the chosen columns, in ascending order.

    Parameters
    ----------
    columns : array-like, slice or None
        Indices, a slice, a mask or names. Negative indices count from the end. None chooses all.
    n_features : int
    names : ndarray of shape (n_features,) or None
        Names of the columns.

    Raises
    ------
    ValueError
        If a column does not exist or is chosen twice, or names are given for columns without names.

    Examples
    --------
    >>> from sklearn_metabp.embeddings.columns import column_numbers
    >>> column_numbers([-1, 0], 4, None), column_numbers(slice(2), 4, None)
    ((0, 3), (0, 1))
    """
    if columns is None:
        return tuple(range(n_features))
    if isinstance(columns, slice):
        return tuple(sorted(range(n_features)[columns]))
    chosen = np.asarray(columns)
    if chosen.ndim != 1:
        raise ValueError(f"columns must be a list of columns, a slice or a mask, got {columns!r}.")
    if not len(chosen):
        return ()
    if chosen.dtype == bool:
        if len(chosen) != n_features:
            raise ValueError(f"columns is a mask of {len(chosen)} columns, but X has {n_features}.")
        return tuple(np.flatnonzero(chosen).tolist())
    if chosen.dtype.kind in "iu":
        numbers = [int(number) for number in chosen]
        bad = [number for number in numbers if not -n_features <= number < n_features]
        if bad:
            raise ValueError(f"columns has {bad[0]}, but X has {n_features} columns.")
        numbers = [number % n_features for number in numbers]
    elif all(isinstance(name, str) for name in columns):
        if names is None:
            raise ValueError(
                "columns has names, but the columns of X have none: pass a data frame or numbers."
            )
        known = names.tolist()
        missing = [name for name in columns if name not in known]
        if missing:
            raise ValueError(
                f"columns has {missing[0]!r}, which is no column of X."
                f"{did_you_mean(missing[0], known)}"
            )
        numbers = [known.index(name) for name in columns]
    else:
        raise ValueError(
            f"columns must be numbers, a slice, a mask or names of columns, got {columns!r}."
        )
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"columns must not contain a column twice, got {columns!r}.")
    return tuple(sorted(numbers))

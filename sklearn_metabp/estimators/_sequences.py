"""Checks and padding of the sequences of a user."""

from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import _check_feature_names, _check_y, validate_data

from sklearn_metabp._kernels.recurrent import lengths_of
from sklearn_metabp.estimators._rows import DTYPES
from sklearn_metabp.targets import as_labels


def check_sequences(estimator: BaseEstimator, X: Any, *, reset: bool) -> np.ndarray:
    """Check sequences, and return them as one array.

    Parameters
    ----------
    estimator : BackpropRNNClassifier or BackpropRNNRegressor
        ``n_timesteps`` cuts rows into time steps. With ``reset=True`` the estimator stores the
        features, and otherwise it compares them.
    X
        An array of shape (n_samples, n_timesteps, n_features), a list of arrays of shape
        (n_timesteps_i, n_features), or rows of a matrix or a data frame.
    reset : bool

    Returns
    -------
    X : ndarray of shape (n_samples, n_timesteps, n_features)
        Finite except the padding, time steps of NaN at the end. The dtype is float32 or float64.

    Raises
    ------
    ValueError
        If the shape does not fit, or a number is not finite before the padding.
    """
    if _is_list_of_sequences(X):
        X = _pad(X)
    if getattr(X, "ndim", 0) >= 3:
        X = check_array(X, dtype=DTYPES, ensure_all_finite=False, allow_nd=True)
        _check_shape(X)
        if reset:
            estimator.n_features_in_ = X.shape[2]
        _check_feature_names(estimator, X, reset=reset)
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            X = validate_data(
                estimator, X, dtype=DTYPES, ensure_all_finite="allow-nan", reset=reset
            )
        X = _cut(X, estimator.n_timesteps)
    n_features = X.shape[2]
    if reset:
        estimator.n_step_features_in_ = n_features
    elif n_features != estimator.n_step_features_in_:
        raise ValueError(
            f"X has {n_features} features at every time step, but {type(estimator).__name__} is "
            f"expecting {estimator.n_step_features_in_} features as input."
        )
    _check_padding(X)
    return X


def check_sequences_and_y(
    estimator: Any, X: Any, y: Any, y_name: str, *, reset: bool
) -> tuple[np.ndarray, Any]:
    """Check sequences and their y.

    Returns
    -------
    X : ndarray
        See :func:`check_sequences`.
    y : ndarray of shape (n_samples,) or (n_samples, n_columns), or CSR
        If the estimator returns sequences, a masked array of shape (n_samples, n_timesteps) or
        (n_samples, n_timesteps, n_columns), which masks the padding.
    """
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y "
            "is None."
        )
    is_numeric = not isinstance(estimator, ClassifierMixin)
    X = check_sequences(estimator, X, reset=reset)
    if estimator.return_sequences:
        return X, _y_of_steps(y, X, is_numeric, y_name)
    y = y if is_numeric else as_labels(y, y_name)
    y = _check_y(y, multi_output=True, y_numeric=is_numeric, estimator=estimator)
    check_consistent_length(X, y)
    if is_numeric and issparse(y):
        raise ValueError(
            f"{y_name} is sparse, and numbers to predict must be dense: pass {y_name}.toarray()."
        )
    return X, y


def _depth(X: Any) -> int:
    """Return how many lists or axes are nested in the first item."""
    depth = 0
    while isinstance(X, (list, tuple)) and len(X):
        X, depth = X[0], depth + 1
    return depth + getattr(X, "ndim", 0)


def _is_list_of_sequences(X: Any) -> bool:
    """Return whether X is a list, a tuple or an array of objects, of sequences."""
    if isinstance(X, np.ndarray):
        return X.dtype == object and X.ndim == 1 and len(X) > 0 and _depth(X[0]) == 2
    return isinstance(X, (list, tuple)) and _depth(X) == 3


def _pad(X: Any) -> np.ndarray:
    """Return a list of sequences as one array, with NaN after the shorter ones."""
    arrays = [np.asarray(sequence) for sequence in X]
    for i, array in enumerate(arrays):
        if array.ndim != 2 or array.shape[1:] != arrays[0].shape[1:] or not array.size:
            raise ValueError(
                "a list of sequences has arrays of shape (n_timesteps, n_features), with the same "
                f"n_features and at least one time step; X[{i}] has shape {array.shape}, X[0] "
                f"{arrays[0].shape}."
            )
    dtype = np.result_type(*{array.dtype for array in arrays})
    dtype = dtype if dtype in DTYPES else np.dtype(np.float64)
    padded = np.full((len(arrays), max(map(len, arrays)), arrays[0].shape[1]), np.nan, dtype)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return padded


def _check_shape(X: np.ndarray) -> None:
    if X.ndim != 3 or not all(X.shape):
        raise ValueError(
            "X must have the shape (n_samples, n_timesteps, n_features), each of them 1 or more, "
            f"or rows of a matrix; got shape {X.shape}."
        )


def _cut(X: np.ndarray, n_timesteps: int | None) -> np.ndarray:
    """Return rows as sequences of ``n_timesteps`` time steps, or of one for every column."""
    n, n_columns = X.shape
    if n_timesteps is None:
        return X.reshape(n, n_columns, 1)
    if n_columns % n_timesteps:
        raise ValueError(
            f"n_timesteps={n_timesteps} cannot cut rows of {n_columns} columns into time steps of "
            "the same number of features: pass X of shape (n_samples, n_timesteps, n_features), or "
            f"a divisor of {n_columns}."
        )
    return X.reshape(n, n_timesteps, -1)


def _check_padding(X: np.ndarray) -> None:
    """Raise ValueError unless all numbers before the padding are finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(X.sum()):
            return
    if np.isinf(X).any():
        raise ValueError(f"Input X contains infinity or a value too large for {X.dtype!r}.")
    is_nan = np.isnan(X)
    is_padding = np.arange(X.shape[1]) >= lengths_of(X)[:, None]
    if is_padding.all(axis=1).any():
        row = int(is_padding.all(axis=1).argmax())
        raise ValueError(
            f"Input X contains only NaN in row {row}: a sequence needs at least one time step."
        )
    if (is_nan != is_padding[:, :, None]).any():
        row, step = np.argwhere((is_nan != is_padding[:, :, None]).any(axis=2))[0]
        raise ValueError(
            f"Input X contains NaN at time step {step} of row {row}, before the end of the "
            "sequence. NaN is padding, which fills whole time steps at the end: impute missing "
            "values first."
        )


def _y_of_steps(y: Any, X: np.ndarray, is_numeric: bool, y_name: str) -> np.ma.MaskedArray:
    """Return the values of y at all time steps as a masked array."""
    lengths, n_timesteps = lengths_of(X), X.shape[1]
    is_step = np.arange(n_timesteps) < lengths[:, None]
    check_consistent_length(X, y)
    if issparse(y):
        raise ValueError(f"{y_name} is sparse, but a y for every time step must be dense.")
    sequences = y if isinstance(y, (list, tuple)) else np.asarray(y)
    parts = []
    for i, (one, length) in enumerate(zip(map(np.asarray, sequences), lengths, strict=True)):
        if one.ndim not in (1, 2) or len(one) not in (length, n_timesteps):
            raise ValueError(
                f"with return_sequences=True {y_name} has a value at every time step: {y_name}[{i}]"
                f" has shape {one.shape}, but the sequence has {length} time steps."
            )
        parts.append(one[:length])
    if len({part.shape[1:] for part in parts}) > 1:
        raise ValueError(f"{y_name} must have the same number of columns at every time step.")
    steps = np.concatenate(parts)
    if steps.ndim == 2 and steps.shape[1] == 1:
        steps = steps[:, 0]
    if is_numeric:
        steps = check_array(steps, ensure_2d=False, dtype="numeric", input_name=y_name)
        if steps.dtype.kind == "O":
            steps = steps.astype(np.float64)
    else:
        steps = as_labels(steps, y_name)
    values = np.empty((len(X), n_timesteps, *steps.shape[1:]), steps.dtype)
    values[...] = steps[0]
    values[is_step] = steps
    mask = ~is_step if steps.ndim == 1 else np.repeat(~is_step[:, :, None], steps.shape[1], axis=2)
    return np.ma.array(values, mask=mask)

"""Rows of data: the arguments of a fit, checked and kept as records."""

import warnings
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array, csr_matrix, issparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_array, get_tags
from sklearn.utils.validation import _check_sample_weight, _get_feature_names, validate_data

from sklearn_metabp.targets import Targets, as_labels
from sklearn_metabp.targets.class_weights import check_row_weights
from sklearn_metabp.training.fingerprint import fingerprint

DTYPES = (np.float64, np.float32)
_PLAIN = (np.ndarray, csr_array, csr_matrix)
_PIPELINE = (
    "A Pipeline does not transform X_val by default. To transform it like X, use "
    'Pipeline(..., transform_input=["X_val"]).'
)


class GivenData(NamedTuple):
    """Data of one call of ``fit`` or ``partial_fit``, as the user gave them.

    The fields are parameters of ``fit``.
    """

    X: Any
    y: Any
    sample_weight: Any = None
    X_val: Any = None
    y_val: Any = None
    sample_weight_val: Any = None
    coef_init: Any = None
    intercept_init: Any = None


class Rows(NamedTuple):
    """Rows to train or to validate on, checked.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features), or CSR
        The dtype is float32 or float64.
    y : ndarray of shape (n_samples,) or (n_samples, n_columns), or CSR
        Numbers, or labels as :func:`~sklearn_metabp.targets.as_labels` returns them.
    sample_weight : ndarray of shape (n_samples,) or None
        Not negative. The dtype is that of X.
    """

    X: Any
    y: Any
    sample_weight: np.ndarray | None


@dataclass(frozen=True)
class FitData:
    """Data of one call of ``fit`` or ``partial_fit``, checked.

    Attributes
    ----------
    given : GivenData
        The same data before the checks.
    rows : Rows
        Rows of X, of which a part may be set aside for validation later.
    validation_rows : Rows or None
        Rows of X_val, or None.
    targets : Targets
        The conversion between y and the outputs of the network.
    """

    given: GivenData
    rows: Rows
    validation_rows: Rows | None
    targets: Targets

    @cached_property
    def validation_fingerprint(self) -> str:
        """Fingerprint of the validation rows, computed once for all fits to the data."""
        return fingerprint(self.validation_rows)


def check_rows(estimator: Any, X: Any, y: Any, sample_weight: Any, *, reset: bool) -> Rows:
    """Check rows as the ``fit`` of an estimator does. See :func:`check_rows_with_y`."""
    return estimator._check_rows(X, y, sample_weight, reset=reset)


def check_rows_with_y(
    estimator: BaseEstimator, X: Any, y: Any, sample_weight: Any, *, reset: bool, y_name: str = "y"
) -> Rows:
    """Check rows with their y as scikit-learn does.

    Parameters
    ----------
    estimator : estimator
    X, y, sample_weight
        As the user gave them.
    reset : bool
        If True, the estimator stores number and names of the features. If False, it compares them.
    y_name : str, default="y"
        Name of y in error messages.

    Returns
    -------
    rows : Rows
    """
    is_numeric = not isinstance(estimator, ClassifierMixin)
    y = y if is_numeric else as_labels(y, y_name)
    X, y = _validate(estimator, X, y, y_numeric=is_numeric, reset=reset)
    if is_numeric and issparse(y):
        raise ValueError(
            f"{y_name} is sparse, and numbers to predict must be dense: pass {y_name}.toarray()."
        )
    return Rows(X, y, check_weight(sample_weight, X))


def check_rows_alone(estimator: BaseEstimator, X: Any, sample_weight: Any, *, reset: bool) -> Rows:
    """Check rows that have no y, as scikit-learn does. See :func:`check_rows_with_y`.

    The ``y`` of the result is 1 for every row.
    """
    if not (
        _is_plain_X(X)
        and (reset or getattr(estimator, "n_features_in_", None) == X.shape[1])
        and getattr(estimator, "feature_names_in_", None) is None
        and _is_finite(X)
    ):
        with np.errstate(over="ignore", invalid="ignore"):
            X = validate_data(estimator, X, accept_sparse="csr", dtype=DTYPES, reset=reset)
    elif reset:
        estimator.n_features_in_ = X.shape[1]
    return Rows(X, np.ones(X.shape[0]), check_weight(sample_weight, X))


def check_weight(sample_weight: Any, X: Any) -> np.ndarray | None:
    """Check weights of the rows of X as scikit-learn does."""
    if sample_weight is None:
        return None
    return _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)


def check_X(estimator: BaseEstimator, X: Any) -> Any:
    """Check rows to predict as scikit-learn does.

    Parameters
    ----------
    estimator : estimator
        It has stored the features of X in fit.
    X
        As the user gave it.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features), or CSR
        The dtype is float32 or float64.
    """
    if (
        _is_plain_X(X)
        and getattr(estimator, "n_features_in_", None) == X.shape[1]
        and getattr(estimator, "feature_names_in_", None) is None
        and _is_finite(X)
    ):
        return X
    with np.errstate(over="ignore", invalid="ignore"):  # it sums X to look for NaN
        return validate_data(estimator, X, accept_sparse="csr", dtype=DTYPES, reset=False)


def _validate(
    estimator: BaseEstimator, X: Any, y: Any, *, y_numeric: bool, reset: bool
) -> tuple[Any, Any]:
    """Return X and y as scikit-learn's ``validate_data`` does."""
    if (
        _is_plain_X(X)
        and (reset or getattr(estimator, "n_features_in_", None) == X.shape[1])
        and getattr(estimator, "feature_names_in_", None) is None
        and type(y) is np.ndarray
        and y.ndim in (1, 2)
        and y.size
        and y.dtype.kind in "biufU"
        and len(y) == X.shape[0]
        and _is_finite(X)
        and (y.dtype.kind != "f" or _is_finite(y))
    ):
        if reset:
            estimator.n_features_in_ = X.shape[1]
        return X, y
    with np.errstate(over="ignore", invalid="ignore"):
        return validate_data(
            estimator,
            X,
            y,
            accept_sparse="csr",
            multi_output=True,
            y_numeric=y_numeric,
            dtype=DTYPES,
            reset=reset,
        )


def _is_plain_X(X: Any) -> bool:
    """Return whether ``validate_data`` would return X unchanged, if its numbers are finite.

    Such an array needs three checks only: the number of features, their names and the numbers. Most
    calls have such arrays. These checks take microseconds, but ``validate_data`` takes longer than
    the prediction of a row.
    """
    return type(X) in _PLAIN and X.ndim == 2 and X.dtype in DTYPES and min(X.shape) > 0


def _is_finite(X: np.ndarray | csr_array | csr_matrix) -> bool:
    """Return whether the sum is finite. If it is not, the numbers may still be finite."""
    values = X if isinstance(X, np.ndarray) else X.data
    with np.errstate(over="ignore", invalid="ignore"):
        return isfinite(np.add.reduce(values, axis=None))


def check_validation_rows(estimator: Any, given: GivenData, dtype: np.dtype) -> Rows | None:
    """Check the validation rows of the user.

    Parameters
    ----------
    estimator : estimator
        It has stored the features of X before.
    given : GivenData
    dtype : dtype
        That of X.

    Returns
    -------
    rows : Rows or None
        None without X_val and y_val.

    Raises
    ------
    ValueError
        If one of X_val and y_val is missing, or if the rows do not fit. The message names the
        argument.
    """
    X_val, y_val, sample_weight_val = given.X_val, given.y_val, given.sample_weight_val
    if X_val is None and y_val is not None:
        raise ValueError("X_val and y_val go together: pass both or neither.")
    if X_val is not None and y_val is None and get_tags(estimator).target_tags.required:
        raise ValueError("X_val and y_val go together: pass both or neither.")
    if X_val is None:
        if sample_weight_val is not None:
            raise ValueError(
                "sample_weight_val has the weights of the rows of X_val and y_val: pass these too."
            )
        return None
    try:
        rows = estimator._check_rows(X_val, y_val, sample_weight_val, reset=False, y_name="y_val")
    except (TypeError, ValueError) as error:
        raise ValueError(_explain(error, estimator, X_val)) from error
    if rows.sample_weight is not None:
        check_row_weights(rows.sample_weight, dtype, "sample_weight_val", "validation")
    if _get_feature_names(X_val) is not None and not hasattr(estimator, "feature_names_in_"):
        warnings.warn(f"X_val has feature names, but X has none. {_PIPELINE}", stacklevel=6)
    return rows


def _explain(error: Exception, estimator: BaseEstimator, X_val: Any) -> str:
    """Return the error of the validation rows, with advice if X_val is the reason."""
    if not _is_like_X(X_val, estimator):
        return f"X_val: {error}\n{_PIPELINE}"
    return f"Validation rows (X_val, y_val, sample_weight_val): {error}"


def _is_like_X(X_val: Any, estimator: BaseEstimator) -> bool:
    """Return whether X_val is an array of numbers with as many features as X."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            X_val = check_array(X_val, accept_sparse="csr", dtype=DTYPES)
        return X_val.shape[1] == estimator.n_features_in_
    except (TypeError, ValueError):
        return False

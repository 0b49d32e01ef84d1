"""Checks of models and rows, and rows in blocks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_metabp._kernels.threads import one_blas_thread
from sklearn_metabp.estimators import BaseBackpropMLP, check_rows, members_of
from sklearn_metabp.targets.class_weights import training_weights

# Number of values of the largest array for a block of rows. Half a megabyte fits the second cache.
_BLOCK_VALUES = 2**16


def check_model(model: Any) -> BaseBackpropMLP:
    """Return the fitted estimator of this package, without ``FrozenEstimator`` around it.

    A frozen model has the attributes of the model inside, so code that only reads attributes can
    use it.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError
        If the model is of another class.
    ValueError
        If the model has several networks.
    """
    while isinstance(model, FrozenEstimator):
        model = model.estimator
    if not isinstance(model, BaseBackpropMLP):
        raise TypeError(
            "model must be a fitted BackpropMLPClassifier or BackpropMLPRegressor, got "
            f"{type(model).__name__}. For a pipeline, pass its last step and the transformed rows: "
            "model=pipe[-1], X=pipe[:-1].transform(X). For a search, pass its best_estimator_."
        )
    check_is_fitted(model)
    layer, extras = model.network_.input_layer, model.layout_.extras
    if len(extras) > (0 if layer is None else len(layer.shapes)):
        raise TypeError(
            "these derivatives need a network that has only weights, biases and an input layer, "
            f"and this {type(model).__name__} also has some of {model.layout_.extras_text}."
        )
    n_members = len(members_of(model))
    if n_members > 1:
        raise ValueError(
            f"model has {n_members} networks, each with parameters of its own: pass one of "
            "model.members_. The derivative of the ensemble by X is the mean of their derivatives."
        )
    return model


def check_has_no_extras(model: Any) -> None:
    """Raise TypeError for a model with parameters beside weights and biases."""
    if model.layout_.extras:
        raise TypeError(
            "second derivatives need a network that has only weights and biases, and this "
            f"{type(model).__name__} also has {model.layout_.extras_text}."
        )


def check_inputs(model: Any, X: Any) -> Any:
    """Return X, dense or CSR, in the network's dtype, and raise as scikit-learn's ``predict``."""
    model = check_model(model)
    with np.errstate(over="ignore", invalid="ignore"):  # the validation sums X to find NaN
        X = validate_data(
            model, X, accept_sparse="csr", dtype=(np.float64, np.float32), reset=False
        )
        return X.astype(model.params_.dtype, copy=False)


def check_patterns(
    model: Any, X: Any, y: Any, sample_weight: Any = None
) -> tuple[Any, Any, np.ndarray | None]:
    """Return X as in :func:`check_inputs`, targets (n_samples, n_outputs), weights (n_samples,).

    The weights are those of training, sample weights times class weights, or None.
    """
    model = check_model(model)
    dtype = model.params_.dtype
    X, y, sample_weight = check_rows(model, X, y, sample_weight, reset=False)
    with np.errstate(over="ignore"):
        X = X.astype(dtype, copy=False)
    model.targets_.check_known(y)
    targets = model.targets_.encode_rows(X, y, dtype)
    n_outputs = model.layout_.layer_sizes[-1]
    if targets.shape[1] != n_outputs:
        raise ValueError(
            f"y has {targets.shape[1]} outputs, but {type(model).__name__} was fitted with "
            f"{n_outputs}."
        )
    weight = training_weights(model.class_weight, sample_weight, model.targets_, y)
    return X, targets, None if weight is None else weight.astype(dtype, copy=False)


def row_blocks(X: Any, n_values: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield slices of rows and these rows of X, dense; a row needs ``n_values`` values."""
    n_samples = X.shape[0]
    size = max(1, _BLOCK_VALUES // n_values)
    for start in range(0, n_samples, size):
        rows = slice(start, min(start + size, n_samples))
        yield rows, X[rows].toarray() if issparse(X) else X[rows]


@contextmanager
def quiet_numbers() -> Iterator[None]:
    """Use one BLAS thread, so that results do not depend on their number, and ignore overflow."""
    with one_blas_thread(), np.errstate(all="ignore"):
        yield

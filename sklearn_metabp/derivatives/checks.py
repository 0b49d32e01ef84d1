"""What the functions here accept, and the rows a block at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from scipy.sparse import issparse
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_metabp._kernels.threads import one_blas_thread
from sklearn_metabp.estimators import _rows
from sklearn_metabp.estimators._base import BaseBackpropMLP
from sklearn_metabp.targets.class_weights import training_weights

# Values of the largest array that a block of rows needs: half a megabyte stays in the second cache.
_BLOCK_VALUES = 2**16


def check_model(model) -> BaseBackpropMLP:
    """The fitted network of ours that the model is, or has been frozen around; raises if it is none.

    A frozen model passes its attributes on, so those who only read them may go on with what they
    were given.
    """
    while isinstance(model, FrozenEstimator):
        model = model.estimator
    if not isinstance(model, BaseBackpropMLP):
        raise TypeError(
            f"model must be a fitted BackpropMLPClassifier or BackpropMLPRegressor, got "
            f"{type(model).__name__}. Of a pipeline pass the last step and what it sees: model=pipe[-1], "
            f"X=pipe[:-1].transform(X); of a search its best_estimator_."
        )
    check_is_fitted(model)
    return model


def check_rows(model, X):
    """X, dense or CSR, of the network's dtype; raises as scikit-learn's ``predict`` does."""
    model = check_model(model)
    with np.errstate(over="ignore", invalid="ignore"):  # it sums X to look for NaN
        X = validate_data(
            model, X, accept_sparse="csr", dtype=(np.float64, np.float32), reset=False
        )
        return X.astype(model.params_.dtype, copy=False)


def check_patterns(model, X, y, sample_weight=None):
    """X as in :func:`check_rows`, targets (n_samples, n_outputs), weights (n_samples,) or None.

    The weights are those of training: sample weights times class weights.
    """
    model = check_model(model)
    dtype = model.params_.dtype
    X, y, sample_weight = _rows.check_rows(model, X, y, sample_weight, reset=False)
    with np.errstate(over="ignore"):
        X = X.astype(dtype, copy=False)
    model.targets_.check_known(y)
    targets = model.targets_.encode(y, dtype)
    n_outputs = model.layout_.layer_sizes[-1]
    if targets.shape[1] != n_outputs:
        raise ValueError(
            f"y has {targets.shape[1]} outputs, but {type(model).__name__} was fitted with {n_outputs}."
        )
    weight = training_weights(model.class_weight, sample_weight, model.targets_, y)
    return X, targets, None if weight is None else weight.astype(dtype, copy=False)


def row_blocks(X, n_values: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Slices of rows, and these rows of X, dense; ``n_values`` is what one row needs."""
    n_samples = X.shape[0]
    size = max(1, _BLOCK_VALUES // n_values)
    for start in range(0, n_samples, size):
        rows = slice(start, min(start + size, n_samples))
        yield rows, X[rows].toarray() if issparse(X) else X[rows]


@contextmanager
def quiet_numbers() -> Iterator[None]:
    """One BLAS thread, so that the bits do not depend on how many there are; overflow says so by inf."""
    with one_blas_thread(), np.errstate(all="ignore"):
        yield

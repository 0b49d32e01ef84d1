"""Many fits on the same rows: the rows are checked once."""

import copy
from collections.abc import Callable, Collection
from typing import Any, TypeVar

import numpy as np
from sklearn import config_context
from sklearn.base import ClassifierMixin, _fit_context

from sklearn_metabp.estimators._base import BaseBackpropMLP
from sklearn_metabp.estimators._parameters import check_batch_size
from sklearn_metabp.estimators._rows import FitData, GivenData, Rows
from sklearn_metabp.targets import ClassTargets, NumberTargets
from sklearn_metabp.training import TrainingState
from sklearn_metabp.update_rules import resolve_update_rule

Estimator = TypeVar("Estimator", bound=BaseBackpropMLP)


def check_data(
    estimator: BaseBackpropMLP,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    X_val: Any = None,
    y_val: Any = None,
    sample_weight_val: Any = None,
) -> FitData:
    """Check parameters and data as ``fit`` does, for :func:`fit_checked`.

    Parameters
    ----------
    estimator : BackpropMLPClassifier or BackpropMLPRegressor
        It is not changed.
    X, y, sample_weight, X_val, y_val, sample_weight_val
        Data as for ``fit``.

    Returns
    -------
    data : FitData
        Valid for estimators of the same class, ``loss`` and ``out_activation``.

    Raises
    ------
    ValueError
        If a parameter or the data do not fit.
    """
    estimator = copy.copy(estimator)  # the checks note the features
    estimator._validate_params()
    given = GivenData(X, y, sample_weight, X_val, y_val, sample_weight_val)
    return estimator._check_data(given, classes=None, continues=False)


def trust_data(
    estimator: BaseBackpropMLP,
    X: np.ndarray,
    y: np.ndarray,
    *,
    X_val: np.ndarray,
    y_val: np.ndarray,
) -> FitData:
    """Return the result of :func:`check_data` without a check, for valid parameters and arrays.

    Parameters
    ----------
    estimator : BackpropMLPClassifier or BackpropMLPRegressor
    X, X_val : ndarray of shape (n_rows, n_features)
        Finite, C-contiguous, both float32 or both float64.
    y, y_val : ndarray of shape (n_rows,), or (n_rows, n_columns) for a regressor
        Integers of a classifier or finite float64 numbers of a regressor.

    Returns
    -------
    data : FitData
    """
    given = GivenData(X, y, None, X_val, y_val)
    output = estimator.out_activation, estimator.loss
    has_classes = isinstance(estimator, ClassifierMixin)
    targets = ClassTargets(y, *output) if has_classes else NumberTargets(*output)
    return FitData(given, Rows(X, y, None), Rows(X_val, y_val, None), targets)


def count_batches(estimator: BaseBackpropMLP, data: FitData) -> int:
    """Return the number of batches of an epoch that goes through all rows to train on.

    Parameters
    ----------
    estimator : BackpropMLPClassifier or BackpropMLPRegressor
    data : FitData

    Returns
    -------
    n_batches : int
    """
    n_rows = data.rows.X.shape[0]
    rule = resolve_update_rule(estimator.update_rule)
    return -(-n_rows // check_batch_size(estimator, n_rows, rule))


def fit_checked(
    estimator: Estimator,
    data: FitData,
    *,
    validation_epochs: Collection[int] | None = None,
    validation_scores: bool = True,
    on_validation: Callable[[np.ndarray, float], None] | None = None,
    resumed: TrainingState | None = None,
    n_epochs: int | None = None,
    warns: bool = True,
) -> Estimator:
    """Fit an estimator to data that were checked before.

    The result is identical to that of ``fit``. The checks of parameters and data are left out,
    because they take most of the time of a tiny fit. With ``warns=False`` the outcome is not
    examined. Names of features are not stored, and ``warm_start`` does not continue an earlier fit.

    Parameters
    ----------
    estimator : BackpropMLPClassifier or BackpropMLPRegressor
        The estimator to fit. The parameters must be valid.
    data : FitData
        From :func:`check_data`, with an estimator of the same class, ``loss`` and
        ``out_activation``.
    validation_epochs : collection of int, default=None
        Numbers, from 1, of the epochs after which to validate. The last epoch must be one of them.
        None means all epochs. The curves have NaN for the others. Only without ``early_stopping``.
    validation_scores : bool, default=True
        If True, compute scores on the validation rows, which may take longer than the losses. If
        False, the score is minus the loss.
    on_validation : callable, default=None
        ``on_validation(params, loss)`` is called after every validation, with the parameters that
        were validated. It must copy the parameters to keep them.
    resumed : TrainingState, default=None
        The state of the same training after an earlier call, to continue. It is changed in place.
        If the state of the rule belongs to another ``state_key``, a fresh one replaces it.
    n_epochs : int, default=None
        The largest number of epochs of this call, which is a part of a training for ``max_iter``
        epochs. None means all remaining epochs. Schedules are those of the whole training.
    warns : bool, default=True
        If True, examine the outcome, and warn if the training did not converge.

    Returns
    -------
    estimator : BackpropMLPClassifier or BackpropMLPRegressor
    """
    with config_context(skip_parameter_validation=True):
        return _fit_in_context(
            estimator,
            data,
            validation_epochs,
            validation_scores,
            on_validation,
            resumed,
            n_epochs,
            warns,
        )


@_fit_context(prefer_skip_nested_validation=True)  # for the callbacks
def _fit_in_context(
    estimator: Estimator,
    data: FitData,
    epochs: Collection[int] | None,
    scores: bool,
    on_validation: Callable[[np.ndarray, float], None] | None,
    resumed: TrainingState | None,
    n_epochs: int | None,
    warns: bool,
) -> Estimator:
    start = estimator._find_start(data, continues=False, incremental=False, resumed=resumed)
    if n_epochs is not None:
        state = start.training.state
        if state.n_planned is None:
            state.n_planned = state.n_steps + start.n_epochs * start.batches.n_batches
        start.n_epochs = min(start.n_epochs, n_epochs)
    if start.validation is not None:
        start.validation = start.validation.for_many_fits(
            epochs, with_scores=scores, on_validation=on_validation
        )
    end = estimator._train(start, incremental=False, examines=warns)
    estimator.n_features_in_ = data.rows.X.shape[1]
    return estimator._become_fitted(start, end)

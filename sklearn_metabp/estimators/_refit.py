"""A second training on all rows, up to the best epoch of the first one."""

import copy
from typing import Any

from sklearn.base import clone

from sklearn_metabp.estimators._base import BaseBackpropMLP
from sklearn_metabp.estimators._checked import Estimator, check_data, fit_checked
from sklearn_metabp.estimators._members import members_of


def refit_on_all_rows(estimator: Estimator, X: Any, y: Any, sample_weight: Any = None) -> Estimator:
    """Train the networks of a fitted estimator again, on all rows.

    Each network trains up to its best epoch. The schedules of the update rule are those of the
    whole training, so the learning rates are those of the same epochs of the first training.
    Probabilities get the temperatures of the first training.

    Parameters
    ----------
    estimator : BackpropMLPClassifier or BackpropMLPRegressor
        It was fitted with ``early_stopping`` or with validation rows, and is not changed.
    X, y, sample_weight
        All rows.

    Returns
    -------
    estimator : BackpropMLPClassifier or BackpropMLPRegressor
        It has no callbacks, and as many networks as the given one.
    """
    members = [_refit(member, X, y, sample_weight) for member in members_of(estimator)]
    if len(members) == 1:
        return members[0]
    ensemble = copy.copy(estimator)
    ensemble._members = members
    ensemble.n_iter_ = max(member.n_iter_ for member in members)
    ensemble.t_ = sum(member.t_ for member in members)
    return ensemble


def _refit(member: BaseBackpropMLP, X: Any, y: Any, sample_weight: Any) -> Any:
    network: Any = clone(member).set_callbacks()
    network.set_params(early_stopping=False, scoring=None, **member._refit_parameters())
    data = check_data(network, X, y, sample_weight)
    return fit_checked(network, data, n_epochs=member.best_epoch_, warns=False)

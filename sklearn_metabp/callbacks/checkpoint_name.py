"""The name of a training: a hash of all that it is computed from."""

from typing import Any

import numpy as np

from sklearn_metabp.callbacks.base import HooksOf
from sklearn_metabp.callbacks.early_stopping import EarlyStopping
from sklearn_metabp.training import TrainingState, constructor_call, fingerprint, returns_something
from sklearn_metabp.training.user_code import PACKAGE, package_release

_FORMAT = "sklearn_metabp checkpoint 2"
# The hooks that can end or change a training by the value they return.
_HOOKS = ("on_epoch_end", "on_fit_task_end", "resume_training")


def training_name(estimator: Any, state: TrainingState, data: Any) -> str:
    """Return the fingerprint of all that a training is computed from.

    It includes the release of this package; the estimator's class and parameters, except those that
    do not change the result, with the code of every rule, schedule, ``init`` function, scorer and
    monitor of the user's; the rows, validation rows and given start; the callbacks that can stop
    the training; and the state that it continues from. It does not include the releases of NumPy
    and scikit-learn.

    Parameters
    ----------
    estimator : estimator
    state : TrainingState
        Before the first epoch.
    data : FitData
        The rows, the validation rows and the given start of the call.

    Returns
    -------
    name : str
    """
    parameters = estimator.get_params(deep=False)
    for name in ("verbose", "n_threads"):  # no part of the result
        parameters.pop(name, None)
    rows, validation_rows = data.rows, data.validation_rows
    given = [
        None if arrays is None else [np.asarray(array) for array in arrays]
        for arrays in (data.given.coef_init, data.given.intercept_init)
    ]
    stoppers = [_identify(callback) for callback in estimator._skl_callbacks if _can_stop(callback)]
    continued = state if state.n_epochs else None
    parts = (type(estimator), parameters, rows, validation_rows, given, stoppers, continued)
    return fingerprint((_FORMAT, package_release(), *parts))


def _identify(callback: Any) -> Any:
    """Return an EarlyStopping itself, and for a user's callback the call of its constructor.

    Values that a user's callback records during a training must not change its name.
    """
    if isinstance(callback, EarlyStopping):
        return callback
    return constructor_call(callback.given if isinstance(callback, HooksOf) else callback)


def _can_stop(callback: Any) -> bool:
    if isinstance(callback, EarlyStopping):
        return True
    hooks = [getattr(callback, name, None) for name in _HOOKS]
    return any(
        _top_level_package(hook) not in ("sklearn", PACKAGE) and returns_something(hook)
        for hook in hooks
        if hook
    )


def _top_level_package(hook: Any) -> str:
    return str(getattr(hook, "__module__", "")).partition(".")[0]

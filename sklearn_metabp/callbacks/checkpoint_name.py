"""The name of a training: what it is computed from, hashed."""

import numpy as np

from sklearn_metabp.callbacks.early_stopping import EarlyStopping
from sklearn_metabp.training import TrainingState, constructor_call, fingerprint, returns_something
from sklearn_metabp.training.user_code import PACKAGE, package_release

_FORMAT = "sklearn_metabp checkpoint 2"
# The hooks that can end or change a training by what they return.
_HOOKS = ("on_epoch_end", "on_fit_task_end", "resume_training")


def training_name(estimator, state: TrainingState, data) -> str:
    """Fingerprint of what a training is computed from.

    That is the release of this package; the estimator's class and parameters, with the code of
    every rule, schedule, start, scorer and monitor of the user's; the rows, validation rows and
    given start; callbacks that can stop the training; and the state that it goes on from. Releases
    of NumPy and scikit-learn are not in it.

    Parameters
    ----------
    estimator : estimator
    state : TrainingState
        Before the first epoch.
    data : FitData
        Of the call: rows, validation rows and the given start.

    Returns
    -------
    name : str
    """
    parameters = estimator.get_params(deep=False)
    parameters.pop("verbose", None)
    rows, validation_rows = data.rows, data.validation_rows
    given = [
        None if arrays is None else [np.asarray(array) for array in arrays]
        for arrays in (data.given.coef_init, data.given.intercept_init)
    ]
    stoppers = [_as_told(callback) for callback in estimator._skl_callbacks if _can_stop(callback)]
    goes_on = state if state.n_epochs else None
    parts = (type(estimator), parameters, rows, validation_rows, given, stoppers, goes_on)
    return fingerprint((_FORMAT, package_release(), *parts))


def _as_told(callback):
    """An EarlyStopping whole, a callback of the user's by its settings: what it notes is not what it is."""
    return callback if isinstance(callback, EarlyStopping) else constructor_call(callback)


def _can_stop(callback) -> bool:
    if isinstance(callback, EarlyStopping):
        return True
    hooks = [getattr(callback, name, None) for name in _HOOKS]
    return any(
        _top_of(hook) not in ("sklearn", PACKAGE) and returns_something(hook)
        for hook in hooks
        if hook
    )


def _top_of(hook) -> str:
    return str(getattr(hook, "__module__", "")).partition(".")[0]

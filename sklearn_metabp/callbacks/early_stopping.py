"""A callback that stops a training when a monitored value no longer improves."""

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from sklearn_metabp.callbacks.base import Callback, check_count
from sklearn_metabp.training import Patience, TrainingState, callable_fingerprint

_MONITORS = ("loss", "validation_loss", "validation_score")


class EarlyStopping(Callback):
    """A callback that stops a training when a monitored value has not improved for some epochs.

    Unlike the ``early_stopping`` of the estimators it can monitor the validation loss, or any
    function of the training's state. It leaves ``tol`` and ``n_iter_no_change`` as they are.

    Parameters
    ----------
    monitor : {"loss", "validation_loss", "validation_score"} or callable, default="validation_loss"
        The value to monitor. Validation needs rows of its own: ``fit(X, y, X_val=, y_val=)``. A
        callable takes the :class:`~sklearn_metabp.training.TrainingState` and the parameters, and
        returns a number; lower is better.
    patience : int, default=10
        The number of successive epochs without improvement that end the training.
    min_delta : float, default=0.0
        A value improves if it is better by more than this.
    restore_best : bool, default=True
        Whether the estimator gets the parameters of the best epoch instead of those of the last.
        They remain the best over ``warm_start`` and ``partial_fit`` as long as the estimator has
        the callback.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or there are no validation rows to monitor.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_metabp import BackpropMLPClassifier, EarlyStopping
    >>> X, y = load_digits(return_X_y=True)
    >>> X, X_val, y, y_val = train_test_split(X / 16, y, random_state=0)
    >>> model = BackpropMLPClassifier(random_state=0).set_callbacks(
    ...     EarlyStopping(patience=5)
    ... )
    >>> model = model.fit(X, y, X_val=X_val, y_val=y_val)
    >>> best_epoch = min(range(model.n_iter_), key=model.validation_loss_curve_.__getitem__)
    >>> model.n_iter_ - 5 == 1 + best_epoch
    True
    """

    def __init__(
        self,
        monitor: str | Callable[[TrainingState, np.ndarray], float] = "validation_loss",
        *,
        patience: int = 10,
        min_delta: float = 0.0,
        restore_best: bool = True,
    ) -> None:
        if not callable(monitor) and monitor not in _MONITORS:
            raise ValueError(
                f"monitor must be one of {list(_MONITORS)} or a callable, got {monitor!r}."
            )
        if not isinstance(restore_best, (bool, np.bool_)):
            raise ValueError(f"restore_best must be True or False, got {restore_best!r}.")
        self.monitor = monitor
        self.patience = check_count("patience", patience)
        self.min_delta = _check_min_delta(min_delta)
        self.restore_best = bool(restore_best)

    def setup(self, estimator: Any, context: Any) -> None:
        """Check that nothing else keeps the best parameters too.

        Raises
        ------
        ValueError
            If the estimator's ``early_stopping`` does, or a callback that monitors another value.
        """
        if self.restore_best and getattr(estimator, "early_stopping", False):
            raise ValueError(
                "early_stopping=True and EarlyStopping(restore_best=True) both say which "
                "parameters to keep: set one of them to False."
            )
        keepers = {callable_fingerprint(c.monitor) for c in _stoppers(estimator) if c.restore_best}
        if self.restore_best and len(keepers) > 1:
            raise ValueError(
                f"{len(keepers)} EarlyStopping(restore_best=True) that watch different things say "
                "which parameters to keep: set restore_best=False for all but one."
            )

    def memory_key(self, estimator: Any) -> str:
        """Return the position among the callbacks of this class, and the monitored value."""
        place = next(n for n, other in enumerate(_stoppers(estimator)) if other is self)
        return f"EarlyStopping {place} of {callable_fingerprint(self.monitor)}"

    def resume_training(
        self, estimator: Any, context: Any, state: TrainingState, data: Any
    ) -> None:
        """Renew patience that has run out before a training continues; keep the best parameters."""
        memory = state.callback_memory.get(self.memory_key(estimator))
        if memory is None:
            return
        memory["patience"].continue_with(self.min_delta, self.patience)
        if self.restore_best:
            state.best_params = memory["best_params"]

    def on_epoch_end(
        self, estimator: Any, context: Any, state: TrainingState, params: np.ndarray
    ) -> bool:
        """Return True if patience has run out."""
        value = self._monitored_value(state, params)
        key = self.memory_key(estimator)
        memory = state.callback_memory.get(key)
        if memory is None or memory["validated_on"] != self._validated_on(state):
            memory = state.callback_memory[key] = self._new_memory(state)
        patience = memory["patience"]
        if self.restore_best and (value < patience.best_loss or memory["best_params"] is None):
            state.best_params = memory["best_params"] = params.copy()
        # An equal value is no improvement here; for Patience with tol=0 it is one.
        if self.min_delta == 0 and value == patience.best_loss:
            value = np.inf
        return patience.update([value])

    def _new_memory(self, state: TrainingState) -> dict[str, Any]:
        patience = Patience(self.min_delta, self.patience)
        return {
            "patience": patience,
            "best_params": None,
            "validated_on": self._validated_on(state),
        }

    def _validated_on(self, state: TrainingState) -> str:
        """Return a key of the validation rows; only values with the same key are compared."""
        return state.validated_on if self.monitor in ("validation_loss", "validation_score") else ""

    def _monitored_value(self, state: TrainingState, params: np.ndarray) -> float:
        if callable(self.monitor):
            return float(self.monitor(state, params))
        if self.monitor == "loss":
            return state.loss_curve[-1]
        if not state.was_validated:
            raise ValueError(
                f"EarlyStopping(monitor={self.monitor!r}) needs rows to validate on: pass X_val "
                "and y_val to fit."
            )
        if self.monitor == "validation_loss":
            return state.validation_loss_curve[-1]
        return -state.validation_scores[-1]

    def __repr__(self) -> str:
        return (
            f"EarlyStopping(monitor={self.monitor!r}, patience={self.patience}, "
            f"min_delta={self.min_delta}, restore_best={self.restore_best})"
        )


def _check_min_delta(value: object) -> float:
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= float(value) < np.inf:
        raise ValueError(f"min_delta must be a finite number of 0 or more, got {value!r}.")
    return float(value)


def _stoppers(estimator: Any) -> list[EarlyStopping]:
    callbacks = getattr(estimator, "_skl_callbacks", None) or []
    return [callback for callback in callbacks if isinstance(callback, EarlyStopping)]

"""Stop when something that is watched no longer gets better."""

from numbers import Integral, Real

import numpy as np

from sklearn_metabp.callbacks.silent import SilentCallback
from sklearn_metabp.training import Patience, TrainingState, callable_fingerprint

_MONITORS = ("loss", "validation_loss", "validation_score")


class EarlyStopping(SilentCallback):
    """Callback that stops a training when what it watches has not improved for some epochs.

    Unlike the estimators' ``early_stopping`` it can watch the validation loss, or anything that can
    be computed from the estimator's state; and ``tol`` and ``n_iter_no_change`` stay as they are.

    Parameters
    ----------
    monitor : {"loss", "validation_loss", "validation_score"} or callable, default="validation_loss"
        What to watch. Those of the validation need rows to validate on: ``fit(X, y, X_val=,
        y_val=)``. A callable takes the :class:`~sklearn_metabp.training.TrainingState` and the
        parameters, and returns a number, lower is better.
    patience : int, default=10
        Epochs without improvement, one after another, that end the training.
    min_delta : float, default=0.0
        An improvement is one by more than this much.
    restore_best : bool, default=True
        Whether the estimator gets the parameters of the best epoch rather than those of the last.
        They stay the best over ``warm_start`` and ``partial_fit`` for as long as the callback is
        there.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or there is no validation to watch.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_metabp import BackpropMLPClassifier, EarlyStopping
    >>> X, y = load_digits(return_X_y=True)
    >>> X, X_val, y, y_val = train_test_split(X / 16, y, random_state=0)
    >>> model = BackpropMLPClassifier(random_state=0).set_callbacks(EarlyStopping(patience=5))
    >>> model = model.fit(X, y, X_val=X_val, y_val=y_val)
    >>> model.n_iter_ - 5 == 1 + min(range(model.n_iter_), key=model.validation_loss_curve_.__getitem__)
    True
    """

    def __init__(self, monitor="validation_loss", *, patience=10, min_delta=0.0, restore_best=True):
        if not callable(monitor) and monitor not in _MONITORS:
            raise ValueError(
                f"monitor must be one of {list(_MONITORS)} or a callable, got {monitor!r}."
            )
        if not isinstance(patience, Integral) or isinstance(patience, bool) or patience < 1:
            raise ValueError(f"patience must be an integer of 1 or more, got {patience!r}.")
        if (
            not isinstance(min_delta, Real)
            or isinstance(min_delta, bool)
            or not 0 <= float(min_delta) < np.inf
        ):
            raise ValueError(f"min_delta must be a finite number of 0 or more, got {min_delta!r}.")
        if not isinstance(restore_best, (bool, np.bool_)):
            raise ValueError(f"restore_best must be True or False, got {restore_best!r}.")
        self.monitor = monitor
        self.patience = int(patience)
        self.min_delta = float(min_delta)
        self.restore_best = bool(restore_best)

    def setup(self, estimator, context):
        """Before a fit.

        Raises
        ------
        ValueError
            If the estimator's ``early_stopping``, or a callback that watches something else, keeps
            the best parameters as well.
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

    def memory_key(self, estimator) -> str:
        """Its place among the callbacks of its kind, and what it watches."""
        place = next(n for n, other in enumerate(_stoppers(estimator)) if other is self)
        return f"EarlyStopping {place} of {callable_fingerprint(self.monitor)}"

    def resume_training(self, estimator, context, state: TrainingState, data) -> None:
        """New patience for a training that goes on after the old has run out; the best parameters stay."""
        memory = state.callback_memory.get(self.memory_key(estimator))
        if memory is None:
            return
        memory["patience"].go_on(self.min_delta, self.patience)
        if self.restore_best:
            state.best_params = memory["best_params"]

    def on_epoch_end(self, estimator, context, state: TrainingState, params: np.ndarray) -> bool:
        """True if patience has run out."""
        watched = self._watched(state, params)
        key = self.memory_key(estimator)
        memory = state.callback_memory.get(key)
        if memory is None or memory["validated_on"] != self._validated_on(state):
            memory = state.callback_memory[key] = self._new_memory(state)
        patience = memory["patience"]
        if self.restore_best and (watched < patience.best_loss or memory["best_params"] is None):
            state.best_params = memory["best_params"] = params.copy()
        # An equal value is no improvement, whatever Patience thinks of tol=0.
        if self.min_delta == 0 and watched == patience.best_loss:
            watched = np.inf
        return patience.update(watched)

    def _new_memory(self, state: TrainingState) -> dict:
        patience = Patience(self.min_delta, self.patience)
        return {
            "patience": patience,
            "best_params": None,
            "validated_on": self._validated_on(state),
        }

    def _validated_on(self, state: TrainingState) -> str:
        """What values to compare belong to; those of a function are taken to be of one kind."""
        return state.validated_on if self.monitor in ("validation_loss", "validation_score") else ""

    def _watched(self, state: TrainingState, params: np.ndarray) -> float:
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


def _stoppers(estimator) -> list[EarlyStopping]:
    callbacks = getattr(estimator, "_skl_callbacks", None) or []
    return [callback for callback in callbacks if isinstance(callback, EarlyStopping)]

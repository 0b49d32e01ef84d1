"""Stop when something that is watched no longer gets better."""

from numbers import Integral, Real

import numpy as np

from sklearn_metabp.callbacks.silent import SilentCallback
from sklearn_metabp.training import Patience, TrainingState

_MONITORS = ("loss", "validation_loss", "validation_score")


class EarlyStopping(SilentCallback):
    """Callback that stops a training when what it watches has not improved for some epochs.

    Unlike the estimators' ``early_stopping`` it can watch the validation loss, or anything that can be
    computed from the estimator's state; and ``tol`` and ``n_iter_no_change`` stay as they are.

    Parameters
    ----------
    monitor : {"loss", "validation_loss", "validation_score"} or callable, default="validation_loss"
        What to watch. Those of the validation need rows to validate on: ``fit(X, y, X_val=, y_val=)``. A
        callable takes the :class:`~sklearn_metabp.training.TrainingState` and the parameters, and
        returns a number, lower is better.
    patience : int, default=10
        Epochs without improvement, one after another, that end the training.
    min_delta : float, default=0.0
        An improvement is one by more than this much.
    restore_best : bool, default=True
        Whether the estimator gets the parameters of the best epoch rather than those of the last.

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
            raise ValueError(f"monitor must be one of {list(_MONITORS)} or a callable, got {monitor!r}.")
        if not isinstance(patience, Integral) or patience < 1:
            raise ValueError(f"patience must be an integer of 1 or more, got {patience!r}.")
        if not isinstance(min_delta, Real) or not float(min_delta) >= 0:
            raise ValueError(f"min_delta must be a number of 0 or more, got {min_delta!r}.")
        self.monitor = monitor
        self.patience = int(patience)
        self.min_delta = float(min_delta)
        self.restore_best = restore_best

    def setup(self, estimator, context):
        """Before a fit.

        Raises
        ------
        ValueError
            If the estimator's ``early_stopping`` keeps the best parameters as well.
        """
        if self.restore_best and getattr(estimator, "early_stopping", False):
            raise ValueError(
                "early_stopping=True and EarlyStopping(restore_best=True) both say which parameters to keep: "
                "set one of them to False."
            )

    def resume_training(self, estimator, context, state: TrainingState, data) -> None:
        """New patience for a training that goes on after the old has run out."""
        patience = state.callback_memory.get(self._name)
        if patience is not None:
            patience.go_on(self.min_delta, self.patience)

    def on_epoch_end(self, estimator, context, state: TrainingState, params: np.ndarray) -> bool:
        """True if patience has run out."""
        watched = self._watched(state, params)
        patience = state.callback_memory.setdefault(self._name, Patience(self.min_delta, self.patience))
        if self.restore_best and (watched < patience.best_loss or state.best_params is None):
            state.best_params = params.copy()
        # An equal value is no improvement, whatever Patience thinks of tol=0.
        if self.min_delta == 0 and watched == patience.best_loss:
            watched = np.inf
        return patience.is_exhausted(watched)

    @property
    def _name(self) -> str:
        return f"EarlyStopping of {getattr(self.monitor, '__name__', self.monitor)}"

    def _watched(self, state: TrainingState, params: np.ndarray) -> float:
        if callable(self.monitor):
            return float(self.monitor(state, params))
        if self.monitor == "loss":
            return state.loss_curve[-1]
        if not state.validation_scores:
            raise ValueError(
                f"EarlyStopping(monitor={self.monitor!r}) needs rows to validate on: pass X_val and y_val to "
                f"fit."
            )
        if self.monitor == "validation_loss":
            return state.validation_loss_curve[-1]
        return -state.validation_scores[-1]

    def __repr__(self) -> str:
        return (
            f"EarlyStopping(monitor={self.monitor!r}, patience={self.patience}, min_delta={self.min_delta}, "
            f"restore_best={self.restore_best})"
        )

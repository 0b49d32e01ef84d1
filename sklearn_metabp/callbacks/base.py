"""The base of callbacks, and the rules for objects that are callbacks without it."""

from collections.abc import Callable
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from sklearn_metabp.did_you_mean import did_you_mean
from sklearn_metabp.network import Step
from sklearn_metabp.training import Replay, TrainingState

if TYPE_CHECKING:
    from sklearn.callback import CallbackContext


class Callback:
    """Base class of callbacks: every hook is there and does nothing.

    A callback is an object that an estimator calls during its training. Write a subclass with the
    hooks that you need, and give an instance to ``set_callbacks``. Hooks that a class leaves as
    they are here are not called and cost nothing.

    The hooks of a ``fit`` are called in this order: ``setup``, ``on_fit_task_begin`` for the fit,
    ``resume_training``, ``on_training_begin``, then for every epoch ``on_fit_task_begin``,
    ``on_step_end`` for its steps, ``on_epoch_end``, ``on_fit_task_end`` and ``save_training``. At
    the end come ``on_training_end``, ``save_training``, ``on_fit_task_end`` for the fit, and
    ``teardown``. An exception in a hook ends the fit and reaches the caller.

    Attributes
    ----------
    skips_epochs : bool
        True if the callback needs neither ``on_epoch_end`` nor the other hooks of an epoch. If all
        callbacks of an estimator skip epochs, these hooks are not called, which saves some 50
        microseconds per epoch. It is False unless a class sets it.

    See Also
    --------
    EarlyStopping : Stops a training by a value of its epochs.
    HistoryLogger : Keeps a table of epochs.

    Examples
    --------
    This callback keeps the largest gradient of every step:

    >>> from sklearn.datasets import load_iris
    >>> from sklearn_metabp import BackpropMLPClassifier, Callback
    >>> class LargestGradients(Callback):
    ...     def __init__(self):
    ...         self.values = []
    ...
    ...     def on_step_end(self, estimator, context, step):
    ...         self.values.append(float(abs(step.gradients).max()))
    >>> X, y = load_iris(return_X_y=True)
    >>> gradients = LargestGradients()
    >>> model = BackpropMLPClassifier((8,), batch_size=50, tol=0.01, random_state=0)
    >>> model = model.set_callbacks(gradients).fit(X - X.mean(axis=0), y)
    >>> len(gradients.values) / model.n_iter_  # steps of an epoch
    3.0
    """

    skips_epochs: bool = False

    def setup(self, estimator: Any, context: "CallbackContext") -> None:
        """Prepare for a fit.

        Called first in every ``fit`` and ``partial_fit``, before the data are trained on.

        Parameters
        ----------
        estimator : estimator
            The estimator that is fitted. It has the parameters, and not yet the fitted attributes
            of this fit.
        context : sklearn.callback.CallbackContext
            Task of the fit. ``context.task_name`` is ``"fit"`` or ``"partial_fit"``, and
            ``context.parent`` the task of a search or a pipeline around it, or None.
        """

    def on_fit_task_begin(self, estimator: Any, context: "CallbackContext") -> None:
        """React before a fit and before each of its epochs, as in scikit-learn.

        Parameters
        ----------
        estimator : estimator
            The estimator that is fitted.
        context : sklearn.callback.CallbackContext
            Task that begins. ``context.task_name`` is ``"epoch"`` for an epoch, and
            ``context.task_id`` is its number from 0.

        Notes
        -----
        A hook may also name any of the keyword-only arguments ``X``, ``y`` and ``metadata`` of
        scikit-learn, and gets the data of the fit: ``def on_fit_task_begin(self, estimator,
        context, *, X)``.
        """

    def on_fit_task_end(self, estimator: Any, context: "CallbackContext") -> bool | None:
        """React after each epoch and after a fit, as in scikit-learn.

        Parameters
        ----------
        estimator : estimator
            The estimator that is fitted.
        context : sklearn.callback.CallbackContext
            Task that ends.

        Returns
        -------
        stop : bool or None
            True at the end of an epoch ends the training.

        Notes
        -----
        A hook may also name any of the keyword-only arguments ``X``, ``y``, ``metadata`` and
        ``fitted_estimator`` of scikit-learn. ``fitted_estimator`` is an estimator that predicts as
        if the training ended here.
        """

    def resume_training(
        self, estimator: Any, context: "CallbackContext", state: TrainingState, data: Any
    ) -> tuple[TrainingState, bool | None] | None:
        """Take notice of the start of a training, or replace it by a later state.

        Called once in a fit, before the validation rows are set aside.

        Parameters
        ----------
        estimator : estimator
            The estimator that is fitted.
        context : sklearn.callback.CallbackContext
            Task of the fit.
        state : TrainingState
            State that the training starts from: ``state.n_epochs`` is 0 unless an earlier fit is
            continued. ``state.callback_memory`` is a dict for data of callbacks that belong to
            this training; see :meth:`memory_key`.
        data : FitData
            Rows of the fit: ``data.rows.X``, ``data.rows.y``, ``data.rows.sample_weight``, and
            ``data.validation_rows``, which is None without ``X_val``.

        Returns
        -------
        resumed : (TrainingState, bool or None) or None
            State to continue from, and whether the training had been stopped there (None: it
            continues). None leaves the start as it is. The first callback that returns a state
            decides.
        """

    def on_training_begin(self, estimator: Any, context: "CallbackContext", replay: Replay) -> None:
        """React before the first epoch of an update rule that is replayable.

        Parameters
        ----------
        estimator : estimator
            The estimator that is fitted.
        context : sklearn.callback.CallbackContext
            Task of the fit.
        replay : Replay
            Everything that the training is computed from, to compute its steps again. It is valid
            until the training begins; ``replay.kept()`` remains valid.
        """

    def next_step(self, estimator: Any, index: int) -> float:
        """Return the number of the next step that :meth:`on_step_end` is called for.

        Steps between run as fast as without a callback. A class without this hook gets every step.

        Parameters
        ----------
        estimator : estimator
            The estimator that is fitted.
        index : int
            Number of the step that comes next, from 1.

        Returns
        -------
        number : int or inf
            This number or a larger one; infinite for no further step.
        """
        return index

    def on_step_end(self, estimator: Any, context: "CallbackContext", step: Step) -> None:
        """React after a step.

        Parameters
        ----------
        estimator : estimator
            The estimator that is fitted.
        context : sklearn.callback.CallbackContext
            Task of the epoch, or of the fit if all callbacks skip epochs.
        step : Step
            Values of the step: parameters before the update, activations, deltas, gradients,
            updates, loss and its number. The arrays are read-only, and the next step fills them
            again: copy what you keep.
        """

    def on_epoch_end(
        self,
        estimator: Any,
        context: "CallbackContext",
        state: TrainingState,
        params: np.ndarray,
    ) -> bool | None:
        """React after an epoch, or after an iteration of a rule that searches along lines.

        Parameters
        ----------
        estimator : estimator
            The estimator that is fitted.
        context : sklearn.callback.CallbackContext
            Task of the epoch; ``context.parent`` is that of the fit.
        state : TrainingState
            Training so far: ``state.n_epochs``, ``state.n_steps``, ``state.loss_curve``, and, if
            ``state.was_validated``, ``state.validation_scores`` and
            ``state.validation_loss_curve``. The last item of a curve is that of this epoch.
        params : ndarray of shape (n_params,)
            Parameters that the estimator would have if the training ended here. Copy them to keep
            them.

        Returns
        -------
        stop : bool or None
            True ends the training.
        """

    def on_training_end(self, estimator: Any, context: "CallbackContext", n_steps: int) -> None:
        """React after the last step, however the training ended.

        Parameters
        ----------
        estimator : estimator
            The estimator that is fitted.
        context : sklearn.callback.CallbackContext
            Task of the fit.
        n_steps : int
            Number of the last step.
        """

    def save_training(
        self,
        estimator: Any,
        context: "CallbackContext",
        state: TrainingState,
        stopped: bool,
        *,
        finished: bool,
    ) -> None:
        """Save what is needed to resume the training; called after every epoch and at the end.

        Parameters
        ----------
        estimator : estimator
            The estimator that is fitted. If ``finished``, it has its fitted attributes.
        context : sklearn.callback.CallbackContext
            Task of the epoch, or of the fit if ``finished``.
        state : TrainingState
            Training so far.
        stopped : bool
            True if patience, convergence or a callback has ended the training.
        finished : bool
            True for the last call of a fit. It does not come after Ctrl-C.
        """

    def memory_key(self, estimator: Any) -> str | None:
        """Return the key under which the callback keeps data in ``state.callback_memory``.

        These data belong to the training and are saved with it. Keys that no callback returns are
        dropped when a fit begins.

        Parameters
        ----------
        estimator : estimator
            The estimator that is fitted.

        Returns
        -------
        key : str or None
            None for a callback without such data.
        """
        return None

    def teardown(self, estimator: Any, context: "CallbackContext") -> None:
        """Clean up after a fit. It is the last call of a fit, also of one that raised an error.

        Parameters
        ----------
        estimator : estimator
            The estimator that was fitted.
        context : sklearn.callback.CallbackContext
            Task of the fit.
        """


# The hooks in the order of a fit, with the attribute that belongs to them.
HOOKS = tuple(name for name in vars(Callback) if not name.startswith("_"))


class HooksOf(Callback):
    """An object that has some hooks and no base class, as a callback with all of them.

    Parameters
    ----------
    given : object
        The object whose hooks are called.
    """

    def __init__(self, given: Any) -> None:
        self.given = given
        for name in HOOKS:
            if hasattr(given, name):
                setattr(self, name, getattr(given, name))

    def __repr__(self) -> str:
        return repr(self.given)


def as_callback(given: Any) -> Any:
    """Return an object of a user as a callback with all hooks of scikit-learn's protocol.

    Parameters
    ----------
    given : object
        A :class:`Callback`, a callback of scikit-learn, or an object with one hook or more.

    Returns
    -------
    callback : object
        The object itself where it has the hooks of the protocol.

    Raises
    ------
    TypeError
        If it is a class, or has none of the hooks.
    """
    if isinstance(given, type):
        raise TypeError(
            f"A callback is an object, and {given.__name__} is a class: add parentheses, as in "
            f"set_callbacks({given.__name__}())."
        )
    if isinstance(given, (list, tuple, set)):
        raise TypeError(
            f"Callbacks are arguments of their own, got a {type(given).__name__} of them: "
            "set_callbacks(*callbacks)."
        )
    protocol = ("setup", "on_fit_task_begin", "on_fit_task_end", "teardown")
    if all(callable(getattr(given, name, None)) for name in protocol):
        return given
    if any(callable(getattr(given, name, None)) for name in HOOKS):
        return HooksOf(given)
    guess = ""
    for name in dir(given):
        if not name.startswith("_"):
            guess = guess or did_you_mean(name, HOOKS)
    raise TypeError(
        f"{given!r} is no callback: it has no hook.{guess} Inherit from "
        "sklearn_metabp.Callback and write one of its hooks, such as "
        "on_epoch_end(self, estimator, context, state, params)."
    )


def hook_of(callback: Any, name: str) -> Callable | None:
    """Return a hook of a callback, or None if it has none or the empty one of the base class."""
    hook = getattr(callback, name, None)
    if getattr(hook, "__func__", hook) is getattr(Callback, name):
        return None
    return hook


def check_count(name: str, value: object, least: int = 1) -> int:
    """Return a parameter as an int; raise ValueError unless it is at least ``least``."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be an integer of {least} or more, got {value!r}.")
    return int(value)

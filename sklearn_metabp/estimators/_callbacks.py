"""The one file that uses scikit-learn's callback API, which is experimental."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from sklearn import callback
from sklearn.callback import AutoPropagatedCallback

from sklearn_metabp.callbacks.base import as_callback, hook_of
from sklearn_metabp.estimators._rows import FitData
from sklearn_metabp.network import Step
from sklearn_metabp.training import Replay, TrainingState

__all__ = [
    "CallbackListener",
    "CallbackSupportMixin",
    "IterationListener",
    "MembersListener",
    "drop_removed_callbacks",
    "lend_callbacks",
    "open_listener",
]


def open_listener(
    estimator: Any,
    task_name: str,
    max_epochs: int,
    data: FitData,
    fitted_attributes: Callable[[], dict[str, Any]],
) -> "CallbackListener | None":
    """Begin the estimator's root task. Return a listener for its callbacks, or None without any.

    Parameters
    ----------
    estimator : estimator
        ``_fit_context`` decorates its ``fit`` and tears the callbacks down.
    task_name : str
        Name of the root task. Epochs are its leaves.
    max_epochs : int
    data : FitData
        Callbacks receive X and sample_weight as the user gave them, and the checked y.
    fitted_attributes : callable
        Returns the attributes that make a copy of the estimator ready to predict.
    """
    has_callbacks = bool(getattr(estimator, "_skl_callbacks", None))
    if not has_callbacks and not hasattr(estimator, "_parent_callback_ctx"):
        return None  # no callback receives the task, and drawing its name takes microseconds
    root = estimator._init_callback_context(task_name=task_name, max_subtasks=max_epochs)
    if not has_callbacks:
        return None
    sample_weight = data.given.sample_weight
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    known = {"estimator": estimator, "X": data.given.X, "y": data.rows.y, "metadata": metadata}
    return CallbackListener(root, known, fitted_attributes)


def drop_removed_callbacks(estimator: Any, state: TrainingState) -> None:
    """Drop the data that a state keeps for callbacks that the estimator no longer has."""
    if state.callback_memory:
        callbacks = getattr(estimator, "_skl_callbacks", None) or []
        hooks = (hook_of(callback, "memory_key") for callback in callbacks)
        present = {hook(estimator) for hook in hooks if hook is not None}
        memory = state.callback_memory
        state.callback_memory = {key: value for key, value in memory.items() if key in present}


@contextmanager
def lend_callbacks(owner: Any, network: Any) -> Iterator[None]:
    """Let a network call the callbacks of the estimator that contains it, in place of its owner.

    In a search or a pipeline around the owner, the tasks of the network replace those of the owner.

    Parameters
    ----------
    owner : estimator
        It has the callbacks, and no tasks.
    network : estimator
        It has no callbacks before and after.
    """
    network.set_callbacks(*getattr(owner, "_skl_callbacks", ()))
    context = getattr(owner, "_parent_callback_ctx", None)
    if context is not None:
        network._parent_callback_ctx = context
    try:
        yield
    finally:
        network.set_callbacks()
        vars(network).pop("_parent_callback_ctx", None)


class CallbackSupportMixin(callback.CallbackSupportMixin):
    """scikit-learn's mixin, for callbacks with some of the hooks, and with smaller pickles."""

    def set_callbacks(self, *callbacks: Any) -> Self:
        """Set the callbacks that the next trainings call.

        Parameters
        ----------
        *callbacks : Callback or object with one hook or more
            Callbacks of this package, of scikit-learn, or your own; see :class:`Callback`. No
            argument removes all callbacks.

        Returns
        -------
        self : estimator

        Raises
        ------
        TypeError
            If a callback is a class in place of an object, or has no hook.
        """
        # A callback that is given twice is called once.
        once = {id(callback): as_callback(callback) for callback in callbacks}
        return super().set_callbacks(*once.values())

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        callbacks = state.get("_skl_callbacks")
        # Recordings of callbacks do not belong to an estimator that is not fitted, and a search
        # pickles one for every fit in a worker process.
        if callbacks and not self.__sklearn_is_fitted__():
            state = state | {
                "_skl_callbacks": [c.emptied() if hasattr(c, "emptied") else c for c in callbacks]
            }
        return state


class CallbackListener:
    """A listener that passes the events of a training on to scikit-learn's callbacks.

    Besides scikit-learn's hooks it calls those of :class:`~sklearn_metabp.Callback`, on the
    callbacks that define them. Steps have no contexts of their own, because contexts are never
    freed. Steps that no callback receives run in C.
    """

    def __init__(self, root: Any, known: dict[str, Any], fitted_attributes: Callable[[], dict]):
        self._root, self._known, self._fitted_attributes = root, known, fitted_attributes
        self._estimator = known["estimator"]
        self._callbacks = list(self._estimator._skl_callbacks)
        self._epoch: Any = root
        self._step_hooks = [
            (hook, hook_of(callback, "next_step") or _every_step)
            for callback in self._callbacks
            if (hook := hook_of(callback, "on_step_end")) is not None
        ]
        self._due: list[float] = []  # the next step of every hook
        self._start_hooks = self._hooks("on_training_begin")
        self._end_hooks = self._hooks("on_training_end")
        self._epoch_hooks = self._hooks("on_epoch_end")
        self._save_hooks = self._hooks("save_training")
        self.wants_steps = bool(self._step_hooks)
        self.wants_start = bool(self._start_hooks)
        self.wants_epochs = not all(getattr(c, "skips_epochs", False) for c in self._callbacks)
        self._root.call_on_fit_task_begin(**self._known)

    def _hooks(self, name: str) -> list[Callable]:
        hooks = (hook_of(callback, name) for callback in self._callbacks)
        return [hook for hook in hooks if hook is not None]

    def training_starts(
        self, state: TrainingState, data: FitData
    ) -> tuple[TrainingState, bool | None]:
        """Return the state to start from, and whether the training was stopped in this state.

        The second is None if there is something left to train.
        """
        for hook in self._hooks("resume_training"):
            resumed = hook(self._estimator, self._root, state, data)
            if resumed is not None:
                return resumed
        return state, None

    def training_begins(self, replay: Replay) -> None:
        """Call every hook for the start of a training."""
        for hook in self._start_hooks:
            hook(self._estimator, self._root, replay)

    def training_ends(self, n_steps: int) -> None:
        """Call every hook for the end of a training."""
        for hook in self._end_hooks:
            hook(self._estimator, self._root, n_steps)

    def epoch_begins(self) -> None:
        """Open the epoch's task."""
        self._epoch = self._root.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._known)

    def next_step(self, index: int) -> float:
        """Return the number of the next step that a callback receives: this one or a later one."""
        self._due = [next_step(self._estimator, index) for _, next_step in self._step_hooks]
        return min(self._due)

    def step_ends(self, step: Step) -> None:
        """Call the hooks of the callbacks that receive this step."""
        for (hook, _), due in zip(self._step_hooks, self._due, strict=True):
            if due == step.index:
                hook(self._estimator, self._epoch, step)

    def epoch_ends(self, state: TrainingState, params: np.ndarray, stopped: bool) -> bool:
        """Close the epoch's task. Return True if the training or a callback stops."""
        for hook in self._epoch_hooks:
            stopped |= bool(hook(self._estimator, self._epoch, state, params))
        stopped |= bool(
            self._epoch.call_on_fit_task_end(
                **self._known, reconstruction_attributes=self._fitted_attributes
            )
        )
        for hook in self._save_hooks:
            hook(self._estimator, self._epoch, state, stopped, finished=False)
        return stopped

    def fit_ends(self, state: TrainingState, stopped: bool, interrupted: bool) -> None:
        """Close the root task."""
        for hook in () if interrupted else self._save_hooks:
            hook(self._estimator, self._root, state, stopped, finished=True)
        self._root.call_on_fit_task_end(
            **self._known, reconstruction_attributes=self._fitted_attributes
        )


class MembersListener:
    """The tasks of the members of an ensemble, within the task of its fit.

    Callbacks that scikit-learn propagates into sub-estimators, such as its progress bar, receive
    the fit and its members. All other callbacks receive the training of every member as a fit.

    Parameters
    ----------
    estimator : estimator
        ``_fit_context`` decorates its ``fit`` and tears the callbacks down.
    task_name : str
    members : sequence of estimators
        They have the callbacks of the estimator.
    data : FitData
    """

    def __init__(self, estimator: Any, task_name: str, members: Sequence[Any], data: FitData):
        self._root: Any = None
        callbacks = getattr(estimator, "_skl_callbacks", [])
        if not callbacks and not hasattr(estimator, "_parent_callback_ctx"):
            return
        weight = data.given.sample_weight
        metadata = None if weight is None else {"sample_weight": weight}
        self._known = {
            "estimator": estimator,
            "X": data.given.X,
            "y": data.rows.y,
            "metadata": metadata,
        }
        try:
            estimator.set_callbacks(*(c for c in callbacks if _is_propagated(c)))
            self._root = estimator._init_callback_context(task_name, max_subtasks=len(members))
        finally:
            estimator.set_callbacks(*callbacks)
        for member in members:
            member.set_callbacks(*(c for c in callbacks if not _is_propagated(c)))
        self._root.call_on_fit_task_begin(**self._known)

    @contextmanager
    def task_of(self, member: Any) -> Iterator[None]:
        """Return a context for the training of the next member."""
        if self._root is None:
            yield
            return
        task = self._root.subcontext(task_name="member")
        with task.propagate_callback_context(member):
            task.call_on_fit_task_begin(**self._known)
            yield
            task.call_on_fit_task_end(**self._known)

    @property
    def is_heard(self) -> bool:
        """True if a callback receives the tasks."""
        return self._root is not None

    def fit_ends(self) -> None:
        """Close the root task."""
        if self._root is not None:
            self._root.call_on_fit_task_end(**self._known)


def _is_propagated(one: Any) -> bool:
    """Return whether scikit-learn propagates a callback into sub-estimators."""
    return isinstance(one, AutoPropagatedCallback)


def _every_step(estimator: Any, index: int) -> int:
    """Return the number of the next step of a callback that receives every step."""
    return index


class IterationListener:
    """A listener that passes the iterations of a search on to the callbacks of the estimator.

    Parameters
    ----------
    estimator : estimator
        ``_fit_context`` decorates its ``fit`` and tears the callbacks down.
    n_iterations : int
    fitted_attributes : callable
        Returns the attributes that make a copy of the estimator fitted, in its present state.
    """

    def __init__(
        self, estimator: Any, n_iterations: int, fitted_attributes: Callable[[], dict[str, Any]]
    ):
        self._root = estimator._init_callback_context(task_name="fit", max_subtasks=n_iterations)
        self._is_heard = bool(getattr(estimator, "_skl_callbacks", None))
        self._known = {"estimator": estimator, "X": None, "y": None, "metadata": None}
        self._fitted_attributes = fitted_attributes
        self._iteration: Any = None
        if self._is_heard:
            self._root.call_on_fit_task_begin(**self._known)

    def iteration_begins(self) -> None:
        """Open the iteration's task."""
        if self._is_heard:
            self._iteration = self._root.subcontext(task_name="iteration")
            self._iteration.call_on_fit_task_begin(**self._known)

    def iteration_ends(self) -> bool:
        """Close the iteration's task. Return True if a callback ends the search."""
        return self._is_heard and self._end(self._iteration)

    def search_ends(self) -> None:
        """Close the root task."""
        if self._is_heard:
            self._end(self._root)

    def _end(self, context: Any) -> bool:
        return bool(
            context.call_on_fit_task_end(
                **self._known, reconstruction_attributes=self._fitted_attributes
            )
        )

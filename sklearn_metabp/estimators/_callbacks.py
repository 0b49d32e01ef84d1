"""All that touches scikit-learn's callback API, which is experimental: one place to mend."""

from collections.abc import Callable
from typing import Any

from sklearn.callback import CallbackSupportMixin

from sklearn_metabp.network import Step
from sklearn_metabp.training import Replay

__all__ = ["CallbackListener", "CallbackSupportMixin", "open_listener"]


def open_listener(
    estimator, task_name: str, max_epochs: int, X, y, sample_weight, fitted_attributes: Callable[[], dict]
) -> "CallbackListener | None":
    """Begin the estimator's root task and tell its callbacks; None where nobody listens.

    Parameters
    ----------
    estimator : estimator
        Its fit is decorated by ``_fit_context``, which tears the callbacks down.
    task_name : str
        Name of the root task; epochs are its leaves.
    max_epochs : int
    X, y, sample_weight : array-like
        The training data as the user gave them.
    fitted_attributes : callable
        Returns the attributes that make a copy of the estimator ready to predict.
    """
    root = estimator._init_callback_context(task_name=task_name, max_subtasks=max_epochs)
    if not getattr(estimator, "_skl_callbacks", None):
        return None
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    known = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
    return CallbackListener(root, known, fitted_attributes)


class CallbackListener:
    """Passes what a training reports on to scikit-learn's callbacks; see ``training.Listener``.

    A step is finer than that API goes: every context stays in a tree. So ``on_step_end(estimator,
    context, step)`` is a hook of ours, called on the callbacks that define it, with the context of
    the epoch; and so is ``on_training_begin(estimator, context, replay)``, with that of the fit.
    """

    def __init__(self, root, known: dict[str, Any], fitted_attributes: Callable[[], dict]):
        self._root, self._known, self._fitted_attributes = root, known, fitted_attributes
        self._estimator = known["estimator"]
        self._epoch: Any = None
        callbacks = self._estimator._skl_callbacks
        self._step_hooks = [c.on_step_end for c in callbacks if hasattr(c, "on_step_end")]
        self.wants_steps = bool(self._step_hooks)
        self._start_hooks = [c.on_training_begin for c in callbacks if hasattr(c, "on_training_begin")]
        self.wants_start = bool(self._start_hooks)
        self._root.call_on_fit_task_begin(**self._known)

    def training_begins(self, replay: Replay) -> None:
        """Call every hook for the start of a training."""
        for hook in self._start_hooks:
            hook(self._estimator, self._root, replay)

    def epoch_begins(self) -> None:
        """Open the epoch's task."""
        self._epoch = self._root.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._known)

    def step_ends(self, step: Step) -> None:
        """Call every hook for steps."""
        for hook in self._step_hooks:
            hook(self._estimator, self._epoch, step)

    def epoch_ends(self) -> bool:
        """Close the epoch's task; True if a callback wants to stop."""
        return self._epoch.call_on_fit_task_end(
            **self._known, reconstruction_attributes=self._fitted_attributes
        )

    def fit_ends(self) -> None:
        """Close the root task."""
        self._root.call_on_fit_task_end(**self._known, reconstruction_attributes=self._fitted_attributes)

"""The base of callbacks that send the numbers of trainings to a tracking tool."""

import sys
from abc import ABC, abstractmethod
from math import isfinite
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from sklearn_metabp.callbacks.base import Callback, check_count
from sklearn_metabp.network import Step
from sklearn_metabp.training import TrainingState


class _Course:
    """The run of an estimator's training, and the last numbers that were sent to it."""

    def __init__(self, run: Any) -> None:
        self.run, self.n_epochs, self.n_steps = run, 0, 0


class RunLogger(Callback, ABC):
    """A callback that opens a run of a tracking tool for every training.

    A ``partial_fit``, or a ``fit`` with ``warm_start``, that continues a training continues its run
    too, as long as the estimator and the callback are the same objects.

    Parameters
    ----------
    every : int or None
        Send numbers of one step in so many; None for none.
    """

    def __init__(self, every: int | None) -> None:
        self.every = None if every is None else check_count("every", every)
        self._courses: WeakKeyDictionary[Any, _Course] = WeakKeyDictionary()

    @abstractmethod
    def open_run(self, estimator: Any, context: Any) -> Any:
        """Return a new run for the training of an estimator, of a type of the subclass."""

    @abstractmethod
    def write(self, run: Any, numbers: dict[str, float], position: int) -> None:
        """Send numbers by name, with the number of their epoch or step."""

    @abstractmethod
    def end_fit(self, run: Any, *, continues: bool, failed: bool) -> None:
        """Send what is left at the end of a fit; ``continues`` if further calls are likely."""

    def next_step(self, estimator: Any, index: int) -> float:
        """Return the number of the next step to send: 1, 1 + every and so on."""
        return np.inf if self.every is None else index + (1 - index) % self.every

    def on_step_end(self, estimator: Any, context: Any, step: Step) -> None:
        """Send the loss of the step, and the norms of the gradient and the update by tensor."""
        course = self._courses.get(estimator)
        if course is None or step.index <= course.n_steps:
            course = self._begin(estimator, context)
        course.n_steps = step.index
        numbers = {"step_loss": float(step.loss)}
        for tensor in step.layout.tensors:
            name = tensor.name.replace("[", "").replace("]", "")  # not all tools allow brackets
            for kind, values in (("gradient", step.gradients), ("update", step.updates)):
                numbers[f"{kind}_norm/{name}"] = float(np.linalg.norm(values[tensor.slice]))
        self._write_finite(course.run, numbers, step.index)

    def on_epoch_end(
        self, estimator: Any, context: Any, state: TrainingState, params: np.ndarray
    ) -> None:
        """Send the loss of the epoch, and its loss and score on validation rows."""
        course = self._courses.get(estimator)
        if course is None or state.n_epochs <= course.n_epochs:
            course = self._begin(estimator, context)
        course.n_epochs, course.n_steps = state.n_epochs, state.n_steps
        numbers = {"loss": state.loss_curve[-1]}
        if state.was_validated:
            numbers["validation_loss"] = state.validation_loss_curve[-1]
            numbers["validation_score"] = state.validation_scores[-1]
        self._write_finite(course.run, numbers, state.n_epochs)

    def _write_finite(self, run: Any, numbers: dict[str, float], position: int) -> None:
        """Send the finite numbers; an epoch that was not validated has NaN."""
        finite = {name: float(number) for name, number in numbers.items() if isfinite(number)}
        self.write(run, finite, position)

    def _begin(self, estimator: Any, context: Any) -> _Course:
        root = context.parent if context.task_name == "epoch" else context
        course = self._courses[estimator] = _Course(self.open_run(estimator, root))
        return course

    def teardown(self, estimator: Any, context: Any) -> None:
        """Send what is left, also after an error."""
        course = self._courses.get(estimator)
        if course is not None:
            self.end_fit(
                course.run,
                continues=context.task_name == "partial_fit",
                failed=sys.exception() is not None,
            )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_courses"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _courses=WeakKeyDictionary())

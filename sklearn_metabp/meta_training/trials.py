"""Trials: rollouts that differ in their rules alone."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone

from sklearn_metabp.callbacks.base import Callback
from sklearn_metabp.meta_training.objectives import Objective, bounded_value, n_sound_epochs
from sklearn_metabp.meta_training.rollout import name_rollout_in_errors, rollout, rollout_part
from sklearn_metabp.meta_training.tasks import Task
from sklearn_metabp.network import ParameterLayout
from sklearn_metabp.training import TrainingState


class Judgement(NamedTuple):
    """The result of one rollout of a trial.

    Attributes
    ----------
    value : float
        Value of the objective; finite and bounded.
    n_steps : int
    has_failed : bool
    state : ndarray of shape (n_params,) or None
        Parameters of the network before the failure; None where the rollout did not fail, or failed
        at its start.
    left_off : TrainingState or None
        The state to continue the training from; None where it has ended.
    """

    value: float
    n_steps: int
    has_failed: bool
    state: np.ndarray | None
    left_off: TrainingState | None = None


@dataclass(frozen=True, kw_only=True)
class Trial(ABC):
    """Rollouts by several rules on the same task, from the same start and with the same batches.

    A trial contains all its inputs, so any process can run it.

    Attributes
    ----------
    index : int
        Number of the task.
    seed : int
        Seed of the starts and of the batches.
    make_task : callable
        Returns the task.
    rules : tuple of UpdateRule
        One for every rollout.
    objective : Objective
    start : ndarray of shape (n_params,) or None
        Parameters of the network to start from; None for new ones.
    """

    index: int
    seed: int
    make_task: Callable[[], Task]
    rules: tuple[Any, ...]
    objective: Objective
    start: np.ndarray | None = None

    def run(self) -> tuple[Judgement, ...]:
        """Train a network by every rule."""
        with name_rollout_in_errors(self.index, 0):
            task = self.make_task()
            if self.objective.needs_validation and task.X_val is None:
                raise ValueError(
                    f"task {self.index} has no validation rows, and the objective needs them: give "
                    "the tasks X_val and y_val, or choose another objective, such as 'fit'."
                )
            if self.objective.needs_test and task.X_test is None:
                raise ValueError(
                    f"task {self.index} has no test rows, and the objective needs them: give the "
                    "tasks X_test and y_test (SyntheticTasks: n_test=300), or choose another "
                    "objective, such as 'generalise'."
                )
            if self.start is not None:
                task = start_from(task, self.start)
            return tuple(self._judge(task, number) for number in range(len(self.rules)))

    @abstractmethod
    def _judge(self, task: Task, number: int) -> Judgement:
        """Train a network by the rule with a number."""


@dataclass(frozen=True, kw_only=True)
class WholeTrial(Trial):
    """A trial of whole trainings; see :class:`Trial`."""

    def _judge(self, task: Task, number: int) -> Judgement:
        rule = self.rules[number]
        record = rollout(
            task,
            rule,
            self.seed,
            n_validations=self.objective.n_validations,
            validation_scores=self.objective.validation_scores,
            return_estimator=True,
        )
        n_sound = n_sound_epochs(record)
        state = self._state_after(task, rule, n_sound) if n_sound else None
        value = bounded_value(self.objective, record, task)
        return Judgement(value, record.n_steps, n_sound is not None, state)

    def _state_after(self, task: Task, rule: Any, n_epochs: int) -> np.ndarray | None:
        """Train once more up to an epoch; so rollouts that do not fail keep no states."""
        stop = _StopAfter(n_epochs)
        rollout(task, rule, self.seed, callbacks=[stop])
        return stop.params


@dataclass(frozen=True, kw_only=True)
class PartTrial(Trial):
    """A trial of parts of trainings.

    Attributes
    ----------
    n_steps : int
        Length of the part; see :func:`rollout_part`.
    states : tuple of TrainingState or None
        The states to continue from, one for every rule; None at the beginning of a training.
    """

    n_steps: int
    states: tuple[TrainingState | None, ...]

    def _judge(self, task: Task, number: int) -> Judgement:
        before = self.states[number]
        record, left_off = rollout_part(
            task,
            self.rules[number],
            self.seed,
            before,
            self.n_steps,
            n_validations=self.objective.n_validations,
            validation_scores=self.objective.validation_scores,
        )
        has_failed = n_sound_epochs(record) is not None
        state = before.params.copy() if has_failed and before is not None else None
        value = bounded_value(self.objective, record, task)
        return Judgement(value, record.n_steps, has_failed, state, None if has_failed else left_off)


class _StopAfter(Callback):
    """A callback that ends a training after a number of epochs and keeps its parameters."""

    params: np.ndarray | None = None

    def __init__(self, n_epochs: int):
        self._n_epochs = n_epochs

    def on_epoch_end(self, estimator: Any, context: Any, state: Any, params: np.ndarray) -> bool:
        """Keep the parameters, and stop, in the last epoch."""
        if state.n_epochs < self._n_epochs:
            return False
        self.params = state.params.copy()
        return True


@dataclass(frozen=True)
class _Start:
    """An initialiser that returns given parameters."""

    params: np.ndarray

    def __call__(
        self, layout: ParameterLayout, activations: Any, random_state: np.random.RandomState
    ) -> np.ndarray:
        return self.params.astype(layout.dtype)


_ROWS = "X", "y", "X_val", "y_val", "X_test", "y_test"


def start_from(task: Task, params: np.ndarray) -> Task:
    """Return a task whose trainings start from given parameters."""
    network = clone(task.estimator).set_params(init=_Start(params), init_output_bias="init")
    return Task(network, *(getattr(task, name) for name in _ROWS))

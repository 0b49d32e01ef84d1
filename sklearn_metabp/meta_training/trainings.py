"""The trainings that a search judges its candidates by."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sklearn_metabp.callbacks.state_codec import classes_in
from sklearn_metabp.meta_training.families import Tasks
from sklearn_metabp.meta_training.objectives import Objective
from sklearn_metabp.meta_training.rollout import rollout_seed
from sklearn_metabp.meta_training.seeds import RESTARTS, seeded
from sklearn_metabp.meta_training.trials import Judgement, PartTrial, WholeTrial
from sklearn_metabp.network import ParameterLayout
from sklearn_metabp.training import Patience, TrainingState

_MAX_FAILURES = 64

#: A start of a rollout that failed: the number of its task, and the parameters of its network.
Failure = tuple[int, np.ndarray]
#: Results of the trials of an iteration, in their order.
Results = Sequence[tuple[Judgement, ...]]


class Plan(NamedTuple):
    """The trials of an iteration.

    Attributes
    ----------
    trials : list
    restarts : dict of int to int
        Position of the failure that a trial starts from, by the position of the trial.
    """

    trials: list[Any]
    restarts: dict[int, int]


class Trainings(ABC):
    """A source of trials.

    Attributes
    ----------
    state : object
        Everything that later iterations depend on; data that a checkpoint can save.
    """

    state: Any

    @property
    @abstractmethod
    def failures(self) -> list[Failure]:
        """States in which rollouts failed."""

    @abstractmethod
    def fits(self, state: Any) -> bool:
        """Return whether a state from a file is one of this search."""

    def state_classes(self, rule: Any) -> dict[str, type]:
        """Return the classes of the package, by name, that only later states have objects of."""
        return {}

    @abstractmethod
    def restore(self, state: Any) -> None:
        """Continue from the state of an earlier search."""

    @abstractmethod
    def plan(self, number: int, rules: Sequence[tuple[Any, ...]]) -> Plan:
        """Return the trials of an iteration, from 1, for the rules of every trial."""

    @abstractmethod
    def finish(self, plan: Plan, results: Results) -> np.ndarray:
        """Note the results of the trials; return which trainings have ended."""


class WholeTrainings(Trainings):
    """Trainings from beginning to end, on fresh tasks in every iteration.

    Parameters
    ----------
    family : Tasks
    objective : Objective
    n_trials : int
        Number of trials of an iteration.
    restart_share : float
        Share of the trials that start from failures, while there are any.
    random_state : int
    """

    def __init__(
        self,
        family: Tasks,
        objective: Objective,
        *,
        n_trials: int,
        restart_share: float,
        random_state: int,
    ):
        self._family, self._objective, self._n_trials = family, objective, n_trials
        self._restart_share, self._random_state = restart_share, random_state
        self.state: list[Failure] = []

    def fits(self, state: Any) -> bool:
        """Return whether it is a list of failures."""
        return is_failures(state)

    def restore(self, state: list[Failure]) -> None:
        """Continue from the state of an earlier search."""
        self.state = state

    @property
    def failures(self) -> list[Failure]:
        """States in which rollouts failed, the latest 64."""
        return self.state

    def plan(self, number: int, rules: Sequence[tuple[Any, ...]]) -> Plan:
        """Return the trials of an iteration; see :class:`Trainings`."""
        restarts = draw_restarts(
            self._random_state, number, self._n_trials, self._restart_share, len(self.state)
        )
        trials = []
        for position, of_trial in enumerate(rules):
            trial = (number - 1) * self._n_trials + position
            failure = restarts.get(position)
            task, start = (trial, None) if failure is None else self.state[failure]
            seed = rollout_seed(self._random_state, trial, 0)
            make_task = self._family.maker(task)
            trials.append(
                WholeTrial(
                    index=task,
                    seed=seed,
                    make_task=make_task,
                    rules=of_trial,
                    objective=self._objective,
                    start=start,
                )
            )
        return Plan(trials, restarts)

    def finish(self, plan: Plan, results: Results) -> np.ndarray:
        """Update the failures; every training has ended."""
        self.state = update_failures(self.state, plan, results)
        return np.ones(len(results), bool)


@dataclass(frozen=True)
class Unroll:
    """Trainings of a trial that have not ended.

    Attributes
    ----------
    index : int
        Number of the task.
    seed : int
        Seed of the starts and of the batches.
    states : tuple of TrainingState
        The state of every training.
    """

    index: int
    seed: int
    states: tuple[TrainingState, ...]


class TruncatedTrainings(Trainings):
    """Trainings in parts: an iteration trains one part, and the next iteration continues.

    The trainings of one position begin, fail and end together, and a fresh task follows.

    Parameters
    ----------
    family, objective, n_trials, restart_share, random_state
        See :class:`WholeTrainings`. The share is that of the trainings that begin.
    truncation : int
        Number of steps of a part.
    """

    def __init__(
        self,
        family: Tasks,
        objective: Objective,
        *,
        n_trials: int,
        restart_share: float,
        random_state: int,
        truncation: int,
    ):
        self._family, self._objective, self._n_trials = family, objective, n_trials
        self._restart_share, self._random_state = restart_share, random_state
        self._truncation = truncation
        self.state: dict[str, Any] = {
            "failures": [],
            "unrolls": [None] * n_trials,
            "n_begun": 0,
        }

    def fits(self, state: Any) -> bool:
        """Return whether it has failures and an unroll for every position."""
        return (
            type(state) is dict
            and state.keys() == self.state.keys()
            and is_failures(state["failures"])
            and type(state["n_begun"]) is int
            and type(state["unrolls"]) is list
            and len(state["unrolls"]) == self._n_trials
            and all(each is None or type(each) is Unroll for each in state["unrolls"])
        )

    def state_classes(self, rule: Any) -> dict[str, type]:
        """Return the classes of unrolls, of states of trainings and of states of the rule."""
        layout = ParameterLayout((1, 1))
        example = TrainingState(
            layout.zeros(), rule.init_state(layout), (), np.random.RandomState(0), Patience(0, 0)
        )
        return classes_in(Unroll(0, 0, (example,)))

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from the state of an earlier search."""
        self.state = state

    @property
    def failures(self) -> list[Failure]:
        """States in which rollouts failed, the latest 64."""
        return self.state["failures"]

    def plan(self, number: int, rules: Sequence[tuple[Any, ...]]) -> Plan:
        """Return the trials of an iteration; see :class:`Trainings`."""
        drawn = draw_restarts(
            self._random_state, number, self._n_trials, self._restart_share, len(self.failures)
        )
        unrolls = self.state["unrolls"]
        begins = [position for position, unroll in enumerate(unrolls) if unroll is None]
        restarts = {position: drawn[position] for position in begins if position in drawn}
        numbers = {position: self.state["n_begun"] + n for n, position in enumerate(begins)}
        trials = []
        for position, of_trial in enumerate(rules):
            unroll, start = unrolls[position], None
            states: tuple[TrainingState | None, ...] = (None,) * len(of_trial)
            if unroll is not None:
                task, seed, states = unroll.index, unroll.seed, unroll.states
            else:
                task = numbers[position]
                seed = rollout_seed(self._random_state, task, 0)
                if position in restarts:
                    task, start = self.failures[restarts[position]]
            trials.append(
                PartTrial(
                    index=task,
                    seed=seed,
                    make_task=self._family.maker(task),
                    rules=of_trial,
                    objective=self._objective,
                    start=start,
                    n_steps=self._truncation,
                    states=states,
                )
            )
        return Plan(trials, restarts)

    def finish(self, plan: Plan, results: Results) -> np.ndarray:
        """Update the failures, and keep the trainings that have not ended."""
        unrolls: list[Unroll | None] = []
        for trial, of_trial in zip(plan.trials, results, strict=True):
            states = tuple(one.left_off for one in of_trial if one.left_off is not None)
            goes_on = len(states) == len(of_trial)
            unrolls.append(Unroll(trial.index, trial.seed, states) if goes_on else None)
        self.state = {
            "failures": update_failures(self.failures, plan, results),
            "unrolls": unrolls,
            "n_begun": self.state["n_begun"] + self.state["unrolls"].count(None),
        }
        return np.array([unroll is None for unroll in unrolls])


def update_failures(failures: list[Failure], plan: Plan, results: Results) -> list[Failure]:
    """Return the failures without those that a trial overcame, and with the new ones."""
    solved = {
        failure
        for position, failure in plan.restarts.items()
        if not any(one.has_failed for one in results[position])
    }
    kept = [failure for number, failure in enumerate(failures) if number not in solved]
    kept += [
        (trial.index, one.state)
        for trial, of_trial in zip(plan.trials, results, strict=True)
        for one in of_trial
        if one.state is not None
    ]
    return kept[-_MAX_FAILURES:]


def is_failures(state: Any) -> bool:
    """Return whether a value is a list of failures."""
    return type(state) is list and all(
        type(failure) is tuple
        and len(failure) == 2
        and type(failure[0]) is int
        and isinstance(failure[1], np.ndarray)
        for failure in state
    )


def draw_restarts(
    seed: int, number: int, n_trials: int, share: float, n_failures: int
) -> dict[int, int]:
    """Return which trials of an iteration start from which failures, by their positions."""
    if not n_failures:
        return {}
    rng = seeded(seed, number, RESTARTS)
    is_restart = rng.uniform(size=n_trials) < share
    chosen = rng.randint(n_failures, size=n_trials)
    return {int(position): int(chosen[position]) for position in np.flatnonzero(is_restart)}

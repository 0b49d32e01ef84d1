"""The trainings that a search judges its candidates by."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from sklearn_metabp.meta_training.families import Tasks
from sklearn_metabp.meta_training.objectives import Objective
from sklearn_metabp.meta_training.rollout import rollout_seed
from sklearn_metabp.meta_training.seeds import RESTARTS, seeded
from sklearn_metabp.meta_training.trials import Judgement, Trial

_MAX_FAILURES = 64

#: A start of a rollout that failed: the number of its task, and the parameters of its network.
Failure = tuple[int, np.ndarray]
#: Results of the trials of an iteration, in their order.
Results = Sequence[tuple[Judgement, ...]]


class Plan(NamedTuple):
    """The trials of an iteration.

    Attributes
    ----------
    trials : list of Trial
    restarts : dict of int to int
        Which of them start from which failures, by positions.
    """

    trials: list[Trial]
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
        """Return whether a state that was read is one of this search."""

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
            trials.append(Trial(task, seed, make_task, of_trial, self._objective, start))
        return Plan(trials, restarts)

    def finish(self, plan: Plan, results: Results) -> np.ndarray:
        """Keep the failures that are new, without those that a trial got out of."""
        solved = {
            failure
            for position, failure in plan.restarts.items()
            if not any(one.has_failed for one in results[position])
        }
        kept = [failure for number, failure in enumerate(self.state) if number not in solved]
        kept += [
            (trial.index, one.state)
            for trial, of_trial in zip(plan.trials, results, strict=True)
            for one in of_trial
            if one.state is not None
        ]
        self.state = kept[-_MAX_FAILURES:]
        return np.ones(len(results), bool)


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

"""One training, recorded: what a trace and a scope ask of it."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from sklearn_metabp.network import Network, ParameterLayout
from sklearn_metabp.tracing.tasks import Task
from sklearn_metabp.tracing.variables import SCALARS, VARIABLES, TraceVariable, stored_variables


@dataclass(frozen=True)
class RecordedSteps:
    """Which steps of a training are recorded: one in so many, and no more than so many.

    Parameters
    ----------
    first_index : int
        Number of the first one in the training, from 1.
    every : int
    max_steps : int or None
    """

    first_index: int
    every: int = 1
    max_steps: int | None = None

    def __contains__(self, index: int) -> bool:
        return (index - self.first_index) % self.every == 0 and not self.end_before(index)

    def end_before(self, index: int) -> bool:
        """Whether neither the step of that number nor a later one is recorded."""
        return self.max_steps is not None and index - self.first_index > self.every * (
            self.max_steps - 1
        )

    def count(self, first_index: int, n_steps: int) -> int:
        """How many of so many steps are recorded, the first of which has that number."""

        def n_before(index: int) -> int:
            n = -(-(index - self.first_index) // self.every)
            return n if self.max_steps is None else min(n, self.max_steps)

        return n_before(first_index + n_steps) - n_before(first_index)


class Run(ABC):
    """One recorded training.

    Attributes
    ----------
    network : Network
        Layers, activation functions and loss of what was trained.
    variables : tuple of str
        What is recorded.
    scalars : dict of sequence
        Of every recorded step: ``indices``, from 1, ``epochs``, ``n_patterns`` of the batch,
        ``losses``.
    recorded_steps : RecordedSteps
        Which steps they are.
    max_patterns : int
        Patterns of the largest batch.
    dtype : dtype
        Of the arrays.
    task : Task or None
        Where its first fit stands among the tasks of a search; None where that is not known.
    adds_updates : bool
        Whether the weights of a step are, to the bit, those of the one before plus its update. A
        line search sets weights, and the update is their rounded difference.
    """

    network: Network
    variables: tuple[str, ...]
    scalars: dict[str, Any]
    recorded_steps: RecordedSteps
    max_patterns: int
    dtype: np.dtype
    adds_updates: bool
    task: Task | None

    @property
    def layout(self) -> ParameterLayout:
        """Which slice of a flat vector is what."""
        return self.network.layout

    @property
    def n_steps(self) -> int:
        """Number of recorded steps."""
        return len(self.scalars["indices"])

    @property
    def stored_variables(self) -> list[TraceVariable]:
        """The recorded variables that are arrays."""
        return stored_variables(self.variables)

    @property
    def stored(self) -> tuple[str, ...]:
        """Names of the recorded variables that are arrays."""
        return tuple(variable.name for variable in self.stored_variables)

    def is_recorded(self, index: int) -> bool:
        """Whether the step of that number is one of the recorded ones."""
        return index in self.recorded_steps

    @property
    def identity(self) -> Hashable:
        """What is equal for the same run, opened once more."""
        return id(self)

    @property
    @abstractmethod
    def is_whole(self) -> bool:
        """Whether every step from the training's first on is known: history is computed along them."""

    @abstractmethod
    def rows(self, name: str, positions: np.ndarray):
        """Array of a variable at some of the recorded steps; of a layered variable a list of them.

        Parameters
        ----------
        name : str
            One of ``stored``.
        positions : ndarray of int of shape (n,)
            Counted among the recorded steps, from 0.

        Returns
        -------
        rows : ndarray of shape (n, ...) or list of them

        Raises
        ------
        KeyError
            If it was not recorded.
        """

    @abstractmethod
    def steps(
        self, *, recorded_only: bool = False, n_steps: int | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Go through the steps in order.

        Parameters
        ----------
        recorded_only : bool, default=False
            Whether to pass over steps that were not recorded, where they are known.
        n_steps : int, default=None
            Stop after so many recorded steps; None for all.

        Yields
        ------
        position : int
            Number of recorded steps before this one.
        step : Step or SimpleNamespace
            The step, or what was stored of it under the same names. It is good until the next one:
            copy what is to be kept.
        """


def stored_step(run: Run, position: int, values: dict[str, Any]) -> SimpleNamespace:
    """What was stored of a step, under the names that a :class:`Step` has.

    Parameters
    ----------
    run : Run
    position : int
        Of the step among the recorded ones.
    values : dict
        Row of every stored variable, with room for the patterns of the largest batch.
    """
    known = {v.name: run.scalars[v.name_in_trace][position] for v in SCALARS}
    for name, value in values.items():
        known[name] = VARIABLES[name].without_padding(value, known["n_patterns"])
    return SimpleNamespace(network=run.network, layout=run.layout, **known)

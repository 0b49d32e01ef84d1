"""The interface of one recorded training."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_metabp.description import Described, Table, count
from sklearn_metabp.network import BaseNetwork, ParameterLayout, ReportedStep, Step
from sklearn_metabp.tracing.tasks import Task
from sklearn_metabp.tracing.variables import VARIABLES, TraceVariable, stored_variables

# Names of the facts about the steps of a run.
COURSE_HEAD = ("steps", "indices", "epochs", "first loss", "last loss")


@dataclass(frozen=True)
class RecordedSteps:
    """The choice of steps that are recorded of a training.

    Parameters
    ----------
    first_index : int
        Number of the first recorded step in the training, from 1.
    every : int
        One step in so many is recorded.
    max_steps : int or None
        Maximal number of recorded steps.
    """

    first_index: int
    every: int = 1
    max_steps: int | None = None

    def __contains__(self, index: int) -> bool:
        return (index - self.first_index) % self.every == 0 and not self.end_before(index)

    def end_before(self, index: int) -> bool:
        """Tell whether neither the step of that number nor any later one is recorded."""
        return self.max_steps is not None and index - self.first_index > self.every * (
            self.max_steps - 1
        )

    def next_from(self, index: int) -> float:
        """Return the number of the next recorded step, this one or later; infinite for none."""
        found = index + (self.first_index - index) % self.every
        return math.inf if self.end_before(found) else found

    def last_before(self, index: int) -> int:
        """Return the number of the last step up to this one that is not after all recorded ones."""
        if not self.end_before(index):
            return index
        return self.first_index + self.every * (self.max_steps - 1)  # type: ignore[operator]

    def count(self, first_index: int, n_steps: int) -> int:
        """Count the recorded steps among ``n_steps`` steps, the first of that number."""

        def n_before(index: int) -> int:
            n = -(-(index - self.first_index) // self.every)
            return n if self.max_steps is None else min(n, self.max_steps)

        return n_before(first_index + n_steps) - n_before(first_index)


class Run(Described, ABC):
    """One recorded training.

    Attributes
    ----------
    network : BaseNetwork
        The trained network: layers, activation functions and loss.
    variables : tuple of str
        Names of the recorded variables, in the order of the table.
    scalars : dict of sequence
        The numbers that every recorded step has, by their names in a trace: ``indices``,
        ``epochs``, ``n_patterns``, ``losses``.
    recorded_steps : RecordedSteps
    max_patterns : int
        Number of patterns of the largest batch.
    dtype : dtype
        Dtype of the arrays.
    task : Task or None
        Place of the first fit among the tasks of a search; None where it is not known.
    adds_updates : bool
        True if the weights of a step are exactly those of the step before plus its update. A line
        search sets the weights, and the update is their rounded difference.
    """

    network: BaseNetwork
    variables: tuple[str, ...]
    scalars: dict[str, Any]
    recorded_steps: RecordedSteps
    max_patterns: int
    dtype: np.dtype
    adds_updates: bool
    task: Task | None

    @property
    def layout(self) -> ParameterLayout:
        """Slices of the flat parameter vector."""
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
        """Tell whether the step of that number is recorded."""
        return index in self.recorded_steps

    @property
    def identity(self) -> Hashable:
        """Value that is equal for two objects of the same run."""
        return id(self)

    def _title(self) -> str:
        return f"Run of {count(self.n_steps, 'step')}: {self.layout.sizes_text}"

    def _details(self) -> tuple[Table]:
        network, facts = self.network, {}
        functions = ", ".join((*network.activations, network.out_activation))
        facts["network"] = f"{self.layout.sizes_text}, {functions}, loss {network.loss}"
        facts |= dict(zip(COURSE_HEAD, self.course(np.arange(self.n_steps)), strict=True))
        facts["variables"] = ", ".join(self.variables)
        facts["dtype"] = self.dtype.name
        if self.task is not None:
            facts["task"] = f"{self.task.path} {self.task.ids}"
        return (Table.of_facts(facts),)

    def course(self, positions: np.ndarray) -> tuple[str, ...]:
        """Return the texts below ``COURSE_HEAD`` for some recorded steps, by their positions."""
        if not len(positions):
            return "0", "", "", "", ""
        first, last = (
            {name: values[place] for name, values in self.scalars.items()}
            for place in (positions.min(), positions.max())
        )
        return (
            str(len(positions)),
            f"{first['indices']} to {last['indices']}",
            f"{first['epochs']} to {last['epochs']}",
            f"{first['losses']:.4g}",
            f"{last['losses']:.4g}",
        )

    @property
    @abstractmethod
    def is_whole(self) -> bool:
        """Whether all steps from the first one on are known, as the history of links needs them."""

    def arrays_at(self, name: str, positions: np.ndarray) -> Any:
        """Return the array of a variable at some recorded steps, or one array per layer.

        Parameters
        ----------
        name : str
            One of ``stored``.
        positions : ndarray of int of shape (n,)
            Positions among the recorded steps, from 0.

        Returns
        -------
        values : ndarray of shape (n, ...) or list of them

        Raises
        ------
        KeyError
            If the variable was not recorded.
        """
        if name not in self.stored:
            raise KeyError(name)
        variable, n_steps = VARIABLES[name], len(positions)
        dtype = variable.kind.dtype or self.dtype
        shapes = variable.shapes(self.layout, self.max_patterns)
        arrays = [np.empty((n_steps, *shape), dtype) for shape in shapes]
        self.fill(name, positions, arrays, np.arange(n_steps))
        return variable.value_of(arrays, self.layout)

    @abstractmethod
    def fill(
        self, name: str, positions: np.ndarray, arrays: list[np.ndarray], places: np.ndarray
    ) -> None:
        """Write a variable at some recorded steps into rows of arrays.

        Nothing else is computed, and no other memory taken than that of a chunk.

        Parameters
        ----------
        name : str
            One of ``stored``.
        positions : ndarray of int of shape (n,)
            Positions among the recorded steps, from 0, in any order.
        arrays : list of ndarray of shape (n_rows, ...)
            One array, or one per layer. If a step has fewer patterns than there is space for, the
            rest is filled with NaN.
        places : ndarray of int of shape (n,)
            Row of the arrays for every position.
        """

    @abstractmethod
    def steps(
        self, *, recorded_only: bool = False, n_steps: int | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Go through the steps in order.

        Parameters
        ----------
        recorded_only : bool, default=False
            True to skip the known steps that were not recorded.
        n_steps : int, default=None
            Number of recorded steps after which to stop; None for all.

        Yields
        ------
        position : int
            Number of recorded steps before this one.
        step : Step or RecordedStep
            The step, or its recorded values under the same names. It is valid until the next one,
            so copy values that are to be kept.
        """


class RecordedStep(ReportedStep):
    """The recorded values of a step under the names that a :class:`Step` has.

    A value is read at its first use, because most readers need few of them.

    Parameters
    ----------
    run : Run
    position : int
        Position of the step among the recorded ones.
    read : callable
        ``read(name)`` returns the arrays of a stored variable, with space for the patterns of the
        largest batch. It raises KeyError if there are none.
    """

    def __init__(self, run: Run, position: int, read: Callable[[str], list[Any]]):
        self.network, self.layout = run.network, run.layout
        self._run, self._position, self._read = run, position, read

    def __getattr__(self, name: str) -> Any:
        variable = VARIABLES.get(name)
        if variable is None:
            raise AttributeError(f"a recorded step has no attribute {name!r}.")
        if variable.is_always_recorded:
            value = self._run.scalars[variable.name_in_trace][self._position]
        else:
            try:
                arrays = variable.without_padding(self._read(name), self.n_patterns)
            except KeyError:
                raise AttributeError(f"{name!r} was not recorded of this step.") from None
            value = variable.value_of(arrays, self.layout)
        self.__dict__[name] = value
        return value


class ExtendedStep(ReportedStep):
    """A step with values besides its own attributes, such as the update of a teacher.

    Parameters
    ----------
    step : Step
    **values : dict
        The values by the names of their variables.
    """

    def __init__(self, step: Step, **values: Any):
        self.__dict__.update(values)
        self._step = step

    def __getattr__(self, name: str) -> Any:
        return getattr(self._step, name)

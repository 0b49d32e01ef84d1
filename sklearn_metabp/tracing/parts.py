"""The parts of a run in memory: fits that are replayed, and fits whose steps are copied."""

from collections.abc import Iterator
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import DTypeLike

from sklearn_metabp.network import BaseNetwork, Step
from sklearn_metabp.tracing.columns import Column
from sklearn_metabp.tracing.variables import VARIABLES


class Replay(Protocol):
    """A training that can be repeated step by step; see ``training.Replay``."""

    network: BaseNetwork
    first_index: int
    max_epochs: int
    n_planned: int
    dtype: np.dtype

    @property
    def n_patterns(self) -> int:
        """Number of rows of the largest batch."""

    @property
    def data_bytes(self) -> int:
        """Number of bytes of the rows that the steps are computed from."""

    def kept(self) -> Self:
        """Return a copy that remains valid."""

    def is_picklable(self, by_value: bool) -> bool:
        """Tell whether it can be pickled, with the code of the rule if ``by_value``."""

    def steps(self) -> Iterator[Step]:
        """Repeat the steps."""


class ReplayedPart:
    """Steps of a fit that are computed again when they are read.

    Parameters
    ----------
    start : int
        Number of recorded steps of the run before this part.
    first_index : int
        Number of the first step in the training, from 1, recorded or not.
    replay : Replay

    Attributes
    ----------
    last_index : int
        Number of the last known step.
    """

    def __init__(self, start: int, first_index: int, replay: Replay):
        self.start, self.first_index, self.last_index = start, first_index, first_index - 1
        self.replay = replay


class CopiedPart:
    """Steps of one or more fits, as arrays.

    Parameters
    ----------
    start, first_index : int
        See :class:`ReplayedPart`.
    names : tuple of str
        Variables to copy.
    dtype : dtype
    n_steps : int, default=None
        Final number of steps, where it is known.

    Attributes
    ----------
    last_index : int
        See :class:`ReplayedPart`.
    """

    def __init__(
        self,
        start: int,
        first_index: int,
        names: tuple[str, ...],
        dtype: DTypeLike,
        n_steps: int | None = None,
    ):
        self.start, self.first_index, self.last_index = start, first_index, first_index - 1
        self._names, self._dtype, self._n_rows = names, dtype, n_steps
        self._columns: dict[str, list[Column]] = {}

    def copy(self, step: Any, max_patterns: int) -> None:
        """Copy a step into arrays with space for at least so many patterns."""
        for name in self._names:
            variable = VARIABLES[name]
            if name not in self._columns:
                self._columns[name] = [
                    Column(shape, variable.kind.dtype or self._dtype, self._n_rows)
                    for shape in variable.shapes(step.layout, max_patterns)
                ]
            arrays = variable.arrays_of(getattr(step, name))
            for column, array in zip(self._columns[name], arrays, strict=True):
                if variable.kind.has_patterns:
                    column.append_patterns(array)
                else:
                    column.append(array)

    def arrays_at(self, name: str, row: int) -> list[np.ndarray]:
        """Return the arrays of a variable at one step, with space for patterns.

        Raises
        ------
        KeyError
            If the variable is not there.
        """
        return [column[row] for column in self._columns[name]]

    def fill(
        self, name: str, rows: np.ndarray, arrays: list[np.ndarray], places: np.ndarray
    ) -> None:
        """Write a variable at some steps, in ascending order, into rows of arrays."""
        for column, array in zip(self._columns[name], arrays, strict=True):
            column.fill(rows, array, places)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # Older pickles have no list where there is one array.
        self._columns = {
            name: columns if isinstance(columns, list) else [columns]
            for name, columns in state["_columns"].items()
        }

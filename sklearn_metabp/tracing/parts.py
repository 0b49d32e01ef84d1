"""What a run in memory holds of its fits: what their steps are computed from, or copies of the steps."""

from typing import Any

from sklearn_metabp.tracing.columns import Column
from sklearn_metabp.tracing.variables import VARIABLES


class ReplayedPart:
    """Steps of a fit that are computed again when they are read.

    Parameters
    ----------
    start : int
        Recorded steps of the run before it.
    first_index : int
        Number of its first step in the training, from 1, be that recorded or not.
    replay : Replay

    Attributes
    ----------
    last_index : int
        Number of the last step that is known.
    """

    def __init__(self, start: int, first_index: int, replay):
        self.start, self.first_index, self.last_index = start, first_index, first_index - 1
        self.replay = replay


class CopiedPart:
    """Steps of one or more fits that are there as arrays.

    Parameters
    ----------
    start, first_index : int
        As of a :class:`ReplayedPart`.
    names : tuple of str
        Attributes of a step to copy.
    dtype : dtype
    n_rows : int, default=None
        How many there will be, where it is known.

    Attributes
    ----------
    last_index : int
        As of a :class:`ReplayedPart`.
    """

    def __init__(
        self, start: int, first_index: int, names: tuple[str, ...], dtype, n_rows: int | None = None
    ):
        self.start, self.first_index, self.last_index = start, first_index, first_index - 1
        self._names, self._dtype, self._n_rows = names, dtype, n_rows
        self._columns: dict[str, Column | list[Column]] = {}  # a list of a layered variable

    @classmethod
    def of(cls, first_index: int, arrays: dict[str, Any], dtype) -> "CopiedPart":
        """All steps of a run, of which there are the arrays."""
        part = cls(0, first_index, tuple(arrays), dtype)
        part._columns = {
            name: VARIABLES[name].value_of(
                [Column.of(array) for array in VARIABLES[name].arrays_of(value)]
            )
            for name, value in arrays.items()
        }
        return part

    def copy(self, step, max_patterns: int) -> None:
        """Copy a step; rows have room for so many patterns at least."""
        for name in self._names:
            variable = VARIABLES[name]
            if name not in self._columns:
                self._columns[name] = variable.value_of(
                    [
                        Column(shape, variable.kind.dtype or self._dtype, self._n_rows)
                        for shape in variable.shapes(step.layout, max_patterns)
                    ]
                )
            columns = variable.arrays_of(self._columns[name])
            arrays = variable.arrays_of(getattr(step, name))
            for column, array in zip(columns, arrays, strict=True):
                if variable.kind.has_patterns:
                    column.append_patterns(array)
                else:
                    column.append(array)

    def arrays(self, n_steps: int) -> dict[str, Any]:
        """Every variable of the first so many steps: an array with a row a step, or a list of one a layer."""
        return {
            name: VARIABLES[name].value_of(
                [column.array()[:n_steps] for column in VARIABLES[name].arrays_of(columns)]
            )
            for name, columns in self._columns.items()
        }

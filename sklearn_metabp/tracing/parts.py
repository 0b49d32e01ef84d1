"""What a run in memory holds of its fits: what their steps are computed from, or copies of the steps."""

from typing import Any

import numpy as np

from sklearn_metabp.tracing.columns import Column, pattern_row
from sklearn_metabp.tracing.variables import OF_LAYERS, OF_PATTERNS


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
        self._columns: dict[str, Any] = {}

    @classmethod
    def of(cls, first_index: int, arrays: dict[str, Any], dtype) -> "CopiedPart":
        """All steps of a run, of which there are the arrays."""
        part = cls(0, first_index, tuple(arrays), dtype)
        part._columns = {
            name: [Column.of(layer) for layer in array]
            if isinstance(array, list)
            else Column.of(array)
            for name, array in arrays.items()
        }
        return part

    def copy(self, step, max_patterns: int) -> None:
        """Copy a step; rows have room for so many patterns at least."""
        columns = self._columns
        for name in self._names:
            value = getattr(step, name)
            if name in OF_LAYERS:
                if name not in columns:
                    columns[name] = [self._pattern_column(layer, max_patterns) for layer in value]
                for column, layer in zip(columns[name], value, strict=True):
                    pattern_row(column, layer)
            elif name in OF_PATTERNS:
                if name not in columns:
                    columns[name] = self._pattern_column(value, max_patterns)
                pattern_row(columns[name], value)
            else:
                if name not in columns:
                    columns[name] = Column(value.shape, self._dtype, self._n_rows)
                columns[name].next_row()[...] = value

    def _pattern_column(self, layer: np.ndarray, max_patterns: int) -> Column:
        return Column((max_patterns, layer.shape[1]), self._dtype, self._n_rows)

    def arrays(self, n_steps: int) -> dict[str, Any]:
        """Every variable of the first so many steps: an array with a row a step, or a list of one a layer."""
        return {
            name: [c.array()[:n_steps] for c in column]
            if isinstance(column, list)
            else column.array()[:n_steps]
            for name, column in self._columns.items()
        }

"""The arrays of one chunk in memory, which are used for every chunk."""

from typing import Any

import numpy as np

from sklearn_metabp.tracing.chunks import FIRST_PARAMS, KIND, RunHeader
from sklearn_metabp.tracing.file_writer import FileLayout
from sklearn_metabp.tracing.variables import SCALARS, TraceVariable, stored_variables

# Large enough for the cost of making and flushing a file to be small.
CHUNK_BYTES = 8 * 2**20
CHUNK_STEPS = 4096
_PIECES = 4


class ChunkBuffer:
    """The arrays of a chunk, filled step by step and written piece by piece.

    New memory costs as much as writing, so the steps of the next chunk overwrite those of the last.

    Attributes
    ----------
    n_rows : int
        Number of steps of a chunk: 8 MiB of them, but at least two, so that one can be written
        while the other is filled.
    n_pieces, piece_rows : int
        Number of pieces of a chunk (four, or some more if a piece is one step), and number of steps
        of a piece.
    n_used : int
        Number of steps of the present chunk.
    """

    def __init__(self, header: RunHeader):
        self._header, rows = header, header.rows()
        row_bytes = sum(dtype.itemsize * int(np.prod(shape)) for dtype, shape in rows.values())
        most = max(2, min(CHUNK_STEPS, CHUNK_BYTES // row_bytes))
        self.piece_rows = max(1, most // _PIECES)
        self.n_pieces = most // self.piece_rows
        self.n_rows = self.n_pieces * self.piece_rows
        self._arrays = {
            name: np.empty((self.n_rows, *shape), dtype) for name, (dtype, shape) in rows.items()
        }
        self._first = {}
        if header.sums_updates:
            self._first[FIRST_PARAMS] = np.empty((1, header.network.layout.n_params), header.dtype)
        # The variables without patterns and those with patterns, each with its arrays.
        self._flat: list[tuple[TraceVariable, np.ndarray]] = []
        self._padded: list[tuple[TraceVariable, list[np.ndarray]]] = []
        for variable in (*SCALARS, *stored_variables(header.variables)):
            names = variable.array_names(header.network.layout)
            arrays = [self._arrays[name] for name in names if name in self._arrays]
            if variable.kind.has_patterns:
                self._padded.append((variable, arrays))
            else:
                self._flat += [(variable, array) for array in arrays]
        self.n_used = 0

    @property
    def begins_piece(self) -> bool:
        """Whether the next step is the first one of a piece, so that the piece before is full."""
        return self.n_used % self.piece_rows == 0

    def append(self, step: Any) -> None:
        """Copy a step, and count it when all of it has been copied."""
        row = self.n_used
        if row == 0 and self._first:
            self._first[FIRST_PARAMS][0] = step.params
        for variable, array in self._flat:
            (array[row],) = variable.arrays_of(getattr(step, variable.name))
        for variable, arrays in self._padded:
            values = variable.arrays_of(getattr(step, variable.name))
            for array, value in zip(arrays, values, strict=True):
                _fill_patterns(array[row], value)
        self.n_used = row + 1

    def file_layout(self) -> FileLayout:
        """Return the layout of the file of a full chunk."""
        shapes = {
            name: (array.dtype, array.shape) for name, array in (self._arrays | self._first).items()
        }
        return FileLayout(KIND, self._header.to_json(), shapes, self.piece_rows)

    def rows(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """Return every array at some steps; the first parameters belong to the first step."""
        return {name: array[start:stop] for name, array in (self._arrays | self._first).items()}


def _fill_patterns(row: np.ndarray, patterns: np.ndarray) -> None:
    """Write the patterns of a batch, and NaN where there is space for more."""
    row[: len(patterns)] = patterns
    row[len(patterns) :] = np.nan

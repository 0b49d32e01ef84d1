"""Arrays that grow, and arrays put together of several runs."""

from typing import Any

import numpy as np

# Every chunk is twice the one before: a short run wastes little. The last are large enough for the
# operating system to hand out large pages.
_LEAST_BYTES, _CHUNK_BYTES = 2**12, 8 * 2**20


class Column:
    """An array that grows by rows, in chunks: what is in it is not copied until it is read.

    Parameters
    ----------
    shape : tuple of int
        Of one row.
    dtype : dtype
    n_rows : int or None
        How many there will be, where it is known: then nothing is copied at all.
    """

    def __init__(self, shape: tuple[int, ...], dtype, n_rows: int | None = None):
        self._shape, self._dtype = shape, np.dtype(dtype)
        row_bytes = max(1, int(np.prod(shape)) * self._dtype.itemsize)
        self._chunk_rows = n_rows or max(1, _LEAST_BYTES // row_bytes)
        self._most_rows = n_rows or max(1, _CHUNK_BYTES // row_bytes)
        self._full: list[np.ndarray] = []
        self._chunk = np.empty((0, *shape), self._dtype)
        self._n_used = 0

    @classmethod
    def of(cls, array: np.ndarray) -> "Column":
        """A column that holds the rows of an array."""
        column = cls(array.shape[1:], array.dtype, len(array))
        column._chunk, column._n_used = array, len(array)
        return column

    def append(self, values: Any) -> None:
        """Add a row."""
        self._grow()
        self._chunk[self._n_used - 1] = values

    def append_patterns(self, patterns: np.ndarray) -> None:
        """Add a row of the patterns of a batch; space for more patterns is filled with NaN."""
        self._widen(len(patterns))
        self._grow()
        row = self._chunk[self._n_used - 1]
        row[: len(patterns)] = patterns
        row[len(patterns) :] = np.nan

    def _grow(self) -> None:
        """Make space for one more row."""
        if self._n_used == len(self._chunk):
            if len(self._chunk):
                self._full.append(self._chunk)
            self._chunk = np.empty((self._chunk_rows, *self._shape), self._dtype)
            self._chunk_rows = min(2 * self._chunk_rows, self._most_rows)
            self._n_used = 0
        self._n_used += 1

    def _widen(self, n_patterns: int) -> None:
        """Let the rows from here on have so many patterns, if those before have fewer."""
        if n_patterns > self._shape[0]:
            if self._n_used:
                self._full.append(self._chunk[: self._n_used])
            self._shape = n_patterns, *self._shape[1:]
            self._chunk, self._n_used = np.empty((0, *self._shape), self._dtype), 0

    def array(self) -> np.ndarray:
        """All rows, of shape (n_rows, *shape); rows with fewer patterns than others end with NaN."""
        last = self._chunk[: self._n_used]
        if not self._full:
            return last
        return np.concatenate([*(self._widened(chunk) for chunk in self._full), last])

    def __getstate__(self):
        # Without the room for rows to come.
        whole = self.array()
        return {**self.__dict__, "_full": [], "_chunk": whole, "_n_used": len(whole)}

    def _widened(self, chunk: np.ndarray) -> np.ndarray:
        if chunk.shape[1:] == self._shape:
            return chunk
        wide = np.full((len(chunk), *self._shape), np.nan, self._dtype)
        wide[:, : chunk.shape[1]] = chunk
        return wide


def assemble(parts: list, n_rows: int) -> np.ndarray:
    """Rows of several runs in one array; fewer patterns than the most are filled up with NaN."""
    if len(parts) == 1:
        return parts[0][1]
    if not parts:
        return np.empty((0, 0))
    arrays = [array for _, array in parts]
    shape = tuple(max(sizes) for sizes in zip(*(a.shape[1:] for a in arrays), strict=True))
    whole = np.full((n_rows, *shape), np.nan, np.result_type(*arrays))
    for mine, array in parts:
        whole[(mine, *(slice(size) for size in array.shape[1:]))] = array
    return whole

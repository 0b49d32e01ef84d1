"""Arrays that grow step by step, and arrays of several runs joined to one."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

# Every chunk is twice as large as the one before, so that a short run wastes little memory. The
# largest chunks are large enough for the operating system to use large pages.
_LEAST_BYTES, _CHUNK_BYTES = 2**12, 8 * 2**20


class Column:
    """An array that grows by one entry per step.

    It consists of chunks, which are copied only when the array is read.

    Parameters
    ----------
    shape : tuple of int
        Shape of one entry.
    dtype : dtype
    n_rows : int or None
        Final number of entries, where it is known. Then nothing is copied at all.
    """

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike, n_rows: int | None = None):
        self._shape, self._dtype = shape, np.dtype(dtype)
        row_bytes = max(1, int(np.prod(shape)) * self._dtype.itemsize)
        self._chunk_rows = n_rows or max(1, _LEAST_BYTES // row_bytes)
        self._most_rows = n_rows or max(1, _CHUNK_BYTES // row_bytes)
        self._full: list[np.ndarray] = []
        self._chunk = np.empty((0, *shape), self._dtype)
        self._n_used = 0

    @classmethod
    def of(cls, array: np.ndarray) -> "Column":
        """Return a column that holds the entries of an array."""
        column = cls(array.shape[1:], array.dtype, len(array))
        column._chunk, column._n_used = array, len(array)
        return column

    def append(self, values: Any) -> None:
        """Add an entry."""
        self._grow()
        self._chunk[self._n_used - 1] = values

    def append_patterns(self, patterns: np.ndarray) -> None:
        """Add the patterns of a batch as an entry; fill the space for more patterns with NaN."""
        self._widen(len(patterns))
        self._grow()
        row = self._chunk[self._n_used - 1]
        row[: len(patterns)] = patterns
        row[len(patterns) :] = np.nan

    def _grow(self) -> None:
        """Make space for one more entry."""
        if self._n_used == len(self._chunk):
            if len(self._chunk):
                self._full.append(self._chunk)
            self._chunk = np.empty((self._chunk_rows, *self._shape), self._dtype)
            self._chunk_rows = min(2 * self._chunk_rows, self._most_rows)
            self._n_used = 0
        self._n_used += 1

    def _widen(self, n_patterns: int) -> None:
        """Make space for so many patterns in every entry from here on, if there is less."""
        if n_patterns > self._shape[0]:
            if self._n_used:
                self._full.append(self._chunk[: self._n_used])
            self._shape = n_patterns, *self._shape[1:]
            self._chunk, self._n_used = np.empty((0, *self._shape), self._dtype), 0

    def array(self) -> np.ndarray:
        """Return all entries, (n_entries, *shape); entries with fewer patterns end with NaN."""
        last = self._chunk[: self._n_used]
        if not self._full:
            return last
        return np.concatenate([*(self._widened(chunk) for chunk in self._full), last])

    def __getstate__(self) -> dict[str, Any]:
        # Without the space for entries to come.
        whole = self.array()
        return {**self.__dict__, "_full": [], "_chunk": whole, "_n_used": len(whole)}

    def _widened(self, chunk: np.ndarray) -> np.ndarray:
        if chunk.shape[1:] == self._shape:
            return chunk
        wide = np.full((len(chunk), *self._shape), np.nan, self._dtype)
        wide[:, : chunk.shape[1]] = chunk
        return wide


def assemble(parts: list[tuple[np.ndarray, np.ndarray]], n_steps: int) -> np.ndarray:
    """Join the arrays of several runs to one array of ``n_steps`` steps.

    Parameters
    ----------
    parts : list of (ndarray of int, ndarray)
        Positions of the steps of a run in the result, and its array.
    n_steps : int

    Returns
    -------
    whole : ndarray of shape (n_steps, ...)
        Steps with fewer patterns than others end with NaN.
    """
    if len(parts) == 1:
        return parts[0][1]
    if not parts:
        return np.empty((0, 0))
    arrays = [array for _, array in parts]
    shape = tuple(max(sizes) for sizes in zip(*(a.shape[1:] for a in arrays), strict=True))
    whole = np.full((n_steps, *shape), np.nan, np.result_type(*arrays))
    for mine, array in parts:
        place: tuple[Any, ...] = (mine, *(slice(size) for size in array.shape[1:]))
        whole[place] = array
    return whole

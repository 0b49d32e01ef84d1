"""Arrays that grow step by step, and rows of arrays that steps are written to."""

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

# Every chunk is twice as large as the one before, so that a short run wastes little memory. The
# largest chunks are large enough for the operating system to use large pages.
_LEAST_BYTES, _CHUNK_BYTES = 2**12, 8 * 2**20


class Column:
    """An array that grows by one entry per step.

    It consists of chunks, which stay where they are: an entry is read out of its chunk, so nothing
    is copied to read a few of many. One thread may append while others read earlier entries.

    Parameters
    ----------
    shape : tuple of int
        Shape of one entry.
    dtype : dtype
    n_rows : int or None
        Final number of entries, where it is known.
    """

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike, n_rows: int | None = None):
        self._shape, self._dtype = shape, np.dtype(dtype)
        row_bytes = max(1, int(np.prod(shape)) * self._dtype.itemsize)
        self._chunk_rows = n_rows or max(1, _LEAST_BYTES // row_bytes)
        self._most_rows = n_rows or max(1, _CHUNK_BYTES // row_bytes)
        self._chunks: list[np.ndarray] = []
        self._starts: list[int] = []  # number of the first entry of every chunk
        self._n_entries = 0

    def append(self, values: Any) -> None:
        """Add an entry."""
        chunk, place = self._grow()
        chunk[place] = values

    def append_patterns(self, patterns: np.ndarray) -> None:
        """Add the patterns of a batch as an entry; fill the space for more patterns with NaN."""
        if len(patterns) > self._shape[0]:
            self._shape = len(patterns), *self._shape[1:]
        chunk, place = self._grow()
        write_patterns(chunk[place], patterns)

    def _grow(self) -> tuple[np.ndarray, int]:
        """Make space for one more entry; return its chunk and its place there."""
        chunk = self._chunks[-1] if self._chunks else None
        place = self._n_entries - self._starts[-1] if self._chunks else 0
        if chunk is None or place == len(chunk) or chunk.shape[1:] != self._shape:
            chunk, place = np.empty((self._chunk_rows, *self._shape), self._dtype), 0
            self._chunk_rows = min(2 * self._chunk_rows, self._most_rows)
            self._chunks.append(chunk)  # before its start, by which other threads find it
            self._starts.append(self._n_entries)
        self._n_entries += 1
        return chunk, place

    def __getitem__(self, number: int) -> np.ndarray:
        """Return the entry of that number, with the space for patterns of its chunk."""
        chunk = bisect_right(self._starts, number) - 1
        return self._chunks[chunk][number - self._starts[chunk]]

    def fill(self, numbers: np.ndarray, array: np.ndarray, places: np.ndarray) -> None:
        """Write some entries into rows of an array.

        Parameters
        ----------
        numbers : ndarray of int of shape (n,)
            Numbers of the entries, ascending.
        array : ndarray of shape (n_rows, *shape)
            May have space for more patterns than the entries have; it is filled with NaN.
        places : ndarray of int of shape (n,)
            Row of the array for every entry.
        """
        for start, piece in self._pieces():
            begin, end = np.searchsorted(numbers, (start, start + len(piece)))
            if begin < end:
                write_entries(array, places[begin:end], piece[numbers[begin:end] - start])

    def _pieces(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the number of the first entry of every chunk, and the part of it that is used."""
        starts = [*self._starts, self._n_entries]
        for chunk, start, stop in zip(self._chunks, starts, starts[1:], strict=False):
            yield start, chunk[: stop - start]

    def __getstate__(self) -> dict[str, Any]:
        # Without the space for entries to come.
        whole = np.empty((self._n_entries, *self._shape), self._dtype)
        everything = np.arange(self._n_entries)
        self.fill(everything, whole, everything)
        return {**self.__dict__, "_chunks": [whole], "_starts": [0], "_n_entries": len(whole)}


def write_patterns(row: np.ndarray, patterns: np.ndarray) -> None:
    """Write the patterns of a batch into a row; fill the space for more patterns with NaN."""
    row[: len(patterns)] = patterns
    row[len(patterns) :] = np.nan


def write_entries(array: np.ndarray, places: np.ndarray, values: np.ndarray) -> None:
    """Write entries into rows of an array; fill the space for more patterns with NaN."""
    if values.shape[1:] == array.shape[1:]:
        array[places] = values
        return
    n_patterns = values.shape[1]
    array[places, :n_patterns] = values
    array[places, n_patterns:] = np.nan

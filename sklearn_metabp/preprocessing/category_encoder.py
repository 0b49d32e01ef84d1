"""The levels of one categorical column as columns of 0 and 1."""

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np

from sklearn_metabp.preprocessing.table_columns import (
    Column,
    as_objects,
    is_categorical,
    is_missing,
)


class CategoryEncoder:
    """The levels of a column that get a column of their own, and the place of the others.

    Parameters
    ----------
    levels : list of str, int, float or bool
        Level of every output column, without those of the next two parameters.
    missing : int
        Output column of missing values, or the one that they share; -1 if they had none in fit.
    infrequent : int
        Output column of rare and of unknown levels; -1 if no level was rare in fit. Unknown levels
        are then 0 in all columns.

    Attributes
    ----------
    n_outputs : int
        Number of output columns.
    """

    def __init__(self, levels: list[Any], missing: int, infrequent: int):
        self.levels, self.missing, self.infrequent = levels, missing, infrequent
        self._places = {level: place for place, level in enumerate(levels)}

    @classmethod
    def learn(cls, column: Column, least: int, most: int | None) -> "CategoryEncoder":
        """Return the encoder for the values of a column.

        Parameters
        ----------
        column : ndarray or ExtensionArray of shape (n_rows,)
        least : int
            Levels with fewer rows are rare.
        most : int or None
            Largest number of output columns. Levels beyond the most frequent ones are rare.
        """
        counts, n_missing = _count_levels(column)
        frequent = [level for level, count in counts.items() if count >= least]
        groups = len(frequent) + (n_missing >= least) + (len(frequent) < len(counts))
        if most is not None and groups > most:
            frequent.sort(key=lambda level: (-counts[level], _order(level)))
            frequent = frequent[: max(most - 1 - (n_missing >= least), 0)]
        levels = sorted(frequent, key=_order)
        n_outputs, missing, infrequent = len(levels), -1, -1
        if n_missing >= least:
            missing, n_outputs = n_outputs, n_outputs + 1
        if len(levels) < len(counts) or 0 < n_missing < least:
            infrequent = n_outputs
            missing = infrequent if missing < 0 else missing
        return cls(levels, missing, infrequent)

    @property
    def n_outputs(self) -> int:
        """Number of output columns."""
        return max(len(self.levels), self.missing + 1, self.infrequent + 1)

    def names(self, name: str) -> list[str]:
        """Return the names of the output columns, for a column of this name."""
        found = [f"{name}_{level}" for level in self.levels]
        if 0 <= self.missing != self.infrequent:
            found.append(f"{name}_missing")
        if self.infrequent >= 0:
            found.append(f"{name}_infrequent")
        return found

    def write(self, column: Column, out: np.ndarray) -> None:
        """Write 1 where a row has the level of an output column, into zeros.

        Parameters
        ----------
        column : ndarray or ExtensionArray of shape (n_rows,)
        out : ndarray of shape (n_rows, n_outputs)
        """
        places = self.places(column)
        if len(places) == 1:
            if places[0] >= 0:
                out[0, places[0]] = 1
            return
        rows = np.flatnonzero(places >= 0)
        out[rows, places[rows]] = 1

    def places(self, column: Column) -> np.ndarray:
        """Return the number of the output column that is 1 in a row, or -1 for none."""
        if not is_categorical(column):
            return self._places_of(as_objects(column))
        codes, categories = column.codes, column.categories
        if len(codes) < len(categories):
            return self._places_of(
                [None if code < 0 else categories[code] for code in codes.tolist()]
            )
        return self._places_of([*categories, None])[codes]  # a missing value has the code -1

    def _places_of(self, values: list[Any]) -> np.ndarray:
        known = self._places
        try:
            places = [known.get(value, -2) for value in values]
        except TypeError:  # a value that has no hash
            places = [known.get(_level(value), -2) for value in values]
        for row, place in enumerate(places):
            if place == -2:
                places[row] = self._place_of_other(values[row])
        return np.array(places, np.intp)

    def _place_of_other(self, value: Any) -> int:
        """Return the place of a value that is not found among the levels as it is."""
        if is_missing(value):
            return self.missing if self.missing >= 0 else self.infrequent
        return self._places.get(_level(value), self.infrequent)


def _level(value: Any) -> Hashable:
    """Return a value as a level: strings and numbers are their own, others become strings."""
    return value if isinstance(value, (str, int, float, bool, np.generic)) else str(value)


def _order(level: Any) -> tuple[bool, Any]:
    """Return a key to sort by: numbers, then strings."""
    return (True, level) if isinstance(level, str) else (False, level)


def _count_levels(column: Column) -> tuple[Counter, int]:
    """Return the number of rows of every level, and that of missing values."""
    if is_categorical(column):
        counted = np.bincount(column.codes[column.codes >= 0], minlength=len(column.categories))
        pairs: Iterable = zip(column.categories, counted.tolist(), strict=True)
        n_missing = int((column.codes < 0).sum())
    else:
        values = as_objects(column)
        try:
            pairs = Counter(values).items()
        except TypeError:
            pairs = Counter(map(_level, values)).items()
        n_missing = 0
    counts: Counter = Counter()
    for value, count in pairs:
        if is_missing(value):
            n_missing += count
        elif count:
            level = _level(value)
            counts[level.item() if isinstance(level, np.generic) else level] += count
    return counts, n_missing

"""The categories of one column as columns of 0 and 1."""

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
    """The categories that get their own output column, and the output columns of the others.

    Parameters
    ----------
    categories : list of str, int, float or bool
        Category of every output column, except the columns of the next two parameters.
    missing : int
        Output column of missing values, which may be that of rare categories. -1 if fit had no
        missing values.
    infrequent : int
        Output column of rare and of unknown categories. -1 if no category was rare in fit. Unknown
        categories are then 0 in all columns.

    Attributes
    ----------
    n_outputs : int
        Number of output columns.
    """

    def __init__(self, categories: list[Any], missing: int, infrequent: int):
        self.categories, self.missing, self.infrequent = categories, missing, infrequent
        self._places = {category: place for place, category in enumerate(categories)}

    @classmethod
    def learn(cls, column: Column, least: int, most: int | None) -> "CategoryEncoder":
        """Return the encoder for the values of a column.

        Parameters
        ----------
        column : ndarray or ExtensionArray of shape (n_rows,)
        least : int
            Categories with fewer rows are rare.
        most : int or None
            Largest number of output columns. The most frequent categories get them, and the others
            are rare.
        """
        counts, n_missing = _count_categories(column)
        frequent = [category for category, count in counts.items() if count >= least]
        groups = len(frequent) + (n_missing >= least) + (len(frequent) < len(counts))
        if most is not None and groups > most:
            frequent.sort(key=lambda category: (-counts[category], _order(category)))
            frequent = frequent[: max(most - 1 - (n_missing >= least), 0)]
        categories = sorted(frequent, key=_order)
        n_outputs, missing, infrequent = len(categories), -1, -1
        if n_missing >= least:
            missing, n_outputs = n_outputs, n_outputs + 1
        if len(categories) < len(counts) or 0 < n_missing < least:
            infrequent = n_outputs
            missing = infrequent if missing < 0 else missing
        return cls(categories, missing, infrequent)

    @property
    def n_outputs(self) -> int:
        """Number of output columns."""
        return max(len(self.categories), self.missing + 1, self.infrequent + 1)

    def names(self, name: str) -> list[str]:
        """Return the names of the output columns, for a column of this name."""
        found = [f"{name}_{category}" for category in self.categories]
        if 0 <= self.missing != self.infrequent:
            found.append(f"{name}_missing")
        if self.infrequent >= 0:
            found.append(f"{name}_infrequent")
        return found

    def write(self, column: Column, out: np.ndarray) -> None:
        """Write 1 into an array of zeros, where a row has the category of an output column.

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
            places = [known.get(_category(value), -2) for value in values]
        for row, place in enumerate(places):
            if place == -2:
                places[row] = self._place_of_other(values[row])
        return np.array(places, np.intp)

    def _place_of_other(self, value: Any) -> int:
        """Return the output column of a value that is not one of the categories itself."""
        if is_missing(value):
            return self.missing if self.missing >= 0 else self.infrequent
        return self._places.get(_category(value), self.infrequent)


def _category(value: Any) -> Hashable:
    """Return the category of a value: itself for strings and numbers, else a string."""
    return value if isinstance(value, (str, int, float, bool, np.generic)) else str(value)


def _order(category: Any) -> tuple[bool, Any]:
    """Return a key to sort by: numbers, then strings."""
    return (True, category) if isinstance(category, str) else (False, category)


def _count_categories(column: Column) -> tuple[Counter, int]:
    """Return the number of rows of every category, and of missing values."""
    if is_categorical(column):
        counted = np.bincount(column.codes[column.codes >= 0], minlength=len(column.categories))
        pairs: Iterable = zip(column.categories, counted.tolist(), strict=True)
        n_missing = int((column.codes < 0).sum())
    else:
        values = as_objects(column)
        try:
            pairs = Counter(values).items()
        except TypeError:
            pairs = Counter(map(_category, values)).items()
        n_missing = 0
    counts: Counter = Counter()
    for value, count in pairs:
        if is_missing(value):
            n_missing += count
        elif count:
            category = _category(value)
            counts[category.item() if isinstance(category, np.generic) else category] += count
    return counts, n_missing

"""A list with one number for each epoch, whose copies share memory."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np


class Curve(Sequence):
    """A list of floats that grows at its end and is copied in constant time.

    Copies share the numbers that they have in common. The copy that grows first keeps the shared
    list, and the next copy that grows makes its own list. So a training of many short calls does
    not copy the whole curve in every call, and a failed call does not change the curve.

    Parameters
    ----------
    values : iterable of float, default=()

    Examples
    --------
    >>> from sklearn_metabp.training import Curve
    >>> before = Curve([3.0, 2.0])
    >>> after = before.copy()
    >>> after.append(1.0)
    >>> list(before), list(after), after[-1]
    ([3.0, 2.0], [3.0, 2.0, 1.0], 1.0)
    """

    def __init__(self, values: Iterable[float] = ()):
        self._values = list(values)
        self._n = len(self._values)

    def append(self, value: float) -> None:
        """Add a number at the end."""
        values, n = self._values, self._n
        if n < len(values):  # a copy has grown, or Ctrl-C came between the two lines below
            self._values = values = values[:n]
        values.append(value)
        self._n = n + 1

    def extend(self, values: Iterable[float]) -> None:
        """Add numbers at the end."""
        if self._n < len(self._values):
            self._values = self._values[: self._n]
        self._values.extend(values)
        self._n = len(self._values)

    def append_at(self, position: int, value: float) -> None:
        """Add the number of an epoch, after NaN for every epoch without a number.

        Parameters
        ----------
        position : int
            Index of the number, at least the length.
        value : float
        """
        while self._n < position:
            self.append(np.nan)
        self.append(value)

    def copy(self) -> "Curve":
        """Return an independent copy, in constant time."""
        other = Curve.__new__(Curve)
        other._values, other._n = self._values, self._n
        return other

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> "Curve":
        return self.copy()

    def __getstate__(self) -> dict[str, list[float]]:
        return {"values": list(self)}

    def __setstate__(self, state: dict[str, list[float]]) -> None:
        self.__init__(state["values"])  # type: ignore[misc]

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, item: Any) -> Any:
        positions = range(self._n)[item]
        if isinstance(positions, range):
            return [self._values[position] for position in positions]
        return self._values[positions]

    def __iter__(self) -> Iterator[float]:
        return iter(self._values[: self._n])

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, (Curve, list)) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Curve({list(self)!r})"

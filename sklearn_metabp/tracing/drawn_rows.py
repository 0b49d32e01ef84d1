"""Predictions drawn from the rows of a trace, found again while its runs are walked along."""

from collections.abc import Iterator

import numpy as np
from sklearn.utils.random import sample_without_replacement

from sklearn_metabp.tracing.trace import Trace


class DrawnRows:
    """All predictions that the rows of a trace hold, or so many drawn at random.

    Takes a few numbers a row and no object, for a trace on disk may have millions of rows.

    Parameters
    ----------
    trace : Trace
    sizes : ndarray of int of shape (n_rows,)
        Predictions that every row holds.
    n_most : int or None
        How many to draw; None for all.
    rng : RandomState or None

    Attributes
    ----------
    n_drawn : int
    """

    def __init__(self, trace: Trace, sizes: np.ndarray, n_most: int | None, rng):
        self._trace = trace
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        total = int(self._starts[-1])
        if n_most is not None and n_most < total:  # rng.choice would permute all of them
            self._drawn = np.sort(sample_without_replacement(total, n_most, random_state=rng))
        else:
            self._drawn = np.arange(total)
        self._bounds = np.searchsorted(self._drawn, self._starts)
        self.n_drawn = len(self._drawn)

    def of_run(self, number: int) -> "DrawnRowsOfRun":
        """Those of one run of the trace."""
        holds_some = self._bounds[1:] > self._bounds[:-1]
        rows = np.flatnonzero((self._trace.runs == number) & holds_some)
        steps = self._trace.steps_in_run[rows]
        order = np.argsort(steps, kind="stable")
        return DrawnRowsOfRun(self, rows[order], steps[order])

    def drawn_of(self, row: int) -> tuple[slice, np.ndarray]:
        """Where the predictions of a row are among the drawn ones, and which of the row they are."""
        where = slice(self._bounds[row], self._bounds[row + 1])
        return where, self._drawn[where] - self._starts[row]


class DrawnRowsOfRun:
    """The rows of one run from which something is drawn, asked for in the order of its steps.

    Attributes
    ----------
    n_steps : int
        Recorded steps to walk along until nothing more is wanted.
    """

    def __init__(self, drawn: DrawnRows, rows: np.ndarray, steps: np.ndarray):
        self._drawn, self._rows, self._steps, self._next = drawn, rows, steps, 0
        self.n_steps = int(steps[-1]) + 1 if len(steps) else 0

    def at(self, step: int) -> Iterator[tuple[slice, np.ndarray]]:
        """What is wanted of a recorded step, as :meth:`DrawnRows.drawn_of` says it, row by row."""
        while self._next < len(self._rows) and self._steps[self._next] == step:
            row, self._next = self._rows[self._next], self._next + 1
            yield self._drawn.drawn_of(row)

"""Predictions drawn at random from the steps of a trace."""

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from sklearn.utils.random import sample_without_replacement

from sklearn_metabp.tracing.trace import Trace

# Where the predictions are in the sample, and which of the step's predictions they are.
Drawn = tuple[slice, np.ndarray]


def draw_numbers(total: int, n_most: int | None, rng: np.random.RandomState | None) -> np.ndarray:
    """Draw numbers from 0 to ``total - 1`` without replacement, ascending.

    Parameters
    ----------
    total : int
    n_most : int or None
        How many to draw; None for all.
    rng : RandomState or None
        Not used where all are taken.

    Returns
    -------
    numbers : ndarray of int of shape (min(n_most, total),)
    """
    if n_most is None or n_most >= total:
        return np.arange(total)
    # rng.choice would permute all of them
    return np.sort(sample_without_replacement(total, n_most, random_state=rng))


class PredictionSample:
    """All predictions that the steps of a trace hold, or a number of them drawn at random.

    It takes a few numbers a step and no object, because a trace on disk may have millions of steps.

    Parameters
    ----------
    trace : Trace
    sizes : ndarray of int of shape (len(trace),)
        Number of predictions that every step of the trace holds.
    n_most : int or None
        Number of predictions to draw; None for all.
    rng : RandomState or None
        Not used where all are taken.

    Examples
    --------
    A matrix of the drawn predictions is filled run by run::

        sample = PredictionSample(trace, sizes, n_most, rng)
        features = np.empty((len(sample), n_columns))
        for run in np.unique(trace.runs):
            for step, drawn in sample.steps(run):
                for where, which in drawn:
                    features[where] = matrix_of(step)[which]
    """

    def __init__(
        self,
        trace: Trace,
        sizes: np.ndarray,
        n_most: int | None,
        rng: np.random.RandomState | None,
    ):
        self._take(trace, sizes, draw_numbers(int(sizes.sum()), n_most, rng))

    @classmethod
    def of(cls, trace: Trace, sizes: np.ndarray, drawn: np.ndarray) -> Self:
        """Return the predictions of some numbers, ascending, among all that the trace holds."""
        sample = cls.__new__(cls)
        sample._take(trace, sizes, drawn)
        return sample

    def _take(self, trace: Trace, sizes: np.ndarray, drawn: np.ndarray) -> None:
        self._drawn, starts = drawn, np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        bounds = np.searchsorted(self._drawn, starts)
        self._holds_some = holds_some = np.flatnonzero(bounds[1:] > bounds[:-1])
        # For every step from which something is drawn: the number of its first prediction, and the
        # places where its drawn predictions begin and end in the sample.
        self._trace, self._firsts = trace[holds_some], starts[holds_some]
        self._begins, self._ends = bounds[holds_some], bounds[holds_some + 1]

    def __len__(self) -> int:
        return len(self._drawn)

    def steps(self, run: int, *, with_others: bool = False) -> Iterator[tuple[Any, list[Drawn]]]:
        """Go through the steps of one run from which predictions are drawn, in order.

        Parameters
        ----------
        run : int
            As in ``trace.runs``.
        with_others : bool, default=False
            True to yield also the known steps before and between them.

        Yields
        ------
        step : Step or recorded step
            Valid until the next one.
        drawn : list of (slice, ndarray of int)
            Place of the drawn predictions in the sample, and their numbers among those of the step;
            several where the trace has the step several times.
        """
        for positions, step in self._trace.iter_steps(run, with_others=with_others):
            yield step, [self._drawn_from(position) for position in positions]

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Return for every prediction of the sample the value of its step.

        Parameters
        ----------
        values : ndarray of shape (n_steps,)
            One value for every step of the trace.

        Returns
        -------
        spread : ndarray of shape (len(self),)
        """
        return np.repeat(values[self._holds_some], self._ends - self._begins)

    def _drawn_from(self, position: int) -> Drawn:
        where = slice(int(self._begins[position]), int(self._ends[position]))
        return where, self._drawn[where] - self._firsts[position]

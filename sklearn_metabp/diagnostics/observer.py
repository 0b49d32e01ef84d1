"""A bounded sample of the steps of a training, spread over all of it."""

from typing import Any

import numpy as np

from sklearn_metabp.diagnostics.looks import Look, PendingLook, look_at
from sklearn_metabp.diagnostics.readers import reader_for

# Looks are kept at the first steps, where a training goes wrong most often, and then at every
# second, fourth, … step, so that 7 to 12 are spread evenly over any number of steps.
N_FIRST, N_SPREAD = 6, 12
# A peak of the loss counts if it is the mean over so many patterns. Single ones may be odd.
_PATTERNS_OF_A_PEAK = 32
# Rows that are kept, and numbers in them.
_MAX_ROWS, _MAX_VALUES = 512, 2**18


class Observer:
    """It looks at some steps of one training, and keeps some of its rows.

    Memory and the number of looks grow with the logarithm of the number of steps, at the most.

    Attributes
    ----------
    looks : list of Look
        In the order of the steps.
    peak : float
        Highest mean loss of successive steps with some patterns together.
    network : Network or None
        None before the first step.
    last_index : int
        Number of the last step that was seen.
    first_params : ndarray of shape (n_params,)
        Parameters before the first step.
    """

    def __init__(self) -> None:
        self._first: list[Look] = []
        self._spread: list[Look] = []
        self._every, self._n_seen, self.last_index = 1, 0, 0
        self._pending: PendingLook | None = None
        self._X: list[np.ndarray] = []
        self._targets: list[np.ndarray] = []
        self._n_rows = 0
        self._first_epoch: int | None = None
        self.peak, self._summed, self._n_summed = -np.inf, 0.0, 0
        self.network: Any = None

    def see(self, step: Any) -> None:
        """Take notice of the next step of the training, whose updates are known."""
        if self.network is None:
            self._begin(step)
        number = self._n_seen
        self._n_seen += 1
        if self._pending is not None or number < N_FIRST or number % self._every == 0:
            with np.errstate(all="ignore"):  # a training that blows up overflows
                self._complete(step)
                if number < N_FIRST or number % self._every == 0:
                    self._look(step, number)
        if step.epoch == self._first_epoch and self._n_rows < _MAX_ROWS:
            self._keep_rows(step)
        self.last_index = step.index
        self._note_peak(step)

    def _begin(self, step: Any) -> None:
        self.network, self._first_epoch = step.network, step.epoch
        self.first_params = np.array(step.params)
        self._reader = reader_for(step)

    def _complete(self, step: Any) -> None:
        """Complete the look at the step before."""
        if self._pending is not None and step.index == self._pending.look.index + 1:
            self._pending.complete(step, self._reader.probe)
        self._pending = None

    def _look(self, step: Any, number: int) -> None:
        look = look_at(step, self._reader)
        if number < N_FIRST:
            self._first.append(look)
        if number % self._every == 0:
            self._spread.append(look)
            if len(self._spread) > N_SPREAD:
                del self._spread[1::2]
                self._every *= 2
        self._pending = PendingLook(look, step)

    def continues_with(self, step: Any) -> bool:
        """Return whether a step is the next one of the training that was observed."""
        return step.network is self.network and step.index == self.last_index + 1

    def _note_peak(self, step: Any) -> None:
        """Compare the mean loss of enough patterns with the highest so far."""
        n_rows = self._reader.n_rows(step)
        self._summed += float(step.loss) * n_rows
        self._n_summed += n_rows
        if self._n_summed >= _PATTERNS_OF_A_PEAK:
            self.peak = max(self.peak, self._summed / self._n_summed)
            self._summed, self._n_summed = 0.0, 0

    def _keep_rows(self, step: Any) -> None:
        X, targets = self._reader.rows(step)
        width = X.shape[1] + targets.shape[1]
        room = min(_MAX_ROWS, max(1, _MAX_VALUES // width)) - self._n_rows
        if room > 0:
            self._X.append(_some_rows(X, room))
            self._targets.append(_some_rows(targets, room))
            self._n_rows += max(len(self._X[-1]), len(self._targets[-1]))

    @property
    def looks(self) -> list[Look]:
        """All looks, each once, in the order of the steps."""
        by_index = {look.index: look for look in (*self._first, *self._spread)}
        return [by_index[index] for index in sorted(by_index)]

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Return some rows and their targets, of the first epoch that was seen."""
        return np.concatenate(self._X), np.concatenate(self._targets)


def _some_rows(rows: np.ndarray, n: int) -> np.ndarray:
    """Return a copy of n rows that are spread evenly, or of all if there are fewer."""
    return np.array(rows[np.linspace(0, len(rows) - 1, min(n, len(rows))).astype(int)], np.float64)

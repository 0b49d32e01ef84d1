"""A bounded sample of the steps of a training, spread over all of it."""

from typing import Any

import numpy as np

from sklearn_metabp.diagnostics.looks import Look, PendingLook, look_at
from sklearn_metabp.diagnostics.readers import reader_for

# Looks are kept at the first steps, where a training goes wrong most often, and then at every
# eighth, sixteenth, … step, so that 7 to 12 are spread evenly over 100 steps or more.
N_FIRST, N_SPREAD, EVERY = 6, 12, 8
# A peak of the loss counts if it is the mean over so many patterns. Single ones may be odd.
_PATTERNS_OF_A_PEAK = 32
# Rows that are kept, and numbers in them.
_MAX_ROWS, _MAX_VALUES = 512, 2**18


class Observer:
    """It looks at some steps of one training, and keeps some of its rows.

    It names the steps that it looks at, so that nobody needs to show it the others. Memory is
    bounded. The number of looks grows with the logarithm of the number of steps.

    Attributes
    ----------
    looks : list of Look
        In the order of the steps.
    peak : float
        Highest mean loss of successive steps that were seen, with some patterns together.
    network : BaseNetwork or None
        None before the first step.
    first_index, last_index : int
        Numbers of the first step, and of the last one, which need not be seen.
    first_params : ndarray of shape (n_params,)
        Parameters before the first step.
    """

    def __init__(self) -> None:
        self._first: list[Look] = []
        self._spread: list[Look] = []
        self._every, self.first_index, self.last_index = EVERY, 0, 0
        self._pending: PendingLook | None = None
        self._X: list[np.ndarray] = []
        self._targets: list[np.ndarray] = []
        self._n_rows = 0
        self._first_epoch, self._wants_rows = 0, True
        self.peak, self._summed, self._n_summed = -np.inf, 0.0, 0
        self.network: Any = None

    def next_wanted(self, number: int) -> int:
        """Return the next step to see, this one or later.

        Steps count from 0. They are those of a training, or the recorded ones of a trace.
        """
        wants_next = self._pending is not None or self._wants_rows
        return number if wants_next else -(-number // self._every) * self._every

    def see(self, step: Any, number: int) -> None:
        """Look at the step of this number, whose updates are known, or take less notice of it."""
        if self.network is None:
            self._begin(step)
        if self._pending is not None or number < N_FIRST or number % self._every == 0:
            with np.errstate(all="ignore"):  # a training that blows up overflows
                self._complete(step)
                if number < N_FIRST or number % self._every == 0:
                    self._look(step, number)
        if self._wants_rows:
            self._keep_rows(step)
        self._note_peak(step)
        self.last_index = step.index

    def _begin(self, step: Any) -> None:
        self.network, self._first_epoch = step.network, step.epoch
        self.first_index = self.last_index = step.index
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
        if step.index > self.last_index + 1:
            self._summed, self._n_summed = 0.0, 0
        n_rows = self._reader.n_rows(step)
        self._summed += float(step.loss) * n_rows
        self._n_summed += n_rows
        if self._n_summed >= _PATTERNS_OF_A_PEAK:
            self.peak = max(self.peak, self._summed / self._n_summed)
            self._summed, self._n_summed = 0.0, 0

    def _keep_rows(self, step: Any) -> None:
        """Keep rows of the first epoch until they are enough."""
        if step.epoch != self._first_epoch:
            self._wants_rows = False
            return
        X, targets = self._reader.rows(step)
        width = X.shape[1] + targets.shape[1]
        room = min(_MAX_ROWS, max(1, _MAX_VALUES // width)) - self._n_rows
        if room > 0:
            self._X.append(_some_rows(X, room))
            self._targets.append(_some_rows(targets, room))
            self._n_rows += max(len(self._X[-1]), len(self._targets[-1]))
        self._wants_rows = room > max(len(X), len(targets))

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

"""A sample of limited size of the steps of a training."""

from typing import Any

import numpy as np

from sklearn_metabp.diagnostics.looks import Look, PendingLook, look_at
from sklearn_metabp.diagnostics.readers import reader_for

# Looks are kept at the first steps, where most problems begin, and then at every eighth, sixteenth,
# … step, so that 7 to 12 looks are spread evenly over 100 steps or more.
N_FIRST, N_SPREAD, EVERY = 6, 12, 8
# Smallest number of patterns of a peak of the loss. Single patterns may be unusual.
_PATTERNS_OF_A_PEAK = 32
# Largest number of kept rows, and of numbers in them.
_MAX_ROWS, _MAX_VALUES = 512, 2**18


class Observer:
    """Observer of some steps of one training, which also keeps some of its rows.

    It returns the number of the next step to observe, so it does not need the others. The memory is
    limited. The number of looks grows with the logarithm of the number of steps.

    Attributes
    ----------
    looks : list of Look
        Looks in the order of the steps.
    peak : float
        Highest mean loss of successive observed steps with enough patterns.
    network : BaseNetwork or None
        The network, or None before the first step.
    first_index, last_index : int
        Numbers of the first step and of the last step, which may be unobserved.
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
        """Return the number of the next step to observe, this one or a later one.

        Steps count from 0. They are the steps of a training, or the recorded steps of a trace.
        """
        wants_next = self._pending is not None or self._wants_rows
        return number if wants_next else -(-number // self._every) * self._every

    def see(self, step: Any, number: int) -> None:
        """Observe the step with this number, after its update, with or without a look."""
        if self.network is None:
            self._begin(step)
        if self._pending is not None or number < N_FIRST or number % self._every == 0:
            with np.errstate(all="ignore"):  # losses and gradients may overflow
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
        """Complete the look at the last step."""
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
        """Return whether a step is the next one of the observed training."""
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
        """Keep rows of the first epoch, up to the limit."""
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
        """Return some rows and their targets, of the first observed epoch."""
        return np.concatenate(self._X), np.concatenate(self._targets)


def _some_rows(rows: np.ndarray, n: int) -> np.ndarray:
    """Return a copy of n evenly spread rows, or of all rows if there are fewer."""
    return np.array(rows[np.linspace(0, len(rows) - 1, min(n, len(rows))).astype(int)], np.float64)

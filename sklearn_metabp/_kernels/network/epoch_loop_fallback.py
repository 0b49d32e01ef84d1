"""The steps of a training with a bound rule, over any kernel, in Python."""

from typing import Any

import numpy as np

from sklearn_metabp._kernels.network.epoch_ends import (
    LOSS_IS_NOT_FINITE,
    UPDATE_IS_NOT_FINITE,
)

__all__: list[str] = []


class EpochLoop:
    """The method ``run_steps`` of a fallback that has ``gradients`` and has loaded rows."""

    _loaded: Any
    gradients: Any

    def run_steps(
        self,
        rule: Any,
        batch_size: int,
        n_steps: int,
        random: np.random.RandomState,
        losses: np.ndarray,
        start: int = 0,
        total: float = 0.0,
    ) -> tuple[int, int, float, float, str | BaseException | None]:
        """Take some steps with a rule that is bound to the parameters of this kernel.

        The compiled kernel does so without Python. The steps may begin and end within an epoch.

        Parameters
        ----------
        rule : Program
        batch_size : int
            At most ``max_batch``; the last batch of an epoch may have fewer rows.
        n_steps : int
        random : RandomState
            Shuffles the order of the rows before every epoch, where they have one.
        losses : ndarray of float64 of shape (n_epochs,)
            Gets the mean loss of every epoch that ends.
        start : int, default=0
            First row of the first batch; 0 if the first step begins an epoch.
        total : float, default=0
            Sum of the losses of the rows of that epoch before ``start``.

        Returns
        -------
        n_epochs_ended, n_steps_done : int
        last_loss : float
            The last finite loss of a batch; NaN before the first.
        total : float
            Sum of the losses of the rows of the epoch that has begun and not ended.
        problem : str, exception or None
            The number that is not finite in the next step, in words, or Ctrl-C.
        """
        n_rows, order, epoch, last_loss = self._loaded.n, self._loaded.order, 0, np.nan
        if not 0 <= start < n_rows or start % batch_size:
            raise ValueError("start must be where a batch starts.")
        for n_done in range(n_steps):
            if start == 0 and order is not None:
                random.shuffle(order)
            stop = min(start + batch_size, n_rows)
            try:
                loss = self.gradients(start, stop)
                if not np.isfinite(loss):
                    return epoch, n_done, last_loss, total, LOSS_IS_NOT_FINITE.format(loss)
                if not rule.change(n_done):
                    return epoch, n_done, loss, total, UPDATE_IS_NOT_FINITE
            except KeyboardInterrupt as interruption:
                return epoch, n_done, last_loss, total, interruption
            last_loss = loss
            total += loss * (stop - start)
            start = stop
            if start == n_rows:
                losses[epoch] = total / n_rows
                epoch, start, total = epoch + 1, 0, 0.0
        return epoch, n_steps, last_loss, total, None

"""The course of one training: the data for the checks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from sklearn_metabp.diagnostics.looks import Look
from sklearn_metabp.network import constant_loss

# With fewer epochs, the loss does not show its limit.
_FEW_EPOCHS = 30


@dataclass
class Ending:
    """The end of a training, as far as it is known.

    Attributes
    ----------
    is_known : bool
        True if the other fields are known. They are unknown for a trace.
    divergence : str or None
        Text of a divergence.
    ran_out_of_patience : bool
        True if patience or a callback ended the training.
    takes_steps : bool
        False for a line search.
    validation_losses : ndarray of shape (n_epochs,)
        Empty without validation rows. NaN for an epoch without validation.
    """

    is_known: bool = False
    divergence: str | None = None
    ran_out_of_patience: bool = False
    takes_steps: bool = True
    validation_losses: np.ndarray = field(default_factory=lambda: np.empty(0))


@dataclass
class Course:
    """The course of one training.

    Attributes
    ----------
    network : BaseNetwork
    looks : list of Look
        At least one.
    epoch_losses : ndarray of shape (n_epochs,)
        Mean loss of every epoch.
    peak : float
        Highest mean loss of an epoch, or of successive observed steps with enough patterns. Minus
        infinity if there were too few patterns.
    X, targets : ndarray of shape (n_rows, n_columns)
        Some rows of the training. For a recurrent network they are inputs of some time steps, and
        targets of some time steps, perhaps of others.
    first_params : ndarray of shape (n_params,)
        Parameters before the first step.
    params : ndarray of shape (n_params,) or None
        Parameters at the end, or None if they are not finite.
    ending : Ending
    """

    network: Any
    looks: list[Look]
    epoch_losses: np.ndarray
    peak: float
    X: np.ndarray
    targets: np.ndarray
    first_params: np.ndarray
    params: np.ndarray | None
    ending: Ending

    @property
    def first(self) -> list[Look]:
        """The looks at the first steps."""
        return self.looks[:6]

    @property
    def late(self) -> list[Look]:
        """The last third of the looks, at least one."""
        return self.looks[-max(1, len(self.looks) // 3) :]

    @property
    def n_epochs(self) -> int:
        """Number of finished epochs."""
        return len(self.epoch_losses)

    @cached_property
    def constant(self) -> float:
        """Loss of the best constant prediction for the kept rows."""
        return max(constant_loss(self.network, self.targets), np.finfo(float).tiny)

    @property
    def is_recurrent(self) -> bool:
        """True if the network has a recurrent layer, whose rows are not kept as a whole."""
        return self.network.layout.recurrence is not None

    @cached_property
    def outputs(self) -> np.ndarray | None:
        """Outputs for the kept rows at the end, without dropout, or None if they are unknown."""
        if self.params is None or self.is_recurrent:
            return None
        with np.errstate(all="ignore"):
            return np.asarray(self.network.outputs(self.params, self.X.astype(self.params.dtype)))

    @property
    def predictions(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Outputs and targets at the end or of the late looks, or None if they are unknown."""
        if self.is_recurrent:
            outputs, targets = zip(*[look.predictions for look in self.late], strict=True)
            return np.concatenate(outputs), np.concatenate(targets)
        return None if self.outputs is None else (self.outputs, self.targets)

    @cached_property
    def end_loss(self) -> float:
        """Loss of the kept rows at the end, without dropout and penalty. Infinite without rows.

        For a recurrent network it is the loss of the last epoch, without penalty.
        """
        if self.params is None:
            return np.inf
        if self.is_recurrent:
            last = self.looks[-1]
            before = self.epoch_losses[-1] if self.n_epochs else last.loss
            return float(before) - (last.loss - last.data_loss)
        dtype = self.params.dtype
        loss = self.network.mean_loss(self.params, self.X.astype(dtype), self.targets.astype(dtype))
        return float(loss) if np.isfinite(loss) else np.inf

    @property
    def level(self) -> float:
        """Loss at the end over that of the best constant. Near 1, nothing was learned."""
        return self.end_loss / self.constant

    @property
    def start_level(self) -> float:
        """Loss of the first look over that of the best constant."""
        return self.looks[0].loss / self.constant

    @property
    def structure(self) -> float:
        """Correlation of the errors of neighbouring rows at the end.

        It is 0 for noise. If the network is not flexible enough, errors of neighbours have the same
        sign.
        """
        return self._structure_and_error[0]

    @property
    def structure_error(self) -> float:
        """Standard error of ``structure``. It is large if a few rows have most of the error."""
        return self._structure_and_error[1]

    @cached_property
    def _structure_and_error(self) -> tuple[float, float]:
        outputs = self.outputs
        if outputs is None or len(self.X) < 30:
            return np.nan, np.nan
        errors = self.targets - outputs
        scale = self.X.std(axis=0)
        X = (self.X - self.X.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
        squares = (X**2).sum(axis=1)
        distances = squares[:, None] + squares - 2 * X @ X.T
        np.fill_diagonal(distances, np.inf)
        distances[distances < 1e-9 * max(squares.mean(), 1e-300)] = np.inf  # the same row again
        nearest = distances.argmin(axis=1)
        centred = errors - errors.mean(axis=0)
        squares = (centred**2).sum(axis=1)
        total = squares.sum()  # of NumPy, which overflows without an error
        if not total > 0:
            return 0.0, np.nan
        n_effective = total**2 / (squares**2).sum()
        correlation = (centred * centred[nearest]).sum() / total
        return float(correlation), float(1 / np.sqrt(n_effective))

    @cached_property
    def has_classes(self) -> bool:
        """True if the targets are classes, which have at most two values."""
        return len(np.unique(self.targets)) <= 2

    @cached_property
    def unfinished(self) -> float:
        """Further decrease of the training loss with more epochs, over the loss of the constant."""
        return _decrease_ahead(self.epoch_losses) / self.constant

    @cached_property
    def unfinished_validation(self) -> float:
        """Further decrease of the validation loss with more epochs, over that of the constant."""
        losses = self.ending.validation_losses
        return _decrease_ahead(losses[~np.isnan(losses)]) / self.constant

    @property
    def n_more(self) -> int:
        """Number of further epochs for ``unfinished``."""
        return max(self.n_epochs, _FEW_EPOCHS)

    @cached_property
    def rises(self) -> float:
        """Sum of all rises of the loss in the second half, over the loss of the constant."""
        second = self.epoch_losses[self.n_epochs // 2 :]
        if len(second) < 3 or not np.isfinite(second).all():
            return np.nan
        return float(np.maximum(np.diff(second), 0).sum()) / self.constant

    def since(self, flags: Sequence[Any]) -> Look | None:
        """Return the first look of the last series of looks that have a property."""
        found = None
        for look, flag in zip(reversed(self.looks), reversed(flags), strict=True):
            if not flag:
                break
            found = look
        return found


def _decrease_ahead(losses: np.ndarray) -> float:
    """Return the decrease in the same number of further epochs, but at least in 30.

    The last two thirds show how fast the decrease slows down. Less than ten epochs cannot show it,
    so the decrease of the last third is continued. The result is at most the last loss.
    """
    n = len(losses)
    if n < 3 or not np.isfinite(losses).all():
        return np.nan
    second = losses[n // 2 :]
    if len(second) >= 6:
        before, lately = np.array_split(second, 2)
        if before.mean() - lately.mean() <= lately.std():  # more noise than decrease
            return 0.0
    width = max(1, n // 10)
    ends = [
        float(np.median(losses[max(0, stop - width) : stop]))
        for stop in np.linspace(0, n, 4)[1:].astype(int)
    ]
    earlier, last = ends[0] - ends[1], ends[1] - ends[2]
    if last <= 0:
        return 0.0
    ratio = min(1.0, last / earlier) if earlier > 0 and n >= 10 else 1.0
    n_thirds = round(3 * max(1.0, _FEW_EPOCHS / n))
    return min(last * float((ratio ** np.arange(1, n_thirds + 1)).sum()), ends[2])

"""The error of a training whose numbers become infinite or NaN."""

from collections.abc import Callable
from typing import Any

ADVICE = "Try a smaller learning rate, scale X (StandardScaler) and y, or set a larger batch_size."


class DivergenceError(ValueError):
    """A loss, an update or a weight of a training is NaN or infinite.

    Attributes
    ----------
    epoch : int
        Number, from 1, of the epoch in which it happened.
    step : int
        Number, from 1, of the step in which it happened.
    last_loss : float or None
        The last finite loss of a batch, or None.
    loss_curve : list of float
        Mean loss of every epoch that ended before it happened.
    """

    def __init__(
        self,
        what: str,
        rule: Any,
        *,
        epoch: int,
        step: int,
        last_loss: float | None,
        advice: str = ADVICE,
    ):
        self.epoch, self.step, self.last_loss = epoch, step, last_loss
        self.loss_curve: list[float] = []  # set by the loop
        loss = (
            "no batch had a finite loss"
            if last_loss is None
            else f"the last finite loss was {last_loss:.6g}"
        )
        super().__init__(
            f"Training diverged in epoch {epoch}, step {step}, under update_rule={rule!r}: {what}; "
            f"{loss}. {advice}"
        )

    def __reduce__(self) -> tuple[Callable, tuple]:
        return _restore_divergence, (str(self), dict(vars(self)))


def _restore_divergence(message: str, attributes: dict[str, Any]) -> DivergenceError:
    error = DivergenceError.__new__(DivergenceError)
    ValueError.__init__(error, message)
    vars(error).update(attributes)
    return error

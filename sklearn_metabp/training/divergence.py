"""A training that leaves the finite numbers."""

ADVICE = "Try a smaller learning rate, scale X (StandardScaler) and y, or set a larger batch_size."


class DivergenceError(ValueError):
    """Training left the finite numbers: a loss, an update or a weight is NaN or infinite.

    Attributes
    ----------
    epoch : int
        Epoch in which it happened, from 1.
    step : int
        Step in which it happened, from 1.
    last_loss : float or None
        The last finite loss of a batch; None if there was none.
    """

    def __init__(
        self, what: str, rule, *, epoch: int, step: int, last_loss: float | None, advice=ADVICE
    ):
        self.epoch, self.step, self.last_loss = epoch, step, last_loss
        loss = (
            "no batch had a finite loss"
            if last_loss is None
            else f"the last finite loss was {last_loss:.6g}"
        )
        super().__init__(
            f"Training diverged in epoch {epoch}, step {step}, under update_rule={rule!r}: "
            f"{what}; {loss}. " + advice
        )

    def __reduce__(self):
        return _restore_divergence, (str(self), self.epoch, self.step, self.last_loss)


def _restore_divergence(message, epoch, step, last_loss):
    error = DivergenceError.__new__(DivergenceError)
    ValueError.__init__(error, message)
    error.epoch, error.step, error.last_loss = epoch, step, last_loss
    return error

"""Numbers to the network's targets and back."""

import numpy as np
from sklearn.metrics import r2_score
from sklearn.utils.validation import column_or_1d

from sklearn_metabp.targets.targets import Targets


class NumberTargets(Targets):
    """Numbers as targets of the output units; see ``ClassTargets`` for what the methods do.

    Parameters
    ----------
    out_activation : {"auto", "identity", "logistic", "tanh", "softmax", "exp"}
    loss : {"squared_error", "absolute_error", "huber", "poisson"}

    Raises
    ------
    ValueError
        If the output activation does not fit the loss.
    """

    kind = "numbers"
    is_numeric = True

    def __init__(self, out_activation: str, loss: str):
        self.loss = loss
        if out_activation == "auto":
            out_activation = "exp" if loss == "poisson" else "identity"
        if loss == "poisson" and out_activation != "exp":
            raise ValueError(
                "loss='poisson' needs outputs above 0: out_activation must be 'auto' or 'exp', "
                f"got {out_activation!r}."
            )
        self.out_activation = out_activation

    def for_output(self, out_activation: str, loss: str) -> "NumberTargets":
        """Targets for other output units or another loss."""
        return NumberTargets(out_activation, loss)

    def check_known(self, y, name: str = "y") -> None:
        """Any number goes."""

    def encode(self, y, dtype) -> np.ndarray:
        """Targets of the output units, C-contiguous, of shape (n_samples, n_outputs)."""
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        with np.errstate(over="ignore"):
            targets = np.ascontiguousarray(y.reshape(len(y), -1), dtype)
        if not np.isfinite(targets).all():
            raise ValueError(f"y has values too large for {np.dtype(dtype)}, the dtype of X.")
        if self.out_activation == "softmax" and targets.shape[1] == 1:
            raise ValueError(
                "out_activation='softmax' makes a single output 1 whatever X is: use another."
            )
        if self.loss == "poisson" and targets.min() < 0:
            raise ValueError(
                "loss='poisson' is for counts and rates: y must not be negative, its lowest "
                f"value is {targets.min():g}."
            )
        return targets

    @staticmethod
    def decode(outputs: np.ndarray) -> np.ndarray:
        """Outputs as they are; a vector where there is one."""
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    def score(self, y, outputs: np.ndarray, sample_weight=None) -> float:
        """R², the mean over the outputs; NaN where an output is not finite."""
        if not np.isfinite(outputs).all():
            return np.nan
        with np.errstate(over="ignore", invalid="ignore"):  # a square may be infinite
            return float(r2_score(y, self.decode(outputs), sample_weight=sample_weight))

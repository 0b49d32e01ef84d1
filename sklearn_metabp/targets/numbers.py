"""Numbers as targets of the output neurons, and back."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from sklearn.metrics import r2_score
from sklearn.utils.validation import column_or_1d

from sklearn_metabp._kernels.functions import ACTIVATIONS, LOSSES
from sklearn_metabp.targets.kinds import n_columns
from sklearn_metabp.targets.targets import TargetsOfY


class NumberTargets(TargetsOfY):
    """Numbers as targets of the output neurons.

    Parameters
    ----------
    out_activation : str
        ``"auto"`` or a name in ``OUT_ACTIVATIONS``.
    loss : str
        Name in ``NUMBER_LOSSES``.

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
            out_activation = LOSSES[loss].number_output or "identity"
        LOSSES[loss].check_output(out_activation, "auto")
        self.out_activation = out_activation

    def for_output(self, out_activation: str, loss: str) -> "NumberTargets":
        """Return targets for other output neurons or another loss."""
        return NumberTargets(out_activation, loss)

    def check_known(self, y: Any, name: str = "y") -> None:
        """Do nothing: any number is allowed."""

    def n_outputs(self, y: Any) -> int:
        """Return the number of output neurons, one for every column of y."""
        return n_columns(y)

    def encode(self, y: Any, dtype: DTypeLike) -> np.ndarray:
        """Return C-contiguous targets of the output neurons, of shape (n_samples, n_outputs)."""
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        with np.errstate(over="ignore"):
            targets = np.ascontiguousarray(y.reshape(len(y), -1), dtype)
        if not np.isfinite(targets).all():
            raise ValueError(f"y has values too large for {np.dtype(dtype)}, the dtype of X.")
        if ACTIVATIONS[self.out_activation].sums_to_one and targets.shape[1] == 1:
            raise ValueError(
                "out_activation='softmax' makes a single output 1 for every X: use another."
            )
        LOSSES[self.loss].check_targets(targets)
        return targets

    @staticmethod
    def decode(outputs: np.ndarray) -> np.ndarray:
        """Return outputs as they are, or a vector if there is one neuron."""
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    def score(self, y: Any, outputs: np.ndarray, sample_weight: Any = None) -> float:
        """Return R², the mean over the outputs; NaN if an output is not finite."""
        if not np.isfinite(outputs).all():
            return np.nan
        with np.errstate(over="ignore", invalid="ignore"):  # a square may be infinite
            return float(r2_score(y, self.decode(outputs), sample_weight=sample_weight))

"""Checks of the weights of rows in the training loss."""

import warnings
from typing import Any

import numpy as np

from sklearn_metabp.training import TrainingState

# Weights with a mean below _LIGHT are no counts of rows. An alpha below _STRONG, for weights of
# mean 1, is harmless.
_LIGHT, _STRONG = 0.1, 1e-3


def warn_of_light_weights(
    weight: np.ndarray, names: str, alpha: float, state: TrainingState
) -> None:
    """Warn if weights are so small that they make the penalty many times stronger.

    The penalty is divided by the sum of the weights, because a row of weight 2 counts as two rows.
    So weights in another unit, such as shares that sum to 1, only change the strength of the
    penalty.

    Parameters
    ----------
    weight : ndarray of shape (n_samples,)
        Not negative. Rows of weight 0 do not count.
    names : str
        Names of the parameters that the weights come from.
    alpha : float
    state : TrainingState
        It stores the warning, which is given once.
    """
    mean = float(weight[weight > 0].mean(dtype=float))
    if mean < _LIGHT and alpha / mean > _STRONG and state.is_first_warning("light weights"):
        warnings.warn(
            f"{names}: the mean weight of a row is {mean:.3g}, so alpha={alpha:g} is as strong as "
            f"alpha={alpha / mean:.3g} for weights of mean 1: the penalty is divided by the "
            "sum of the weights, so a row of weight 2 counts as two rows. Divide the weights by "
            "their mean. If an estimator such as AdaBoostClassifier makes them, divide alpha by "
            f"{1 / mean:.3g}.",
            stacklevel=5,
        )


def check_needs_no_counts(class_weight: Any) -> None:
    """Raise ValueError if class weights need all rows, because a call gets a part of them."""
    if isinstance(class_weight, str):
        raise ValueError(
            "class_weight='balanced' must count all rows, but partial_fit gets a part of them: "
            "pass the weights of compute_class_weight('balanced', classes=classes, y=all_y) as a "
            "dict."
        )

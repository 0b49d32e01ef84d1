"""Weights of rows in the training loss: of classes and of samples together, and what their unit does."""

import warnings
from typing import Any

import numpy as np

from sklearn_metabp.training import TrainingState

# Mean weights below this are no counts of rows. A penalty that is weaker than this at a mean weight
# of 1 does no harm.
_LIGHT, _STRONG = 0.1, 1e-3


def warn_of_light_weights(
    weight: np.ndarray, names: str, alpha: float, state: TrainingState
) -> None:
    """Warn where weights are so small that ``alpha`` counts many times over.

    The penalty is divided by the sum of the weights, as a row of weight 2 is one that is given
    twice. So weights in another unit, such as shares that sum to 1, change the strength of the
    penalty, nothing else.

    Parameters
    ----------
    weight : ndarray of shape (n_samples,)
        Not negative; rows of weight 0 do not count.
    names : str
        Which parameters they are the product of.
    alpha : float
    state : TrainingState
        Is warned once.
    """
    mean = float(weight[weight > 0].mean(dtype=float))
    if mean < _LIGHT and alpha / mean > _STRONG and state.is_first_warning("light weights"):
        warnings.warn(
            f"{names}: rows weigh {mean:.3g} on average, so alpha={alpha:g} is as strong as "
            f"alpha={alpha / mean:.3g} is with weights of mean 1: the penalty is divided by the "
            "sum of the weights, as a row of weight 2 counts as two rows. Divide the weights by "
            "their mean; or, where something like AdaBoostClassifier makes them, divide alpha by "
            f"{1 / mean:.3g}.",
            stacklevel=5,
        )


def check_needs_no_counts(class_weight: Any) -> None:
    """Raise ValueError if weights of classes go by their counts, which a part of the rows does not tell."""
    if isinstance(class_weight, str):
        raise ValueError(
            "class_weight='balanced' needs all rows to count, and partial_fit sees some of them: "
            "pass the weights of compute_class_weight('balanced', classes=classes, y=all_y) as a "
            "dict."
        )

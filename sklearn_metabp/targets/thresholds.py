"""Thresholds of scores of rows, where a high score is normal."""

import numpy as np
from numpy.typing import ArrayLike


def weighted_quantile(values: np.ndarray, share: float, weight: ArrayLike | None) -> float:
    """Return the number with a share of the weight below it.

    It is the quantile that ``numpy.quantile`` calls "averaged_inverted_cdf": a row of weight 2 has
    the effect of two rows.

    Parameters
    ----------
    values : ndarray of shape (n_samples,)
    share : float
        From 0 to 1.
    weight : array-like of shape (n_samples,) or None
        Not negative; the sum is positive.

    Returns
    -------
    quantile : float

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp.targets.thresholds import weighted_quantile
    >>> weighted_quantile(np.array([4.0, 1.0, 2.0, 3.0]), 0.5, None)
    2.5
    """
    weight = np.ones(len(values)) if weight is None else np.asarray(weight, np.float64)
    values, weight = values[weight > 0], weight[weight > 0]
    order = np.argsort(values, kind="stable")
    values, below = values[order], np.cumsum(weight[order])
    wanted = share * below[-1]
    slack = 1e-9 * below[-1]  # the sum of the weights has rounding errors
    first = min(int(np.searchsorted(below, wanted - slack)), len(values) - 1)
    last = min(int(np.searchsorted(below, wanted + slack, side="right")), len(values) - 1)
    return float(values[first] + (values[last] - values[first]) / 2)


def upper_fence(errors: np.ndarray, weight: ArrayLike | None) -> float:
    """Return the upper fence of errors, Q3 + 1.5 (Q3 - Q1).

    The rule is that of box plots: J. W. Tukey, "Exploratory Data Analysis" (1977).

    Parameters
    ----------
    errors : ndarray of shape (n_samples,)
    weight : array-like of shape (n_samples,) or None

    Returns
    -------
    fence : float

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp.targets.thresholds import upper_fence
    >>> upper_fence(np.array([1.0, 2.0, 3.0, 5.0, 10.0]), None)  # 5 + 1.5 (5 - 2)
    9.5
    """
    low, high = (weighted_quantile(errors, share, weight) for share in (0.25, 0.75))
    return high + 1.5 * (high - low)


def separating_threshold(scores: np.ndarray, signs: np.ndarray, weight: np.ndarray | None) -> float:
    """Return the threshold of scores with the best balanced accuracy: 1 above it, -1 below.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
    signs : ndarray of shape (n_samples,)
        1 or -1, each at least once.
    weight : ndarray of shape (n_samples,) or None

    Returns
    -------
    threshold : float
        In the middle between two scores, or beyond all of them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp.targets.thresholds import separating_threshold
    >>> scores, signs = np.array([-9.0, -5.0, -3.0, -1.0]), np.array([-1, -1, 1, 1])
    >>> separating_threshold(scores, signs, None)
    -4.0
    """
    weight = np.ones(len(scores)) if weight is None else np.asarray(weight, np.float64)
    values, place = np.unique(scores, return_inverse=True)
    of_sign = [
        np.bincount(place, weight * (signs == sign), minlength=len(values)) for sign in (-1, 1)
    ]
    # With so many of the lowest scores below the threshold, from none to all:
    found, lost = (
        np.concatenate([[0.0], np.cumsum(part)]) / (part.sum() or 1.0) for part in of_sign
    )
    n_below = int((found - lost).argmax())
    ends = np.concatenate([[values[0] - 1], values, [values[-1] + 1]])
    return float(ends[n_below] + (ends[n_below + 1] - ends[n_below]) / 2)

"""Euclidean norms of vectors whose squares leave the range of floating-point numbers."""

import numpy as np

from sklearn_metabp._kernels.rules import norm


def safe_norm(vector: np.ndarray) -> tuple[np.ndarray, float]:
    """Return a vector and its Euclidean norm, both divided by the largest element where needed.

    Beyond 1e154 the sum of squares is infinite, below 1e-162 it is zero, though every element is a
    number. The quotient of the two results is the unit vector in any case.

    Parameters
    ----------
    vector : ndarray of shape (n,)

    Returns
    -------
    vector : ndarray of shape (n,)
        The same, or one of the same direction.
    length : float
        Its norm; 0, infinite or NaN only where every element is 0 or one is infinite or NaN.
    """
    length = norm(vector)
    if 0 < length < np.inf:
        return vector, length
    largest = np.abs(vector).max(initial=0)
    if not 0 < largest < np.inf:
        return vector, length
    vector = vector / largest
    return vector, norm(vector)

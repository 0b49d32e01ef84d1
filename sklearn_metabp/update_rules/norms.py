"""Euclidean norms of vectors whose squares leave the range of floating-point numbers."""

import numpy as np

from sklearn_metabp._kernels.rules import norm


def safe_norm(vector: np.ndarray) -> tuple[np.ndarray, float]:
    """Return a vector and its Euclidean norm, both divided by the largest element if needed.

    For elements above 1e154 the sum of squares is infinite, and for elements below 1e-162 it is
    zero. The quotient of the two results is always the unit vector.

    Parameters
    ----------
    vector : ndarray of shape (n,)

    Returns
    -------
    vector : ndarray of shape (n,)
        The same vector, or one of the same direction.
    length : float
        The norm. It is 0 only if all elements are 0, and not finite only if an element is not.
    """
    length = norm(vector)
    if 0 < length < np.inf:
        return vector, length
    largest = np.abs(vector).max(initial=0)
    if not 0 < largest < np.inf:
        return vector, length
    vector = vector / largest
    return vector, norm(vector)

"""The largest curvature of the loss of a fitted network."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigh_tridiagonal
from sklearn.utils import check_random_state

from sklearn_metabp.callbacks.base import check_count
from sklearn_metabp.derivatives import hessian_vector_product


@dataclass(frozen=True)
class Sharpness:
    """The largest eigenvalue of the Hessian of the loss.

    Attributes
    ----------
    eigenvalue : float
    error : float
        The distance to the nearest true eigenvalue is at most this number.
    n_products : int
        Number of computed products with the Hessian.
    """

    eigenvalue: float
    error: float
    n_products: int

    @property
    def longest_stable_rate(self) -> float:
        """Learning rate above which gradient descent over all rows does not converge."""
        return 2 / self.eigenvalue if self.eigenvalue > 0 else np.inf


def sharpness(
    model: Any,
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    max_products: int = 100,
    tol: float = 1e-3,
    random_state: Any = 0,
) -> Sharpness:
    r"""Compute the sharpness of a fitted network by Lanczos' method.

    .. math::
        \lambda_{max} = \max_{|v| = 1} v^\top H v, \qquad
        \beta_{k+1} v_{k+1} = H v_k - \alpha_k v_k - \beta_k v_{k-1}, \qquad
        \alpha_k = v_k^\top H v_k

    H is the Hessian of the loss over all rows. Only products of H with vectors are computed. The
    largest eigenvalue of the tridiagonal matrix of the :math:`\alpha_k` and :math:`\beta_k`
    approaches that of H from below. Plain gradient descent with a learning rate above
    :math:`2 / \lambda_{max}` is not stable.

    Parameters
    ----------
    model : BackpropMLPClassifier or BackpropMLPRegressor
        A fitted estimator.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,), default=None
    max_products : int, default=100
    tol : float, default=1e-3
        The computation ends if the error is at most this share of the eigenvalue.
    random_state : int, RandomState instance or None, default=0
        Random numbers for the first vector.

    Returns
    -------
    sharpness : Sharpness

    Raises
    ------
    NotFittedError, TypeError, ValueError
        As :func:`~sklearn_metabp.derivatives.hessian_vector_product`.

    References
    ----------
    C. Lanczos, "An iteration method for the solution of the eigenvalue problem of linear
    differential and integral operators" (1950), with full orthogonalisation. The bound
    of the learning rate is that of J. Cohen et al., "Gradient descent on neural networks typically
    occurs at the edge of stability" (2021), section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp import BackpropMLPRegressor
    >>> from sklearn_metabp.diagnostics import sharpness
    >>> X, y = np.array([[-2.0], [0.0], [2.0]]), np.array([-1.0, 0.5, 2.0])
    >>> line = BackpropMLPRegressor(
    ...     (), alpha=0.0, max_iter=10, n_iter_no_change=np.inf
    ... ).fit(X, y)
    >>> sharp = sharpness(line, X, y)  # the second moment of X is 8 / 3
    >>> print(f"{sharp.eigenvalue:.4f} {sharp.longest_stable_rate:.4f}")
    2.6667 0.7500
    """
    max_products = check_count("max_products", max_products)

    def multiply(vector: np.ndarray) -> np.ndarray:
        product = hessian_vector_product(model, X, y, vector, sample_weight)
        return np.asarray(product, np.float64)

    rounding = max(tol, 10 * np.finfo(np.asarray(model.params_).dtype).eps)
    start = check_random_state(random_state).normal(size=len(model.params_))
    return largest_eigenvalue(multiply, start, max_products, rounding)


def largest_eigenvalue(
    multiply: Callable[[np.ndarray], np.ndarray], start: np.ndarray, max_products: int, tol: float
) -> Sharpness:
    """Return the largest eigenvalue of a symmetric matrix, from products with vectors."""
    n = len(start)
    vectors = [start / np.linalg.norm(start)]
    diagonal: list[float] = []
    beside: list[float] = []
    while True:
        product = multiply(vectors[-1])
        diagonal.append(float(vectors[-1] @ product))
        known = np.array(vectors)
        for _ in range(2):  # the second time removes the rest that rounding has left
            product = product - known.T @ (known @ product)
        rest = float(np.linalg.norm(product))
        values, ends = eigh_tridiagonal(np.array(diagonal), np.array(beside))
        error = rest * abs(float(ends[-1, -1]))
        scale = max(abs(float(values[-1])), float(np.abs(values).max()) * 1e-6)
        if error <= tol * scale or len(vectors) in (n, max_products):
            return Sharpness(float(values[-1]), error, len(vectors))
        beside.append(rest)
        vectors.append(product / rest)

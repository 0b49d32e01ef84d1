"""Tests of the batch size, by the noise of the gradient of a batch."""

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from sklearn_metabp.diagnostics.patterns import NEEDS, PatternGradients, pattern_gradients
from sklearn_metabp.diagnostics.reading import per_step
from sklearn_metabp.tracing import Trace


@dataclass(frozen=True)
class BatchTest:
    """Result of a test of the batch size at every step.

    Attributes
    ----------
    ratios : ndarray of shape (n_steps,)
        Left side of the test divided by the right side. The test is passed if it is at most 1. NaN
        for one pattern.
    passed : ndarray of bool of shape (n_steps,)
    batch_sizes : ndarray of shape (n_steps,)
        Smallest number of patterns that passes the test.
    """

    ratios: np.ndarray
    passed: np.ndarray
    batch_sizes: np.ndarray


def norm_test(trace: Trace, *, theta: float = 0.9) -> BatchTest:
    r"""Test whether the gradient is large compared with its noise.

    .. math:: \frac{1}{n} \cdot \frac{1}{n-1} \sum_p |g_p - g|^2 \le \theta^2 |g|^2

    If it holds, the negative gradient of the batch is, in expectation, a direction of descent over
    all rows.

    Parameters
    ----------
    trace : Trace
        A trace with ``params``, ``gradients``, ``activations`` and ``deltas``. The networks of its
        runs may differ.
    theta : float, default=0.9
        :math:`\theta`, above 0.

    Returns
    -------
    test : BatchTest

    Raises
    ------
    TypeError, ValueError
        If ``trace`` is no trace or lacks a variable, if ``theta`` is out of its range, or if the
        gradients of patterns have no factors.

    References
    ----------
    R. H. Byrd, G. M. Chin, J. Nocedal and Y. Wu, "Sample size selection in optimization methods for
    machine learning" (2012), section 3.
    """
    theta = _check_limit("theta", theta)

    def sides(gradients: PatternGradients, gradient: np.ndarray) -> tuple[float, float]:
        return float(gradients.variances().sum()), theta**2 * float(gradient @ gradient)

    return _test(trace, "the norm test", sides)


def inner_product_test(trace: Trace, *, theta: float = 0.9) -> BatchTest:
    r"""Test whether the gradients of the patterns agree on the direction of descent.

    .. math:: \frac{1}{n} \cdot \frac{1}{n-1} \sum_p (g_p \cdot g - |g|^2)^2 \le \theta^2 |g|^4

    It is weaker than :func:`norm_test`, because noise across the gradient does not count.

    Parameters
    ----------
    trace : Trace
        As for :func:`norm_test`.
    theta : float, default=0.9
        :math:`\theta`, above 0. The source uses 0.9.

    Returns
    -------
    test : BatchTest

    Raises
    ------
    TypeError, ValueError
        As :func:`norm_test`.

    References
    ----------
    R. Bollapragada, R. Byrd and J. Nocedal, "Adaptive sampling strategies for stochastic
    optimization" (2017), section 2.
    """
    theta = _check_limit("theta", theta)

    def sides(gradients: PatternGradients, gradient: np.ndarray) -> tuple[float, float]:
        products = gradients.products(gradient)
        return _variance(products), theta**2 * float(gradient @ gradient) ** 2

    return _test(trace, "the inner product test", sides)


def orthogonality_test(trace: Trace, *, nu: float = 5.84) -> BatchTest:
    r"""Test whether the noise across the gradient is small.

    .. math::
        \frac{1}{n} \cdot \frac{1}{n-1} \sum_p \left|g_p - \frac{g_p \cdot g}{|g|^2} g\right|^2
        \le \nu^2 |g|^2

    It complements :func:`inner_product_test`, which leaves this part of the noise out.

    Parameters
    ----------
    trace : Trace
        As for :func:`norm_test`.
    nu : float, default=5.84
        :math:`\nu`, above 0. The source uses 5.84, the tangent of 80 degrees.

    Returns
    -------
    test : BatchTest

    Raises
    ------
    TypeError, ValueError
        As :func:`norm_test`.

    References
    ----------
    Bollapragada, Byrd and Nocedal (2017), section 3.
    """
    nu = _check_limit("nu", nu)

    def sides(gradients: PatternGradients, gradient: np.ndarray) -> tuple[float, float]:
        square = float(gradient @ gradient)
        along = _variance(gradients.products(gradient)) / square if square > 0 else 0.0
        across = float(gradients.variances().sum()) - along
        return max(across, 0.0) if np.isfinite(across) else across, nu**2 * square

    return _test(trace, "the orthogonality test", sides)


def _variance(values: np.ndarray) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else np.nan


def _check_limit(name: str, value: object) -> float:
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 < float(value) < np.inf:
        raise ValueError(f"{name} must be a finite number above 0, got {value!r}.")
    return float(value)


def _test(trace: Trace, what: str, sides: Any) -> BatchTest:
    """Compare n times the left side with the right side, at every step."""

    def compute(step: Any) -> np.ndarray:
        gradients = pattern_gradients(step)
        left, right = sides(gradients, np.asarray(step.gradients, np.float64))
        with np.errstate(divide="ignore", invalid="ignore"):
            size = np.float64(left) / right
        return np.array([size / gradients.n_patterns, size])

    ratios, sizes = per_step(trace, what, NEEDS, compute).T
    return BatchTest(ratios, ratios <= 1, sizes)

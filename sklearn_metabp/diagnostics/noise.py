"""The noise of the gradient of a batch: its scale, and a batch size for it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_metabp.callbacks.base import check_count
from sklearn_metabp.diagnostics.patterns import NEEDS, pattern_gradients, squares_by_tensor
from sklearn_metabp.diagnostics.reading import per_step
from sklearn_metabp.tracing import Trace


@dataclass(frozen=True)
class GradientNoise:
    """Size and noise of the gradient of every step.

    Attributes
    ----------
    squared_norms : ndarray of shape (n_steps,)
        Estimate of the squared norm of the gradient over all rows. It is below 0 if the noise is
        larger than the gradient.
    variances : ndarray of shape (n_steps,)
        Trace of the covariance of the gradients of single patterns.
    noise_scales : ndarray of shape (n_steps,)
        Their ratio, a number of patterns. Infinite if the noise is larger than the gradient.
    """

    squared_norms: np.ndarray
    variances: np.ndarray
    noise_scales: np.ndarray


def gradient_noise(trace: Trace) -> GradientNoise:
    r"""Compute the gradient noise scale of every step.

    With the gradients :math:`g_p` of the n patterns of a batch, their mean :math:`g` and the trace
    of their covariance :math:`\mathrm{tr}\,\Sigma`,

    .. math::
        \mathrm{tr}\,\Sigma \approx \frac{n}{n-1} \left(\frac{1}{n} \sum_p |g_p|^2 - |g|^2\right),
        \qquad |G|^2 \approx |g|^2 - \frac{\mathrm{tr}\,\Sigma}{n}, \qquad
        B_{simple} = \frac{\mathrm{tr}\,\Sigma}{|G|^2}

    :math:`G` is the gradient over all rows. Both estimates are unbiased. A batch of
    :math:`B_{simple}` patterns has a gradient whose noise is as large as the gradient itself.

    Parameters
    ----------
    trace : Trace
        A trace with ``params``, ``gradients``, ``activations`` and ``deltas``. The networks of its
        runs may differ.

    Returns
    -------
    noise : GradientNoise
        NaN for batches of one pattern.

    Raises
    ------
    TypeError, ValueError
        If ``trace`` is no trace or lacks a variable, or if the gradients of patterns have no
        factors.

    References
    ----------
    S. McCandlish, J. Kaplan, D. Amodei and the OpenAI Dota Team, "An Empirical Model of Large-Batch
    Training" (2018): the noise scale is equation 2.9, the estimates are those of appendix A.1 with
    batches of 1 and n patterns.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_metabp import BackpropMLPClassifier, TraceRecorder
    >>> from sklearn_metabp.diagnostics import gradient_noise
    >>> X, y = load_iris(return_X_y=True)
    >>> recorder = TraceRecorder("all")
    >>> model = BackpropMLPClassifier((8,), batch_size=30, tol=0.01, random_state=0)
    >>> model = model.set_callbacks(recorder).fit(X, y)
    >>> gradient_noise(recorder.trace_).noise_scales[:3].round(1)
    array([1.3, 1.2, 1.6])
    """

    def compute(step: Any) -> np.ndarray:
        gradients = pattern_gradients(step)
        square = float(np.square(step.gradients, dtype=np.float64).sum())
        variance = gradients.variances().sum()
        return np.array([square - variance / gradients.n_patterns, variance])

    squares, variances = per_step(trace, "the gradient noise", NEEDS, compute).T
    return GradientNoise(squares, variances, noise_scale(squares, variances))


def noise_scale(squares: Any, variances: Any) -> np.ndarray:
    """Return variance over squared norm, infinite for norms that are not above 0."""
    squares, variances = np.asarray(squares, np.float64), np.asarray(variances, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(squares > 0, variances / squares, np.where(variances > 0, np.inf, np.nan))


def critical_batch_size(trace: Trace, *, window: int = 20) -> np.ndarray:
    r"""Estimate the critical batch size along a training.

    .. math:: B_{crit} \approx \frac{\sum_t \mathrm{tr}\,\Sigma_t}{\sum_t |G_t|^2}

    The sums are over a window of steps, because the ratio of two means has less bias than the mean
    of ratios. A step with a batch of B patterns makes the share :math:`1 / (1 + B_{crit} / B)` of
    the progress of a step over all rows. If B is far below :math:`B_{crit}`, a doubled batch size
    halves the number of steps. If B is far above, it does not change the number of steps.

    Parameters
    ----------
    trace : Trace
        As for :func:`gradient_noise`.
    window : int, default=20
        Number of recorded steps of a run around each step that are used together.

    Returns
    -------
    batch_sizes : ndarray of shape (n_steps,)

    Raises
    ------
    TypeError, ValueError
        As :func:`gradient_noise`, and if the window is not an integer of 1 or more.

    References
    ----------
    McCandlish et al. (2018): equations 2.6, 2.7 and 2.9, averages as in appendix A.1.
    """
    window = check_count("window", window)
    noise = gradient_noise(trace)
    sizes = np.empty(len(trace))
    for run in np.unique(trace.runs):
        mine = np.flatnonzero(trace.runs == run)
        mine = mine[np.argsort(trace.steps_in_run[mine], kind="stable")]
        squares = _sums_around(noise.squared_norms[mine], window)
        sizes[mine] = noise_scale(squares, _sums_around(noise.variances[mine], window))
    return sizes


def _sums_around(values: np.ndarray, window: int) -> np.ndarray:
    """Return the sum over the window around each value, shorter at both ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    starts = np.arange(len(values)) - (window - 1) // 2
    stops = np.minimum(starts + window, len(values))
    return sums[stops] - sums[np.maximum(starts, 0)]


def signal_to_noise(trace: Trace) -> np.ndarray:
    r"""Compute the signal to noise ratio of the gradient of every weight matrix and bias vector.

    .. math:: \mathrm{SNR} = \frac{|g|^2}{\mathrm{tr}\,\Sigma / n}

    The gradient :math:`g` of a batch of n patterns has noise of the size
    :math:`\mathrm{tr}\,\Sigma / n`. If the gradient is only noise, the ratio is about 1.

    Parameters
    ----------
    trace : Trace
        A trace of one architecture, with ``params``, ``gradients``, ``activations`` and ``deltas``.

    Returns
    -------
    ratios : ndarray of shape (n_steps, n_tensors)
        Ratios in the order of ``layout.tensors``. NaN for batches of one pattern, and for 0 / 0.

    Raises
    ------
    TypeError, ValueError
        As :func:`gradient_noise`, and if the trace has several architectures.

    References
    ----------
    The ratio is the inverse of the left side of the norm test, :func:`norm_test`.
    """

    def compute(step: Any) -> np.ndarray:
        gradients = pattern_gradients(step)
        squares = squares_by_tensor(step.layout, step.gradients)
        with np.errstate(divide="ignore", invalid="ignore"):
            return squares / (gradients.variances() / gradients.n_patterns)

    return per_step(trace, "the signal to noise ratio", NEEDS, compute)

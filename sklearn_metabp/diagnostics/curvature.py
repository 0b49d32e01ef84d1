"""The length of steps, compared with the curvature of the loss along them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_metabp._kernels.functions import output_rules
from sklearn_metabp.diagnostics.patterns import NEEDS as PATTERN_NEEDS
from sklearn_metabp.diagnostics.patterns import PatternGradients
from sklearn_metabp.diagnostics.reading import check_trace
from sklearn_metabp.tracing import Trace

NEEDS = ("params", "gradients", "updates", "activations", "deltas", "targets")
assert set(PATTERN_NEEDS) < set(NEEDS)

# Rows of the matrix of observations: f(0), f(1), f'(0), f'(1) of f(τ) = w0 + w1 τ + w2 τ².
_OBSERVED = np.array([[1, 0, 0], [1, 1, 1], [0, 1, 0], [0, 1, 2]], np.float64)


@dataclass(frozen=True)
class Slope:
    """The loss and its derivative along a direction, observed on one batch.

    Attributes
    ----------
    loss, loss_variance : float
        Mean over the patterns, and its variance. The variance is NaN for a batch of one pattern.
    slope, slope_variance : float
        Derivative along the direction, and its variance.
    """

    loss: float
    loss_variance: float
    slope: float
    slope_variance: float


def slope_along(step: Any, gradients: PatternGradients, direction: np.ndarray) -> Slope:
    """Observe the loss of a step's batch along a direction."""
    n = gradients.n_patterns
    slope = float(np.asarray(step.gradients, np.float64) @ np.asarray(direction, np.float64))
    if n < 2:
        return Slope(float(step.loss), np.nan, slope, np.nan)
    losses = pattern_losses(step)
    slopes = gradients.products(direction)
    return Slope(
        float(step.loss), float(losses.var(ddof=1)) / n, slope, float(slopes.var(ddof=1)) / n
    )


def pattern_losses(step: Any) -> np.ndarray:
    """Return the loss of every pattern of a step, without weights and penalty, (n_patterns,)."""
    network, layout = step.network, step.layout
    x = np.asarray(step.activations[-2], np.float64)
    weights, biases = layout.coefs(step.params)[-1], layout.intercepts(step.params)[-1]
    outputs = np.asarray(step.activations[-1], np.float64)
    groups = network.out_groups or layout.layer_sizes[-1:]
    with np.errstate(all="ignore"):
        net_inputs = x @ weights + biases
        targets = np.asarray(step.targets, np.float64)
        return output_rules(
            network.loss, network.out_activation, net_inputs, outputs, targets, groups
        )[0]


def alpha_of(before: Slope, after: Slope) -> float:
    """Return α of a step, from the observations of its batch and of the next one."""
    values = np.array([before.loss, after.loss, before.slope, after.slope])
    variances = np.array(
        [before.loss_variance, after.loss_variance, before.slope_variance, after.slope_variance]
    )
    if not np.isfinite(values).all():
        return np.nan
    # Batches of one pattern, and equal patterns, have no variances for the weights.
    known = np.isfinite(variances) & (variances > 0)
    variances = np.where(known, variances, 1.0) if known.all() else np.ones(4)
    weights = 1 / np.sqrt(variances)
    (_, linear, quadratic), *_ = np.linalg.lstsq(
        weights[:, None] * _OBSERVED, weights * values, rcond=None
    )
    if linear == 0:
        return np.nan
    # If the parabola opens downwards, the loss still falls at the end of the step.
    return -1.0 if quadratic < 0 else float(-2 * quadratic / linear - 1)


def step_alphas(trace: Trace) -> np.ndarray:
    r"""Compute the length of every step, relative to the minimum along it: Cockpit's alpha.

    The parabola :math:`f(\tau) = w_0 + w_1 \tau + w_2 \tau^2` is fitted to the loss along the
    update, from :math:`\tau = 0` to :math:`1`. The observations are loss and derivative of the
    step's batch at the start, and of the next step's batch at the end,
    :math:`\tilde f = (f(0), f(1), f'(0), f'(1))`, weighted by their variances :math:`\Lambda` over
    the patterns:

    .. math::
        \hat w = (\Phi \Lambda^{-1} \Phi^\top)^{-1} \Phi \Lambda^{-1} \tilde f, \qquad
        \Phi = \begin{pmatrix} 1 & 1 & 0 & 0 \\ 0 & 1 & 1 & 1 \\ 0 & 1 & 0 & 2 \end{pmatrix},
        \qquad \alpha = \frac{-2 \hat w_2}{\hat w_1} - 1

    A step to the minimum of the parabola has :math:`\alpha = 0`, and a step of length 0 has -1. At
    1 the loss is as high as before the step, and above 1 it is higher. If the parabola has no
    minimum, alpha is -1, because the step could have been longer. Below -1 the loss rises from the
    start of the step on.

    Parameters
    ----------
    trace : Trace
        A trace with ``params``, ``gradients``, ``updates``, ``activations``, ``deltas`` and
        ``targets``. The networks of its runs may differ.

    Returns
    -------
    alphas : ndarray of shape (n_steps,)
        NaN if the trace lacks the next step, for example with ``every=2`` and at the end.

    Raises
    ------
    TypeError, ValueError
        If ``trace`` is no trace or lacks a variable, or if the gradients of patterns have no
        factors.

    References
    ----------
    F. Schneider, F. Dangel and P. Hennig, "Cockpit: a practical debugging tool for the training of
    deep neural networks" (2021), section 3 and appendix on alpha.

    Examples
    --------
    For a parabola in one weight, the length to the minimum is half the stable length:

    >>> import numpy as np
    >>> from sklearn_metabp import SGD, BackpropMLPRegressor, TraceRecorder
    >>> from sklearn_metabp.diagnostics import step_alphas
    >>> recorder = TraceRecorder("all")
    >>> line = BackpropMLPRegressor((), alpha=0.0, update_rule=SGD(1.5), batch_size="full")
    >>> line = line.set_params(max_iter=5, n_iter_no_change=np.inf).set_callbacks(recorder)
    >>> line = line.fit(np.array([[-1.0], [1.0]]), np.array([-1.0, 1.0]))
    >>> step_alphas(recorder.trace_).round(3)
    array([0.5, 0.5, 0.5, 0.5, nan])
    """
    what = "the alpha of steps"
    check_trace(trace, what, NEEDS)
    alphas = np.full(len(trace), np.nan)
    for run in np.unique(trace.runs).tolist():
        before: tuple[list[int], int, np.ndarray, Slope] | None = None
        for positions, step in trace.iter_steps(run):
            gradients = PatternGradients(step)
            gradients.check()
            if before is not None and before[1] + 1 == step.index:
                alphas[before[0]] = alpha_of(before[3], slope_along(step, gradients, before[2]))
            update = np.array(step.updates, np.float64)
            before = positions, int(step.index), update, slope_along(step, gradients, update)
    return alphas

"""The size of updates, compared with that of the weights."""

from typing import Any

import numpy as np

from sklearn_metabp.diagnostics.patterns import squares_by_tensor
from sklearn_metabp.diagnostics.reading import per_step
from sklearn_metabp.tracing import Trace


def update_ratios(trace: Trace) -> np.ndarray:
    r"""Compute the norm of the update over the norm of the weights, tensor by tensor.

    .. math:: r = \frac{|\Delta w|}{|w|}

    In a good training, weights often change by about a thousandth in a step. With a ratio near 1,
    the update replaces the weight. With a ratio below 1e-6, the weight hardly changes.

    Parameters
    ----------
    trace : Trace
        A trace of one architecture, with ``params`` and ``updates``.

    Returns
    -------
    ratios : ndarray of shape (n_steps, n_tensors)
        Ratios in the order of ``layout.tensors``. Infinite if the weights are 0, NaN for 0 / 0.

    Raises
    ------
    TypeError, ValueError
        If ``trace`` is no trace, lacks a variable, or has several architectures.

    References
    ----------
    The ratio of update and weight norms of Y. You, I. Gitman and B. Ginsburg, "Large batch training
    of convolutional networks" (2017), section 4, with the update in place of the gradient.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp import SGD, BackpropMLPRegressor, TraceRecorder
    >>> from sklearn_metabp.diagnostics import update_ratios
    >>> recorder = TraceRecorder("all")
    >>> line = BackpropMLPRegressor((), alpha=0.0, update_rule=SGD(0.1), max_iter=1)
    >>> line = line.set_params(n_iter_no_change=np.inf).set_callbacks(recorder)
    >>> start = {"coef_init": [np.array([[2.0]])], "intercept_init": [np.array([1.0])]}
    >>> line = line.fit(np.array([[1.0], [-1.0]]), np.array([1.0, -1.0]), **start)
    >>> update_ratios(recorder.trace_)  # w - 1 = 1 and b = 1, times the learning rate
    array([[0.05, 0.1 ]])
    """

    def compute(step: Any) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.sqrt(
                squares_by_tensor(step.layout, step.updates)
                / squares_by_tensor(step.layout, step.params)
            )

    return per_step(trace, "the update ratio", ("params", "updates"), compute)

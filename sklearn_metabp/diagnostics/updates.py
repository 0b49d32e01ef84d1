"""The size of updates, compared with that of the weights."""

from typing import Any

import numpy as np

from sklearn_metabp.diagnostics.patterns import squares_by_tensor
from sklearn_metabp.diagnostics.reading import per_step
from sklearn_metabp.tracing import Trace


def update_ratios(trace: Trace) -> np.ndarray:
    r"""Compute the norm of the update over the norm of the weights, tensor by tensor.

    .. math:: r = \frac{|\Delta w|}{|w|}

    In a training that goes well, weights often change by about a thousandth a step: a ratio near 1
    replaces a weight by its update, and one below 1e-6 leaves it where it started.

    Parameters
    ----------
    trace : Trace
        With ``params`` and ``updates``, of one architecture.

    Returns
    -------
    ratios : ndarray of shape (n_steps, n_tensors)
        In the order of ``layout.tensors``. Infinite where the weights are 0, NaN for 0 over 0.

    Raises
    ------
    TypeError, ValueError
        If it is no trace, lacks a variable, or has several architectures.

    References
    ----------
    The ratio of update and weight norms of Y. You, I. Gitman and B. Ginsburg, "Large batch training
    of convolutional networks" (2017), section 4, taken of the update instead of the gradient.

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

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
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_metabp import BackpropMLPClassifier, TraceRecorder
    >>> from sklearn_metabp.diagnostics import update_ratios
    >>> X, y = load_iris(return_X_y=True)
    >>> recorder = TraceRecorder("all")
    >>> model = BackpropMLPClassifier((8,), tol=0.01, random_state=0)
    >>> model = model.set_callbacks(recorder).fit(X, y)
    >>> update_ratios(recorder.trace_)[0].round(4)
    array([0.0024, 0.0025, 0.0026, 0.0025])
    """

    def compute(step: Any) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.sqrt(
                squares_by_tensor(step.layout, step.updates)
                / squares_by_tensor(step.layout, step.params)
            )

    return per_step(trace, "the update ratio", ("params", "updates"), compute)

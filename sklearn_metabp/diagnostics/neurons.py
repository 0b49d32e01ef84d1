"""Neurons that do not learn: dead neurons and saturated neurons."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from sklearn_metabp._kernels.functions import ACTIVATIONS
from sklearn_metabp.callbacks.base import check_count
from sklearn_metabp.diagnostics.reading import check_one_architecture, per_step
from sklearn_metabp.tracing import Trace

NEEDS = ("activations", "derivatives")


def dead_neurons(trace: Trace, *, window: int = 10) -> list[np.ndarray]:
    r"""Find dead neurons: hidden neurons whose derivative is 0 at every pattern.

    A neuron is dead at a step if :math:`f'(in) = 0` for every pattern of this step and of the
    recorded steps before it, ``window`` steps in all. The incoming weights then have no gradient.
    A neuron of a rectified linear layer is dead if all its net inputs are at or below 0.

    Parameters
    ----------
    trace : Trace
        A trace of one architecture, with ``activations`` and ``derivatives``.
    window : int, default=10
        Number of recorded steps of a run. With small batches, one step is not enough, because a few
        rows may still activate the neuron. The first steps of a run have fewer steps before them.

    Returns
    -------
    dead : list of ndarray of bool of shape (n_steps, n_neurons)
        One array per hidden layer.

    Raises
    ------
    TypeError, ValueError
        If ``trace`` is no trace, lacks a variable, or has several architectures, or if the window
        is not an integer of 1 or more.

    References
    ----------
    X. Glorot, A. Bordes and Y. Bengio, "Deep sparse rectifier neural networks" (2011), section 3,
    describes the zero slope. The window is our choice.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_metabp import SGD, BackpropMLPClassifier, TraceRecorder
    >>> from sklearn_metabp.diagnostics import dead_neurons
    >>> X, y = load_iris(return_X_y=True)
    >>> recorder = TraceRecorder("all")
    >>> model = BackpropMLPClassifier((20,), update_rule=SGD(0.3), tol=0.01, random_state=0)
    >>> model = model.set_callbacks(recorder).fit(X, y)
    >>> print(f"{dead_neurons(recorder.trace_)[0][-1].mean():.0%}")
    95%
    """
    window = check_count("window", window)

    def compute(step: Any) -> np.ndarray:
        return np.concatenate([np.zeros(0), *idle_neurons(step)])

    check_one_architecture(trace, "the dead neurons")
    idle = per_step(trace, "the dead neurons", NEEDS, compute).astype(bool)
    dead = np.empty_like(idle)
    for run in np.unique(trace.runs):
        mine = np.flatnonzero(trace.runs == run)
        mine = mine[np.argsort(trace.steps_in_run[mine], kind="stable")]
        dead[mine] = idle[mine] & (_run_lengths(idle[mine]) >= _lengths(len(mine), window))
    return _by_layer(trace, dead)


def idle_neurons(step: Any) -> list[np.ndarray]:
    """Return the hidden neurons with no slope at any pattern of a step, by layer."""
    return [np.asarray((slopes == 0).all(axis=0)) for slopes in _slopes(step)]


def saturated_neurons(trace: Trace, *, threshold: float = 0.1) -> list[np.ndarray]:
    r"""Compute the share of patterns at which every hidden neuron is saturated.

    A neuron is saturated at a pattern if :math:`f'(in)` is below a share of the largest slope of
    its activation function.

    Parameters
    ----------
    trace : Trace
        A trace of one architecture, with ``activations`` and ``derivatives``.
    threshold : float, default=0.1
        The share, above 0 and at most 1.

    Returns
    -------
    shares : list of ndarray of shape (n_steps, n_neurons)
        One array per hidden layer. NaN if the function of the layer is not bounded on both sides.
        Neurons that dropout dropped are left out. NaN if it dropped all.

    Raises
    ------
    TypeError, ValueError
        If ``trace`` is no trace, lacks a variable, or has several architectures, or if the
        threshold is out of its range.

    References
    ----------
    X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural
    networks" (2010), section 3. The threshold is our choice.
    """
    is_number = isinstance(threshold, Real) and not isinstance(threshold, bool)
    if not is_number or not 0 < float(threshold) <= 1:
        raise ValueError(f"threshold must be above 0 and at most 1, got {threshold!r}.")

    def compute(step: Any) -> np.ndarray:
        return np.concatenate([np.zeros(0), *saturation(step, float(threshold))])

    check_one_architecture(trace, "the saturated neurons")
    return _by_layer(trace, per_step(trace, "the saturated neurons", NEEDS, compute))


def saturation(step: Any, threshold: float) -> list[np.ndarray]:
    """Return the share of saturated patterns of the hidden neurons of a step, by layer."""
    shares = []
    drops = step.network.dropout > 0
    functions = step.network.activations
    for slopes, x, name in zip(_slopes(step), step.activations[1:-1], functions, strict=True):
        steepest = max_slope(name)
        if steepest is None:
            shares.append(np.full(slopes.shape[1], np.nan))
            continue
        is_flat = slopes < threshold * steepest
        counts = (x != 0) if drops else np.ones_like(is_flat)
        with np.errstate(invalid="ignore"):
            shares.append((is_flat & counts).sum(axis=0) / counts.sum(axis=0))
    return shares


def max_slope(function: str) -> float | None:
    """Return the largest slope of an activation function. None unless it is bounded both ways."""
    activation = ACTIVATIONS[function]
    if not np.isfinite(activation.output_range).all() or activation.slope is None:
        return None
    return float(activation.slope(np.linspace(-4, 4, 801)).max())


def _slopes(step: Any) -> Sequence[np.ndarray]:
    """Return the derivatives of the hidden layers, (n_patterns, n_neurons) each."""
    return step.derivatives[:-1]


def _run_lengths(flags: np.ndarray) -> np.ndarray:
    """Return the length of the series of ones that ends at every entry, along the first axis."""
    rows = np.arange(1, len(flags) + 1)[:, None]
    last_zero = np.maximum.accumulate(np.where(flags, 0, rows), axis=0)
    return rows - last_zero


def _lengths(n: int, window: int) -> np.ndarray:
    """Return the number of steps in the window of every step."""
    return np.minimum(np.arange(1, n + 1), window)[:, None]


def _by_layer(trace: Trace, values: np.ndarray) -> list[np.ndarray]:
    (sizes,) = {trace.layouts[run].layer_sizes[1:-1] for run in np.unique(trace.runs)}
    return np.split(values, np.cumsum(sizes)[:-1], axis=1) if sizes else []

"""The display of a recorded training."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils._plotting import _validate_style_kwargs

from sklearn_metabp.callbacks.base import check_count
from sklearn_metabp.estimators import BackpropMLPClassifier, BackpropMLPRegressor
from sklearn_metabp.network import ParameterLayout
from sklearn_metabp.optional_libraries import require_library
from sklearn_metabp.plotting.axes import evenly, grid_of_axes
from sklearn_metabp.plotting.style import colours
from sklearn_metabp.tracing import Trace, TraceRecorder

# More points than a figure has columns are not visible.
MAX_STEPS = 2000


class TraceDisplay:
    """Weights, updates and loss along one recorded training.

    :meth:`from_trace` makes it. In a large network only some parameters of every weight matrix and
    every bias vector are shown, chosen at random.

    Parameters
    ----------
    steps : ndarray of shape (n_steps,)
        Numbers of the steps in the training, from 1.
    losses : ndarray of shape (n_steps,)
        Loss of the batch.
    params : dict of str to ndarray of shape (n_steps, n_drawn)
        Values before the step, by name of the matrix or vector.
    updates : dict of str to ndarray of shape (n_steps, n_drawn)
        Changes of these parameters made by the step.

    Attributes
    ----------
    ax_ : ndarray of Axes of shape (3,)
        Axes of the weights and biases, of the updates, and of the loss.
    figure_ : Figure
    param_lines_, update_lines_ : dict of str to list of Line2D
        One line per parameter, by name of the matrix or vector.
    loss_line_ : Line2D

    See Also
    --------
    LossCurveDisplay : Display of the mean loss of every epoch, of several fitted models.
    StepDisplay : Drawing of a small network with the numbers of one step.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_metabp import SGD, BackpropMLPClassifier, TraceRecorder
    >>> from sklearn_metabp.plotting import TraceDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> recorder = TraceRecorder()
    >>> teacher = BackpropMLPClassifier(
    ...     (8,), update_rule=SGD(0.1), tol=0.01, random_state=0
    ... )
    >>> teacher = teacher.set_callbacks(recorder).fit(X, y)
    >>> display = TraceDisplay.from_trace(recorder.trace_)
    >>> {name: len(lines) for name, lines in display.param_lines_.items()}
    {'coefs_[0]': 10, 'coefs_[1]': 10, 'intercepts_[0]': 8, 'intercepts_[1]': 3}
    """

    def __init__(
        self,
        *,
        steps: np.ndarray,
        losses: np.ndarray,
        params: dict[str, np.ndarray],
        updates: dict[str, np.ndarray],
    ):
        self.steps = steps
        self.losses = losses
        self.params = params
        self.updates = updates

    @classmethod
    def from_trace(
        cls,
        trace: Trace,
        run: int = 0,
        *,
        n_params: int = 10,
        random_state: int | np.random.RandomState | None = 0,
        ax: Any = None,
        line_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw one run of a trace.

        Parameters
        ----------
        trace : Trace
        run : int, default=0
            As in ``trace.runs``.
        n_params : int, default=10
            Maximal number of parameters to draw of every weight matrix and bias vector. If the run
            has more than 2000 steps, 2000 evenly spread ones are drawn.
        random_state : int, RandomState instance or None, default=0
            Chooses the parameters.
        ax : Axes or array-like of 3 Axes, default=None
            One is divided into three; None makes a figure.
        line_kwargs : dict, default=None
            Arguments of matplotlib's ``plot``, for all lines.

        Returns
        -------
        display : TraceDisplay

        Raises
        ------
        ValueError
            If the trace has no steps of that run, or was recorded without params or updates.
        """
        require_library("matplotlib", f"{cls.__name__}.from_trace")
        n_params = check_count("n_params", n_params)
        steps = steps_of_run(trace, run)
        recorded = steps.recorded[run]
        lacking = {"params", "updates"} - set(recorded.stored)
        if lacking:
            raise ValueError(
                f"TraceDisplay draws params and updates, and run {run} was recorded without "
                f"{' and '.join(sorted(lacking))}: record with TraceRecorder()."
            )
        steps = steps[evenly(len(steps), MAX_STEPS)]
        drawn = _choose_params(recorded.layout, int(n_params), check_random_state(random_state))
        params, updates = _values(steps, run, np.concatenate(list(drawn.values())))
        ends = np.cumsum([len(positions) for positions in drawn.values()])[:-1]
        display = cls(
            steps=steps.indices,
            losses=steps.losses,
            params=dict(zip(drawn, np.split(params, ends, axis=1), strict=True)),
            updates=dict(zip(drawn, np.split(updates, ends, axis=1), strict=True)),
        )
        return display.plot(ax=ax, line_kwargs=line_kwargs)

    def plot(self, ax: Any = None, *, line_kwargs: dict[str, Any] | None = None) -> Self:
        """Draw the training; see :meth:`from_trace`.

        Parameters
        ----------
        ax : Axes or array-like of 3 Axes, default=None
        line_kwargs : dict, default=None

        Returns
        -------
        display : TraceDisplay
        """
        require_library("matplotlib", f"{type(self).__name__}.plot")
        from matplotlib.lines import Line2D

        style = _validate_style_kwargs(
            {"linestyle": "-", "linewidth": 0.8, "alpha": 0.6}, line_kwargs or {}
        )
        axes = grid_of_axes(ax, 3, 1, figsize=(7, 7), sharex=True)
        self.param_lines_, self.update_lines_ = {}, {}
        legend = []
        for name, colour in zip(self.params, colours(len(self.params)), strict=True):
            of_tensor = {"color": colour, **style}
            self.param_lines_[name] = axes[0].plot(self.steps, self.params[name], **of_tensor)
            self.update_lines_[name] = axes[1].plot(self.steps, self.updates[name], **of_tensor)
            legend.append(Line2D([], [], color=colour, label=name))
        (self.loss_line_,) = axes[2].plot(self.steps, self.losses, **{"color": "black", **style})
        axes[0].set_ylabel("weights, biases")
        axes[1].set_ylabel("updates")
        axes[2].set(ylabel="loss of the batch", xlabel="step")
        axes[0].legend(
            handles=legend, loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize="small"
        )
        self.ax_, self.figure_ = axes, axes[0].figure
        return self


def steps_of_run(trace: Any, run: int) -> Trace:
    """Return the steps of one run of a trace.

    Raises
    ------
    ValueError
        If there are none.
    """
    if not isinstance(trace, Trace):
        raise ValueError(f"trace must be a Trace, as a TraceRecorder makes it, got {trace!r}.")
    steps = trace[trace.runs == run]
    if not len(steps):
        raise ValueError(
            f"the trace has no rows of run {run}; it has runs {np.unique(trace.runs).tolist()}."
        )
    return steps


def record_training(
    display: str,
    estimator: Any,
    X: Any,
    y: ArrayLike,
    variables: list[str],
    sample_weight: ArrayLike | None,
) -> tuple[BackpropMLPClassifier | BackpropMLPRegressor, Trace]:
    """Train a clone of an estimator for a display; return the network at its end, and the trace.

    Raises
    ------
    ValueError
        If it is no multilayer perceptron of this package, alone or at the end of a Pipeline.
    """
    last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    if not isinstance(last, (BackpropMLPClassifier, BackpropMLPRegressor)):
        raise ValueError(
            f"{display} records a BackpropMLPClassifier or BackpropMLPRegressor, alone or at the "
            f"end of a Pipeline, got {type(last).__name__}."
        )
    recorder = TraceRecorder(variables)
    model, weights = clone(estimator), {}
    network, prefix = model, ""
    if isinstance(model, Pipeline):
        network, prefix = model[-1], f"{model.steps[-1][0]}__"
    network.set_callbacks(recorder)
    if sample_weight is not None:
        weights = {f"{prefix}sample_weight": sample_weight}
    model.fit(X, y, **weights)
    return network, recorder.trace_


def _choose_params(
    layout: ParameterLayout, n_params: int, rng: np.random.RandomState
) -> dict[str, np.ndarray]:
    """Choose parameters at random; return their positions by name of the matrix or vector."""
    drawn = {}
    for tensor in layout.tensors:
        size = tensor.slice.stop - tensor.slice.start
        chosen = np.sort(rng.choice(size, min(n_params, size), replace=False))
        drawn[tensor.name] = tensor.slice.start + chosen
    return drawn


def _values(steps: Trace, run: int, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return some parameters and their updates at some steps, (n_steps, n_positions) each."""
    params = np.empty((len(steps), len(positions)))
    updates = np.empty_like(params)
    for places, step in steps.iter_steps(run):
        params[places], updates[places] = step.params[positions], step.updates[positions]
    return params, updates

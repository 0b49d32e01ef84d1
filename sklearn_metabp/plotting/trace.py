"""A recorded training, drawn."""

from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils._plotting import _validate_style_kwargs

from sklearn_metabp.plotting.axes import colours, evenly, grid_of_axes
from sklearn_metabp.plotting.rows import MAX_STEPS, rows_of_run
from sklearn_metabp.tracing import Trace


class TraceDisplay:
    """Weights, updates and loss along one recorded training.

    Made by :meth:`from_trace`. Of a large network not every parameter is drawn, but as many, drawn
    at random, of every weight matrix and every bias vector.

    Parameters
    ----------
    steps : ndarray of shape (n_steps,)
        Numbers of the steps in the training, from 1.
    losses : ndarray of shape (n_steps,)
        Loss of the batch.
    params : dict of str to ndarray of shape (n_steps, n_drawn)
        Values before the step, by name of the matrix or vector.
    updates : dict of str to ndarray of shape (n_steps, n_drawn)
        What the step added to them.

    Attributes
    ----------
    ax_ : ndarray of Axes of shape (3,)
        Of weights and biases, updates, loss.
    figure_ : Figure
    param_lines_, update_lines_ : dict of str to list of Line2D
        One a parameter, by name of the matrix or vector.
    loss_line_ : Line2D

    See Also
    --------
    LossCurveDisplay : Mean loss of every epoch, of several fitted models.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_metabp import SGD, BackpropMLPClassifier, TraceRecorder
    >>> from sklearn_metabp.plotting import TraceDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> recorder = TraceRecorder()
    >>> teacher = BackpropMLPClassifier((8,), update_rule=SGD(0.1), tol=0.01, random_state=0)
    >>> teacher = teacher.set_callbacks(recorder).fit(X, y)
    >>> display = TraceDisplay.from_trace(recorder.trace_)
    >>> {name: len(lines) for name, lines in display.param_lines_.items()}
    {'coefs_[0]': 10, 'coefs_[1]': 10, 'intercepts_[0]': 8, 'intercepts_[1]': 3}
    """

    def __init__(self, *, steps, losses, params, updates):
        self.steps = steps
        self.losses = losses
        self.params = params
        self.updates = updates

    @classmethod
    def from_trace(cls, trace, run=0, *, n_params=10, random_state=0, ax=None, line_kwargs=None):
        """Draw one run of a trace.

        Parameters
        ----------
        trace : Trace
        run : int, default=0
            As in ``trace.runs``.
        n_params : int, default=10
            How many parameters to draw of every weight matrix and bias vector, where it has more.
            Of more than 2000 steps so many are drawn, evenly spread.
        random_state : int, RandomState instance or None, default=0
            Draws the parameters.
        ax : Axes or array-like of 3 Axes, default=None
            One is divided into three; None makes a figure.
        line_kwargs : dict, default=None
            For matplotlib's ``plot``, of all lines.

        Returns
        -------
        display : TraceDisplay

        Raises
        ------
        ValueError
            If the trace has no rows of that run, or was recorded without weights or updates.
        """
        check_matplotlib_support(f"{cls.__name__}.from_trace")
        if not isinstance(n_params, Integral) or n_params < 1:
            raise ValueError(f"n_params must be an integer of 1 or more, got {n_params!r}.")
        rows = rows_of_run(trace, run)
        recorded = rows.recorded[run]
        lacking = {"params", "updates"} - set(recorded.stored)
        if lacking:
            raise ValueError(
                f"TraceDisplay draws params and updates, and run {run} was recorded without "
                f"{' and '.join(sorted(lacking))}: record with TraceRecorder()."
            )
        rows = rows[evenly(len(rows), MAX_STEPS)]
        drawn = _draw_params(recorded.layout, int(n_params), check_random_state(random_state))
        params, updates = _values(rows, run, np.concatenate(list(drawn.values())))
        ends = np.cumsum([len(positions) for positions in drawn.values()])[:-1]
        display = cls(
            steps=rows.indices,
            losses=rows.losses,
            params=dict(zip(drawn, np.split(params, ends, axis=1), strict=True)),
            updates=dict(zip(drawn, np.split(updates, ends, axis=1), strict=True)),
        )
        return display.plot(ax=ax, line_kwargs=line_kwargs)

    def plot(self, ax=None, *, line_kwargs=None):
        """Draw; see :meth:`from_trace`.

        Parameters
        ----------
        ax : Axes or array-like of 3 Axes, default=None
        line_kwargs : dict, default=None

        Returns
        -------
        display : TraceDisplay
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        from matplotlib.lines import Line2D

        style = _validate_style_kwargs({"linewidth": 0.8, "alpha": 0.6}, line_kwargs or {})
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


def _draw_params(layout, n_params: int, rng) -> dict[str, np.ndarray]:
    """Positions in the flat vector of the parameters to draw, by name of the matrix or vector."""
    drawn = {}
    for tensor in layout.tensors:
        size = tensor.slice.stop - tensor.slice.start
        chosen = np.sort(rng.choice(size, min(n_params, size), replace=False))
        drawn[tensor.name] = tensor.slice.start + chosen
    return drawn


def _values(rows: Trace, run: int, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Some parameters and their updates at some steps of a run, (n_steps, n_positions) each."""
    params = np.empty((len(rows), len(positions)))
    updates = np.empty_like(params)
    for places, step in rows.iter_steps(run):
        params[places], updates[places] = step.params[positions], step.updates[positions]
    return params, updates

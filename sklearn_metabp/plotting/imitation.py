"""A display of how well a learned rule imitates a training."""

from typing import Any, Self

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._plotting import _validate_style_kwargs
from sklearn.utils.validation import check_is_fitted

from sklearn_metabp.callbacks.base import check_count
from sklearn_metabp.learned import LearnedUpdateRule
from sklearn_metabp.optional_libraries import require_library
from sklearn_metabp.plotting.axes import evenly, grid_of_axes
from sklearn_metabp.plotting.style import colours
from sklearn_metabp.plotting.trace import steps_of_run
from sklearn_metabp.tracing import Trace

# Numbers of steps to predict, and of values in all of them together.
_MAX_STEPS = 200
_MAX_VALUES = 1_000_000
_MIN_STEPS = 10
# The axis ends at this value, because all worse imitations are useless.
_LOWEST_R2 = -1.0


class ImitationDisplay:
    """Predicted against true updates of a training, and R² of the prediction step by step.

    Made by :meth:`from_rule`. It compares the targets of the rule's scope: updates of links,
    messages between neurons, or all updates of a network as predicted for each pattern.

    Parameters
    ----------
    y_true, y_pred : ndarray of shape (n_points,)
        The points: true targets, and the predictions of the rule.
    groups : ndarray of int of shape (n_points,)
        Position in ``names`` of the group of each point.
    names : list of str
        Names of the groups: the weight matrices and bias vectors, or the hidden layers that
        messages go to.
    steps : ndarray of shape (n_steps,)
        Numbers of the steps in the training, from 1.
    r2 : ndarray of shape (n_steps,)
        R² over everything that was predicted at a step, points drawn or not, around its mean at
        that step; NaN where it does not vary.
    r2_by_name : dict of str to ndarray of shape (n_steps,)
        The same within each matrix, vector or layer.
    noun : str, default="update"
        Name of a predicted value.

    Attributes
    ----------
    ax_ : ndarray of Axes of shape (2,)
        Axes of the points, and of R².
    figure_ : Figure
    scatters_ : dict of str to PathCollection
        The points by name.
    line_ : Line2D
        The line on which prediction and truth are the same.
    r2_line_ : Line2D
    r2_lines_ : dict of str to Line2D
        R² by name.

    See Also
    --------
    LearnedRuleDisplay : Draws the learned updates, input by input.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn_metabp import SGD, BackpropMLPClassifier
    >>> from sklearn_metabp import LearnedUpdateRule, TraceRecorder
    >>> from sklearn_metabp.plotting import ImitationDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> recorder = TraceRecorder()
    >>> teacher = BackpropMLPClassifier(
    ...     (8,), update_rule=SGD(0.1), tol=0.01, random_state=0
    ... )
    >>> teacher = teacher.set_callbacks(recorder).fit(X, y)
    >>> rule = LearnedUpdateRule(Ridge(alpha=1e-6)).fit(recorder.trace_)
    >>> display = ImitationDisplay.from_rule(rule, recorder.trace_)
    >>> bool(display.r2.min() > 0.99)
    True
    """

    def __init__(
        self,
        *,
        y_true: np.ndarray,
        y_pred: np.ndarray,
        groups: np.ndarray,
        names: list[str],
        steps: np.ndarray,
        r2: np.ndarray,
        r2_by_name: dict[str, np.ndarray],
        noun: str = "update",
    ):
        self.y_true = y_true
        self.y_pred = y_pred
        self.groups = groups
        self.names = names
        self.steps = steps
        self.r2 = r2
        self.r2_by_name = r2_by_name
        self.noun = noun

    @classmethod
    def from_rule(
        cls,
        rule: LearnedUpdateRule,
        trace: Trace,
        *,
        run: int = 0,
        max_points: int = 3000,
        random_state: int | np.random.RandomState | None = 0,
        ax: Any = None,
        scatter_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Predict one run of a trace and draw.

        Parameters
        ----------
        rule : LearnedUpdateRule
            Fitted.
        trace : Trace
            It must have the variables that the rule's scope needs. If it has more than 200 steps,
            200 evenly spread ones are predicted, and fewer of a large network.
        run : int, default=0
            As in ``trace.runs``.
        max_points : int, default=3000
            Points to draw, chosen at random from all predictions.
        random_state : int, RandomState instance or None, default=0
            Chooses the points.
        ax : Axes or array-like of 2 Axes, default=None
            One is divided into two; None makes a figure.
        scatter_kwargs : dict, default=None
            For matplotlib's ``scatter``.

        Returns
        -------
        display : ImitationDisplay

        Raises
        ------
        NotFittedError
            If the rule has not been fitted.
        ValueError
            If the trace has no rows of that run, or lacks a variable that the scope needs.
        """
        require_library("matplotlib", f"{cls.__name__}.from_rule")
        check_is_fitted(rule)
        max_points = check_count("max_points", max_points)
        rows, scope = steps_of_run(trace, run), rule.fitted_scope_
        layout = rows.layouts[run]
        names = scope.group_names(layout)
        n_predictions = scope.n_predictions(layout, rows.n_patterns)
        sizes = np.broadcast_to(n_predictions, len(rows)) * scope.n_targets(layout)
        most = max(_MIN_STEPS, int(_MAX_VALUES / max(sizes.mean(), 1)))
        taken = evenly(len(rows), min(_MAX_STEPS, most))
        rows, sizes = rows[taken], sizes[taken]
        # By the fitted scope: targets of a controller count from the start that was fitted.
        y_true, y_pred = scope.targets(rows).ravel(), rule.predict(rows).ravel()
        groups = np.concatenate([scope.target_groups(layout, n) for n in rows.n_patterns])
        step_of = np.repeat(np.arange(len(rows)), sizes)
        r2 = _r2_by(step_of, len(rows), y_true, y_pred)
        r2_by_name = {
            name: _r2_by(step_of[mine], len(rows), y_true[mine], y_pred[mine])
            for name, mine in ((name, groups == group) for group, name in enumerate(names))
        }
        n_points = min(max_points, len(y_true))
        points = np.sort(
            check_random_state(random_state).choice(len(y_true), n_points, replace=False)
        )
        display = cls(
            y_true=y_true[points],
            y_pred=y_pred[points],
            groups=groups[points],
            names=names,
            steps=rows.indices,
            r2=r2,
            r2_by_name=r2_by_name,
            noun=scope.prediction_noun,
        )
        return display.plot(ax=ax, scatter_kwargs=scatter_kwargs)

    def plot(self, ax: Any = None, *, scatter_kwargs: dict[str, Any] | None = None) -> Self:
        """Draw; see :meth:`from_rule`. The axis of R² ends at -1: lower values are no imitation.

        Parameters
        ----------
        ax : Axes or array-like of 2 Axes, default=None
        scatter_kwargs : dict, default=None

        Returns
        -------
        display : ImitationDisplay
        """
        require_library("matplotlib", f"{type(self).__name__}.plot")
        points, curves = axes = grid_of_axes(ax, 1, 2, figsize=(10, 4.6))
        default = {"s": 14, "alpha": 0.5, "linewidths": 0}
        style = _validate_style_kwargs(default, scatter_kwargs or {})
        of_line = {"color": "black", "alpha": 0.6, "linestyle": "--", "linewidth": 1, "zorder": 0}
        ends = [np.min(self.y_true), np.max(self.y_true)]
        (self.line_,) = points.plot(ends, ends, **of_line)
        self.scatters_, self.r2_lines_ = {}, {}
        for group, (name, colour) in enumerate(
            zip(self.names, colours(len(self.names)), strict=True)
        ):
            mine = self.groups == group
            kwargs = {"color": colour, "label": name, **style}
            self.scatters_[name] = points.scatter(self.y_true[mine], self.y_pred[mine], **kwargs)
            (self.r2_lines_[name],) = curves.plot(
                self.steps,
                self.r2_by_name[name],
                color=colour,
                linestyle="-",
                linewidth=0.8,
                alpha=0.5,
            )
        (self.r2_line_,) = curves.plot(
            self.steps, self.r2, color="black", linestyle="-", linewidth=2, label="all together"
        )
        points.set(xlabel=f"true {self.noun}", ylabel=f"predicted {self.noun}")
        points.locator_params(nbins=5)
        points.ticklabel_format(style="sci", scilimits=(-3, 4))
        points.legend(frameon=False, fontsize="small", markerscale=2)
        curves.set(xlabel="step", ylabel="R² of the step")
        curves.ticklabel_format(axis="y", useOffset=False)
        curves.legend(fontsize="small")
        if curves.get_ylim()[0] < _LOWEST_R2:
            curves.set_ylim(_LOWEST_R2 - 0.05, 1.1)
        self.ax_, self.figure_ = axes, points.figure
        return self


def _r2_by(step_of: np.ndarray, n_steps: int, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Compute R² of every step; NaN where the truth does not vary."""
    counts = np.bincount(step_of, minlength=n_steps)
    means = np.bincount(step_of, y_true, n_steps) / np.maximum(counts, 1)
    spread = np.bincount(step_of, (y_true - means[step_of]) ** 2, n_steps)
    error = np.bincount(step_of, (y_true - y_pred) ** 2, n_steps)
    return 1 - np.divide(error, spread, out=np.full(n_steps, np.nan), where=spread > 0)

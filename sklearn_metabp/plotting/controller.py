"""The display of what a controller of layers sets along a training."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._plotting import _validate_style_kwargs
from sklearn.utils.validation import check_is_fitted

from sklearn_metabp.learned import LearnedUpdateRule
from sklearn_metabp.learned.controls import ControlCurves
from sklearn_metabp.optional_libraries import require_library
from sklearn_metabp.plotting.axes import evenly, grid_of_axes
from sklearn_metabp.plotting.style import ordered_colours
from sklearn_metabp.plotting.trace import MAX_STEPS, record_training, steps_of_run
from sklearn_metabp.tracing import Trace
from sklearn_metabp.update_rules import resolve_update_rule

_N_COLUMNS = 3


class ControllerDisplay:
    """Values that a rule of ``scope="layer"`` sets along one training, beside those of Adam.

    :meth:`from_trace` and :meth:`from_estimator` make it. A panel is a control, in its own unit:
    the learning rate, the shares of gradient and momenta in the step, the decay of the weights, the
    horizon of the average, the gain of the initial weights, the dropout of the hidden layer before
    a matrix. A line is a weight matrix (solid) or a bias vector (dashed), coloured by its layer.

    Parameters
    ----------
    curves : ControlCurves
        The values.

    Attributes
    ----------
    ax_ : ndarray of Axes of shape (n_controls,)
    figure_ : Figure
    lines_ : dict of str to dict of str to Line2D
        By control, then by name of the matrix or vector.
    adam_lines_ : dict of str to Line2D
        By control.

    See Also
    --------
    LearnedRuleDisplay : Outputs of the controller along each of its inputs.
    UpdateRuleDisplay : Step sizes of any rule along a training.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_metabp import BackpropMLPClassifier, LearnedUpdateRule
    >>> from sklearn_metabp.plotting import ControllerDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> rule = LearnedUpdateRule(scope="layer", random_state=0)
    >>> rule = rule.initialize(start="averaged_adamw")
    >>> model = BackpropMLPClassifier((8,), update_rule=rule, tol=0.01, random_state=0)
    >>> display = ControllerDisplay.from_estimator(model, X, y)
    >>> display.to_frame().query("step_number == 1")[["tensor", "step", "decay"]]
               tensor   step  decay
    0       coefs_[0]  0.008    0.3
    1       coefs_[1]  0.008    0.3
    2  intercepts_[0]  0.008    NaN
    3  intercepts_[1]  0.008    NaN
    """

    def __init__(self, *, curves: ControlCurves):
        self.curves = curves

    @classmethod
    def from_trace(
        cls,
        rule: LearnedUpdateRule,
        trace: Trace,
        run: int = 0,
        *,
        ax: Any = None,
        line_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw what a rule sets, or would have set, along one run of a trace.

        Parameters
        ----------
        rule : LearnedUpdateRule
            Fitted, of ``scope="layer"``.
        trace : Trace
            It must have params, updates and gradients of every step. If it has more than 2000
            steps, 2000 evenly spread ones are drawn. The number of planned steps is taken to be
            that of the recorded ones.
        run : int, default=0
            As in ``trace.runs``.
        ax : Axes or array-like of n_controls Axes, default=None
            One is divided; None makes a figure.
        line_kwargs : dict, default=None
            Arguments of matplotlib's ``plot``, for the lines of the rule.

        Returns
        -------
        display : ControllerDisplay

        Raises
        ------
        NotFittedError
            If the rule has not been fitted.
        ValueError
            If its scope has no controls, or the trace lacks the run, or steps or arrays of it.
        """
        require_library("matplotlib", f"{cls.__name__}.from_trace")
        check_is_fitted(rule)
        recorded = steps_of_run(trace, run).recorded[run]
        display = cls(curves=rule.fitted_scope_.control_curves(recorded))
        return display.plot(ax=ax, line_kwargs=line_kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        ax: Any = None,
        line_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Train a clone of an estimator by its own learned rule, record it and draw.

        Parameters
        ----------
        estimator : BackpropMLPClassifier, BackpropMLPRegressor or a Pipeline that ends in one
            Fitted or not, with a rule of ``scope="layer"``. It is not changed. Its clone takes the
            same steps if ``random_state`` is an integer.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
        ax : Axes or array-like of n_controls Axes, default=None
        line_kwargs : dict, default=None
            See :meth:`from_trace`.

        Returns
        -------
        display : ControllerDisplay

        Raises
        ------
        ValueError
            If it is another estimator, or its rule has no controls.
        """
        require_library("matplotlib", f"{cls.__name__}.from_estimator")
        variables = ["params", "updates", "gradients"]
        model, trace = record_training(cls.__name__, estimator, X, y, variables, sample_weight)
        rule = resolve_update_rule(model.update_rule)
        if not isinstance(rule, LearnedUpdateRule):
            raise ValueError(
                f"ControllerDisplay draws a learned rule of scope='layer', got {rule!r}."
            )
        return cls.from_trace(rule, trace, ax=ax, line_kwargs=line_kwargs)

    def to_frame(self) -> Any:
        """Return the values as a pandas DataFrame.

        Returns
        -------
        frame : DataFrame
            A row for every step and tensor; columns ``step_number`` and ``tensor``, then one for
            every control. NaN where a control does not count.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        require_library("pandas", "ControllerDisplay.to_frame")
        import pandas

        curves = self.curves
        n_steps, n_tensors, n_controls = curves.values.shape
        values = curves.values.reshape(n_steps * n_tensors, n_controls)
        frame = pandas.DataFrame(values, columns=[control.name for control in curves.controls])
        frame.insert(0, "step_number", np.repeat(curves.steps, n_tensors))
        frame.insert(1, "tensor", list(curves.tensors) * n_steps)
        return frame

    def plot(self, ax: Any = None, *, line_kwargs: dict[str, Any] | None = None) -> Self:
        """Draw; see :meth:`from_trace`.

        Parameters
        ----------
        ax : Axes or array-like of n_controls Axes, default=None
        line_kwargs : dict, default=None

        Returns
        -------
        display : ControllerDisplay
        """
        require_library("matplotlib", f"{type(self).__name__}.plot")
        from matplotlib.ticker import LogLocator, NullLocator

        style = _validate_style_kwargs({"linewidth": 1.4}, line_kwargs or {})
        curves, n_controls = self.curves, len(self.curves.controls)
        n_cols = n_controls if np.ndim(ax) else _N_COLUMNS
        n_rows = -(-n_controls // n_cols)
        axes = grid_of_axes(ax, n_rows, n_cols, figsize=(3.6 * n_cols, 2.3 * n_rows + 0.9))
        for unused in axes[n_controls:]:
            unused.remove()
        axes = axes[:n_controls]
        shown = evenly(len(curves.steps), MAX_STEPS)
        colours = ordered_colours(1 + max(curves.layers))
        self.lines_: dict[str, dict[str, Any]] = {}
        self.adam_lines_: dict[str, Any] = {}
        for k, (one, control) in enumerate(zip(axes, curves.controls, strict=True)):
            grey = {"color": "0.75", "linewidth": 4, "zorder": 0, "label": "Adam"}
            self.adam_lines_[control.name] = one.axhline(curves.of_adam[k], **grey)
            lines = self.lines_[control.name] = {}
            for j, (tensor, layer) in enumerate(zip(curves.tensors, curves.layers, strict=True)):
                is_bias = curves.tensors[j].startswith("intercepts_")
                of_tensor = {
                    "color": colours[layer],
                    "linestyle": "--" if is_bias else "-",
                    "label": tensor,
                    **style,
                }
                steps, values = curves.steps[shown], curves.values[shown, j, k]
                if control.is_initial:  # a single point is seen as a marker only
                    of_tensor |= {"marker": "x" if is_bias else "o", "linestyle": ""}
                    steps, values = [tensor], values[:1]
                (lines[tensor],) = one.plot(steps, values, **of_tensor)
            one.set_title(control.label, fontsize="medium")
            if control.is_log:
                one.set_yscale("log")
                one.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
                one.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
                one.yaxis.set_minor_locator(NullLocator())
            if control.is_initial:
                one.set_xticks([])
                one.margins(x=0.2)
            else:
                one.set_xlabel("step", fontsize="small")
            _widen(one, control.is_log)
        self.ax_, self.figure_ = axes, axes[0].figure
        if ax is None:
            handles = [self.adam_lines_[curves.controls[0].name]]
            handles += self.lines_[curves.controls[0].name].values()
            self.figure_.legend(
                handles=handles,
                loc="outside lower center",
                ncols=min(len(handles), 7),
                frameon=False,
            )
            self.figure_.suptitle("Values of the controls by layer, beside Adam's constants")
        return self


def _widen(ax: Any, is_log: bool) -> None:
    """Give values that hardly vary an axis that does not magnify their differences."""
    low, high = ax.get_ylim()
    if is_log:
        if high < 1.5 * low:
            ax.set_ylim(low / 1.4, high * 1.4)
    elif high - low < 0.2:
        ax.set_ylim(low - 0.1, high + 0.1)

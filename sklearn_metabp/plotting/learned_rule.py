"""A display of the updates of a learned rule along each of its inputs."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.utils._plotting import _validate_style_kwargs

from sklearn_metabp.learned import LearnedUpdateRule
from sklearn_metabp.optional_libraries import require_library
from sklearn_metabp.plotting.axes import grid_of_axes
from sklearn_metabp.plotting.style import COLOURS, line_styles
from sklearn_metabp.plotting.teacher import teacher_effects
from sklearn_metabp.update_rules import UpdateRule

# Numbers of panels, and of lines in one of them, that can still be read.
_MAX_INPUTS = 12
_MAX_LINES = 20
# A formula with longer lines is not drawn as a title; in characters.
_MAX_TITLE_WIDTH = 140
_MAX_COLUMNS = 4


class LearnedRuleDisplay:
    """The step of a learned rule as a function of each input, the others at their medians.

    Made by :meth:`from_rule`. All panels share the y axis, so the most important input has the
    steepest line.

    Parameters
    ----------
    effects : dict of str to tuple of two ndarray
        By input: its values, (n_points,), and the predictions there, (n_points,) or
        (n_points, n_params), as in ``rule.explain().effects``.
    teacher_effects : dict of str to ndarray of shape (n_points,), default=None
        Predictions of the teacher there.
    formula : str, default=None
        The rule as an equation.
    ylabel : str, default="update"
        Name of the predicted values.
    names : tuple of str, default=()
        Names of the values of one prediction, which a legend shows; empty where they have none.

    Attributes
    ----------
    ax_ : ndarray of Axes of shape (n_inputs,)
    figure_ : Figure
    lines_ : dict of str to list of Line2D
        By input: one line, or a line for every predicted update; of more than 20 lines only the
        steepest.
    teacher_lines_ : dict of str to Line2D
        By input; empty without a teacher.

    See Also
    --------
    ImitationDisplay : How well the rule imitates.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_metabp import SGD, BackpropMLPClassifier
    >>> from sklearn_metabp import LearnedUpdateRule, TraceRecorder
    >>> from sklearn_metabp.plotting import LearnedRuleDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> recorder = TraceRecorder()
    >>> teacher = BackpropMLPClassifier(
    ...     (8,), update_rule=SGD(0.1), tol=0.01, random_state=0
    ... )
    >>> teacher = teacher.set_callbacks(recorder).fit(X, y)
    >>> rule = LearnedUpdateRule(random_state=0).fit(recorder.trace_)
    >>> display = LearnedRuleDisplay.from_rule(
    ...     rule, teacher=SGD(0.1), inputs=["gradient/rms_0.9"]
    ... )
    >>> values, updates = display.effects["gradient/rms_0.9"]
    >>> bool(abs(updates + 0.1 * values).max() < 0.02)  # rule (3)
    True
    """

    def __init__(
        self,
        *,
        effects: dict[str, tuple[np.ndarray, np.ndarray]],
        teacher_effects: dict[str, np.ndarray] | None = None,
        formula: str | None = None,
        ylabel: str = "update",
        names: Sequence[str] = (),
    ):
        self.effects = effects
        self.teacher_effects = teacher_effects
        self.formula = formula
        self.ylabel = ylabel
        self.names = tuple(names)

    @classmethod
    def from_rule(
        cls,
        rule: LearnedUpdateRule,
        teacher: UpdateRule | None = None,
        *,
        inputs: Sequence[str] | None = None,
        n_points: int = 50,
        ax: Any = None,
        line_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Explain a rule and draw it.

        Parameters
        ----------
        rule : LearnedUpdateRule
            Fitted.
        teacher : UpdateRule, default=None
            Drawn beside the rule. It must be linear in the rule's inputs, as ``SGD``, with or
            without momentum, and ``Adam`` are. Its coefficients are read off a small training under
            it, after the running means have warmed up.
        inputs : list of str, default=None
            Inputs to draw. None is all; of more than 12 those along which the step changes most.
        n_points : int, default=50
            Number of values to compute along every input.
        ax : Axes or array-like of Axes, default=None
            One is divided, or one an input; None makes a figure.
        line_kwargs : dict, default=None
            For matplotlib's ``plot``, of the rule's lines.

        Returns
        -------
        display : LearnedRuleDisplay

        Raises
        ------
        NotFittedError
            If the rule has not been fitted.
        ValueError
            If an input is not one of the rule's, or the teacher cannot be drawn.
        """
        require_library("matplotlib", f"{cls.__name__}.from_rule")
        explanation = rule.explain(n_points)
        effects = _choose_effects(explanation.effects, inputs)
        beside = None if teacher is None else teacher_effects(teacher, rule, explanation)
        noun, normalizer = rule.fitted_scope_.prediction_noun, explanation.normalizer
        display = cls(
            effects=effects,
            teacher_effects=beside and {name: beside[name] for name in effects},
            formula=explanation.formula,
            ylabel=noun if normalizer == "1" else f"{noun} / ({normalizer})",
            names=explanation.outputs,
        )
        return display.plot(ax=ax, line_kwargs=line_kwargs)

    def plot(self, ax: Any = None, *, line_kwargs: dict[str, Any] | None = None) -> Self:
        """Draw; see :meth:`from_rule`. A new figure shows the formula, if there is a short one.

        Parameters
        ----------
        ax : Axes or array-like of Axes, default=None
        line_kwargs : dict, default=None

        Returns
        -------
        display : LearnedRuleDisplay
        """
        require_library("matplotlib", f"{type(self).__name__}.plot")
        n_inputs = len(self.effects)
        n_cols = n_inputs if np.ndim(ax) else min(n_inputs, _MAX_COLUMNS)
        n_rows = -(-n_inputs // n_cols)
        axes = grid_of_axes(
            ax, n_rows, n_cols, figsize=(3 * n_cols, 2.6 * n_rows + 0.3), sharey=True
        )
        for unused in axes[n_inputs:]:
            unused.remove()
        axes = axes[:n_inputs]
        style = _validate_style_kwargs(
            {"color": COLOURS[0], "linestyle": "-", "linewidth": 1.5}, line_kwargs or {}
        )
        of_teacher = {
            "color": COLOURS[1],
            "linestyle": "-",
            "linewidth": 4,
            "alpha": 0.5,
            "label": "teacher",
        }
        self.lines_, self.teacher_lines_ = {}, {}
        for one, (name, (values, predictions)) in zip(axes, self.effects.items(), strict=True):
            if self.teacher_effects is not None:
                (self.teacher_lines_[name],) = one.plot(
                    values, self.teacher_effects[name], **of_teacher
                )
            self.lines_[name] = one.plot(values, _pick_lines(predictions), **style)
            self.lines_[name][0].set_label("learned")
            if self.names:
                looks = line_styles(len(self.names))
                for line, label, look in zip(self.lines_[name], self.names, looks, strict=True):
                    line.set(label=label, **look, **(line_kwargs or {}))
            one.set_xlabel(name)
            one.margins(y=0.1)
            one.locator_params(axis="x", nbins=4)
        for first in axes[::n_cols]:
            first.set_ylabel(self.ylabel)
        if self.teacher_lines_:
            axes[0].legend(frameon=False, fontsize="small")
        self.ax_, self.figure_ = axes, axes[0].figure
        if self.names:
            place = {"loc": "outside lower center", "ncols": 5} if ax is None else {}
            holder = self.figure_ if ax is None else axes[0]
            holder.legend(
                handles=next(iter(self.lines_.values())), fontsize="small", frameon=False, **place
            )
            if ax is None:
                self.figure_.suptitle("Outputs of the controller along each input; 0 is its start")
        elif ax is None and self.formula is not None and _fits_title(self.formula):
            self.figure_.suptitle(self.formula, fontsize="medium")
        return self


def _fits_title(formula: str) -> bool:
    """Return whether no line of a formula is wider than a figure of four axes."""
    return max(map(len, formula.splitlines())) <= _MAX_TITLE_WIDTH


def _choose_effects(
    effects: dict[str, tuple[np.ndarray, np.ndarray]], inputs: Sequence[str] | None
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the effects to draw, by input."""
    if inputs is not None:
        names = [inputs] if isinstance(inputs, str) else list(inputs)
        unknown = [name for name in names if name not in effects]
        if unknown or not names:
            raise ValueError(f"inputs must be names from {list(effects)}, got {unknown or names}.")
        return {name: effects[name] for name in names}
    moves = {name: np.ptp(predictions, axis=0).max() for name, (_, predictions) in effects.items()}
    most = sorted(moves, key=lambda name: -moves[name])[:_MAX_INPUTS]
    return {name: effect for name, effect in effects.items() if name in most}


def _pick_lines(predictions: np.ndarray) -> np.ndarray:
    """Return all columns or, of many, those that change most, in order."""
    if predictions.ndim == 1 or predictions.shape[1] <= _MAX_LINES:
        return predictions
    most = np.argsort(-np.ptp(predictions, axis=0), kind="stable")[:_MAX_LINES]
    return predictions[:, np.sort(most)]

"""The display of loss curves."""

from collections.abc import Sequence
from typing import Any, Self

from sklearn.pipeline import Pipeline
from sklearn.utils._plotting import _validate_style_kwargs
from sklearn.utils.validation import check_is_fitted

from sklearn_metabp.optional_libraries import require_library
from sklearn_metabp.plotting.style import line_styles

# A longer repr of an update rule is too long for a legend.
_LONGEST_NAME = 40


class LossCurveDisplay:
    """Training loss of every epoch, of one or several fitted models, and their validation loss.

    :meth:`from_estimator` makes it. Every model has a colour and dashes of its own. If a model has
    a ``validation_loss_curve_``, training losses are solid lines and validation losses dashed ones.

    Parameters
    ----------
    loss_curves : list of array-like
        Mean loss of every epoch, one list per model.
    names : list of str
        One name per model.
    validation_loss_curves : list of array-like or None, default=None
        Loss on the validation data after every epoch, one list per model, or None for a model
        without; None if no model has one.

    Attributes
    ----------
    ax_ : Axes
    figure_ : Figure
    lines_ : list of Line2D
        One line per model.
    validation_lines_ : list of Line2D or None
        One line per model, in its colour; None for a model without.

    See Also
    --------
    TraceDisplay : Display of the loss, weights and updates of every step.

    Examples
    --------
    >>> from sklearn.base import clone
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_metabp import SGD, Adam, BackpropMLPClassifier
    >>> from sklearn_metabp.plotting import LossCurveDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> network = BackpropMLPClassifier((8,), tol=0.01, random_state=0)
    >>> models = [
    ...     clone(network).set_params(update_rule=rule).fit(X, y)
    ...     for rule in (SGD(0.1), Adam(0.01))
    ... ]
    >>> display = LossCurveDisplay.from_estimator(*models)
    >>> display.names
    ['SGD(learning_rate=0.1)', 'Adam(learning_rate=0.01)']
    """

    def __init__(
        self,
        *,
        loss_curves: Sequence[Any],
        names: Sequence[str],
        validation_loss_curves: Sequence[Any] | None = None,
    ):
        self.loss_curves = loss_curves
        self.names = names
        self.validation_loss_curves = validation_loss_curves

    @classmethod
    def from_estimator(
        cls,
        *models: Any,
        names: Sequence[str] | None = None,
        ax: Any = None,
        yscale: str = "log",
        line_kwargs: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> Self:
        """Draw the ``loss_curve_`` and the ``validation_loss_curve_``, if any, of fitted models.

        Parameters
        ----------
        *models : estimators
            Fitted; ours, scikit-learn's MLPs, or pipelines that end in one.
        names : list of str, default=None
            One name per model. None takes the update rule, or the class if there is no update
            rule or its representation is long.
        ax : Axes, default=None
            None makes a figure.
        yscale : {"log", "linear"} or another scale of matplotlib, default="log"
        line_kwargs : dict or list of dict, default=None
            Arguments of matplotlib's ``plot``, for all lines or for those of each model.

        Returns
        -------
        display : LossCurveDisplay

        Raises
        ------
        NotFittedError
            If a model has not been fitted.
        ValueError
            If a model has no ``loss_curve_``, or the numbers of names and models differ.
        """
        require_library("matplotlib", f"{cls.__name__}.from_estimator")
        if not models:
            raise ValueError(
                "LossCurveDisplay draws the loss curve of at least one model, got none."
            )
        last = [model[-1] if isinstance(model, Pipeline) else model for model in models]
        for model in last:
            if not hasattr(model, "fit"):
                raise ValueError(
                    f"a model must be a fitted estimator, got {model!r}: give them one by one."
                )
            check_is_fitted(model)
            try:
                _ = model.loss_curve_
            except AttributeError as error:
                raise ValueError(
                    f"{type(model).__name__} has no loss_curve_ to draw: {error}"
                ) from error
        names = [_name(model) for model in last] if names is None else list(names)
        if len(names) != len(models):
            raise ValueError(
                f"names must have one name per model: got {len(names)} names, {len(models)} models."
            )
        validation = [getattr(model, "validation_loss_curve_", None) for model in last]
        display = cls(
            loss_curves=[model.loss_curve_ for model in last],
            names=names,
            validation_loss_curves=None
            if all(curve is None for curve in validation)
            else validation,
        )
        return display.plot(ax=ax, yscale=yscale, line_kwargs=line_kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        yscale: str = "log",
        line_kwargs: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> Self:
        """Draw the loss curves; see :meth:`from_estimator`.

        Parameters
        ----------
        ax : Axes, default=None
        yscale : str, default="log"
        line_kwargs : dict or list of dict, default=None

        Returns
        -------
        display : LossCurveDisplay
        """
        require_library("matplotlib", f"{type(self).__name__}.plot")
        import matplotlib.pyplot as plt

        n = len(self.loss_curves)
        styles = line_kwargs if isinstance(line_kwargs, list) else [line_kwargs or {}] * n
        if len(styles) != n:
            raise ValueError(f"line_kwargs must be one dict or {n} of them, got {len(styles)}.")
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        validation = self.validation_loss_curves or [None] * n
        cycle = line_styles(
            n, first=len(ax.lines)
        )  # an Axes may have the curves of another display
        self.lines_, self.validation_lines_ = [], []
        for curve, held_out, name, look, style in zip(
            self.loss_curves, validation, self.names, cycle, styles, strict=True
        ):
            if self.validation_loss_curves is not None:
                look = {**look, "linestyle": "-"}
            style = _validate_style_kwargs({"label": name, **look}, style)
            line = _draw(ax, curve, style)
            self.lines_.append(line)
            style |= {
                "color": line.get_color(),
                "linestyle": "--",
                "label": f"{style['label']}, validation",
            }
            self.validation_lines_.append(None if held_out is None else _draw(ax, held_out, style))
        ylabel = "training loss" if self.validation_loss_curves is None else "loss"
        ax.set(xlabel="epoch", ylabel=ylabel, yscale=yscale)
        ax.legend()
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _draw(ax: Any, curve: Any, style: dict[str, Any]) -> Any:
    """Draw a curve, and return its line."""
    marker = "o" if len(curve) == 1 else ""  # a line of one point is not visible
    (line,) = ax.plot(range(1, len(curve) + 1), curve, **{"marker": marker, **style})
    return line


def _name(model: Any) -> str:
    """Return a short name of a model for the legend."""
    rule = getattr(model, "update_rule_", None)
    if rule is None:
        return type(model).__name__
    text = " ".join(repr(rule).split())
    return text if len(text) <= _LONGEST_NAME else type(rule).__name__

"""The display of the step sizes of an update rule."""

from collections.abc import Sequence
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._plotting import _validate_style_kwargs

from sklearn_metabp.optional_libraries import require_library
from sklearn_metabp.plotting.axes import evenly, grid_of_axes, legend_above
from sklearn_metabp.plotting.style import line_styles
from sklearn_metabp.plotting.trace import MAX_STEPS, record_training, steps_of_run
from sklearn_metabp.tracing import Trace

# Steps of a neuron that is inactive can be smaller by any number of decades.
_SHOWN = 1e-9


class UpdateRuleDisplay:
    r"""Step sizes and effective learning rates of an update rule along a training.

    :meth:`from_trace` and :meth:`from_estimator` make it. A column is a layer. The median over its
    weights, and that over its biases, is drawn as a line, and two quantiles as the borders of a
    band. The step size is
    :math:`|\Delta w|`; the effective learning rate is :math:`|\Delta w| / |g|`, with
    :math:`g = \partial J / \partial w` the gradient of the step.
    Plain backpropagation has the same rate for all parameters and all steps, its learning rate.

    Parameters
    ----------
    steps : ndarray of shape (n_steps,)
        Numbers of the steps in the training, from 1.
    step_sizes : dict of str to ndarray of shape (n_steps, 3)
        Lower quantile, median and upper quantile over the parameters of a matrix or vector, by its
        name.
    learning_rates : dict of str to ndarray of shape (n_steps, 3)
        The same quantiles of the effective learning rates, over the parameters whose gradient is
        not 0; NaN if there are none.
    quantiles : tuple of float
        The lower and the upper quantile.

    Attributes
    ----------
    ax_ : ndarray of Axes of shape (2 * n_layers,)
        Axes of the step sizes of every layer, then of the effective learning rates.
    figure_ : Figure
    step_size_lines_, learning_rate_lines_ : dict of str to Line2D
        The medians, by name of the matrix or vector.
    step_size_bands_, learning_rate_bands_ : dict of str to FillBetweenPolyCollection
        Between the quantiles.

    See Also
    --------
    TraceDisplay : Display of single weights and their updates.
    LossCurveDisplay : Display of loss curves.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_metabp import SGD, BackpropMLPClassifier
    >>> from sklearn_metabp.plotting import UpdateRuleDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> model = BackpropMLPClassifier((8,), update_rule=SGD(0.1), tol=0.01, random_state=0)
    >>> display = UpdateRuleDisplay.from_estimator(model, X, y)
    >>> rates = display.learning_rates["coefs_[0]"]
    >>> [float(rate) for rate in rates[0].round(9)]  # low, median, high
    [0.1, 0.1, 0.1]
    """

    def __init__(
        self,
        *,
        steps: np.ndarray,
        step_sizes: dict[str, np.ndarray],
        learning_rates: dict[str, np.ndarray],
        quantiles: tuple[float, float],
    ):
        self.steps = steps
        self.step_sizes = step_sizes
        self.learning_rates = learning_rates
        self.quantiles = quantiles

    @classmethod
    def from_trace(
        cls,
        trace: Trace,
        run: int = 0,
        *,
        quantiles: Sequence[float] = (0.25, 0.75),
        ax: Any = None,
        line_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw one run of a trace.

        Parameters
        ----------
        trace : Trace
            It must have gradients and updates. If it has more than 2000 steps, 2000 evenly spread
            ones are drawn.
        run : int, default=0
            As in ``trace.runs``.
        quantiles : tuple of two float, default=(0.25, 0.75)
            Borders of the bands, in [0, 1].
        ax : Axes or array-like of 2 * n_layers Axes, default=None
            One is divided; None makes a figure.
        line_kwargs : dict, default=None
            Arguments of matplotlib's ``plot``, for all lines.

        Returns
        -------
        display : UpdateRuleDisplay

        Raises
        ------
        ValueError
            If the trace has no steps of that run, or was recorded without gradients or updates; if
            ``quantiles`` are not two in order.
        """
        require_library("matplotlib", f"{cls.__name__}.from_trace")
        lower, upper = _check_quantiles(quantiles)
        steps = steps_of_run(trace, run)
        lacking = {"gradients", "updates"} - set(steps.recorded[run].stored)
        if lacking:
            raise ValueError(
                f"UpdateRuleDisplay draws gradients and updates, and run {run} was recorded "
                "without "
                f"{' and '.join(sorted(lacking))}: record with TraceRecorder()."
            )
        steps = steps[evenly(len(steps), MAX_STEPS)]
        step_sizes, learning_rates = _quantiles_of(steps, run, (lower, 0.5, upper))
        display = cls(
            steps=steps.indices,
            step_sizes=step_sizes,
            learning_rates=learning_rates,
            quantiles=(lower, upper),
        )
        return display.plot(ax=ax, line_kwargs=line_kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        quantiles: Sequence[float] = (0.25, 0.75),
        ax: Any = None,
        line_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Train a clone of an estimator, record it and draw.

        Parameters
        ----------
        estimator : BackpropMLPClassifier, BackpropMLPRegressor or a Pipeline that ends in one
            Fitted or not. It is not changed. Its clone takes the same steps if ``random_state`` is
            an integer.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
        quantiles : tuple of two float, default=(0.25, 0.75)
            See :meth:`from_trace`.
        ax : Axes or array-like of 2 * n_layers Axes, default=None
        line_kwargs : dict, default=None

        Returns
        -------
        display : UpdateRuleDisplay

        Raises
        ------
        ValueError
            If it is another estimator, or ``quantiles`` are not two in order.
        """
        require_library("matplotlib", f"{cls.__name__}.from_estimator")
        _check_quantiles(quantiles)
        variables = ["gradients", "updates"]
        _, trace = record_training(cls.__name__, estimator, X, y, variables, sample_weight)
        return cls.from_trace(trace, quantiles=quantiles, ax=ax, line_kwargs=line_kwargs)

    def plot(self, ax: Any = None, *, line_kwargs: dict[str, Any] | None = None) -> Self:
        """Draw the step sizes and learning rates; see :meth:`from_trace`.

        Parameters
        ----------
        ax : Axes or array-like of 2 * n_layers Axes, default=None
        line_kwargs : dict, default=None

        Returns
        -------
        display : UpdateRuleDisplay
        """
        require_library("matplotlib", f"{type(self).__name__}.plot")
        style = _validate_style_kwargs({"linewidth": 1.2}, line_kwargs or {})
        n_layers = len(self.step_sizes) // 2
        axes = grid_of_axes(
            ax, 2, n_layers, figsize=(2 + 3 * n_layers, 5), sharex=True, sharey="row"
        )
        of_sizes, of_rates = axes[:n_layers], axes[n_layers:]
        self.step_size_lines_, self.step_size_bands_ = self._draw(of_sizes, self.step_sizes, style)
        self.learning_rate_lines_, self.learning_rate_bands_ = self._draw(
            of_rates, self.learning_rates, style
        )
        of_sizes[0].set_ylabel("step size |Δw|")
        of_rates[0].set_ylabel("learning rate |Δw| / |g|")
        for layer, bottom in enumerate(of_rates):
            legend_above(of_sizes[layer])
            bottom.set_xlabel("step")
        self.ax_, self.figure_ = axes, axes[0].figure
        return self

    def _draw(
        self, axes: np.ndarray, values: dict[str, np.ndarray], style: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Draw the weights of every layer, then the biases; return lines and bands by name."""
        lines, bands = {}, {}
        _set_scale(axes, np.array(list(values.values())))
        for position, (name, of_tensor) in enumerate(values.items()):
            is_bias, layer = divmod(position, len(axes))
            lower, median, upper = of_tensor.T
            marker = "o" if len(self.steps) == 1 else ""  # a line of one point is not seen
            kwargs = {**line_styles(2)[is_bias], "label": name, "marker": marker, **style}
            (lines[name],) = axes[layer].plot(self.steps, median, **kwargs)
            filling = {"color": lines[name].get_color(), "alpha": 0.2, "linewidth": 0}
            bands[name] = axes[layer].fill_between(self.steps, lower, upper, **filling)
        return lines, bands


def _set_scale(axes: Any, values: np.ndarray) -> None:
    """Set a logarithmic y axis with space for the values, or a linear one if all are 0."""
    values = values[np.isfinite(values) & (values > 0)]
    if not len(values):
        return
    highest = values.max()
    lowest = max(values.min(), highest * _SHOWN)
    margin = max(1.5, (highest / lowest) ** 0.05)
    for ax in axes:
        ax.set_ylim(lowest / margin, highest * margin)
        ax.set_yscale("log", nonpositive="mask")


def _check_quantiles(quantiles: Any) -> tuple[float, float]:
    """Return two quantiles in order; raise for anything else."""
    ordered = list(quantiles) if np.iterable(quantiles) else [quantiles]
    are_numbers = all(isinstance(quantile, Real) for quantile in ordered)
    if len(ordered) != 2 or not are_numbers or not 0 <= ordered[0] <= ordered[1] <= 1:
        raise ValueError(
            f"quantiles must be a lower and an upper one in [0, 1], got {quantiles!r}."
        )
    return float(ordered[0]), float(ordered[1])


def _quantiles_of(
    steps: Trace, run: int, quantiles: tuple[float, ...]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Compute quantiles of |Δw| and of |Δw| / |g|, (n_steps, n_quantiles) by tensor.

    The panels are those of layers, so the tensors are weights and biases.
    """
    tensors = steps.layouts[run].dense.tensors
    shape = (len(steps), len(quantiles))
    sizes = {tensor.name: np.empty(shape) for tensor in tensors}
    rates = {tensor.name: np.full(shape, np.nan) for tensor in tensors}
    for places, step in steps.iter_steps(run):
        for tensor in tensors:
            size, slope = np.abs(step.updates[tensor.slice]), np.abs(step.gradients[tensor.slice])
            sizes[tensor.name][places] = np.quantile(size, quantiles)
            if (known := slope > 0).any():
                with np.errstate(over="ignore"):
                    rates[tensor.name][places] = np.quantile(size[known] / slope[known], quantiles)
    return sizes, rates

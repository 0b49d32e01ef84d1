"""The display of one recorded step: the network with its numbers."""

from collections.abc import Collection
from itertools import pairwise
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.utils._plotting import _validate_style_kwargs

from sklearn_metabp.network import StepReport, rounded
from sklearn_metabp.optional_libraries import require_library
from sklearn_metabp.plotting.axes import grid_of_axes
from sklearn_metabp.plotting.step_drawing import (
    INCHES,
    bounds,
    draw_links,
    draw_neurons,
    places_of,
)
from sklearn_metabp.plotting.step_panels import PANELS, Numbers, Panel
from sklearn_metabp.plotting.style import line_styles
from sklearn_metabp.tracing import Trace

# Texts of more neurons or links lie on each other.
_MOST_NEURONS = 8
_MOST_LINKS = 24
_MOST_LAYERS = 6


class StepDisplay:
    """A small network, drawn with the numbers of one step of its training.

    :meth:`from_trace` makes it. It draws up to three panels: the forward pass, the backward pass
    and the update. Layers go from left to right, and the neurons of a layer from top to bottom, in
    the order of their numbers.

    Parameters
    ----------
    report : StepReport
        The numbers.

    Attributes
    ----------
    ax_ : ndarray of Axes of shape (n_panels,)
    figure_ : Figure
    neuron_texts_ : dict of str to dict of str to list of Text
        Texts in, below and above every neuron: by panel, then by name of the neuron, such as
        ``"hidden 1 [0]"``.
    link_texts_ : dict of str to dict of str to Text
        By panel, then by name of the weight, such as ``"coefs_[0][2,1]"``.

    See Also
    --------
    sklearn_metabp.Trace.report : The same numbers as a table, for a network of any size.
    TraceDisplay : Display of the weights, updates and loss of all steps.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp import SGD, BackpropMLPClassifier, TraceRecorder
    >>> from sklearn_metabp.plotting import StepDisplay
    >>> X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    >>> recorder = TraceRecorder("all", max_steps=1)
    >>> xor = BackpropMLPClassifier((3,), "tanh", update_rule=SGD(0.5), random_state=0)
    >>> xor = xor.set_callbacks(recorder).partial_fit(X, y, classes=[0, 1])
    >>> display = StepDisplay.from_trace(
    ...     recorder.trace_, pattern=1, show="forward", precision=2
    ... )
    >>> for text in display.neuron_texts_["forward"]["output [0]"]:
    ...     print(text.get_text())
    0.66
    in = 0.67
    ev = 1.00
    θ = 0.17
    """

    def __init__(self, *, report: StepReport):
        self.report = report

    @classmethod
    def from_trace(
        cls,
        trace: Trace,
        step: int = 0,
        *,
        pattern: int = 0,
        show: str | Collection[str] = tuple(PANELS),
        precision: int = 4,
        ax: Any = None,
        text_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw one step of a trace.

        Parameters
        ----------
        trace : Trace
            Recorded with ``TraceRecorder("all")``, or with the variables that the panels need.
        step : int, default=0
            Position of the step in the trace, as in ``trace[step]``.
        pattern : int, default=0
            Position in the batch of the pattern whose neurons are drawn. Gradients and updates are
            those of the whole batch.
        show : {"forward", "backward", "update"} or list of them, default=all three
            The panels:

            - ``"forward"``: activations, net inputs, weights and biases before the step, targets.
              It needs ``params``, ``net_inputs`` and ``activations``.
            - ``"backward"``: deltas, derivatives and gradients. It needs ``deltas``,
              ``derivatives`` and ``gradients``.
            - ``"update"``: updates, and weights and biases after the step. It needs ``params`` and
              ``updates``.
        precision : int, default=4
            Number of decimals. A number that would be rounded to 0 is written as ``2.0e-05``.
        ax : Axes or array-like of n_panels Axes, default=None
            One is divided; None makes a figure.
        text_kwargs : dict, default=None
            Arguments of matplotlib's ``text``, for all numbers.

        Returns
        -------
        display : StepDisplay

        Raises
        ------
        ValueError
            If the network is too large to be drawn, which is more than 8 neurons in a layer, 24
            weights between two layers, or 6 layers; if it is recurrent or has an input layer; if
            the trace has no such step, or lacks a variable; if there is no such pattern or panel.
        """
        require_library("matplotlib", f"{cls.__name__}.from_trace")
        panels = _check_panels(show)
        if not isinstance(trace, Trace):
            raise ValueError(f"trace must be a Trace, as a TraceRecorder makes it, got {trace!r}.")
        if not isinstance(step, Integral) or not -len(trace) <= step < len(trace):
            raise ValueError(
                f"step must be a position in the trace, 0 to {len(trace) - 1}, got {step!r}."
            )
        recorded = trace.recorded[trace.runs[step]]
        _check_size(recorded.network, step)
        for panel in panels:
            lacking = [name for name in PANELS[panel].needs if name not in recorded.stored]
            if lacking:
                raise ValueError(
                    f"the panel {panel!r} needs {' and '.join(lacking)}, which were not recorded: "
                    "record with TraceRecorder('all'), or leave the panel out of show."
                )
        display = cls(report=trace[int(step)].report(pattern, precision=precision))
        return display.plot(ax=ax, show=panels, text_kwargs=text_kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        show: str | Collection[str] = tuple(PANELS),
        text_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the step; see :meth:`from_trace`.

        Parameters
        ----------
        ax : Axes or array-like of n_panels Axes, default=None
        show : {"forward", "backward", "update"} or list of them, default=all three
        text_kwargs : dict, default=None

        Returns
        -------
        display : StepDisplay
        """
        require_library("matplotlib", f"{type(self).__name__}.plot")
        panels = _check_panels(show)
        style = _validate_style_kwargs({"fontsize": 9}, text_kwargs or {})
        numbers, at = Numbers(self.report), places_of(self.report.network.layout.layer_sizes)
        low, high = bounds(at)
        width, height = INCHES * (high - low)
        axes = grid_of_axes(ax, len(panels), 1, figsize=(width, len(panels) * (height + 0.3)))
        self.neuron_texts_: dict[str, dict[str, list[Any]]] = {}
        self.link_texts_: dict[str, dict[str, Any]] = {}
        for one, name in zip(axes, panels, strict=True):
            panel = PANELS[name]
            colour = line_styles(panel.colour + 1)[panel.colour]["color"]
            self.link_texts_[name] = draw_links(one, panel, numbers, at, colour, style)
            self.neuron_texts_[name] = draw_neurons(one, panel, numbers, at, colour, style)
            one.text(
                (low[0] + high[0]) / 2,
                low[1] + 0.1,
                panel.key,
                ha="center",
                va="bottom",
                color="0.35",
                fontsize="small",
            )
            one.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
            one.set_title(self._title(panel))
            one.set_axis_off()
        self.ax_, self.figure_ = axes, axes[0].figure
        return self

    def _title(self, panel: Panel) -> str:
        report = self.report
        title = panel.title.format(loss=rounded(report.loss, report.precision))
        if report.n_patterns > 1:
            title += f" (step {report.index}, pattern {report.pattern} of {report.n_patterns})"
        return title


def _check_panels(show: Any) -> list[str]:
    """Return the panels to draw, in their order; raise for anything else."""
    wanted = [show] if isinstance(show, str) else list(show) if np.iterable(show) else [show]
    if not wanted or any(name not in PANELS for name in wanted):
        raise ValueError(f"show must be one or more of {list(PANELS)}, got {show!r}.")
    return [name for name in PANELS if name in wanted]


def _check_size(network: Any, step: int) -> None:
    """Raise if a network cannot be drawn."""
    sizes = network.layout.layer_sizes
    instead = f"trace[{step}].report() has the numbers as a table."
    if network.layout.cell is not None or network.input_layer is not None:
        what = "an input layer" if network.layout.cell is None else "a recurrent layer"
        raise ValueError(
            f"StepDisplay draws dense layers, and this network has {what} too: {instead}"
        )
    links = [one * other for one, other in pairwise(sizes)]
    if max(sizes) > _MOST_NEURONS or max(links) > _MOST_LINKS or len(sizes) > _MOST_LAYERS:
        raise ValueError(
            f"the network {network.layout.sizes_text} is too large to be drawn with its numbers: "
            f"StepDisplay draws up to {_MOST_NEURONS} neurons in a layer, {_MOST_LINKS} weights "
            f"between two layers and {_MOST_LAYERS} layers. {instead}"
        )

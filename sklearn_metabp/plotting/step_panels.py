"""The panels of the drawing of a step, and the numbers that each shows."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sklearn_metabp.network import StepReport, rounded


@dataclass(frozen=True)
class Panel:
    """One drawing of the network.

    Attributes
    ----------
    needs : tuple of str
        Values of the report that it shows.
    title : str
        Filled in with the loss and the precision.
    key : str
        One line that says what the numbers are.
    colour : int
        Number of the colour.
    neuron : callable
        ``neuron(drawing, layer, n)`` returns the texts in, below and above a neuron.
    link : callable
        ``link(drawing, layer, source, target)`` returns the lines of a text.
    """

    needs: tuple[str, ...]
    title: str
    key: str
    colour: int
    neuron: Callable[["Numbers", int, int], tuple[str, str, str]]
    link: Callable[["Numbers", int, int, int], tuple[str, ...]]


class Numbers:
    """The numbers of a report as texts, by layer and neuron."""

    def __init__(self, report: StepReport):
        self.report, self.layout = report, report.network.layout

    def of_neuron(self, name: str, layer: int, n: int) -> str:
        """Return a value of a neuron, where layer 0 is the input; empty if there is none."""
        place = layer if name == "activations" else layer - 1
        return self._text(self.report.values[name][place][n]) if place >= 0 else ""

    def of_target(self, layer: int, n: int) -> str:
        """Return the target of an output neuron; empty if there is none."""
        if layer < len(self.layout.layer_sizes) - 1 or "targets" not in self.report.values:
            return ""
        return self._text(self.report.values["targets"][n])

    def of_weight(self, name: str, layer: int, source: int, target: int) -> str:
        """Return a value of the weight that leads to a layer."""
        return self._text(self.layout.coefs(self._flat(name))[layer - 1][source, target])

    def of_bias(self, name: str, layer: int, n: int) -> str:
        """Return a value of the bias of a neuron; empty for an input."""
        return self._text(self.layout.intercepts(self._flat(name))[layer - 1][n]) if layer else ""

    def _flat(self, name: str) -> np.ndarray:
        values = self.report.values
        return values["params"] + values["updates"] if name == "new" else values[name]

    def _text(self, value: float) -> str:
        return rounded(value, self.report.precision)


def _with_symbol(symbol: str, number: str) -> str:
    return f"{symbol} {number}" if number else ""


PANELS = {
    "forward": Panel(
        ("params", "net_inputs", "activations"),
        "Forward: the loss is {loss}",
        "neuron: activation x, bias θ, net input in, target ev; link: weight w",
        0,
        lambda of, layer, n: (
            of.of_neuron("activations", layer, n),
            _with_symbol("in =", of.of_neuron("net_inputs", layer, n))
            + _with_symbol("\nev =", of.of_target(layer, n)),
            _with_symbol("θ =", of.of_bias("params", layer, n)),
        ),
        lambda of, *link: (of.of_weight("params", *link),),
    ),
    "backward": Panel(
        ("deltas", "derivatives", "gradients"),
        "Backward: deltas and gradients",
        "neuron: delta δ, derivative f' of its function, ∂J/∂θ; link: gradient ∂J/∂w",
        3,
        lambda of, layer, n: (
            of.of_neuron("deltas", layer, n),
            _with_symbol("f' =", of.of_neuron("derivatives", layer, n)),
            _with_symbol("∂J/∂θ =", of.of_bias("gradients", layer, n)),
        ),
        lambda of, *link: (of.of_weight("gradients", *link),),
    ),
    "update": Panel(
        ("params", "updates"),
        "Update: changes and new values",
        "neuron: update Δθ of its bias, then new bias; link: update Δw, then new weight",
        2,
        lambda of, layer, n: (
            of.of_bias("updates", layer, n),
            _with_symbol("→", of.of_bias("new", layer, n)),
            "",
        ),
        lambda of, *link: (
            of.of_weight("updates", *link),
            f"→ {of.of_weight('new', *link)}",
        ),
    ),
}

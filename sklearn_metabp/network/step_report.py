"""The numbers of one step as a table, and the representations of a step."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np

from sklearn_metabp.description import MOST_ROWS, Described, Report, Table, count, shortened
from sklearn_metabp.network.base import BaseNetwork

# Columns of the table of neurons, by the attribute of a step, and whether layer 0 is the input.
_OF_NEURONS = {
    "net_inputs": ("net input", False),
    "activations": ("activation", True),
    "derivatives": ("derivative", False),
    "deltas": ("delta", False),
}
# Columns of the table of weights and biases.
_OF_PARAMS = {
    "params": "before",
    "gradients": "gradient",
    "updates": "update",
    "teacher_updates": "teacher's update",
}
# In the order of the tables.
VALUES = (*_OF_NEURONS, "outputs", "targets", *_OF_PARAMS)
_OPTIONAL = ("outputs", "teacher_updates")


@dataclass(frozen=True, repr=False, eq=False)
class StepReport(Report):
    """Numbers of one step, for one pattern of its batch.

    ``report`` of a step or of a trace makes it. ``print`` shows two tables: one of the neurons, one
    of the weights, biases and further parameters. A notebook shows the same in HTML.

    Attributes
    ----------
    index : int
        Number of the step in its training, from 1.
    epoch : int
        Number of the epoch, from 0.
    loss : float
        Loss of the batch.
    n_patterns : int
        Number of patterns in the batch.
    pattern : int
        Position in the batch, from 0, of the pattern that the numbers of neurons belong to.
    network : BaseNetwork
        Layers and activation functions.
    values : dict of str to ndarray or list of ndarray
        Copies of the values of the step, by its attributes. ``activations``, ``net_inputs``,
        ``derivatives`` and ``deltas`` are lists with an array of shape (n_neurons,) for every
        layer. ``outputs`` and ``targets`` have shape (n_outputs,). ``params``, ``gradients`` and
        ``updates`` have shape (n_params,). Values that were not recorded are left out.
    precision : int
        Number of decimals in the tables.
    max_rows : int or None
        Maximal number of neurons of a layer, and of parameters of a tensor, in the tables. None for
        all.

    See Also
    --------
    sklearn_metabp.plotting.StepDisplay : A drawing of the network with these numbers.

    Examples
    --------
    A neuron with one input takes one step of plain backpropagation:

    >>> from sklearn_metabp import SGD, BackpropMLPRegressor, TraceRecorder
    >>> recorder = TraceRecorder("all", max_steps=1)
    >>> neuron = BackpropMLPRegressor((), update_rule=SGD(0.1), tol=1, n_iter_no_change=1)
    >>> neuron = neuron.set_callbacks(recorder)
    >>> neuron = neuron.fit([[2.0]], [3.0], coef_init=[[[1.0]]], intercept_init=[[0.0]])
    >>> print(recorder.trace_[0].report(precision=2))
    Step 1, epoch 0: loss 0.5, 1 pattern, network 1-1
    <BLANKLINE>
    neuron      net input  activation  derivative  delta  target
    input [0]                    2.00
    output [0]       2.00        2.00        1.00   1.00    3.00
    <BLANKLINE>
    parameter          before  gradient  update  after
    coefs_[0][0,0]       1.00     -2.00    0.20   1.20
    intercepts_[0][0]    0.00     -1.00    0.10   0.10
    """

    index: int
    epoch: int
    loss: float
    n_patterns: int
    pattern: int
    network: BaseNetwork
    values: dict[str, Any] = field(default_factory=dict)
    precision: int = 4
    max_rows: int | None = MOST_ROWS

    @property
    def missing(self) -> list[str]:
        """Names of the values that were not recorded."""
        return [name for name in VALUES if name not in self.values and name not in _OPTIONAL]

    def _title(self) -> str:
        return _title_of(self)

    def _details(self) -> Iterator[Table | str]:
        if self.n_patterns > 1:
            yield (
                f"Neurons: pattern {self.pattern} of the batch. Gradients and updates: the whole "
                "batch."
            )
        yield from filter(None, (self._neuron_table(), self._param_table()))
        if self.missing:
            yield f"Not recorded: {', '.join(self.missing)}."

    def _neuron_table(self) -> Table | None:
        """Return a row for every input and every neuron; None if nothing of them is known."""
        names = [name for name in _OF_NEURONS if name in self.values]
        if "outputs" in self.values and "activations" not in names:
            names.insert(0, "outputs")
        if "targets" in self.values:
            names.append("targets")
        if not names:
            return None
        heads = {"outputs": "output", "targets": "target"}
        heads |= {name: head for name, (head, _) in _OF_NEURONS.items()}
        rows = []
        for layer, (label, size) in enumerate(self._layers()):
            columns = [self._column(name, layer, size) for name in names]
            if not any(map(any, columns)):  # the inputs have activations alone
                continue
            cells = zip(*columns, strict=True)
            of_layer = [(f"{label} [{n}]", *row) for n, row in enumerate(cells)]
            rows += shortened(of_layer, "neuron" if layer else "input", self.max_rows)
        head = ("neuron", *(heads[name] for name in names))
        return Table(head, rows, (False, *[True] * len(names)))

    def _layers(self) -> Iterator[tuple[str, int]]:
        """Yield the name and the size of every layer."""
        sizes = self.network.layout.layer_sizes
        for layer, size in enumerate(sizes):
            yield layer_name(layer, len(sizes)), size

    def _column(self, name: str, layer: int, size: int) -> list[str]:
        """Return the cells of a layer, which are empty where it has no such values."""
        is_last = layer == len(self.network.layout.layer_sizes) - 1
        if name in ("outputs", "targets"):
            values = self.values[name] if is_last else None
        else:
            of_layers = self.values[name]
            place = layer if _OF_NEURONS[name][1] else layer - 1
            values = of_layers[place] if place >= 0 else None
            # The layer after the input of a recurrent network receives the states after the inputs.
            if values is not None and layer == 0:
                values = values[:size]
        if values is None or len(values) != size:
            return [""] * size
        return [rounded(value, self.precision) for value in values]

    def _param_table(self) -> Table | None:
        """Return a row for every parameter; None if nothing of them is known."""
        columns = {head: self.values[n] for n, head in _OF_PARAMS.items() if n in self.values}
        if not columns:
            return None
        if {"before", "update"} <= set(columns):
            columns["after"] = columns["before"] + columns["update"]
        rows = []
        for tensor in self.network.layout.tensors:
            names = self.network.layout.parameter_names(tensor)
            values = zip(*(column[tensor.slice] for column in columns.values()), strict=True)
            of_tensor = [
                (name, *(rounded(value, self.precision) for value in of_parameter))
                for name, of_parameter in zip(names, values, strict=True)
            ]
            rows += shortened(of_tensor, "parameter", self.max_rows)
        return Table(("parameter", *columns), rows, (False, *[True] * len(columns)))


class ReportedStep(Described):
    """Mixin of a step, live or recorded: its representations and its report."""

    def report(
        self, pattern: int = 0, *, precision: int = 4, max_rows: int | None = MOST_ROWS
    ) -> StepReport:
        """Return the numbers of the step as a table.

        Parameters
        ----------
        pattern : int, default=0
            Position in the batch of the pattern whose neurons are shown.
        precision : int, default=4
            Number of decimals. A number that would be rounded to 0 is written as ``2.0e-05``.
        max_rows : int or None, default=12
            Maximal number of neurons of a layer, and of parameters of a tensor, in the tables. None
            for all.

        Returns
        -------
        report : StepReport
            The text is a table. The report has copies of the numbers, so it stays valid.

        Raises
        ------
        ValueError
            If the batch has no such pattern, or ``precision`` or ``max_rows`` is out of its range.
        """
        return report_of(self, pattern, precision=precision, max_rows=max_rows)

    def _title(self) -> str:
        return _title_of(self)

    def _details(self) -> Iterator[Table]:
        rows = []
        for name in VALUES:
            value = getattr(self, name, None)
            if value is None:
                continue
            arrays = value if isinstance(value, list) else [value]
            shapes = ", ".join("x".join(map(str, array.shape)) for array in arrays)
            flat = np.concatenate([np.ravel(array) for array in arrays])
            ends = [rounded(end, 4) for end in (flat.min(), flat.max())] if len(flat) else ["", ""]
            rows.append((name, shapes, *ends))
        if rows:
            head = ("attribute", "shape", "smallest", "largest")
            yield Table(head, rows, (False, False, True, True))


def report_of(
    step: Any,
    pattern: int,
    *,
    precision: int,
    max_rows: int | None,
    names: Collection[str] = VALUES,
) -> StepReport:
    """Return the report of a step, live or recorded, with the values of some names.

    Raises
    ------
    ValueError
        If the batch has no such pattern, or ``precision`` or ``max_rows`` is out of its range.
    """
    for name, value in (("precision", precision), ("max_rows", max_rows)):
        lowest = 0 if name == "precision" else 1
        is_integer = isinstance(value, Integral) and not isinstance(value, bool)
        if (name == "max_rows" and value is None) or (is_integer and value >= lowest):  # type: ignore[operator]
            continue
        raise ValueError(
            f"{name} must be an integer of {lowest} or more"
            f"{' or None' if name == 'max_rows' else ''}, got {value!r}."
        )
    n_patterns = int(step.n_patterns)
    if not isinstance(pattern, Integral) or not 0 <= pattern < n_patterns:
        raise ValueError(
            f"pattern must be a position in the batch, 0 to {n_patterns - 1}, got {pattern!r}."
        )
    values = {}
    for name in VALUES:
        value = getattr(step, name, None) if name in names else None
        if value is None:
            continue
        if name in _OF_PARAMS:
            values[name] = np.array(value)
        elif isinstance(value, list):
            values[name] = [np.array(array[pattern]) for array in value]
        else:
            values[name] = np.array(value[pattern])
    return StepReport(
        int(step.index),
        int(step.epoch),
        float(step.loss),
        n_patterns,
        int(pattern),
        step.network,
        values,
        int(precision),
        None if max_rows is None else int(max_rows),
    )


def layer_name(layer: int, n_layers: int) -> str:
    """Return the name of a layer, numbered from 0 for the input."""
    if layer == 0:
        return "input"
    return "output" if layer == n_layers - 1 else f"hidden {layer}"


def rounded(value: float, precision: int) -> str:
    """Return a number with so many decimals; in another notation if they would all be 0."""
    text = f"{value:.{precision}f}"
    if float(text) == 0:  # False for NaN
        return f"{value:.1e}" if value else f"{0:.{precision}f}"
    return text


def _title_of(step: Any) -> str:
    loss = f"{float(step.loss):.4g}"
    patterns = count(int(step.n_patterns), "pattern")
    network = step.network.layout.sizes_text
    return f"Step {step.index}, epoch {step.epoch}: loss {loss}, {patterns}, network {network}"

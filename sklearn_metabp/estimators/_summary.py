"""The description of a fitted network as a table, in text and in HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from sklearn_metabp.description import Report, Table, count
from sklearn_metabp.network import Network
from sklearn_metabp.training import TrainingState
from sklearn_metabp.update_rules import TrainingRule

Shapes = tuple[tuple[int, ...], ...]

_HEAD = ("layer", "neurons", "function", "weights", "biases", "parameters")
_IS_NUMBER = (False, True, False, False, False, True)


class FitSize(NamedTuple):
    """The rows of a fit and its batches.

    Attributes
    ----------
    n_rows : int
        Number of rows that were trained on.
    batch_size : int
        Rows of a batch. The last batch of an epoch may have fewer.
    n_batches : int
        Steps of an epoch.
    """

    n_rows: int
    batch_size: int
    n_batches: int


class LayerSummary(NamedTuple):
    """A layer of a network.

    Attributes
    ----------
    name : str
        "input", "hidden 1" and so on, "output".
    n_neurons : int
    activation : str
        Name of the activation function. Empty for the input.
    weights, biases : tuple of tuple of int
        Shapes of the weight matrices and bias vectors that lead to the layer.
    n_params : int
        Number of weights and biases, and of the layer's further parameters.
    """

    name: str
    n_neurons: int
    activation: str
    weights: Shapes
    biases: Shapes
    n_params: int


@dataclass(frozen=True, repr=False)
class ModelSummary(Report):
    """Description of a fitted network, made by ``summary`` of an estimator.

    ``print`` shows it as text, and a notebook as an HTML table.

    Attributes
    ----------
    name : str
        Name of the estimator's class.
    layers : tuple of LayerSummary
        Layers from the input to the output. For an ensemble they are those of one network.
    n_params : int
        Number of all parameters of all networks.
    facts : dict of str to str
        Texts by name: the dtype, the loss, the update rule, the rows and steps of an epoch, and the
        training so far.
    n_members : int
        Number of networks.
    """

    name: str
    layers: tuple[LayerSummary, ...]
    n_params: int
    facts: dict[str, str]
    n_members: int = 1

    @property
    def title(self) -> str:
        """Name of the estimator, sizes of the layers and number of parameters."""
        sizes = "-".join(str(layer.n_neurons) for layer in self.layers)
        if self.n_members > 1:
            sizes = f"{self.n_members} x {sizes}"
        return f"{self.name} {sizes}, {count(self.n_params, 'parameter')}"

    def _title(self) -> str:
        return self.title

    def _details(self) -> tuple[Table, Table]:
        rows = [
            (
                layer.name,
                str(layer.n_neurons),
                layer.activation,
                _shapes(layer.weights),
                _shapes(layer.biases),
                str(layer.n_params) if layer.weights else "",
            )
            for layer in self.layers
        ]
        return Table(_HEAD, rows, _IS_NUMBER), Table.of_facts(self.facts)


def summarise_model(
    name: str,
    network: Network,
    rule: TrainingRule | None,
    states: Sequence[TrainingState | None],
    size: FitSize | None,
    *,
    label_smoothing: float = 0.0,
) -> ModelSummary:
    """Describe a network and its training, or all networks of an ensemble.

    Parameters
    ----------
    name : str
        Name of the estimator's class.
    network : Network
    rule : UpdateRule or LineSearchRule or None
        None for a compact model.
    states : sequence of TrainingState or None
        One for every network, None in a compact model.
    size : FitSize or None
        Rows and batches of the last fit. None if they are unknown.
    label_smoothing : float, default=0.0
        Share of every target that the last fit gave to all classes.

    Returns
    -------
    summary : ModelSummary
    """
    layout = network.layout
    functions = (*network.activations, network.out_activation)
    layers = [LayerSummary("input", layout.layer_sizes[0], "", (), (), 0)]
    for number, function in enumerate(functions):
        tensors = [tensor for tensor in layout.tensors if tensor.layer == number]
        layers.append(
            LayerSummary(
                "output" if number == len(functions) - 1 else f"hidden {number + 1}",
                layout.layer_sizes[number + 1],
                function,
                tuple(tensor.shape for tensor in tensors if tensor.is_weights),
                tuple(tensor.shape for tensor in tensors if tensor.is_bias),
                sum(prod(tensor.shape) for tensor in tensors),
            )
        )
    n_params = layout.n_params * len(states)
    n_bytes = n_params * layout.dtype.itemsize
    facts = {
        "dtype": f"{layout.dtype.name}, {_bytes(n_bytes)}",
        "loss": _with_options(
            network.loss,
            alpha=network.alpha,
            dropout=network.dropout,
            label_smoothing=label_smoothing,
        ),
    }
    if rule is not None:
        facts["update rule"] = " ".join(repr(rule).split())
    if layout.extras:
        shapes = (f"{name} {_shapes((shape,))}" for name, _, shape in layout.extras)
        facts["further parameters"] = ", ".join(shapes)
    if size is not None:
        rows, batches = count(size.n_rows, "row"), count(size.n_batches, "step")
        facts["epoch"] = f"{rows} in batches of {size.batch_size}, {batches}"
    if len(states) > 1:
        facts["members"] = f"{len(states)} networks of {count(layout.n_params, 'parameter')}"
    known = [state for state in states if state is not None]
    facts["trained"] = (
        _describe_training(known) if known else "the model is compact, without training state"
    )
    return ModelSummary(name, tuple(layers), n_params, facts, len(states))


def _describe_training(states: Sequence[TrainingState]) -> str:
    """Return epochs, steps and loss of the trainings of all networks."""
    epochs, steps = [state.n_epochs for state in states], [state.n_steps for state in states]
    trained = f"{_span(epochs)}{count(max(epochs), 'epoch')}, "
    trained += f"{_span(steps)}{count(max(steps), 'step')}"
    losses = [state.loss_curve[-1] for state in states if state.n_epochs]
    if losses:
        trained += f", loss {_span(losses)}{max(losses):.4g} in the last epoch"
    return trained


def _span(values: Sequence[float]) -> str:
    """Return the smallest value and "to" if it differs from the largest, and no text otherwise."""
    least, largest = min(values), max(values)
    return "" if least == largest else f"{least:.4g} to "


def _bytes(n: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n} bytes"


def _shapes(shapes: Shapes) -> str:
    return ", ".join("x".join(map(str, shape)) for shape in shapes)


def _with_options(name: str, **options: float) -> str:
    given = [f"{option}={value:g}" for option, value in options.items() if value]
    return ", ".join([name, *given])

"""The scope of the whole network: the paper's full set of rules, one prediction per pattern."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_metabp._kernels.scopes import PatternRule
from sklearn_metabp.estimators import BackpropMLPRegressor
from sklearn_metabp.learned.mlp import MLPArrays, are_layer_sizes
from sklearn_metabp.learned.scopes.base import Fact, Scope
from sklearn_metabp.learned.weights import ALIKE, SampleWeights
from sklearn_metabp.network import Network, ParameterLayout
from sklearn_metabp.tracing import Trace, taught_updates
from sklearn_metabp.update_rules import Adam


@dataclass(frozen=True)
class PatternInput:
    """One input, which is read for every pattern.

    Attributes
    ----------
    description : str
    array : str or None
        Name of the array of a run that it is read from.
    width : callable
        ``width(layout)`` returns its number of columns.
    read : callable
        ``read(step)`` returns its values at a step, recorded or live, (n_patterns, width), or
        (width,) where all patterns share them.
    buffers : callable or None
        ``buffers(step)`` returns the arrays that hold it at every step, large enough for the
        largest batch. None if no arrays hold it.
    """

    description: str
    array: str | None
    width: Callable[[ParameterLayout], int]
    read: Callable[[Any], np.ndarray]
    buffers: Callable[[Any], list[np.ndarray]] | None = None


def _n_neurons(layout: ParameterLayout) -> int:
    return sum(layout.layer_sizes[1:])


def _biases(step: Any) -> np.ndarray:
    first = step.layout.n_weights
    return step.params[first : first + step.layout.n_biases]


NETWORK_INPUTS = {
    "weights": PatternInput(
        "all weights",
        "params",
        lambda layout: layout.n_weights,
        lambda step: step.params[: step.layout.n_weights],
        lambda step: [step.params[: step.layout.n_weights]],
    ),
    "biases": PatternInput(
        "all biases",
        "params",
        _n_neurons,
        _biases,
        lambda step: [_biases(step)],
    ),
    "inputs": PatternInput(
        "the inputs of the pattern",
        "activations",
        lambda layout: layout.layer_sizes[0],
        lambda step: step.activations[0],
        lambda step: [step.backprop.activations[0]],
    ),
    "outputs": PatternInput(
        "the outputs of the network",
        "outputs",
        lambda layout: layout.layer_sizes[-1],
        lambda step: step.outputs,
        lambda step: [step.backprop.layer_outputs[-1]],
    ),
    "targets": PatternInput(
        "the expected outputs",
        "targets",
        lambda layout: layout.layer_sizes[-1],
        lambda step: step.targets,
        lambda step: [step.backprop.targets],
    ),
    "hidden_activations": PatternInput(
        "the activations of the hidden layers",
        "activations",
        lambda layout: sum(layout.layer_sizes[1:-1]),
        lambda step: np.hstack([step.outputs[:, :0], *step.activations[1:-1]]),
        lambda step: step.backprop.layer_outputs[:-1],
    ),
    "net_inputs": PatternInput(
        "the net inputs of all layers",
        "net_inputs",
        _n_neurons,
        lambda step: np.hstack(step.net_inputs),
    ),
    "derivatives": PatternInput(
        "the derivatives of the activation functions at the net inputs",
        "derivatives",
        _n_neurons,
        lambda step: np.hstack(step.derivatives),
    ),
    "deltas": PatternInput(
        "the deltas of all layers",
        "deltas",
        _n_neurons,
        lambda step: np.hstack(step.deltas),
        lambda step: step.backprop.deltas,
    ),
    "loss": PatternInput(
        "the loss of the batch",
        None,
        lambda layout: 1,
        lambda step: np.array([step.loss]),
    ),
}


class NetworkScope(Scope):
    """For the one architecture that was recorded, one prediction per pattern: all updates at once.

    This is the paper's full set of rules. From all weights, biases, inputs, outputs and targets of
    a pattern, f predicts every update. The update of a batch is the mean over its patterns.

    Attributes
    ----------
    layer_sizes : tuple of int or None
        The architecture; None if the rule was fitted on matrices.
    """

    name = "network"
    input_descriptions = {name: known.description for name, known in NETWORK_INPUTS.items()}
    default_inputs = ("weights", "biases", "inputs", "outputs", "targets")
    facts = (
        Fact(
            "layer_sizes",
            "tuple of int",
            "The architecture; None if the rule was fitted on matrices.",
            lambda value: value is None or are_layer_sizes(value),
        ),
    )
    has_many_targets = True
    has_kernel = True
    no_teacher_because = (
        "with scope='network' no teacher can be drawn, because no update is a function of one "
        "input of a pattern: leave teacher=None."
    )

    layer_sizes: tuple[int, ...] | None = None

    # Reading.

    def n_columns(self, layout: ParameterLayout | None) -> int:
        """Return the width of all inputs; that of the fitted rule if no network is given."""
        if layout is None:
            return len(self.ranges.typical)
        return sum(NETWORK_INPUTS[name].width(layout) for name in self.inputs)

    def n_targets(self, layout: ParameterLayout) -> int:
        """Return the number of updates."""
        return layout.n_params

    @property
    def needed_arrays(self) -> frozenset[str]:
        """The updates, and the arrays that the inputs are read from."""
        arrays = (NETWORK_INPUTS[name].array for name in self.inputs)
        return frozenset({"updates", *(array for array in arrays if array is not None)})

    def n_predictions(self, layout: ParameterLayout, n_patterns: np.ndarray) -> np.ndarray:
        """Return the number of patterns."""
        return n_patterns

    def features_at(self, step: Any, state: Any) -> np.ndarray:
        """Return the inputs of every pattern of a step."""
        matrix = np.empty((step.n_patterns, self.n_columns(step.layout)))
        _fill(matrix, step, self.inputs)
        return matrix

    def targets_at(self, step: Any, state: Any) -> np.ndarray:
        """Return the updates, the same for every pattern."""
        updates = taught_updates(step)
        return np.broadcast_to(updates, (step.n_patterns, len(updates)))

    def check_trace(self, trace: Trace) -> None:
        """Raise ValueError for several architectures, or for another one than the learned one."""
        layout = self._one_layout(trace)
        if self.n_outputs:
            self.check_layout(layout)

    def _one_layout(self, trace: Trace) -> ParameterLayout:
        """Return the layout that all rows share; ValueError if there are several or none."""
        layouts = {trace.layouts[number] for number in np.unique(trace.runs)}
        if not layouts:
            raise ValueError(self.empty_trace_message)
        sizes = {layout.layer_sizes for layout in layouts}
        if len(sizes) > 1:
            raise ValueError(
                f"scope='network' is bound to one architecture, and the trace has {sorted(sizes)}: "
                f"select the runs of one."
            )
        return layouts.pop()

    def targets(self, trace: Trace) -> np.ndarray:
        """Return the updates for every pattern of every row, without the arrays of the inputs."""
        return type(self)(["loss"]).sample(trace)[1]

    # Learning.

    @classmethod
    def default_learner(cls) -> TransformedTargetRegressor:
        """Return 16 tanh neurons between standardised inputs and updates."""
        mlp = BackpropMLPRegressor((16,), "tanh", update_rule=Adam(learning_rate=0.005), alpha=0.0)
        return TransformedTargetRegressor(
            make_pipeline(StandardScaler(), mlp), transformer=StandardScaler()
        )

    def takes_columns(self, n_columns: int) -> bool:
        """Return True: the number of columns depends on the network."""
        return True

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        learner: Any,
        trace: Trace | None,
        weights: SampleWeights = ALIKE,
    ) -> None:
        """Fit the learner to all updates at once."""
        self.layer_sizes = None if trace is None else self._one_layout(trace).layer_sizes
        super().fit(X, y, learner, trace, weights)

    # Training.

    def check_layout(self, layout: ParameterLayout) -> None:
        """Raise ValueError for another architecture than the learned one."""
        ends = self.n_columns(layout), layout.n_params
        learned = self.n_columns(None), self.n_outputs
        if self.layer_sizes not in (None, layout.layer_sizes) or ends != learned:
            known = self.layer_sizes or f"{learned[0]} inputs and {learned[1]} updates"
            raise ValueError(
                f"scope='network' is bound to the architecture it was learned on, {known}, and "
                f"cannot train {layout.layer_sizes}: fit the rule on traces of this architecture, "
                f"or use a scope for any architecture, such as 'link'."
            )

    def update_from(self, predictions: np.ndarray, step: Any, state: Any) -> np.ndarray:
        """Return the mean over the patterns of the batch."""
        return predictions.mean(axis=0)

    def bind(self, step: Any, state: Any) -> Callable[[], np.ndarray]:
        """Return a function that computes the mean update, by a kernel for an MLP."""
        if self.mlp is None:
            return super().bind(step, state)
        # Inputs without buffers are computed into copies at every step.
        copies = {
            name: self._allocate(name, step)
            for name in self.inputs
            if NETWORK_INPUTS[name].buffers is None
        }
        update, updates = self._kernel(step, self.mlp, copies).update, step.updates
        # Buffers of a batch that the backward pass does not need.
        fill = {"inputs": step.backprop.fill_inputs, "targets": step.backprop.fill_targets}
        fills = [fill[name] for name in self.inputs if name in fill]

        def compute_update() -> np.ndarray:
            for fill_buffer in fills:
                fill_buffer()
            for name, copy in copies.items():
                _fill(copy[: step.n_patterns], step, (name,))
            update(step.stop - step.start)
            return updates

        return compute_update

    def _allocate(self, name: str, step: Any) -> np.ndarray:
        width = NETWORK_INPUTS[name].width(step.layout)
        return np.zeros((step.backprop.max_batch, width), step.params.dtype)

    def _kernel(self, step: Any, mlp: MLPArrays, copies: dict[str, np.ndarray]) -> PatternRule:
        sources = []
        for name in self.inputs:
            buffers = NETWORK_INPUTS[name].buffers
            sources += [copies[name]] if buffers is None else buffers(step)
        params = mlp.params_as(step.params.dtype)
        matrix = np.zeros((step.backprop.max_batch, mlp.layout.layer_sizes[0]), params.dtype)
        layout = ParameterLayout(mlp.layout.layer_sizes, params.dtype)
        hidden = (mlp.hidden,) * (len(layout.layer_sizes) - 2)
        network = Network(layout, hidden, mlp.output, "squared_error")
        backprop = network.backprop(params, np.empty_like(params), len(matrix))
        backprop.load(matrix)
        return PatternRule(sources, backprop, matrix, step.updates, mlp.centre_as(params.dtype))

    # Files.

    def mlp_ends(self) -> tuple[int, int] | None:
        """Return the ends for the architecture; None where it is not known."""
        if self.layer_sizes is None:
            return None
        layout = ParameterLayout(self.layer_sizes)
        return self.n_columns(layout), layout.n_params

    def check_ends(self, n_inputs: int, n_outputs: int) -> None:
        """Raise ValueError for an MLP that is not one of the architecture."""
        ends = self.mlp_ends()
        if ends is not None and ends[1] != n_outputs:
            raise ValueError(
                f"its learner has {n_outputs} outputs, which are not the updates of "
                f"{self.layer_sizes}"
            )
        if ends is not None and ends[0] != n_inputs:
            raise ValueError(
                f"its learner has {n_inputs} inputs, which are not {list(self.inputs)} of "
                f"{self.layer_sizes}"
            )

    # Displays.

    def group_names(self, layout: ParameterLayout) -> list[str]:
        """Return the names of the weight matrices and bias vectors."""
        return [tensor.name for tensor in layout.tensors]

    def target_groups(self, layout: ParameterLayout, n_patterns: int) -> np.ndarray:
        """Return the number of the matrix or vector of every update, pattern after pattern."""
        sizes = [tensor.slice.stop - tensor.slice.start for tensor in layout.tensors]
        return np.tile(np.repeat(np.arange(len(sizes)), sizes), n_patterns)

    def column_names(self) -> tuple[str, ...]:
        """Return the names of one weight, one input, one target and so on."""
        if self.layer_sizes is None:
            return tuple(f"column {position}" for position in range(self.n_columns(None)))
        layout = ParameterLayout(self.layer_sizes)
        return tuple(
            f"{name}[{position}]"
            for name in self.inputs
            for position in range(NETWORK_INPUTS[name].width(layout))
        )

    def output_names(self) -> list[str]:
        """Return the symbols of the updates of weights, then of biases."""
        if self.layer_sizes is None:
            return [f"update {position}" for position in range(self.n_outputs)]
        layout = ParameterLayout(self.layer_sizes)
        n_biases = layout.n_params - layout.n_weights
        return [f"Δweights[{k}]" for k in range(layout.n_weights)] + [
            f"Δbiases[{k}]" for k in range(n_biases)
        ]


def _fill(matrix: np.ndarray, step: Any, inputs: tuple[str, ...]) -> None:
    """Write inputs of every pattern of a step into the columns of a matrix, one after another."""
    start = 0
    for name in inputs:
        values = NETWORK_INPUTS[name].read(step)
        stop = start + values.shape[-1]
        matrix[:, start:stop] = values
        start = stop

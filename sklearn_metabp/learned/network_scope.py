"""The scope of the whole network: the paper's full set of rules, one row a pattern."""

from functools import partial

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_metabp._kernels.scopes import PatternRule
from sklearn_metabp.estimators import BackpropMLPRegressor
from sklearn_metabp.learned.compiled import MLPArrays, as_mlp
from sklearn_metabp.learned.explain import (
    InputRanges,
    RuleExplanation,
    effects,
    formula_of,
    linear_terms,
    that_count,
)
from sklearn_metabp.learned.model import ScopeModel, answer
from sklearn_metabp.network import Network, ParameterLayout
from sklearn_metabp.tracing import SCOPES, Trace, taught_updates
from sklearn_metabp.tracing.prediction_sample import PredictionSample
from sklearn_metabp.update_rules import Adam

# What can be read of a pattern, and which arrays of a run it is read from.
NETWORK_INPUTS = {
    "weights": "params",
    "biases": "params",
    "inputs": "activations",
    "outputs": "outputs",
    "targets": "targets",
    "hidden_activations": "activations",
    "net_inputs": "net_inputs",
    "derivatives": "derivatives",
    "deltas": "deltas",
    "loss": None,
}
DEFAULT_INPUTS = ("weights", "biases", "inputs", "outputs", "targets")


def check_network_inputs(inputs) -> tuple[str, ...]:
    """Names of the inputs, the paper's for None; ValueError for others."""
    names = (
        DEFAULT_INPUTS
        if inputs is None
        else (inputs,)
        if isinstance(inputs, str)
        else tuple(inputs)
    )
    unknown = [name for name in names if name not in NETWORK_INPUTS]
    if unknown or not names or len(set(names)) < len(names):
        raise ValueError(
            f"inputs of scope='network' must be different names from {list(NETWORK_INPUTS)}, got "
            f"{unknown or list(names)}."
        )
    return names


def pattern_columns(step, inputs: tuple[str, ...]) -> list[np.ndarray]:
    """What is known of every pattern of a step, by input: (n_patterns, …) or, where shared, (…,)."""
    n_weights = step.layout.n_weights
    read = {
        "weights": lambda: step.params[:n_weights],
        "biases": lambda: step.params[n_weights:],
        "inputs": lambda: step.activations[0],
        "outputs": lambda: step.outputs,
        "targets": lambda: step.targets,
        "hidden_activations": lambda: np.hstack([step.outputs[:, :0], *step.activations[1:-1]]),
        "net_inputs": lambda: np.hstack(step.net_inputs),
        "derivatives": lambda: np.hstack(step.derivatives),
        "deltas": lambda: np.hstack(step.deltas),
        "loss": lambda: np.array([step.loss]),
    }
    return [read[name]() for name in inputs]


# What lies in a kernel's buffers, step after step in the same place.
_IN_BUFFERS = {
    "weights": lambda step: [step.params[: step.layout.n_weights]],
    "biases": lambda step: [step.params[step.layout.n_weights :]],
    "inputs": lambda step: [step.backprop.activations[0]],
    "outputs": lambda step: [step.backprop.layer_outputs[-1]],
    "targets": lambda step: [step.backprop.targets],
    "hidden_activations": lambda step: step.backprop.layer_outputs[:-1],
    "deltas": lambda step: step.backprop.deltas,
}


def n_columns(layout: ParameterLayout, inputs: tuple[str, ...]) -> int:
    """Width of the learner's input for a network."""
    sizes = layout.layer_sizes
    units = sum(sizes[1:])
    widths = {
        "weights": layout.n_weights,
        "biases": units,
        "inputs": sizes[0],
        "outputs": sizes[-1],
        "targets": sizes[-1],
        "hidden_activations": sum(sizes[1:-1]),
        "net_inputs": units,
        "derivatives": units,
        "deltas": units,
        "loss": 1,
    }
    return sum(widths[name] for name in inputs)


def fill_pattern_matrix(step, inputs: tuple[str, ...], out: np.ndarray) -> np.ndarray:
    """Write the learner's input for every pattern of a step, (n_patterns, n_columns)."""
    start = 0
    for values in pattern_columns(step, inputs):
        stop = start + values.shape[-1]
        out[:, start:stop] = values
        start = stop
    return out


class NetworkScope:
    """The features and targets that the network scope reads of a trace; see ``Trace.features``."""

    def features(self, trace: Trace, inputs=None) -> np.ndarray:
        """What is known of every pattern of every row, (n_patterns, n_inputs)."""
        return self.sample(trace, inputs)[0]

    def targets(self, trace: Trace) -> np.ndarray:
        """Update of every parameter, for every pattern of every row, (n_patterns, n_params)."""
        return self.sample(trace, ["loss"])[1]

    def sample(self, trace: Trace, inputs=None, max_rows: int | None = None, rng=None):
        """Features and targets of all patterns, or of so many drawn at random.

        Raises
        ------
        ValueError
            If the trace has no rows, runs of several architectures, or lacks what the inputs need.
        """
        names = check_network_inputs(inputs)
        layout = one_layout(trace)
        sample = PredictionSample(trace, trace.n_patterns, max_rows, rng)
        features = np.empty((len(sample), n_columns(layout, names)))
        targets = np.empty((len(sample), layout.n_params))
        needed = {"updates", *(array for name in names if (array := NETWORK_INPUTS[name]))}
        for number in np.unique(trace.runs):
            run = trace.recorded[number]
            if needed - set(run.stored):
                raise ValueError(
                    f"scope='network' with inputs={list(names)} needs {sorted(needed)} of every step, and "
                    f"the run has {sorted(run.stored)}: record more with TraceRecorder(variables=[...])."
                )
            for step, drawn in sample.steps(number):
                for where, patterns in drawn:
                    matrix = np.empty((step.n_patterns, features.shape[1]))
                    fill_pattern_matrix(step, names, matrix)
                    features[where] = matrix[patterns]
                    targets[where] = taught_updates(step)
        return features, targets


def one_layout(trace: Trace) -> ParameterLayout:
    """The layout that all rows of a trace share; ValueError if there are several or none."""
    layouts = {trace.layouts[number] for number in np.unique(trace.runs)}
    if not layouts:
        raise ValueError("the trace has no rows: there is nothing to learn from.")
    sizes = {layout.layer_sizes for layout in layouts}
    if len(sizes) > 1:
        raise ValueError(
            f"scope='network' is bound to one architecture, and the trace has {sorted(sizes)}: select the "
            f"runs of one."
        )
    return layouts.pop()


class NetworkModel(ScopeModel):
    """Every update of one architecture from what is known of a pattern; batches take the mean.

    Attributes
    ----------
    layer_sizes : tuple of int or None
        The architecture; None where the rule was fitted on matrices.
    """

    def __init__(self, inputs):
        self.inputs = check_network_inputs(inputs)
        self.layer_sizes: tuple[int, ...] | None = None
        self._mlp: MLPArrays | None = None
        self._n_columns = self._n_params = 0
        self._flat = False

    def sample(self, trace, max_rows, rng):
        """What is known of every pattern, and all updates; ValueError for another architecture."""
        if self._n_params:
            self._check_architecture(one_layout(trace))
        return NetworkScope().sample(trace, self.inputs, max_rows, rng)

    def takes(self, n_columns):
        """Take any matrix: how many columns there are depends on the network."""
        return True

    def default_learner(self):
        """Standardised inputs and updates, and 16 tanh units."""
        mlp = BackpropMLPRegressor((16,), "tanh", update_rule=Adam(learning_rate=0.005), alpha=0.0)
        return TransformedTargetRegressor(
            make_pipeline(StandardScaler(), mlp), transformer=StandardScaler()
        )

    def fit(self, X, y, learner, trace):
        """Fit the learner on all updates at once."""
        self.layer_sizes = None if trace is None else one_layout(trace).layer_sizes
        self._flat = y.ndim == 1
        self._n_columns, self._n_params = X.shape[1], 1 if self._flat else y.shape[1]
        self._ranges = InputRanges.of(X)
        self.learner = learner.fit(X, y)
        self._mlp = as_mlp(self.learner, self._n_params, self._ranges.typical)
        self.is_compiled = self._mlp is not None

    def predict(self, X):
        """Updates of all parameters, (n_patterns, n_params)."""
        predicted = self.learner.predict(X)
        return predicted.ravel() if self._flat else predicted.reshape(len(X), self._n_params)

    def explain(self, n_points):
        """All updates along every column; one column is one weight, one input, one target and so on."""
        names = self._column_names()
        typical = dict(zip(names, self._ranges.typical.tolist(), strict=True))
        found_effects = effects(self.predict, names, self._ranges, n_points)
        return RuleExplanation(
            "network", tuple(names), "1", self._formulas(names), {}, typical, found_effects
        )

    def _formulas(self, names: list[str]) -> str | None:
        """An equation a line, of every update, where all are linear in the columns."""
        lines = []
        for position, target in enumerate(self._update_names()):

            def predict(Z, position=position):
                return self.predict(Z).reshape(len(Z), -1)[:, position]

            found = linear_terms(predict, self._ranges)
            if found is None:
                return None
            values, constant = that_count(*found, self._ranges)
            lines.append(formula_of(target, dict(zip(names, values, strict=True)), constant))
        return "\n".join(lines)

    def _update_names(self) -> list[str]:
        if self.layer_sizes is None:
            return [f"update {position}" for position in range(self._n_params)]
        layout = ParameterLayout(self.layer_sizes)
        n_weights = layout.n_params - sum(layout.layer_sizes[1:])
        return [f"Δweights[{k}]" for k in range(n_weights)] + [
            f"Δbiases[{k}]" for k in range(layout.n_params - n_weights)
        ]

    def _column_names(self) -> list[str]:
        if self.layer_sizes is None:
            return [f"column {position}" for position in range(self._n_columns)]
        layout = ParameterLayout(self.layer_sizes)
        return [
            f"{name}[{position}]"
            for name in self.inputs
            for position in range(n_columns(layout, (name,)))
        ]

    def init_state(self, layout):
        """Nothing to remember. Check the architecture; ValueError if it is another than the one learned."""
        self._check_architecture(layout)
        return {}

    def _check_architecture(self, layout) -> None:
        fits = (
            layout.n_params == self._n_params and n_columns(layout, self.inputs) == self._n_columns
        )
        if self.layer_sizes not in (None, layout.layer_sizes) or not fits:
            learned = self.layer_sizes or f"{self._n_columns} inputs and {self._n_params} updates"
            raise ValueError(
                f"scope='network' is bound to the architecture it was learned on, {learned}, and cannot "
                f"train {layout.layer_sizes}: learn from traces of that one, or use scope='neuron' or 'link'."
            )

    def bind(self, step, state):
        """Mean of the predictions for the patterns of the batch."""
        if self._mlp is None:
            return partial(self._predict_updates, step)
        copies = {
            name: self._copy_of(step, name) for name in self.inputs if name not in _IN_BUFFERS
        }
        update, updates = self._kernel(step, self._mlp, copies).update, step.updates
        fill_inputs = step.backprop.fill_inputs if "inputs" in self.inputs else None

        def compute_update():
            if fill_inputs is not None:
                fill_inputs()
            for name, out in copies.items():
                fill_pattern_matrix(step, (name,), out[: step.n_patterns])
            update(step.stop - step.start)
            return updates

        return compute_update

    def _copy_of(self, step, name: str) -> np.ndarray:
        """Room for what is computed anew at every step, and lies in no buffer."""
        return np.zeros(
            (step.backprop.max_batch, n_columns(step.layout, (name,))), step.params.dtype
        )

    def _predict_updates(self, step) -> np.ndarray:
        matrix = fill_pattern_matrix(
            step, self.inputs, np.empty((step.n_patterns, self._n_columns))
        )
        predicted = answer(self.predict, matrix, (step.n_patterns, self._n_params))
        step.updates[...] = predicted.mean(axis=0)
        return step.updates

    def _kernel(self, step, mlp: MLPArrays, copies: dict[str, np.ndarray]) -> PatternRule:
        sources = [
            array
            for name in self.inputs
            for array in ([copies[name]] if name in copies else _IN_BUFFERS[name](step))
        ]
        params = mlp.params_as(step.params.dtype)
        matrix = np.zeros((step.backprop.max_batch, mlp.layout.layer_sizes[0]), params.dtype)
        layout = ParameterLayout(mlp.layout.layer_sizes, params.dtype)
        hidden = (mlp.hidden,) * (len(layout.layer_sizes) - 2)
        network = Network(layout, hidden, mlp.output, "squared_error")
        backprop = network.backprop(params, np.empty_like(params), len(matrix))
        backprop.load(matrix)
        return PatternRule(sources, backprop, matrix, step.updates, mlp.centre_as(params.dtype))


SCOPES["network"] = NetworkScope()

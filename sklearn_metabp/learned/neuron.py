"""The scope of one neuron: rule (6) alone, as a message per link."""

from itertools import pairwise

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_metabp._kernels.rules import sgd_step
from sklearn_metabp._kernels.scopes import NEURON_INPUTS, NeuronRule
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
from sklearn_metabp.tracing import SCOPES, Run, Trace, taught_updates
from sklearn_metabp.tracing.drawn_rows import DrawnRows, DrawnRowsOfRun
from sklearn_metabp.update_rules import Adam

NEEDED = ("params", "gradients", "updates", "deltas", "derivatives")


def check_neuron_inputs(inputs) -> tuple[str, ...]:
    """Names of the inputs, all three for None; ValueError for others."""
    names = (
        NEURON_INPUTS if inputs is None else (inputs,) if isinstance(inputs, str) else tuple(inputs)
    )
    unknown = [name for name in names if name not in NEURON_INPUTS]
    if unknown or not names or len(set(names)) < len(names):
        raise ValueError(
            f"inputs of scope='neuron' must be different names from {list(NEURON_INPUTS)}, got "
            f"{unknown or list(names)}."
        )
    return names


class NeuronScope:
    """The features and targets that the neuron scope reads of a trace; see ``Trace.features``."""

    def features(self, trace: Trace, inputs=None) -> np.ndarray:
        """Inputs and unit of every message of every row, (n_messages, n_inputs + 1)."""
        return self.sample(trace, inputs)[0]

    def targets(self, trace: Trace) -> np.ndarray:
        """Every message of every row, f'(in_i) delta_h w_hi, (n_messages,)."""
        return self.sample(trace)[1]

    def sample(self, trace: Trace, inputs=None, max_rows: int | None = None, rng=None):
        """Features and targets of all messages, or of so many drawn at random.

        Raises
        ------
        ValueError
            If the trace has no rows, no hidden layers, or lacks deltas and derivatives.
        """
        names = check_neuron_inputs(inputs)
        drawn = DrawnRows(trace, _n_messages(trace), max_rows, rng)
        if not drawn.n_drawn:
            raise ValueError(
                "the trace has no messages between neurons: scope='neuron' learns how deltas go back to a "
                "hidden layer, so it needs steps of a network with one."
            )
        features, targets = np.empty((drawn.n_drawn, len(names) + 1)), np.empty(drawn.n_drawn)
        for number in np.unique(trace.runs):
            self._read_run(trace.recorded[number], names, drawn.of_run(number), features, targets)
        return features, targets

    def _read_run(self, run: Run, names, wanted: DrawnRowsOfRun, features, targets):
        missing = set(NEEDED) - set(run.stored)
        if missing:
            raise ValueError(
                f"scope='neuron' needs {sorted(missing)} of every step, and the run has {sorted(run.stored)}"
                f": record with TraceRecorder('all')."
            )

        def visit(position, step):
            columns = None
            for where, picked in wanted.at(position):
                if columns is None:
                    known, messages = _messages(step)
                    columns = np.column_stack([known[name] for name in (*names, "unit")])
                features[where] = columns[picked]
                targets[where] = messages[picked]

        run.walk(visit, recorded_only=True, n_steps=wanted.n_steps)


def _n_messages(trace: Trace) -> np.ndarray:
    """Messages of every row: of every pattern one a weight behind the first layer."""
    of_pattern = [
        sum(a * b for a, b in pairwise(layout.layer_sizes[1:])) for layout in trace.layouts
    ]
    return trace.n_patterns * np.array(of_pattern, dtype=int)[trace.runs]


def _messages(step) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """What is known of every message of a step, layer after layer, and the message itself."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in (*NEURON_INPUTS, "unit", "message")}
    weights = step.layout.coefs(np.asarray(step.params))
    for layer in range(len(step.deltas) - 1):
        delta, w = step.deltas[layer + 1], weights[layer + 1]
        slope = step.derivatives[layer]
        delta_rms, weight_rms = _rms(delta), _rms(w)
        shape = (*slope.shape, delta.shape[1])
        known = {
            "delta": (delta / (delta_rms or 1))[:, None, :],
            "weight": (w / (weight_rms or 1))[None],
            "derivative": slope[:, :, None],
            "unit": delta[:, None, :] * w[None],
            "message": slope[:, :, None] * delta[:, None, :] * w[None],
        }
        for name, values in known.items():
            parts[name].append(np.broadcast_to(values, shape).ravel())
    joined = {name: np.concatenate(values) for name, values in parts.items()}
    return joined, joined.pop("message")


def _rms(values) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=float))))


class NeuronModel(ScopeModel):
    """``delta_i = scale * sum_h delta_h w_hi f(inputs)``, and rules (3) and (5) as they are.

    Attributes
    ----------
    scale : float
        Root mean square of the messages in units of delta_h w_hi.
    learning_rate : float or None
        That of rule (3), read off the trace; None where there was none.
    """

    acts_backward = True

    def __init__(self, inputs):
        self.inputs = check_neuron_inputs(inputs)
        self._mlp: MLPArrays | None = None
        self.scale, self.learning_rate = 1.0, None

    def sample(self, trace, max_rows, rng):
        """Inputs and unit of every message, and the message."""
        return NeuronScope().sample(trace, self.inputs, max_rows, rng)

    def takes(self, n_columns):
        """Take the inputs and the unit."""
        return n_columns == len(self.inputs) + 1

    def default_learner(self):
        """Sixteen tanh units on standardised inputs."""
        learner = BackpropMLPRegressor(
            (16,), "tanh", update_rule=Adam(learning_rate=0.005), alpha=0.0
        )
        return make_pipeline(StandardScaler(), learner)

    def fit(self, X, y, learner, trace):
        """Fit the learner on messages in their units, and rule (3)'s learning rate."""
        unit = X[:, -1]
        sent = unit != 0
        if not sent.any():
            raise ValueError("every message of the trace is zero: there is nothing to learn from.")
        share = y[sent] / unit[sent]
        self._ranges = InputRanges.of(X[sent, :-1])
        self.scale = float(np.sqrt(np.mean(share**2))) or 1.0
        self.learner = learner.fit(*self._mirrored(X[sent, :-1], share / self.scale))
        self._mlp = as_mlp(self.learner, centre=self._ranges.typical)
        self.is_compiled = self._mlp is not None
        if trace is not None:
            self.learning_rate = _learning_rate(trace)

    @property
    def why_not(self):
        """Without a trace it does not know the learning rate of rule (3)."""
        if self.learning_rate is not None:
            return None
        return (
            "scope='neuron' keeps rule (3), whose learning rate it reads off a trace; this rule was "
            "fitted on matrices: call fit with the trace."
        )

    def _mirrored(self, X, y):
        """Every message with both signs of delta and of the weight, for a trace may show one of them only."""
        for name in ("delta", "weight"):
            if name in self.inputs:
                mirror = X.copy()
                mirror[:, self.inputs.index(name)] *= -1
                X, y = np.vstack([X, mirror]), np.concatenate([y, y])
        return X, y

    def predict(self, X):
        """Messages."""
        return self.learner.predict(X[:, :-1]) * X[:, -1] * self.scale

    def explain(self, n_points):
        """Messages in units of delta_h w_hi along every input, and the formula of a linear learner."""

        def predict(Z):
            return self.scale * self.learner.predict(Z)

        found = linear_terms(predict, self._ranges)
        formula, coefficients = None, {}
        if found is not None:
            values, constant = found
            coefficients = {name: float(v) for name, v in zip(self.inputs, values, strict=True)}
            symbols = {"delta": "δ_h/d", "weight": "w_hi/v", "derivative": "f'(in_i)"}
            values, constant = that_count(values, constant, self._ranges)
            terms = {symbols[name]: value for name, value in zip(self.inputs, values, strict=True)}
            answer = formula_of("", terms, constant).removeprefix(" = ")
            formula = f"δ_i = Σ_h δ_h·w_hi·({answer})"
        typical = dict(zip(self.inputs, self._ranges.typical.tolist(), strict=True))
        found_effects = effects(predict, self.inputs, self._ranges, n_points)
        return RuleExplanation(
            "neuron", self.inputs, "δ_h·w_hi", formula, coefficients, typical, found_effects
        )

    def init_state(self, layout):
        """Nothing to remember; ValueError without a learning rate for rule (3)."""
        if self.why_not is not None:
            raise ValueError(self.why_not)
        return {}

    def bind(self, step, state):
        """Rule (3)."""
        learning_rate = self.learning_rate
        assert learning_rate is not None

        def compute_update():
            sgd_step(step.gradients, step.updates, learning_rate)
            return step.updates

        return compute_update

    def bind_deltas(self, step, state):
        """What stands in for rule (6), compiled where the learner is an MLP."""
        mlp, buffers = self._mlp, step.backprop.deltas
        if mlp is None:

            def predict_back(layer: int) -> None:
                buffers[layer][: step.n_patterns] = self._predict_deltas(step, layer)

            return predict_back
        layers = [self._kernel(step, i, mlp).send_back for i in range(len(buffers) - 1)]

        def send_back(layer: int) -> None:
            layers[layer](step.stop - step.start)

        return send_back

    def _kernel(self, step, layer: int, mlp: MLPArrays) -> NeuronRule:
        backprop = step.backprop
        return NeuronRule(
            backprop.deltas[layer + 1],
            step.coefs[layer + 1],
            backprop.layer_outputs[layer],
            step.network.activations[layer],
            backprop.deltas[layer],
            np.array([NEURON_INPUTS.index(name) for name in self.inputs], dtype=np.int64),
            mlp.params_as(step.params.dtype),
            mlp.sizes,
            mlp.hidden,
            mlp.output,
            self.scale,
            backprop.slopes[layer],
            mlp.centre_as(step.params.dtype),
        )

    @np.errstate(all="ignore")  # what overflows is found out by the loop
    def _predict_deltas(self, step, layer: int) -> np.ndarray:
        deltas, slope, weights = (
            step.deltas[layer + 1],
            step.derivatives_of(layer),
            step.coefs[layer + 1],
        )
        delta_rms, weight_rms = _rms(deltas), _rms(weights)
        known = {
            "delta": (deltas / (delta_rms or 1))[:, None, :],
            "weight": (weights / (weight_rms or 1))[None],
            "derivative": slope[:, :, None],
        }
        shape = (*slope.shape, deltas.shape[1])
        columns = np.column_stack(
            [np.broadcast_to(known[name], shape).ravel() for name in self.inputs]
        )
        messages = answer(self.learner.predict, columns, shape)
        unit = deltas[:, None, :] * weights[None]
        return (self.scale * (unit * messages).sum(axis=2)).astype(step.params.dtype)


def _learning_rate(trace: Trace) -> float:
    """γ of ``Δw = -γ g``, by least squares over the steps of a trace."""
    along = power = 0.0

    for number in np.unique(trace.runs):
        run = trace.recorded[number]
        is_wanted = np.zeros(run.n_steps, bool)
        is_wanted[trace.steps_in_run[trace.runs == number]] = True

        def visit(position, step, is_wanted=is_wanted):
            nonlocal along, power
            if is_wanted[position]:
                along -= float(np.dot(taught_updates(step), step.gradients))
                power += float(np.dot(step.gradients, step.gradients))

        run.walk(visit, recorded_only=True, n_steps=int(np.flatnonzero(is_wanted)[-1]) + 1)
    return along / power if power else 0.0


SCOPES["neuron"] = NeuronScope()

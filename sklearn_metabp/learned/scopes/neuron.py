"""The scope of one neuron: rule (6) alone, as a message per link."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_metabp._kernels.rules import sgd_step
from sklearn_metabp._kernels.scopes import NEURON_INPUTS, NeuronRule
from sklearn_metabp.estimators import BackpropMLPRegressor
from sklearn_metabp.learned.explain import InputRanges, equation
from sklearn_metabp.learned.mlp import MLPArrays
from sklearn_metabp.learned.scopes.base import Fact, Scope, is_number, predict_or_nan
from sklearn_metabp.learned.weights import ALIKE, SampleWeights
from sklearn_metabp.network import ParameterLayout
from sklearn_metabp.tracing import Run, Trace, taught_updates
from sklearn_metabp.update_rules import Adam

# Symbols of the inputs in an equation.
_SYMBOLS = {"delta": "δ_h/d", "weight": "w_hi/v", "derivative": "f'(in_i)"}


class NeuronScope(Scope):
    r"""For networks of any architecture, one prediction per message: rule (6) alone.

    The learner predicts the message of a neuron to the layer before, one for each link. A delta is
    the sum of the messages from the next layer,

    .. math::
        \delta_i = c \sum_h \delta_h w_{hi} \, f(\delta_h / d, \; w_{hi} / v, \; f'(in_i))

    where d and v are the root mean squares of the next layer's deltas and of its weights. Rules (3)
    and (5) are not changed; their learning rate is estimated from the trace. The features of a
    trace have first the inputs and then the normalizer of the message, :math:`\delta_h w_{hi}`.

    Attributes
    ----------
    scale : float
        Root mean square of the messages in their normalizers.
    learning_rate : float or None
        Learning rate of rule (3), by least squares over the trace; None without a trace.
    """

    name = "neuron"
    input_descriptions = {
        "delta": "the delta of the neuron that sends, in root mean squares of its layer's",
        "weight": "the weight of the link, in root mean squares of its matrix",
        "derivative": "the derivative of the activation function of the neuron that receives",
    }
    default_inputs = NEURON_INPUTS
    facts = (
        Fact(
            "scale",
            "float",
            "The constant c, the root mean square of the targets in their normalizers.",
            is_number,
            is_meta_param=True,
        ),
        Fact(
            "learning_rate",
            "float",
            "The learning rate of rule (3).",
            lambda value: value is None or is_number(value),
            is_meta_param=True,
        ),
    )
    acts_backward = True
    has_kernel = True
    prediction_noun = "message"
    empty_trace_message = (
        "the trace has no messages between neurons: scope='neuron' learns the deltas of a "
        "hidden layer, so it needs steps of a network with one."
    )

    scale: float = 1.0
    learning_rate: float | None = None

    # Reading.

    extra_columns = ("normalizer",)
    needed_arrays = frozenset({"params", "gradients", "updates", "deltas", "derivatives"})

    def check_run(self, run: Run) -> None:
        """Raise ValueError for a run that lacks an array."""
        missing = self.needed_arrays - set(run.stored)
        if missing:
            raise ValueError(
                f"scope={self.name!r} needs {sorted(missing)} of every step, and the run has "
                f"{sorted(run.stored)}: record with TraceRecorder('all')."
            )

    def n_predictions(self, layout: ParameterLayout, n_patterns: np.ndarray) -> np.ndarray:
        """Return the number of messages: one per pattern and weight behind the first layer."""
        return n_patterns * sum(_links_behind_first(layout))

    def features_at(self, step: Any, state: Any) -> np.ndarray:
        """Return inputs and normalizer of every message of a recorded step, layer by layer."""
        return np.concatenate(
            [
                np.column_stack([self._inputs_of(*layer), _normalizers_of(*layer).ravel()])
                for layer in _layers_of(step)
            ]
        )

    def targets_at(self, step: Any, state: Any) -> np.ndarray:
        """Return every message of a recorded step, f'(in_i) delta_h w_hi, layer by layer."""
        return np.concatenate(
            [
                (slopes[:, :, None] * deltas[:, None, :] * weights[None]).ravel()
                for deltas, weights, slopes in _layers_of(step)
            ]
        )

    def _inputs_of(self, deltas: np.ndarray, weights: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        """Return the inputs of the messages into one layer, one row per message.

        Parameters
        ----------
        deltas : ndarray of shape (n_patterns, n_next)
            Deltas of the next layer.
        weights : ndarray of shape (n_neurons, n_next)
            Weights into the next layer.
        slopes : ndarray of shape (n_patterns, n_neurons)
            Derivatives of the layer's activation function.
        """
        known = {
            "delta": (deltas / (_rms(deltas) or 1))[:, None, :],
            "weight": (weights / (_rms(weights) or 1))[None],
            "derivative": slopes[:, :, None],
        }
        shape = (*slopes.shape, deltas.shape[1])
        return np.column_stack(
            [np.broadcast_to(known[name], shape).ravel() for name in self.inputs]
        )

    # Learning.

    @classmethod
    def default_learner(cls) -> Pipeline:
        """Return 8 relu neurons on standardised inputs: fast, and linear far from the data."""
        learner = BackpropMLPRegressor(
            (8,), "relu", update_rule=Adam(learning_rate=0.005), alpha=0.0
        )
        return make_pipeline(StandardScaler(), learner)

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        learner: Any,
        trace: Trace | None,
        weights: SampleWeights = ALIKE,
    ) -> None:
        """Fit the learner to messages in their normalizers, and rule (3)'s learning rate."""
        normalizer = X[:, -1]
        is_sent = normalizer != 0
        if not is_sent.any():
            raise ValueError("every message of the trace is zero: there is nothing to learn from.")
        share, of_sent = y[is_sent] / normalizer[is_sent], weights[is_sent]
        self.ranges = InputRanges.of(X[is_sent, :-1])
        self.scale = float(np.sqrt(of_sent.mean(share**2))) or 1.0
        mirrored, shares = self._mirrored(X[is_sent, :-1], share / self.scale)
        of_mirrored = of_sent.repeated(len(mirrored) // len(share))
        self.take_learner(of_mirrored.fit(learner, mirrored, shares))
        if trace is not None:
            self.learning_rate = _learning_rate(trace, weights.steps)

    def _mirrored(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return every message with both signs of delta and weight: a trace may have only one."""
        for name in ("delta", "weight"):
            if name in self.inputs:
                mirror = X.copy()
                mirror[:, self.inputs.index(name)] *= -1
                X, y = np.vstack([X, mirror]), np.concatenate([y, y])
        return X, y

    def normalizer_at(self, X: np.ndarray) -> np.ndarray:
        """Return delta_h w_hi of every message."""
        return X[:, -1]

    def predict_normalized(self, Z: np.ndarray) -> np.ndarray:
        """Return messages in their normalizers."""
        return self.scale * self.learner.predict(Z)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return messages."""
        return self.learner.predict(X[:, :-1]) * X[:, -1] * self.scale

    # Training.

    @property
    def cannot_train_because(self) -> str | None:
        """Reason: without a trace, rule (3) has no learning rate."""
        if self.learning_rate is not None:
            return None
        return (
            "scope='neuron' keeps rule (3) and estimates its learning rate from a trace, and this "
            "rule was fitted on matrices: call fit with the trace."
        )

    def bind(self, step: Any, state: Any) -> Callable[[], np.ndarray]:
        """Return a function that computes rule (3)."""
        assert self.learning_rate is not None  # init_state raised otherwise
        learning_rate = self.learning_rate

        def compute_update() -> np.ndarray:
            sgd_step(step.gradients, step.updates, learning_rate)
            return step.updates

        return compute_update

    def bind_deltas(self, step: Any, state: Any) -> Callable[[int], None]:
        """Return a function that replaces rule (6), by a kernel for an MLP."""
        mlp, buffers = self.mlp, step.backprop.deltas
        if mlp is None:

            def predict_back(layer: int) -> None:
                buffers[layer][: step.n_patterns] = self._predict_deltas(step, layer)

            return predict_back
        layers = [self._kernel(step, i, mlp).send_back for i in range(len(buffers) - 1)]

        def send_back(layer: int) -> None:
            layers[layer](step.stop - step.start)

        return send_back

    def _kernel(self, step: Any, layer: int, mlp: MLPArrays) -> NeuronRule:
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

    @np.errstate(all="ignore")  # the loop finds numbers that overflow
    def _predict_deltas(self, step: Any, layer: int) -> np.ndarray:
        deltas, weights = step.deltas[layer + 1], step.coefs[layer + 1]
        columns = self._inputs_of(deltas, weights, step.derivatives_of(layer))
        normalizers = _normalizers_of(deltas, weights)
        shares = predict_or_nan(self.learner.predict, columns, normalizers.shape)
        return (self.scale * (normalizers * shares).sum(axis=2)).astype(step.params.dtype)

    # Displays.

    def group_names(self, layout: ParameterLayout) -> list[str]:
        """Return the names of the hidden layers."""
        n_layers = len(_links_behind_first(layout))
        return [f"to hidden layer {layer}" for layer in range(1, n_layers + 1)]

    def target_groups(self, layout: ParameterLayout, n_patterns: int) -> np.ndarray:
        """Return the number of the layer that receives every message."""
        links = _links_behind_first(layout)
        return np.repeat(np.arange(len(links)), n_patterns * np.array(links, dtype=int))

    @property
    def normalizer_symbol(self) -> str:
        """The symbol of a message without its factor."""
        return "δ_h·w_hi"

    def write_equation(self, output: str, terms: dict[str, float], constant: float) -> str:
        """Return the equation of a delta as a sum of messages."""
        factor = equation("", {_SYMBOLS[name]: value for name, value in terms.items()}, constant)
        return f"δ_i = Σ_h δ_h·w_hi·({factor.removeprefix(' = ')})"


def _links_behind_first(layout: ParameterLayout) -> list[int]:
    """Return the number of weights of every weight matrix but the first."""
    return [fan_in * fan_out for fan_in, fan_out in pairwise(layout.layer_sizes[1:])]


def _layers_of(step: Any) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return deltas, weights and slopes between every two layers of a recorded step."""
    weights = step.layout.coefs(np.asarray(step.params))
    return list(zip(step.deltas[1:], weights[1:], step.derivatives[:-1], strict=True))


def _normalizers_of(deltas: np.ndarray, weights: np.ndarray, *_: np.ndarray) -> np.ndarray:
    """Return delta_h w_hi of every message into one layer, (n_patterns, n_neurons, n_next)."""
    return deltas[:, None, :] * weights[None]


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=float))))


def _learning_rate(trace: Trace, step_weights: np.ndarray | None) -> float:
    """Return γ of ``Δw = -γ g``, by least squares over the weighted steps of a trace."""
    along = power = 0.0
    for number in np.unique(trace.runs).tolist():
        for positions, step in trace.iter_steps(number):
            # A step that is several times in the trace counts so many times.
            weight = len(positions) if step_weights is None else step_weights[positions].sum()
            along -= weight * float(np.dot(taught_updates(step), step.gradients))
            power += weight * float(np.dot(step.gradients, step.gradients))
    return along / power if power else 0.0

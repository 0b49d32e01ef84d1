"""The scope of one link: its update in its own normalizer, from local inputs."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sklearn_metabp._kernels.scopes import (
    LINK_INPUTS,
    LINK_NORMALIZERS,
    SQUARE_999_ROW,
    LinkRule,
    link_history,
    link_inputs,
    memory_rows,
    remember_steps,
)
from sklearn_metabp.estimators import BackpropMLPRegressor
from sklearn_metabp.learned.explain import InputRanges, equation
from sklearn_metabp.learned.mlp import MLPArrays
from sklearn_metabp.learned.scopes.base import Fact, Scope, is_number
from sklearn_metabp.learned.scopes.quiet_steps import QuietSteps, are_kernels_compiled
from sklearn_metabp.learned.weights import ALIKE, SampleWeights
from sklearn_metabp.network import ParameterLayout
from sklearn_metabp.tracing import TEACHER_UPDATES, Trace, taught_updates
from sklearn_metabp.update_rules import Adam

# As in Adam: a smaller gradient counts as 0.
EPSILON = 1e-8
# A stride up to this number means no step yet, in both precisions.
_NO_STRIDE = float(np.finfo(np.float32).tiny)

_QUOTIENTS = {
    f"{above}/rms_{decay}": f"{text} over the gradient's running root mean square, decay {decay}"
    for decay in ("0.9", "0.999")
    for above, text in (
        ("gradient", "the gradient"),
        ("momentum_0.5", "the gradient's running mean, decay 0.5,"),
        ("momentum_0.9", "the gradient's running mean, decay 0.9,"),
        ("momentum_0.99", "the gradient's running mean, decay 0.99,"),
    )
}


class LinkScope(Scope):
    r"""For networks of any architecture, one prediction per weight or bias.

    From local inputs of a link, the learner f predicts its update in units of its normalizer,

    .. math::
        \Delta w = c \, u \, f(z)

    where z are the ``inputs``, c is a constant and u the normalizer. If u is the running root mean
    square of the gradient (decay 0.9), updates grow with the gradient, as those of plain
    backpropagation. If u is 1, they do not, as those of Adam. If ``"last_step"`` is an input, u may
    also be the stride, the size of the last step of the link, against the gradient: Rprop's updates
    are multiples of it. ``fit`` chooses the normalizer for which a larger part of the updates is
    linear in z. The inputs are quotients of the gradient, its running means and its running root
    mean squares, so the rule does not depend on the scale of loss or data. A link does not
    change as long as all its gradients are zero. The features of a trace have first the inputs and
    then the normalizers.

    Attributes
    ----------
    normalizer : {"1", "rms_0.9", "stride"}
    scale : float
    first_step : float
        First step of a link, against the gradient.
    """

    name = "link"
    input_descriptions = {
        **_QUOTIENTS,
        "rms_0.9/rms_0.999": "the quotient of the two running root mean squares",
        "weight": "the weight or bias, in root mean squares of its matrix or vector",
        "activation": (
            "the activation of the source neuron, a mean over the batch in root mean squares of "
            "the layer; the trace must have ``activations``"
        ),
        "delta": (
            "the delta of the target neuron, a mean over the batch in root mean squares of the "
            "layer; the trace must have ``deltas``"
        ),
        "is_bias": "1 for a bias, 0 for a weight",
        "is_output": "1 in the last layer, 0 elsewhere",
        "depth": "0 in the first layer to 1 in the last",
        "warmup_0.9": "``1 - 0.9**t`` at the step of number t",
        "warmup_0.99": "``1 - 0.99**t``",
        "warmup_0.999": "``1 - 0.999**t``",
        "gradient/peak_0.999": "the gradient over a running maximum of its size",
        "momentum_0.9/peak_0.999": "the running mean of decay 0.9 over that maximum",
        "gradient/norm": "the gradient over the root of its summed squares",
        "last_step": "the last update over the stride, against the gradient",
    }
    # Enough to imitate a rule that uses the gradient, its momentum or its running scale.
    default_inputs = (
        "gradient/rms_0.9",
        "momentum_0.9/rms_0.9",
        "momentum_0.99/rms_0.9",
        "gradient/rms_0.999",
        "momentum_0.9/rms_0.999",
        "rms_0.9/rms_0.999",
        "warmup_0.9",
    )
    facts = (
        Fact(
            "normalizer",
            '{"1", "rms_0.9", "stride"}',
            "The normalizer u.",
            lambda value: isinstance(value, str) and value in LINK_NORMALIZERS,
            key="unit",
        ),
        Fact(
            "scale",
            "float",
            "The constant c, the root mean square of the targets in their normalizers.",
            is_number,
            is_meta_param=True,
        ),
        Fact(
            "first_step",
            "float",
            "Size of the first step of a link, if the normalizer is the stride.",
            is_number,
            is_meta_param=True,
        ),
    )
    follows_runs = True
    has_kernel = True

    normalizer: str = "1"
    scale: float = 1.0
    first_step: float = 0.0

    # Reading.

    @property
    def _codes(self) -> np.ndarray:
        """Positions of the inputs in ``LINK_INPUTS``, for the kernels."""
        return np.array([LINK_INPUTS.index(name) for name in self.inputs], dtype=np.int64)

    @property
    def _remembers_steps(self) -> bool:
        return "last_step" in self.inputs

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """Normalizers of a link."""
        return LINK_NORMALIZERS[1 : 2 + self._remembers_steps]

    @property
    def needed_arrays(self) -> frozenset[str]:
        """Arrays that the history of a link and its inputs are computed from."""
        layers = {"activation": "activations", "delta": "deltas"}
        more = {array for name, array in layers.items() if name in self.inputs}
        return frozenset({"gradients", "params", "updates"} | more)

    def n_predictions(self, layout: ParameterLayout, n_patterns: np.ndarray) -> int:
        """Return the number of links, whatever the batch."""
        return layout.n_params

    def empty_state(self, layout: ParameterLayout) -> dict:
        """Return the state of links before the first step."""
        history = link_history(self._codes, layout.n_params, layout.dtype)
        return {"history": history, "n_steps": 0}

    def features_at(self, step: Any, state: dict) -> np.ndarray:
        """Advance the history by a step; return inputs and normalizers of every link."""
        history = state["history"]
        dtype = history.dtype
        matrix = np.empty((history.shape[1], self.n_columns(None)), dtype)
        state["n_steps"] += 1
        link_inputs(
            step.gradients.astype(dtype, copy=False),
            step.params.astype(dtype, copy=False),
            history,
            state["n_steps"],
            step.layout.table,
            self._codes,
            *self._layer_means(step, dtype),
            EPSILON,
            matrix,
        )
        return matrix

    def _layer_means(
        self, step: Any, dtype: np.dtype
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Return mean activations and mean deltas of the neurons, if they are inputs."""
        return (
            _means(step.activations[:-1], dtype) if "activation" in self.inputs else None,
            _means(step.deltas, dtype) if "delta" in self.inputs else None,
        )

    def targets_at(self, step: Any, state: Any) -> np.ndarray:
        """Return the update of every link."""
        return taught_updates(step)

    def remember(self, updates: np.ndarray, state: dict) -> None:
        """Record the step of every link, if that is an input."""
        if self._remembers_steps:
            last, strides = memory_rows(self._codes).steps
            remember_steps(updates, state["history"][last], state["history"][strides])

    def targets(self, trace: Trace) -> np.ndarray:
        """Return the update of every link of every row, read from the trace without any history."""
        parts: list[np.ndarray] = [np.empty(0)] * len(trace)
        for number in np.unique(trace.runs):
            rows = np.flatnonzero(trace.runs == number)
            run = trace.recorded[number]
            name = TEACHER_UPDATES if TEACHER_UPDATES in run.stored else "updates"
            updates = run.arrays_at(name, trace.steps_in_run[rows])
            for row, update in zip(rows, updates, strict=True):
                parts[row] = update
        return np.concatenate(parts) if parts else np.empty(0)

    # Learning.

    @classmethod
    def default_learner(cls) -> BackpropMLPRegressor:
        """Return 8 relu neurons: they extrapolate in straight lines."""
        return BackpropMLPRegressor((8,), "relu", update_rule=Adam(learning_rate=0.005), alpha=0.0)

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        learner: Any,
        trace: Trace | None,
        weights: SampleWeights = ALIKE,
    ) -> None:
        """Choose the normalizer, then fit the learner to updates in it."""
        Z = X[:, : len(self.inputs)]
        self.ranges = InputRanges.of(Z)
        candidates = {
            name: self._normalizer_of(X, name)
            for name in LINK_NORMALIZERS[: 1 + len(self.extra_columns)]
        }
        explained = {
            name: _linear_r2(Z[has_one], y[has_one] / normalizer[has_one], weights[has_one])
            for name, (normalizer, has_one) in candidates.items()
            if name != "stride"
            or _evens_out_sizes(normalizer[has_one], y[has_one], weights[has_one])
        }
        self.normalizer = max(explained, key=explained.__getitem__)
        normalizer, has_one = candidates[self.normalizer]
        if self.normalizer == "stride":
            is_first = ~has_one & (y != 0)
            if not is_first.any():
                self.first_step = weights[has_one].median(np.abs(normalizer[has_one]))
            else:
                self.first_step = weights[is_first].median(np.abs(y[is_first]))
            Z, y, normalizer, weights = (
                Z[has_one],
                y[has_one],
                normalizer[has_one],
                weights[has_one],
            )
        self.scale = float(np.sqrt(weights.mean((y / normalizer) ** 2))) or 1.0
        self.take_learner(weights.fit(learner, Z, y / normalizer / self.scale))

    def _normalizer_of(self, X: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return a normalizer of every row, 1 where a gradient is 0, and whether there is one."""
        if name == "1":
            return np.ones(len(X)), np.ones(len(X), bool)
        if name == "stride":
            return X[:, -1], np.abs(X[:, -1]) > _NO_STRIDE
        rms = X[:, len(self.inputs)]
        return np.where(rms > 0, rms, 1), np.ones(len(X), bool)

    def normalizer_at(self, X: np.ndarray) -> np.ndarray:
        """Return the normalizer of every row of the features."""
        return self._normalizer_of(X, self.normalizer)[0]

    def predict_normalized(self, Z: np.ndarray) -> np.ndarray:
        """Return updates of links in their normalizers."""
        return self.scale * self.learner.predict(Z)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return updates of links."""
        normalizer, has_one = self._normalizer_of(X, self.normalizer)
        updates = self.learner.predict(X[:, : len(self.inputs)]) * normalizer * self.scale
        return np.where(has_one, updates, self.first_step * np.sign(normalizer))

    # Training.

    def state_key(self) -> tuple:
        """Return the scope and the names of the parts of the history that the inputs need."""
        rows = memory_rows(self._codes)
        return type(self), tuple(name for name in rows._fields if len(getattr(rows, name)))

    def update_from(self, predictions: np.ndarray, step: Any, state: dict) -> np.ndarray:
        """Return the predictions; 0 for a link whose gradients have all been zero."""
        slowest = state["history"][SQUARE_999_ROW]
        return np.where(slowest == 0, 0, predictions)

    def bind(self, step: Any, state: dict) -> Callable[[], np.ndarray]:
        """Return a function that computes every link's update, by a kernel for an MLP."""
        if self.mlp is None:
            return super().bind(step, state)
        update, updates = (
            self._kernel(step.params, step, state["history"], self.mlp).update,
            step.updates,
        )
        needs_layers, dtype = bool({"activation", "delta"} & set(self.inputs)), updates.dtype

        def compute_update() -> np.ndarray:
            state["n_steps"] += 1
            if needs_layers:
                update(state["n_steps"], *self._layer_means(step, dtype))
            else:
                update(state["n_steps"])
            return updates

        return compute_update

    def bind_quiet(self, params: np.ndarray, step: Any, state: dict) -> QuietSteps | None:
        """Return the kernel unless it needs means over the batch, which NumPy computes."""
        needs_layers = bool({"activation", "delta"} & set(self.inputs))
        if self.mlp is None or needs_layers or not are_kernels_compiled():
            return None
        return QuietSteps(self._kernel(params, step, state["history"], self.mlp), step, state)

    def _kernel(
        self, params: np.ndarray, step: Any, history: np.ndarray, mlp: MLPArrays
    ) -> LinkRule:
        return LinkRule(
            step.gradients,
            params,
            history,
            step.updates,
            step.layout.table,
            self._codes,
            EPSILON,
            mlp.params_as(step.params.dtype),
            mlp.sizes,
            mlp.hidden,
            mlp.output,
            self.scale,
            LINK_NORMALIZERS.index(self.normalizer),
            self.first_step,
            mlp.centre_as(step.params.dtype),
        )

    # Parameters and files.

    @property
    def meta_facts(self) -> tuple[str, ...]:
        """The scale, and the first step if the normalizer is the stride."""
        return ("scale", "first_step") if self.normalizer == "stride" else ("scale",)

    def check_ends(self, n_inputs: int, n_outputs: int) -> None:
        """Raise ValueError for an MLP of another shape, or a stride that the history lacks."""
        super().check_ends(n_inputs, n_outputs)
        if self.normalizer not in ("1", *self.extra_columns):
            raise ValueError("its normalizer is the stride, which needs the input last_step")

    # Displays.

    def group_names(self, layout: ParameterLayout) -> list[str]:
        """Return the names of the weight matrices and bias vectors."""
        return [tensor.name for tensor in layout.tensors]

    def target_groups(self, layout: ParameterLayout, n_patterns: int) -> np.ndarray:
        """Return the number of the matrix or vector of every link."""
        sizes = [tensor.slice.stop - tensor.slice.start for tensor in layout.tensors]
        return np.repeat(np.arange(len(sizes)), sizes)

    @property
    def normalizer_symbol(self) -> str:
        """The name of the normalizer."""
        return self.normalizer

    def output_names(self) -> list[str]:
        """Return the symbol of an update."""
        return ["Δw"]

    def write_equation(self, output: str, terms: dict[str, float], constant: float) -> str:
        """Return the equation of an update, the normalizer multiplied in."""
        known = dict(self._symbol(name, value) for name, value in terms.items())
        return equation(output, known, constant, "" if self.normalizer == "1" else self.normalizer)

    def _symbol(self, name: str, coefficient: float) -> tuple[str, float]:
        """Return a term times the normalizer: the gradient is minus delta times x."""
        if self.normalizer == "rms_0.9" and name.endswith("/rms_0.9"):
            known = name.removesuffix("/rms_0.9")
            return ("δ·x", -coefficient) if known == "gradient" else (known, coefficient)
        return (name if self.normalizer == "1" else f"{name}·{self.normalizer}"), coefficient


def _means(layers: list[np.ndarray], dtype: np.dtype) -> np.ndarray:
    """Return means over the batch, each layer over its root mean square."""
    means = []
    for layer in layers:
        mean = layer.mean(axis=0)
        scale = np.sqrt(np.mean(mean**2))
        means.append(mean / scale if scale > 0 else mean)
    return np.concatenate(means).astype(dtype, copy=False)


def _evens_out_sizes(normalizer: np.ndarray, y: np.ndarray, weights: SampleWeights) -> bool:
    """Return whether updates differ much less in size when they are in units of the normalizer.

    A rule that uses its own last step adds up the errors of all steps before, so the gain must be
    large. Updates of one size do not need it.
    """
    moved = y != 0
    if not moved.any():
        return False
    sizes, normalized = np.log(np.abs(y[moved])), np.log(np.abs(y[moved] / normalizer[moved]))
    return weights[moved].std(normalized) < weights[moved].std(sizes) / 2


def _linear_r2(X: np.ndarray, y: np.ndarray, weights: SampleWeights) -> float:
    """Return the share of the variance of y that is linear in X."""
    spread = y - weights.mean(y)
    if not spread.any():
        return 0.0
    root = np.sqrt(weights.column)
    centred, spread = root * (X - weights.mean(X)), root[:, 0] * spread
    coefficients = np.linalg.lstsq(centred, spread, rcond=None)[0]
    return 1 - np.sum((spread - centred @ coefficients) ** 2) / np.sum(spread**2)

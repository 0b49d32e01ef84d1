"""The scope of one layer's weights or biases: a controller of a step like Adam's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_metabp._kernels.scopes import (
    LARGEST_DROPOUT,
    LAYER_CONTROLS,
    LAYER_INPUTS,
    LayerRule,
    LayerStart,
    LayerTask,
    layer_inputs,
    layer_memory,
    layer_moments,
    layer_move,
    layer_settings,
    layer_terms,
    note_validation,
)
from sklearn_metabp.estimators import BackpropMLPRegressor
from sklearn_metabp.learned.controls import (
    Control,
    ControlCurves,
    factor_of_start,
    never_negative,
    of_weights,
    of_weights_after_hidden,
    share_from_zero,
    share_of_mix,
    share_up_to,
)
from sklearn_metabp.learned.explain import RuleExplanation, equation
from sklearn_metabp.learned.mlp import MLPArrays
from sklearn_metabp.learned.scopes.base import Fact, Scope, is_number
from sklearn_metabp.learned.scopes.quiet_steps import QuietSteps, are_kernels_compiled
from sklearn_metabp.learned.weights import ALIKE, SampleWeights
from sklearn_metabp.network import BaseNetwork, ParameterLayout
from sklearn_metabp.tracing import Run, Trace, taught_updates

#: Rules made by hand that a controller can start as, by the name that ``initialize`` takes.
STARTS = {
    "adam": LayerStart(0.001, cautious=True),
    "averaged_adamw": LayerStart(0.008, weight_decay=0.3, horizon=100.0),
}
# Inputs that the validations of a training give.
_VALIDATION = frozenset(
    {"has_validation", "log_validation/loss", "log_validation/best", "validations_since_best"}
)
#: The controls, in the order of ``LAYER_CONTROLS``.
CONTROLS = {
    control.name: control
    for control in (
        Control("step", "learning rate γ", factor_of_start, is_log=True),
        Control("gradient", "mix: gradient", share_of_mix),
        Control("momentum_0.5", "mix: momentum 0.5", share_of_mix),
        Control("momentum_0.9", "mix: momentum 0.9", share_of_mix),
        Control("momentum_0.99", "mix: momentum 0.99", share_of_mix),
        Control("fast_squares", "share q of the fast squares", share_from_zero),
        Control("decay", "decay λ of the weights", never_negative, has_it=of_weights),
        Control("horizon", "horizon of the average, steps", factor_of_start, is_log=True),
        Control(
            "gain", "gain of the initial weights", factor_of_start, is_log=True, is_initial=True
        ),
        Control(
            "dropout",
            "dropout of the next step",
            share_up_to(LARGEST_DROPOUT),
            has_it=of_weights_after_hidden,
        ),
    )
}
_STEP_IN_WORDS = """\
A controller sets the step of every weight matrix and every bias vector:
    Δw = -γ (u + λ w),  u = Σ a_d m_d / √((1 - q) v + q v_fast), within ±8
with the shares a_d of the gradient and of its momenta m_d, and running mean squares v of it."""
# The training that an explanation describes.
_EXAMPLE_LAYERS, _EXAMPLE_ROWS, _EXAMPLE_BATCH, _EXAMPLE_STEPS = (16, 32, 32, 4), 512, 32, 640
_EXAMPLE_TENSORS = tuple(
    f"{layer} {kind}" for kind in ("weights", "biases") for layer in ("first", "hidden", "last")
)
_N_EXAMPLE_LAYERS = len(_EXAMPLE_LAYERS) - 1
_WIDTH = 34  # of the names of the controls in an explanation
_WIDEST = 140  # of an equation that is shown
# Inputs that the example of an explanation does not determine.
_LOSSES = frozenset({"log_loss", "log_loss/first", "log_loss_fast/slow"})
# Inputs that are statistics of the tensor itself.
_STATISTICS = frozenset(LAYER_INPUTS[LAYER_INPUTS.index("log_rms/first") :])
_MIX = slice(LAYER_CONTROLS.index("gradient"), LAYER_CONTROLS.index("fast_squares"))
_STEP, _DECAY = LAYER_CONTROLS.index("step"), LAYER_CONTROLS.index("decay")
# Controls of an update: a rule that sets only these is a pure update rule.
_UPDATE_CONTROLS = tuple(name for name in LAYER_CONTROLS if name != "dropout")
# Penalty of a coefficient that is not the start's, in squares of its term: at the first step all
# terms are one.
_RIDGE = 1e-5
# Decimals of a target that updates in float32 determine: so constant controls are constant targets.
_DIGITS = 5
# Size of the largest target of the step: 2 to the power of twice it.
_LARGEST_STEP = 4.0


@dataclass(frozen=True)
class RecordedTask:
    """The properties of a training that a recorded step lacks.

    Attributes
    ----------
    n_rows : int
        Rows of the first epoch.
    n_planned : int
        Number of the last recorded step.
    """

    n_rows: int
    n_planned: int


class LayerScope(Scope):
    r"""For networks of any architecture, one prediction per weight matrix or bias vector.

    The learner f is a controller. It sets the step of every tensor, from the course of the training
    and statistics of the tensor. With bias-corrected running means m of the gradient (decays 0.5,
    0.9, 0.99, and the gradient itself) and v of its square (0.999, and 0.95 for the fast one),

    .. math::
        u &= \sum_d a_d m_d / (\sqrt{q v_{fast} + (1 - q) v} + \epsilon), \quad |u| \le 8 \\
        \Delta w &= -\gamma 2^{2 o} (u + \lambda w)

    The controls are the step o, the mix a, of absolute sum 1, the share q of the fast squares, the
    decoupled decay λ of weights, which is never negative, the horizon of the average of weights
    that the fitted network has, and a gain of the initial weights in the first step. If all outputs
    of the controller are zero, the rule is one that was made by hand. ``initialize(start=...)``
    names it: ``"adam"``, or ``"averaged_adamw"``, which is ``Averaged(AdamW(0.008,
    weight_decay=0.3), decay=0.99)``. So a rule that has learned nothing is as good as that rule.
    With the control ``"dropout"``, the controller of a weight matrix also sets the share of the
    hidden neurons before it that is dropped, from 0 to 0.6. Dropout is no part of an update and
    applies from the next step on.

    Attributes
    ----------
    learning_rate : float
    weight_decay : float
    horizon : float
    cautious : bool
    dropout : float
    controls : tuple of str
    """

    name = "layer"
    input_descriptions = {
        "progress": "p = t/T, the share of the planned steps that were taken",
        "remaining": "log2(1/(1.01 - p)), at most 3; the horizon, as all that have p or T",
        "early": "tanh(8 p)",
        "last_tenth": "0 until p = 0.9, then rising to 1",
        "log_planned": "log2(T/300) / 2",
        "warmup_10": "tanh(t/10) at the step of number t",
        "warmup_100": "tanh(t/100)",
        "log_epochs": "log2(1 + epochs so far) / 3",
        "log_batch": "log2(patterns of the batch / 32) / 2",
        "log_loss": "log2 of the loss / 4, a running mean with decay 0.9",
        "log_loss/first": "log2(that running mean over the first loss) / 2",
        "log_loss_fast/slow": "log2(that running mean over one with decay 0.99)",
        "has_validation": "1 after the first validation of the training; this and the next three "
        "are 0 before it, and where nothing is validated",
        "log_validation/loss": "log2(the last validation loss over the running mean of the loss) "
        "/ 2",
        "log_validation/best": "log2(the last validation loss over the lowest so far) / 2",
        "validations_since_best": "log2(1 + validations since the lowest loss) / 3",
        "log_fan_in": "log2(neurons before the layer) / 4",
        "log_fan_out": "log2(neurons of the layer) / 4",
        "is_bias": "1 for a bias vector, 0 for a weight matrix",
        "is_last": "1 in the last layer, 0 elsewhere",
        "is_first": "1 in the first layer, 0 elsewhere",
        "depth": "0 in the first layer to 1 in the last",
        "is_classification": "1 where the outputs are logistic or softmax, 0 elsewhere",
        "is_saturating": "1 where the first hidden layer is logistic or tanh, 0 elsewhere",
        "log_rows": "log2(rows / 256) / 2",
        "log_params/rows": "log2(parameters of the network / rows) / 2",
        "log_rms/first": "log2(root mean square of the tensor over its first one)",
        "log_signal_0.9": "log2(energy of the running mean of decay 0.9 over the squares) / 4",
        "log_signal_0.99": "log2(energy of the running mean of decay 0.99 over the squares) / 4",
        "cosine_0.9": "cosine of gradient and running mean of decay 0.9, itself a running mean",
        "cosine_0.5_0.99": "cosine of the running means of decays 0.5 and 0.99",
        "log_squares_fast/slow": "log2(mean of the fast squares over that of the slow) / 2",
        "log_net_inputs": "log2(root of the layer's inputs times root mean square) / 2",
    }
    default_inputs = (
        "remaining",
        "warmup_100",
        "is_bias",
        "is_last",
        "is_first",
        "log_batch",
        "log_loss/first",
        "log_loss_fast/slow",
        "is_classification",
        "log_rows",
        "log_params/rows",
        "log_epochs",
        "log_loss",
    )
    facts = (
        Fact(
            "learning_rate",
            "float",
            "The learning rate of a controller whose output is 0.",
            lambda value: is_number(value) and value > 0,
        ),
        Fact(
            "weight_decay",
            "float",
            "Decay of the weights where the controller's output is 0.",
            lambda value: is_number(value) and value >= 0,
        ),
        Fact(
            "horizon",
            "float",
            "Number of steps that the weights are averaged over where the controller's output is "
            "0; 1 for no average.",
            lambda value: is_number(value) and value >= 1,
        ),
        Fact(
            "cautious",
            "bool",
            "Whether only weights decay that shrink by the step without decay.",
            lambda value: isinstance(value, bool),
        ),
        Fact(
            "dropout",
            "float",
            "Share of hidden neurons that is dropped where the controller's output is 0, at most "
            f"{LARGEST_DROPOUT}.",
            lambda value: is_number(value) and 0 <= value <= LARGEST_DROPOUT,
        ),
        Fact(
            "controls",
            "tuple of str",
            f"Names of the controller's outputs, in their order: some of {LAYER_CONTROLS}, all but "
            '``"dropout"`` by default. All other controls keep their start.',
            lambda value: _are_controls(value),
        ),
    )
    has_many_targets = True
    follows_runs = True
    has_kernel = True
    prediction_noun = "control"
    no_teacher_because = "a rule of scope='layer' predicts controls, and a teacher has updates."

    learning_rate: float = STARTS["adam"].learning_rate
    weight_decay: float = 0.0
    horizon: float = 1.0
    cautious: bool = False
    dropout: float = 0.0
    controls: tuple[str, ...] = _UPDATE_CONTROLS

    # Reading.

    @property
    def reads_validation(self) -> bool:
        """True if one of the inputs is computed from the validations of a training."""
        return bool(_VALIDATION & set(self.inputs))

    def check_trace(self, trace: Trace) -> None:
        """Raise ValueError if an input needs validations, which a trace does not have."""
        if self.reads_validation:
            found = [name for name in self.inputs if name in _VALIDATION]
            raise ValueError(
                f"inputs {found} need the validation losses of a training, and a trace does not "
                "have them. To learn from a trace, leave these inputs out. To use them, start "
                "from initialize and search meta_params_."
            )

    @property
    def _codes(self) -> np.ndarray:
        return np.array([LAYER_INPUTS.index(name) for name in self.inputs], dtype=np.int64)

    @property
    def _control_codes(self) -> np.ndarray:
        return np.array([LAYER_CONTROLS.index(name) for name in self.controls], dtype=np.int64)

    @property
    def _start(self) -> LayerStart:
        return LayerStart(
            self.learning_rate, self.weight_decay, self.horizon, self.cautious, self.dropout
        )

    @property
    def needed_arrays(self) -> frozenset[str]:
        """Arrays that running means, decay and targets are computed from."""
        return frozenset({"gradients", "params", "updates"})

    def n_predictions(self, layout: ParameterLayout, n_patterns: np.ndarray) -> int:
        """Return the number of weight matrices and bias vectors."""
        return len(layout.tensors)

    def n_targets(self, layout: ParameterLayout) -> int:
        """Return the number of controls."""
        return len(self.controls)

    def empty_state(self, layout: ParameterLayout) -> dict[str, Any]:
        """Return running means of nothing yet."""
        memory = layer_memory(
            layout.n_params,
            len(layout.tensors),
            layout.dtype,
            self.dropout,
            len(layout.layer_sizes) - 2,
        )
        return {"n_steps": 0, **memory}

    def run_state(self, run: Run) -> dict[str, Any]:
        """Return the state before the first step of a run, with the numbers of the whole run."""
        first = np.asarray(run.scalars["epochs"]) == run.scalars["epochs"][0]
        n_rows = int(np.asarray(run.scalars["n_patterns"])[first].sum())
        task = RecordedTask(n_rows, int(run.scalars["indices"][-1]))
        return {**self.empty_state(run.layout), "task": task}

    def features_at(self, step: Any, state: dict[str, Any]) -> np.ndarray:
        """Advance the running means by a step; return the inputs of every tensor."""
        state["n_steps"] += 1
        dtype = state["average"].dtype
        return layer_inputs(
            layer_moments(step.gradients, state),
            step.params.astype(dtype, copy=False),
            state,
            _task_of(step, state.get("task")),
            self._codes,
            state["n_steps"],
            step.epoch,
            step.loss,
            step.n_patterns,
        )

    def targets_at(self, step: Any, state: dict[str, Any]) -> np.ndarray:
        """Return the controls that make the recorded updates, by least squares.

        Horizon, gain, fast squares and dropout do not show in an update of one step: they stay at
        the start.
        """
        task = _task_of(step, state.get("task"))
        terms = layer_terms(step.gradients, state, state["n_steps"])
        updates = taught_updates(step)
        targets = np.zeros((len(task.fixed), len(LAYER_CONTROLS)))
        decays = np.full(len(targets), np.nan)
        for k, tensor in enumerate(step.layout.tensors):
            mix, share = _coefficients(
                terms[:, tensor.slice],
                None if tensor.is_bias else np.asarray(step.params[tensor.slice], dtype=float),
                np.asarray(updates[tensor.slice], dtype=float),
            )
            size = np.abs(mix).sum()
            if not size:
                continue
            targets[k, _STEP] = np.log2(size / self.learning_rate) / 2
            targets[k, _MIX] = mix / size
            targets[k, _MIX][2] -= 1
            if share is not None:
                decays[k] = share / size
        # Biases do not decay, whatever their controller sets, so the value for weights fits too.
        found = decays[~np.isnan(decays)]
        unknown = found.mean() if len(found) else self.weight_decay
        targets[:, _DECAY] = np.where(np.isnan(decays), unknown, decays) - self.weight_decay
        targets[:, _STEP] = np.clip(targets[:, _STEP], -_LARGEST_STEP, _LARGEST_STEP)
        return np.round(targets, _DIGITS)[:, self._control_codes]

    # Learning.

    @classmethod
    def default_learner(cls) -> Any:
        """Return a linear controller that stays at the start where there are no data.

        The weights begin at zero and are penalised. An input that never changed in the data is zero
        behind the scaler, and gets no weight.
        """
        learner = BackpropMLPRegressor((), update_rule="lbfgs", alpha=1.0, init=zero_params)
        return make_pipeline(StandardScaler(), learner)

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        learner: Any,
        trace: Trace | None,
        weights: SampleWeights = ALIKE,
    ) -> None:
        """Take mean step and decay for the start, then fit the learner to the differences."""
        y = y.copy()
        if "step" in self.controls:
            column = y[:, self.controls.index("step")]
            mean = float(weights.mean(column))
            self.learning_rate *= 4**mean
            column -= mean
        if "decay" in self.controls:
            column = y[:, self.controls.index("decay")]
            mean = max(float(weights.mean(column)) + self.weight_decay, 0.0) - self.weight_decay
            self.weight_decay += mean
            column -= mean
        super().fit(X, y, learner, trace, weights)

    def draw_start(self, template: Any, rng: np.random.RandomState) -> MLPArrays:
        """Draw hidden layers; the outputs are zero, so that the rule is the start."""
        mlp = super().draw_start(template, rng)
        coefs, intercepts = mlp.layout.coefs(mlp.params), mlp.layout.intercepts(mlp.params)
        coefs[-1], intercepts[-1] = 0 * coefs[-1], 0 * intercepts[-1]
        return replace(mlp, params=mlp.layout.flatten(coefs, intercepts))

    def set_facts(self, values: Mapping[str, Any]) -> None:
        """Set facts by name, those of a named start first; see :meth:`Scope.set_facts`."""
        given = dict(values)
        name = given.pop("start", "adam")
        if name not in STARTS:
            raise ValueError(f"start must be one of {list(STARTS)}, got {name!r}.")
        super().set_facts({**vars(STARTS[name]), **given})

    # Training.

    @property
    def sets_dropout(self) -> bool:
        """True if dropout is controlled, or starts above 0."""
        return "dropout" in self.controls or self.dropout > 0

    def state_key(self) -> tuple:
        """Return the scope, and whether statistics of the first step are remembered."""
        return type(self), bool(_STATISTICS & set(self.inputs))

    def update_from(self, predictions: np.ndarray, step: Any, state: dict[str, Any]) -> np.ndarray:
        """Return the update that the controls make, and move the average."""
        outputs = np.zeros((len(predictions), len(LAYER_CONTROLS)))
        outputs[:, self._control_codes] = predictions
        updates = np.empty_like(step.params)
        layer_move(
            step.gradients,
            step.params,
            updates,
            state,
            _task_of(step, state.get("task")),
            self._start,
            outputs,
            state["n_steps"],
            step.index == 1,
        )
        if self.sets_dropout:
            step.dropout[...] = state["dropout"]
        return updates

    def bind(self, step: Any, state: dict[str, Any]) -> Callable[[], np.ndarray]:
        """Return a function that computes every tensor's update, by a kernel for an MLP.

        The dropout in the state is set at once, for the first step.
        """
        if self.sets_dropout:
            step.dropout[...] = state["dropout"]
        if self.mlp is None:
            return super().bind(step, state)
        update, updates = self._kernel(step.params, step, state, self.mlp).update, step.updates

        def compute_update() -> np.ndarray:
            state["n_steps"] = t = state["n_steps"] + 1
            update(t, step.index == 1, step.epoch, step.loss, step.n_patterns)
            return updates

        return compute_update

    def bind_quiet(self, params: np.ndarray, step: Any, state: dict[str, Any]) -> QuietSteps | None:
        """Return the kernel of every step; the dropout was set by ``bind``."""
        if self.mlp is None or not are_kernels_compiled():
            return None
        return QuietSteps(self._kernel(params, step, state, self.mlp), step, state)

    def _kernel(
        self, params: np.ndarray, step: Any, state: dict[str, Any], mlp: MLPArrays
    ) -> LayerRule:
        return LayerRule(
            step.gradients,
            params,
            step.updates,
            state,
            _task_of(step, None),
            self._start,
            self._codes,
            self._control_codes,
            mlp.params,
            mlp.sizes,
            mlp.hidden,
            mlp.output,
            mlp.centre,
            step.dropout if self.sets_dropout else None,
        )

    def on_validation(self, validation_loss: float, state: dict[str, Any]) -> None:
        """Remember the loss, which the next steps read from the state."""
        note_validation(state, validation_loss)

    def kept_params(self, params: np.ndarray, state: dict[str, Any]) -> np.ndarray:
        """Return the average of the weights once there was a step."""
        return state["average"] if state["tensors"][0, 0] else params

    def on_new_params(self, state: dict[str, Any]) -> None:
        """Begin a new average, and drop the validations of the old parameters."""
        state["tensors"][:, 0] = 0
        state["validation"][...] = 0

    # Files and displays.

    def mlp_ends(self) -> tuple[int, int]:
        """Return the numbers of inputs and of controls."""
        return len(self.inputs), len(self.controls)

    def group_names(self, layout: ParameterLayout) -> list[str]:
        """Return the names of the controls."""
        return list(self.controls)

    def target_groups(self, layout: ParameterLayout, n_patterns: int) -> np.ndarray:
        """Return the number of the control of every target."""
        return np.tile(np.arange(len(self.controls)), len(layout.tensors))

    def output_names(self) -> list[str]:
        """Return the names of the controls."""
        return list(self.controls)

    def write_equation(self, output: str, terms: dict[str, float], constant: float) -> str:
        """Return the equation of a control, from its start and the output of the controller."""
        start = layer_settings(np.zeros((1, len(LAYER_CONTROLS))), self._start)[0]
        text = equation("", terms, constant).removeprefix(" = ")
        return CONTROLS[output].write(output, float(start[LAYER_CONTROLS.index(output)]), text)

    def explain(self, n_points: int) -> RuleExplanation:
        """Return the explanation with the course of the controls over a training, in words."""
        found = super().explain(n_points)
        lines = [
            _STEP_IN_WORDS,
            "",
            f"Over {_EXAMPLE_STEPS} steps in batches of {_EXAMPLE_BATCH} of {_EXAMPLE_ROWS} rows, "
            f"layers {'-'.join(map(str, _EXAMPLE_LAYERS))}, the loss and the statistics of every "
            "tensor in the middle of their ranges:",
            f"{'':<{_WIDTH}}{'first step':>11}{'half way':>11}{'last step':>11}",
            *self._course_in_words(),
            "",
            "Inputs that change a control most, and its values from the low to the high end of "
            "each, with all other inputs in the middle of their ranges:",
            *self._strongest_inputs(found.effects),
        ]
        if found.formula is not None and max(map(len, found.formula.split("\n"))) <= _WIDEST:
            lines += ["", "Equations of the controls:", found.formula]
        return replace(found, outputs=self.controls, text="\n".join(lines))

    def _course_in_words(self) -> list[str]:
        """Return lines of the values of every control; one line if all tensors have the same."""
        task = LayerTask.of(
            ParameterLayout(_EXAMPLE_LAYERS).table,
            is_classification=True,
            is_saturating=False,
            n_rows=_EXAMPLE_ROWS,
            n_planned=_EXAMPLE_STEPS,
        )
        ends = (1, _EXAMPLE_STEPS // 2, _EXAMPLE_STEPS)
        values = np.array([self._settings_at(task, t) for t in ends])
        lines = []
        for k, control in enumerate(CONTROLS.values()):
            tensors = [
                tensor
                for tensor in range(len(_EXAMPLE_TENSORS))
                if control.has_it(tensor % _N_EXAMPLE_LAYERS, tensor >= _N_EXAMPLE_LAYERS)
            ]
            columns = [[f"{value:.3g}" for value in values[:, tensor, k]] for tensor in tensors]
            if control.is_initial:
                columns = [[first, "", ""] for first, *_ in columns]
            if all(column == columns[0] for column in columns):
                lines.append(_row_of(control.label, columns[0]))
                continue
            lines.append(control.label)
            lines += [
                _row_of(f"    {_EXAMPLE_TENSORS[tensor]}", column)
                for tensor, column in zip(tensors, columns, strict=True)
            ]
        return lines

    def _settings_at(self, task: LayerTask, t: int) -> np.ndarray:
        """Return the values at a step whose loss and statistics are typical, (n_tensors, ...)."""
        n_params, n_tensors = int(task.bounds[-1]), len(task.fixed)
        memory = layer_memory(n_params, n_tensors, np.float64)
        ones = np.ones(n_params)
        epoch = (t - 1) * _EXAMPLE_BATCH // _EXAMPLE_ROWS
        place = ones, ones, memory, task, self._codes, t, epoch, 1.0, _EXAMPLE_BATCH
        Z = layer_inputs(*place)
        is_unknown = [name in _STATISTICS or name in _LOSSES for name in self.inputs]
        Z[:, is_unknown] = self.ranges.typical[is_unknown]
        return self.settings(self.predict(Z))

    def _strongest_inputs(self, effects: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> list[str]:
        """Return a line for every control: three inputs, and its values along them."""
        lines = []
        for output in self.controls:
            k = LAYER_CONTROLS.index(output)
            along = {
                name: self.settings(predictions)[:, k] for name, (_, predictions) in effects.items()
            }
            most = sorted(along, key=lambda name: -np.ptp(along[name]))[:3]
            texts = [
                f"{name} ({along[name][0]:.3g} to {along[name][-1]:.3g})"
                for name in most
                if np.ptp(along[name]) > 0
            ]
            lines.append(f"{CONTROLS[output].label:<{_WIDTH}}{', '.join(texts) or 'none'}")
        return lines

    def settings(self, predictions: np.ndarray) -> np.ndarray:
        """Return the values that predictions set, (n_predictions, len(CONTROLS)), in their units.

        Controls that the controller does not set keep their start.
        """
        outputs = np.zeros((len(predictions), len(LAYER_CONTROLS)))
        outputs[:, self._control_codes] = predictions.reshape(len(predictions), -1)
        return layer_settings(outputs, self._start)

    def control_curves(self, run: Run) -> ControlCurves:
        """Return the values of the controls at every step of a recorded training."""
        self.check_run(run)
        state, tensors = self.run_state(run), run.layout.tensors
        found = []
        for _, step in run.steps():
            found.append(self.settings(self.predict(self.features_at(step, state))))
            self.remember(step.updates, state)
        values = np.array(found)
        for k, control in enumerate(CONTROLS.values()):
            lacks = [not control.has_it(tensor.layer, tensor.is_bias) for tensor in tensors]
            values[:, lacks, k] = np.nan
            if control.is_initial:
                values[1:, :, k] = np.nan
        start = np.zeros((1, len(LAYER_CONTROLS)))
        return ControlCurves(
            tuple(CONTROLS.values()),
            tuple(tensor.name for tensor in tensors),
            tuple(tensor.layer for tensor in tensors),
            np.asarray(run.scalars["indices"]),
            values,
            layer_settings(start, STARTS["adam"])[0],
        )


def _row_of(name: str, values: list[str]) -> str:
    """Return a row of a table of values."""
    return f"{name:<{_WIDTH}}{''.join(f'{value:>11}' for value in values)}".rstrip()


def zero_params(
    layout: ParameterLayout, activations: tuple[str, ...], rng: np.random.RandomState
) -> np.ndarray:
    """Return zeros: an initialiser for linear networks, which need no different neurons."""
    return layout.zeros()


def _are_controls(value: Any) -> bool:
    """Return whether a value from a file is a list of different controls."""
    is_list = isinstance(value, list) and 0 < len(value) == len(set(map(str, value)))
    return is_list and all(isinstance(one, str) and one in LAYER_CONTROLS for one in value)


def _task_of(step: Any, recorded: RecordedTask | None) -> LayerTask:
    """Return the constants of the training of a step, which may be recorded."""
    network: BaseNetwork = step.network
    return LayerTask.of(
        network.layout.table,
        is_classification=network.out_activation in ("logistic", "softmax"),
        is_saturating=network.activations[0] in ("logistic", "tanh")
        if network.activations
        else False,
        n_rows=step.rows.n_patterns if recorded is None else recorded.n_rows,
        n_planned=step.n_planned if recorded is None else recorded.n_planned,
    )


def _coefficients(
    terms: np.ndarray, weights: np.ndarray | None, updates: np.ndarray
) -> tuple[np.ndarray, float | None]:
    """Find a and s of ``Δw = -a·terms - s w`` by least squares, penalised towards the start.

    The start is a multiple of momentum 0.9. It has a decay of weights if the squared error is then
    less than half of that without a decay.

    Returns
    -------
    mix : ndarray of shape (4,)
    share : float or None
        None for biases.
    """
    columns = -terms
    momentum = columns[2]
    size = (momentum @ updates) / ((momentum @ momentum) or 1.0)
    share, target = (None if weights is None else 0.0), updates
    if weights is not None and weights.any():
        both = np.column_stack([momentum, -weights])
        (with_decay, decay), *_ = np.linalg.lstsq(both, updates, rcond=1e-9)
        left = updates - both @ (with_decay, decay)
        before = updates - size * momentum
        if decay > 0 and with_decay > 0 and left @ left < 0.5 * (before @ before):
            size, share, target = with_decay, float(decay), updates + decay * weights
    start = np.array([0.0, 0.0, size, 0.0])
    penalty = _RIDGE * np.diag(np.einsum("ij,ij->i", columns, columns))
    gram = columns @ columns.T + penalty
    change, *_ = np.linalg.lstsq(gram, columns @ (target - start @ columns), rcond=1e-12)
    return start + change, share

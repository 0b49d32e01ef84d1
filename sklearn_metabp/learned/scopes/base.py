"""The contract of a scope: all that a kind of learned rule has to define."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from sklearn_metabp.estimators import BackpropMLPRegressor
from sklearn_metabp.learned.controls import ControlCurves
from sklearn_metabp.learned.explain import (
    InputRanges,
    RuleExplanation,
    effects,
    equation,
    linear_terms,
    significant_terms,
)
from sklearn_metabp.learned.mlp import MLPArrays, as_mlp, draw_mlp, make_learner
from sklearn_metabp.learned.scopes.quiet_steps import QuietSteps
from sklearn_metabp.learned.weights import ALIKE, SampleWeights
from sklearn_metabp.network import ParameterLayout
from sklearn_metabp.tracing import Run, Trace, taught_updates
from sklearn_metabp.tracing.prediction_sample import PredictionSample


@dataclass(frozen=True)
class Fact:
    """A value that a scope learns besides its MLP: an attribute of the scope and of the rule.

    Attributes
    ----------
    name : str
        Name of the attribute of the scope. The attribute of the rule has an underscore at its end.
    kind : str
        Its type, as a docstring states it.
    description : str
        One sentence for the docstring of the rule.
    is_possible : callable
        ``is_possible(value)`` returns whether a value from a file can be this fact.
    key : str
        Name in a rule file; the attribute's name by default.
    is_meta_param : bool
        True if it is a number of the flat vector of the rule.
    """

    name: str
    kind: str
    description: str
    is_possible: Callable[[Any], bool]
    key: str = ""
    is_meta_param: bool = False

    @property
    def file_key(self) -> str:
        """Name of the fact in a rule file."""
        return self.key or self.name


class Scope(ABC):
    """The model of a learned rule: a scope with its inputs and everything that it has learned.

    A scope is one class in one file, and one line in the table ``SCOPES``. Nothing else in the
    package refers to a scope by its name. The docstring of the class, up to its first section, is
    the paragraph about the scope in the docstring of :class:`LearnedUpdateRule`.

    A scope must define ``name``, ``input_descriptions`` and ``default_inputs``; ``needed_arrays``,
    ``n_predictions``, ``features_at`` and ``targets_at``, which read a step, recorded or live; and
    ``default_learner``. Everything else has a default. The defaults are for a scope whose learner
    gets its inputs unchanged and predicts the updates of all parameters, one prediction per
    parameter. The sections of the class contain the methods that a scope may override:

    - *reading*: the inputs and the targets of a learner at a step;
    - *learning*: the learner, and the facts that are learned besides;
    - *training*: the state of a training, and functions bound to it;
    - *parameters*: the flat vector of all that was learned;
    - *files*: the facts that a rule file keeps, and how they are checked;
    - *displays*: groups of targets, explanation.

    Parameters
    ----------
    inputs : list of str or None
        Names of the learner's inputs; None for ``default_inputs``.

    Attributes
    ----------
    inputs : tuple of str
        Names of the learner's inputs.
    mlp : MLPArrays or None
        The learner as one MLP, which a kernel computes. None before a fit, and if the learner is no
        MLP.
    learner_dtype : str
        Dtype in which the learner predicts.
    ranges : InputRanges
        Ranges of the inputs in the data that was fitted.
    n_outputs : int
        Number of values that the learner predicts at once.
    """

    #: Name of the scope, as in ``LearnedUpdateRule(scope=...)``.
    name: ClassVar[str]
    #: Description of every input, by name.
    input_descriptions: ClassVar[Mapping[str, str]]
    #: Inputs of a rule that was given none.
    default_inputs: ClassVar[tuple[str, ...]]
    #: Values that are learned besides the MLP.
    facts: ClassVar[tuple[Fact, ...]] = ()
    #: True if a prediction has several values, so that targets are a matrix.
    has_many_targets: ClassVar[bool] = False
    #: True if features depend on the steps before, so that all steps of a run are needed.
    follows_runs: ClassVar[bool] = False
    #: True if a kernel computes predictions where the learner is an MLP.
    has_kernel: ClassVar[bool] = False
    #: True if ``bind_deltas`` replaces rule (6).
    acts_backward: ClassVar[bool] = False
    #: Word for a prediction, in displays.
    prediction_noun: ClassVar[str] = "update"
    #: Reason why no teacher can be drawn beside a rule of this scope; None if one can.
    no_teacher_because: ClassVar[str | None] = None
    #: Message of the error for a trace without predictions.
    empty_trace_message: ClassVar[str] = "the trace has no rows: there is nothing to learn from."

    mlp: MLPArrays | None = None
    learner_dtype: str = "float64"
    ranges: InputRanges
    n_outputs: int = 0
    _learner: Any = None

    def __init__(self, inputs: Any = None):
        self.inputs = self.check_inputs(inputs)

    @classmethod
    def check_inputs(cls, inputs: Any) -> tuple[str, ...]:
        """Return the names of the inputs, the default ones for None.

        Raises
        ------
        ValueError
            For a name that the scope does not have, a name given twice, or none at all.
        """
        if inputs is None:
            return cls.default_inputs
        names = (inputs,) if isinstance(inputs, str) else tuple(inputs)
        unknown = [name for name in names if name not in cls.input_descriptions]
        if unknown or not names or len(set(names)) < len(names):
            raise ValueError(
                f"inputs of scope={cls.name!r} must be different names from "
                f"{list(cls.input_descriptions)}, got {unknown or list(names)}."
            )
        return names

    # Reading: one code path for recorded and for live steps.

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """Names of the columns of the features after the inputs, such as normalizers."""
        return ()

    def n_columns(self, layout: ParameterLayout | None) -> int:
        """Return the number of columns of the features of a network.

        Parameters
        ----------
        layout : ParameterLayout or None
            None if no network is known. It is ignored if the number does not depend on it.
        """
        return len(self.inputs) + len(self.extra_columns)

    def n_targets(self, layout: ParameterLayout) -> int:
        """Return the number of values in the target of one prediction."""
        return 1

    @property
    @abstractmethod
    def needed_arrays(self) -> frozenset[str]:
        """Names of the arrays of a run that the features and targets are read from."""

    @abstractmethod
    def n_predictions(self, layout: ParameterLayout, n_patterns: np.ndarray) -> np.ndarray | int:
        """Return the number of predictions in each of some steps.

        Parameters
        ----------
        layout : ParameterLayout
        n_patterns : ndarray of int of shape (n_steps,)
            Patterns of the steps.
        """

    @abstractmethod
    def features_at(self, step: Any, state: Any) -> np.ndarray:
        """Return the inputs at a step, one row per prediction; may advance the state.

        Parameters
        ----------
        step : Step, or a recorded step
        state : object
            Before the first step, the state from ``empty_state``.

        Returns
        -------
        features : ndarray of shape (n_predictions, n_columns)
        """

    @abstractmethod
    def targets_at(self, step: Any, state: Any) -> np.ndarray:
        """Return the targets at a recorded step, one row per prediction.

        It is called after ``features_at``.
        """

    def empty_state(self, layout: ParameterLayout) -> Any:
        """Return the state before the first step of a training."""
        return {}

    def run_state(self, run: Run) -> Any:
        """Return the state before the first step of a recorded training."""
        return self.empty_state(run.layout)

    def remember(self, updates: np.ndarray, state: Any) -> None:  # noqa: B027
        """Record the updates of a step in the state; do nothing by default."""

    def check_trace(self, trace: Trace) -> None:  # noqa: B027
        """Raise ValueError for a trace that the scope cannot learn from; accept all by default."""

    def check_run(self, run: Run) -> None:
        """Raise ValueError for a run that lacks steps or arrays that the inputs need."""
        if self.needed_arrays - set(run.stored):
            raise ValueError(
                f"scope={self.name!r} with inputs={list(self.inputs)} needs "
                f"{sorted(self.needed_arrays)} of every step, and the run has "
                f"{sorted(run.stored)}: record more with TraceRecorder(variables=[...])."
            )
        if self.follows_runs and not run.is_whole:
            raise ValueError(
                f"scope={self.name!r} uses the gradients of all steps of a run: "
                "record with TraceRecorder(every=1) from the first step of the training on."
            )

    def count_predictions(self, trace: Trace) -> np.ndarray:
        """Return the number of predictions of every row of a trace, (n_rows,)."""
        counts = np.empty(len(trace), dtype=np.int64)
        layouts, n_patterns = trace.layouts, trace.n_patterns
        for number in np.unique(trace.runs):
            if layouts[number].extras:
                raise ValueError(
                    "a rule learns from trainings of weights and biases alone, and one of these "
                    f"also trained {layouts[number].extras_text}."
                )
            mine = trace.runs == number
            counts[mine] = self.n_predictions(layouts[number], n_patterns[mine])
        return counts

    def draw(
        self, trace: Trace, max_predictions: int | None = None, rng: Any = None
    ) -> PredictionSample:
        """Return a sample of all predictions in a trace, or of some drawn at random.

        Raises
        ------
        ValueError
            If the trace holds no predictions, or the scope cannot learn from it.
        """
        self.check_trace(trace)
        sample = PredictionSample(trace, self.count_predictions(trace), max_predictions, rng)
        if not len(sample):
            raise ValueError(self.empty_trace_message)
        return sample

    def read(self, trace: Trace, sample: PredictionSample) -> tuple[np.ndarray, np.ndarray]:
        """Return features and targets of the predictions that were drawn from a trace.

        Raises
        ------
        ValueError
            If the trace lacks an array that the inputs need.
        """
        layout = trace.layouts[trace.runs[0]]
        n_targets = self.n_targets(layout)
        features = np.empty((len(sample), self.n_columns(layout)))
        targets = np.empty((len(sample), n_targets) if self.has_many_targets else len(sample))
        for number in np.unique(trace.runs).tolist():
            run = trace.recorded[number]
            self.check_run(run)
            state = self.run_state(run)
            for step, drawn in sample.steps(number, with_others=self.follows_runs):
                matrix = self.features_at(step, state)
                for where, which in drawn:
                    features[where] = matrix[which]
                    targets[where] = self.targets_at(step, state)[which]
                self.remember(taught_updates(step), state)
        return features, targets

    def sample(
        self, trace: Trace, max_predictions: int | None = None, rng: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return features and targets of all predictions in a trace, or of some drawn at random.

        Raises
        ------
        ValueError
            If the trace holds no predictions, or lacks an array that the inputs need.
        """
        return self.read(trace, self.draw(trace, max_predictions, rng))

    def features(self, trace: Trace) -> np.ndarray:
        """Return the features of every row of a trace; see ``Trace.features``."""
        return self.sample(trace)[0]

    def targets(self, trace: Trace) -> np.ndarray:
        """Return the targets of every row of a trace; see ``Trace.targets_of``."""
        return self.sample(trace)[1]

    # Learning.

    @classmethod
    @abstractmethod
    def default_learner(cls) -> Any:
        """Return the unfitted regressor that is used if none is given."""

    def takes_columns(self, n_columns: int) -> bool:
        """Return whether a matrix with that many columns can be features of this scope."""
        return n_columns == self.n_columns(None)

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        learner: Any,
        trace: Trace | None,
        weights: SampleWeights = ALIKE,
    ) -> None:
        """Fit the learner to features and targets, by default without scaling.

        Parameters
        ----------
        X, y : ndarray
            Features and targets.
        learner : regressor
            Unfitted.
        trace : Trace or None
            The trace that X and y were sampled from, if any.
        weights : SampleWeights
            Weights of the rows of X, and of the steps of the trace.
        """
        Z = X[:, : X.shape[1] - len(self.extra_columns)]
        self.ranges = InputRanges.of(Z)
        self.take_learner(weights.fit(learner, Z, y), 1 if y.ndim == 1 else y.shape[1])

    def draw_start(self, template: Any, rng: np.random.RandomState) -> MLPArrays:
        """Draw the MLP of a rule that has learned nothing; the facts must be set.

        Parameters
        ----------
        template : regressor
            Unfitted; its hidden layers, functions and initialiser are taken.
        rng : RandomState

        Raises
        ------
        ValueError
            If the template is no MLP, or the ends of the MLP are not known or do not fit the facts.
        """
        ends = self.mlp_ends()
        if ends is None:
            raise ValueError(
                f"scope={self.name!r} needs the architecture to train: pass one of "
                f"{[fact.name for fact in self.facts]} to initialize."
            )
        self.check_ends(*ends)
        return draw_mlp(template, *ends, rng)

    def take_learner(self, learner: Any, n_outputs: int = 1) -> None:
        """Keep a fitted learner, also as one MLP if possible; ``ranges`` must be set."""
        self._learner, self.n_outputs = learner, n_outputs
        self.mlp = as_mlp(learner, n_outputs, self.ranges.typical)
        is_ours = isinstance(learner, BackpropMLPRegressor)
        self.learner_dtype = learner.layout_.dtype.name if is_ours else "float64"

    @property
    def learner(self) -> Any:
        """The fitted regressor; for a rule made from a vector it is built on access."""
        if self._learner is None and self.mlp is not None:
            return make_learner(self.mlp, np.dtype(self.learner_dtype))
        return self._learner

    def normalizer_at(self, X: np.ndarray) -> np.ndarray:
        """Return the normalizer of each prediction, by rows of the features; 1 by default."""
        return np.ones(len(X))

    def predict_normalized(self, Z: np.ndarray) -> np.ndarray:
        """Return predictions for inputs without extra columns, in units of the normalizer."""
        predicted = self.learner.predict(Z)
        is_flat = self.n_outputs == 1
        return predicted.ravel() if is_flat else predicted.reshape(len(Z), self.n_outputs)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return predictions for features, in units of the targets."""
        return self.predict_normalized(X[:, : X.shape[1] - len(self.extra_columns)])

    # Training.

    @property
    def sets_dropout(self) -> bool:
        """True if ``bind`` returns a function that sets the dropout; False by default."""
        return False

    @property
    def reads_validation(self) -> bool:
        """True if updates depend on the validations of a training; False by default."""
        return False

    @property
    def is_compiled(self) -> bool:
        """True if the learner runs inside the step, and not through its ``predict``."""
        return self.has_kernel and self.mlp is not None

    @property
    def cannot_train_because(self) -> str | None:
        """Reason why the fitted rule cannot train, with a remedy; None if it can."""
        return None

    def check_layout(self, layout: ParameterLayout) -> None:  # noqa: B027
        """Raise ValueError for a network that the rule cannot train; accept all by default."""

    def init_state(self, layout: ParameterLayout) -> Any:
        """Return the state of a training before its first step.

        Raises
        ------
        ValueError
            If the fitted rule cannot train, or cannot train this network.
        """
        if self.cannot_train_because is not None:
            raise ValueError(self.cannot_train_because)
        self.check_layout(layout)
        return self.empty_state(layout)

    def state_key(self) -> tuple:
        """Return the key of a state: by default the scope alone."""
        return (type(self),)

    def bind(self, step: Any, state: Any) -> Callable[[], np.ndarray]:
        """Return a function that computes the update of every step of a training.

        By default it calls the learner's ``predict``. A scope with ``has_kernel`` binds the kernel
        if there is an ``mlp``, and otherwise does the same as the default.
        """
        scope = copy.copy(self)
        scope._learner = self.learner  # put together once, and not at every step
        return partial(scope._predict_update, step, state)

    def bind_quiet(self, params: np.ndarray, step: Any, state: Any) -> QuietSteps | None:
        """Return a kernel that changes ``params`` without Python; None where there is none."""
        return None

    @np.errstate(all="ignore")  # the loop finds numbers that overflow
    def _predict_update(self, step: Any, state: Any) -> np.ndarray:
        features = self.features_at(step, state)
        shape = (len(features), self.n_outputs) if self.has_many_targets else (len(features),)
        predictions = predict_or_nan(self.predict, features, shape)
        step.updates[...] = self.update_from(predictions, step, state)
        self.remember(step.updates, state)
        return step.updates

    def update_from(self, predictions: np.ndarray, step: Any, state: Any) -> np.ndarray:
        """Return the update from the predictions for a step; by default the predictions."""
        return predictions

    def kept_params(self, params: np.ndarray, state: Any) -> np.ndarray:
        """Return the parameters that a fitted estimator gets; the last ones by default."""
        return params

    def on_validation(self, validation_loss: float, state: Any) -> None:  # noqa: B027
        """React to a validation of the training; do nothing by default."""

    def on_new_params(self, state: Any) -> None:  # noqa: B027
        """Drop parameters from the state, because others were set; do nothing by default."""

    def bind_deltas(self, step: Any, state: Any) -> Callable[[int], None]:
        """Return a function that fills the deltas of a hidden layer; only if ``acts_backward``."""
        raise NotImplementedError(f"scope={self.name!r} does not act on the backward step.")

    # Parameters.

    @property
    def meta_facts(self) -> tuple[str, ...]:
        """Names of the facts that follow the parameters of the MLP in the flat vector."""
        return tuple(fact.name for fact in self.facts if fact.is_meta_param)

    @property
    def meta_params(self) -> np.ndarray:
        """Flat vector of all numbers of the rule: parameters of the MLP, then facts.

        Raises
        ------
        ValueError
            If the learner is no MLP, or the rule cannot train.
        """
        mlp = self._required_mlp()
        if self.cannot_train_because is not None:
            raise ValueError(self.cannot_train_because)
        facts = [getattr(self, name) for name in self.meta_facts]
        vector = np.concatenate([mlp.params, facts])
        vector.flags.writeable = False
        return vector

    @property
    def meta_scales(self) -> np.ndarray:
        """Units of changes of the flat vector, (n_meta_params,).

        The unit of a parameter of the MLP is 1, because its inputs and outputs are normalized. The
        unit of a fact is its size, or 1 if that is 0.
        """
        facts = [abs(getattr(self, name)) or 1.0 for name in self.meta_facts]
        return np.concatenate([np.ones(self._required_mlp().layout.n_params), facts])

    def with_meta_params(self, vector: ArrayLike) -> Self:
        """Return a copy of the scope with other numbers in its MLP and facts.

        Raises
        ------
        ValueError
            If the learner is no MLP, or the vector has another length or is not finite.
        """
        mlp, names = self._required_mlp(), self.meta_facts
        values = np.array(vector, dtype=np.float64)
        n_mlp = mlp.layout.n_params
        if values.shape != (n_mlp + len(names),):
            raise ValueError(
                f"meta_params must have shape {(n_mlp + len(names),)}: the {n_mlp} parameters of "
                f"the MLP{''.join(f', {name}' for name in names)}; got shape {values.shape}."
            )
        if not np.isfinite(values).all():
            raise ValueError("meta_params must be finite, got NaN or infinity.")
        scope = copy.copy(self)
        scope.mlp, scope._learner = replace(mlp, params=values[:n_mlp]), None
        for name, value in zip(names, values[n_mlp:].tolist(), strict=True):
            setattr(scope, name, value)
        return scope

    def _required_mlp(self) -> MLPArrays:
        if self.mlp is None:
            raise ValueError(
                f"the meta-parameters of a rule are the numbers of one MLP, and the learner of "
                f"this rule is {self.learner!r}: fit the rule with an MLP as learner."
            )
        return self.mlp

    # Files.

    def mlp_ends(self) -> tuple[int, int] | None:
        """Return the numbers of inputs and outputs of the MLP; None where they are not known."""
        return len(self.inputs), 1

    def check_ends(self, n_inputs: int, n_outputs: int) -> None:
        """Raise ValueError for an MLP of a file whose inputs or outputs do not fit the facts."""
        ends = self.mlp_ends()
        if ends not in (None, (n_inputs, n_outputs)):
            raise ValueError(
                f"its learner has {n_inputs} inputs and {n_outputs} outputs, not {ends[0]} and "
                f"{ends[1]}"
            )

    def set_facts(self, values: Mapping[str, Any]) -> None:
        """Set facts by name, to start a rule without a fit.

        Raises
        ------
        TypeError
            For a name that is no fact of the scope.
        ValueError
            For a value that is not possible, or a number of the flat vector that is missing.
        """
        facts = {fact.name: fact for fact in self.facts}
        for name, value in values.items():
            if name not in facts:
                raise TypeError(f"scope={self.name!r} has no {name!r}, only {list(facts)}.")
            value = _as_in_file(value)
            if not facts[name].is_possible(value):
                raise ValueError(f"{name}={values[name]!r} is not possible for {facts[name].kind}.")
            setattr(self, name, tuple(value) if isinstance(value, list) else value)
        missing = [name for name in self.meta_facts if getattr(self, name) is None]
        if missing:
            raise ValueError(f"scope={self.name!r} needs a value of {missing} to start from.")

    def take_mlp(self, mlp: MLPArrays, ranges: InputRanges, learner_dtype: str) -> None:
        """Set the MLP of the scope; the facts must be set."""
        self.mlp, self.ranges, self.learner_dtype = mlp, ranges, learner_dtype
        self.n_outputs = mlp.layout.layer_sizes[-1]

    # Displays.

    def group_names(self, layout: ParameterLayout) -> list[str]:
        """Return the names of the groups that the targets of a network fall into."""
        return ["all"]

    def target_groups(self, layout: ParameterLayout, n_patterns: int) -> np.ndarray:
        """Return the group of every value of the targets of one step, flattened."""
        n_predictions = np.broadcast_to(self.n_predictions(layout, np.array([n_patterns])), 1)[0]
        return np.zeros(int(n_predictions) * self.n_targets(layout), dtype=int)

    def control_curves(self, run: Run) -> ControlCurves:
        """Return the controls along a recorded training, if the rule predicts controls.

        Raises
        ------
        ValueError
            If the rule predicts no controls, or the run lacks an array that the inputs need.
        """
        raise ValueError(f"scope={self.name!r} predicts {self.prediction_noun}s and no controls.")

    @property
    def normalizer_symbol(self) -> str:
        """Symbol of the normalizer of predictions; ``"1"`` if they have none."""
        return "1"

    def column_names(self) -> tuple[str, ...]:
        """Return the names of the columns of the learner's inputs."""
        return self.inputs

    def output_names(self) -> list[str]:
        """Return the left sides of the equations of a linear rule."""
        if self.n_outputs == 1:
            return [self.prediction_noun]
        return [f"{self.prediction_noun} {position}" for position in range(self.n_outputs)]

    def write_equation(self, output: str, terms: dict[str, float], constant: float) -> str:
        """Return the equation of one output of a linear rule."""
        return equation(output, terms, constant)

    def explain(self, n_points: int) -> RuleExplanation:
        """Return an explanation of the learned rule."""
        names = self.column_names()
        formula, coefficients = self._formula()
        return RuleExplanation(
            self.name,
            names,
            self.normalizer_symbol,
            formula,
            coefficients,
            dict(zip(names, self.ranges.typical.tolist(), strict=True)),
            effects(self.predict_normalized, names, self.ranges, n_points),
        )

    def _formula(self) -> tuple[str | None, dict[str, float]]:
        """Return an equation per output if all are linear, and coefficients of a single output."""
        names, lines, coefficients = self.column_names(), [], {}
        for position, output in enumerate(self.output_names()):

            def predict(Z: np.ndarray, position: int = position) -> np.ndarray:
                return self.predict_normalized(Z).reshape(len(Z), -1)[:, position]

            found = linear_terms(predict, self.ranges)
            if found is None:
                return None, {}
            if self.n_outputs == 1:
                coefficients = dict(zip(names, found[0].tolist(), strict=True))
            values, constant = significant_terms(*found, self.ranges)
            terms = dict(zip(names, values, strict=True))
            lines.append(self.write_equation(output, terms, constant))
        return "\n".join(lines), coefficients


def predict_or_nan(
    predict: Callable[[np.ndarray], np.ndarray], matrix: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """Return the predictions of a learner; NaN for a matrix that the learner does not accept.

    So the loop finds a training that overflows, as with every other rule.
    """
    # Some learners compute in float32.
    if not (np.abs(matrix) < np.finfo(np.float32).max).all():
        return np.full(shape, np.nan)
    return predict(matrix).reshape(shape)


def is_number(value: Any) -> bool:
    """Return whether a value from a file is a finite float."""
    return type(value) is float and bool(np.isfinite(value))


def _as_in_file(value: Any) -> Any:
    """Return a value of a fact as the header of a rule file has it."""
    if isinstance(value, (tuple, np.ndarray)):
        return [one if isinstance(one, str) else int(one) for one in value]
    is_numeric = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return float(value) if is_numeric else value

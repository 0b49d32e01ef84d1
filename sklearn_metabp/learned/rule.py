"""The update rule that is learned from traces."""

import copy
import os
import warnings
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin, _fit_context, clone
from sklearn.metrics import r2_score
from sklearn.utils import Tags, check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from sklearn_metabp.learned.docstrings import documents
from sklearn_metabp.learned.explain import InputRanges, RuleExplanation
from sklearn_metabp.learned.files import read_scope, save_scope
from sklearn_metabp.learned.predictions import DrawnPredictions
from sklearn_metabp.learned.scopes import SCOPES, PlainRegression, Scope
from sklearn_metabp.learned.scopes.quiet_steps import QuietSteps
from sklearn_metabp.learned.weights import SampleWeights
from sklearn_metabp.network import ParameterLayout, Step
from sklearn_metabp.tracing import Trace, TraceRecorder
from sklearn_metabp.tracing.prediction_sample import draw_numbers
from sklearn_metabp.update_rules import UpdateRule

# Predictions drawn from a trace to score on: more change the third digit.
_MAX_SCORE_SAMPLES = 200_000
# Samples of a default learner's training, epochs times samples: more do not improve it.
_LEARNER_SAMPLES = 2_000_000
_LEARNER_EPOCHS = 60


def _check_is_data(X: Any) -> None:
    """Raise TypeError for a recorder, a path or a list of traces, which are no trace."""
    if isinstance(X, TraceRecorder):
        raise TypeError(
            "a rule learns from a trace and got the recorder of one: pass recorder.trace_."
        )
    if isinstance(X, (str, os.PathLike)):
        raise TypeError(
            f"a rule learns from a trace and got the path {os.fspath(X)!r}: pass Trace.open(path)."
        )
    if isinstance(X, (list, tuple)) and X and all(isinstance(one, Trace) for one in X):
        raise TypeError(
            f"a rule learns from one trace and got {len(X)}: pass their sum, trace_1 + trace_2."
        )


def _weighted(sample_weight: ArrayLike | None, X: Any, *others: Any) -> tuple[Any, ...]:
    """Return weights, X and others without rows of weight 0; all rows without weights."""
    if sample_weight is None:
        return None, X, *others
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    counts = weights > 0
    if not counts.any():
        raise ValueError("sample_weight is 0 everywhere: there is nothing to learn from.")
    return weights[counts], X[counts], *(other[counts] for other in others)


@documents(SCOPES)
class LearnedUpdateRule(RegressorMixin, UpdateRule):
    r"""An update rule that imitates the trainings it was fitted on.

    ``fit`` takes a :class:`Trace`. The fitted estimator is an ``update_rule``. The scope is the
    part of a network that one prediction is for:

    {scopes}

    Parameters
    ----------
    learner : regressor, default=None
        Any scikit-learn regressor. None is the default of the scope: a
        :class:`BackpropMLPRegressor`, on standardised columns if the scope needs them. A fitted MLP
        of this package or of scikit-learn, alone or with scalers in a ``Pipeline`` or
        ``TransformedTargetRegressor``, runs compiled inside the step. Every other learner runs
        through its ``predict``.
    scope : str, default="link"
        One of the scopes above.
    inputs : list of str, default=None
        Inputs of the learner; None for the default inputs of the scope.

        {inputs}
    random_state : int, RandomState instance or None, default=None
        Draws the predictions to learn from, and seeds a learner that has no seed of its own.
    subsample : int or None, default=40_000
        Maximum number of predictions to learn from. If a trace or a matrix has more, so many are
        drawn at random. More predictions than the default mostly change the third digit of R². None
        learns from all, and needs memory and time for all.

    Attributes
    ----------
    learner_ : regressor
        The fitted learner.
    scope_ : str
        Name of the scope that was fitted.
    fitted_scope_ : Scope
        The scope with everything that was learned. The methods of the rule call its methods.
    inputs_ : tuple of str
        Names of the inputs.
    {facts}
    is_compiled_ : bool
        True if the learner runs inside the step, as one MLP of the compiled kernels or of their
        NumPy fallbacks. False if every step calls its ``predict``.
    n_features_in_ : int
        Number of columns of the fitted matrix: the inputs, then the normalizers if the scope has
        some.

    See Also
    --------
    TraceRecorder : Records the trainings to learn from.

    Notes
    -----
    The method is that of R. Jakša and M. Katrák, "Neural Network Model of the Backpropagation
    Algorithm" (2006): sample a training, learn it, and train with the learned rule.

    A clone of a fitted rule is fitted, because searches and pipelines clone the estimator that
    holds the rule. ``fit`` starts from the beginning nevertheless.

    Examples
    --------
    >>> from sklearn.datasets import load_iris, load_wine
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_metabp import SGD, BackpropMLPClassifier
    >>> from sklearn_metabp import LearnedUpdateRule, TraceRecorder
    >>> X, y = load_iris(return_X_y=True)
    >>> recorder = TraceRecorder()
    >>> teacher = BackpropMLPClassifier((8,), update_rule=SGD(0.1), batch_size=30, tol=0.01)
    >>> teacher = teacher.set_params(random_state=0).set_callbacks(recorder)
    >>> teacher = teacher.fit(scale(X), y)
    >>> rule = LearnedUpdateRule(random_state=0).fit(recorder.trace_)
    >>> print(f"R² {rule.score(recorder.trace_):.3f}")
    R² 1.000
    >>> X, y = load_wine(return_X_y=True)
    >>> student = BackpropMLPClassifier(
    ...     (20, 10), update_rule=rule, tol=0.005, random_state=0
    ... )
    >>> print(f"accuracy {student.fit(scale(X), y).score(scale(X), y):.2f}")
    accuracy 0.99
    """

    fitted_scope_: Scope

    trains_extras = False
    _parameter_constraints: dict = {
        "learner": [HasMethods(["fit", "predict"]), None],
        "scope": [StrOptions(SCOPES.keys())],
        "inputs": ["array-like", None],
        "random_state": ["random_state"],
        "subsample": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        learner: Any = None,
        *,
        scope: str = "link",
        inputs: Sequence[str] | None = None,
        random_state: int | np.random.RandomState | None = None,
        subsample: int | None = 40_000,
    ):
        self.learner = learner
        self.scope = scope
        self.inputs = inputs
        self.random_state = random_state
        self.subsample = subsample

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Learn to predict updates.

        Parameters
        ----------
        X : Trace or array-like of shape (n_samples, n_columns)
            Recorded trainings, or a matrix as ``Trace.features`` gives. If there are more than
            ``subsample`` predictions, or rows of the matrix, so many are drawn without replacement.
            A matrix whose columns are not those of the scope is fitted as by any regressor. The
            rule then predicts and cannot train.
        y : array-like of shape (n_samples,) or (n_samples, n_params), default=None
            Targets as ``Trace.targets_of`` gives; None for a trace, which has its own.
        sample_weight : array-like of shape (n_steps,) or (n_samples,), default=None
            Weight of every step of the trace, or of every row of the matrix: 0 or more.
            ``Trace.advantage`` returns weights of steps. All predictions of a step have its weight.
            Steps and rows of weight 0 are left out before predictions are drawn. The learner must
            take weights, alone or at the end of a ``Pipeline`` or inside a
            ``TransformedTargetRegressor``.

        Returns
        -------
        self : LearnedUpdateRule

        Raises
        ------
        TypeError
            If X is a recorder or the path of a trace.
        ValueError
            If the trace lacks a variable that the inputs need, or has no rows. If there are weights
            and the learner takes none, if a weight is negative or not finite, or if all are 0.

        Warns
        -----
        UserWarning
            If the rule can predict and cannot train, because the matrix has other columns than the
            scope, or lacks numbers that the scope learns from a trace.
        """
        _check_is_data(X)
        scope: Scope = SCOPES[self.scope](self.inputs)
        random_state = check_random_state(self.random_state)
        if isinstance(X, Trace):
            if y is not None:
                raise ValueError("a trace has its own targets: call fit(trace) without y.")
            steps, trace = _weighted(sample_weight, X)
            drawn = DrawnPredictions(scope, self.subsample, random_state)
            drawn.add(trace, steps)
            return self._fit_drawn(scope, drawn, random_state)
        several = scope.has_many_targets
        X, y = validate_data(
            self, X, y, y_numeric=True, multi_output=several, dtype=(np.float64, np.float32)
        )
        y = y if several and y.ndim == 2 and y.shape[1] > 1 else column_or_1d(y, warn=True)
        samples, X, y = _weighted(sample_weight, X, y)
        numbers = draw_numbers(len(X), self.subsample, random_state)
        if len(numbers) < len(X):
            X, y = X[numbers], y[numbers]
            samples = None if samples is None else samples[numbers]
        learner = self._new_learner(scope, random_state, len(X))
        if not scope.takes_columns(X.shape[1]):
            scope = PlainRegression(scope, X.shape[1])
        scope.fit(X, y, learner, None, SampleWeights(samples))
        if scope.cannot_train_because is not None:
            warnings.warn(
                f"This rule predicts and cannot train: {scope.cannot_train_because}",
                UserWarning,
                stacklevel=3,
            )
        return self._take(scope)

    def draw_predictions(self) -> DrawnPredictions:
        """Return a collection without predictions, to which traces are added before a fit.

        So a rule that is fitted several times, each time on more traces, reads each trace once.

        Returns
        -------
        drawn : DrawnPredictions
            It has the scope, the inputs and the ``subsample`` of this rule.
        """
        self._validate_params()
        scope = SCOPES[self.scope](self.inputs)
        return DrawnPredictions(scope, self.subsample, check_random_state(self.random_state))

    def fit_drawn(self, drawn: DrawnPredictions) -> Self:
        """Learn from predictions that were drawn before, as ``fit`` does from their trace.

        Parameters
        ----------
        drawn : DrawnPredictions
            From :meth:`draw_predictions`, with at least one trace.

        Returns
        -------
        self : LearnedUpdateRule

        Raises
        ------
        ValueError
            If there are no predictions.
        """
        self._validate_params()
        scope = SCOPES[self.scope](self.inputs)
        return self._fit_drawn(scope, drawn, check_random_state(self.random_state))

    def _fit_drawn(
        self, scope: Scope, drawn: DrawnPredictions, random_state: np.random.RandomState
    ) -> Self:
        X, y = drawn.features, drawn.targets
        learner = self._new_learner(scope, random_state, len(X))
        scope.fit(X, y, learner, drawn.trace, drawn.weights)
        self.__dict__.pop("feature_names_in_", None)
        self.n_features_in_ = X.shape[1]
        return self._take(scope)

    def _take(self, scope: Scope) -> Self:
        """Take a fitted scope as the rule's own."""
        if hasattr(self, "fitted_scope_"):
            for fact in self.fitted_scope_.facts:
                self.__dict__.pop(f"{fact.name}_", None)
        for fact in scope.facts:
            setattr(self, f"{fact.name}_", getattr(scope, fact.name))
        self.fitted_scope_, self.scope_, self.inputs_ = scope, scope.name, scope.inputs
        self.is_compiled_ = scope.is_compiled
        return self

    def initialize(self, **facts: Any) -> Self:
        """Set an MLP with random weights, as the start of a search over ``meta_params_``.

        The MLP has the hidden layers, the activation functions and the initialiser of ``learner``,
        and no scalers. With ``scope="layer"`` its last layer is zero. Its parameters are seeded by
        ``random_state``. There are no data, so :meth:`explain` varies every input from -1 to 1.

        Parameters
        ----------
        **facts : dict
            Values that the scope learns besides the MLP. Their names are those of the attributes
            without the underscore: ``scale=0.01``. The learning rate of rule (3) and an
            architecture must be given if the scope has them. ``scope="layer"`` also takes
            ``start``, the name of the rule made by hand from which it starts.

        Returns
        -------
        self : LearnedUpdateRule

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_metabp import BackpropMLPRegressor, LearnedUpdateRule
        >>> rule = LearnedUpdateRule(BackpropMLPRegressor((4,), "tanh"), random_state=0)
        >>> rule = rule.initialize(normalizer="rms_0.9", scale=0.1)
        >>> rule.meta_params_.shape  # 7 x 4 + 4 weights, 4 + 1 biases, and the scale
        (38,)
        >>> rng = np.random.default_rng(0)
        >>> other = rule.with_meta_params(rule.meta_params_ + 0.1 * rng.standard_normal(38))
        """
        self._validate_params()
        scope = SCOPES[self.scope](self.inputs)
        scope.set_facts(facts)
        template = scope.default_learner() if self.learner is None else self.learner
        mlp = scope.draw_start(template, check_random_state(self.random_state))
        ones = np.ones(mlp.layout.layer_sizes[0])
        scope.take_mlp(mlp, InputRanges(-ones, 0 * ones, ones), "float64")
        return self._take_mlp_scope(scope)

    def _take_mlp_scope(self, scope: Scope) -> Self:
        """Take a scope that was made from an MLP and not fitted."""
        self.__dict__.pop("feature_names_in_", None)
        self.n_features_in_ = len(scope.ranges.typical) + len(scope.extra_columns)
        return self._take(scope)

    @property
    def meta_params_(self) -> np.ndarray:
        """Flat float64 vector of all numbers of the rule, read-only.

        First come the parameters of the MLP, with scalers folded in, in the order of a
        :class:`~sklearn_metabp.network.ParameterLayout`. The other numbers of the scope follow:
        ``scale_``, ``first_step_`` if the normalizer is the stride, ``learning_rate_``. It raises
        ValueError if the learner is no MLP, or if the rule cannot train.
        """
        self._check_is_fitted()
        return self.fitted_scope_.meta_params

    @property
    def meta_scales_(self) -> np.ndarray:
        """Sizes that a search measures changes of ``meta_params_`` in, of the same shape."""
        self._check_is_fitted()
        return self.fitted_scope_.meta_scales

    def with_meta_params(self, meta_params: ArrayLike) -> Self:
        """Return a copy of the rule with other numbers in its MLP and facts.

        Nothing is fitted or copied: the new rule shares ``learner`` and all other parameters with
        this one. Its ``learner_`` is the MLP of the numbers.

        Parameters
        ----------
        meta_params : array-like of shape (n_meta_params,)
            Finite numbers, in the order of ``meta_params_``. With ``meta_params_`` itself,
            trainings by the new rule have the same bits.

        Returns
        -------
        rule : LearnedUpdateRule

        Raises
        ------
        NotFittedError
            If the rule has been neither fitted nor initialized.
        ValueError
            If the learner is no MLP, or the vector has another length or is not finite.
        """
        self._check_is_fitted()
        rule = type(self).__new__(type(self))
        rule.__dict__.update(self.__dict__)
        return rule._take(self.fitted_scope_.with_meta_params(meta_params))

    def _check_is_fitted(self) -> None:
        """Raise NotFittedError as scikit-learn's check does, but faster for a fitted rule."""
        if "fitted_scope_" not in vars(self):
            check_is_fitted(self)

    @property
    def learner_(self) -> Any:
        """The fitted learner."""
        if not hasattr(self, "fitted_scope_"):
            raise AttributeError(f"{type(self).__name__} has no learner_ before it is fitted.")
        return self.fitted_scope_.learner

    def __getattr__(self, name: str) -> Any:
        if name == "unit_":
            kind = type(self).__name__
            raise AttributeError(f"{kind} has no attribute 'unit_': it is called normalizer_.")
        return super().__getattribute__(name)  # raises again the error of a property

    def set_params(self, **params: Any) -> Self:
        """Set parameters of this rule, and of its learner or the default one.

        A default learner may be behind a scaler. The parameters of its network have the same names
        as without a scaler: ``learner__hidden_layer_sizes``.

        Parameters
        ----------
        **params : dict
            Names and values.

        Returns
        -------
        self : LearnedUpdateRule
        """
        of_learner = any(name.startswith("learner__") for name in params)
        if of_learner and self.learner is None and "learner" not in params:
            scope = params.get("scope", self.scope)
            self.learner = set_epochs(SCOPES[scope].default_learner(), _LEARNER_EPOCHS)
            params = {
                expand_param_name(name, self.learner): value for name, value in params.items()
            }
        return super().set_params(**params)

    def _new_learner(
        self, scope: Scope, random_state: np.random.RandomState, n_samples: int
    ) -> Any:
        if self.learner is None:
            n_epochs = int(np.clip(_LEARNER_SAMPLES / n_samples, _LEARNER_EPOCHS, 1000))
            return set_seeds(set_epochs(scope.default_learner(), n_epochs), random_state)
        learner = clone(self.learner)
        return learner if self.random_state is None else set_seeds(learner, random_state)

    @property
    def replayable(self) -> bool:  # type: ignore[override]
        """True unless the scope reads validations, which happen between the steps."""
        return not (hasattr(self, "fitted_scope_") and self.fitted_scope_.reads_validation)

    @property
    def acts_backward(self) -> bool:  # type: ignore[override]
        """True if the scope replaces rule (6)."""
        return hasattr(self, "fitted_scope_") and self.fitted_scope_.acts_backward

    @property
    def sets_dropout(self) -> bool:  # type: ignore[override]
        """True if the scope sets the dropout of hidden layers."""
        return hasattr(self, "fitted_scope_") and self.fitted_scope_.sets_dropout

    def predict(self, X: Any) -> np.ndarray:
        """Predict the targets of the scope: updates, or messages between neurons.

        Parameters
        ----------
        X : Trace or array-like of shape (n_samples, n_columns)

        Returns
        -------
        updates : ndarray of shape (n_samples,) or (n_samples, n_params)
            For a trace in the order of ``Trace.targets_of``.
        """
        check_is_fitted(self)
        _check_is_data(X)
        if isinstance(X, Trace):
            X = self.fitted_scope_.features(X)
        else:
            X = validate_data(self, X, reset=False, dtype=(np.float64, np.float32))
        return self.fitted_scope_.predict(X)

    def score(
        self, X: Any, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Compute the coefficient of determination R² of the predictions.

        Parameters
        ----------
        X : Trace or array-like of shape (n_samples, n_columns)
            From a large trace, 200,000 predictions are drawn, always the same.
        y : array-like of shape (n_samples,) or (n_samples, n_params), default=None
            None for a trace.
        sample_weight : array-like of shape (n_steps,) or (n_samples,), default=None
            As in :meth:`fit`.

        Returns
        -------
        r2 : float
            For several outputs, one number, in which each output has the weight of its variance.
        """
        check_is_fitted(self)
        _check_is_data(X)
        if isinstance(X, Trace):
            scope, rng = self.fitted_scope_, np.random.RandomState(0)
            steps, trace = _weighted(sample_weight, X)
            sample = scope.draw(trace, _MAX_SCORE_SAMPLES, rng)
            X, y = scope.read(trace, sample)
            sample_weight = None if steps is None else sample.spread(steps)
        predicted = self.predict(X)
        return r2_score(y, predicted, sample_weight=sample_weight, multioutput="variance_weighted")

    def init_state(self, layout: ParameterLayout) -> Any:
        """Return the scope's state before the first step; see :meth:`UpdateRule.init_state`.

        Raises
        ------
        NotFittedError
            If the rule has not been fitted.
        ValueError
            If the rule cannot train, or cannot train a network of this architecture.
        """
        check_is_fitted(self)
        if layout.extras:
            raise ValueError(
                "a learned rule updates weights and biases alone, and this network also has "
                f"{layout.extras_text}: use another update rule, or a network without them."
            )
        return self.fitted_scope_.init_state(layout)

    def state_key(self) -> tuple:
        """Return the class and the key of the scope; see :meth:`UpdateRule.state_key`."""
        return type(self), self.fitted_scope_.state_key()

    def compute_update(self, step: Step, state: Any) -> np.ndarray:
        """Compute the update that the learner predicts; see :meth:`UpdateRule.compute_update`."""
        return LearnedUpdateRule.bind(self, step, state)()

    def bind(self, step: Step, state: Any) -> Callable[[], np.ndarray]:
        """Bind the learner to one training; see :meth:`UpdateRule.bind`."""
        return self.fitted_scope_.bind(step, state)

    def bind_quiet(self, params: np.ndarray, step: Step, state: Any) -> QuietSteps | None:
        """Bind the learner to epochs without Python; see :meth:`UpdateRule.bind_quiet`."""
        return self.fitted_scope_.bind_quiet(params, step, state)

    def compute_deltas(self, step: Step, layer: int, state: Any) -> np.ndarray:
        """Compute the deltas that the learner predicts; see :meth:`UpdateRule.compute_deltas`."""
        LearnedUpdateRule.bind_deltas(self, step, state)(layer)
        return step.backprop.deltas[layer]

    def bind_deltas(self, step: Step, state: Any) -> Callable[[int], None]:
        """Bind the deltas that the learner predicts; see :meth:`UpdateRule.bind_deltas`."""
        return self.fitted_scope_.bind_deltas(step, state)

    def kept_params(self, params: np.ndarray, state: Any) -> np.ndarray:
        """Return the parameters to keep; see :meth:`UpdateRule.kept_params`."""
        return self.fitted_scope_.kept_params(params, state)

    def on_validation(self, validation_loss: float, score: float, state: Any) -> None:
        """Pass the validation loss to the scope; see :meth:`UpdateRule.on_validation`."""
        self.fitted_scope_.on_validation(validation_loss, state)

    def on_new_params(self, state: Any) -> None:
        """Drop parameters from the state; see :meth:`UpdateRule.on_new_params`."""
        self.fitted_scope_.on_new_params(state)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the rule as one file of arrays, which :func:`load_rule` reads.

        Parameters
        ----------
        path : str or path-like
            By convention it ends with ``.safetensors``. A file of that name is replaced.

        Raises
        ------
        NotFittedError
            If the rule has not been fitted.
        ValueError
            If its learner is no MLP, alone or behind scalers: such a rule is pickled.
        OSError
            If the file cannot be written; an older file is then kept.
        """
        check_is_fitted(self)
        save_scope(path, self.fitted_scope_)

    def explain(self, n_points: int = 25) -> RuleExplanation:
        """Explain the learned rule.

        Parameters
        ----------
        n_points : int, default=25
            Number of values to compute along every input.

        Returns
        -------
        explanation : RuleExplanation
            It has a ``formula`` if the rule is linear in its inputs, and ``effects``: the step as a
            function of every input. Its text is the formula, or else the effects.

        Examples
        --------
        From a trace of plain backpropagation, a linear learner finds rule (3):

        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import Ridge
        >>> from sklearn_metabp import SGD, BackpropMLPClassifier
        >>> from sklearn_metabp import LearnedUpdateRule, TraceRecorder
        >>> X, y = load_iris(return_X_y=True)
        >>> recorder = TraceRecorder()
        >>> teacher = BackpropMLPClassifier(
        ...     (8,), update_rule=SGD(0.1), tol=0.01, random_state=0
        ... )
        >>> teacher = teacher.set_callbacks(recorder).fit(X, y)
        >>> rule = LearnedUpdateRule(Ridge(alpha=1e-6)).fit(recorder.trace_)
        >>> print(rule.explain())
        Δw = 0.1·δ·x
        """
        check_is_fitted(self)
        return self.fitted_scope_.explain(n_points)

    def __sklearn_clone__(self) -> Self:
        params = {
            name: clone(value, safe=False) for name, value in self.get_params(deep=False).items()
        }
        copied = type(self)(**params)
        fitted = {k: v for k, v in self.__dict__.items() if k not in params}
        copied.__dict__.update(copy.deepcopy(fitted))
        return copied

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = self.scope in SCOPES and SCOPES[self.scope].has_many_targets
        return tags


def load_rule(path: str | os.PathLike[str]) -> LearnedUpdateRule:
    """Read a rule that :meth:`LearnedUpdateRule.save` wrote; no code in the file is run.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    rule : LearnedUpdateRule
        A fitted rule. Its ``learner_`` is the MLP, with scalers folded into its weights. If there
        were scalers, the MLP is behind a scaler that subtracts a centre. For every scope and all
        inputs, trainings have the same bits as with the saved rule. Predictions are the same up to
        rounding. ``fit`` starts again with the default learner.

    Raises
    ------
    RuleFileError
        If the file is no rule file, or a damaged one.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from sklearn_metabp import Adam, BackpropMLPRegressor, LearnedUpdateRule, load_rule
    >>> X = np.random.default_rng(0).uniform(0.1, 1, (100, 8))
    >>> learner = BackpropMLPRegressor((4,), update_rule=Adam(0.05), tol=0.001)
    >>> rule = LearnedUpdateRule(learner, random_state=0).fit(X, -X[:, 0])
    >>> path = os.path.join(tempfile.mkdtemp(), "rule.safetensors")
    >>> rule.save(path)
    >>> rule.predict(X[:3]).round(2)
    array([-0.63, -0.44, -0.81])
    >>> load_rule(path).predict(X[:3]).round(2)
    array([-0.63, -0.44, -0.81])
    """
    scope = read_scope(path, SCOPES)
    return LearnedUpdateRule(scope=scope.name, inputs=list(scope.inputs))._take_mlp_scope(scope)


def set_epochs(learner: Any, n_epochs: int) -> Any:
    """Make the MLP inside a default learner train for a fixed number of epochs."""
    for name in list(learner.get_params()):
        if name == "max_iter" or name.endswith("__max_iter"):
            prefix = name.removesuffix("max_iter")
            learner.set_params(**{name: n_epochs, f"{prefix}n_iter_no_change": np.inf})
    return learner


def expand_param_name(name: str, learner: Any) -> str:
    """Expand ``learner__x`` to the name that the parameter x has inside the learner."""
    within = name.removeprefix("learner__")
    known = learner.get_params()
    if within == name or within.partition("__")[0] in known:
        return name
    full = [f"learner__{other}" for other in known if other.endswith(f"__{within}")]
    return full[0] if len(full) == 1 else name


def set_seeds(learner: Any, random_state: np.random.RandomState) -> Any:
    """Seed every part of a learner that has no seed of its own."""
    seeds = {
        name: random_state.randint(2**31)
        for name, value in sorted(learner.get_params().items())
        if (name == "random_state" or name.endswith("__random_state")) and value is None
    }
    return learner.set_params(**seeds)

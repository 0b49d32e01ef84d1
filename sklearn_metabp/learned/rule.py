"""The update rule that is learned from traces."""

import copy
import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin, _fit_context, clone
from sklearn.metrics import r2_score
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from sklearn_metabp.learned.learners import for_exactly, full_name, seeded
from sklearn_metabp.learned.link_model import LinkModel
from sklearn_metabp.learned.model import PlainModel, ScopeModel
from sklearn_metabp.learned.network_scope import NetworkModel
from sklearn_metabp.learned.neuron import NeuronModel
from sklearn_metabp.learned.rule_files import save_model
from sklearn_metabp.tracing import Trace, TraceRecorder
from sklearn_metabp.update_rules import UpdateRule

MODELS: dict[str, Callable[[Any], ScopeModel]] = {
    "link": LinkModel,
    "network": NetworkModel,
    "neuron": NeuronModel,
}

# Rows drawn from a trace to fit on, and to score on: more change the third digit.
_MAX_FIT_ROWS = 40_000
_MAX_SCORE_ROWS = 200_000
# Rows that a default learner goes through, epochs times rows: longer training shows no more.
_LEARNER_ROWS = 2_000_000
_LEARNER_EPOCHS = 60


def _check_is_data(X) -> None:
    """Raise TypeError for what a trace is to be had from."""
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


class LearnedUpdateRule(RegressorMixin, UpdateRule):
    r"""An update rule that imitates the trainings it was fitted on.

    ``fit`` takes a :class:`Trace`; the fitted estimator is an ``update_rule``. Three scopes say
    what one prediction is about.

    ``"link"``, for networks of any architecture: from what is known at a link, the learner f
    predicts its update in the link's own unit,

    .. math::
        \Delta w = c \, u \, f(z)

    where z are the ``inputs``, c is a constant and u a unit. With the running root mean square of
    the link's gradient (decay 0.9) for u, updates grow with the gradient, as those of plain
    backpropagation do; with 1 they do not, as those of Adam. Where ``"last_step"`` is an input, u
    may also be the stride, the size of the link's last step, against the gradient: Rprop's updates
    are shares of it. ``fit`` takes the unit under which more of the updates is linear in z. The
    inputs are quotients of the gradient, its running means and its running root mean squares, so
    the rule does not depend on the scale of loss or data. A link that never saw a gradient stays
    where it is.

    ``"neuron"``, for networks of any architecture: rule (6) alone, as a message per link that is
    summed over the next layer,

    .. math::
        \delta_i = c \sum_h \delta_h w_{hi} \, f(\delta_h / d, \; w_{hi} / v, \; f'(in_i))

    where d and v are the root mean squares of the next layer's deltas and of its weights. Rules
    (3) and (5) stay as they are, with the learning rate that the trace shows.

    ``"network"``, for the one architecture that was recorded: the paper's full set of rules. From
    all weights, biases, inputs, outputs and targets of a pattern, f predicts every update; a batch
    takes the mean over its patterns.

    Parameters
    ----------
    learner : regressor, default=None
        Any scikit-learn regressor; None is :class:`BackpropMLPRegressor` with 8 relu units for
        ``"link"`` and, on standardised columns, with 16 tanh units for the others. A fitted MLP,
        ours or scikit-learn's, alone or with scalers in a ``Pipeline`` or
        ``TransformedTargetRegressor``, runs compiled inside the step; any other runs through its
        ``predict``.
    scope : {"link", "neuron", "network"}, default="link"
        What one prediction is about.
    inputs : list of str, default=None
        What the learner sees. Of a link: ``"gradient/rms_0.9"``, ``"momentum_0.5/rms_0.9"``,
        ``"momentum_0.9/rms_0.9"``, ``"momentum_0.99/rms_0.9"``, the same over ``rms_0.999``,
        ``"rms_0.9/rms_0.999"``; ``"weight"`` in root mean squares of its matrix; ``"activation"``
        of the source and ``"delta"`` of the target unit, means over the batch in root mean squares
        of the layer (the trace must have ``activations`` and ``deltas``); ``"is_bias"``,
        ``"is_output"``, ``"depth"``; ``"warmup_0.9"``, ``"warmup_0.99"`` and ``"warmup_0.999"``,
        which are ``1 - decay**t``. Four more are remembered only where they are asked for:
        ``"gradient/peak_0.999"`` and ``"momentum_0.9/peak_0.999"``, over a running maximum of the
        gradient's size; ``"gradient/norm"``, over the root of its summed squares; ``"last_step"``,
        the last update over the stride, against the gradient. None is ``gradient/rms_0.9
        momentum_0.9/rms_0.9 momentum_0.99/rms_0.9 gradient/rms_0.999 momentum_0.9/rms_0.999
        rms_0.9/rms_0.999 warmup_0.9``. Of a message: ``"delta"``, ``"weight"`` and
        ``"derivative"``, None is all three. Of a network: ``weights biases inputs outputs targets
        hidden_activations net_inputs derivatives deltas loss``, None is the first five.
    random_state : int, RandomState instance or None, default=None
        Draws the rows to learn from, and seeds a learner that has no seed of its own.

    Attributes
    ----------
    learner_ : regressor
        The fitted learner.
    scope_ : str
        The scope that was fitted.
    inputs_ : tuple of str
        Names of the inputs.
    unit_ : {"1", "rms_0.9", "stride"}
        The unit u; ``"link"`` only.
    first_step_ : float
        Size of the step of a link that has taken none yet, where the unit is the stride; ``"link"``
        only.
    scale_ : float
        The constant c, the root mean square of the targets in their units; not for ``"network"``.
    learning_rate_ : float
        Of rule (3); ``"neuron"`` only.
    layer_sizes_ : tuple of int
        The architecture; ``"network"`` only.
    is_compiled_ : bool
        Whether the learner runs inside the step, as one MLP of the compiled core (or of its NumPy
        twin where nothing was compiled); False where every step calls its ``predict``.
    n_features_in_ : int
        Columns of the matrix that was fitted; of ``"link"`` and ``"neuron"`` the inputs are
        followed by the unit, or units where ``"last_step"`` is an input.

    See Also
    --------
    TraceRecorder : Records the trainings to learn from.

    Notes
    -----
    Sampling a training, learning it and training with what was learned is due to R. Jakša and M.
    Katrák, "Neural Network Model of the Backpropagation Algorithm" (2006).

    A clone keeps what was fitted, because searches and pipelines clone the estimator that holds the
    rule; fitting starts afresh all the same.

    Examples
    --------
    >>> from sklearn.datasets import load_iris, load_wine
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_metabp import SGD, BackpropMLPClassifier, LearnedUpdateRule, TraceRecorder
    >>> X, y = load_iris(return_X_y=True)
    >>> recorder = TraceRecorder()
    >>> teacher = BackpropMLPClassifier((8,), update_rule=SGD(0.1), batch_size=30, tol=0.01, random_state=0)
    >>> teacher = teacher.set_callbacks(recorder).fit(scale(X), y)
    >>> rule = LearnedUpdateRule(random_state=0).fit(recorder.trace_)
    >>> rule.score(recorder.trace_) > 0.99
    True
    >>> X, y = load_wine(return_X_y=True)
    >>> student = BackpropMLPClassifier((20, 10), update_rule=rule, tol=0.005, random_state=0)
    >>> student.fit(scale(X), y).score(scale(X), y) > 0.95
    True
    """

    replayable = True

    _parameter_constraints: dict = {
        "learner": [HasMethods(["fit", "predict"]), None],
        "scope": [StrOptions(set(MODELS))],
        "inputs": ["array-like", None],
        "random_state": ["random_state"],
    }

    def __init__(self, learner=None, *, scope="link", inputs=None, random_state=None):
        self.learner = learner
        self.scope = scope
        self.inputs = inputs
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Learn to predict updates.

        Parameters
        ----------
        X : Trace or array-like of shape (n_samples, n_columns)
            Recorded trainings, or a matrix as ``Trace.features`` gives. With ``scope="link"`` or
            ``"neuron"`` a matrix with another number of columns is fitted as any regressor would;
            the result predicts but cannot train.
        y : array-like of shape (n_samples,) or (n_samples, n_params), default=None
            Targets as ``Trace.targets_of`` gives; None for a trace, which has its own.

        Returns
        -------
        self : LearnedUpdateRule

        Raises
        ------
        TypeError
            If X is a recorder or the path of a trace.
        ValueError
            If the trace lacks what the inputs need, or has no rows.

        Warns
        -----
        UserWarning
            If the rule can predict and cannot train, because the matrix has other columns than the
            scope, or with ``scope="neuron"`` because a matrix does not tell the learning rate of
            rule (3).
        """
        _check_is_data(X)
        model: ScopeModel = MODELS[self.scope](self.inputs)
        random_state = check_random_state(self.random_state)
        trace = X if isinstance(X, Trace) else None
        if trace is not None:
            if y is not None:
                raise ValueError("a trace has its own targets: call fit(trace) without y.")
            X, y = model.sample(trace, _MAX_FIT_ROWS, random_state)
        else:
            several = self.scope == "network"
            X, y = validate_data(
                self, X, y, y_numeric=True, multi_output=several, dtype=(np.float64, np.float32)
            )
            y = y if several and y.ndim == 2 and y.shape[1] > 1 else column_or_1d(y, warn=True)
        learner = self._new_learner(model, random_state, len(X))
        inputs = model.inputs
        if not model.takes(X.shape[1]):
            wanted = f"the {len(inputs)} inputs of scope={self.scope!r} and the unit"
            model = PlainModel(self.scope, X.shape[1], wanted)
        model.fit(X, y, learner, trace)
        if model.why_not is not None:
            warnings.warn(
                f"This rule predicts and cannot train: {model.why_not}", UserWarning, stacklevel=3
            )
        if trace is not None:
            self.__dict__.pop("feature_names_in_", None)
            self.n_features_in_ = X.shape[1]
        return self._take(model, inputs)

    def _take(self, model: ScopeModel, inputs: tuple[str, ...]):
        """Become the rule that a fitted model makes."""
        self.scope_ = next(
            (name for name, kind in MODELS.items() if kind is type(model)), self.scope
        )
        self.inputs_, self.learner_, self.is_compiled_ = inputs, model.learner, model.is_compiled
        for name in ("unit", "scale", "first_step", "learning_rate", "layer_sizes"):
            self.__dict__.pop(f"{name}_", None)
            if hasattr(model, name):
                setattr(self, f"{name}_", getattr(model, name))
        self._model = model
        return self

    def set_params(self, **params):
        """Set the parameters of this rule; ``learner__…`` of the default learner where there is none.

        Of a default learner behind a scaler, as those of ``"neuron"`` and ``"network"`` are, the
        network's parameters go by the names they have in ``"link"``'s:
        ``learner__hidden_layer_sizes``.

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
            self.learner = for_exactly(_LEARNER_EPOCHS, MODELS[scope](None).default_learner())
            params = {full_name(name, self.learner): value for name, value in params.items()}
        return super().set_params(**params)

    def _new_learner(self, model: ScopeModel, random_state, n_rows: int):
        if self.learner is None:
            n_epochs = int(np.clip(_LEARNER_ROWS / n_rows, _LEARNER_EPOCHS, 1000))
            return seeded(for_exactly(n_epochs, model.default_learner()), random_state)
        learner = clone(self.learner)
        return learner if self.random_state is None else seeded(learner, random_state)

    @property
    def acts_backward(self) -> bool:  # type: ignore[override]
        """Whether the rule stands in for rule (6), as ``scope="neuron"`` does."""
        return self._model.acts_backward if hasattr(self, "_model") else False

    def predict(self, X):
        """Predict updates; with ``scope="neuron"`` messages.

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
            X, _ = self._model.sample(X, None, None)
        else:
            X = validate_data(self, X, reset=False, dtype=(np.float64, np.float32))
        return self._model.predict(X)

    def score(self, X, y=None, sample_weight=None):
        """Coefficient of determination R² of what is predicted.

        Parameters
        ----------
        X : Trace or array-like of shape (n_samples, n_columns)
            Of a trace with many rows so many are drawn, always the same.
        y : array-like of shape (n_samples,) or (n_samples, n_params), default=None
            None for a trace.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        r2 : float
            Of several outputs together, each counted by its variance.
        """
        check_is_fitted(self)
        _check_is_data(X)
        if isinstance(X, Trace):
            X, y = self._model.sample(X, _MAX_SCORE_ROWS, np.random.RandomState(0))
        predicted = self.predict(X)
        return r2_score(y, predicted, sample_weight=sample_weight, multioutput="variance_weighted")

    def init_state(self, layout):
        """What the scope remembers before the first step; see :meth:`UpdateRule.init_state`.

        Raises
        ------
        NotFittedError
            If the rule has not been fitted.
        ValueError
            If it was fitted on something else than what its scope sees, or with ``scope="network"``
            on another architecture.
        """
        check_is_fitted(self)
        return self._model.init_state(layout)

    def state_key(self):
        """Its class and what the scope remembers; see :meth:`UpdateRule.state_key`."""
        return type(self), self._model.state_key()

    def compute_update(self, step, state):
        """What the learner predicts; see :meth:`UpdateRule.compute_update`."""
        return LearnedUpdateRule.bind(self, step, state)()

    def bind(self, step, state):
        """Bind the learner to one training; see :meth:`UpdateRule.bind`."""
        return self._model.bind(step, state)

    def compute_deltas(self, step, layer, state):
        """What the learner sends back; see :meth:`UpdateRule.compute_deltas`."""
        LearnedUpdateRule.bind_deltas(self, step, state)(layer)
        return step.backprop.deltas[layer]

    def bind_deltas(self, step, state):
        """Bind what the learner sends back; see :meth:`UpdateRule.bind_deltas`."""
        return self._model.bind_deltas(step, state)

    def save(self, path) -> None:
        """Write the rule as one file of arrays, which :func:`load_rule` reads.

        Parameters
        ----------
        path : str or path-like
            By custom it ends with ``.safetensors``. A file of that name is replaced.

        Raises
        ------
        NotFittedError
            If the rule has not been fitted.
        ValueError
            If its learner is no MLP, alone or behind scalers: such a rule is pickled.
        OSError
            If the file cannot be written; then what was there stays.
        """
        check_is_fitted(self)
        save_model(path, self.scope_, self._model)

    def explain(self, n_points=25):
        """What the rule has learned, readable.

        Parameters
        ----------
        n_points : int, default=25
            Values to look at along every input.

        Returns
        -------
        explanation : RuleExplanation
            Its ``formula`` where the rule is linear in its inputs, and its ``effects``: the step as
            a function of every input. Printed, the one or the other.

        Examples
        --------
        Of plain backpropagation a linear learner reads rule (3):

        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import Ridge
        >>> from sklearn_metabp import SGD, BackpropMLPClassifier, LearnedUpdateRule, TraceRecorder
        >>> X, y = load_iris(return_X_y=True)
        >>> recorder = TraceRecorder()
        >>> teacher = BackpropMLPClassifier((8,), update_rule=SGD(0.1), tol=0.01, random_state=0)
        >>> teacher = teacher.set_callbacks(recorder).fit(X, y)
        >>> rule = LearnedUpdateRule(Ridge(alpha=1e-6)).fit(recorder.trace_)
        >>> print(rule.explain())
        Δw = 0.1·δ·x
        """
        check_is_fitted(self)
        return self._model.explain(n_points)

    def __sklearn_clone__(self):
        params = {
            name: clone(value, safe=False) for name, value in self.get_params(deep=False).items()
        }
        twin = type(self)(**params)
        fitted = {k: v for k, v in self.__dict__.items() if k not in params}
        twin.__dict__.update(copy.deepcopy(fitted))
        return twin

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = self.scope == "network"
        return tags

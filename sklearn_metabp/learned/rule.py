"""The update rule that is learned from traces."""

import copy

import numpy as np
from sklearn.base import RegressorMixin, _fit_context, clone
from sklearn.metrics import r2_score
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from sklearn_metabp._kernels import LinkRule
from sklearn_metabp.estimators import BackpropMLPRegressor
from sklearn_metabp.learned.compiled import MLPArrays, as_mlp
from sklearn_metabp.learned.link import EPSILON, LinkHistory, LinkScope, check_link_inputs, codes_of
from sklearn_metabp.tracing import Trace
from sklearn_metabp.update_rules import Adam, UpdateRule

# Links drawn from a trace to fit on, and to score on: more change the third digit.
_MAX_FIT_LINKS = 40_000
_MAX_SCORE_LINKS = 200_000
# Rows that the default learner goes through, epochs times links: longer training shows no more.
_LEARNER_ROWS = 2_000_000
_LEARNER_EPOCHS = 60


def default_learner() -> BackpropMLPRegressor:
    """The network that learns where a rule is given no learner."""
    return BackpropMLPRegressor(
        (8,),
        "relu",
        update_rule=Adam(learning_rate=0.005),
        alpha=0.0,
        max_iter=_LEARNER_EPOCHS,
        n_iter_no_change=np.inf,
    )


class LearnedUpdateRule(RegressorMixin, UpdateRule):
    r"""An update rule that imitates the trainings it was fitted on.

    ``fit`` takes a :class:`Trace`; the fitted estimator is an ``update_rule`` for networks of any
    architecture. With ``scope="link"`` one prediction is about one link: from what is known there, the
    learner f predicts the update in the link's own unit,

    .. math::
        \Delta w = c \, r^p \, f(z)

    where z are the ``inputs``, r the running root mean square of the link's gradient with decay 0.9, c a
    constant and p 0 or 1. For p = 1 updates grow with the gradient, as those of plain backpropagation
    do; for p = 0 they do not, as those of Adam. ``fit`` takes the p under which more of the updates is
    linear in z. The inputs are quotients of the gradient, its running means and its running root mean
    squares, so the rule does not depend on the scale of loss or data. A link that never saw a gradient
    stays where it is.

    Parameters
    ----------
    learner : regressor, default=None
        Any scikit-learn regressor; None is :class:`BackpropMLPRegressor` with 8 relu units. A fitted MLP,
        ours or scikit-learn's, alone or with scalers in a ``Pipeline`` or ``TransformedTargetRegressor``,
        runs compiled inside the step; any other runs through its ``predict``.
    scope : {"link"}, default="link"
        What one prediction is about.
    inputs : list of str, default=None
        What the learner sees of a link: ``"gradient/rms_0.9"``, ``"momentum_0.5/rms_0.9"``,
        ``"momentum_0.9/rms_0.9"``, ``"momentum_0.99/rms_0.9"``, the same over ``rms_0.999``,
        ``"rms_0.9/rms_0.999"``; ``"weight"`` in root mean squares of its matrix; ``"activation"`` of the
        source and ``"delta"`` of the target unit, means over the batch in root mean squares of the layer
        (the trace must have ``activations`` and ``deltas``); ``"is_bias"``, ``"is_output"``, ``"depth"``;
        ``"warmup_0.9"`` and ``"warmup_0.99"``, which are ``1 - decay**t``. None is ``gradient/rms_0.9
        momentum_0.9/rms_0.9 momentum_0.99/rms_0.9 gradient/rms_0.999 momentum_0.9/rms_0.999
        rms_0.9/rms_0.999 warmup_0.9``.
    random_state : int, RandomState instance or None, default=None
        Draws the links to learn from, and seeds a learner that has no seed of its own.

    Attributes
    ----------
    learner_ : regressor
        The fitted learner.
    inputs_ : tuple of str
        Names of the inputs.
    homogeneity_ : {0, 1}
        The exponent p.
    scale_ : float
        The constant c, the root mean square of the updates in their units.
    is_compiled_ : bool
        Whether the learner runs compiled inside the step.
    n_features_in_ : int
        Columns of the matrix that was fitted: the inputs, then the unit r.

    See Also
    --------
    TraceRecorder : Records the trainings to learn from.

    Notes
    -----
    Sampling a training, learning it and training with what was learned is due to R. Jakša and M. Katrák,
    "Neural Network Model of the Backpropagation Algorithm" (2006).

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
        "scope": [StrOptions({"link"})],
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
            Recorded trainings, or a matrix as ``Trace.features`` gives. A matrix with another number
            of columns is fitted as any regressor would; the result predicts but cannot train.
        y : array-like of shape (n_samples,), default=None
            Updates as ``Trace.targets_of`` gives; None for a trace, which has its own.

        Returns
        -------
        self : LearnedUpdateRule

        Raises
        ------
        ValueError
            If the trace lacks what the inputs need, or has no rows.
        """
        inputs = check_link_inputs(self.inputs)
        random_state = check_random_state(self.random_state)
        if isinstance(X, Trace):
            if y is not None:
                raise ValueError("a trace has its own targets: call fit(trace) without y.")
            X, y = LinkScope().sample(X, inputs, _MAX_FIT_LINKS, random_state)
            self.__dict__.pop("feature_names_in_", None)
            self.n_features_in_ = X.shape[1]
        else:
            X, y = validate_data(self, X, y, y_numeric=True, dtype=(np.float64, np.float32))
            y = column_or_1d(y, warn=True)
        self.inputs_ = inputs
        self.homogeneity_, unit = 0, np.ones(len(X), X.dtype)
        if self._is_rule():
            X, unit, self.homogeneity_ = _split(X, y)
        self.scale_ = float(np.sqrt(np.mean((y / unit) ** 2))) or 1.0
        self.learner_ = self._new_learner(random_state, len(X)).fit(X, y / unit / self.scale_)
        self._codes = codes_of(inputs)
        self._mlp: MLPArrays | None = as_mlp(self.learner_) if self._is_rule() else None
        self.is_compiled_ = self._mlp is not None
        return self

    def set_params(self, **params):
        """Set the parameters of this rule; ``learner__…`` of the default learner where there is none.

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
            self.learner = default_learner()
        return super().set_params(**params)

    def _new_learner(self, random_state, n_links: int):
        if self.learner is None:
            n_epochs = int(np.clip(_LEARNER_ROWS / n_links, _LEARNER_EPOCHS, 1000))
            return default_learner().set_params(max_iter=n_epochs, random_state=random_state.randint(2**31))
        learner = clone(self.learner)
        seeds = {
            name: random_state.randint(2**31)
            for name, value in sorted(learner.get_params().items())
            if (name == "random_state" or name.endswith("__random_state")) and value is None
        }
        return learner.set_params(**seeds) if self.random_state is not None else learner

    def _is_rule(self) -> bool:
        """Whether the columns that were fitted are the inputs and the unit."""
        return self.n_features_in_ == len(self.inputs_) + 1

    def predict(self, X):
        """Predict updates.

        Parameters
        ----------
        X : Trace or array-like of shape (n_samples, n_columns)

        Returns
        -------
        updates : ndarray of shape (n_samples,)
            For a trace, of every link of every row: in the order of ``Trace.targets_of``.
        """
        check_is_fitted(self)
        if isinstance(X, Trace):
            X = LinkScope().features(X, self._inputs_of_rule())
        else:
            X = validate_data(self, X, reset=False, dtype=(np.float64, np.float32))
        unit = 1.0
        if self._is_rule():
            X, unit = X[:, :-1], X[:, -1] ** self.homogeneity_
        return self.learner_.predict(X) * unit * self.scale_

    def score(self, X, y=None, sample_weight=None):
        """Coefficient of determination R² of the updates.

        Parameters
        ----------
        X : Trace or array-like of shape (n_samples, n_columns)
            Of a trace with many links so many are drawn, always the same.
        y : array-like of shape (n_samples,), default=None
            None for a trace.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        r2 : float
        """
        check_is_fitted(self)
        if isinstance(X, Trace):
            rng = np.random.RandomState(0)
            X, y = LinkScope().sample(X, self._inputs_of_rule(), _MAX_SCORE_LINKS, rng)
        return r2_score(y, self.predict(X), sample_weight=sample_weight)

    def _inputs_of_rule(self) -> tuple[str, ...]:
        if not self._is_rule():
            raise ValueError(
                f"this rule was fitted on a matrix of {self.n_features_in_} columns and not on the "
                f"{len(self.inputs_)} inputs of scope={self.scope!r} and the unit: fit it on a trace, or on "
                f"trace.features({self.scope!r}) and trace.targets_of({self.scope!r})."
            )
        return self.inputs_

    def init_state(self, layout):
        """Nothing seen at any link yet; see :meth:`UpdateRule.init_state`.

        Raises
        ------
        NotFittedError
            If the rule has not been fitted.
        ValueError
            If it was fitted on something else than what its scope sees.
        """
        check_is_fitted(self)
        self._inputs_of_rule()
        return {"history": LinkHistory(layout)}

    def compute_update(self, step, state):
        """What the learner predicts for every link; see :meth:`UpdateRule.compute_update`."""
        history: LinkHistory = state["history"]
        if self._mlp is None:
            return self._predict_updates(step, history)
        if history.bound is None or history.bound[0] is not step:
            history.bound = step, self._kernel(step, history, self._mlp)
        history.n_steps += 1
        history.bound[1].update(history.n_steps, *history.units_at(step, self.inputs_))
        return step.updates

    def _kernel(self, step, history: LinkHistory, mlp: MLPArrays) -> LinkRule:
        return LinkRule(
            step.gradients,
            step.params,
            history.history,
            step.updates,
            history.sizes,
            self._codes,
            EPSILON,
            mlp.params_as(step.params.dtype),
            mlp.sizes,
            mlp.hidden,
            mlp.output,
            self.scale_,
            self.homogeneity_,
        )

    def _predict_updates(self, step, history: LinkHistory) -> np.ndarray:
        matrix = history.matrix(step, self.inputs_, self._codes)
        predicted = self.learner_.predict(matrix[:, :-1])
        updates = self.scale_ * matrix[:, -1] ** self.homogeneity_ * predicted
        step.updates[...] = np.where(history.history[4] == 0, 0, updates)
        return step.updates

    def __sklearn_clone__(self):
        params = {name: clone(value, safe=False) for name, value in self.get_params(deep=False).items()}
        twin = type(self)(**params)
        fitted = {k: v for k, v in self.__dict__.items() if k not in params}
        twin.__dict__.update(copy.deepcopy(fitted))
        return twin


def _split(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Inputs, unit to the power of the homogeneity, and the homogeneity that suits y better."""
    X, unit = X[:, :-1], X[:, -1]
    unit = np.where(unit > 0, unit, 1)
    explained = [_linear_r2(X, y / unit**homogeneity) for homogeneity in (0, 1)]
    homogeneity = int(explained[1] > explained[0])
    return X, unit**homogeneity, homogeneity


def _linear_r2(X: np.ndarray, y: np.ndarray) -> float:
    """Share of the variance of y that is linear in X."""
    spread = y - y.mean()
    if not spread.any():
        return 0.0
    centred = X - X.mean(axis=0)
    weights = np.linalg.lstsq(centred, spread, rcond=None)[0]
    return 1 - np.sum((spread - centred @ weights) ** 2) / np.sum(spread**2)

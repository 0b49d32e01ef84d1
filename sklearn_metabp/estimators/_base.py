"""The base class of all estimators: parameters, the steps of a fit, the fitted network."""

import warnings
from abc import ABC, abstractmethod
from functools import partial
from itertools import starmap
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklearn_metabp.did_you_mean import ExplainsParameters
from sklearn_metabp.doc_links import DocLinkMixin
from sklearn_metabp.estimators._callbacks import (
    CallbackSupportMixin,
    drop_removed_callbacks,
    open_listener,
)
from sklearn_metabp.estimators._compact import Compactable
from sklearn_metabp.estimators._curves import TrainingCurves
from sklearn_metabp.estimators._fit import (
    FitEnd,
    FitStart,
    Training,
    start_at_rows,
    start_state,
)
from sklearn_metabp.estimators._members import (
    OF_ONE_NETWORK,
    as_before_on_error,
    attributes_of_ensemble,
    fitted_members,
    members_of,
    members_to_continue,
    message_of_ensemble,
    new_members,
    train_members,
    update_members,
)
from sklearn_metabp.estimators._parameters import (
    PARAMETERS_ELSEWHERE,
    check_activations,
    check_batch_size,
    check_dropout,
    check_hidden_layer_sizes,
    check_input_gradient_penalty,
    check_input_noise,
    check_parametric_activation,
    check_same_layers,
    count_threads,
    features_as_before_on_error,
    make_input_layer,
    rows_per_step,
    rule_key,
)
from sklearn_metabp.estimators._row_weights import warn_of_light_weights
from sklearn_metabp.estimators._rows import (
    FitData,
    GivenData,
    Rows,
    check_rows_with_y,
    check_validation_rows,
    check_X,
)
from sklearn_metabp.estimators._scoring import ScorerOfParameters
from sklearn_metabp.estimators._split import split
from sklearn_metabp.estimators._summary import FitSize, ModelSummary, summarise_model
from sklearn_metabp.estimators._validation import ValidationRows
from sklearn_metabp.estimators._weights import WritableWeights, explain_lack
from sklearn_metabp.network import (
    HIDDEN_ACTIVATIONS,
    INITIALIZERS,
    BaseNetwork,
    Extra,
    Network,
    ParameterLayout,
    mixes_of,
)
from sklearn_metabp.targets import Targets
from sklearn_metabp.targets.class_weights import check_row_weights, training_weights
from sklearn_metabp.targets.kinds import check_same_kind
from sklearn_metabp.training import (
    Batches,
    Outcome,
    Patience,
    Start,
    TrainingState,
    callable_fingerprint,
    train,
)
from sklearn_metabp.update_rules import TrainingRule, resolve_update_rule
from sklearn_metabp.update_rules.schedules import SCHEDULES, Schedule


class BaseBackprop(
    WritableWeights,
    Compactable,
    ExplainsParameters,
    CallbackSupportMixin,
    TrainingCurves,
    DocLinkMixin,
    BaseEstimator,
    ABC,
):
    """Base class of all estimators: parameters, fit and fitted network."""

    _parameters_elsewhere = PARAMETERS_ELSEWHERE
    _auto_batch_size = 200
    # Parameters that some estimators do not have.
    class_weight: Any = None
    label_smoothing: float = 0.0
    n_threads: int = 1
    tied_epochs: str = "first"
    n_members: int = 1
    targets_: Targets
    _members: list[Any] | None = None  # of an ensemble
    _fit_size: tuple[int, int, int] | None = None  # as FitSize. None after an older version's fit
    _fit_label_smoothing: float = 0.0  # the value of the last fit
    _parameter_constraints: dict = {
        "update_rule": "no_validation",  # resolve_update_rule checks it
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto", "full"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "scoring": [str, callable, None],
        "warm_start": ["boolean"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "dropout_schedule": [StrOptions(set(SCHEDULES)), callable],
        "init": [StrOptions(set(INITIALIZERS)), callable],
        "init_output_bias": [StrOptions({"init", "targets"})],
        "verbose": ["verbose"],
    }

    @abstractmethod
    def __init__(
        self,
        *,
        loss: str,
        out_activation: str,
        update_rule: Any,
        alpha: float,
        batch_size: Any,
        max_iter: int,
        shuffle: bool,
        random_state: Any,
        tol: float,
        n_iter_no_change: float,
        early_stopping: bool,
        validation_fraction: float,
        scoring: Any,
        warm_start: bool,
        dropout: float,
        dropout_schedule: str | Schedule,
        init: Any,
        init_output_bias: str,
        verbose: bool,
    ) -> None:
        self.loss = loss
        self.out_activation = out_activation
        self.update_rule = update_rule
        self.alpha = alpha
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.scoring = scoring
        self.warm_start = warm_start
        self.dropout = dropout
        self.dropout_schedule = dropout_schedule
        self.init = init
        self.init_output_bias = init_output_bias
        self.verbose = verbose

    @abstractmethod
    def _learn_targets(self, rows: Rows, classes: Any) -> Targets:
        """Return targets learned from rows. ``classes`` are the announced classes, or None."""

    @abstractmethod
    def _check_rows(
        self, X: Any, y: Any, sample_weight: Any, *, reset: bool, y_name: str = "y"
    ) -> Rows:
        """Check rows to train or to validate on. ``reset`` stores the features of X."""

    @abstractmethod
    def _new_network(
        self,
        X: Any,
        n_outputs: int,
        dtype: np.dtype,
        targets: Targets,
        rule: TrainingRule,
        before: BaseNetwork | None,
    ) -> BaseNetwork:
        """Return the network that the parameters describe, for X and ``n_outputs`` outputs.

        ``before`` is the network of a training that is continued, or None.
        """

    @abstractmethod
    def _outputs(self, X: Any) -> np.ndarray:
        """Return the activations of the output layer, of shape (n_samples, n_outputs)."""

    def _attributes_from_rows(self, network: Any, rows: Rows, params: np.ndarray) -> dict[str, Any]:
        """Return fitted attributes that are learned from the training rows with parameters."""
        return {}

    def _refit_parameters(self) -> dict[str, Any]:
        """Return parameters for a second training that keep results of the first one."""
        return {}

    def _calibrate(self, start: FitStart) -> tuple[np.ndarray | None, dict[str, Any]]:
        """Return parameters for the fitted estimator, or None for the trained ones, and attributes.

        It is called after the training, with the validation rows of the start.
        """
        return None, {}

    def _labels_to_split_by(self, y: Any, targets: Any) -> np.ndarray | None:
        """Return labels by which to split into training and validation rows, or None."""
        return None

    def set_params(self, **params: Any) -> Self:
        """Set parameters.

        Parameters of the rule, such as ``update_rule__learning_rate``, also work if ``update_rule``
        is a name: the rule with this name replaces it.

        Parameters
        ----------
        **params : dict
            Names of parameters and their new values.

        Returns
        -------
        self : estimator
        """
        rule = params.get("update_rule", self.update_rule)
        if isinstance(rule, str) and any(name.startswith("update_rule__") for name in params):
            params["update_rule"] = resolve_update_rule(rule)
        return super().set_params(**params)

    def __sklearn_is_fitted__(self) -> bool:
        return "_params" in vars(self) or bool(self._members)

    @property
    def members_(self) -> list[Self]:
        """The fitted networks of an ensemble, each as an estimator with one network."""
        if not self._members:
            raise AttributeError(explain_lack(self, "members_"))
        return list(self._members)

    def _fit(self, given: GivenData, classes: Any = None, *, incremental: bool = False) -> Self:
        """Train in three steps, and become fitted only after the third.

        Parameters
        ----------
        given : GivenData
        classes : array-like, list of array-like or None
            Classes that were announced to ``partial_fit``.
        incremental : bool
            True for ``partial_fit``: one epoch, which continues a training.
        """
        continues = self.__sklearn_is_fitted__() and (self.warm_start or incremental)
        with features_as_before_on_error(self):
            data = self._check_data(given, classes, continues)
            if self.n_members > 1 or (continues and self._members):
                return self._fit_members(data, continues=continues, incremental=incremental)
            start = self._find_start(data, continues=continues, incremental=incremental)
            end = self._train(start, incremental)
        return self._become_fitted(start, end)

    def _fit_members(self, data: FitData, *, continues: bool, incremental: bool) -> Self:
        """Train every member as a fit of one network, and become fitted when all are."""
        members = members_to_continue(self) if continues else new_members(self)
        with as_before_on_error(members):
            if continues:
                update_members(self, members)
            ends = train_members(self, members, data, continues=continues, incremental=incremental)
        members = fitted_members(members)
        for name in OF_ONE_NETWORK:
            self.__dict__.pop(name, None)
        for name, value in attributes_of_ensemble(members, ends[0]).items():
            setattr(self, name, value)
        message = message_of_ensemble(ends)
        if message:
            warnings.warn(message, ConvergenceWarning, stacklevel=4)
        return self

    @_fit_context(prefer_skip_nested_validation=True)  # for the callbacks
    def _fit_member(self, data: FitData, *, continues: bool, incremental: bool) -> FitEnd:
        """Take the second and the third step of a fit. The ensemble gives the warning."""
        start = self._find_start(data, continues=continues, incremental=incremental)
        end = self._train(start, incremental)
        self._become_fitted(start, end._replace(message=None))
        return end

    def _check_data(self, given: GivenData, classes: Any, continues: bool) -> FitData:
        """Take the first step of a fit: check the rows, and learn the targets from y."""
        rows = self._check_rows(given.X, given.y, given.sample_weight, reset=not continues)
        validation_rows = check_validation_rows(self, given, rows.X.dtype)
        targets = self._targets_so_far() if continues else self._learn_targets(rows, classes)
        if continues or classes is not None:
            targets.check_known(rows.y)
        if validation_rows is not None:
            check_same_kind(rows.y, validation_rows.y)
            targets.check_known(validation_rows.y, "y_val")
        return FitData(given, rows, validation_rows, targets)

    def _find_start(
        self,
        data: FitData,
        *,
        continues: bool,
        incremental: bool,
        resumed: TrainingState | None = None,
    ) -> FitStart:
        """Take the second step of a fit: make the network, its state and the batches.

        ``resumed`` is a state that the training had earlier.
        """
        rule = resolve_update_rule(self.update_rule)
        network = self._make_network(data, rule, continues)
        if continues:
            check_same_layers(self.network_, network, data.given)
            state = self._state_to_continue(rule, data.rows.X.shape[0])
        else:
            state = start_state(self, network, rule, data.given)
        training = Training(network, data.targets, rule, state)

        n_epochs, n_before, stopped = 1 if incremental else self.max_iter, state.n_epochs, None
        if resumed is not None:
            if resumed.rule_key != state.rule_key:
                resumed.rule_state, resumed.rule_key = state.rule_state, state.rule_key
            training.state = state = resumed
        task_name = "partial_fit" if incremental else "fit"
        listener = open_listener(self, task_name, n_epochs, data, training.snapshot)
        if listener is not None:  # a checkpoint may have a later state of this training
            training.state, stopped = listener.training_starts(state, data)
            state = training.state

        rows, validation_rows = self._choose_validation_rows(data, state)
        training.attributes_from_rows = partial(self._attributes_from_rows, network, rows)
        batches = self._make_batches(rows, training)
        if not continues and not state.n_steps:
            start_at_rows(self, network, batches, state, data.given)
        validation = None
        if validation_rows is not None and stopped is None:
            validation = self._make_validation(validation_rows, training)
        n_epochs -= state.n_epochs - n_before
        began = Start.of(state)
        return FitStart(training, batches, validation, listener, began, n_epochs, stopped)

    def _train(self, start: FitStart, incremental: bool, examines: bool = True) -> FitEnd:
        """Take the third step: train, and examine how training ended."""
        training, stopped, interrupted = start.training, start.stopped, False
        if stopped is None:
            stopped, interrupted = train(
                training.network,
                start.batches,
                training.rule,
                training.state,
                max_epochs=start.n_epochs,
                planned_epochs=self.max_iter if incremental else None,
                validation=start.validation,
                listener=start.listener,
                verbose=self.verbose,
                n_threads=count_threads(self.n_threads),
            )
        message = None
        if examines and not interrupted:
            outcome = Outcome(
                training.network,
                start.batches,
                training.rule,
                training.state,
                start.began,
                training.targets,
            )
            if incremental:
                message = outcome.warning_of_partial_fit()
            else:
                message = outcome.warning_of_fit(
                    stopped, self.max_iter, self.n_iter_no_change == np.inf
                )
        batches = start.batches
        params, learned = self._calibrate(start)
        attributes = training.fitted_attributes(params) | learned
        attributes["_fit_size"] = len(batches), min(batches.size, len(batches)), batches.n_batches
        attributes["_fit_label_smoothing"] = self.label_smoothing
        return FitEnd(stopped, interrupted, message, attributes)

    def _become_fitted(self, start: FitStart, end: FitEnd) -> Self:
        """Set the fitted attributes, and warn of a training that did not end well."""
        state = start.training.state
        if state.was_validated and state.best_score == -np.inf:
            is_undefined = np.isnan(list(state.validation_scores)).any()
            advice = "" if is_undefined else " Are X_val and y_val scaled as X and y are?"
            warnings.warn(
                "No score on the validation rows was above minus infinity, so none is the "
                f"best.{advice}",
                stacklevel=4,
            )
        for name, value in end.attributes.items():
            setattr(self, name, value)
        if start.listener is not None:
            start.listener.fit_ends(state, end.stopped, end.interrupted)
        if end.message:
            warnings.warn(end.message, ConvergenceWarning, stacklevel=4)
        return self

    def _make_network(self, data: FitData, rule: TrainingRule, continues: bool) -> BaseNetwork:
        """Make the network, or return that of the last fit if nothing has changed."""
        X, targets = data.rows.X, data.targets
        dtype = self.layout_.dtype if continues else X.dtype
        before = self.network_ if continues else None
        n_outputs = targets.n_outputs(data.rows.y)
        network = self._new_network(X, n_outputs, dtype, targets, rule, before)
        return self.network_ if continues and network == self.network_ else network

    def _targets_so_far(self) -> Targets:
        """Return the targets of the last fit, for the present loss."""
        targets = self.targets_.for_output(self.out_activation, self.loss)
        if targets.out_activation != self.out_activation_:
            raise ValueError(
                "warm_start and partial_fit keep the output neurons of the last fit, which are "
                f"{self.out_activation_!r}, but loss={self.loss!r} and "
                f"out_activation={self.out_activation!r} now need {targets.out_activation!r}. "
                "Set warm_start=False to start afresh."
            )
        return targets

    def _choose_validation_rows(
        self, data: FitData, state: TrainingState
    ) -> tuple[Rows, Rows | None]:
        """Return the rows to train on and to validate on, and record the choice in the state."""
        rows, validation_rows = data.rows, data.validation_rows
        if validation_rows is None and not self.early_stopping:
            return rows, None
        scoring = callable_fingerprint(self.scoring)
        if validation_rows is not None:
            state.validate_on(f"{data.validation_fingerprint} by {scoring}")
            return rows, validation_rows
        state.validate_on(f"validation_fraction={self.validation_fraction} by {scoring}")
        labels = self._labels_to_split_by(rows.y, data.targets)
        return split(rows, self.validation_fraction, labels, state)

    def _make_batches(self, rows: Rows, training: Training) -> Batches:
        X, y, sample_weight = rows
        network, targets, state = training.network, training.targets, training.state
        dtype = network.layout.dtype
        weight = training_weights(self.class_weight, sample_weight, targets, y)
        if weight is not None:
            given = {"class_weight": self.class_weight, "sample_weight": sample_weight}
            names = " and ".join(name for name, value in given.items() if value is not None)
            weight = check_row_weights(weight, dtype, names, "training")
            warn_of_light_weights(weight, names, self.alpha, state)
        if issparse(X):
            # with row pointers of its own: a callback that writes to the user's changes nothing
            X = csr_array(
                (X.data.astype(dtype, copy=False), X.indices, X.indptr.copy()), shape=X.shape
            )
        else:
            X = np.ascontiguousarray(X, dtype)
        encoded = targets.encode_rows(X, y, dtype)
        if self.label_smoothing:
            encoded = targets.smoothed(encoded, self.label_smoothing)  # type: ignore[attr-defined]
        return Batches(
            X,
            encoded,
            weight,
            check_batch_size(self, X.shape[0], training.rule),
            self.shuffle,
            state.order,
        )

    def _make_validation(self, rows: Rows, training: Training) -> ValidationRows:
        score = None
        if self.scoring is not None:
            score = ScorerOfParameters(self, training.fitted_attributes, training.targets, rows)
        return ValidationRows(
            training.network,
            training.targets,
            rows,
            self.early_stopping,
            self.tied_epochs == "last",
            score,
            count_threads(self.n_threads),
        )

    def _state_to_continue(self, rule: TrainingRule, n_rows: int) -> TrainingState:
        """Return a copy of the last state to continue, so that a failed fit changes nothing."""
        in_one_batch = n_rows <= rows_per_step(self, n_rows, rule)
        draws = self.early_stopping or (self.shuffle and not in_one_batch)
        state = self._state_of_training().copy(shares_random_numbers=not draws)
        fresh = rule.init_state(self.layout_)  # raises if a parameter of the rule is out of range
        if state.rule_key != rule_key(rule):
            state.rule_state, state.rule_key, state.n_planned = fresh, rule_key(rule), None
        if isinstance(self.random_state, np.random.RandomState):
            state.random_state = self.random_state
        state.patience.continue_with(self.tol, self.n_iter_no_change)
        if state.patience.watches_score != self.early_stopping:
            state.reset_patience(Patience(self.tol, self.n_iter_no_change, self.early_stopping))
        elif not self.early_stopping:
            state.best_params = None  # kept for a callback, which has a copy if it is still used
        drop_removed_callbacks(self, state)
        written = self._written_params()
        if written is not None:
            state.take_params(
                written, Patience(self.tol, self.n_iter_no_change, self.early_stopping)
            )
            rule.on_new_params(state.rule_state)
        return state

    def summary(self) -> ModelSummary:
        """Describe the fitted network and its training as a table.

        Returns
        -------
        summary : ModelSummary
            ``print`` shows layers, activation functions, shapes and numbers of parameters, loss,
            update rule, steps of an epoch and the training so far. A notebook shows the same as an
            HTML table. For an ensemble the layers are those of one network.

        Raises
        ------
        NotFittedError
            Before ``fit``, because X and y determine the sizes of the first and the last layer.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn_metabp import BackpropMLPClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = BackpropMLPClassifier((8,), batch_size=32, tol=0.01, random_state=0)
        >>> print(model.fit(X, y).summary())
        BackpropMLPClassifier 4-8-3, 67 parameters
        <BLANKLINE>
        layer     neurons  function  weights  biases  parameters
        input           4
        hidden 1        8  relu      4x8      8               40
        output          3  softmax   8x3      3               27
        <BLANKLINE>
        dtype        float64, 536 bytes
        loss         log_loss, alpha=0.0001
        update rule  Adam()
        epoch        150 rows in batches of 32, 5 steps
        trained      ... epochs, ... steps, loss ... in the last epoch
        """
        check_is_fitted(
            self,
            msg="This %(name)s is not fitted yet, and X and y determine the sizes of its first and "
            "its last layer: call fit, and then summary.",
        )
        size = None if self._fit_size is None else FitSize(*self._fit_size)
        known = [vars(member) for member in members_of(self)]
        states = [each.get("_training_state") for each in known]
        rule = vars(self).get("update_rule_")  # a compact model has neither
        return summarise_model(
            type(self).__name__,
            self.network_,
            rule,
            states,
            size,
            label_smoothing=self._fit_label_smoothing,
        )


class BaseBackpropMLP(BaseBackprop):
    """Base class of the multilayer perceptrons."""

    # Parameters that some of them do not have.
    parametric_activation: bool = False
    input_gradient_penalty: float = 0.0
    input_gradient_norm: str = "l2"
    scaling_layer: bool = False
    numeric_embedding: Any = None
    _parameter_constraints: dict = {
        **BaseBackprop._parameter_constraints,
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(HIDDEN_ACTIVATIONS)), "array-like"],
        "tied_epochs": [StrOptions({"first", "last"})],
        "input_noise": [Interval(Real, 0, None, closed="left")],
        "n_threads": [Interval(Integral, 1, None, closed="left"), Options(Integral, {-1})],
    }

    @abstractmethod
    def __init__(
        self,
        hidden_layer_sizes: Any,
        activation: Any,
        input_noise: float,
        n_threads: int,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.input_noise = input_noise
        self.n_threads = n_threads

    def _check_rows(
        self, X: Any, y: Any, sample_weight: Any, *, reset: bool, y_name: str = "y"
    ) -> Rows:
        return check_rows_with_y(self, X, y, sample_weight, reset=reset, y_name=y_name)

    def _new_network(
        self,
        X: Any,
        n_outputs: int,
        dtype: np.dtype,
        targets: Targets,
        rule: TrainingRule,
        before: BaseNetwork | None,
    ) -> Network:
        hidden_layer_sizes = check_hidden_layer_sizes(self.hidden_layer_sizes)
        penalty = check_input_gradient_penalty(self.input_gradient_penalty, rule)
        input_layer = make_input_layer(self, X, before, penalty)
        mixes: tuple[Extra, ...] = ()
        if check_parametric_activation(self.parametric_activation, rule):
            mixes = tuple(starmap(mixes_of, enumerate(hidden_layer_sizes)))
        layout = ParameterLayout((X.shape[1], *hidden_layer_sizes, n_outputs), dtype, extras=mixes)
        return Network(
            layout.with_input_layer(input_layer),
            check_activations(self.activation, len(hidden_layer_sizes)),
            targets.out_activation,
            self.loss,
            self.alpha,
            check_dropout(self.dropout, self.dropout_schedule, rule),
            targets.out_groups,
            check_input_noise(self.input_noise, rule, X),
            penalty,
            self.input_gradient_norm,
            self.dropout_schedule,
            input_layer,
        )

    def _outputs(self, X: Any) -> np.ndarray:
        if not self.__sklearn_is_fitted__():
            check_is_fitted(self)
        X, n_threads = check_X(self, X), count_threads(self.n_threads)
        if not self._members:
            return self.network_.outputs(self._params, X, n_threads=n_threads)
        first, *others = self._members
        total = first.network_.outputs(first._params, X, n_threads=n_threads)
        for member in others:
            total += member.network_.outputs(member._params, X, n_threads=n_threads)
        total /= len(self._members)
        return total

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        needs_dense = self.input_noise or self.scaling_layer or self.numeric_embedding is not None
        tags.input_tags.sparse = not needs_dense
        return tags

"""What the classifier and the regressor share: parameters, fit, the fitted network."""

import warnings
from abc import ABC, abstractmethod
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_metabp.did_you_mean import ExplainsParameters
from sklearn_metabp.doc_links import DocLinkMixin
from sklearn_metabp.estimators._callbacks import (
    CallbackSupportMixin,
    forget_those_gone,
    open_listener,
)
from sklearn_metabp.estimators._curves import TrainingCurves
from sklearn_metabp.estimators._parameters import (
    PARAMETERS_ELSEWHERE,
    check_activations,
    check_batch_size,
    check_dropout,
    check_hidden_layer_sizes,
    check_same_layers,
    features_as_before_on_error,
    rule_key,
)
from sklearn_metabp.estimators._row_weights import warn_of_light_weights
from sklearn_metabp.estimators._rows import DTYPES, Rows, check_rows, check_validation_rows
from sklearn_metabp.estimators._scoring import scorer_of_parameters
from sklearn_metabp.estimators._split import split
from sklearn_metabp.estimators._start import start_outputs_at_targets, start_training
from sklearn_metabp.estimators._validation import ValidationRows
from sklearn_metabp.estimators._weights import WritableWeights, checksum
from sklearn_metabp.network import (
    HIDDEN_ACTIVATIONS,
    INITIALIZERS,
    Network,
    ParameterLayout,
)
from sklearn_metabp.targets.class_weights import check_row_weights
from sklearn_metabp.targets.kinds import check_same_kind
from sklearn_metabp.training import (
    Batches,
    Outcome,
    Patience,
    Start,
    TrainingState,
    fingerprint,
    judge_name,
    train,
)
from sklearn_metabp.update_rules import UpdateRule, resolve_update_rule


class BaseBackpropMLP(
    WritableWeights,
    ExplainsParameters,
    CallbackSupportMixin,
    TrainingCurves,
    DocLinkMixin,
    BaseEstimator,
    ABC,
):
    """Parameters, fit and fitted network of both estimators; not to be used directly."""

    _parameters_elsewhere = PARAMETERS_ELSEWHERE
    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(HIDDEN_ACTIVATIONS)), "array-like"],
        "update_rule": "no_validation",  # resolve_update_rule says more
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
        "init": [StrOptions(set(INITIALIZERS)), callable],
        "init_output_bias": [StrOptions({"init", "targets"})],
        "verbose": ["verbose"],
    }

    @abstractmethod
    def __init__(
        self,
        hidden_layer_sizes,
        activation,
        loss,
        out_activation,
        update_rule,
        alpha,
        batch_size,
        max_iter,
        shuffle,
        random_state,
        tol,
        n_iter_no_change,
        early_stopping,
        validation_fraction,
        scoring,
        warm_start,
        dropout,
        init,
        init_output_bias,
        verbose,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
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
        self.init = init
        self.init_output_bias = init_output_bias
        self.verbose = verbose

    @abstractmethod
    def _learn_targets(self, y, classes) -> Any:
        """What turns y into targets and outputs back into its kind; classes are those announced, or None."""

    def _training_weight(self, y, sample_weight, targets):
        """Weight of every row in the loss, of shape (n_samples,), or None."""
        return sample_weight

    def _labels_to_split_by(self, y, targets):
        """Labels that the split into training and validation rows goes by, or None."""
        return

    def set_params(self, **params):
        """Set parameters; ``update_rule__…`` also where the rule is a name, which becomes its rule.

        Parameters
        ----------
        **params : dict
            Names and values.

        Returns
        -------
        self : estimator
        """
        rule = params.get("update_rule", self.update_rule)
        if isinstance(rule, str) and any(name.startswith("update_rule__") for name in params):
            params["update_rule"] = resolve_update_rule(rule)
        return super().set_params(**params)

    def __sklearn_is_fitted__(self) -> bool:
        return "_params" in vars(self)

    def _fit(
        self,
        X,
        y,
        sample_weight,
        *,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
        coef_init=None,
        intercept_init=None,
        classes=None,
        incremental=False,
    ):
        """Validate, train, and only then become fitted."""
        goes_on = self.__sklearn_is_fitted__() and (self.warm_start or incremental)
        with features_as_before_on_error(self):
            rows = check_rows(self, X, y, sample_weight, reset=not goes_on)
            validation_rows = check_validation_rows(
                self, X_val, y_val, sample_weight_val, rows.X.dtype
            )
            rule = resolve_update_rule(self.update_rule)
            targets = self._targets_so_far() if goes_on else self._learn_targets(rows.y, classes)
            if goes_on or classes is not None:
                targets.check_known(rows.y)
            if validation_rows is not None:
                check_same_kind(rows.y, validation_rows.y)
                targets.check_known(validation_rows.y, "y_val")
            network = self._make_network(rows, targets, rule, goes_on)
            if goes_on:
                check_same_layers(self.layout_, network.layout, coef_init, intercept_init)
                state = self._resume(rule)
            else:
                state = start_training(self, network, rule, coef_init, intercept_init)
            n_before, max_epochs = state.n_epochs, 1 if incremental else self.max_iter

            def fitted_by(state: TrainingState) -> dict[str, Any]:
                return self._fitted_attributes(network, rule, targets, state)

            task = "partial_fit" if incremental else "fit"
            listener = open_listener(
                self, task, max_epochs, (X, rows.y, sample_weight), lambda: fitted_by(state.copy())
            )
            stopped, interrupted = None, False
            if listener is not None:
                given = rows, validation_rows, coef_init, intercept_init
                state, stopped = listener.training_starts(state, given)
            if validation_rows is not None or self.early_stopping:
                state.validate_on(self._validated_on(validation_rows))
            if validation_rows is None and self.early_stopping:
                labels = self._labels_to_split_by(rows.y, targets)
                rows, validation_rows = split(rows, self.validation_fraction, labels, state)
            batches = self._make_batches(rows, targets, network, rule, state)
            is_fresh = not goes_on and not state.n_steps  # a checkpoint may have more
            if self.init_output_bias == "targets" and is_fresh and intercept_init is None:
                start_outputs_at_targets(state.params, network, batches)
            start = Start.of(state)
            if stopped is None:
                validation = None
                if validation_rows is not None:
                    score = scorer_of_parameters(
                        self, lambda: fitted_by(state), targets, validation_rows
                    )
                    validation = ValidationRows(
                        network, targets, validation_rows, self.early_stopping, score
                    )
                stopped, interrupted = train(
                    network,
                    batches,
                    rule,
                    state,
                    max_epochs=max_epochs - (state.n_epochs - n_before),
                    planned_epochs=self.max_iter if incremental else None,
                    validation=validation,
                    listener=listener,
                    verbose=self.verbose,
                )
            message = None
            if not interrupted:
                outcome = Outcome(
                    network, batches, rule, state, start, not hasattr(targets, "classes")
                )
                if incremental:
                    message = outcome.of_partial_fit()
                else:
                    message = outcome.of_fit(
                        stopped, self.max_iter, self.n_iter_no_change == np.inf
                    )
            attributes = fitted_by(state)
        if state.was_validated and state.best_score == -np.inf:
            is_undefined = np.isnan(list(state.validation_scores)).any()
            advice = "" if is_undefined else " Are X_val and y_val scaled as X and y are?"
            warnings.warn(
                f"No score on the validation rows was above minus infinity, so none is the best.{advice}",
                stacklevel=3,
            )
        for name, value in attributes.items():
            setattr(self, name, value)
        if listener is not None:
            listener.fit_ends(state, stopped, interrupted)
        if message:
            warnings.warn(message, ConvergenceWarning, stacklevel=3)
        return self

    def _make_network(self, rows: Rows, targets, rule: UpdateRule, goes_on: bool) -> Network:
        hidden_layer_sizes = check_hidden_layer_sizes(self.hidden_layer_sizes)
        X, y, _ = rows
        n_outputs = targets.encode(y[:1], X.dtype).shape[1]
        dtype = self.layout_.dtype if goes_on else X.dtype
        return Network(
            ParameterLayout((X.shape[1], *hidden_layer_sizes, n_outputs), dtype),
            check_activations(self.activation, len(hidden_layer_sizes)),
            targets.out_activation,
            self.loss,
            self.alpha,
            check_dropout(self.dropout, rule),
            targets.out_groups,
        )

    def _targets_so_far(self):
        """Those of the last fit, for the loss as it is now."""
        targets = self._targets.for_output(self.out_activation, self.loss)
        if targets.out_activation != self.out_activation_:
            raise ValueError(
                f"warm_start and partial_fit go on with the output units they have, which are "
                f"{self.out_activation_!r}; loss={self.loss!r} and out_activation={self.out_activation!r} "
                f"now ask for {targets.out_activation!r}. Set warm_start=False to start afresh."
            )
        return targets

    def _make_batches(self, rows, targets, network: Network, rule: UpdateRule, state) -> Batches:
        X, y, sample_weight = rows
        dtype = network.layout.dtype
        weight = self._training_weight(y, sample_weight, targets)
        if weight is not None:
            weighed_by = {
                "class_weight": getattr(self, "class_weight", None),
                "sample_weight": sample_weight,
            }
            names = " and ".join(name for name, value in weighed_by.items() if value is not None)
            weight = check_row_weights(weight, dtype, names, "training")
            warn_of_light_weights(weight, names, self.alpha, state)
        if issparse(
            X
        ):  # with row pointers of its own: a callback that writes to the user's changes nothing
            X = csr_array(
                (X.data.astype(dtype, copy=False), X.indices, X.indptr.copy()), shape=X.shape
            )
        else:
            X = np.ascontiguousarray(X, dtype)
        return Batches(
            X,
            targets.encode(y, dtype),
            weight,
            check_batch_size(self.batch_size, X.shape[0], rule),
            self.shuffle,
            state.order,
        )

    def _fitted_attributes(
        self, network: Network, rule: UpdateRule, targets, state: TrainingState
    ) -> dict:
        layout, kept = network.layout, state.kept_params(rule)
        return {
            **targets.fitted_attributes,
            "layout_": layout,
            "network_": network,
            "update_rule_": rule,
            "n_layers_": len(layout.layer_sizes),
            "n_outputs_": layout.layer_sizes[-1],
            "out_activation_": network.out_activation,
            "_params": kept,
            "_params_checksum": checksum(kept),
            "n_iter_": state.n_epochs,
            "t_": state.n_rows,
            "_targets": targets,
            "_training_state": state,
        }

    def _resume(self, rule: UpdateRule) -> TrainingState:
        """The state of the last fit; a copy, so that a fit that fails changes nothing."""
        state = self._training_state.copy()
        fresh = rule.init_state(self.layout_)  # raises if a parameter of the rule is out of range
        if state.rule_key != rule_key(rule):
            state.rule_state, state.rule_key, state.n_planned = fresh, rule_key(rule), None
        if isinstance(self.random_state, np.random.RandomState):
            state.random_state = self.random_state
        state.patience.go_on(self.tol, self.n_iter_no_change)
        if state.patience.watches_score != self.early_stopping:
            state.listen_to(Patience(self.tol, self.n_iter_no_change, self.early_stopping))
        elif not self.early_stopping:
            state.best_params = None  # a callback's: if it is still there, it remembers them
        forget_those_gone(self, state)
        written = self._written_params()
        if written is not None:
            state.take_params(
                written, Patience(self.tol, self.n_iter_no_change, self.early_stopping)
            )
            rule.on_new_params(state.rule_state)
        return state

    def _validated_on(self, given: Rows | None) -> str:
        """Names what is validated: the rows that were given, or how they are set aside; and the score."""
        rows = (
            f"validation_fraction={self.validation_fraction}"
            if given is None
            else fingerprint(given)
        )
        return f"{rows} by {judge_name(self.scoring)}"

    def _outputs(self, X) -> np.ndarray:
        """Activations of the output layer, of shape (n_samples, n_outputs)."""
        if not self.__sklearn_is_fitted__():
            check_is_fitted(self)
        with np.errstate(over="ignore", invalid="ignore"):
            X = validate_data(self, X, accept_sparse="csr", dtype=DTYPES, reset=False)
        return self.network_.outputs(self.params_, X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

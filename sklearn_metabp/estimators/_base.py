"""What the classifier and the regressor share: parameters, fit, the fitted network."""

import warnings
from abc import ABC, abstractmethod
from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from sklearn_metabp.doc_links import DocLinkMixin
from sklearn_metabp.estimators._callbacks import CallbackSupportMixin, open_listener
from sklearn_metabp.network import (
    HIDDEN_ACTIVATIONS,
    OUT_ACTIVATIONS,
    Network,
    ParameterLayout,
    glorot_uniform,
)
from sklearn_metabp.training import Batches, Patience, TrainingState, train
from sklearn_metabp.update_rules import UpdateRule, resolve_update_rule


class BaseBackpropMLP(CallbackSupportMixin, DocLinkMixin, BaseEstimator, ABC):
    """Parameters, fit and fitted network of both estimators; not to be used directly."""

    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(HIDDEN_ACTIVATIONS))],
        "out_activation": [StrOptions({"auto", *OUT_ACTIVATIONS})],
        "update_rule": "no_validation",  # resolve_update_rule says more
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto", "full"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "warm_start": ["boolean"],
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
        warm_start,
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
        self.warm_start = warm_start
        self.verbose = verbose

    @abstractmethod
    def _encode_targets(self, y, goes_on: bool, dtype) -> tuple[np.ndarray, str, dict]:
        """Targets (n_samples, n_outputs), the output activation, fitted attributes of y's kind."""

    @property
    def coefs_(self) -> list[np.ndarray]:
        """Weight matrices as views of ``params_``, each of shape (fan_in, fan_out)."""
        return self.layout_.coefs(self.params_)

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """Bias vectors as views of ``params_``, each of shape (fan_out,)."""
        return self.layout_.intercepts(self.params_)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "params_")

    def _fit(self, X, y, sample_weight, coef_init=None, intercept_init=None, *, incremental=False):
        """Validate, train, and only then become fitted."""
        with _features_as_before_on_error(self):
            state, fitted_by, listener, stopped = self._train(
                X, y, sample_weight, coef_init, intercept_init, incremental
            )
        for name, value in fitted_by(state).items():
            setattr(self, name, value)
        if listener is not None:
            listener.fit_ends()
        if not stopped and not incremental and self.n_iter_no_change < np.inf:
            warnings.warn(
                f"Maximum number of epochs ({self.max_iter}) reached and the loss still improves by more "
                f"than tol={self.tol:g}: raise max_iter or tol.",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    def _train(self, X, y, sample_weight, coef_init, intercept_init, incremental: bool):
        """The state after training, the fitted attributes by a state, who listens, if it stopped."""
        goes_on = self.__sklearn_is_fitted__() and (self.warm_start or incremental)
        hidden_layer_sizes = _check_hidden_layer_sizes(self.hidden_layer_sizes)
        rule = resolve_update_rule(self.update_rule)
        given_X, given_y = X, y
        X, y = self._validate_rows(X, y, reset=not goes_on)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
        targets, out_activation, fitted = self._encode_targets(y, goes_on, X.dtype)
        layer_sizes = (X.shape[1], *hidden_layer_sizes, targets.shape[1])
        layout = ParameterLayout(layer_sizes, self.layout_.dtype if goes_on else X.dtype)
        activations = (self.activation,) * len(hidden_layer_sizes)
        network = Network(layout, activations, out_activation, self.loss, self.alpha)

        if goes_on:
            self._check_same_layers(layout, coef_init, intercept_init)
            state = self._resume(rule)
        else:
            state = self._start(network, rule, coef_init, intercept_init)
        batches = Batches(
            np.ascontiguousarray(X, layout.dtype),
            targets.astype(layout.dtype, copy=False),
            sample_weight if sample_weight is None else sample_weight.astype(layout.dtype, copy=False),
            _batch_size(self.batch_size, len(X)),
            self.shuffle,
            state.order,
        )

        fitted |= {
            "layout_": layout,
            "network_": network,
            "update_rule_": rule,
            "n_layers_": len(layer_sizes),
            "n_outputs_": layer_sizes[-1],
            "out_activation_": out_activation,
        }

        def fitted_by(state):
            return fitted | {
                "params_": state.params,
                "loss_curve_": list(state.loss_curve),
                "loss_": state.loss_curve[-1] if state.loss_curve else np.nan,
                "best_loss_": state.patience.best_loss,
                "n_iter_": state.n_epochs,
                "t_": state.n_rows,
                "_training_state": state,
            }

        max_epochs = 1 if incremental else self.max_iter
        task_name = "partial_fit" if incremental else "fit"
        listener = open_listener(
            self, task_name, max_epochs, given_X, given_y, sample_weight, lambda: fitted_by(state.copy())
        )
        stopped = train(
            network,
            batches,
            rule,
            state,
            max_epochs=max_epochs,
            listener=listener,
            verbose=self.verbose,
        )
        return state, fitted_by, listener, stopped

    def _validate_rows(self, X, y, reset: bool):
        """Dense X of float32 or float64 and y, checked as scikit-learn does."""
        with np.errstate(over="ignore", invalid="ignore"):  # it sums X to look for NaN
            return validate_data(
                self,
                X,
                y,
                multi_output=True,
                y_numeric=is_regressor(self),
                dtype=(np.float64, np.float32),
                reset=reset,
            )

    def _check_same_layers(self, layout: ParameterLayout, coef_init, intercept_init) -> None:
        if layout != self.layout_:
            raise ValueError(
                f"warm_start and partial_fit go on with the weights they have, for layers "
                f"{self.layout_.layer_sizes}; hidden_layer_sizes and the data now ask for "
                f"{layout.layer_sizes}. Set warm_start=False to start afresh."
            )
        if coef_init is not None or intercept_init is not None:
            raise ValueError(
                "coef_init and intercept_init say where training starts, but warm_start=True goes on from "
                "the last fit: give one or the other."
            )

    def _start(self, network: Network, rule: UpdateRule, coef_init, intercept_init) -> TrainingState:
        random_state = check_random_state(self.random_state)
        layout = network.layout
        params = glorot_uniform(layout, network.activations, random_state)
        if coef_init is not None:
            params = layout.flatten(coef_init, layout.intercepts(params))
        if intercept_init is not None:
            params = layout.flatten(layout.coefs(params), intercept_init)
        if not np.isfinite(params).all():
            raise ValueError("coef_init and intercept_init must be finite; they contain NaN or infinity.")
        patience = Patience(self.tol, self.n_iter_no_change)
        return TrainingState(params, rule.init_state(layout), random_state, patience)

    def _resume(self, rule: UpdateRule) -> TrainingState:
        """The state of the last fit; a copy, so that a fit that fails changes nothing."""
        state = self._training_state.copy()
        fresh = rule.init_state(self.layout_)  # raises if a parameter of the rule is out of range
        if type(rule) is not type(self.update_rule_):
            state.rule_state = fresh
        if isinstance(self.random_state, np.random.RandomState):
            state.random_state = self.random_state
        state.patience.go_on(self.tol, self.n_iter_no_change)
        return state

    def _outputs(self, X) -> np.ndarray:
        """Activations of the output layer, of shape (n_samples, n_outputs)."""
        check_is_fitted(self)
        with np.errstate(over="ignore", invalid="ignore"):
            X = validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
        return self.network_.outputs(self.params_, X)


@contextmanager
def _features_as_before_on_error(estimator):
    """Put back what the validation of X noted, should the rest fail."""
    names = {"n_features_in_", "feature_names_in_"}
    before = {name: value for name, value in vars(estimator).items() if name in names}
    try:
        yield
    except BaseException:
        for name in names:
            vars(estimator).pop(name, None)
        vars(estimator).update(before)
        raise


def _check_hidden_layer_sizes(sizes) -> tuple[int, ...]:
    if not hasattr(sizes, "__iter__"):
        sizes = (sizes,)
    for position, size in enumerate(sizes):
        if not isinstance(size, Integral) or isinstance(size, bool) or size < 1:
            raise ValueError(
                f"hidden_layer_sizes must be integers of 1 or more, one per hidden layer; got {size!r} at "
                f"position {position} of {tuple(sizes)}."
            )
    return tuple(int(size) for size in sizes)


def _batch_size(batch_size, n_samples: int) -> int:
    if batch_size == "auto":
        return min(200, n_samples)
    if batch_size == "full":
        return n_samples
    if batch_size > n_samples:
        warnings.warn(
            f"batch_size={batch_size} is larger than the {n_samples} samples: every batch has them all.",
            stacklevel=5,
        )
    return min(batch_size, n_samples)

"""The base of the estimators for tables: a preprocessor, and a network on its output."""

import copy
from abc import ABC, abstractmethod
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike
from sklearn.base import BaseEstimator, clone
from sklearn.utils import Tags, get_tags
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils._repr_html.estimator import _VisualBlock
from sklearn.utils._set_output import _safe_set_output
from sklearn.utils.validation import check_is_fitted

from sklearn_metabp.did_you_mean import ExplainsParameters
from sklearn_metabp.doc_links import DocLinkMixin
from sklearn_metabp.embeddings import with_columns
from sklearn_metabp.estimators import (
    PARAMETERS_ELSEWHERE,
    BaseBackpropMLP,
    CallbackSupportMixin,
    ModelSummary,
    lend_callbacks,
    members_of,
    refit_on_all_rows,
)
from sklearn_metabp.preprocessing import TablePreprocessor
from sklearn_metabp.tabular.recipe import count_epochs
from sklearn_metabp.update_rules import resolve_update_rule

# Parameters of the network that are not parameters of the estimators for tables.
_OF_NETWORK = {
    name: f"network__{name}, a parameter of the network"
    for name in (
        "hidden_layer_sizes",
        "activation",
        "alpha",
        "batch_size",
        "dropout",
        "init",
        "label_smoothing",
        "loss",
        "n_iter_no_change",
        "tol",
    )
}


class BaseTabularMLP(ExplainsParameters, CallbackSupportMixin, DocLinkMixin, BaseEstimator, ABC):
    """Base class of the estimators for tables."""

    class_weight: Any = None
    network_: Any
    preprocessor_: Any
    _parameters_elsewhere = {
        **{
            name: _OF_NETWORK.get(counterpart, counterpart)
            for name, counterpart in PARAMETERS_ELSEWHERE.items()
        },
        **_OF_NETWORK,
        "n_cv": "n_members",
        "early_stopping": "validation_fraction: the best epoch on these rows is always kept",
    }
    # Parameters of the network that have the values of this estimator in each fit.
    _set_in_the_network: tuple[str, ...] = (
        "max_iter",
        "validation_fraction",
        "scoring",
        "n_members",
        "random_state",
        "verbose",
        "n_threads",
    )
    _parameter_constraints: dict = {
        "preprocessor": [HasMethods(["fit_transform", "transform"]), None],
        "update_rule": "no_validation",  # the network checks it
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "scoring": [str, callable, None],
        "refit": ["boolean"],
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "n_threads": [Integral],
    }

    @abstractmethod
    def __init__(
        self,
        *,
        preprocessor: BaseEstimator | None,
        network: BaseBackpropMLP | None,
        update_rule: Any,
        max_iter: int | None,
        validation_fraction: float,
        scoring: Any,
        refit: bool,
        n_members: int,
        random_state: Any,
        verbose: bool,
        n_threads: int,
    ) -> None:
        self.preprocessor = preprocessor
        self.network = network
        self.update_rule = update_rule
        self.max_iter = max_iter
        self.validation_fraction = validation_fraction
        self.scoring = scoring
        self.refit = refit
        self.n_members = n_members
        self.random_state = random_state
        self.verbose = verbose
        self.n_threads = n_threads

    @staticmethod
    @abstractmethod
    def default_network() -> Any:
        """Return the network for ``network=None``."""

    def set_params(self, **params: Any) -> Self:
        """Set parameters.

        Parameters of the parts, such as ``network__dropout``, also work if ``network`` or
        ``preprocessor`` is None: the default replaces it.

        Parameters
        ----------
        **params : dict
            Names of parameters and their new values.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If a parameter is one that this estimator sets in its network by its own parameter.
        """
        for name in params:
            own = name.removeprefix("network__")
            # Ensembles of scikit-learn set each random_state, also those of the parts.
            if own in self._set_in_the_network and own not in (name, "random_state"):
                raise ValueError(
                    f"{name} has no effect: {type(self).__name__} sets {own} of its network by its "
                    f"own parameter. Set {own} in place of {name}."
                )
        for name, make in (("network", self.default_network), ("preprocessor", TablePreprocessor)):
            is_none = params.get(name, getattr(self, name)) is None
            if is_none and any(each.startswith(f"{name}__") for each in params):
                params[name] = make()
        return super().set_params(**params)

    def _make_preprocessor(self) -> Any:
        """Return an unfitted preprocessor for a fit."""
        preprocessor = TablePreprocessor() if self.preprocessor is None else self.preprocessor
        return _safe_set_output(clone(preprocessor), transform="default")

    def _make_network(self, n_rows: int, n_numeric: int) -> Any:
        """Return an unfitted network for a fit to ``n_rows`` rows.

        An embedding without ``columns`` embeds the first ``n_numeric`` inputs, which are numbers.
        """
        network = self.default_network() if self.network is None else clone(self.network)
        numbers = slice(0, n_numeric)
        network.set_params(numeric_embedding=with_columns(network.numeric_embedding, numbers))
        network.set_params(
            early_stopping=True, **{name: getattr(self, name) for name in self._set_in_the_network}
        )
        if self.max_iter is None:
            network.set_params(max_iter=count_epochs(n_rows))
        if self.update_rule is not None:
            network.set_params(update_rule=self.update_rule)
            if self.network is None and not resolve_update_rule(self.update_rule).trains_extras:
                network.set_params(scaling_layer=False, numeric_embedding=None)
        n_trained = n_rows - int(np.ceil(n_rows * self.validation_fraction))
        if isinstance(network.batch_size, int) and network.batch_size > n_trained:
            network.set_params(batch_size="full")
        return network

    def _fit_parts(
        self, X: Any, y: Any, sample_weight: Any, X_val: Any, y_val: Any, sample_weight_val: Any
    ) -> Self:
        """Fit the preprocessor and the network, and become fitted at the end."""
        preprocessor = self._make_preprocessor()
        inputs = preprocessor.fit_transform(X, y)
        if inputs.shape[1] == 0:
            raise ValueError(
                "No column of X is left to learn from: in each of them, the values of all "
                f"{len(inputs)} samples are the same or missing."
            )
        is_ours = isinstance(preprocessor, TablePreprocessor)
        network = self._make_network(len(inputs), preprocessor.n_numeric_ if is_ours else 0)
        if X_val is not None:
            try:
                X_val = preprocessor.transform(X_val)
            except ValueError as error:
                raise ValueError(f"X_val: {error}") from error
        with lend_callbacks(self, network):
            network.fit(
                inputs,
                y,
                sample_weight,
                X_val=X_val,
                y_val=y_val,
                sample_weight_val=sample_weight_val,
            )
        self.preprocessor_ = preprocessor
        self.network_ = self.validated_network_ = network
        if self.refit:
            self.network_ = refit_on_all_rows(network, inputs, y, sample_weight)
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)
            if name in vars(preprocessor):
                setattr(self, name, getattr(preprocessor, name))
        return self

    def _inputs(self, X: Any) -> Any:
        """Return the inputs of the network for the rows of a table."""
        if "network_" not in vars(self):
            check_is_fitted(self)
        return self.preprocessor_.transform(X)

    def __sklearn_is_fitted__(self) -> bool:
        return "network_" in vars(self)

    def _first_training(self, name: str) -> Any:
        """Return the network that was trained with validation rows, for an attribute of it."""
        network = vars(self).get("validated_network_")
        if network is None:
            lack = "it is compact" if self.__sklearn_is_fitted__() else "call fit"
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}: {lack}"
            )
        return network

    @property
    def n_iter_(self) -> int:
        """Number of epochs of the training."""
        return self._first_training("n_iter_").n_iter_

    @property
    def loss_curve_(self) -> list[float]:
        """Mean loss of every epoch."""
        return self._first_training("loss_curve_").loss_curve_

    @property
    def validation_scores_(self) -> list[float]:
        """Score on the validation rows after every epoch."""
        return self._first_training("validation_scores_").validation_scores_

    @property
    def validation_loss_curve_(self) -> list[float]:
        """Mean loss on the validation rows after every epoch."""
        return self._first_training("validation_loss_curve_").validation_loss_curve_

    @property
    def best_validation_score_(self) -> float:
        """Score of the epoch whose weights the network has."""
        return self._first_training("best_validation_score_").best_validation_score_

    @property
    def best_epoch_(self) -> int:
        """Number, from 1, of the epoch whose weights the network has."""
        return self._first_training("best_epoch_").best_epoch_

    def compact(self, *, dtype: DTypeLike | None = None) -> Self:
        """Return a copy that predicts the same and has no training state.

        It has the preprocessor and the network, and neither ``validated_network_`` nor the curves
        of the training, nor callbacks. ``fit`` trains a new network.

        Parameters
        ----------
        dtype : dtype, default=None
            Type of the parameters of the network, float32 or float64; None keeps it.

        Returns
        -------
        model : estimator
            A fitted estimator with the same parameters.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If dtype is neither float32 nor float64.
        """
        check_is_fitted(self)
        small: Any = copy.copy(self).set_callbacks()
        small.network_ = self.network_.compact(dtype=dtype)
        vars(small).pop("validated_network_", None)
        return small

    def summary(self) -> ModelSummary:
        """Describe the fitted network, its inputs and its training as a table.

        Returns
        -------
        summary : ModelSummary
            A table. ``print`` shows it as text, and a notebook shows it as HTML.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        """
        check_is_fitted(self)
        of_network = self.network_.summary()
        n_inputs = of_network.layers[0].n_neurons
        facts = {"table": f"{self.n_features_in_} columns, {n_inputs} inputs"} | of_network.facts
        if "validated_network_" in vars(self):
            best = [str(member.best_epoch_) for member in members_of(self.validated_network_)]
            facts["best epoch"] = ", ".join(best)
        return replace(of_network, name=type(self).__name__, facts=facts)

    def _sk_visual_block_(self) -> _VisualBlock:
        """Return both parts for the HTML representation, in their order."""
        if self.__sklearn_is_fitted__():
            parts = {"preprocessor": self.preprocessor_, "network": self.network_}
        else:
            preprocessor = TablePreprocessor() if self.preprocessor is None else self.preprocessor
            network = self.default_network() if self.network is None else self.network
            parts = {"preprocessor": preprocessor, "network": network}
        return _VisualBlock(
            "serial",
            list(parts.values()),
            names=[f"{name}: {type(part).__name__}" for name, part in parts.items()],
            name_details=[str(part) for part in parts.values()],
            dash_wrapped=False,
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        preprocessor = TablePreprocessor() if self.preprocessor is None else self.preprocessor
        tags.input_tags = get_tags(preprocessor).input_tags
        return tags

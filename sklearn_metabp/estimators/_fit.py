"""The start of a fit and its end, with records of the parts of a training."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from sklearn_metabp.estimators._callbacks import CallbackListener
from sklearn_metabp.estimators._parameters import rule_key
from sklearn_metabp.estimators._rows import GivenData
from sklearn_metabp.estimators._validation import ValidationRows
from sklearn_metabp.estimators._weights import checksum
from sklearn_metabp.network import (
    ROW_STARTS,
    BaseNetwork,
    Network,
    constant_biases,
    resolve_initializer,
    sample_rows,
)
from sklearn_metabp.targets import Targets
from sklearn_metabp.training import Batches, Patience, Start, TrainingState
from sklearn_metabp.training.random_numbers import seeded
from sklearn_metabp.update_rules import TrainingRule


@dataclass
class Training:
    """One training: everything that the fitted attributes of an estimator are made from.

    A callback that resumes a training replaces ``state``. ``attributes_from_rows(params)`` returns
    the attributes that the estimator learns from the training rows.
    """

    network: BaseNetwork
    targets: Targets
    rule: TrainingRule
    state: TrainingState
    attributes_from_rows: Callable[[np.ndarray], dict[str, Any]] = lambda params: {}

    def fitted_attributes(self, params: np.ndarray | None = None) -> dict[str, Any]:
        """Return the attributes that make an estimator fitted, as the training is now.

        ``params`` replace the parameters that the training keeps.
        """
        network, state = self.network, self.state
        layout = network.layout
        kept = state.kept_params(self.rule) if params is None else params
        return {
            **self.targets.fitted_attributes,
            **self.attributes_from_rows(kept),
            "layout_": layout,
            "network_": network,
            "update_rule_": self.rule,
            "n_layers_": len(layout.layer_sizes),
            "n_outputs_": layout.layer_sizes[-1],
            "out_activation_": network.out_activation,
            "_params": kept,
            "_params_checksum": checksum(kept),
            "n_iter_": state.n_epochs,
            "t_": state.n_rows,
            "targets_": self.targets,
            "_training_state": state,
            "_members": None,
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the same attributes with a copy of the state, which later steps do not change."""
        copied = replace(self, state=self.state.copy())
        return copied.fitted_attributes()


@dataclass
class FitStart:
    """The training that a call starts or continues, with its data.

    Attributes
    ----------
    training : Training
    batches : Batches
        The rows to train on, encoded.
    validation : ValidationRows or None
        The validation rows: those of the user, or a part of the rows of X.
    listener : CallbackListener or None
        Passes the course of the training on to callbacks. None without callbacks.
    began : Start
        Parameters and counters before the first step of the call.
    n_epochs : int
        Largest number of epochs.
    stopped : bool or None
        True if a callback resumed a training that had been stopped, or had taken all its epochs.
        None if the training is not finished.
    """

    training: Training
    batches: Batches
    validation: ValidationRows | None
    listener: CallbackListener | None
    began: Start
    n_epochs: int
    stopped: bool | None


class FitEnd(NamedTuple):
    """The end of a call.

    Attributes
    ----------
    stopped, interrupted : bool
        See :class:`~sklearn_metabp.training.loop.TrainingEnd`.
    message : str or None
        The text of a warning, or None.
    attributes : dict
        The attributes that make the estimator fitted.
    """

    stopped: bool
    interrupted: bool
    message: str | None
    attributes: dict[str, Any]


def start_state(
    estimator: Any, network: BaseNetwork, rule: TrainingRule, given: GivenData
) -> TrainingState:
    """Return the state before the first step, by an estimator's parameters and the given start.

    Raises
    ------
    ValueError
        If the start is not finite or has other shapes than the network.
    """
    random_state = estimator.random_state
    if random_state is None:  # other code draws from NumPy's global generator too
        random_state = check_random_state(None).randint(2**32, dtype=np.uint32)
    if isinstance(random_state, Integral):
        random_state = seeded(random_state)
    random_state = check_random_state(random_state)
    layout = network.layout
    activations = network.activations
    if not activations and isinstance(estimator.activation, str):
        # scikit-learn's start depends on it without hidden layers too
        activations = (estimator.activation,)
    dense = layout.dense
    params = resolve_initializer(estimator.init)(dense, activations, random_state)
    if given.coef_init is not None:
        params = dense.flatten(given.coef_init, dense.intercepts(params))
    if given.intercept_init is not None:
        params = dense.flatten(dense.coefs(params), given.intercept_init)
    if layout.extras:
        extras = network.start_extras(random_state)
        params = layout.flatten(dense.coefs(params), dense.intercepts(params), extras)
    if not np.isfinite(params).all():
        raise ValueError(
            "A start must be finite: init, coef_init or intercept_init gave NaN or infinity."
        )
    patience = Patience(estimator.tol, estimator.n_iter_no_change, estimator.early_stopping)
    has_random_steps = network.dropout > 0 or rule.sets_dropout or network.input_noise > 0
    key = int(random_state.randint(2**63, dtype=np.int64)) if has_random_steps else 0
    return TrainingState(
        params, rule.init_state(layout), rule_key(rule), random_state, patience, key
    )


def start_at_rows(
    estimator: Any,
    network: BaseNetwork,
    batches: Batches,
    state: TrainingState,
    given: GivenData,
) -> None:
    """Change a start by the training rows, as the parameters of an estimator demand.

    Weights and biases that the user passed to ``fit`` do not change.
    """
    params, weights, biases = state.params, given.coef_init is None, given.intercept_init is None
    start = ROW_STARTS.get(estimator.init) if isinstance(estimator.init, str) else None
    if start is not None and (weights or biases):
        assert isinstance(network, Network)  # estimators of other packages do not have this option
        rows = sample_rows(batches.X, batches.sample_weight, state.random_state)
        start(params, network, rows, state.random_state, weights, biases)
    if estimator.init_output_bias == "targets" and biases:
        output_biases = network.layout.intercepts(params)[-1]
        output_biases[...] = constant_biases(network, batches.targets, batches.sample_weight)

"""Where a training starts: its first parameters, and the state around them."""

import numpy as np
from sklearn.utils import check_random_state

from sklearn_metabp.estimators._parameters import rule_key
from sklearn_metabp.network import Network, constant_biases, resolve_initializer
from sklearn_metabp.training import Batches, Patience, TrainingState
from sklearn_metabp.update_rules import UpdateRule


def start_training(
    estimator, network: Network, rule: UpdateRule, coef_init, intercept_init
) -> TrainingState:
    """The state before the first step, by an estimator's parameters and the start that ``fit`` was given.

    Raises
    ------
    ValueError
        If the start is not finite or has other shapes than the network.
    """
    random_state = check_random_state(estimator.random_state)
    if estimator.random_state is None:  # NumPy's global generator is also drawn from by others
        random_state = np.random.RandomState(random_state.randint(2**32, dtype=np.uint32))
    layout = network.layout
    activations = network.activations
    if not activations and isinstance(estimator.activation, str):
        activations = (
            estimator.activation,
        )  # scikit-learn's start goes by it without hidden layers too
    params = resolve_initializer(estimator.init)(layout, activations, random_state)
    if coef_init is not None:
        params = layout.flatten(coef_init, layout.intercepts(params))
    if intercept_init is not None:
        params = layout.flatten(layout.coefs(params), intercept_init)
    if not np.isfinite(params).all():
        raise ValueError(
            "A start must be finite: init, coef_init or intercept_init gave NaN or infinity."
        )
    patience = Patience(estimator.tol, estimator.n_iter_no_change, estimator.early_stopping)
    key = int(random_state.randint(2**63, dtype=np.int64)) if network.dropout else 0
    return TrainingState(
        params, rule.init_state(layout), rule_key(rule), random_state, patience, key
    )


def start_outputs_at_targets(params: np.ndarray, network: Network, batches: Batches) -> None:
    """Set the biases of the output layer to those of the best constant prediction for the training rows."""
    biases = network.layout.intercepts(params)[-1]
    biases[...] = constant_biases(network, batches.targets, batches.sample_weight)

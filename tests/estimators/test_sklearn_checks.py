"""scikit-learn's common checks, none of which is expected to fail."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_metabp import (
    LBFGS,
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    AdaMax,
    AdamW,
    Averaged,
    BackpropAutoencoder,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    BackpropRNNClassifier,
    BackpropRNNRegressor,
    Clipped,
    ConjugateGradient,
    LinearBackprop,
    Lion,
    Muon,
    NAdam,
    RAdam,
    RMSprop,
    Rprop,
    Safeguarded,
)

QUICK = {"hidden_layer_sizes": (10,), "max_iter": 40, "random_state": 0}
RULES = [
    Rprop(0.05),
    AdaGrad(0.1),
    AdaDelta(20.0),
    RMSprop(0.01),
    AdaMax(0.02),
    AdamW(0.02),
    NAdam(0.02),
    RAdam(0.05),
    Lion(0.01),
    Muon(0.1, adamw_learning_rate=0.05),
    Averaged(Clipped(Adam(0.02)), decay=0.9),
    LinearBackprop(Adam(0.02)),
    Safeguarded(Adam(0.02), SGD(0.05)),
    LBFGS(),
    ConjugateGradient(),
]
ESTIMATORS = [
    BackpropAutoencoder(),
    BackpropAutoencoder(contamination=0.1, update_rule=Adam(0.02), batch_size="full", **QUICK),
    BackpropAutoencoder(activation="tanh", update_rule=LBFGS(), **QUICK),
    BackpropAutoencoder(**(QUICK | {"hidden_layer_sizes": (8, 2, 8)}), batch_size="full"),
    BackpropMLPClassifier(),
    BackpropMLPRegressor(),
    BackpropMLPClassifier(update_rule=Adam(0.02), **QUICK),
    BackpropMLPRegressor(update_rule=Adam(0.02), **QUICK),
    BackpropMLPClassifier(update_rule=SGD(0.3), **QUICK),
    BackpropMLPRegressor(update_rule=SGD(0.05), **QUICK),
    BackpropMLPClassifier(update_rule=SGD(0.1, 0.9, nesterov=True), **QUICK),
    BackpropMLPRegressor(update_rule=SGD(0.02, 0.8), **QUICK),
    BackpropMLPClassifier(
        loss="squared_error", out_activation="tanh", update_rule=SGD(0.3, 0.9), **QUICK
    ),
    BackpropMLPClassifier(
        out_activation="logistic",
        activation="tanh",
        batch_size="full",
        **(QUICK | {"max_iter": 200}),
    ),
    # A batch smaller than the data would make rows of weight 2 differ from rows given twice.
    *(
        estimator(update_rule=rule, batch_size="full", **QUICK)
        for rule in RULES
        for estimator in (BackpropMLPClassifier, BackpropMLPRegressor)
    ),
    BackpropMLPClassifier(n_members=2, update_rule=Adam(0.02), batch_size="full", **QUICK),
    BackpropMLPRegressor(n_members=2, update_rule=Adam(0.02), batch_size="full", **QUICK),
    *(
        estimator(
            scaling_layer=True,
            numeric_embedding="periodic",
            update_rule=Adam(0.02),
            batch_size="full",
            **QUICK,
        )
        for estimator in (BackpropMLPClassifier, BackpropMLPRegressor)
    ),
    BackpropRNNClassifier(),
    BackpropRNNRegressor(),
    BackpropRNNClassifier(10, "gru", update_rule=Adam(0.05), max_iter=60, random_state=0),
    BackpropRNNRegressor(10, "gru", update_rule=Adam(0.05), max_iter=100, random_state=0),
    BackpropRNNClassifier(
        10, n_timesteps=1, activation="relu", update_rule="lbfgs", max_iter=60, random_state=0
    ),
    BackpropMLPRegressor(activation="logistic", shuffle=False, update_rule=SGD(0.5), **QUICK),
    BackpropMLPRegressor(
        loss="huber",
        activation=["gelu"],
        init="he_normal",
        update_rule=Adam(0.02),
        batch_size="full",
        **QUICK,
    ),
    BackpropMLPClassifier(
        activation=["silu"], init="orthogonal", update_rule=Adam(0.05), batch_size="full", **QUICK
    ),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learns_checks(estimator, check):
    check(estimator)

"""scikit-learn's common checks, none of which is expected to fail."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_metabp import SGD, Adam, BackpropMLPClassifier, BackpropMLPRegressor

QUICK = {"hidden_layer_sizes": (10,), "max_iter": 40, "random_state": 0}
ESTIMATORS = [
    BackpropMLPClassifier(),
    BackpropMLPRegressor(),
    BackpropMLPClassifier(update_rule=Adam(0.02), **QUICK),
    BackpropMLPRegressor(update_rule=Adam(0.02), **QUICK),
    BackpropMLPClassifier(update_rule=SGD(0.3), **QUICK),
    BackpropMLPRegressor(update_rule=SGD(0.05), **QUICK),
    BackpropMLPClassifier(update_rule=SGD(0.1, 0.9, nesterov=True), **QUICK),
    BackpropMLPRegressor(update_rule=SGD(0.02, 0.8), **QUICK),
    BackpropMLPClassifier(loss="squared_error", out_activation="tanh", update_rule=SGD(0.3, 0.9), **QUICK),
    BackpropMLPClassifier(
        out_activation="logistic", activation="tanh", batch_size="full", **(QUICK | {"max_iter": 200})
    ),
    # A batch smaller than the data would make rows of weight 2 differ from rows given twice.
    BackpropMLPRegressor(activation="logistic", shuffle=False, update_rule=SGD(0.5), **QUICK),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learns_checks(estimator, check):
    check(estimator)

"""The penalty of input gradients as a parameter of the estimators."""

import numpy as np
import pytest

from sklearn_metabp import BackpropMLPClassifier, BackpropMLPRegressor, LinearBackprop
from sklearn_metabp.derivatives import input_gradients

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def make_data(seed=0, n=60):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 6))
    noise = rng.standard_normal((n, 3))
    return X, (X[:, :3] + noise).argmax(axis=1), X[:, 0] * X[:, 1] + noise[:, 0]


def mean_norm(model, X, y):
    return float((input_gradients(model, X, y) ** 2).sum(axis=1).mean())


@pytest.mark.parametrize("update_rule", ["adam", "lbfgs", "rprop"])
def test_the_penalty_makes_losses_flat_in_the_inputs(update_rule):
    X, y, numbers = make_data()
    for Estimator, target in ((BackpropMLPClassifier, y), (BackpropMLPRegressor, numbers)):
        models = [
            Estimator(
                (4,), "tanh", update_rule=update_rule, max_iter=300, alpha=0.0, random_state=0,
                input_gradient_penalty=beta,
            ).fit(X, target)
            for beta in (0.0, 10.0)
        ]  # fmt: skip
        norms = [mean_norm(model, X, target) for model in models]
        assert norms[0] > 2 * norms[1]


def test_the_loss_of_a_step_has_the_penalty_and_validation_losses_do_not():
    X, y, _ = make_data()
    options = {"batch_size": "full", "max_iter": 1, "alpha": 0.0, "random_state": 1}
    start = BackpropMLPClassifier((8,), max_iter=1, random_state=1, update_rule="sgd")
    start.set_params(update_rule__learning_rate=1e-12).fit(X, y)
    plain = BackpropMLPClassifier((8,), **options).fit(X, y, X_val=X, y_val=y)
    penalised = BackpropMLPClassifier((8,), input_gradient_penalty=3.0, **options)
    penalised.fit(X, y, X_val=X, y_val=y)
    expected = plain.loss_curve_[0] + 3.0 / 2 * mean_norm(start, X, y)
    assert penalised.loss_curve_[0] == pytest.approx(expected, rel=1e-8)
    network = penalised.network_
    targets = penalised.targets_.encode(y, X.dtype)
    assert penalised.validation_loss_curve_[0] == pytest.approx(
        network.mean_loss(penalised.params_, X, targets)
    )


def test_rules_with_deltas_of_their_own_are_refused():
    X, y, _ = make_data()
    model = BackpropMLPClassifier(update_rule=LinearBackprop("adam"), input_gradient_penalty=0.1)
    with pytest.raises(ValueError, match=r"input_gradient_penalty=0\.1 needs .* LinearBackprop"):
        model.fit(X, y)
    assert not hasattr(model, "classes_")


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf, "much"])
def test_impossible_strengths_are_refused(bad):
    X, y, _ = make_data()
    with pytest.raises(ValueError, match="input_gradient_penalty"):
        BackpropMLPClassifier(input_gradient_penalty=bad).fit(X, y)
    with pytest.raises(ValueError, match="input_gradient_norm"):
        BackpropMLPClassifier(input_gradient_norm="l3").fit(X, y)

"""Whole trainings against scikit-learn's MLP: same random_state, start, order and loss curve."""

import numpy as np
import pytest
from helpers.data import classes, numbers
from sklearn.neural_network import MLPClassifier, MLPRegressor

from sklearn_metabp import SGD, Adam, BackpropMLPClassifier, BackpropMLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

EPOCHS = 25
RULES = {
    "plain": (0.3, 0.0, False),
    "momentum": (0.05, 0.9, False),
    "nesterov": (0.05, 0.8, True),
    "gentle": (0.01, 0.5, False),
}
KINDS = ["binary", "multiclass", "multilabel", "strings", "regression"]
# Beside kind x rule x activation: what changes in one place.
VARIANTS = [
    {"alpha": 0.0},
    {"alpha": 3.0},
    {"hidden_layer_sizes": ()},
    {"hidden_layer_sizes": (), "activation": "logistic"},
    {"hidden_layer_sizes": (9, 5, 3)},
    {"hidden_layer_sizes": 6},
    {"batch_size": 1},
    {"batch_size": 59},
    {"batch_size": 60},
    {"shuffle": False},
    {"random_state": 11},
]


def both(kind, rule, *, weighted=False, dtype=np.float64, adam=None, **setting):
    """Ours and scikit-learn's, fitted alike."""
    seed = sum(map(ord, kind + str(rule)))
    X, y = (
        numbers(seed=seed, dtype=dtype)
        if kind == "regression"
        else classes(kind, seed=seed, dtype=dtype)
    )
    sample_weight = np.random.default_rng(seed).uniform(0.2, 3, len(X)) if weighted else None
    ours, theirs = (
        (BackpropMLPRegressor, MLPRegressor)
        if kind == "regression"
        else (BackpropMLPClassifier, MLPClassifier)
    )
    common = {
        "hidden_layer_sizes": (7,),
        "alpha": 0.01,
        "batch_size": 16,
        "max_iter": EPOCHS,
        "random_state": 3,
        "tol": 0.0,
        "n_iter_no_change": np.inf,
    } | setting
    if adam is None:
        rate, momentum, nesterov = RULES[rule]
        update_rule = SGD(rate, momentum, nesterov)
        solver = {"solver": "sgd", "momentum": momentum, "nesterovs_momentum": nesterov}
    else:
        update_rule = Adam(**adam)
        rate = adam["learning_rate"]
        solver = {"solver": "adam"} | {name: adam[name] for name in ("beta_1", "beta_2", "epsilon")}
    model = ours(update_rule=update_rule, **common).fit(X, y, sample_weight)
    reference = theirs(learning_rate_init=rate, **solver, **common).fit(X, y, sample_weight)
    return model, reference, X


def expect_same_course(model, reference, X, rtol=1e-9):
    np.testing.assert_allclose(model.loss_curve_, reference.loss_curve_, rtol=rtol)
    for ours, theirs in zip(
        (*model.coefs_, *model.intercepts_),
        (*reference.coefs_, *reference.intercepts_),
        strict=True,
    ):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_"):
        assert getattr(model, name) == getattr(reference, name), name
    assert model.loss_ == pytest.approx(reference.loss_, rel=rtol)
    assert model.best_loss_ == pytest.approx(reference.best_loss_, rel=rtol)
    np.testing.assert_array_equal(model.predict(X).shape, reference.predict(X).shape)
    if hasattr(model, "classes_"):
        np.testing.assert_array_equal(model.classes_, reference.classes_)
        np.testing.assert_array_equal(model.predict(X), reference.predict(X))
        np.testing.assert_allclose(
            model.predict_proba(X), reference.predict_proba(X), rtol=rtol, atol=rtol
        )
    else:
        np.testing.assert_allclose(model.predict(X), reference.predict(X), rtol=rtol, atol=rtol)
    assert model.loss_curve_[-1] < model.loss_curve_[0]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", KINDS)
def test_sgd_takes_scikit_learns_course(kind, rule, activation, weighted):
    expect_same_course(*both(kind, rule, activation=activation, weighted=weighted))


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_sgd_takes_scikit_learns_course_whatever_the_setting(kind, variant):
    expect_same_course(*both(kind, "gentle", **variant))


@pytest.mark.parametrize("kind", KINDS)
def test_float32_stays_near_scikit_learns_course(kind):
    model, reference, X = both(kind, "plain", activation="tanh", dtype=np.float32)
    assert model.params_.dtype == np.float32
    expect_same_course(model, reference, X, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_adam_takes_scikit_learns_course_where_epsilon_does_not_count(kind):
    # scikit-learn adds epsilon before the correction of the second moment.
    adam = {"learning_rate": 0.01, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-30}
    expect_same_course(*both(kind, "adam", activation="tanh", adam=adam), rtol=1e-8)


def test_several_outputs_have_the_sum_of_their_losses_and_its_gradient():
    """scikit-learn has that gradient too, but the mean of the losses."""
    X, Y = numbers(3, seed=8)
    common = {
        "hidden_layer_sizes": (6,),
        "activation": "tanh",
        "alpha": 0.0,
        "batch_size": 20,
        "max_iter": EPOCHS,
        "random_state": 1,
        "tol": 0.0,
        "n_iter_no_change": np.inf,
    }
    model = BackpropMLPRegressor(update_rule=SGD(0.1), **common).fit(X, Y)
    reference = MLPRegressor(solver="sgd", learning_rate_init=0.1, momentum=0.0, **common).fit(X, Y)
    np.testing.assert_allclose(model.predict(X), reference.predict(X), rtol=1e-9)
    np.testing.assert_allclose(model.loss_curve_, 3 * np.array(reference.loss_curve_), rtol=1e-9)


@pytest.mark.parametrize("n_iter_no_change", [1, 3])
def test_an_adaptive_rate_takes_scikit_learns_course(n_iter_no_change):
    """A fifth at every plateau, to the end at 1e-6. scikit-learn waits for one epoch more."""
    X, y = classes("multiclass", seed=4)
    common = {
        "hidden_layer_sizes": (7,),
        "batch_size": 16,
        "max_iter": 500,
        "random_state": 3,
        "tol": 0.01,
    }
    rule = SGD(0.5, schedule="adaptive")
    model = BackpropMLPClassifier(
        update_rule=rule, n_iter_no_change=n_iter_no_change + 1, **common
    ).fit(X, y)
    reference = MLPClassifier(
        solver="sgd",
        learning_rate_init=0.5,
        learning_rate="adaptive",
        momentum=0.0,
        n_iter_no_change=n_iter_no_change,
        **common,
    ).fit(X, y)
    assert model.n_iter_ == reference.n_iter_ < 500
    np.testing.assert_allclose(model.loss_curve_, reference.loss_curve_, rtol=1e-9)

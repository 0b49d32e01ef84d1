"""Three points in one: what is trained, what is kept, and what comes between."""

import numpy as np
import pytest
from helpers.data import classes
from helpers.rules import make_step, walk

from sklearn_metabp import (
    SGD,
    Adam,
    AdamW,
    Averaged,
    BackpropMLPClassifier,
    Clipped,
    EarlyStopping,
    Lion,
    Muon,
    Safeguarded,
    ScheduleFree,
)
from sklearn_metabp.network import ParameterLayout

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
LONG = {"tol": 0, "n_iter_no_change": np.inf, "random_state": 0, "batch_size": 16}


def fit(rule, n_epochs=10, **setting):
    X, y = classes("multiclass", seed=2)
    model = BackpropMLPClassifier((5,), "tanh", update_rule=rule, max_iter=n_epochs)
    return model.set_params(**(LONG | setting)).fit(X, y), X, y


def kept(rule, gradients, start, dtype=np.float64):
    _, state, params = walk(rule, gradients, start, dtype)
    return rule.kept_params(params, state)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("warmup_steps", [0, 25])
@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 1.0])
def test_what_is_kept_is_the_average_of_z(beta, warmup_steps, dtype):
    rng = np.random.default_rng(0)
    gradients, start = rng.standard_normal((60, 6)), rng.standard_normal(6)
    rule = ScheduleFree(SGD(0.3), beta=beta, warmup_steps=warmup_steps)
    sizes = np.minimum(1, np.arange(1, 61) / warmup_steps) if warmup_steps else np.ones(60)
    z = start + np.cumsum(-0.3 * sizes[:, None] * gradients, axis=0)
    expected = np.average(z, axis=0, weights=sizes**2)
    x = kept(rule, gradients, start, dtype)
    assert x.dtype == dtype
    np.testing.assert_allclose(x, expected, rtol=1e-12 if dtype == np.float64 else 1e-4, atol=1e-6)
    y = walk(rule, gradients, start, dtype)[2]
    mixed = (1 - beta) * z[-1] + beta * expected
    np.testing.assert_allclose(y, mixed, rtol=1e-12 if dtype == np.float64 else 1e-4, atol=1e-6)


def test_it_has_an_adamw_of_its_own():
    rng = np.random.default_rng(0)
    gradients, start = rng.standard_normal((30, 6)), rng.standard_normal(6)
    named = ScheduleFree(AdamW(0.0025, beta_1=0.0, weight_decay=0.0))
    np.testing.assert_array_equal(
        kept(ScheduleFree(), gradients, start), kept(named, gradients, start)
    )
    assert ScheduleFree().state_key() == named.state_key()
    one, other = fit("schedulefree")[0], fit(named)[0]
    np.testing.assert_array_equal(one.params_, other.params_)


def test_before_the_first_step_and_after_new_parameters_all_points_are_one():
    rule, layout = ScheduleFree(SGD(0.1)), ParameterLayout((1, 2))
    params, state = np.arange(4.0), rule.init_state(layout)
    np.testing.assert_array_equal(rule.kept_params(params, state), params)
    _, state, params = walk(rule, np.ones((9, 4)), np.zeros(4))
    assert (rule.kept_params(params, state) != params).all()
    rule.on_new_params(state)
    np.testing.assert_array_equal(rule.kept_params(params, state), params)


def test_new_weights_begin_a_new_average():
    model, X, y = fit(ScheduleFree(SGD(0.1)), warm_start=True)
    assert model._training_state.rule_state["mass"] == 4 * 10
    model.coefs_[0][...] += 0.5
    model.fit(X, y)
    assert model._training_state.rule_state["mass"] == 4 * 10


def test_validation_and_early_stopping_judge_what_is_kept():
    X, y = classes("multiclass", n=120, seed=2)
    X, X_val, y, y_val = X[:60], X[60:], y[:60], y[60:]
    setting = {"activation": "tanh", "update_rule": ScheduleFree(SGD(0.5)), **LONG}
    stopped = BackpropMLPClassifier((5,), max_iter=300, **setting)
    stopped.set_callbacks(EarlyStopping(patience=2)).fit(X, y, X_val=X_val, y_val=y_val)
    best = int(np.argmin(stopped.validation_loss_curve_)) + 1
    assert 2 < best < 300
    until_best = BackpropMLPClassifier((5,), max_iter=best, **setting)
    until_best.fit(X, y, X_val=X_val, y_val=y_val)
    np.testing.assert_array_equal(stopped.params_, until_best.params_)
    probability = until_best.predict_proba(X_val)[np.arange(len(y_val)), y_val]
    loss = until_best.validation_loss_curve_[-1]
    assert loss == pytest.approx(-np.log(probability).mean(), rel=1e-9)


@pytest.mark.parametrize("inner", [Adam(0.05), Lion(0.01), Muon(0.1), Clipped(SGD(1.0))], ids=str)
def test_it_wraps_any_rule(inner):
    model, X, y = fit(ScheduleFree(inner, warmup_steps=10), n_epochs=60)
    assert model.score(X, y) > 0.8


def test_the_average_is_lower_than_the_path():
    """SGD at a rate at which it does not settle: its average does."""
    rng = np.random.default_rng(0)
    rule, layout = ScheduleFree(SGD(0.5)), ParameterLayout((1, 2))
    slopes = np.array([1.0, 0.5, 2.0, 0.1])
    state, params = rule.init_state(layout), np.full(4, 3.0)
    for t in range(1, 2001):
        gradients = slopes * params + rng.standard_normal(4)
        params = params + rule.compute_update(make_step(layout, gradients, params, t), state)
    x = rule.kept_params(params, state)
    z = x - state["offset"]
    assert slopes @ x**2 < 0.05 * slopes @ z**2


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            Safeguarded(ScheduleFree("sgd")),
            "Safeguarded changes the updates of ScheduleFree, .* one of them has",
        ),
        (
            ScheduleFree(Safeguarded("sgd")),
            "ScheduleFree changes the updates of Safeguarded, .* one of them has",
        ),
        (Safeguarded(Clipped(ScheduleFree("sgd"))), "one of them has to go"),
        (ScheduleFree(Averaged("sgd")), r"write Averaged\(ScheduleFree\(...\)\)"),
        (
            Safeguarded(Safeguarded("sgd")),
            "Safeguarded changes the updates of Safeguarded, .* one of them has",
        ),
    ],
)
def test_what_follows_updates_is_not_put_where_they_are_altered(rule, message):
    with pytest.raises(TypeError, match=message):
        fit(rule)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"learning_rate": 0.1}, r"the wrapped rule: ScheduleFree\(AdamW\(0.01, beta_1=0.0\)\)"),
        ({"weight_decay": 0.1}, "a parameter of the wrapped rule"),
        ({"beta_1": 0.95}, "Use beta"),
        ({"schedule": "cosine"}, "Use warmup_steps"),
    ],
)
def test_parameters_of_others_are_answered(given, message):
    with pytest.raises(TypeError, match=message):
        ScheduleFree(**given)

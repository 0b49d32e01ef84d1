"""Every rule of the package: oracles, parameters, state."""

import pickle

import numpy as np
import pytest
from helpers.data import classes
from helpers.rules import ALL_RULES, OTHERS, RULES, make_step, walk
from sklearn.base import clone

from sklearn_metabp import (
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    AdaMax,
    AdamW,
    Averaged,
    BackpropMLPClassifier,
    Clipped,
    Layerwise,
    Lion,
    Muon,
    NAdam,
    Prodigy,
    RAdam,
    RMSprop,
    Rprop,
    ScheduleFree,
    TraceRecorder,
)
from sklearn_metabp.network import ParameterLayout
from sklearn_metabp.update_rules import UPDATE_RULES

START = np.array([0.5, -1.0, 0.0, 2.0])  # of four weights and of four biases
ORACLES = pytest.mark.parametrize(("rule", "oracle"), RULES, ids=[repr(rule) for rule, _ in RULES])
STEPPING = [*(rule for rule, _ in RULES), *OTHERS]


@ORACLES
@pytest.mark.parametrize("seed", range(3))
def test_a_hundred_steps_are_the_oracles(rule, oracle, seed):
    rng = np.random.default_rng(seed)
    gradients = rng.standard_normal((100, 8)) * np.geomspace(1e-4, 1e2, 8)
    gradients[rng.random(gradients.shape) < 0.2] = 0
    start = np.tile(START, 2)
    actual, *_ = walk(rule, gradients, start)
    expected = np.array(
        [oracle(list(column), start[i], i < 4) for i, column in enumerate(gradients.T)]
    ).T
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-300)
    single, *_ = walk(rule, gradients, start, np.float32)
    assert single.dtype == np.float32
    np.testing.assert_allclose(
        single, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max(axis=0).min()
    )


@ORACLES
def test_a_hundred_steps_of_a_network_are_the_oracles(rule, oracle):
    """Train by hand on logistic regression, whose gradient takes one line."""
    X, y = classes("binary", n=24, seed=3)
    model = BackpropMLPClassifier(
        (),
        update_rule=rule,
        alpha=0.0,
        batch_size="full",
        max_iter=100,
        tol=0,
        n_iter_no_change=np.inf,
    )
    start = np.array([0.3, -0.2, 0.1, 0.0, 0.4])
    weights = start.copy()
    model.fit(X, y, coef_init=[weights[:4, None]], intercept_init=[weights[4:]])
    inputs = np.column_stack([X, np.ones(len(X))])
    seen = []
    for _ in range(100):
        seen.append(inputs.T @ (1 / (1 + np.exp(-inputs @ weights)) - y) / len(X))
        weights = weights + [oracle([g[i] for g in seen], start[i], i < 4)[-1] for i in range(5)]
    np.testing.assert_allclose(model._training_state.params, weights, rtol=1e-9)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (SGD(learning_rate=0), "learning_rate"),
        (SGD(learning_rate=-0.1), "learning_rate"),
        (SGD(learning_rate="fast"), "learning_rate"),
        (SGD(learning_rate=np.nan), "learning_rate"),
        (SGD(momentum=1.0), "momentum"),
        (SGD(momentum=-0.1), "momentum"),
        (SGD(momentum=0.5, nesterov="yes"), "nesterov"),
        (SGD(nesterov=True), "needs momentum > 0"),
        (Adam(learning_rate=0), "learning_rate"),
        (Adam(beta_1=1.0), "beta_1"),
        (Adam(beta_1=-0.1), "beta_1"),
        (Adam(beta_2=1), "beta_2"),
        (Adam(epsilon=0), "epsilon"),
        (Adam(schedule="linear"), "schedule"),
        (Adam(schedule=0.5), "schedule"),
        (Rprop(increase=0.9), "increase"),
        (Rprop(decrease=1.0), "decrease"),
        (Rprop(min_step=0), "min_step"),
        (Rprop(min_step=1.0, max_step=0.1), "must not be above max_step"),
        (AdaGrad(epsilon=0), "epsilon"),
        (AdaDelta(decay=1.0), "decay"),
        (AdaDelta(learning_rate=0), "learning_rate"),
        (RMSprop(decay=-0.1), "decay"),
        (AdaMax(beta_2=1.5), "beta_2"),
        (AdamW(weight_decay=-1), "weight_decay"),
        (NAdam(momentum_decay=-1), "momentum_decay"),
        (RAdam(beta_1="most"), "beta_1"),
        (Lion(weight_decay=np.nan), "weight_decay"),
        (Muon(n_iterations=0), "n_iterations"),
        (Muon(adamw_learning_rate=0), "adamw_learning_rate"),
        (Clipped(max_norm=0), "max_norm"),
        (Averaged(decay=1.0), "decay"),
        (AdamW(decay_epochs=0), "decay_epochs"),
        (Lion(cautious="yes"), "cautious"),
        (AdamW(weight_decay=0.1, decay_epochs=5), "weight_decay=0.1 and decay_epochs=5 both set"),
        (Lion(weight_decay=0.1, decay_epochs=5), "weight_decay=0.1 and decay_epochs=5 both set"),
        (Muon(weight_decay=0.1, decay_epochs=5), "weight_decay=0.1 and decay_epochs=5 both set"),
        (Prodigy(weight_decay=0.1, decay_epochs=5), "weight_decay=0.1 and decay_epochs=5 both set"),
        (Prodigy(d0=0.0), "d0"),
        (Prodigy(growth_rate=1.0), "growth_rate"),
        (Prodigy(d_coef=-1.0), "d_coef"),
        (Prodigy(beta_2=1.0), "beta_2"),
        (ScheduleFree(beta=1.1), "beta"),
        (ScheduleFree(warmup_steps=-1), "warmup_steps"),
        (ScheduleFree(warmup_steps=0.1), "warmup_steps"),
        (ScheduleFree(Adam(schedule="cosine")), "takes the place of a schedule, and Adam within"),
        (ScheduleFree(Clipped(Adam(schedule="cosine"))), "leave it out"),
        (Layerwise(rates={0: -1.0}), r"rates has -1.0 for coefs_\[0\]"),
        (Layerwise(rates={0: np.inf}), "rates has inf"),
        (Layerwise(rates=lambda tensor: None), "rates has None for"),
        (Layerwise(rates={7: 1.0}), "rates has the key 7, but this network has layers 0 to"),
        (Layerwise(rates={True: 1.0}), "rates has the key True"),
        (Layerwise(decay_epochs={"coef_": 1.0}), "Did you mean 'coefs_'"),
        (Layerwise(decay_epochs={0: 0.0}), "decay_epochs has 0.0"),
        (Layerwise(decay_epochs=-1.0), "decay_epochs"),
        (Layerwise(frozen=[-3]), "frozen has the key -3"),
        (Layerwise(frozen="coefs_"), "frozen"),
        (Layerwise(cautious=2), "cautious"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_parameters_out_of_range_are_refused(rule, message):
    with pytest.raises(ValueError, match=message):
        rule.init_state(ParameterLayout((2, 1)))
    X, y = classes("binary")
    with pytest.raises(ValueError, match=message):
        BackpropMLPClassifier(update_rule=rule).fit(X, y)


@pytest.mark.parametrize("rule", ALL_RULES, ids=str)
def test_rules_clone_and_pickle_and_take_parameters(rule):
    copy = clone(rule)
    assert copy is not rule
    assert repr(copy) == repr(rule) == repr(pickle.loads(pickle.dumps(rule)))
    assert copy.get_params().keys() == rule.get_params().keys()
    if hasattr(rule, "learning_rate"):
        copy.set_params(learning_rate=0.125)
        assert copy.learning_rate == 0.125 != rule.learning_rate
    with pytest.raises(ValueError, match="Invalid parameter 'speed'"):
        copy.set_params(speed=3)


@pytest.mark.parametrize("rule", STEPPING, ids=str)
def test_state_lives_outside_the_rule(rule):
    before = dict(vars(rule))
    layout = ParameterLayout((2, 3, 2))
    rng = np.random.default_rng(1)
    gradients, params = (
        rng.standard_normal((5, layout.n_params)),
        rng.standard_normal(layout.n_params),
    )
    one, other, third = (rule.init_state(layout) for _ in range(3))

    def update(state, g, t):
        return np.array(rule.compute_update(make_step(layout, g, params, index=t), state))

    alone = [update(one, g, t) for t, g in enumerate(gradients, start=1)]
    between = []
    for t, g in enumerate(gradients, start=1):  # two trainings taking turns with one rule
        between.append(update(other, g, t))
        update(third, -3 * g, t)
    np.testing.assert_array_equal(alone, between)
    assert vars(rule) == before
    restored = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(update(restored, gradients[0], 6), update(one, gradients[0], 6))


@pytest.mark.parametrize("rule", STEPPING, ids=str)
def test_gradients_and_parameters_are_left_alone(rule):
    layout = ParameterLayout((2, 3, 2))
    gradients, params = np.linspace(-1, 1, layout.n_params), np.linspace(2, 0, layout.n_params)
    for array in (gradients, params):
        array.flags.writeable = False
    state = rule.init_state(layout)
    for t in range(1, 4):
        rule.compute_update(make_step(layout, gradients, params, index=t), state)


@pytest.mark.parametrize("rule", ALL_RULES, ids=str)
def test_one_rule_object_serves_two_trainings(rule):
    X, y = classes("multiclass", seed=2)
    setting = {"max_iter": 3, "random_state": 0, "hidden_layer_sizes": (5,), "batch_size": 16}
    models = [BackpropMLPClassifier(update_rule=rule, **setting) for _ in range(2)]
    for _ in range(3):
        for model in models:
            model.partial_fit(X, y, classes=[0, 1, 2])
    alone = BackpropMLPClassifier(update_rule=clone(rule), **setting)
    for _ in range(3):
        alone.partial_fit(X, y, classes=[0, 1, 2])
    for model in models:
        assert model.update_rule_ is rule
        np.testing.assert_array_equal(model.params_, alone.params_)


@pytest.mark.parametrize("rule", ALL_RULES, ids=str)
def test_a_training_in_parts_is_the_whole(rule):
    X, y = classes("multiclass", seed=2)
    setting = {
        "random_state": 0,
        "hidden_layer_sizes": (5,),
        "batch_size": 16,
        "tol": 0,
        "n_iter_no_change": np.inf,
    }
    whole = BackpropMLPClassifier(update_rule=rule, max_iter=4, **setting).fit(X, y)
    parts = BackpropMLPClassifier(update_rule=rule, max_iter=2, warm_start=True, **setting).fit(
        X, y
    )
    parts = pickle.loads(pickle.dumps(parts)).fit(X, y)
    np.testing.assert_array_equal(parts.params_, whole.params_)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("rule", ALL_RULES, ids=str)
def test_a_trace_computed_again_is_the_training(rule, dtype):
    """Check that every rule is replayable: the recorder compares the loss of every step."""
    X, y = classes("multiclass", seed=2, dtype=dtype)
    recorder = TraceRecorder()
    model = BackpropMLPClassifier((5,), update_rule=rule, max_iter=5, batch_size=16, random_state=0)
    model.set_params(tol=0, n_iter_no_change=np.inf).set_callbacks(recorder).fit(X, y)
    assert rule.replayable
    trace = recorder.trace_
    np.testing.assert_array_equal(
        trace.params[-1] + trace.updates[-1], model._training_state.params
    )


def test_named_rules_are_all_there_are():
    """One name a class; the two that search along lines have their tests elsewhere."""
    tried = {type(rule).__name__.lower() for rule, _ in RULES} - {"layerwise"} | {
        "muon",
        "prodigy",
        "lbfgs",
        "conjugategradient",
    }
    assert set(UPDATE_RULES) == tried

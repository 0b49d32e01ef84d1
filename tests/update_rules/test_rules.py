"""What holds for every rule that ships: exact steps, oracles, parameters, state."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.data import classes
from helpers.oracles import RULES
from sklearn.base import clone

from sklearn_metabp import SGD, Adam, BackpropMLPClassifier
from sklearn_metabp.network import ParameterLayout

# rule, gradients of one parameter, its first three updates by hand
FIRST_STEPS = [
    # -0.1 g
    (SGD(0.1), (1.0, 0.5, -2.0), (-0.1, -0.05, 0.2)),
    # v = 1; 0.9 + 0.5 = 1.4; 1.26 - 2 = -0.74; updates -0.1 v
    (SGD(0.1, 0.9), (1.0, 0.5, -2.0), (-0.1, -0.14, 0.074)),
    # the same v; g + 0.9 v = 1.9; 0.5 + 1.26 = 1.76; -2 - 0.666 = -2.666
    (SGD(0.1, 0.9, nesterov=True), (1.0, 0.5, -2.0), (-0.19, -0.176, 0.2666)),
    # m = 0.5 * 2 = 1, 0.5, 0.25 - 1 = -0.75; corrected by 1/2, 3/4, 7/8: 2, 2/3, -6/7
    # v = 0.25 * 4 = 1, 0.75, 0.5625 + 1 = 1.5625; corrected by 1/4, 7/16, 37/64: 4, 12/7, 100/37
    # -0.1 * 2 / (2 + 0.5); -0.1 * 0.666667 / (1.309307 + 0.5); 0.1 * 0.857143 / (1.643990 + 0.5)
    (Adam(0.1, 0.5, 0.75, 0.5), (2.0, 0.0, -2.0), (-0.08, -0.03684651, 0.03997887)),
    # The corrected moments of a constant gradient are g and g^2: -0.001 * 2 / (2 + 1e-8).
    (Adam(), (2.0, 2.0, 2.0), (-0.000999999995, -0.000999999995, -0.000999999995)),
    # A step has the size of the learning rate whatever the gradient's: 0.001 * 1e-3 / (1e-3 + 1e-8).
    (Adam(), (-1e-3, -1e-3, -1e-3), (0.00099999, 0.00099999, 0.00099999)),
]


def run(rule, gradients, dtype=np.float64, n=1):
    """Updates that a rule computes on a sequence of gradients, one row a step."""
    layout = ParameterLayout((1, n), dtype)
    state = rule.init_state(layout)
    gradients = np.asarray(gradients, dtype)
    rows = []
    for t, gradient in enumerate(gradients, start=1):
        buffer = np.full(layout.n_params, np.nan, dtype)
        step = SimpleNamespace(gradients=gradient, updates=buffer, layout=layout, index=t)
        rows.append(np.array(rule.compute_update(step, state)))
    return np.array(rows)


@pytest.mark.parametrize("kernel", ["installed", "twin"])
@pytest.mark.parametrize(("rule", "gradients", "updates"), FIRST_STEPS, ids=str)
def test_first_three_steps_are_those_by_hand(rule, gradients, updates, kernel, request):
    if kernel == "twin":
        request.getfixturevalue("twin_kernels")
    both = np.repeat(np.array(gradients)[:, None], 2, axis=1)
    actual = run(rule, both)
    np.testing.assert_allclose(actual, np.repeat(np.array(updates)[:, None], 2, axis=1), rtol=2e-7)
    np.testing.assert_allclose(run(rule, -both), -actual, rtol=1e-15)


@pytest.mark.parametrize(("rule", "oracle"), RULES, ids=lambda case: getattr(case, "__name__", repr(case)))
@pytest.mark.parametrize("seed", range(3))
def test_a_hundred_steps_are_the_oracles(rule, oracle, seed):
    rng = np.random.default_rng(seed)
    gradients = rng.standard_normal((100, 8)) * np.geomspace(1e-4, 1e2, 8)
    gradients[rng.random(gradients.shape) < 0.2] = 0
    actual = run(rule, gradients, n=4)
    expected = np.array([oracle(list(column)) for column in gradients.T]).T
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-300)
    single = run(rule, gradients, np.float32, n=4)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max(axis=0).min())


@pytest.mark.parametrize(("rule", "oracle"), RULES, ids=lambda case: getattr(case, "__name__", repr(case)))
def test_a_hundred_steps_of_a_network_are_the_oracles(rule, oracle):
    """On logistic regression, whose gradient takes one line."""
    X, y = classes("binary", n=24, seed=3)
    model = BackpropMLPClassifier(
        (), update_rule=rule, alpha=0.0, batch_size="full", max_iter=100, tol=0, n_iter_no_change=np.inf
    )
    weights = np.zeros(5)
    model.fit(X, y, coef_init=[weights[:4, None]], intercept_init=[weights[4:]])
    inputs = np.column_stack([X, np.ones(len(X))])
    seen = []
    for _ in range(100):
        seen.append(inputs.T @ (1 / (1 + np.exp(-inputs @ weights)) - y) / len(X))
        weights = weights + [oracle([g[i] for g in seen])[-1] for i in range(5)]
    np.testing.assert_allclose(model.params_, weights, rtol=1e-9)


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
    ],
    ids=str,
)
def test_parameters_out_of_range_are_refused(rule, message):
    with pytest.raises(ValueError, match=message):
        rule.init_state(ParameterLayout((2, 1)))
    X, y = classes("binary")
    with pytest.raises(ValueError, match=message):
        BackpropMLPClassifier(update_rule=rule).fit(X, y)


@pytest.mark.parametrize("rule", [rule for rule, _ in RULES], ids=str)
def test_rules_clone_and_pickle_and_take_parameters(rule):
    copy = clone(rule)
    assert copy is not rule
    assert copy.get_params() == rule.get_params() == pickle.loads(pickle.dumps(rule)).get_params()
    copy.set_params(learning_rate=0.125)
    assert copy.learning_rate == 0.125 != rule.learning_rate
    with pytest.raises(ValueError, match="Invalid parameter 'speed'"):
        copy.set_params(speed=3)


@pytest.mark.parametrize("rule", [rule for rule, _ in RULES], ids=str)
def test_state_lives_outside_the_rule(rule):
    before = dict(vars(rule))
    layout = ParameterLayout((2, 3))
    one, other = rule.init_state(layout), rule.init_state(layout)
    rng = np.random.default_rng(1)
    gradients = rng.standard_normal((5, layout.n_params))
    alone = []
    for g in gradients:
        step = SimpleNamespace(gradients=g, updates=layout.zeros(), layout=layout)
        alone.append(np.array(rule.compute_update(step, one)))
    between = []
    third = rule.init_state(layout)
    for g in gradients:  # two trainings taking turns with one rule
        step = SimpleNamespace(gradients=g, updates=layout.zeros(), layout=layout)
        between.append(np.array(rule.compute_update(step, other)))
        step = SimpleNamespace(gradients=-3 * g, updates=layout.zeros(), layout=layout)
        rule.compute_update(step, third)
    np.testing.assert_array_equal(alone, between)
    assert vars(rule) == before
    restored = pickle.loads(pickle.dumps(one))
    step = SimpleNamespace(gradients=gradients[0], updates=layout.zeros(), layout=layout)
    again = np.array(rule.compute_update(step, restored))
    np.testing.assert_array_equal(again, rule.compute_update(step, one))


@pytest.mark.parametrize("rule", [rule for rule, _ in RULES], ids=str)
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

import math
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.data import classes
from helpers.rules import walk

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropMLPClassifier,
    Muon,
    Rprop,
)
from sklearn_metabp.network import ParameterLayout
from sklearn_metabp.update_rules import UPDATE_RULES
from sklearn_metabp.update_rules.scheduled import ScheduledRule
from sklearn_metabp.update_rules.schedules import SCHEDULES, factor_at

SCHEDULED = [kind for kind in UPDATE_RULES.values() if issubclass(kind, ScheduledRule)]


def closed_form(name, t, n):
    """The schedules by the formulas of SGDClassifier, CosineAnnealingLR and OneCycleLR."""
    if name == "invscaling":
        return t**-0.5
    if name == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (t - 1) / n))
    if name == "one_cycle":
        low, k, top = 1 / 25, t - 1, 0.3 * n - 1
        start, end, share = (
            (low, 1, k / top) if k <= top else (1, low / 1e4, (k - top) / (n - 1 - top))
        )
        return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
    if name == "flat_cosine":
        return 1.0 if t - 1 <= n / 2 else 0.5 * (1 + math.cos(math.pi * (2 * (t - 1) / n - 1)))
    if name == "coslog4":
        return 0.5 * (1 - math.cos(2 * math.pi * math.log(1 + 15 * t / n, 2)))
    return 1.0


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 10, 1000])
@pytest.mark.parametrize("name", SCHEDULES)
def test_factors_are_those_of_the_formulas(name, n):
    factors = [factor_at(name, t, n) for t in range(1, n + 1)]
    if not (name == "one_cycle" and n < 7):  # torch.optim divides by 0.3 n - 1 there
        np.testing.assert_allclose(
            factors, [closed_form(name, t, n) for t in range(1, n + 1)], rtol=1e-12, atol=1e-15
        )
    assert all(0 <= factor <= 1 for factor in factors)
    beyond = [factor_at(name, t, n) for t in (n + 1, 2 * n, 10**6)]  # a training that goes on
    assert all(0 <= factor <= 1 for factor in beyond)


def test_first_factors_by_hand():
    assert [factor_at("invscaling", t, 9) for t in (1, 4, 9)] == [1, 1 / 2, 1 / 3]
    np.testing.assert_allclose(
        [factor_at("cosine", t, 4) for t in (1, 3, 4)], [1, 0.5, 0.5 - 0.5**1.5]
    )
    np.testing.assert_allclose(
        [factor_at("flat_cosine", t, 4) for t in (1, 2, 3, 4, 5, 9)], [1, 1, 1, 0.5, 0, 0]
    )
    # log2(1 + 15 p) is 1, 2, 3, 4 at p = 1/15, 3/15, 7/15, 1, where waves end.
    waves = [factor_at("coslog4", t, 15) for t in (1, 3, 7, 15, 16, 40)]
    np.testing.assert_allclose(waves, 0, atol=1e-15)
    tops = [factor_at("coslog4", round(1e6 * (2**top - 1) / 15), 10**6) for top in (0.5, 2.5, 3.5)]
    np.testing.assert_allclose(tops, 1, atol=1e-9)
    # Ten steps: from 1/25 at the first to 1 at the third (0.3 * 10 - 1 = 2), and down to the tenth.
    cycle = [factor_at("one_cycle", t, 10) for t in range(1, 11)]
    np.testing.assert_allclose(cycle[:3], [0.04, 0.52, 1.0])
    np.testing.assert_allclose(cycle[-1], 4e-6)
    assert np.all(np.diff(cycle[2:]) < 0)


@pytest.mark.parametrize("rule", SCHEDULED, ids=lambda rule: rule.__name__)
def test_a_factor_multiplies_the_rate_of_every_rule(rule):
    """A rule whose factor is constant is the rule with another rate."""
    rng = np.random.default_rng(0)
    gradients, start = rng.standard_normal((20, 20)), rng.standard_normal(20)
    sizes = (3, 3, 2)  # 9 + 6 weights, 3 + 2 biases
    rate = rule().learning_rate
    given = {"weight_decay": 0.1} if hasattr(rule(), "weight_decay") else {}
    scheduled, *_ = walk(
        rule(schedule=lambda t, n: 0.25, **given), gradients, start, layer_sizes=sizes
    )
    if rule is Rprop:
        plain, *_ = walk(Rprop(), gradients, start, layer_sizes=sizes)
        np.testing.assert_allclose(scheduled, plain / 4, rtol=1e-12)
        return
    if rule is Muon:
        given["adamw_learning_rate"] = 0.00025
    plain, *_ = walk(rule(learning_rate=rate / 4, **given), gradients, start, layer_sizes=sizes)
    np.testing.assert_allclose(scheduled, plain, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ["invscaling", "cosine", "one_cycle", "flat_cosine", "coslog4"])
def test_names_follow_the_steps(name):
    updates, *_ = walk(SGD(0.5, schedule=name), np.ones((40, 2)), [0.0, 0.0], n_planned=40)
    factors = [closed_form(name, t, 40) for t in range(1, 41)]
    np.testing.assert_allclose(updates[:, 0], -0.5 * np.array(factors), rtol=1e-12, atol=1e-15)


def test_a_training_calls_a_callable_with_its_steps():
    seen = []

    def warmup(t, t_planned):
        seen.append((t, t_planned))
        return min(1.0, t / 5)

    X, y = classes("binary")  # 60 rows: 3 batches of 20
    setting = {
        "batch_size": 20,
        "max_iter": 4,
        "tol": 0,
        "n_iter_no_change": np.inf,
        "random_state": 0,
    }
    BackpropMLPClassifier((3,), update_rule=SGD(0.1, schedule=warmup), **setting).fit(X, y)
    assert seen == [(t, 12) for t in range(1, 13)]


@pytest.mark.parametrize("answer", [np.nan, np.inf, -0.1, None, "half", 1j, np.ones(2)], ids=repr)
def test_a_callable_must_return_a_factor(answer):
    X, y = classes("binary")
    rule = Adam(schedule=lambda t, t_planned: answer if t > 2 else 1.0)
    model = BackpropMLPClassifier((3,), update_rule=rule, batch_size=20, max_iter=2)
    with pytest.raises(
        ValueError, match=r"returned .* at step 3 of 6: it must return a finite number"
    ):
        model.fit(X, y)


@pytest.mark.parametrize(
    "schedule",
    [lambda t: 1.0, lambda: 1.0, object, dict],
    ids=["one argument", "none", "object", "dict"],
)
def test_a_callable_must_take_the_step_and_the_plan(schedule):
    X, y = classes("binary")
    with pytest.raises(
        TypeError, match=r"must be a function schedule\(t, t_planned\) of the number"
    ):
        BackpropMLPClassifier((3,), update_rule=SGD(schedule=schedule)).fit(X, y)


def test_an_error_within_a_callable_arrives_unchanged():
    X, y = classes("binary")
    with pytest.raises(TypeError, match="unsupported operand"):
        BackpropMLPClassifier((3,), update_rule=SGD(schedule=lambda t, t_planned: t + "1")).fit(
            X, y
        )


def test_a_rate_that_was_set_has_had_no_plateaus():
    rule = SGD(0.4, schedule="adaptive")
    state, step = rule.init_state(ParameterLayout((1, 1))), SimpleNamespace(index=1, n_planned=10)
    assert [rule.on_plateau(state), rule.on_plateau(state)] == [True, True]
    assert rule.rate_at(step, state) == pytest.approx(0.4 / 25)
    rule.set_params(learning_rate=0.1)
    assert rule.rate_at(step, state) == 0.1
    rule.on_plateau(state)
    assert rule.rate_at(step, state) == pytest.approx(0.1 / 5)


def test_a_factor_of_zero_stands_still():
    updates, *_ = walk(Adam(schedule=lambda t, n: 0), np.ones((3, 2)), [0.0, 0.0])
    np.testing.assert_array_equal(updates, 0)


@pytest.mark.parametrize("rule", SCHEDULED, ids=lambda rule: rule.__name__)
def test_plateaus_divide_an_adaptive_rate_by_five_down_to_the_floor(rule):
    """Check as scikit-learn's SGDOptimizer: a plateau at a rate of 1e-6 or less is the last."""
    adaptive = rule(learning_rate=1e-3, schedule="adaptive")
    state = adaptive.init_state(ParameterLayout((1, 1)))
    step = SimpleNamespace(index=1, n_planned=10)
    rates = [adaptive.rate_at(step, state)]
    while adaptive.on_plateau(state):
        rates.append(adaptive.rate_at(step, state))
    np.testing.assert_allclose(rates, [1e-3, 2e-4, 4e-5, 8e-6, 1.6e-6, 3.2e-7], rtol=1e-12)
    assert not adaptive.on_plateau(state)


@pytest.mark.parametrize(
    "schedule",
    ["constant", "invscaling", "cosine", "one_cycle", "flat_cosine", "coslog4", lambda t, n: 1.0],
)
def test_other_schedules_end_at_a_plateau(schedule):
    rule = SGD(schedule=schedule)
    assert rule.on_plateau(rule.init_state(ParameterLayout((1, 1)))) is False
    assert rule.replayable


def test_plateaus_are_no_part_of_a_step():
    assert not SGD(schedule="adaptive").replayable

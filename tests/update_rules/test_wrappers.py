"""Wrappers: each changes one thing and leaves the rest to the rule within."""

import pickle

import numpy as np
import pytest
from helpers.callbacks import StepNotes
from helpers.data import classes, numbers
from helpers.rules import WRAPPERS, walk
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

from sklearn_metabp import (
    SGD,
    Adam,
    Averaged,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Clipped,
    Layerwise,
    LearnedUpdateRule,
    LinearBackprop,
    Rprop,
    Safeguarded,
    ScheduleFree,
    TraceRecorder,
    UpdateRule,
)
from sklearn_metabp.network import ParameterLayout

by_name = pytest.mark.parametrize("wrapper", WRAPPERS, ids=lambda wrapper: wrapper.__name__)
LONG = {"tol": 0, "n_iter_no_change": np.inf, "random_state": 0, "batch_size": 16}
LAYOUT = ParameterLayout((1, 1))


class Recording(UpdateRule):
    """A rule that records its calls and returns recognisable values."""

    acts_backward, full_batch = True, True

    def init_state(self, layout):
        return {"calls": []}

    def compute_update(self, step, state):
        state["calls"].append("update")
        return step.gradients * 0

    def compute_deltas(self, step, layer, state):
        state["calls"].append(layer)
        return "deltas"

    def on_plateau(self, state):
        state["calls"].append("plateau")
        return True

    def kept_params(self, params, state):
        return params + 1


@pytest.fixture(scope="module")
def learned():
    """Rules learned from SGD(0.1): of links and of neurons."""
    X, y = classes("multiclass", seed=5)
    recorder = TraceRecorder("all")
    teacher = BackpropMLPClassifier((6,), "tanh", update_rule=SGD(0.1), max_iter=20, **LONG)
    teacher.set_callbacks(recorder).fit(X, y)
    return {
        scope: LearnedUpdateRule(scope=scope, random_state=0).fit(recorder.trace_)
        for scope in ("link", "neuron")
    }


def fit(rule, n_epochs=10, hidden=(5,), **setting):
    X, y = classes("multiclass", seed=2)
    model = BackpropMLPClassifier(
        hidden, "tanh", update_rule=rule, max_iter=n_epochs, **(LONG | setting)
    )
    return model.fit(X, y), X, y


@by_name
def test_a_wrapper_delegates_to_the_rule_within(wrapper):
    if wrapper is not LinearBackprop:  # it says itself how deltas go back
        rule = wrapper(Recording())
        state = rule.init_state(LAYOUT)
        assert rule.acts_backward and rule.full_batch and not rule.replayable
        assert rule.compute_deltas(None, 3, state) == "deltas"
        assert rule.on_plateau(state) is True
        assert state["rule"]["calls"] == [3, "plateau"]
        assert rule.kept_params(np.zeros(2), state)[0] == (
            wrapper in (Clipped, Layerwise, Safeguarded)
        )
    for inner in (SGD(), Rprop(), Adam(schedule="adaptive"), "rprop", "sgd"):
        rule, named = wrapper(inner), {"rprop": Rprop(), "sgd": SGD()}.get(inner, inner)
        assert rule.replayable == named.replayable
        assert rule.full_batch == named.full_batch
        assert rule.acts_backward == (wrapper is LinearBackprop)


@by_name
def test_names_and_frozen_rules_stand_for_rules(wrapper):
    one, *_ = fit(wrapper("adam"))
    for inner in (Adam(), FrozenEstimator(Adam())):
        other, *_ = fit(wrapper(inner))
        np.testing.assert_array_equal(one.params_, other.params_)


@by_name
@pytest.mark.parametrize(
    ("inner", "error", "message"),
    [
        ("adamant", ValueError, "must be one of"),
        (Adam, TypeError, "add parentheses"),
        (None, TypeError, "instance of UpdateRule, got None"),
        (LearnedUpdateRule(), NotFittedError, "call its fit with a trace first"),
        ("lbfgs", TypeError, "cannot wrap LBFGS, which searches along lines"),
        (Adam(beta_1=2.0), ValueError, "beta_1"),
    ],
    ids=str,
)
def test_an_invalid_rule_within_raises_the_usual_error(wrapper, inner, error, message):
    if wrapper is ScheduleFree and inner is None:
        return  # it has a rule of its own
    with pytest.raises(error, match=message):
        fit(wrapper(inner))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Clipped(5), "^rule must be one of .* got 5"),
        (Clipped("adamant"), "^rule must be one of .* got 'adamant'"),
        (Safeguarded("adam", fallback=5), "^fallback must be one of .* got 5"),
        (
            Averaged(LearnedUpdateRule()),
            r"^rule=LearnedUpdateRule\(...\) has not been fitted.* pass it as rule",
        ),
        (5, "^update_rule must be one of"),
    ],
)
def test_an_error_names_the_parameter_that_has_the_wrong_rule(rule, message):
    with pytest.raises((TypeError, ValueError), match=message):
        fit(rule)


@by_name
def test_nested_parameters_are_reached_and_cloned(wrapper):
    model = BackpropMLPClassifier(update_rule=wrapper(Clipped(SGD(0.1))))
    model.set_params(update_rule__rule__rule__momentum=0.5, update_rule__rule__max_norm=2.0)
    copy = clone(model).update_rule
    assert (copy.rule.rule.momentum, copy.rule.max_norm) == (0.5, 2.0)
    assert copy is not model.update_rule and copy.rule.rule is not model.update_rule.rule.rule
    assert repr(pickle.loads(pickle.dumps(copy))) == repr(copy)


@by_name
def test_a_clone_keeps_what_was_learned(wrapper, learned):
    rule = clone(wrapper(learned["link"]))
    assert rule.rule is not learned["link"]
    model, X, y = fit(rule, n_epochs=60)
    assert model.score(X, y) > 0.8


@by_name
def test_updates_of_the_rule_within_are_validated(wrapper):
    class Short(SGD):
        def compute_update(self, step, state):
            return step.gradients[:-1]

    with pytest.raises(
        ValueError,
        match=r"Short.compute_update must return an array of shape \(39,\).*got shape \(38,\)",
    ):
        fit(wrapper(Short()), hidden=(3, 3))


@by_name
def test_states_fit_where_rules_are_of_one_kind(wrapper):
    assert wrapper("adam").state_key() == wrapper(Adam(0.1)).state_key()
    assert wrapper("adam").state_key() != wrapper("sgd").state_key()
    assert wrapper(Clipped("sgd")).state_key() != wrapper("sgd").state_key()
    assert Safeguarded("adam", "sgd").state_key() != Safeguarded("adam", "rmsprop").state_key()


@pytest.mark.parametrize("inner", [SGD(0.1), Adam(0.01)], ids=str)
def test_clipped_gradients_are_what_the_rule_sees(inner):
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((50, 6)) * np.geomspace(0.01, 10, 50)[:, None]
    lengths = np.sqrt((gradients**2).sum(axis=1))
    shorter = gradients * np.minimum(1, 1.5 / lengths)[:, None]
    assert 5 < (lengths > 1.5).sum() < 45
    clipped, *_ = walk(Clipped(inner, max_norm=1.5), gradients, np.zeros(6))
    np.testing.assert_allclose(clipped, walk(inner, shorter, np.zeros(6))[0], rtol=1e-12)
    wide, *_ = walk(Clipped(inner, max_norm=1e9), gradients, np.zeros(6))
    np.testing.assert_array_equal(wide, walk(inner, gradients, np.zeros(6))[0])


def test_clipping_by_hand():
    """(3, 4) has length 5: at most 1 is (0.6, 0.8)."""
    updates, *_ = walk(
        Clipped(SGD(0.1), max_norm=1.0), [[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]], [0.0, 0.0]
    )
    np.testing.assert_allclose(updates, [[-0.06, -0.08], [-0.03, -0.04], [0, 0]], rtol=1e-12)


@pytest.mark.parametrize(
    ("scale", "dtype"), [(1e155, float), (1e200, float), (1e308, float), (1e38, np.float32)]
)
def test_gradients_whose_length_has_no_number_are_clipped_too(scale, dtype):
    updates, *_ = walk(Clipped(SGD(1.0), max_norm=5.0), [[0.75 * scale, scale]], [0.0, 0.0], dtype)
    np.testing.assert_allclose(updates, [[-3.0, -4.0]], rtol=1e-6)


@pytest.mark.parametrize("scope", ["link", "neuron"])
def test_recorders_see_true_gradients_under_clipping(scope, learned):
    X, y = classes("multiclass", seed=2)
    notes = StepNotes()
    rule = Clipped(learned[scope] if scope == "link" else SGD(0.1), max_norm=1e-3)
    model = BackpropMLPClassifier((5,), update_rule=rule, max_iter=3, **LONG).set_callbacks(notes)
    model.fit(X, y)
    assert all(np.linalg.norm(step["gradients"]) > 0.01 for step in notes.steps)
    if scope == "neuron":
        for step in notes.steps:
            assert np.linalg.norm(step["updates"]) == pytest.approx(1e-4)


@pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"
)  # SGD(1e-300) moves nothing
def test_a_learned_rule_sees_clipped_gradients(learned):
    """Check that the kernel is bound to the buffers of the view."""
    wide, *_ = fit(Clipped(learned["link"], max_norm=1e9))
    plain, *_ = fit(learned["link"])
    np.testing.assert_array_equal(wide.params_, plain.params_)
    still, *_ = fit(Clipped(learned["link"], max_norm=1e-12), n_epochs=1)
    start, *_ = fit(SGD(1e-300), n_epochs=1)
    moved, *_ = fit(learned["link"], n_epochs=1)
    assert (
        np.abs(still.params_ - start.params_).max()
        < 1e-3 * np.abs(moved.params_ - start.params_).max()
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
def test_the_average_is_that_of_the_weights_after_every_step(decay, dtype):
    rng = np.random.default_rng(0)
    gradients, start = rng.standard_normal((60, 6)), rng.standard_normal(6)
    rule = Averaged(SGD(0.3), decay=decay)
    updates, state, params = walk(rule, gradients, start, dtype)
    np.testing.assert_array_equal(updates, walk(SGD(0.3), gradients, start, dtype)[0])
    weights = start + np.cumsum(-0.3 * gradients, axis=0)
    shares = (1 - decay) * decay ** np.arange(59.0, -1, -1) / (1 - decay**60)
    assert shares.sum() == pytest.approx(1)
    kept = rule.kept_params(params, state)
    assert kept.dtype == dtype
    np.testing.assert_allclose(kept, shares @ weights, rtol=1e-12 if dtype == np.float64 else 1e-4)


def test_averaging_by_hand():
    """Weights 1 and 3 after two steps, decay 0.5: (0.25 * 1 + 0.5 * 3) / 0.75."""
    rule = Averaged(SGD(1.0), decay=0.5)
    _, state, params = walk(rule, [[-1.0, -1.0], [-2.0, -2.0]], [0.0, 0.0])
    np.testing.assert_allclose(rule.kept_params(params, state), 7 / 3)


def test_before_the_first_step_there_is_nothing_to_average():
    rule, params = Averaged("sgd"), np.ones(2)
    assert rule.kept_params(params, rule.init_state(LAYOUT)) is params


def test_an_average_within_another_wrapper_is_kept():
    gradients, start = np.ones((5, 2)), np.zeros(2)
    alone, within = Averaged(SGD(0.1)), Clipped(Averaged(SGD(0.1)), max_norm=10.0)
    _, state, params = walk(alone, gradients, start)
    _, other, _ = walk(within, gradients, start)
    np.testing.assert_array_equal(
        alone.kept_params(params, state), within.kept_params(params, other)
    )


def test_linear_backprop_is_rule_6_without_its_derivative():
    X, y = numbers(2, n=12)
    notes = StepNotes()
    model = BackpropMLPRegressor(
        (6, 5), "tanh", update_rule=LinearBackprop(SGD(0.05)), max_iter=2, **LONG
    )
    model.set_params(batch_size=5).set_callbacks(notes).fit(X, y, np.linspace(0.5, 2, 12))
    for step in notes.steps:
        weights = model.layout_.coefs(step["params"])
        for layer in (1, 0):
            expected = step["deltas"][layer + 1] @ weights[layer + 1].T
            np.testing.assert_allclose(step["deltas"][layer], expected, rtol=1e-12)


def test_with_linear_neurons_linear_backprop_is_backprop():
    X, y = classes("multiclass")
    setting = {"activation": "identity", "hidden_layer_sizes": (5, 4), "max_iter": 10, **LONG}
    linear = BackpropMLPClassifier(update_rule=LinearBackprop(SGD(0.1)), **setting).fit(X, y)
    plain = BackpropMLPClassifier(update_rule=SGD(0.1), **setting).fit(X, y)
    np.testing.assert_allclose(linear.params_, plain.params_, rtol=1e-9)
    setting["activation"] = "tanh"
    assert (
        np.abs(
            BackpropMLPClassifier(update_rule=SGD(0.1), **setting).fit(X, y).params_
            - linear.params_
        ).max()
        > 0.01
    )


def test_linear_backprop_around_another_backward_rule_is_an_error(learned):
    for rule in (LinearBackprop(learned["neuron"]), LinearBackprop(Clipped(LinearBackprop("sgd")))):
        with pytest.raises(TypeError, match=r"computes deltas, and its rule=.* does so too"):
            fit(rule)


def test_a_fallback_gets_true_gradients():
    for rule in (Safeguarded("adam"), Clipped(Safeguarded("adam"))):
        with pytest.raises(TypeError, match=r"write Safeguarded\(LinearBackprop\(...\)\)"):
            fit(LinearBackprop(rule))
    fit(Safeguarded(LinearBackprop("adam")))

"""Rules are bound to a training once, and nothing of the training stays in their states."""

import copy
import pickle

import numpy as np
import pytest
from helpers.callbacks import StepNotes
from helpers.data import classes
from helpers.rules import ALL_RULES, WRAPPERS, FunctionRule
from sklearn.linear_model import Ridge

from sklearn_metabp import (
    SGD,
    Adam,
    Averaged,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Clipped,
    LearnedUpdateRule,
    LinearBackprop,
    Safeguarded,
    TraceRecorder,
)
from sklearn_metabp.update_rules import resolve
from sklearn_metabp.update_rules.wrapper import WrapperRule

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
LONG = {"tol": 0, "n_iter_no_change": np.inf, "random_state": 0, "batch_size": 16}
by_wrapper = pytest.mark.parametrize("wrapper", WRAPPERS, ids=lambda wrapper: wrapper.__name__)


def fit(rule, n_epochs=8, callbacks=(), **setting):
    X, y = classes("multiclass", seed=2)
    model = BackpropMLPClassifier(
        (5, 4), "tanh", update_rule=rule, max_iter=n_epochs, **(LONG | setting)
    )
    return model.set_callbacks(*callbacks).fit(X, y)


@pytest.fixture(scope="module")
def learned():
    recorder = TraceRecorder("all")
    fit(SGD(0.1), callbacks=[recorder])
    small = BackpropMLPRegressor((3,), tol=0.1, random_state=0)
    inputs = ["gradient/rms_0.9", "activation", "delta", "last_step"]
    rules = [
        *(LearnedUpdateRule(small, scope=scope) for scope in ("link", "neuron", "network")),
        *(LearnedUpdateRule(Ridge(), scope=scope) for scope in ("link", "neuron", "network")),
        LearnedUpdateRule(small, inputs=inputs),
    ]
    rules = [rule.fit(recorder.trace_) for rule in rules]
    return [
        *rules,
        *(Clipped(rule, max_norm=0.1) for rule in rules),
        Safeguarded(rules[0]),
        Averaged(rules[0]),
    ]


class Counting(SGD):
    """A rule that counts how often it is bound, and its steps."""

    def init_state(self, layout):
        return super().init_state(layout) | {"n_bound": 0, "n_steps": 0}

    def bind(self, step, state):
        state["n_bound"] += 1
        compute_update = super().bind(step, state)

        def compute():
            state["n_steps"] += 1
            return compute_update()

        return compute


def test_a_rule_is_bound_once_per_training():
    model = fit(Counting(0.1), n_epochs=5, warm_start=True)
    assert model._training_state.rule_state["n_bound"] == 1
    assert model._training_state.rule_state["n_steps"] == 5 * 4
    X, y = classes("multiclass", seed=2)
    assert model.fit(X, y)._training_state.rule_state["n_bound"] == 2
    np.testing.assert_array_equal(fit(Counting(0.1)).params_, fit(SGD(0.1)).params_)


@by_wrapper
def test_the_rule_within_is_bound_once_and_resolved_a_few_times(wrapper, monkeypatch):
    state = fit(wrapper(Counting(0.1)), n_epochs=5)._training_state.rule_state
    assert (state["rule"]["n_bound"], state["rule"]["n_steps"]) == (1, 20)
    n_made = 0

    class Made(Adam):
        def __init__(self):
            nonlocal n_made
            n_made += 1
            super().__init__(0.01)

    monkeypatch.setitem(resolve.UPDATE_RULES, "adam", Made)
    fit(wrapper("adam"), n_epochs=50)
    assert n_made < 30  # of 200 steps


def test_a_teacher_is_bound_once_per_training():
    recorder, rule = TraceRecorder(teacher=Counting(0.1)), []
    bind = Counting.bind
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Counting, "bind", lambda self, *given: (rule.append(1), bind(self, *given))[1]
        )
        fit(Adam(), callbacks=[recorder])
    assert len(rule) == 1
    np.testing.assert_allclose(recorder.trace_.teacher_updates, -0.1 * recorder.trace_.gradients)


class Unbound(WrapperRule):
    """A wrapper without ``bind``, which calls compute_update of the rule within at every step."""

    def __init__(self, rule):
        self.rule = rule

    def init_state(self, layout):
        return {"rule": self.inner_state(layout)}

    def compute_update(self, step, state):
        return self.inner_update(step, state)

    def compute_deltas(self, step, layer, state):
        return self.inner.compute_deltas(step, layer, state["rule"])


def assert_same_when_unbound(rule):
    unbound, bound = fit(Unbound(rule)), fit(rule)
    assert unbound.params_.tobytes() == bound.params_.tobytes()
    np.testing.assert_array_equal(
        fit(Unbound(rule), callbacks=[StepNotes()]).params_, bound.params_
    )


@pytest.mark.parametrize("rule", [*ALL_RULES, Safeguarded(SGD(5.0), SGD(0.05))], ids=repr)
def test_compute_update_equals_the_bound_update(rule):
    assert_same_when_unbound(rule)


@pytest.mark.parametrize("position", range(16))
def test_compute_update_of_learned_rules_equals_their_bound_updates(position, learned):
    assert len(learned) == 16
    assert_same_when_unbound(learned[position])


def assert_plain(value):
    if isinstance(value, dict):
        assert all(type(key) is str for key in value)
        for part in value.values():
            assert_plain(part)
    else:
        assert value is None or type(value) in (
            int,
            float,
            bool,
            str,
            np.ndarray,
            np.float64,
            np.bool_,
        )


def test_states_are_arrays_and_numbers(learned):
    for rule in [*ALL_RULES, *learned]:
        model = fit(rule, n_epochs=2, early_stopping=True)
        assert_plain(model._training_state.rule_state)
        half = pickle.loads(pickle.dumps(model._training_state.rule_state))
        assert_plain(copy.deepcopy(half))


@by_wrapper
def test_a_subclass_that_overrides_an_update_is_what_trains(wrapper):
    class Half(wrapper):
        def compute_update(self, step, state):
            return super().compute_update(step, state) / 2

    class Mixin:
        def compute_update(self, step, state):
            return super().compute_update(step, state) / 2

    class Mixed(Mixin, wrapper):
        pass

    notes = StepNotes()
    for rule in (Half(SGD(0.2)), Mixed(SGD(0.2))):
        fit(rule, n_epochs=1, callbacks=[notes])
    plain = StepNotes()
    fit(wrapper(SGD(0.2)), n_epochs=1, callbacks=[plain])
    for position in (0, 4):
        np.testing.assert_allclose(notes.steps[position]["updates"], plain.steps[0]["updates"] / 2)


def test_a_subclass_that_overrides_deltas_is_what_trains(learned):
    class Still(LinearBackprop):
        def compute_deltas(self, step, layer, state):
            return np.zeros_like(step.deltas[layer])

    class Learned(LearnedUpdateRule):
        def compute_deltas(self, step, layer, state):
            return np.zeros_like(step.deltas[layer])

    neuron = Learned()
    neuron.__dict__.update(learned[1].__dict__)
    for rule in (Still(SGD(0.1)), neuron):
        start, model = fit(SGD(1e-300), n_epochs=1, alpha=0.0), fit(rule, alpha=0.0)
        np.testing.assert_array_equal(model.coefs_[0], start.coefs_[0])
        assert np.abs(model.coefs_[-1] - start.coefs_[-1]).max() > 0.01


class Halved(WrapperRule):
    """A wrapper of one's own that binds."""

    def __init__(self, rule="sgd"):
        self.rule = rule

    def init_state(self, layout):
        return {"rule": self.inner_state(layout)}

    def compute_update(self, step, state):
        return self.inner_update(step, state) / 2

    def bind(self, step, state):
        inner_update = self.bind_inner(step, state)
        return lambda: inner_update() / 2


def test_a_wrapper_of_ones_own_may_bind():
    np.testing.assert_array_equal(fit(Halved(SGD(0.25))).params_, fit(SGD(0.125)).params_)


@pytest.mark.parametrize("around", [Unbound, Clipped])
@pytest.mark.parametrize("callbacks", [[], [StepNotes()]], ids=["alone", "with a callback"])
def test_weights_of_the_fallback_are_kept_within_any_wrapper(around, callbacks):
    """Check a safeguarded rule that climbs: step 36 is near the end of a bad block."""
    uphill = FunctionRule(lambda step: 0.02 * step.gradients)
    rule = Safeguarded(uphill, SGD(0.05))
    model = fit(around(rule), n_epochs=9, callbacks=callbacks)
    state = model._training_state.rule_state["rule"]
    assert not state["is_ahead"]
    np.testing.assert_array_equal(model.params_, state["fallback_params"])
    assert np.abs(model._training_state.params - model.params_).max() > 0.001


def test_a_bind_that_returns_none_is_an_error():
    class Forgot(SGD):
        def bind(self, step, state):
            super().bind(step, state)

    for rule in (Forgot(), Clipped(Forgot())):
        with pytest.raises(
            TypeError, match=r"Forgot\.bind must return a function without arg.*got None"
        ):
            fit(rule)

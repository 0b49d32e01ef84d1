"""A training continued under other hyperparameters keeps its state or starts a new one."""

import copy
import inspect
import itertools

import numpy as np
import pytest
from helpers.data import classes
from helpers.rules import WRAPPERS

from sklearn_metabp import (
    SGD,
    Adam,
    AdamW,
    Averaged,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Clipped,
    LearnedUpdateRule,
    Safeguarded,
    TraceRecorder,
    UpdateRule,
)
from sklearn_metabp.estimators._parameters import rule_key
from sklearn_metabp.update_rules.resolve import UPDATE_RULES

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
# Two values for every parameter that a rule has, by its name.
OTHER = {
    "learning_rate": [0.003, 0.01],
    "adamw_learning_rate": [0.003, 0.01],
    "schedule": [
        "constant",
        "adaptive",
        "cosine",
        "one_cycle",
        "invscaling",
        lambda t, t_planned: 0.5,
    ],
    "momentum": [0.5, 0.0, 0.9],
    "nesterov": [False, True],
    "increase": [1.0, 1.5],
    "decrease": [0.2, 0.9],
    "min_step": [1e-3, 1e-9],
    "max_step": [0.1, 100.0],
    "decay": [0.0, 0.5, 0.99],
    "epsilon": [1e-3, 1e-12],
    "beta_1": [0.0, 0.5],
    "beta_2": [0.0, 0.9],
    "weight_decay": [0.0, 0.1],
    "decay_epochs": [3.0, None],
    "cautious": [True, False],
    "decay_schedule": ["cosine", "constant", lambda t, t_planned: 0.5],
    "d0": [1e-3, 1e-8],
    "d_coef": [0.5, 2.0],
    "growth_rate": [1.02, np.inf],
    "bias_correction": [True, False],
    "safeguard_warmup": [True, False],
    "beta": [0.0, 0.5, 1.0],
    "warmup_steps": [0, 100],
    "rates": [{0: 0.5}, None],
    "frozen": [[1], ()],
    "momentum_decay": [0.0, 0.1],
    "n_iterations": [1, 7],
    "max_fun": [10, 15000],
    "memory": [1, 20],
    "variant": ["dai_yuan", "fletcher_reeves", "hestenes_stiefel"],
    "n_steepest": [0, 3, np.inf],
    "curvature": [0.5, 0.01],
    "max_norm": [1e-3, 1e3],
    "rule": ["sgd", "adam", Clipped("adam"), AdamW(), "muon"],
    "fallback": ["adam", "sgd"],
}
START = {"SGD": {"momentum": 0.9}, "Safeguarded": {"rule": "adam"}}
CASES = [
    (kind, name)
    for kind in dict.fromkeys([*UPDATE_RULES.values(), *WRAPPERS])
    for name in inspect.signature(kind).parameters
]


def network(rule, **setting):
    setting = {"max_iter": 4, "tol": 0, "n_iter_no_change": np.inf, "random_state": 0} | setting
    batch_size = "auto" if hasattr(rule, "minimize") else 16
    return BackpropMLPClassifier(
        (5, 3), "tanh", update_rule=rule, batch_size=batch_size, warm_start=True, **setting
    )


@pytest.mark.parametrize(
    ("kind", "name"), CASES, ids=lambda value: getattr(value, "__name__", value)
)
def test_a_training_goes_on_under_every_other_parameter(kind, name):
    X, y = classes("multiclass", seed=2)
    for value in OTHER[name]:
        model = network(kind(**START.get(kind.__name__, {}))).fit(X, y)
        before = rule_key(model.update_rule)
        model.update_rule.set_params(**{name: value})
        if kind is SGD and name == "momentum" and not value:
            model.update_rule.nesterov = False
        continues = rule_key(model.update_rule) == before
        assert continues or name in ("rule", "fallback")
        copied = copy.deepcopy(model)
        if not continues:  # as if it had never had a state
            state = copied._training_state
            state.rule_state, state.n_planned = model.update_rule.init_state(model.layout_), None
            state.rule_key = rule_key(model.update_rule)
        model.fit(X, y)
        assert np.isfinite(model.params_).all() and model.n_iter_ <= 8
        np.testing.assert_array_equal(model.params_, copied.fit(X, y).params_)


@pytest.fixture(scope="module")
def trace():
    X, y = classes("multiclass", seed=2)
    recorder = TraceRecorder("all")
    network(SGD(0.1), max_iter=10).set_callbacks(recorder).fit(X, y)
    return recorder.trace_


INPUTS = [
    (["gradient/rms_0.9"], ()),
    (["momentum_0.9/rms_0.9", "weight"], ()),
    (["gradient/rms_0.9", "gradient/peak_0.999"], ("peak",)),
    (["momentum_0.9/peak_0.999"], ("peak",)),
    (["gradient/rms_0.9", "gradient/norm"], ("norm",)),
    (["gradient/rms_0.9", "last_step"], ("steps",)),
    (["gradient/norm", "last_step", "gradient/peak_0.999"], ("peak", "norm", "steps")),
    (["gradient/norm", "gradient/peak_0.999"], ("peak", "norm")),
]


def test_a_learned_rule_takes_over_only_the_parts_of_the_history_with_the_same_meaning(trace):
    """Check that peaks are never read as norms, and that too short a history is not used."""
    X, y = classes("multiclass", seed=2)
    small = BackpropMLPRegressor((3,), tol=0.1, random_state=0)
    rules = [
        LearnedUpdateRule(small, inputs=inputs, random_state=0).fit(trace) for inputs, _ in INPUTS
    ]
    models = [network(rule).fit(X, y) for rule in rules]
    for (old, (_, had)), (new, (_, has)) in itertools.product(
        zip(models, INPUTS, strict=True), zip(rules, INPUTS, strict=True)
    ):
        model = copy.deepcopy(old).set_params(update_rule=new).fit(X, y)
        assert model._training_state.rule_state["n_steps"] == (32 if had == has else 16)
        wrapped = (
            network(Clipped(old.update_rule)).fit(X, y).set_params(update_rule__rule=new).fit(X, y)
        )
        assert wrapped._training_state.rule_state["rule"]["n_steps"] == (32 if had == has else 16)


def test_a_learned_rule_that_is_fitted_again_on_other_inputs_starts_its_state_anew(trace):
    X, y = classes("multiclass", seed=2)
    rule = LearnedUpdateRule(
        BackpropMLPRegressor((3,), tol=0.1, random_state=0), inputs=["gradient/rms_0.9"]
    )
    model = network(rule.fit(trace)).fit(X, y)
    rule.set_params(inputs=["gradient/norm"]).fit(trace)
    assert model.fit(X, y)._training_state.rule_state["n_steps"] == 16


@pytest.mark.parametrize("order", list(itertools.permutations(("link", "neuron", "network"), 2)))
def test_scopes_do_not_take_over_each_others_states(order, trace):
    X, y = classes("multiclass", seed=2)
    small = BackpropMLPRegressor((3,), tol=0.1, random_state=0)
    one, other = (
        LearnedUpdateRule(small, scope=scope, random_state=0).fit(trace) for scope in order
    )
    model = network(one).fit(X, y).set_params(update_rule=other).fit(X, y)
    assert model.n_iter_ == 8
    if order[1] == "link":
        assert model._training_state.rule_state["n_steps"] == 16


def test_keys_distinguish_how_rules_are_nested():
    rules = [
        Safeguarded(Clipped(Averaged("adam")), "sgd"),
        Clipped(Safeguarded(Averaged("adam"), "sgd")),
        Safeguarded(Clipped("adam"), Averaged("sgd")),
        Clipped(Averaged(Safeguarded("adam", "sgd"))),
        Safeguarded("adam", Clipped(Averaged("sgd"))),
        Safeguarded(Safeguarded("adam", "sgd"), "sgd"),
        Safeguarded("adam", Safeguarded("sgd", "sgd")),
    ]
    keys = [rule_key(rule) for rule in rules]
    assert len(set(keys)) == len(rules)
    assert all(type(name) is str for key in keys for name in key)
    assert rule_key(Clipped(Adam(0.1))) == rule_key(Clipped("adam", max_norm=9.0))


class Keyed(UpdateRule):
    """A rule with any key."""

    def __init__(self, key):
        self.key = key

    def init_state(self, layout):
        return {}

    def compute_update(self, step, state):
        return -0.1 * step.gradients

    def state_key(self):
        return self.key


class Adam2(Adam):
    """Another class with the name Adam."""


Adam2.__qualname__ = "Adam"


def test_every_other_key_has_another_name():
    keys = [
        (Adam,),
        (Adam2,),
        ("Adam",),
        (Adam, 1),
        (Adam, "1"),
        (Adam, 1.0),
        (Adam, True),
        (Adam, None),
        (Adam, (1, 2), 3),
        (Adam, 1, (2, 3)),
        (Adam, 1, 2, 3),
        (Adam, np.arange(3)),
        (Adam, np.arange(3.0)),
        (Adam, np.arange(2000)),
        (Adam, np.where(np.arange(2000) == 1000, 0, np.arange(2000))),
        (Adam, {"a": 1}),
        (Adam, {"a": 2}),
        "Adam",
        "(Adam",
    ]
    names = [rule_key(Keyed(key)) for key in keys]
    assert len(set(names)) == len(keys) - (rule_key(Keyed("Adam")) == rule_key(Keyed(("Adam",))))
    assert rule_key(Keyed((np.float64(0.5),))) == rule_key(Keyed((0.5,)))


def test_a_key_with_no_name_is_refused():
    with pytest.raises(
        TypeError, match=r"Keyed\.state_key must return a tuple of classes, strings"
    ):
        rule_key(Keyed((Adam, object())))

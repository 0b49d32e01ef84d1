"""A learned rule as a flat vector: read, moved, and given to another rule."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from helpers.data import classes
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_metabp import (
    SGD,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    LearnedUpdateRule,
    Rprop,
    TraceRecorder,
    load_rule,
)
from sklearn_metabp.network import ParameterLayout

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = classes("multiclass", n=60, seed=3)
SMALL = BackpropMLPRegressor((3,), "tanh", max_iter=3, n_iter_no_change=np.inf, random_state=0)
SIZES = (X.shape[1], 4, 3)

# Scope, inputs, learner, and the names of what follows the MLP in the vector.
CASES = {
    "link": ("link", None, None, ["scale"]),
    "link small": ("link", ["gradient/rms_0.9", "weight"], SMALL, ["scale"]),
    "link stride": ("link", ["gradient/rms_0.9", "last_step"], SMALL, ["scale", "first_step"]),
    "neuron": ("neuron", None, SMALL, ["scale", "learning_rate"]),
    "neuron scaled": ("neuron", None, None, ["scale", "learning_rate"]),
    "network": ("network", ["biases", "deltas", "loss"], SMALL, []),
    "network scaled": (
        "network",
        ["biases", "deltas"],
        make_pipeline(StandardScaler(), SMALL),
        [],
    ),
}


def network(rule, n_epochs=3, dtype=np.float64, recorder=None, batch_size=20):
    model = BackpropMLPClassifier(
        SIZES[1:-1],
        "tanh",
        update_rule=rule,
        batch_size=batch_size,
        max_iter=n_epochs,
        n_iter_no_change=np.inf,
        random_state=0,
        alpha=0.0,
    )
    if recorder is not None:
        model.set_callbacks(recorder)
    return model.fit(X.astype(dtype), Y)


@pytest.fixture(scope="module")
def traces():
    found = {}
    for name, teacher in (("sgd", SGD(0.1)), ("rprop", Rprop())):
        recorder = TraceRecorder("all")
        network(teacher, 10, recorder=recorder, batch_size="full" if name == "rprop" else 20)
        found[name] = recorder.trace_
    return found


@pytest.fixture(scope="module")
def rules(traces):
    return {
        name: LearnedUpdateRule(learner, scope=scope, inputs=inputs, random_state=0).fit(
            traces["rprop" if "stride" in name else "sgd"]
        )
        for name, (scope, inputs, learner, _) in CASES.items()
    }


def moved(rule, by=0.05, seed=1):
    vector = rule.meta_params_
    return vector + by * np.random.default_rng(seed).standard_normal(len(vector))


@pytest.mark.parametrize("name", CASES)
def test_the_vector_is_the_mlp_and_what_drives_besides(rules, name):
    rule, facts = rules[name], CASES[name][3]
    vector, mlp = rule.meta_params_, rule.fitted_scope_.mlp
    assert vector.dtype == np.float64
    np.testing.assert_array_equal(vector[: mlp.layout.n_params], mlp.params)
    assert vector[mlp.layout.n_params :].tolist() == [getattr(rule, f"{fact}_") for fact in facts]
    if CASES[name][2] is SMALL:  # nothing was folded
        np.testing.assert_array_equal(mlp.params, rule.learner_.params_)
    with pytest.raises(ValueError, match="read-only"):
        vector[0] = 1


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_with_its_own_vector_a_rule_trains_to_the_same_bits(rules, name, dtype):
    rule = rules[name]
    same = rule.with_meta_params(rule.meta_params_)
    assert same is not rule
    assert (
        network(same, dtype=dtype).params_.tobytes() == network(rule, dtype=dtype).params_.tobytes()
    )
    np.testing.assert_array_equal(same.meta_params_, rule.meta_params_)


@pytest.mark.parametrize("name", CASES)
def test_a_moved_rule_predicts_explains_and_drives_with_the_same_numbers(rules, traces, name):
    """Predictions against the MLP written out, updates of a training against predictions."""
    rule = rules[name].with_meta_params(moved(rules[name]))
    scope, mlp = rule.fitted_scope_, rule.fitted_scope_.mlp
    sizes = mlp.layout.layer_sizes
    layout = ParameterLayout(sizes)
    vector = rule.meta_params_
    weights, biases = layout.coefs(vector), layout.intercepts(vector)
    features = traces["rprop" if "stride" in name else "sgd"].features(rule.scope_, rule.inputs_)
    x = features[:, : sizes[0]] - (0 if mlp.centre is None else mlp.centre)
    hidden = np.tanh if mlp.hidden == "tanh" else lambda z: np.maximum(z, 0)
    x = hidden(x @ weights[0] + biases[0]) @ weights[1] + biases[1]
    normalizer = {"1": None, "rms_0.9": sizes[0], "stride": -1, "δ_h·w_hi": -1}[
        scope.normalizer_symbol
    ]
    expected = x if normalizer is None else x * features[:, normalizer][:, None]
    if rule.scope_ != "network":
        expected = expected[:, 0] * rule.scale_
    predicted = rule.predict(features)
    if "stride" in name:
        first = np.abs(features[:, -1]) < 1e-30
        expected = np.where(first, rule.first_step_ * np.sign(features[:, -1]), expected)
    np.testing.assert_allclose(predicted, expected, rtol=1e-9, atol=1e-12)
    one, (values, effect) = next(iter(rule.explain(5).effects.items()))
    assert one and np.isfinite(values).all() and np.isfinite(effect).all()

    recorder = TraceRecorder("all")
    model = network(rule, recorder=recorder)
    done = recorder.trace_
    assert (model.params_ != network(rules[name]).params_).any()
    if rule.scope_ == "network":
        start = np.concatenate([[0], np.cumsum(done.n_patterns)])
        predicted = rule.predict(done)
        means = [predicted[a:b].mean(axis=0) for a, b in pairwise(start)]
        np.testing.assert_allclose(means, done.updates, rtol=1e-7, atol=1e-10)
    elif rule.scope_ == "link":
        updates = done.targets_of("link")
        np.testing.assert_allclose(
            rule.predict(done), updates, rtol=1e-7, atol=1e-9 * np.abs(updates).max()
        )
    else:
        np.testing.assert_allclose(done.updates, -rule.learning_rate_ * done.gradients, rtol=1e-12)
        sent = rule.predict(done).reshape(len(done), 20, *SIZES[1:]).sum(axis=3)
        np.testing.assert_allclose(sent, done.deltas[0], rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_a_moved_rule_is_cloned_pickled_and_saved_as_it_is(rules, name, tmp_path):
    rule = rules[name].with_meta_params(moved(rules[name]))
    rule.save(tmp_path / "rule")
    expected = network(rule).params_.tobytes()
    for copy in (clone(rule), pickle.loads(pickle.dumps(rule)), load_rule(tmp_path / "rule")):
        np.testing.assert_array_equal(copy.meta_params_, rule.meta_params_)
        assert network(copy).params_.tobytes() == expected


def test_nothing_else_changes_and_nothing_is_copied(rules):
    rule = rules["neuron"]
    before = pickle.dumps(rule)
    other = rule.with_meta_params(moved(rule))
    network(other)
    assert pickle.dumps(rule) == before
    assert other.learner is rule.learner
    assert other.get_params(deep=False) == rule.get_params(deep=False)
    assert (other.inputs_, other.scope_) == (rule.inputs_, rule.scope_)
    assert other.scale_ == other.meta_params_[-2] != rule.scale_
    assert other.learning_rate_ == other.meta_params_[-1] != rule.learning_rate_


def test_any_finite_numbers_make_a_rule_that_can_be_saved(rules, tmp_path):
    rule = rules["link stride"]
    vector = np.array(rule.meta_params_)
    vector[-2:] = -0.5, -0.01
    rule.with_meta_params(vector).save(tmp_path / "rule")
    loaded = load_rule(tmp_path / "rule")
    assert (loaded.scale_, loaded.first_step_) == (-0.5, -0.01)
    assert np.isfinite(network(loaded).params_).all()


def test_wrong_vectors_are_named(rules):
    rule = rules["link stride"]
    n = len(rule.meta_params_)
    with pytest.raises(
        ValueError,
        match=rf"shape \({n},\): the {n - 2} parameters of the MLP, scale, first_step; got shape "
        rf"\({n - 1},\)",
    ):
        rule.with_meta_params(np.zeros(n - 1))
    with pytest.raises(ValueError, match=r"got shape \(1, "):
        rule.with_meta_params(np.zeros((1, n)))
    for value in (np.nan, np.inf):
        vector = np.array(rule.meta_params_)
        vector[-1] = value
        with pytest.raises(ValueError, match="must be finite"):
            rule.with_meta_params(vector)


def test_rules_that_are_no_vector_say_why(traces):
    for verb in (lambda rule: rule.meta_params_, lambda rule: rule.with_meta_params([1.0])):
        with pytest.raises(NotFittedError):
            verb(LearnedUpdateRule())
        linear = LearnedUpdateRule(Ridge()).fit(traces["sgd"])
        with pytest.raises(ValueError, match=r"learner of this rule is Ridge\(\)"):
            verb(linear)
        with pytest.warns(UserWarning, match="cannot train"):
            other = LearnedUpdateRule(SMALL).fit(np.eye(9), np.arange(9.0))
        with pytest.raises(ValueError, match="matrix of 9 columns"):
            verb(other)


def test_a_learning_rate_that_matrices_do_not_have_comes_with_the_vector(traces):
    trace = traces["sgd"]
    with pytest.warns(UserWarning, match="cannot train"):
        rule = LearnedUpdateRule(SMALL, scope="neuron").fit(
            trace.features("neuron"), trace.targets_of("neuron")
        )
    with pytest.raises(ValueError, match="learning rate"):
        rule.meta_params_  # noqa: B018
    n_mlp = rule.fitted_scope_.mlp.layout.n_params
    driving = rule.with_meta_params([*rule.learner_.params_, rule.scale_, 0.25])
    assert driving.learning_rate_ == driving.meta_params_[n_mlp + 1] == 0.25
    assert network(driving).n_iter_ == 3


# Starting without a trace.

STARTS = {
    "link": ({}, {"normalizer": "rms_0.9", "scale": 0.1}, (7, 3, 1)),
    "link stride": (
        {"inputs": ["last_step"]},
        {"normalizer": "stride", "first_step": 0.01},
        (1, 3, 1),
    ),
    "neuron": ({"scope": "neuron"}, {"learning_rate": 0.1}, (3, 3, 1)),
    "network": (
        {"scope": "network", "inputs": ["deltas", "loss"]},
        {"layer_sizes": SIZES},
        (sum(SIZES[1:]) + 1, 3, ParameterLayout(SIZES).n_params),
    ),
}


@pytest.mark.parametrize(
    "learner", [SMALL, make_pipeline(StandardScaler(), SMALL)], ids=["", "scaled"]
)
@pytest.mark.parametrize("name", STARTS)
def test_a_rule_can_start_from_nothing(name, learner, tmp_path):
    params, facts, sizes = STARTS[name]
    rule = LearnedUpdateRule(learner, random_state=0, **params)
    assert rule.initialize(**facts) is rule
    for fact, value in facts.items():
        assert getattr(rule, f"{fact}_") == value
    mlp = rule.fitted_scope_.mlp
    assert (mlp.layout.layer_sizes, mlp.hidden, mlp.output) == (sizes, "tanh", "identity")
    weights = mlp.layout.coefs(mlp.params)[0]
    assert 0 < np.abs(weights).max() <= np.sqrt(6 / sum(weights.shape))  # Glorot's bound
    again = LearnedUpdateRule(learner, random_state=0, **params).initialize(**facts)
    other = LearnedUpdateRule(learner, random_state=1, **params).initialize(**facts)
    np.testing.assert_array_equal(again.meta_params_, rule.meta_params_)
    assert (other.meta_params_ != rule.meta_params_).any()
    rule = rule.with_meta_params(0.1 * rule.meta_params_)
    trained = network(rule)
    assert trained.n_iter_ == 3
    rule.save(tmp_path / "rule")
    np.testing.assert_array_equal(network(load_rule(tmp_path / "rule")).params_, trained.params_)
    assert len(rule.explain(3).effects) == sizes[0]


def test_a_start_needs_what_its_scope_needs():
    with pytest.raises(
        TypeError, match=r"scope='link' has no 'learning_rate', only \['normalizer'"
    ):
        LearnedUpdateRule().initialize(learning_rate=0.1)
    with pytest.raises(ValueError, match=r"normalizer='mean' is not possible"):
        LearnedUpdateRule().initialize(normalizer="mean")
    with pytest.raises(ValueError, match="needs the input last_step"):
        LearnedUpdateRule().initialize(normalizer="stride")
    with pytest.raises(ValueError, match=r"scope='neuron' needs a value of \['learning_rate'\]"):
        LearnedUpdateRule(scope="neuron").initialize()
    with pytest.raises(ValueError, match=r"needs the architecture to train: pass .*layer_sizes"):
        LearnedUpdateRule(scope="network").initialize()
    with pytest.raises(ValueError, match=r"starts as a BackpropMLPRegressor, .* Ridge"):
        LearnedUpdateRule(Ridge()).initialize()

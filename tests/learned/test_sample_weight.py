"""Weights of samples: zeros leave out, whole numbers repeat, a line is that of weighted squares."""

import numpy as np
import pytest
from helpers.data import classes
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    LearnedUpdateRule,
    Lion,
    Rprop,
    TraceRecorder,
)
from sklearn_metabp.learned.weights import ALIKE, SampleWeights

RULES = {
    "sgd": SGD(0.1),
    "momentum": SGD(0.02, momentum=0.9),
    "lion": Lion(0.002),
    "fast": SGD(0.4),
    "rprop": Rprop(),
}
BEHIND = {
    "alone": lambda: LinearRegression(),
    "pipeline": lambda: make_pipeline("passthrough", StandardScaler(), LinearRegression()),
    "target": lambda: TransformedTargetRegressor(
        make_pipeline(StandardScaler(), LinearRegression()), transformer=StandardScaler()
    ),
    "default": lambda: TransformedTargetRegressor(transformer=StandardScaler()),
}


def record(*rules, variables="default", n_epochs=3, sizes=(4,)):
    X, y = classes("multiclass", n=60, seed=5)
    recorder = TraceRecorder(variables)
    for seed, rule in enumerate(rules):
        network = BackpropMLPClassifier(sizes, "tanh", update_rule=rule, batch_size=20)
        network.set_params(max_iter=n_epochs, n_iter_no_change=np.inf, random_state=seed)
        network.set_callbacks(recorder).fit(X, y)
    return recorder.trace_


def numbers_of(rule, trace):
    """Return all that was learned: predictions, and the facts besides the learner."""
    facts = {
        name: getattr(rule, name)
        for name in ("scale_", "learning_rate_", "first_step_")
        if hasattr(rule, name)
    }
    return rule.predict(trace), [value for value in facts.values() if value is not None]


def assert_close(rule, other, trace, rtol=1e-8):
    (predicted, facts), (others, other_facts) = numbers_of(rule, trace), numbers_of(other, trace)
    np.testing.assert_allclose(facts, other_facts, rtol=rtol)
    np.testing.assert_allclose(predicted, others, rtol=rtol, atol=rtol * np.abs(others).max())


CASES = [
    ("link", ["gradient/rms_0.9", "momentum_0.9/rms_0.9"], ("sgd", "momentum")),
    ("link", ["gradient/rms_0.9", "last_step"], ("rprop", "rprop")),
    ("neuron", None, ("sgd", "fast")),
    ("network", ["outputs", "targets", "loss"], ("sgd", "lion")),
]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]} {case[2][0]}")
def case(request):
    scope, inputs, names = request.param
    trace = record(*(RULES[name] for name in names), variables="all")
    return lambda: LearnedUpdateRule(LinearRegression(), scope=scope, inputs=inputs), trace


def test_a_step_of_weight_0_is_left_out(case):
    make, trace = case
    weights = np.random.default_rng(0).integers(0, 2, len(trace)).astype(float)
    weighted = make().fit(trace, sample_weight=weights)
    left = make().fit(trace[weights > 0])
    assert_close(weighted, left, trace)
    with pytest.raises(AssertionError):
        assert_close(weighted, make().fit(trace), trace)


def test_a_weight_that_is_a_whole_number_is_a_repetition(case):
    make, trace = case
    weights = np.random.default_rng(1).integers(0, 4, len(trace))
    repeated = trace[np.repeat(np.arange(len(trace)), weights)]
    assert_close(make().fit(trace, sample_weight=weights), make().fit(repeated), trace)


def test_the_same_weight_everywhere_changes_nothing(case):
    make, trace = case
    assert_close(
        make().fit(trace, sample_weight=np.full(len(trace), 0.25)), make().fit(trace), trace
    )


@pytest.mark.parametrize("learner", BEHIND, ids=str)
def test_a_linear_learner_solves_the_weighted_normal_equations(learner):
    """Two rules that contradict each other: w = (Z'WZ)^-1 Z'W u, of the updates themselves."""
    trace = record(SGD(0.1), SGD(0.4))
    weights = np.random.default_rng(2).uniform(0, 5, len(trace)) * (1 + 4 * trace.runs)
    inputs = ["gradient/rms_0.9", "momentum_0.9/rms_0.9"]
    rule = LearnedUpdateRule(BEHIND[learner](), inputs=inputs)
    rule.fit(trace, sample_weight=weights)
    X, y = trace.features("link", inputs), trace.targets_of("link")
    w = np.repeat(weights, len(y) // len(trace))
    rms = X[:, 2]
    rms, u = np.where(rms > 0, rms, 1), y / np.where(rms > 0, rms, 1)
    Z = np.column_stack([np.ones(len(X)), X[:, :2]])
    coefficients = np.linalg.solve(Z.T @ (w[:, None] * Z), Z.T @ (w * u))
    assert rule.normalizer_ == "rms_0.9"
    np.testing.assert_allclose(rule.scale_, np.sqrt(np.sum(w * u**2) / np.sum(w)))
    np.testing.assert_allclose(rule.predict(trace), rms * (Z @ coefficients), atol=1e-9)
    plain = LearnedUpdateRule(BEHIND[learner](), inputs=inputs).fit(trace)
    assert not np.allclose(plain.predict(trace), rule.predict(trace), atol=1e-4)


def test_the_learning_rate_of_rule_3_is_that_of_weighted_squares():
    trace = record(SGD(0.1), SGD(0.4), variables="all")
    weights = np.where(trace.runs == 0, 3.0, 1.0)
    rule = LearnedUpdateRule(LinearRegression(), scope="neuron").fit(trace, sample_weight=weights)
    power = weights * np.sum(trace.gradients**2, axis=1)
    rates = np.where(trace.runs == 0, 0.1, 0.4)
    assert rule.learning_rate_ == pytest.approx(np.sum(power * rates) / np.sum(power), rel=1e-9)


def test_weights_of_matrices_are_weights_of_their_rows():
    trace = record(SGD(0.1), Adam(0.01))
    weights = np.where(trace.runs == 0, 3.0, 0.5)
    X, y = trace.features(), trace.targets_of()
    rows = np.repeat(weights, len(y) // len(trace))
    of_trace = LearnedUpdateRule(Ridge()).fit(trace, sample_weight=weights)
    of_rows = LearnedUpdateRule(Ridge()).fit(X, y, sample_weight=rows)
    np.testing.assert_array_equal(of_trace.predict(X), of_rows.predict(X))


def test_weights_pick_the_normalizer():
    """Adam's updates have one size, those of SGD grow with the gradient."""
    trace = record(SGD(0.1), Adam(0.01), n_epochs=20)
    for run, normalizer in ((0, "rms_0.9"), (1, "1")):
        weights = np.where(trace.runs == run, 1.0, 1e-6)
        rule = LearnedUpdateRule(Ridge()).fit(trace, sample_weight=weights)
        assert rule.normalizer_ == normalizer


def test_a_default_learner_follows_the_run_that_counts():
    trace = record(SGD(0.1), SGD(0.4))
    for run, rate in ((0, 0.1), (1, 0.4)):
        learner = BackpropMLPRegressor((8,), "relu", update_rule=Adam(0.005), alpha=0.0)
        learner.set_params(max_iter=200, n_iter_no_change=np.inf)
        weights = np.where(trace.runs == run, 1.0, 1e-9)
        rule = LearnedUpdateRule(learner, random_state=0).fit(trace, sample_weight=weights)
        expected = -rate * trace.gradients.ravel()
        error = np.sqrt(np.mean((rule.predict(trace) - expected) ** 2) / np.mean(expected**2))
        assert error < 0.05


def test_of_a_large_trace_the_weights_of_what_is_drawn_are_used():
    """Steps of weight 0 are left out before the draw, so the draw is that of the rest."""
    trace = record(SGD(0.1), SGD(0.4))
    weights = np.where(trace.runs == 0, 0.0, 1.0)
    unfitted = LearnedUpdateRule(LinearRegression(), random_state=3, subsample=200)
    rule, other = clone(unfitted).fit(trace, sample_weight=weights), clone(unfitted)
    assert_close(rule, other.fit(trace.run(1)), trace)


def test_of_a_large_matrix_the_weights_of_what_is_drawn_are_used():
    trace = record(SGD(0.1), SGD(0.4))
    X, y = trace.features(), trace.targets_of()
    counts = np.repeat(trace.runs == 1, len(y) // len(trace))
    unfitted = LearnedUpdateRule(LinearRegression(), random_state=3, subsample=200)
    rule, other = clone(unfitted).fit(X, y, counts.astype(float)), clone(unfitted)
    assert_close(rule, other.fit(X[counts], y[counts]), trace)


def test_searches_hand_weights_to_their_folds():
    trace = record(SGD(0.1), SGD(0.1), SGD(0.4))
    weights = np.where(trace.runs == 2, 1e-12, 1.0)
    search = GridSearchCV(
        LearnedUpdateRule(Ridge(), inputs=["gradient/rms_0.9"]),
        {"learner__alpha": [1e-9, 1e-8]},
        cv=GroupKFold(3),
    ).fit(trace, groups=trace.runs, sample_weight=weights)
    assert search.best_estimator_.explain().coefficients["gradient/rms_0.9"] == pytest.approx(
        -0.1, rel=1e-3
    )


def test_the_score_is_r2_of_weighted_predictions():
    trace = record(SGD(0.1), SGD(0.4))
    rule = LearnedUpdateRule(Ridge(), inputs=["gradient/rms_0.9"]).fit(trace.run(0))
    weights = np.where(trace.runs == 0, 3.0, 1.0)
    y, predicted = trace.targets_of(), rule.predict(trace)
    w = np.repeat(weights, len(y) // len(trace))
    mean = np.sum(w * y) / np.sum(w)
    by_hand = 1 - np.sum(w * (y - predicted) ** 2) / np.sum(w * (y - mean) ** 2)
    assert rule.score(trace, sample_weight=weights) == pytest.approx(by_hand, rel=1e-9)
    assert rule.score(trace, sample_weight=1.0 * (trace.runs == 0)) > 0.999 > rule.score(trace)


@pytest.mark.parametrize(
    "learner", [KNeighborsRegressor(), make_pipeline(StandardScaler(), KNeighborsRegressor())]
)
def test_a_learner_that_takes_no_weights_is_an_error_that_says_what_to_do(learner):
    trace = record(SGD(0.1))
    with pytest.raises(ValueError, match=r"KNeighborsRegressor\(\) takes no sample_weight.*draw"):
        LearnedUpdateRule(learner).fit(trace, sample_weight=np.ones(len(trace)))
    LearnedUpdateRule(learner).fit(trace)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (lambda n: np.ones(n - 1), "sample_weight.shape"),
        (lambda n: -np.ones(n), "Negative values"),
        (lambda n: np.full(n, np.nan), "NaN"),
        (lambda n: np.zeros(n), "sample_weight is 0 everywhere|zero"),
    ],
)
def test_bad_weights_are_errors(weights, message):
    trace = record(SGD(0.1))
    with pytest.raises(ValueError, match=message):
        LearnedUpdateRule(Ridge()).fit(trace, sample_weight=weights(len(trace)))


def test_statistics_with_whole_weights_are_those_of_repeated_values():
    rng = np.random.default_rng(4)
    for n in range(1, 12):
        values, counts = rng.standard_normal(n), rng.integers(1, 5, n)
        weights, repeated = SampleWeights(counts.astype(float)), np.repeat(values, counts)
        assert weights.median(values) == pytest.approx(np.median(repeated), rel=1e-12)
        assert weights.mean(values) == pytest.approx(np.mean(repeated), rel=1e-12, abs=1e-15)
        assert weights.std(values) == pytest.approx(np.std(repeated), rel=1e-12, abs=1e-12)
        assert ALIKE.median(values) == np.median(values)

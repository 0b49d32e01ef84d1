"""An explanation of a rule against the rule itself."""

import numpy as np
import pytest
from helpers.data import classes
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.tree import DecisionTreeRegressor

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropMLPClassifier,
    LearnedUpdateRule,
    RMSprop,
    TraceRecorder,
)


def record(rule, *, sizes=(5,), activation="tanh", variables="all", n_epochs=10):
    X, y = classes("multiclass", n=80, seed=13)
    recorder = TraceRecorder(variables)
    for seed in (0, 1):
        model = BackpropMLPClassifier(
            sizes, activation, update_rule=rule, batch_size=16, alpha=0.0, max_iter=n_epochs
        )
        model.set_params(n_iter_no_change=np.inf, random_state=seed).set_callbacks(recorder).fit(
            X, y
        )
    return recorder.trace_


@pytest.mark.parametrize("learning_rate", [0.1, 0.023])
@pytest.mark.parametrize("inputs", [None, ["gradient/rms_0.9"]], ids=["all", "gradient"])
def test_plain_backpropagation_reads_rule_3_with_its_learning_rate(learning_rate, inputs):
    rule = LearnedUpdateRule(Ridge(alpha=1e-8), inputs=inputs).fit(record(SGD(learning_rate)))
    explanation = rule.explain()
    assert explanation.formula == f"Δw = {learning_rate:g}·δ·x"
    assert -explanation.coefficients["gradient/rms_0.9"] == pytest.approx(learning_rate, rel=0.01)
    assert str(explanation) == explanation.formula


def test_adam_reads_as_the_quotient_of_its_moments():
    rule = LearnedUpdateRule(Ridge(alpha=1e-8)).fit(record(Adam(0.01)))
    assert rule.explain().formula == "Δw = -0.01·momentum_0.9/rms_0.999"
    assert rule.explain().normalizer == "1"


@pytest.mark.parametrize(
    ("teacher", "formula"),
    [
        (SGD(0.01, momentum=0.9), "Δw = -0.1·momentum_0.9"),
        (SGD(0.01, momentum=0.9, nesterov=True), "Δw = 0.01·δ·x - 0.09·momentum_0.9"),
        (RMSprop(0.001), "Δw = -0.001·gradient/rms_0.9"),
    ],
    ids=["momentum", "Nesterov", "RMSprop"],
)
def test_rules_that_have_warmed_up_read_as_their_equations(teacher, formula):
    """v = g + 0.9 v is ten times the mean gradient; g + 0.9 v is g plus nine times that mean."""
    trace = record(teacher, n_epochs=40)
    rule = LearnedUpdateRule(Ridge(alpha=1e-8)).fit(trace[trace.indices > 100])
    assert rule.explain().formula == formula


@pytest.mark.parametrize("homogeneity", [0, 1])
def test_a_formula_has_the_normalizer_and_inputs_that_hardly_vary_are_in_its_constant(
    homogeneity,
):
    rng = np.random.default_rng(0)
    g, rms = rng.standard_normal(300), np.exp(3 * rng.standard_normal(300))
    warm = 1 - 1e-9 * rng.uniform(size=300)
    y = (0.2 - 0.5 * g + 0.3 * warm) * rms**homogeneity
    rule = LearnedUpdateRule(LinearRegression(tol=0.0), inputs=["gradient/rms_0.9", "warmup_0.9"])
    rule.fit(np.column_stack([g, warm, rms]), y)
    expected = "Δw = 0.5·δ·x + 0.5·rms_0.9" if homogeneity else "Δw = -0.5·gradient/rms_0.9 + 0.5"
    assert rule.explain().formula == expected


def test_the_neuron_scope_reads_rule_6():
    rule = LearnedUpdateRule(LinearRegression(), scope="neuron").fit(record(SGD(0.1), sizes=(4, 3)))
    assert rule.explain().formula == "δ_i = Σ_h δ_h·w_hi·(1·f'(in_i))"


@pytest.mark.parametrize("scope", ["link", "neuron", "network"])
def test_effects_are_the_predictions_along_an_input_with_the_others_at_their_medians(scope):
    trace = record(SGD(0.1))
    rule = LearnedUpdateRule(DecisionTreeRegressor(max_depth=4, random_state=0), scope=scope).fit(
        trace
    )
    explanation = rule.explain(n_points=7)
    assert explanation.formula is None
    features = trace.features(scope)[:, : len(explanation.inputs)]
    typical = np.median(features, axis=0)
    for position, name in enumerate(explanation.inputs):
        values, predictions = explanation.effects[name]
        assert len(values) == len(predictions) == 7
        assert values.min() >= features[:, position].min()
        assert values.max() <= features[:, position].max()
        if scope == "network":
            rows = np.tile(typical, (7, 1))
            rows[:, position] = values
            np.testing.assert_allclose(predictions, rule.predict(rows))
    assert explanation.inputs[0] in str(explanation)


def test_effects_of_links_are_measured_in_their_normalizer():
    rule = LearnedUpdateRule(random_state=0).fit(record(SGD(0.1)))
    values, predictions = rule.explain().effects["gradient/rms_0.9"]
    along = np.linspace(-1, 1, 3)
    np.testing.assert_allclose(np.interp(along, values, predictions), -0.1 * along, atol=0.01)
    assert rule.explain().normalizer == "rms_0.9"


def test_a_linear_network_scope_reads_as_one_equation_an_update():
    """The data are made up for one linear neuron, because rule (3) is a product and not linear."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 7))  # two weights, a bias, two inputs, output, target
    Y = np.column_stack([0.5 * X[:, 3] - 0.25 * X[:, 0], X[:, 6] - X[:, 5], 0.1 * X[:, 2] + 2])
    rule = LearnedUpdateRule(LinearRegression(), scope="network").fit(X, Y)
    assert rule.explain().formula.split("\n") == [
        "update 0 = -0.25·column 0 + 0.5·column 3",
        "update 1 = -1·column 5 + 1·column 6",
        "update 2 = 0.1·column 2 + 2",
    ]
    rule.fit(record(SGD(0.1), sizes=()))
    lines = rule.explain().formula.split("\n")
    n_weights = rule.layer_sizes_[0] * rule.layer_sizes_[1]
    assert [line.partition(" = ")[0] for line in lines] == [
        *(f"Δweights[{k}]" for k in range(n_weights)),
        *(f"Δbiases[{k}]" for k in range(rule.layer_sizes_[1])),
    ]


def test_columns_of_a_network_have_names():
    rule = LearnedUpdateRule(LinearRegression(), scope="network", inputs=["biases", "loss"])
    assert rule.fit(record(SGD(0.1), sizes=())).explain().inputs == (
        "biases[0]",
        "biases[1]",
        "biases[2]",
        "loss[0]",
    )


def test_a_plain_regression_has_no_rule_to_explain():
    rng = np.random.default_rng(0)
    with pytest.warns(UserWarning, match="predicts and cannot train"):
        rule = LearnedUpdateRule(Ridge()).fit(rng.standard_normal((20, 2)), rng.standard_normal(20))
    with pytest.raises(ValueError, match="matrix of 2 columns"):
        rule.explain()

"""What a rule says it has learned is what it does."""

import numpy as np
import pytest
from helpers.data import classes
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.tree import DecisionTreeRegressor

from sklearn_metabp import SGD, Adam, BackpropMLPClassifier, LearnedUpdateRule, TraceRecorder


def record(rule, *, sizes=(5,), activation="tanh", variables="all"):
    X, y = classes("multiclass", n=80, seed=13)
    recorder = TraceRecorder(variables)
    for seed in (0, 1):
        model = BackpropMLPClassifier(
            sizes, activation, update_rule=rule, batch_size=16, alpha=0.0, max_iter=10
        )
        model.set_params(n_iter_no_change=np.inf, random_state=seed).set_callbacks(recorder).fit(X, y)
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
    assert rule.explain().unit == "1"


def test_momentum_reads_as_the_running_mean_over_one_minus_its_decay():
    """With its decay, v = g + 0.9 v is ten times the mean gradient once it has warmed up."""
    trace = record(SGD(0.01, momentum=0.9))
    late = trace[trace.indices > 40]
    rule = LearnedUpdateRule(Ridge(alpha=1e-8), inputs=["momentum_0.9/rms_0.9"]).fit(late)
    assert rule.explain().coefficients["momentum_0.9/rms_0.9"] == pytest.approx(-0.1, rel=0.02)


def test_the_neuron_scope_reads_rule_6():
    rule = LearnedUpdateRule(LinearRegression(), scope="neuron").fit(record(SGD(0.1), sizes=(4, 3)))
    assert rule.explain().formula == "δ_i = Σ_h δ_h·w_hi·(1·f'(in_i))"


@pytest.mark.parametrize("scope", ["link", "neuron", "network"])
def test_effects_are_the_predictions_along_an_input_with_the_others_at_their_medians(scope):
    trace = record(SGD(0.1))
    rule = LearnedUpdateRule(DecisionTreeRegressor(max_depth=4, random_state=0), scope=scope).fit(trace)
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


def test_effects_of_links_are_in_their_unit():
    rule = LearnedUpdateRule(random_state=0).fit(record(SGD(0.1)))
    values, predictions = rule.explain().effects["gradient/rms_0.9"]
    along = np.linspace(-1, 1, 3)
    np.testing.assert_allclose(np.interp(along, values, predictions), -0.1 * along, atol=0.01)
    assert rule.explain().unit == "rms_0.9"


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
    rule = LearnedUpdateRule(Ridge()).fit(rng.standard_normal((20, 2)), rng.standard_normal(20))
    with pytest.raises(ValueError, match="matrix of 2 columns"):
        rule.explain()

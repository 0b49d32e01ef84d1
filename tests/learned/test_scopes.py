"""The scopes of a neuron and of the whole network, on the paper's networks."""

import pickle

import numpy as np
import pytest
from helpers.data import classes
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_metabp import (
    SGD,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    LearnedUpdateRule,
    TraceRecorder,
    UpdateRule,
)

X = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
AND, OR = np.array([0.0, 0, 0, 1]), np.array([0.0, 1, 1, 1])
PAPER = {1: (AND, (1,)), 2: (AND, ()), 3: (OR, (4,)), 4: (np.column_stack([AND, 1 - AND]), (5,))}


def network(rule, sizes, n_epochs, seed, **params):
    """Make a network of the paper: logistic neurons, squared error, online."""
    return BackpropMLPRegressor(
        sizes,
        "logistic",
        out_activation="logistic",
        update_rule=rule,
        alpha=0.0,
        batch_size=1,
        max_iter=n_epochs,
        n_iter_no_change=np.inf,
        random_state=seed,
        **params,
    )


def record(experiment, *seeds, n_epochs=200):
    y, sizes = PAPER[experiment]
    recorder = TraceRecorder("all")
    for seed in seeds:
        network(SGD(0.23), sizes, n_epochs, seed).set_callbacks(recorder).fit(X, y)
    return recorder.trace_


@pytest.mark.filterwarnings("ignore:This rule predicts and cannot train")
@parametrize_with_checks([LearnedUpdateRule(scope="neuron", random_state=0)])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


HIDDEN = ["weights", "biases", "inputs", "outputs", "targets", "hidden_activations"]


@pytest.mark.parametrize(
    ("experiment", "inputs", "n_inputs", "n_outputs"),
    [(1, None, 9, 5), (2, None, 7, 3), (3, None, 21, 17), (4, HIDDEN, 38, 27)],
)
def test_the_papers_numbers_of_inputs_and_outputs_come_out(experiment, inputs, n_inputs, n_outputs):
    trace = record(experiment, 0, n_epochs=3)
    assert trace.features("network", inputs).shape == (12, n_inputs)
    assert trace.targets_of("network").shape == (12, n_outputs)


def test_network_features_are_what_their_names_say():
    trace = record(3, 1, n_epochs=2)
    named = {
        "weights": trace.params[:, :12],
        "biases": trace.params[:, 12:],
        "inputs": trace.activations[0][:, 0],
        "outputs": trace.outputs[:, 0],
        "targets": trace.targets[:, 0],
        "hidden_activations": trace.activations[1][:, 0],
        "net_inputs": np.hstack([layer[:, 0] for layer in trace.net_inputs]),
        "derivatives": np.hstack([layer[:, 0] for layer in trace.derivatives]),
        "deltas": np.hstack([layer[:, 0] for layer in trace.deltas]),
        "loss": trace.losses[:, None],
    }
    for name, values in named.items():
        np.testing.assert_array_equal(trace.features("network", [name]), values)
    np.testing.assert_array_equal(trace.features("network", named), np.hstack(list(named.values())))
    np.testing.assert_array_equal(trace.targets_of("network"), trace.updates)


def test_every_pattern_of_a_batch_is_a_prediction():
    X, y = classes("multiclass", n=23, seed=3)
    recorder = TraceRecorder("all")
    model = BackpropMLPClassifier(
        (4,), batch_size=10, max_iter=2, n_iter_no_change=np.inf, random_state=0
    )
    model.set_callbacks(recorder).fit(X, y)
    trace = recorder.trace_
    assert trace.features("network").shape == (46, 35 + 4 + 3 + 3)
    inputs = np.vstack([trace.activations[0][row][:n] for row, n in enumerate(trace.n_patterns)])
    np.testing.assert_array_equal(trace.features("network", ["inputs"]), inputs)
    np.testing.assert_array_equal(
        trace.targets_of("network"), np.repeat(trace.updates, trace.n_patterns, axis=0)
    )


def test_messages_add_up_to_the_deltas_that_were_sent_back():
    """Rule (6): what the neuron scope is taught, summed over h, is delta of the layer before."""
    X, y = classes("multiclass", n=30, seed=4)
    recorder = TraceRecorder("all")
    model = BackpropMLPClassifier(
        (5, 4), "tanh", batch_size=10, max_iter=1, n_iter_no_change=np.inf
    )
    model.set_params(random_state=1).set_callbacks(recorder).fit(X, y)
    trace = recorder.trace_
    messages = trace.targets_of("neuron").reshape(3, -1)
    features = trace.features("neuron").reshape(3, messages.shape[1], 4)
    for row in range(3):
        first, second = np.split(messages[row], [10 * 5 * 4])
        np.testing.assert_allclose(
            first.reshape(10, 5, 4).sum(axis=2), trace.deltas[0][row], atol=1e-15
        )
        np.testing.assert_allclose(
            second.reshape(10, 4, 3).sum(axis=2), trace.deltas[1][row], atol=1e-15
        )
        _, _, slope, normalizer = features[row].T
        np.testing.assert_allclose(slope * normalizer, messages[row], atol=1e-15)


@pytest.mark.parametrize("scope", ["neuron", "network"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # poor learners
def test_compiled_scopes_make_the_updates_that_their_learner_predicts(scope, dtype):
    """The same learner behind a step that cannot be compiled trains the same."""
    trace = record(4, 0, n_epochs=50)
    learner = BackpropMLPRegressor(
        (6,), "tanh", max_iter=20, n_iter_no_change=np.inf, random_state=0
    )
    rules = [
        LearnedUpdateRule(
            make_pipeline(*before, learner), scope=scope, inputs=inputs, random_state=0
        ).fit(trace)
        for before, inputs in (([], None), ([PolynomialFeatures(1, include_bias=False)], None))
    ]
    assert [rule.is_compiled_ for rule in rules] == [True, False]
    for batch_size in (1, 3):
        params = [
            network(rule, (5,), 3, 5)
            .set_params(batch_size=batch_size)
            .fit(X.astype(dtype), PAPER[4][0])
            .params_
            for rule in rules
        ]
        tolerance = 1e-9 if dtype == np.float64 else 1e-4
        np.testing.assert_allclose(*params, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("experiment", [1, 3])
def test_the_neuron_scope_trains_from_unseen_starts_as_backpropagation_does(experiment):
    y, sizes = PAPER[experiment]
    rule = LearnedUpdateRule(scope="neuron", random_state=0).fit(
        record(experiment, 0, n_epochs=600)
    )
    assert rule.learning_rate_ == pytest.approx(0.23)
    assert rule.score(record(experiment, 8, n_epochs=50)) > 0.99
    for seed in (21, 22, 23):
        taught, learned = (network(r, sizes, 600, seed).fit(X, y).loss_ for r in (SGD(0.23), rule))
        assert learned < 1.25 * taught


def test_the_neuron_scope_goes_to_any_architecture_and_data():
    rule = LearnedUpdateRule(scope="neuron", random_state=0).fit(record(3, 0, 1, n_epochs=300))
    X, y = classes("multiclass", n=100, seed=6)
    models = [
        BackpropMLPClassifier(
            (9, 7),
            "logistic",
            update_rule=r,
            batch_size=10,
            max_iter=60,
            n_iter_no_change=np.inf,
            random_state=3,
        ).fit(X, y)
        for r in (SGD(0.23), rule)
    ]
    assert models[1].loss_ < 1.1 * models[0].loss_


def test_the_network_scope_repeats_the_training_it_has_seen():
    """The paper's own setting: the student starts where the teacher did."""
    y, sizes = PAPER[2]
    rule = LearnedUpdateRule(scope="network", random_state=0).fit(record(2, 5, n_epochs=1000))
    taught, learned = (network(r, sizes, 1000, 5).fit(X, y).loss_ for r in (SGD(0.23), rule))
    assert learned < 1.25 * taught


def test_another_architecture_is_an_error_with_both():
    rule = LearnedUpdateRule(scope="network", random_state=0).fit(record(1, 0, n_epochs=5))
    with pytest.raises(
        ValueError, match=r"bound to the architecture .*\(2, 1, 1\).*cannot train \(2, 4, 1\)"
    ):
        network(rule, (4,), 2, 0).fit(X, OR)
    with pytest.raises(
        ValueError, match=r"bound to one architecture, and the trace has .*\(2, 1, 1\).*\(2, 4, 1\)"
    ):
        LearnedUpdateRule(scope="network").fit(record(1, 0, n_epochs=2) + record(3, 0, n_epochs=2))


def test_missing_arrays_and_unknown_inputs_are_named():
    y, _ = PAPER[2]
    with pytest.raises(ValueError, match="no messages between neurons"):
        LearnedUpdateRule(scope="neuron").fit(record(2, 0, n_epochs=2))
    recorder = TraceRecorder()
    network(SGD(0.23), (3,), 2, 0).set_callbacks(recorder).fit(X, y)
    with pytest.raises(ValueError, match=r"scope='neuron' needs \['deltas', 'derivatives'\]"):
        LearnedUpdateRule(scope="neuron").fit(recorder.trace_)
    with pytest.raises(ValueError, match=r"scope='network' with inputs=.* needs .*'targets'"):
        LearnedUpdateRule(scope="network").fit(recorder.trace_)
    with pytest.raises(ValueError, match="inputs of scope='neuron' must be different names"):
        LearnedUpdateRule(scope="neuron", inputs=["gradient"]).fit(recorder.trace_)
    with pytest.raises(ValueError, match="inputs of scope='network' must be different names"):
        LearnedUpdateRule(scope="network", inputs=["delta"]).fit(recorder.trace_)


def test_messages_from_matrices_have_no_learning_rate():
    trace = record(3, 0, n_epochs=3)
    rule = LearnedUpdateRule(LinearRegression(), scope="neuron")
    with pytest.warns(UserWarning, match="predicts and cannot train"):
        rule.fit(trace.features("neuron"), trace.targets_of("neuron"))
    with pytest.raises(ValueError, match=r"rule \(3\) and estimates its learning rate"):
        network(rule, (3,), 2, 0).fit(X, AND)


def test_a_network_rule_from_matrices_trains_what_has_its_size():
    trace = record(2, 0, n_epochs=100)
    rule = LearnedUpdateRule(LinearRegression(), scope="network")
    rule.fit(trace.features("network"), trace.targets_of("network"))
    assert rule.predict(trace).shape == (400, 3)
    assert network(rule, (), 2, 0).fit(X, AND).n_iter_ == 2
    with pytest.raises(ValueError, match="7 inputs and 3 updates, and cannot train"):
        network(rule, (3,), 2, 0).fit(X, AND)


@pytest.mark.parametrize("scope", ["neuron", "network"])
def test_rules_of_every_scope_clone_pickle_and_go_on(scope):
    trace = record(1, 0, 1, n_epochs=40)
    rule = LearnedUpdateRule(scope=scope, random_state=0).fit(trace)
    whole = network(rule, (1,), 6, 4).fit(X, AND)
    for copied in (clone(rule), pickle.loads(pickle.dumps(rule))):
        np.testing.assert_array_equal(
            network(copied, (1,), 6, 4).fit(X, AND).params_, whole.params_
        )
    parts = network(rule, (1,), 3, 4, warm_start=True).fit(X, AND)
    parts = pickle.loads(pickle.dumps(parts)).fit(X, AND)
    np.testing.assert_array_equal(parts.params_, whole.params_)


def test_scopes_inputs_and_learners_are_searched_together():
    trace = record(1, 0, 1, 2, n_epochs=30)
    tree = DecisionTreeRegressor(random_state=0)
    search = GridSearchCV(
        LearnedUpdateRule(tree),
        [
            {
                "scope": ["link"],
                "inputs": [["gradient/rms_0.9"], None],
                "learner__max_depth": [2, 5],
            },
            {"scope": ["network", "neuron"], "learner__max_depth": [5]},
        ],
        cv=GroupKFold(3),
        error_score="raise",
    ).fit(trace, groups=trace.runs)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


class LinearBack(UpdateRule):
    """A rule that sends deltas back as if every neuron were linear."""

    acts_backward = True

    def init_state(self, layout):
        return {}

    def compute_update(self, step, state):
        return -0.1 * step.gradients

    def compute_deltas(self, step, layer, state):
        return step.deltas[layer + 1] @ step.coefs[layer + 1].T


def test_a_rule_of_ones_own_may_act_on_the_backward_step():
    X, y = classes("multiclass", n=40, seed=2)
    recorder = TraceRecorder("all")
    model = BackpropMLPClassifier(
        (5, 4), "tanh", update_rule=LinearBack(), batch_size=8, max_iter=3
    )
    model.set_params(n_iter_no_change=np.inf, random_state=0).set_callbacks(recorder).fit(X, y)
    trace, layout = recorder.trace_, model.layout_
    for row in range(len(trace)):
        weights = layout.coefs(trace.params[row])
        for layer in (0, 1):
            np.testing.assert_allclose(
                trace.deltas[layer][row], trace.deltas[layer + 1][row] @ weights[layer + 1].T
            )
        expected = -trace.activations[0][row].T @ trace.deltas[0][row] / 8 + 1e-4 / 8 * weights[0]
        np.testing.assert_allclose(layout.coefs(trace.gradients[row])[0], expected, atol=1e-12)


class Unbound(UpdateRule):
    """Another rule, called for every layer of every step and not bound."""

    acts_backward = True

    def __init__(self, rule):
        self.rule = rule

    def init_state(self, layout):
        return self.rule.init_state(layout)

    def compute_update(self, step, state):
        return self.rule.compute_update(step, state)

    def compute_deltas(self, step, layer, state):
        return self.rule.compute_deltas(step, layer, state)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("recorded", [False, True])
def test_bound_deltas_are_those_of_compute_deltas(dtype, recorded):
    rule = LearnedUpdateRule(scope="neuron", random_state=0).fit(record(1, 0, 1, n_epochs=40))
    X, y = classes("multiclass", n=40, seed=2, dtype=dtype)
    params = []
    for one in (rule, Unbound(rule)):
        model = BackpropMLPClassifier((5, 4), "logistic", update_rule=one, batch_size=9, max_iter=5)
        model.set_params(n_iter_no_change=np.inf, random_state=0)
        if recorded:
            model.set_callbacks(TraceRecorder("all"))
        params.append(model.fit(X, y).params_)
    assert params[0].tobytes() == params[1].tobytes()


@pytest.mark.parametrize("returned", [None, np.zeros((3, 3))], ids=["nothing", "another shape"])
def test_wrong_deltas_are_named(returned):
    rule = LinearBack()
    rule.compute_deltas = lambda step, layer, state: returned
    with pytest.raises(
        ValueError, match=r"LinearBack.compute_deltas must return an array of shape \(1, 3\)"
    ):
        network(rule, (3,), 2, 0).fit(X, AND)

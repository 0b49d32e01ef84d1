"""Predictions that are drawn from traces one after another, as if from their sum."""

import numpy as np
import pytest
from helpers.data import classes
from sklearn.base import clone
from sklearn.linear_model import Ridge

from sklearn_metabp import SGD, BackpropMLPClassifier, LearnedUpdateRule, TraceRecorder
from sklearn_metabp.learned.predictions import DrawnPredictions
from sklearn_metabp.learned.scopes import SCOPES


def record(seed=0, n_epochs=2, sizes=(3,), variables="all"):
    X, y = classes("multiclass", n=20)
    recorder = TraceRecorder(variables)
    model = BackpropMLPClassifier(
        sizes, batch_size=10, max_iter=n_epochs, n_iter_no_change=np.inf, random_state=seed
    )
    model.set_params(update_rule=SGD(0.1)).set_callbacks(recorder).fit(X, y)
    return recorder.trace_


def draw(scope, n_most, traces, seed=0, weights=None):
    drawn = DrawnPredictions(SCOPES[scope](None), n_most, np.random.RandomState(seed))
    for number, trace in enumerate(traces):
        drawn.add(trace, None if weights is None else weights[number])
    return drawn


@pytest.mark.parametrize("scope", SCOPES)
def test_all_predictions_of_traces_are_those_of_their_sum(scope):
    traces = [record(seed, n_epochs) for seed, n_epochs in enumerate((2, 1, 3))]
    whole = sum(traces[1:], traces[0])
    for n_most in (None, 10**6):
        drawn = draw(scope, n_most, traces)
        np.testing.assert_array_equal(drawn.features, whole.features(scope))
        np.testing.assert_array_equal(drawn.targets, whole.targets_of(scope))
        np.testing.assert_array_equal(drawn.trace.losses, whole.losses)
        assert drawn.weights.samples is drawn.weights.steps is None


@pytest.mark.parametrize("scope", SCOPES)
def test_features_and_targets_of_what_is_drawn_belong_together(scope):
    traces = [record(seed) for seed in range(3)]
    drawn = draw(scope, 7, traces)
    assert len(drawn) == len(drawn.features) == len(drawn.targets) == 7
    whole = sum(traces[1:], traces[0])
    pairs = zip(whole.features(scope), whole.targets_of(scope), strict=True)
    known = {(row.tobytes(), np.asarray(target).tobytes()) for row, target in pairs}
    for row, target in zip(drawn.features, drawn.targets, strict=True):
        assert (row.tobytes(), np.asarray(target).tobytes()) in known


class Names:
    """A scope with up to two predictions a step, whose only feature is their name."""

    empty_trace_message = "nothing to learn from"

    def __init__(self):
        self.n_read = 0

    def check_trace(self, trace):
        pass

    def count_predictions(self, trace):
        return trace.indices % 3

    def read(self, trace, sample):
        names = np.empty((len(sample), 1))
        for run in np.unique(trace.runs):
            for step, drawn in sample.steps(run):
                self.n_read += 1
                for where, which in drawn:
                    names[where, 0] = 1000 * len(trace) + 10 * step.index + which
        return names, names[:, 0]


def test_every_prediction_is_held_with_the_same_chance_whichever_trace_it_is_from():
    # Traces of 2, 4 and 10 steps hold 3, 4 and 10 predictions.
    traces = [record(0, n_epochs, variables=["loss"]) for n_epochs in (1, 2, 5)]
    names = [
        1000 * len(trace) + 10 * index + which
        for trace in traces
        for index in trace.indices
        for which in range(index % 3)
    ]
    assert len(set(names)) == len(names) == 17
    n_draws, n_most = 1000, 6
    is_held = np.zeros((n_draws, len(names)), bool)
    for seed in range(n_draws):
        drawn = DrawnPredictions(Names(), n_most, np.random.RandomState(seed))
        for trace in traces:
            drawn.add(trace)
        assert len(set(drawn.targets)) == n_most
        is_held[seed] = np.isin(names, drawn.targets)
    chance = n_most / len(names)
    deviation = np.sqrt(chance * (1 - chance) / n_draws)
    assert np.abs(is_held.mean(axis=0) - chance).max() < 4 * deviation
    # The number out of the last trace is hypergeometric.
    counts, share = is_held[:, 7:].sum(axis=1), 10 / 17
    assert counts.mean() == pytest.approx(n_most * share, rel=0.03)
    assert counts.var() == pytest.approx(n_most * share * (1 - share) * 11 / 16, rel=0.1)


def test_a_trace_of_which_nothing_is_drawn_is_not_read():
    long, short = record(0, 5, variables=["loss"]), record(0, 1, variables=["loss"])
    n_changed = 0
    for seed in range(40):
        scope = Names()
        drawn = DrawnPredictions(scope, 1, np.random.RandomState(seed))
        drawn.add(long)
        drawn.add(short)
        is_new = drawn.targets[0] < 3000  # names tell the length of their trace
        assert scope.n_read == 1 + is_new
        n_changed += is_new
    assert 0 < n_changed < 20  # of 13 predictions 3 are new


def test_weights_stay_with_their_predictions():
    traces = [record(seed, variables=["loss"]) for seed in range(3)]
    of_steps = [10.0 * number + np.arange(4) for number in range(3)]
    drawn = DrawnPredictions(Names(), 8, np.random.RandomState(1))
    for trace, weights in zip(traces, of_steps, strict=True):
        drawn.add(trace, weights)
    np.testing.assert_array_equal(drawn.weights.steps, np.concatenate(of_steps))
    indices = (drawn.targets % 1000 // 10).astype(int)
    np.testing.assert_array_equal(drawn.weights.samples % 10, indices - 1)
    assert len(set(drawn.weights.samples // 10)) == 3


def test_a_rule_that_is_fitted_on_what_is_drawn_is_the_one_that_is_fitted_on_the_sum():
    traces = [record(seed) for seed in range(3)]
    whole = sum(traces[1:], traces[0])
    for scope in SCOPES:
        rule = LearnedUpdateRule(Ridge(), scope=scope, random_state=0)
        drawn = rule.draw_predictions()
        for trace in traces:
            drawn.add(trace)
            drawn.add(trace[:0])
        again, other = clone(rule).fit_drawn(drawn), clone(rule).fit(whole)
        np.testing.assert_array_equal(again.predict(whole), other.predict(whole))
        assert again.n_features_in_ == other.n_features_in_


def test_a_first_trace_is_drawn_from_as_fit_draws_from_it():
    trace = record()
    rule = LearnedUpdateRule(Ridge(), random_state=3, subsample=20)
    drawn = rule.draw_predictions()
    drawn.add(trace)
    assert len(drawn) == 20
    fitted = clone(rule).fit(trace)
    np.testing.assert_array_equal(fitted.predict(trace), rule.fit_drawn(drawn).predict(trace))


@pytest.mark.parametrize("scope", SCOPES)
def test_there_is_an_error_without_predictions(scope):
    rule = LearnedUpdateRule(Ridge(), scope=scope)
    drawn = rule.draw_predictions()
    drawn.add(record()[:0])
    with pytest.raises(ValueError, match="the trace has no"):
        rule.fit_drawn(drawn)
    with pytest.raises(ValueError, match="'subsample' parameter"):
        LearnedUpdateRule(subsample=0).draw_predictions()


def test_traces_of_other_networks_are_refused_by_a_scope_of_one():
    drawn = draw("network", None, [record()])
    with pytest.raises(ValueError, match="bound to one architecture, and the trace has"):
        drawn.add(record(sizes=(4,)))

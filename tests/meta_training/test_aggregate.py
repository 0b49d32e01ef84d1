"""Dataset aggregation: the student drives, and the teacher's updates at its steps are learned."""

import numpy as np
import pytest
from helpers.data import classes
from helpers.rules import FunctionRule
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import Ridge
from sklearn.preprocessing import scale
from sklearn.tree import DecisionTreeRegressor

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    LearnedUpdateRule,
)
from sklearn_metabp.learned import SCOPES
from sklearn_metabp.meta_training import aggregate

X, Y = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0.0, 0, 0, 1])


def network(rule="sgd", sizes=(1,), n_epochs=300, seed=0):
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
    )


class Fits:
    """Record the traces that a rule is fitted on."""

    def __init__(self, monkeypatch):
        self.traces, self.fitted = [], []
        fit = LearnedUpdateRule.fit_drawn

        def noted(rule, drawn):
            self.traces.append(drawn.trace)
            self.fitted.append(clone(fit(rule, drawn)))
            return rule

        monkeypatch.setattr(LearnedUpdateRule, "fit_drawn", noted)


@pytest.mark.parametrize("scope", SCOPES)
def test_every_round_is_read_once_and_the_rule_is_fitted_on_all_of_them(scope, monkeypatch):
    fits, n_read = Fits(monkeypatch), []
    read = SCOPES[scope].read

    def counted(self, trace, sample):
        n_read.append(len(trace))
        return read(self, trace, sample)

    monkeypatch.setattr(SCOPES[scope], "read", counted)
    rule = LearnedUpdateRule(Ridge(), scope=scope, random_state=0)
    tasks = [(network(n_epochs=3, sizes=(2,)), X, Y)]
    aggregate(rule, SGD(0.2), tasks, n_rounds=3, n_starts=2, random_state=0)
    assert n_read == [24] * 4
    assert [len(trace) for trace in fits.traces] == [24, 48, 72, 96]
    for trace, fitted in zip(fits.traces, fits.fitted, strict=True):
        np.testing.assert_array_equal(fitted.predict(trace), rule.fit(trace).predict(trace))


def test_every_round_adds_the_students_states_with_what_the_teacher_would_have_done(monkeypatch):
    fits = Fits(monkeypatch)
    rule = LearnedUpdateRule(DecisionTreeRegressor(max_depth=3, random_state=0), random_state=0)
    aggregate(rule, SGD(0.2), [(network(), X, Y)], n_rounds=2, n_starts=3, random_state=4)
    assert [len(trace.layouts) for trace in fits.traces] == [3, 6, 9]
    whole = fits.traces[-1]
    for number in range(9):
        run = whole.run(number)
        gradients = run.gradients
        done, taught = run.updates, run.updates if number < 3 else run.teacher_updates
        np.testing.assert_allclose(taught, -0.2 * gradients, rtol=1e-12)
        assert (number < 3) == np.allclose(done, -0.2 * gradients)
    starts = {whole.run(number).params[0].tobytes() for number in range(9)}
    assert len(starts) == 9


def test_every_is_the_share_of_steps_of_each_run_to_learn_from(monkeypatch):
    fits = Fits(monkeypatch)
    tasks = [(network(n_epochs=5), X, Y)]  # 20 steps
    rule = LearnedUpdateRule(scope="network", random_state=0)
    aggregate(rule, SGD(0.2), tasks, n_rounds=1, n_starts=2, every=7, random_state=0)
    whole = fits.traces[-1]
    np.testing.assert_array_equal(whole.indices, [1, 8, 15] * 4)
    student = whole.run(3)
    np.testing.assert_allclose(student.teacher_updates, -0.2 * student.gradients, rtol=1e-12)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # a poor learner
def test_aggregation_mends_what_imitation_of_one_run_leaves_broken():
    """Aggregation improves a network rule on unseen starts over imitation of one run."""
    losses = {}
    for n_rounds in (0, 6):
        rule = LearnedUpdateRule(scope="network", random_state=0)
        rule = aggregate(
            rule, SGD(0.23), [(network(), X, Y)], n_rounds=n_rounds, n_starts=1, random_state=1
        )
        losses[n_rounds] = np.mean(
            [network(rule, seed=seed).fit(X, Y).loss_ for seed in range(50, 60)]
        )
    taught = np.mean([network(SGD(0.23), seed=seed).fit(X, Y).loss_ for seed in range(50, 60)])
    assert losses[6] < losses[0]
    assert losses[6] < 1.25 * taught


def test_the_given_rule_and_estimators_stay_as_they_are_and_the_seed_decides():
    rule, estimator = LearnedUpdateRule(random_state=0), network(n_epochs=10)
    first, again, other = (
        aggregate(rule, "adam", [(estimator, X, Y)], n_rounds=1, random_state=seed)
        for seed in (1, 1, 2)
    )
    assert not hasattr(rule, "learner_")
    assert not hasattr(estimator, "params_")
    assert estimator.update_rule == "sgd"
    Z = np.random.default_rng(0).standard_normal((5, 8))
    np.testing.assert_array_equal(first.predict(Z), again.predict(Z))
    assert (first.predict(Z) != other.predict(Z)).any()


def test_tasks_of_several_architectures_and_data_go_together():
    X_more, y_more = classes("multiclass", n=30, seed=3)
    classifier = BackpropMLPClassifier((5,), max_iter=3, n_iter_no_change=np.inf)
    tasks = [(network(n_epochs=5), X, Y), (classifier, X_more, y_more)]
    rule = aggregate(
        LearnedUpdateRule(random_state=0), Adam(0.01), tasks, n_rounds=1, random_state=0
    )
    assert rule.normalizer_ == "1"
    assert classifier.set_params(update_rule=rule, random_state=0).fit(X_more, y_more).n_iter_ == 3


def test_students_that_diverge_do_not_end_it(monkeypatch):
    diverging = FunctionRule(lambda step: np.full_like(step.gradients, np.inf))
    monkeypatch.setattr(
        LearnedUpdateRule, "bind", lambda rule, step, state: diverging.bind(step, state)
    )
    fits = Fits(monkeypatch)
    aggregate(
        LearnedUpdateRule(random_state=0), SGD(0.1), [(network(n_epochs=3), X, Y)], random_state=0
    )
    assert [len(trace) for trace in fits.traces] == [12] * 6


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"tasks": []}, r"tasks must be a list of \(estimator, X, y\), .*, with at least one"),
        ({"tasks": [(network(), X)]}, "tasks must be a list of .*; task 0 is a tuple of 2"),
        ({"n_rounds": -1}, "n_rounds must be an integer of 0 or more, got -1"),
        ({"n_starts": 0}, "n_starts must be an integer of 1 or more, got 0"),
        ({"every": 0}, "every must be an integer of 1 or more, got 0"),
        ({"n_rounds": 1.5}, "n_rounds must be an integer of 0 or more, got 1.5"),
    ],
)
def test_bad_arguments_are_named(params, message):
    arguments = {"tasks": [(network(), X, Y)], "n_rounds": 1} | params
    with pytest.raises(ValueError, match=message):
        aggregate(LearnedUpdateRule(), SGD(0.1), **arguments)


def test_a_teacher_that_diverges_leaves_what_came_before():
    X, y = load_iris(return_X_y=True)
    targets = 3 * scale(np.column_stack([y, y**2]))
    network = BackpropMLPRegressor((6,), batch_size=30, max_iter=30, n_iter_no_change=np.inf)
    rule = LearnedUpdateRule(Ridge(), scope="link", random_state=0)
    learned = aggregate(
        rule, SGD(5.0), [(network, 3 * scale(X), targets)], n_rounds=1, random_state=0
    )
    assert np.isfinite(learned.scale_)


def test_bounded_losses_are_never_warned_of_as_a_blow_up(monkeypatch):
    """One pattern a step, one step in twenty: the first of them may happen to be right."""
    fits = Fits(monkeypatch)
    X, y = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0.0, 0, 0, 1])
    network = BackpropMLPRegressor(
        (1,), "logistic", out_activation="logistic", batch_size=1, max_iter=200
    )
    network.set_params(n_iter_no_change=np.inf, alpha=0.0)
    rule = LearnedUpdateRule(Ridge(), scope="network", random_state=0)
    aggregate(rule, SGD(0.23), [(network, X, y)], n_rounds=1, n_starts=20, every=20, random_state=0)
    assert [len(trace) for trace in fits.traces] == [20 * 40, 2 * 20 * 40]

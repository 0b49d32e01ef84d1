"""The scorer that rates a rule by the networks that it trains."""

import pickle

import numpy as np
import pytest
from helpers.data import classes, numbers
from helpers.rules import FunctionRule
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.tree import DecisionTreeRegressor

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    LearnedUpdateRule,
    TraceRecorder,
    UpdateRule,
)
from sklearn_metabp.meta_training import Task, make_rollout_scorer

WORST_SCORE = -np.log(1e12)


def network(rule="adam", sizes=(5,), max_iter=8, **params):
    return BackpropMLPClassifier(
        sizes, update_rule=rule, batch_size=20, max_iter=max_iter, n_iter_no_change=np.inf, **params
    )


def tasks(rule="adam"):
    params = {"update_rule": rule, "batch_size": 20, "max_iter": 8, "n_iter_no_change": np.inf}
    return [
        (network(rule), *classes("multiclass")),
        (BackpropMLPRegressor((4,), **params), *numbers()),
    ]


@pytest.fixture(scope="module")
def trace():
    recorder = TraceRecorder()
    for seed in range(3):
        network(SGD(0.1), random_state=seed).set_callbacks(recorder).fit(
            *classes("multiclass", seed=1)
        )
    return recorder.trace_


@pytest.fixture(scope="module")
def rule(trace):
    return LearnedUpdateRule(Ridge(alpha=1e-6)).fit(trace)


class Recording(UpdateRule):
    """A rule that records the first weights of every training."""

    def __init__(self, starts):
        self.starts = starts

    def init_state(self, layout):
        return {"new": True}

    def compute_update(self, step, state):
        if state.pop("new", False):
            self.starts.append(step.params.tolist())
        return np.zeros_like(step.params)


class Wild(RegressorMixin, BaseEstimator):
    """A learner that predicts as Ridge does, times a factor, and refuses inputs that overflow."""

    def __init__(self, factor=1.0):
        self.factor = factor

    def fit(self, X, y):
        self.ridge_ = Ridge(alpha=1e-6).fit(X, y)
        return self

    def predict(self, X):
        return self.factor * self.ridge_.predict(X)


def test_the_score_is_minus_the_mean_log_of_the_final_losses(rule):
    scorer = make_rollout_scorer(tasks(), random_state=3, n_starts=2)
    losses = [loss for number in range(2) for loss in scorer.losses_of(number, rule)]
    assert len(set(losses)) == 4
    assert scorer(rule) == pytest.approx(-np.mean(np.log(np.array(losses) + 1e-8)))
    assert type(scorer(rule)) is float


def test_a_rollout_is_a_fit_with_the_rule_in_place_of_the_estimators_own(rule):
    (estimator, X, y), _ = tasks()
    scorer = make_rollout_scorer([(estimator, X, y)], random_state=3)
    seed = int(np.random.SeedSequence([scorer.seed, 0, 0]).generate_state(1)[0])
    model = network(rule, random_state=seed).fit(X, y)
    assert scorer.losses_of(0, rule) == [model.loss_]
    assert estimator.update_rule == "adam" and not hasattr(estimator, "params_")


def test_each_start_is_its_own_and_the_same_for_every_rule(rule):
    scorer = make_rollout_scorer(tasks()[:1] * 2, n_starts=3, random_state=0)
    starts, again = [], []
    scorer(Recording(starts))
    scorer(Recording(again))
    assert starts == again and len({tuple(start) for start in starts}) == 6
    more = make_rollout_scorer(tasks()[:1] * 2, n_starts=4, random_state=0)
    assert more.losses_of(1, rule)[:3] == scorer.losses_of(1, rule)


@pytest.mark.parametrize("metric", ["final_loss", "ratio"])
def test_a_good_rule_is_above_a_bad_one_and_that_above_one_that_diverges(trace, rule, metric):
    scorer = make_rollout_scorer(tasks(), metric=metric, random_state=0, n_starts=2)
    too_small, backwards = (LearnedUpdateRule(Wild(factor)).fit(trace) for factor in (1e-3, -1e6))
    assert scorer(rule) > scorer(too_small) > scorer(backwards)
    assert scorer(SGD(0.1)) == pytest.approx(scorer(rule), rel=1e-3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "learner", [None, Wild(-1e3), Wild(-1e30), DecisionTreeRegressor(max_depth=3)], ids=repr
)
@pytest.mark.parametrize("scope", ["link", "neuron", "network"])
def test_a_diverged_training_has_the_documented_score(learner, scope, dtype):
    """Check a rule that climbs: the score is the worst, whatever overflows first."""
    X, y = numbers(dtype=dtype)
    teacher = BackpropMLPRegressor(
        (4,), batch_size=20, max_iter=3, n_iter_no_change=np.inf, random_state=0
    )
    recorder = TraceRecorder("all")
    teacher.set_params(update_rule=SGD(0.1)).set_callbacks(recorder).fit(X, y)
    wild = LearnedUpdateRule(learner, scope=scope, random_state=0).fit(recorder.trace_)

    class Uphill(UpdateRule):
        acts_backward = wild.acts_backward

        def init_state(self, layout):
            return wild.init_state(layout)

        def compute_update(self, step, state):
            return -1e6 * wild.compute_update(step, state)

        def compute_deltas(self, step, layer, state):
            return wild.compute_deltas(step, layer, state)

    student = teacher.set_callbacks().set_params(max_iter=200, activation="identity")
    assert make_rollout_scorer([(student, X, y)])(Uphill()) == pytest.approx(WORST_SCORE)
    ratio = make_rollout_scorer([(student, X, y)], metric="ratio", baseline=SGD(0.01))
    assert ratio(Uphill()) == -1000


def constant(number):
    """Return a rule whose every update is the same number."""
    return FunctionRule(lambda step: np.full_like(step.params, number))


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e14, 1e60, 1e200])
def test_no_number_that_a_rule_returns_is_an_error(number):
    scorer = make_rollout_scorer(tasks()[1:], random_state=0)
    assert scorer(constant(number)) == pytest.approx(WORST_SCORE)
    assert make_rollout_scorer(tasks()[1:], metric="ratio")(constant(number)) == -1000


@pytest.mark.parametrize("factor", [1e7, 1e30])
def test_one_very_bad_rollout_does_not_dominate_the_score(factor):
    (first, (regressor, X, y)) = tasks()
    scorer = make_rollout_scorer([first, (regressor, X, factor * y)], random_state=0)
    (good,), (bad,) = (scorer.losses_of(number, SGD(1e-9)) for number in (0, 1))
    assert good < 10 and bad > 1e12 and np.isfinite(bad) == (factor < 1e8)
    assert scorer(SGD(1e-9)) == pytest.approx((WORST_SCORE - np.log(good + 1e-8)) / 2)


def test_ratios_are_to_the_baseline_from_the_same_starts(rule):
    own = make_rollout_scorer(tasks(SGD(0.1)), metric="ratio", random_state=0, n_starts=2)
    assert own(SGD(0.1)) == -1
    assert own(rule) == pytest.approx(-1, abs=1e-3)
    other = make_rollout_scorer(
        tasks(SGD(0.1)), metric="ratio", baseline="adam", random_state=0, n_starts=2
    )
    assert other("adam") == -1
    plain = make_rollout_scorer(tasks(), random_state=0, n_starts=2)
    losses = [np.array([plain.losses_of(i, r) for i in (0, 1)]) for r in (rule, Adam())]
    assert other(rule) == pytest.approx(-np.mean(losses[0] / losses[1]), rel=1e-6)


def test_the_same_score_twice_pickled_and_in_a_frozen_rule(rule):
    scorer = make_rollout_scorer(tasks())
    assert scorer(rule) == scorer(rule) == pickle.loads(pickle.dumps(scorer))(rule)
    assert (
        scorer(FrozenEstimator(rule)) == scorer(rule, None, None) == scorer(rule, X="not looked at")
    )
    seeded = [make_rollout_scorer(tasks(), random_state=5)(rule) for _ in range(2)]
    assert seeded[0] == seeded[1] != scorer(rule)


@pytest.mark.parametrize("metric", ["final_loss", "ratio"])
def test_a_search_over_a_trace_is_the_same_with_one_job_and_with_two(trace, metric):
    scorer = make_rollout_scorer(tasks(), metric=metric, random_state=0)
    estimator, grid = LearnedUpdateRule(Wild()), {"learner__factor": [1e-3, 1.0, -1e9]}
    one, two = (
        GridSearchCV(
            estimator, grid, scoring=scorer, cv=GroupKFold(3), n_jobs=n, error_score="raise"
        ).fit(trace, groups=trace.runs)
        for n in (1, 2)
    )
    np.testing.assert_array_equal(
        one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"]
    )
    assert one.best_params_ == {"learner__factor": 1.0}
    assert one.best_score_ == max(one.cv_results_["mean_test_score"])
    scores = cross_val_score(
        LearnedUpdateRule(Ridge()), trace, groups=trace.runs, cv=GroupKFold(3), scoring=scorer
    )
    assert scores.shape == (3,) and np.isfinite(scores).all()


def test_a_training_that_is_short_is_no_warning(rule):
    X, y = classes("binary")
    scorer = make_rollout_scorer([(BackpropMLPClassifier((3,), max_iter=2), X, y)])
    assert np.isfinite(scorer(rule))


def test_errors_that_are_no_divergence_are_raised(trace):
    scorer = make_rollout_scorer(tasks())
    with pytest.raises(NotFittedError):
        scorer(LearnedUpdateRule())
    recorder = TraceRecorder("all")
    network(SGD(0.1), (2,)).set_callbacks(recorder).fit(*classes("multiclass"))
    bound = LearnedUpdateRule(Ridge(), scope="network").fit(recorder.trace_)
    with pytest.raises(ValueError, match="bound to the architecture"):
        scorer(bound)


MODEL = network()
X, Y = classes("multiclass")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), r"tasks must be a list of \(estimator, X, y\), .*, with at least one, got \[\]"),
        ((MODEL,), r"tasks must be a list of \(estimator, X, y\), .*, with at least one"),
        (([(MODEL, X, Y), (MODEL, X)],), "task 1 is a tuple of 2"),
        (([(MODEL, X, Y), (Ridge(), X, Y)],), r"task 1: the estimator must be .*, got Ridge\(\)"),
    ],
)
def test_tasks_that_are_none_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_rollout_scorer(*arguments)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"metric": "r2"}, r"metric must be one of \['final_loss', 'ratio'\], got 'r2'"),
        ({"n_starts": 0}, "n_starts must be an integer of 1 or more, got 0"),
        ({"n_starts": 1.5}, r"n_starts must be an integer of 1 or more, got 1\.5"),
        ({"baseline": "sgd"}, "metric='final_loss' does not use it"),
        ({"metric": "ratio", "baseline": constant(1e200)}, "the baseline diverges on task 0"),
        ({"random_state": "a"}, "random_state|seed"),
    ],
)
def test_parameters_out_of_range_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        make_rollout_scorer([(MODEL, X, Y)], **params)


def test_validation_rows_of_a_task_change_no_score(rule):
    X, y = classes("multiclass")
    plain = make_rollout_scorer([(network(), X, y)], random_state=0)
    validated = make_rollout_scorer([Task(network(), X, y, X[:9], y[:9])], random_state=0)
    tuples = make_rollout_scorer([(network(), X, y, X[:9], y[:9])], random_state=0)
    assert plain(rule) == validated(rule) == tuples(rule)


def test_callbacks_of_a_task_are_not_called_in_rollouts():
    X, y = load_iris(return_X_y=True)
    recorder = TraceRecorder()
    network = BackpropMLPClassifier((4,), max_iter=3, n_iter_no_change=np.inf, update_rule=SGD(0.1))
    make_rollout_scorer([(network.set_callbacks(recorder), X, y)], random_state=0)(SGD(0.1))
    with pytest.raises(NotFittedError):
        recorder.trace_  # noqa: B018

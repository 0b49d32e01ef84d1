"""One training of a task's network by a rule, and the record of it."""

import pickle
import warnings

import numpy as np
import pytest
from helpers.data import classes, numbers
from joblib import Parallel, delayed
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.metrics import log_loss

from sklearn_metabp import (
    LBFGS,
    SGD,
    Adam,
    Averaged,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    LearnedUpdateRule,
    TraceRecorder,
    UpdateRule,
)
from sklearn_metabp.meta_training import Task, aggregate, make_rollout_scorer, rollout, rollout_seed

X, Y = classes("multiclass")
X_VAL, Y_VAL = classes("multiclass", seed=1)
PARAMS = {"batch_size": 20, "max_iter": 8, "n_iter_no_change": np.inf}


def network(**params):
    return BackpropMLPClassifier((5,), **PARAMS | params)


def learned():
    recorder = TraceRecorder()
    network(update_rule=SGD(0.1), random_state=0).set_callbacks(recorder).fit(X, Y)
    return LearnedUpdateRule(Ridge(alpha=1e-6)).fit(recorder.trace_)


class Scripted(UpdateRule):
    """A rule whose update is a function of the number of the step."""

    def __init__(self, act):
        self.act = act

    def init_state(self, layout):
        return None

    def compute_update(self, step, state):
        return np.full_like(step.params, self.act(step.index))

    def __deepcopy__(self, memo):
        raise AssertionError("a rollout copies no rule")


CASES = {
    "classifier": (network(), (X, Y), {}),
    "regressor": (BackpropMLPRegressor((4, 3), **PARAMS), numbers(2), {}),
    "validation rows": (network(), (X, Y), {"X_val": X_VAL, "y_val": Y_VAL}),
    "early stopping": (network(early_stopping=True, n_iter_no_change=2, max_iter=30), (X, Y), {}),
    "patience": (network(n_iter_no_change=1, tol=0.05), (X, Y), {}),
    "dropout": (network(dropout=0.3, class_weight="balanced"), (X, Y), {}),
    "warm start": (network(warm_start=True).fit(X, Y), (X, Y), {}),
    "scoring": (network(scoring="neg_log_loss"), (X, Y), {"X_val": X_VAL, "y_val": Y_VAL}),
}
RULES = {
    "name": "rmsprop",
    "rule": Adam(0.02),
    "learned": learned(),
    "frozen": FrozenEstimator(learned()),
    "line search": LBFGS(),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", [0, 17])
def test_a_rollout_is_a_fit_with_another_rule_and_seed(case, rule, seed):
    estimator, data, validation = CASES[case]
    if (case, rule) in {("dropout", "line search")}:
        pytest.skip("a line search takes no dropout")
    record = rollout(
        Task(estimator, *data, *validation.values()), RULES[rule], seed, return_estimator=True
    )
    taught = type(estimator)(**estimator.get_params(deep=False))
    taught.set_params(update_rule=RULES[rule], random_state=seed).fit(*data, **validation)
    np.testing.assert_array_equal(record.estimator.params_, taught.params_)
    np.testing.assert_array_equal(record.loss_curve, taught.loss_curve_)
    assert record.loss == taught.loss_ and type(record.loss) is float and not record.diverged
    if taught.validation_scores_ is None:
        assert record.validation_scores is None and record.validation_loss_curve is None
    else:
        np.testing.assert_array_equal(record.validation_scores, taught.validation_scores_)
        np.testing.assert_array_equal(record.validation_loss_curve, taught.validation_loss_curve_)
        assert len(record.validation_scores) == len(record.loss_curve)


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "n_epochs"), [(60, 20, 8), (60, 25, 3), (47, 47, 5), (50, 1, 2)]
)
def test_steps_are_counted_and_epochs_may_be_other_than_the_estimators(
    n_rows, batch_size, n_epochs
):
    task = Task(network(batch_size=batch_size), X[:n_rows], Y[:n_rows])
    record = rollout(task, "sgd", 0, n_epochs=n_epochs)
    assert record.n_steps == n_epochs * -(-n_rows // batch_size)
    assert len(record.loss_curve) == n_epochs and task.estimator.max_iter == 8
    assert 0 < record.seconds < 60 and record.estimator is None


@pytest.mark.parametrize("update", [np.nan, np.inf, 1e300])
@pytest.mark.parametrize("n_sound", [0, 1, 7])
def test_divergence_is_a_result(update, n_sound):
    rule = Scripted(lambda step: 0.0 if step <= n_sound else update)
    record = rollout(Task(network(), X, Y), rule, 0, return_estimator=True)
    assert record.diverged and record.loss == np.inf and record.estimator is None
    assert (
        n_sound <= record.n_steps <= n_sound + 1
    )  # 1e300 is added, and then the loss is not finite
    n_epochs = record.n_steps // 3  # of three batches
    assert record.loss_curve.shape == (n_epochs,) and record.validation_scores is None
    undisturbed = rollout(Task(network(), X, Y), Scripted(lambda step: 0.0), 0)
    np.testing.assert_array_equal(record.loss_curve, undisturbed.loss_curve[:n_epochs])
    validated = rollout(Task(network(), X, Y, X_VAL, Y_VAL), rule, 0)
    assert validated.validation_scores.shape == validated.validation_loss_curve.shape == (0,)


def test_a_training_that_diverges_after_its_best_epoch_has_diverged_all_the_same():
    rule = Scripted(lambda step: 0.0 if step <= 9 else np.nan)
    task = Task(network(early_stopping=True), X, Y, X_VAL, Y_VAL)
    record = rollout(task, rule, 0, return_estimator=True)
    assert record.diverged and record.loss == np.inf
    assert len(record.loss_curve) == len(record.validation_scores) == 9 // -(-len(X) // 20)
    assert np.isfinite(record.estimator.params_).all()


def test_a_rollout_changes_neither_the_task_nor_the_rule_and_copies_no_rule():
    own, rule = Scripted(np.sin), Scripted(np.cos)
    task = Task(network(), X, Y)
    object.__setattr__(task.estimator, "update_rule", own)
    before = dict(vars(task.estimator))
    record = rollout(task, rule, 0, return_estimator=True, callbacks=[TraceRecorder()], n_epochs=2)
    assert vars(task.estimator) == before
    assert record.estimator.update_rule is rule


class Start:
    """An initializer that counts its calls."""

    n_calls = 0

    def __call__(self, layout, activations, random_state):
        self.n_calls += 1
        return np.full(layout.n_params, 0.1 * self.n_calls)


def test_every_rollout_begins_from_the_estimator_as_the_task_has_it():
    task = Task(network(init=Start()), X, Y)
    first, again = (rollout(task, "adam", 4) for _ in range(2))
    np.testing.assert_array_equal(first.loss_curve, again.loss_curve)


def test_callbacks_are_those_that_are_passed():
    passed, tasks_own = TraceRecorder(), TraceRecorder()
    task = Task(network().set_callbacks(tasks_own), X, Y)
    record = rollout(task, "sgd", 0, callbacks=[passed])
    assert len(passed.trace_) == record.n_steps == 24
    with pytest.raises(NotFittedError):
        tasks_own.trace_  # noqa: B018


def interrupt(step):
    if step == 5:
        raise KeyboardInterrupt
    return 0.0


@pytest.mark.filterwarnings("default")  # as a user has it, who meets a warning and no error
def test_ctrl_c_ends_more_than_the_rollout():
    recorder = TraceRecorder()
    tasks = [(network(), X, Y)]
    with pytest.raises(KeyboardInterrupt):
        rollout(Task(*tasks[0]), Scripted(interrupt), 0, callbacks=[recorder])
    assert len(recorder.trace_) == 4
    with pytest.raises(KeyboardInterrupt):
        make_rollout_scorer(tasks)(Scripted(interrupt))
    with pytest.raises(KeyboardInterrupt):
        aggregate(LearnedUpdateRule(), Scripted(interrupt), tasks)


def test_a_training_that_is_short_is_no_warning_and_other_warnings_pass():
    def warn(step):
        if step == 3:
            warnings.warn("look here", UserWarning)
        return 0.0

    task = Task(BackpropMLPClassifier((3,), max_iter=5), X, Y)
    with pytest.warns(UserWarning, match="look here") as caught:
        rollout(task, Scripted(warn), 0)
    assert len(caught) == 1
    with pytest.raises(UserWarning, match="look here"):  # the tests make errors of warnings
        rollout(task, Scripted(warn), 0)


@pytest.mark.parametrize("number", [0, 2])
def test_an_error_names_the_task_by_its_number(number):
    tasks = [(network(), X, Y)] * number + [(network(batch_size=-1), X, Y)]
    for train in (
        make_rollout_scorer(tasks),
        lambda rule: aggregate(LearnedUpdateRule(), rule, tasks),
    ):
        with pytest.raises(ValueError, match="batch_size") as caught:
            train(SGD(0.1))
        assert any(f"task {number} from start 0" in note for note in caught.value.__notes__)


@pytest.mark.parametrize(
    ("arguments", "params", "error", "message"),
    [
        (((network(), X, Y), "adam"), {}, ValueError, "task must be a Task, got"),
        ((Task(network(), X, Y), "adma"), {}, ValueError, "rule must be one of"),
        ((Task(network(), X, Y), None), {}, TypeError, "rule must be one of"),
        ((Task(network(), X, Y), LearnedUpdateRule()), {}, NotFittedError, "has not been fitted"),
        (
            (Task(network(), X, Y), "adam"),
            {"n_epochs": 0},
            ValueError,
            "n_epochs must be an integer of 1 or",
        ),
        (
            (Task(network(), X, Y), "adam"),
            {"n_epochs": 2.0},
            ValueError,
            "n_epochs must be an integer of 1",
        ),
        (
            (Task(network(), X, Y), "adam"),
            {"callbacks": [3]},
            TypeError,
            "3 is no callback",
        ),
        ((Task(network(), X, Y), "adam", "seed"), {}, ValueError, "random_state"),
        ((Task(network(), X, Y % 2, X, Y), "adam"), {}, ValueError, "y_val"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, params, error, message):
    with pytest.raises(error, match=message):
        rollout(*arguments, **params)


def test_a_teacher_that_never_takes_a_step_is_named():
    with pytest.raises(
        ValueError, match=r"under teacher=SGD\(learning_rate=1e\+300\) diverged in its first"
    ):
        aggregate(LearnedUpdateRule(), SGD(1e300), [(network(), X * 1e200, Y)], n_starts=2)


def test_records_are_the_same_in_every_process_and_pickle():
    tasks = [Task(network(), X, Y), Task(network(), X, Y, X_VAL, Y_VAL)]
    jobs = [(number, start) for number in range(2) for start in range(3)]
    rule = RULES["learned"]
    here, there = (
        Parallel(n_jobs=n_jobs)(
            delayed(rollout)(
                tasks[number], rule, rollout_seed(6, number, start), return_estimator=True
            )
            for number, start in jobs
        )
        for n_jobs in (1, 2)
    )
    for one, other in zip(here, there, strict=True):
        for name in ("loss", "n_steps", "loss_curve", "validation_scores", "validation_loss_curve"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        np.testing.assert_array_equal(one.estimator.params_, other.estimator.params_)
    assert len({record.loss for record in here}) == 6
    assert pickle.loads(pickle.dumps(here[0])).loss == here[0].loss


def test_a_seed_depends_on_the_three_numbers_alone():
    numbers = [(seed, task, start) for seed in (0, 9) for task in range(4) for start in range(4)]
    seeds = [rollout_seed(*three) for three in numbers]
    assert len(set(seeds)) == len(seeds) and all(0 <= seed < 2**32 for seed in seeds)
    assert rollout_seed(9, 2, 1) == seeds[numbers.index((9, 2, 1))]
    scorer = make_rollout_scorer([(network(), X, Y)] * 2, n_starts=2, random_state=1)
    record = rollout(Task(network(), X, Y), "adam", rollout_seed(scorer.seed, 1, 1))
    assert scorer.losses_of(1, "adam")[1] == record.loss


@pytest.mark.parametrize(
    ("n_validations", "epochs"),
    [(1, [8]), (2, [4, 8]), (3, [2, 5, 8]), (8, range(1, 9)), (9, range(1, 9))],
)
@pytest.mark.parametrize("scores", [True, False])
def test_some_epochs_are_validated_and_nothing_else_changes(n_validations, epochs, scores):
    task = Task(network(), X, Y, X_VAL, Y_VAL)
    every = rollout(task, "adam", 3, return_estimator=True)
    some = rollout(
        task,
        "adam",
        3,
        n_validations=n_validations,
        validation_scores=scores,
        return_estimator=True,
    )
    np.testing.assert_array_equal(some.estimator.params_, every.estimator.params_)
    wanted = np.full(8, np.nan)
    at = np.array(epochs) - 1
    wanted[at] = every.validation_loss_curve[at]
    np.testing.assert_array_equal(some.validation_loss_curve, wanted)
    if scores:
        wanted[at] = every.validation_scores[at]
        np.testing.assert_array_equal(some.validation_scores, wanted)
    else:
        np.testing.assert_array_equal(some.validation_scores, -some.validation_loss_curve)


@pytest.mark.parametrize("n_validations", [None, 3])
@pytest.mark.parametrize("rule", [Adam(0.1), Averaged(Adam(0.1), decay=0.8)], ids=["", "averaged"])
def test_the_chosen_test_loss_is_that_of_the_epoch_with_the_lowest_validation_loss(
    rule, n_validations
):
    rng = np.random.default_rng(0)
    y, y_val = (np.where(rng.uniform(size=len(one)) < 0.3, 0, one) for one in (Y, Y_VAL))
    X_test, y_test = classes("multiclass", seed=2)
    task = Task(network(max_iter=30), X, y, X_VAL, y_val, X_test, y_test)
    record = rollout(task, rule, 3, n_validations=n_validations, validation_scores=False)
    n_best = int(np.nanargmin(record.validation_loss_curve)) + 1
    # The noise of the labels makes the best epoch another one than the last.
    assert n_best < 30
    best = rollout(task, rule, 3, n_epochs=n_best, return_estimator=True).estimator
    expected = log_loss(y_test, best.predict_proba(X_test))
    assert record.chosen_test_loss == pytest.approx(expected, rel=1e-10)


def test_without_test_rows_there_is_no_test_loss_and_after_a_divergence_it_is_infinite():
    rows = X, Y, X_VAL, Y_VAL
    assert np.isnan(rollout(Task(network(), *rows), "adam", 0).chosen_test_loss)
    without_validation = Task(network(), X, Y, X_test=X_VAL, y_test=Y_VAL)
    assert np.isnan(rollout(without_validation, "adam", 0).chosen_test_loss)
    task = Task(network(), *rows, X_VAL, Y_VAL)
    assert np.isfinite(rollout(task, "adam", 0).chosen_test_loss)
    assert rollout(task, SGD(1e200), 0).chosen_test_loss == np.inf


def test_no_epoch_is_left_out_where_the_score_stops_the_training():
    task = Task(network(early_stopping=True), X, Y)
    with pytest.raises(ValueError, match="early_stopping=False"):
        rollout(task, "adam", 0, n_validations=2)


def test_rows_are_checked_once_per_task(monkeypatch):
    task = Task(network(), X, Y, X_VAL, Y_VAL)
    first = rollout(task, "adam", 0)
    monkeypatch.setattr("sklearn_metabp.estimators._rows.validate_data", None)
    assert rollout(task, "adam", 0).loss == first.loss
    assert task == pickle.loads(pickle.dumps(task))
    assert len(pickle.dumps(task)) == len(pickle.dumps(Task(network(), X, Y, X_VAL, Y_VAL)))

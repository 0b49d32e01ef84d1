"""An ensemble of n_members networks is as many fits of one, and predicts the mean."""

import pickle
import signal
import threading
import warnings

import numpy as np
import pytest
from helpers.callbacks import StepCounter
from helpers.checkpoints import KillAfter, Killed
from helpers.estimators import CASES, all_classes, data, make
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.utils import check_random_state

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Checkpoint,
    EarlyStopping,
    HistoryLogger,
    LearnedUpdateRule,
    TraceRecorder,
    TrainingDoctor,
)
from sklearn_metabp.derivatives import jacobian
from sklearn_metabp.estimators._threads import side_by_side
from sklearn_metabp.meta_training import Task
from sklearn_metabp.training import DivergenceError, loop

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
by_case = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0].__name__} {case[1]}")


def seeds_of(random_state, n):
    return check_random_state(random_state).randint(2**31 - 1, size=n)


def single_fits(model, X, y, **given):
    seeds = seeds_of(model.random_state, model.n_members)
    return [
        clone(model).set_params(n_members=1, random_state=int(seed)).fit(X, y, **given)
        for seed in seeds
    ]


def assert_same_networks(members, fits):
    assert len(members) == len(fits)
    for member, fit in zip(members, fits, strict=True):
        assert member.n_members == 1
        assert member.params_.tobytes() == fit.params_.tobytes()
        assert member.loss_curve_ == fit.loss_curve_
        assert member.random_state == fit.random_state


def outputs_of(model, X):
    return model.network_.outputs(model.params_, X)


@by_case
@pytest.mark.parametrize("setting", [{}, {"early_stopping": True}, {"dropout": 0.2}], ids=str)
def test_members_are_fits_of_one_network(case, setting):
    X, y = data(case[1])
    model = make(case, n_members=3, random_state=7, **setting).fit(X, y)
    fits = single_fits(model, X, y)
    assert_same_networks(model.members_, fits)
    different = [fit.params_ for fit in fits]
    assert not np.array_equal(different[0], different[1])


@by_case
def test_predictions_are_those_of_the_mean_of_outputs(case):
    X, y = data(case[1])
    model = make(case, n_members=4).fit(X, y)
    mean = np.mean([outputs_of(fit, X) for fit in single_fits(model, X, y)], axis=0)
    targets = model.targets_
    assert_array_equal(model.predict(X), targets.decode(mean))
    if hasattr(model, "predict_proba"):
        assert_allclose(model.predict_proba(X), targets.probabilities(mean), rtol=1e-13)
        members = [member.predict_proba(X) for member in model.members_]
        assert_allclose(model.predict_proba(X), np.mean(members, axis=0), rtol=1e-13)
    assert model.score(X, y) == pytest.approx(targets.score(y, mean))


@pytest.mark.parametrize("seed", range(3))
def test_the_mean_is_at_least_as_good_as_the_networks_are_on_average(seed):
    """Krogh and Vedelsby (1995): the error of the mean is the mean error less the ambiguity."""
    X, t = data("one output", seed=seed)
    model = BackpropMLPRegressor((5,), max_iter=3, n_members=4, random_state=seed).fit(X, t)
    f = np.array([member.predict(X) for member in model.members_])
    ambiguity = np.mean((f - model.predict(X)) ** 2)
    assert ambiguity > 0
    expected = np.mean((f - t) ** 2) - ambiguity
    assert_allclose(np.mean((model.predict(X) - t) ** 2), expected, rtol=1e-12)
    X, y = data("multiclass", seed=seed)
    model = BackpropMLPClassifier((5,), max_iter=3, n_members=4, random_state=seed).fit(X, y)
    of_members = [log_loss(y, member.predict_proba(X)) for member in model.members_]
    assert log_loss(y, model.predict_proba(X)) < np.mean(of_members)


def test_a_number_by_hand():
    """The mean of the outputs of two linear neurons, 2x + 1 and 4x - 2, is 3x - 1/2."""
    X = np.array([[1.0], [2.0]])
    model = BackpropMLPRegressor((), n_members=2, max_iter=1, random_state=0).fit(X, X[:, 0])
    for member, (w, bias) in zip(model.members_, [(2, 1), (4, -2)], strict=True):
        member.params_ = [w, bias]
    assert_array_equal(model.predict([[0.0], [1.0], [5.0]]), [-0.5, 2.5, 14.5])


def test_one_member_is_the_estimator_itself_and_draws_no_seed():
    X, y = data("multiclass")
    model = BackpropMLPClassifier((6,), max_iter=4, random_state=3).fit(X, y)
    again = BackpropMLPClassifier((6,), max_iter=4, random_state=3, n_members=1).fit(X, y)
    assert again.params_.tobytes() == model.params_.tobytes()
    for unfitted_or_one in (again, BackpropMLPClassifier()):
        with pytest.raises(AttributeError, match="before a fit with n_members > 1"):
            _ = unfitted_or_one.members_


def test_a_larger_ensemble_begins_with_a_smaller_one():
    X, y = data("binary")
    few, many = (
        BackpropMLPClassifier((4,), max_iter=3, random_state=5, n_members=n).fit(X, y)
        for n in (2, 4)
    )
    assert_same_networks(many.members_[:2], few.members_)


@pytest.mark.parametrize("random_state", [None, "global"])
def test_seeds_from_a_generator(random_state):
    X, y = data("binary")
    np.random.seed(3)  # noqa: NPY002
    given = None if random_state is None else np.random.RandomState(3)
    model = BackpropMLPClassifier((4,), max_iter=2, random_state=given, n_members=3).fit(X, y)
    assert [member.random_state for member in model.members_] == seeds_of(3, 3).tolist()


def test_each_member_draws_its_own_validation_rows_unless_they_are_given():
    X, y = data("one output", n=40)
    setting = {"max_iter": 2, "early_stopping": True, "n_members": 3, "random_state": 0}
    own = BackpropMLPRegressor((4,), **setting).fit(X, y)
    drawn = [m._training_state.split_random_state.get_state()[1] for m in own.members_]
    assert not np.array_equal(drawn[0], drawn[1])
    shared = BackpropMLPRegressor((4,), **setting).fit(X[:30], y[:30], X_val=X[30:], y_val=y[30:])
    fits = single_fits(shared, X[:30], y[:30], X_val=X[30:], y_val=y[30:])
    assert_same_networks(shared.members_, fits)
    assert len({member._training_state.validated_on for member in shared.members_}) == 1


def test_weights_of_rows_reach_every_member():
    X, y = data("multiclass")
    weight = np.linspace(0.5, 2, len(y))
    model = BackpropMLPClassifier(
        (4,), max_iter=3, class_weight="balanced", n_members=2, random_state=1
    )
    model.fit(X, y, sample_weight=weight)
    assert_same_networks(model.members_, single_fits(model, X, y, sample_weight=weight))


OF_ONE = ["params_", "coefs_", "intercepts_", "loss_", "best_loss_", "loss_curve_"]
OF_ONE += ["validation_scores_", "best_validation_score_", "validation_loss_curve_"]


@pytest.mark.parametrize("name", OF_ONE)
def test_attributes_of_one_network_name_the_members(name):
    X, y = data("binary")
    model = BackpropMLPClassifier((4,), max_iter=3, random_state=5, n_members=2).fit(X, y)
    assert not hasattr(model, name)
    with pytest.raises(AttributeError, match=rf"2 networks.*model\.members_\[0\]\.{name}"):
        getattr(model, name)
    getattr(model.members_[0], name)
    if name in OF_ONE[:3]:
        with pytest.raises(AttributeError, match=rf"members_\[0\]\.{name}"):
            setattr(model, name, [])


def test_attributes_that_all_networks_share():
    X, y = data("strings")
    model = BackpropMLPClassifier((4,), max_iter=3, random_state=5, n_members=3).fit(X, y)
    for name in ("layout_", "network_", "n_layers_", "n_outputs_", "out_activation_", "t_"):
        values = [getattr(member, name) for member in model.members_]
        expected = sum(values) if name == "t_" else values[0]
        assert getattr(model, name) == expected
    assert_array_equal(model.classes_, ["ant", "bee", "cat"])
    assert model.n_features_in_ == model.members_[1].n_features_in_ == 4
    assert isinstance(model.update_rule_, Adam)


def test_n_iter_is_the_largest():
    X, y = data("multiclass", n=90)
    rule = Adam(0.1)
    model = BackpropMLPClassifier((6,), update_rule=rule, tol=0.02, n_members=4, random_state=2)
    numbers = [member.n_iter_ for member in model.fit(X, y).members_]
    assert len(set(numbers)) > 1 and model.n_iter_ == max(numbers)


def test_a_fit_of_another_number_leaves_nothing_behind():
    X, y = data("binary")
    model = BackpropMLPClassifier((4,), max_iter=3, random_state=5).fit(X, y)
    one = outputs_of(model, X)
    model.set_params(n_members=2).fit(X, y)
    assert len(model.members_) == 2 and not hasattr(model, "coefs_")
    model.set_params(n_members=1).fit(X, y)
    assert not hasattr(model, "members_")
    assert_array_equal(outputs_of(model, X), one)
    assert_array_equal(model.predict_proba(X)[:, 1:], one)


@by_case
def test_partial_fit_goes_on_with_every_member(case):
    X, y = data(case[1])
    model = make(case, n_members=2, max_iter=3, n_iter_no_change=np.inf, random_state=1)
    whole, parts = clone(model).fit(X, y), clone(model)
    for _ in range(3):
        before = getattr(parts, "members_", None)
        parts.partial_fit(X, y, **all_classes(case, y))
        if before is not None:  # the same estimators, which recorders know
            assert all(a is b for a, b in zip(parts.members_, before, strict=True))
    assert_same_networks(parts.members_, whole.members_)


def test_warm_start_takes_new_parameters_and_keeps_seeds():
    X, y = data("multiclass")
    model = BackpropMLPClassifier(
        (5,), max_iter=4, n_iter_no_change=np.inf, warm_start=True, n_members=2, random_state=1
    )
    fits = [one.set_params(max_iter=6).fit(X, y) for one in single_fits(model, X, y)]
    model.fit(X, y).set_params(max_iter=6).fit(X, y)
    assert_same_networks(model.members_, fits)
    assert model.n_iter_ == 10


@pytest.mark.parametrize(("before", "now"), [(1, 2), (3, 2), (2, 1)])
def test_warm_start_with_another_number_is_an_error(before, now):
    X, y = data("binary")
    model = BackpropMLPClassifier(
        (4,), max_iter=2, warm_start=True, n_members=before, random_state=0
    )
    expected = model.fit(X, y).predict_proba(X)
    model.set_params(n_members=now)
    with pytest.raises(ValueError, match=f"number is {before}, but n_members={now} now"):
        model.fit(X, y)
    assert_array_equal(model.predict_proba(X), expected)


def test_a_failed_fit_changes_nothing():
    X, y = data("one output")
    model = BackpropMLPRegressor(
        (4,), update_rule=SGD(0.01), max_iter=2, warm_start=True, n_members=2, random_state=0
    )
    expected = model.fit(X, y).predict(X)
    model.set_params(update_rule__learning_rate=1e200)
    with pytest.raises(DivergenceError) as caught, np.errstate(all="ignore"):
        model.fit(X, y)
    assert "member 0 of 2" in caught.value.__notes__[0]
    assert_array_equal(model.predict(X), expected)
    assert model.members_[0].update_rule.learning_rate == 0.01
    model.set_params(update_rule__learning_rate=0.01).fit(X, y)
    assert model.n_iter_ == 4


@pytest.mark.parametrize("bad", [0, -1, 2.0, "3", None])
def test_a_bad_number(bad):
    with pytest.raises(ValueError, match="n_members"):
        BackpropMLPClassifier(n_members=bad).fit(*data("binary"))


def test_one_warning_for_all_members():
    X, y = data("multiclass")
    model = BackpropMLPClassifier((4,), max_iter=2, n_members=3, random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    assert [one.category for one in caught] == [ConvergenceWarning]
    assert "3 of 3 members have a warning" in str(caught[0].message)
    assert "member 0 is: Maximum number of epochs (2)" in str(caught[0].message)


def test_pickle_and_clone():
    X, y = data("strings")
    model = BackpropMLPClassifier((4,), max_iter=3, n_members=3, random_state=0).fit(X, y)
    loaded = pickle.loads(pickle.dumps(model))
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert_same_networks(loaded.partial_fit(X, y).members_, model.partial_fit(X, y).members_)
    assert clone(model).get_params()["n_members"] == 3
    assert not hasattr(clone(model), "members_")


def test_a_recorder_has_one_run_a_member():
    X, y = data("multiclass")
    recorder, counter = TraceRecorder(), StepCounter()
    model = BackpropMLPClassifier((4,), max_iter=2, batch_size=20, n_members=3, random_state=0)
    model.set_callbacks(recorder, counter).partial_fit(X, y, np.unique(y)).partial_fit(X, y)
    trace = recorder.trace_
    assert np.unique(trace.runs).tolist() == [0, 1, 2]
    assert len(trace) == 3 * 2 * 3
    plain = clone(model).set_callbacks().partial_fit(X, y, np.unique(y)).partial_fit(X, y)
    assert_same_networks(model.members_, plain.members_)


# Callbacks.


def test_a_history_and_its_tasks():
    X, y = data("multiclass")
    history = HistoryLogger()
    model = BackpropMLPClassifier((4,), max_iter=2, n_members=3, random_state=0)
    model.set_callbacks(history).fit(X, y)
    frame = history.history_
    assert [row["run"] for row in frame] == [0, 0, 1, 1, 2, 2]
    assert {row["task_path"] for row in frame} == {"fit/member"}
    assert [row["task_id_path"][-1] for row in frame] == [0, 0, 1, 1, 2, 2]
    assert {row["outer_fit"] for row in frame} == {0}


def test_members_within_a_search():
    X, y = data("binary")
    history = HistoryLogger()
    model = BackpropMLPClassifier((4,), max_iter=2, random_state=0).set_callbacks(history)
    search = GridSearchCV(model, {"n_members": [1, 2]}, cv=2).fit(X, y)
    runs = {row["run"]: row["task_path"] for row in history.history_}
    in_splits = "fit/candidate-split-evaluation"
    paths = [path.replace("fit/search/", "fit/") for path in runs.values()]
    assert paths.count(in_splits) == 2
    assert paths.count(f"{in_splits}/member") == 4
    assert_array_equal(
        search.best_estimator_.predict_proba(X),
        search.best_estimator_.set_callbacks().fit(X, y).predict_proba(X),
    )


def test_early_stopping_stops_one_member():
    X, y = data("multiclass", n=90)
    setting = {"max_iter": 40, "update_rule": Adam(0.05), "random_state": 4}
    model = BackpropMLPClassifier((6,), n_members=3, **setting)
    model.set_callbacks(EarlyStopping(patience=2)).fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:])
    fits = single_fits(model, X[:60], y[:60], X_val=X[60:], y_val=y[60:])
    assert_same_networks(model.members_, fits)
    assert len({member.n_iter_ for member in model.members_}) > 1


class KillsMember(KillAfter):
    """A callback that raises in the training of one member."""

    def __init__(self, member, epoch):
        super().__init__(epoch)
        self.member, self.n_fits = member, -1

    def setup(self, estimator, context):
        self.n_fits += 1

    def save_training(self, estimator, context, state, stopped, finished):
        if self.n_fits == self.member:
            super().save_training(estimator, context, state, stopped, finished)


def test_a_checkpoint_of_every_member(tmp_path):
    X, y = data("multiclass")
    model = BackpropMLPClassifier((4,), max_iter=3, n_members=3, random_state=0)
    expected = clone(model).fit(X, y)
    with pytest.raises(Killed):
        clone(model).set_callbacks(Checkpoint(tmp_path), KillsMember(1, epoch=2)).fit(X, y)
    recorder = TraceRecorder()
    again = clone(model).set_callbacks(Checkpoint(tmp_path), recorder).fit(X, y)
    # The first member was read, the second went on with its last epoch.
    assert np.unique(recorder.trace_.runs, return_counts=True)[1].tolist() == [1, 3]
    assert_same_networks(again.members_, expected.members_)


def test_the_doctor_tells_of_the_last_member():
    X, y = data("multiclass")
    doctor = TrainingDoctor()
    model = BackpropMLPClassifier((4,), max_iter=30, n_members=2, random_state=0)
    model.set_callbacks(doctor).fit(X, y)
    alone = TrainingDoctor()
    last = model.members_[-1]
    clone(last).set_callbacks(alone).fit(X, y)
    assert str(doctor.diagnosis_) == str(alone.diagnosis_)


class Propagated(ProgressBar):
    """A callback that scikit-learn propagates; it counts its calls and draws nothing."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.calls.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context):
        self.calls.append(f"end {context.task_name}")


def test_a_propagated_callback_is_set_up_once():
    X, y = data("multiclass")
    callback, recorder = Propagated(), TraceRecorder()
    model = BackpropMLPClassifier((4,), max_iter=1, n_members=2, random_state=0)
    model.set_callbacks(callback, recorder).fit(X, y)
    member = ["begin fit", "begin epoch", "end epoch", "end fit"]
    assert callback.calls == ["setup", "begin fit", *member, *member, "end fit", "teardown"]
    assert np.unique(recorder.trace_.runs).tolist() == [0, 1]
    model.fit(X, y)  # the callbacks are as before
    assert callback.calls.count("setup") == callback.calls.count("teardown") == 2
    assert np.unique(recorder.trace_.runs).tolist() == [0, 1, 2, 3]


# Threads and Ctrl-C.


@pytest.mark.parametrize("setting", [{}, {"early_stopping": True}, {"dropout": 0.2}], ids=str)
def test_threads_change_no_bit(setting):
    X, y = data("multiclass", n=100)
    model = BackpropMLPClassifier((30,), max_iter=5, n_members=5, random_state=0, **setting)
    one = clone(model).fit(X, y)
    for n_threads in (2, 3, 8):
        several = clone(model).set_params(n_threads=n_threads).fit(X, y)
        for member, other in zip(several.members_, one.members_, strict=True):
            assert member.params_.tobytes() == other.params_.tobytes()
            assert member.n_threads == n_threads
        assert several.predict_proba(X).tobytes() == one.predict_proba(X).tobytes()


def test_members_run_at_the_same_time():
    """Two calls wait for each other, so both have to run."""
    barrier = threading.Barrier(2, timeout=20)

    def call(number):
        barrier.wait()
        return number, np.geterr()["over"], threading.get_ident()

    with np.errstate(over="ignore"):
        results = side_by_side(call, 4, 2, until=lambda result: False)
    assert [number for number, _, _ in results] == [0, 1, 2, 3]
    assert {over for _, over, _ in results} == {"ignore"}
    assert len({ident for _, _, ident in results}) == 2
    assert threading.get_ident() in {ident for _, _, ident in results}


def test_no_call_begins_after_an_error_or_the_end():
    called = []

    def call(number):
        called.append(number)
        if number == 2:
            raise ValueError("two")
        return number

    with pytest.raises(ValueError, match="two"):
        side_by_side(call, 6, 1, until=lambda result: False)
    assert called == [0, 1, 2]
    called.clear()
    assert side_by_side(call, 6, 1, until=lambda result: result == 1) == [0, 1]
    assert called == [0, 1]


class PressesCtrlC:
    """A callback that interrupts the training of a member after its third epoch."""

    def __init__(self, member):
        self.member, self.n_fits = member, -1

    def setup(self, estimator, context):
        self.n_fits += 1

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        pass

    def on_epoch_end(self, estimator, context, state, params):
        if self.n_fits == self.member and state.n_epochs == 3:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def ctrl_c_works():
    """A process in the background of a shell may ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("member", [0, 2])
@pytest.mark.usefixtures("ctrl_c_works")
def test_ctrl_c_ends_the_fit_with_the_networks_so_far(member):
    X, y = data("multiclass")
    loop._last_interrupt = -np.inf
    model = BackpropMLPClassifier(
        (4,), max_iter=8, n_iter_no_change=np.inf, n_members=4, random_state=0
    )
    expected = clone(model).fit(X, y)
    model.set_callbacks(PressesCtrlC(member))
    with pytest.warns(UserWarning, match="interrupted by user after 3 epochs"):
        model.fit(X, y)
    assert [one.n_iter_ for one in model.members_] == [8] * member + [3]
    assert_same_networks(model.members_[:-1], expected.members_[:member])
    mean = np.mean([one.predict_proba(X) for one in model.members_], axis=0)
    assert_allclose(model.predict_proba(X), mean)
    model.set_params(warm_start=True)
    with pytest.raises(ValueError, match=f"number is {member + 1}, but n_members=4 now"):
        model.fit(X, y)


# The parts of the package around.


def test_summary():
    X, y = data("multiclass")
    setting = {"batch_size": 20, "n_iter_no_change": np.inf, "random_state": 0}
    model = BackpropMLPClassifier((4,), max_iter=3, n_members=3, **setting)
    text = str(model.fit(X, y).summary())
    losses = [member.loss_curve_[-1] for member in model.members_]
    assert text.startswith("BackpropMLPClassifier 3 x 4-4-3, 105 parameters\n")
    assert "float64, 840 bytes" in text
    assert "members      3 networks of 35 parameters" in text
    expected = f"3 epochs, 9 steps, loss {min(losses):.4g} to {max(losses):.4g} in the last epoch"
    assert text.endswith(expected)
    assert model.summary().n_members == 3


def test_a_task_takes_one_network():
    X, y = data("multiclass")
    with pytest.raises(ValueError, match=r"trains one network.*n_members=2"):
        Task(BackpropMLPClassifier((4,), n_members=2), X, y)


def test_derivatives_name_the_members():
    X, y = data("multiclass")
    model = BackpropMLPClassifier((4,), max_iter=2, n_members=2, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"2 networks.*model\.members_"):
        jacobian(model, X)
    # The derivative of the mean is the mean of the derivatives.
    mean = np.mean([jacobian(member, X[:1]) for member in model.members_], axis=0)
    step = 1e-6
    for feature in range(X.shape[1]):
        there, back = X[:1].copy(), X[:1].copy()
        there[0, feature] += step
        back[0, feature] -= step
        rise = (model.predict_proba(there) - model.predict_proba(back))[0] / (2 * step)
        assert_allclose(mean[0, :, feature], rise, atol=1e-9)


def test_an_ensemble_as_the_learner_of_a_rule():
    X, y = data("multiclass")
    recorder = TraceRecorder()
    teacher = BackpropMLPClassifier((3,), update_rule=SGD(0.1), max_iter=2, random_state=0)
    teacher.set_callbacks(recorder).fit(X, y)
    learner = BackpropMLPRegressor((3,), max_iter=3, n_members=2, random_state=0)
    rule = LearnedUpdateRule(learner, scope="link").fit(recorder.trace_)
    student = clone(teacher).set_callbacks().set_params(update_rule=rule, max_iter=1).fit(X, y)
    assert np.isfinite(student.params_).all()


def test_cross_validation_and_data_frames():
    pandas = pytest.importorskip("pandas")
    X, y = data("multiclass")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    model = BackpropMLPClassifier((4,), max_iter=3, n_members=2, random_state=0)
    chances = cross_val_predict(model, frame, y, method="predict_proba", cv=2)
    assert_array_equal(chances, cross_val_predict(model, X, y, method="predict_proba", cv=2))
    model.fit(frame, y)
    assert model.members_[0].feature_names_in_.tolist() == list("abcd")
    model.members_[0].predict(frame)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.rename(columns={"a": "z"}))

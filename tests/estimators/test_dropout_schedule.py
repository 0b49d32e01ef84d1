"""Schedules of the dropout: the shares of every epoch, and trainings that go on under them."""

import pickle

import numpy as np
import pytest
from helpers.callbacks import StepNotes
from helpers.checkpoints import KillAfter, Killed
from helpers.data import classes, numbers

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropAutoencoder,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    BackpropRNNClassifier,
    Checkpoint,
    Safeguarded,
    TraceRecorder,
    UpdateRule,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = classes("multiclass", n=60, seed=3)
SETTING = {
    "hidden_layer_sizes": (12,),
    "batch_size": 20,
    "max_iter": 6,
    "tol": 0,
    "n_iter_no_change": np.inf,
    "random_state": 0,
    "dropout": 0.4,
}


class Shares:
    """A callback that notes the share of dropped neurons at every step."""

    def __init__(self):
        self.shares = []

    def setup(self, estimator, context):
        pass

    on_fit_task_begin = on_fit_task_end = teardown = setup

    def on_step_end(self, estimator, context, step):
        self.shares.append(step.dropout.copy())


def falling(t, t_planned):
    return 1 - (t - 1) / t_planned


def never(t, t_planned):
    return 0.0


def fit(model, *rows, **options):
    return model.set_params(**options).fit(*(rows or (X, Y)))


def test_the_share_is_that_of_the_first_step_of_an_epoch():
    shares = Shares()
    model = BackpropMLPClassifier(**SETTING | {"hidden_layer_sizes": (9, 5)})
    fit(model.set_callbacks(shares), dropout_schedule=falling)
    # 18 steps, 3 in an epoch, of which the first are 1, 4, 7, 10, 13, 16.
    expected = np.repeat(0.4 * (1 - np.arange(0, 18, 3) / 18), 3)
    np.testing.assert_allclose(shares.shares, np.column_stack([expected, expected]), rtol=1e-14)


@pytest.mark.parametrize("schedule", ["cosine", "flat_cosine", "coslog4", falling])
@pytest.mark.parametrize("rule", ["adam", "muon", Safeguarded("sgd", fallback="adam")], ids=str)
def test_epochs_in_c_have_the_bits_of_epochs_in_python(schedule, rule):
    options = SETTING | {"dropout_schedule": schedule, "update_rule": rule}
    quiet = BackpropMLPClassifier(**options).fit(X, Y)
    seen = BackpropMLPClassifier(**options).set_callbacks(StepNotes()).fit(X, Y)
    np.testing.assert_array_equal(quiet.params_, seen.params_)
    constant = BackpropMLPClassifier(**options | {"dropout_schedule": "constant"}).fit(X, Y)
    assert (quiet.params_ != constant.params_).mean() > 0.5


def test_constant_factors_are_another_dropout_and_0_is_none():
    half = fit(BackpropMLPClassifier(**SETTING), dropout_schedule=lambda t, n: 0.5)
    expected = fit(BackpropMLPClassifier(**SETTING), dropout=0.2)
    np.testing.assert_array_equal(half.params_, expected.params_)
    none = fit(BackpropMLPRegressor(**SETTING), *numbers(), dropout_schedule=never, shuffle=False)
    expected = fit(BackpropMLPRegressor(**SETTING), *numbers(), dropout=0.0, shuffle=False)
    np.testing.assert_allclose(none.params_, expected.params_, rtol=1e-9)


def test_calls_of_partial_fit_and_warm_starts_follow_it():
    options = SETTING | {"dropout_schedule": "flat_cosine"}
    whole = BackpropMLPClassifier(**options).fit(X, Y)
    parts = BackpropMLPClassifier(**options)
    for _ in range(6):
        parts.partial_fit(X, Y, classes=np.unique(Y))
    np.testing.assert_array_equal(parts.params_, whole.params_)
    warm = BackpropMLPClassifier(**options, warm_start=True).fit(X, Y)
    shares = Shares()
    warm.set_callbacks(shares).fit(X, Y)
    np.testing.assert_array_equal(np.unique(shares.shares), 0)  # the plan is over


def test_a_resumed_training_goes_on_with_it(tmp_path):
    options = SETTING | {"dropout_schedule": "cosine"}
    whole = BackpropMLPClassifier(**options).fit(X, Y)
    model = BackpropMLPClassifier(**options)
    with pytest.raises(Killed):
        model.set_callbacks(Checkpoint(tmp_path / "a", every=1), KillAfter(3)).fit(X, Y)
    model.set_callbacks(Checkpoint(tmp_path / "a", every=1)).fit(X, Y)
    np.testing.assert_array_equal(model.params_, whole.params_)


@pytest.mark.parametrize("schedule", ["flat_cosine", falling], ids=["name", "function"])
@pytest.mark.parametrize("on_disk", [False, True])
def test_a_trace_has_the_steps_of_the_training(tmp_path, schedule, on_disk):
    recorder = TraceRecorder(path=tmp_path / "trace" if on_disk else None)
    model = BackpropMLPClassifier(**SETTING, dropout_schedule=schedule).set_callbacks(recorder)
    model.fit(X, Y)
    trace = recorder.trace_
    np.testing.assert_array_equal(trace.params[-1] + trace.updates[-1], model.params_)
    again = pickle.loads(pickle.dumps(trace))
    np.testing.assert_array_equal(again.updates, trace.updates)


def test_a_trace_with_a_function_that_does_not_pickle_is_pickled_as_arrays():
    recorder = TraceRecorder()
    model = BackpropMLPClassifier(**SETTING, dropout_schedule=lambda t, n: 0.5)
    model.set_callbacks(recorder).fit(X, Y)
    updates = recorder.trace_.updates
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(recorder.trace_)).updates, updates)


def test_other_estimators_have_it_too():
    rng = np.random.default_rng(0)
    sequences, y = rng.standard_normal((20, 4, 2)), rng.integers(0, 3, 20)
    for model, rows in (
        (BackpropRNNClassifier(6, dropout=0.4), (sequences, y)),
        (BackpropAutoencoder((6,), dropout=0.4, batch_size=60), (X,)),
    ):
        shares = Shares()
        model.set_params(max_iter=3, random_state=0, dropout_schedule=falling)
        model.set_callbacks(shares).fit(*rows)
        assert np.ravel(shares.shares) == pytest.approx([0.4, 0.8 / 3, 0.4 / 3])


class Dropping(UpdateRule):
    """A rule that sets dropout by itself."""

    sets_dropout = True

    def init_state(self, layout):
        return {}

    def compute_update(self, step, state):
        return np.zeros_like(step.gradients)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dropout_schedule": "adaptive"}, "'dropout_schedule' parameter"),
        ({"dropout_schedule": lambda t, n: 3.0}, r"makes the dropout 1.2 at step 1"),
        ({"dropout_schedule": lambda t, n: np.nan}, r"dropout_schedule=.* a factor of the dropout"),
        ({"dropout_schedule": "cosine", "update_rule": Dropping()}, "sets dropout in every step"),
    ],
    ids=["adaptive", "large", "nan", "rule"],
)
def test_what_is_no_schedule_of_a_dropout_is_an_error(options, message):
    with pytest.raises(ValueError, match=message):
        BackpropMLPClassifier(**SETTING | options).fit(X, Y)


def test_a_network_without_dropout_calls_no_schedule():
    def refuse(t, t_planned):
        raise AssertionError

    options = SETTING | {"dropout": 0.0, "update_rule": SGD(0.1)}
    BackpropMLPClassifier(**options, dropout_schedule=refuse).fit(X, Y)


def test_it_is_in_a_search_and_a_pickle():
    model = BackpropMLPClassifier(**SETTING, dropout_schedule="cosine", update_rule=Adam())
    again = pickle.loads(pickle.dumps(model.fit(X, Y)))
    np.testing.assert_array_equal(again.fit(X, Y).params_, model.params_)

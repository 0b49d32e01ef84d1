"""scikit-learn's callbacks, and ours for steps."""

import pickle

import numpy as np
import pytest
from helpers.callbacks import Notes, StepNotes
from helpers.data import classes, numbers
from sklearn.base import is_classifier
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_metabp import SGD, BackpropMLPClassifier, BackpropMLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

EPOCHS = 5


@pytest.fixture(params=[BackpropMLPClassifier, BackpropMLPRegressor])
def model(request):
    return request.param(
        (4,), max_iter=EPOCHS, batch_size=16, random_state=0, update_rule=SGD(0.1, 0.9)
    )


def data(model):
    return classes("multiclass") if is_classifier(model) else numbers()


def test_callbacks_are_called_for_the_fit_and_every_epoch(model):
    notes = Notes()
    model.set_callbacks(notes).fit(*data(model))
    epoch = ["begin epoch", "end epoch"]
    assert notes.calls == ["setup", "begin fit", *epoch * EPOCHS, "end fit", "teardown"]


def test_callbacks_are_called_in_a_partial_fit(model):
    X, y = data(model)
    notes = Notes()
    model.set_callbacks(notes)
    if is_classifier(model):
        model.partial_fit(X, y, classes=[0, 1, 2])
    else:
        model.partial_fit(X, y)
    assert notes.calls == [
        "setup",
        "begin partial_fit",
        "begin epoch",
        "end epoch",
        "end partial_fit",
        "teardown",
    ]


def test_a_listener_changes_no_bit(model):
    X, y = data(model)
    alone = model.fit(X, y).params_.copy()
    for callbacks in ([Notes()], [StepNotes()], [StepNotes(), Notes(), StepNotes()]):
        np.testing.assert_array_equal(model.set_callbacks(*callbacks).fit(X, y).params_, alone)


def test_fitted_estimator_predicts_as_if_training_had_stopped_there(model):
    X, y = data(model)
    notes = Notes()
    model.set_callbacks(notes).fit(X, y)
    epochs, (at_end, *_) = notes.fitted[:-1], notes.fitted[-1]
    for epoch, (fitted, seen_X, seen_y) in enumerate(epochs, start=1):
        assert seen_X is X
        assert seen_y is y
        alone = type(model)(**model.get_params(deep=False)).set_params(max_iter=epoch).fit(X, y)
        np.testing.assert_array_equal(fitted.params_, alone.params_)
        np.testing.assert_array_equal(fitted.predict(X), alone.predict(X))
        assert fitted.score(X, y) == alone.score(X, y)
        assert fitted.loss_curve_ == alone.loss_curve_
        assert (fitted.n_iter_, fitted.t_) == (alone.n_iter_, alone.t_) == (epoch, epoch * len(X))
    np.testing.assert_array_equal(at_end.params_, model.params_)


def test_fitted_estimator_can_go_on_training_from_there(model):
    X, y = data(model)
    notes = Notes()
    whole = model.set_callbacks(notes).fit(X, y).params_
    for epoch, (fitted, *_) in enumerate(notes.fitted[:-1], start=1):
        copy = pickle.loads(pickle.dumps(fitted.set_callbacks()))
        for one in (fitted, copy):
            for _ in range(EPOCHS - epoch):
                one.partial_fit(X, y)
            np.testing.assert_array_equal(one.params_, whole)
            assert one.n_iter_ == EPOCHS
    np.testing.assert_array_equal(model.params_, whole)


@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_callback_that_returns_true_stops_the_fit(model, stop_after):
    X, y = data(model)
    notes = Notes(stop_after=stop_after)
    model.set_callbacks(Notes(), notes, Notes()).fit(X, y)
    assert model.n_iter_ == stop_after
    assert notes.calls[-2:] == ["end fit", "teardown"]
    expected = type(model)(**model.get_params(deep=False)).set_params(max_iter=stop_after).fit(X, y)
    np.testing.assert_array_equal(model.params_, expected.params_)


class OfItsOwnError(Exception):
    pass


@pytest.mark.parametrize(
    "make",
    [
        lambda error: Notes(raise_after=2, error=error),
        lambda error: StepNotes(raise_at_step=6, error=error),
    ],
    ids=["epoch", "step"],
)
def test_a_callback_that_raises_stops_the_fit_with_its_own_error(model, make):
    X, y = data(model)
    error = OfItsOwnError("the disk is full")
    raises, other = make(error), Notes()
    with pytest.raises(OfItsOwnError) as caught:
        model.set_callbacks(raises, other).fit(X, y)
    assert caught.value is error
    assert raises.calls[-1] == other.calls[-1] == "teardown"
    assert other.n_epochs < 3
    assert not hasattr(model, "params_")
    assert not hasattr(model, "n_features_in_")
    np.testing.assert_array_equal(
        model.set_callbacks().fit(X, y).params_,
        type(model)(**model.get_params(deep=False)).fit(X, y).params_,
    )


def test_a_callback_that_raises_leaves_a_fitted_estimator_as_it_was(model):
    X, y = data(model)
    params = model.fit(X, y).params_.copy()
    model.set_params(warm_start=True).set_callbacks(Notes(raise_after=1, error=OfItsOwnError()))
    with pytest.raises(OfItsOwnError):
        model.fit(X, y)
    np.testing.assert_array_equal(model.params_, params)
    assert model.n_iter_ == EPOCHS


def test_on_step_end_is_called_once_a_step_on_callbacks_that_define_it(model):
    X, y = data(model)
    contexts = []

    class Watch(StepNotes):
        def on_step_end(self, estimator, context, step):
            super().on_step_end(estimator, context, step)
            contexts.append((context.task_name, context.task_id))
            assert estimator is model

    watch, plain = Watch(), Notes()
    model.set_callbacks(plain, watch).fit(X, y)
    per_epoch = -(-len(X) // 16)
    assert [step["index"] for step in watch.steps] == list(range(1, EPOCHS * per_epoch + 1))
    assert contexts == [("epoch", epoch) for epoch in range(EPOCHS) for _ in range(per_epoch)]
    assert not hasattr(plain, "steps")


def test_progress_bar_counts_epochs(model, capsys):
    X, y = data(model)
    model.set_callbacks(ProgressBar()).fit(X, y)
    printed = capsys.readouterr().out
    assert type(model).__name__ in printed
    assert "100%" in printed


def test_progress_bar_reaches_the_end_when_the_fit_stops_early(model, capsys):
    X, y = data(model)
    model.set_callbacks(ProgressBar(), Notes(stop_after=2)).fit(X, y)
    assert model.n_iter_ == 2
    assert "100%" in capsys.readouterr().out


def scores_of_epochs(monitor, name):
    rows = monitor.get_logs().data
    return [row[name] for row in rows if row["task_name"] == "epoch"]


def test_scoring_monitor_scores_every_epoch(model):
    X, y = data(model)
    name = "accuracy" if is_classifier(model) else "r2"
    monitor = ScoringMonitor(scoring=name)
    model.set_callbacks(monitor).fit(X, y)
    scores = scores_of_epochs(monitor, name)
    alone = type(model)(**model.get_params(deep=False))
    expected = [
        alone.set_params(max_iter=epoch).fit(X, y).score(X, y) for epoch in range(1, EPOCHS + 1)
    ]
    np.testing.assert_allclose(scores, expected, rtol=1e-14)


def test_scoring_monitor_gets_the_sample_weights(model):
    X, y = data(model)
    sample_weight = np.random.default_rng(0).integers(0, 3, len(X)).astype(float)
    name = "accuracy" if is_classifier(model) else "r2"
    monitor = ScoringMonitor(scoring=name)
    model.set_callbacks(monitor).fit(X, y, sample_weight)
    assert scores_of_epochs(monitor, name)[-1] == pytest.approx(model.score(X, y, sample_weight))


def test_callbacks_work_inside_a_pipeline(model, capsys):
    X, y = data(model)
    name = "accuracy" if is_classifier(model) else "r2"
    monitor, notes = ScoringMonitor(scoring=name), StepNotes()
    model.set_callbacks(monitor, notes)
    pipeline = make_pipeline(StandardScaler(), model)
    if hasattr(pipeline, "set_callbacks"):
        pipeline.set_callbacks(ProgressBar())
    pipeline.fit(X, y)
    assert len(scores_of_epochs(monitor, name)) == EPOCHS
    assert scores_of_epochs(monitor, name)[-1] == pytest.approx(pipeline.score(X, y))
    assert len(notes.steps) == EPOCHS * -(-len(X) // 16)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_callbacks_work_inside_a_search(model, n_jobs, capsys):
    X, y = data(model)
    name = "accuracy" if is_classifier(model) else "r2"
    monitor = ScoringMonitor(scoring=name)
    grid = {"update_rule__learning_rate": [0.01, 0.1]}
    search = GridSearchCV(model.set_callbacks(monitor), grid, cv=2, n_jobs=n_jobs)
    if hasattr(search, "set_callbacks"):
        search.set_callbacks(ProgressBar(max_propagation_depth=None))
    search.fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    rows = [row for log in monitor.get_logs(select="all") for row in log.data]
    epochs = [row for row in rows if row["task_name"] == "epoch"]
    assert len(epochs) == (2 * 2 + 1) * EPOCHS
    assert search.best_estimator_.score(X, y) in [pytest.approx(row[name]) for row in epochs]

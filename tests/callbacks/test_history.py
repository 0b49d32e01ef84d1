"""HistoryLogger has a row of numbers for every epoch."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from helpers.data import classes, numbers
from sklearn.model_selection import GridSearchCV

from sklearn_metabp import BackpropMLPClassifier, BackpropMLPRegressor, HistoryLogger

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_the_rows_are_the_models_curves():
    X, y = classes("binary")
    history = HistoryLogger()
    model = BackpropMLPClassifier((5,), max_iter=7, batch_size=16, random_state=0).set_callbacks(
        history
    )
    model.fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
    frame = history.to_frame()
    assert frame["epoch"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert frame["loss"].tolist() == model.loss_curve_
    assert frame["validation_score"].tolist() == model.validation_scores_
    assert frame["validation_loss"].tolist() == model.validation_loss_curve_
    assert frame["n_steps"].tolist() == [3 * epoch for epoch in frame["epoch"]]
    assert frame["n_rows"].tolist() == [40 * epoch for epoch in frame["epoch"]]
    assert (np.diff(frame["seconds"]) > 0).all()
    assert (frame["run"] == 0).all()


def test_separate_trainings_are_separate_runs_and_a_continued_one_is_one_run():
    X, y = numbers()
    history = HistoryLogger()
    model = BackpropMLPRegressor((5,), max_iter=2, random_state=0).set_callbacks(history)
    model.fit(X, y).fit(X, y)
    model.partial_fit(X, y)
    assert [(row["run"], row["epoch"]) for row in history.history_] == [
        (0, 1),
        (0, 2),
        (1, 1),
        (1, 2),
        (1, 3),
    ]
    assert np.isnan(history.history_[0]["validation_loss"])
    assert "5 epochs of 2 runs" in repr(history)


def test_clones_share_their_history_logger():
    X, y = numbers()
    history = HistoryLogger()
    model = BackpropMLPRegressor((5,), max_iter=2, random_state=0).set_callbacks(history)
    GridSearchCV(model, {"alpha": [0.1, 1.0]}, cv=3).fit(X, y)
    frame = history.to_frame()
    assert frame["run"].nunique() == 7
    assert (frame.groupby("run").size() == 2).all()


SCRIPT = """
import pickle, sys
with open(sys.argv[1], "rb") as stream:
    model, X, y = pickle.load(stream)
model.fit(X, y)
(history,) = model._skl_callbacks
print(len(history.history_), history.history_[-1]["run"])
"""


def test_a_saved_model_is_trained_in_another_process(tmp_path):
    X, y = numbers()
    model = BackpropMLPRegressor((5,), max_iter=2, tol=1, n_iter_no_change=1).set_callbacks(
        HistoryLogger()
    )
    model.fit(X, y)
    file = tmp_path / "model.pickle"
    file.write_bytes(pickle.dumps((model, X, y)))
    printed = subprocess.run(
        [sys.executable, "-c", SCRIPT, file], capture_output=True, text=True, check=True
    )
    assert printed.stdout.split() == ["4", "1"]


def test_a_history_pickles():
    X, y = numbers()
    history = HistoryLogger()
    BackpropMLPRegressor((5,), max_iter=2).set_callbacks(history).fit(X, y)
    assert pickle.loads(pickle.dumps(history)).to_frame().equals(history.to_frame())


def test_the_validation_of_an_earlier_fit_is_not_repeated():
    X, y = numbers()
    history = HistoryLogger()
    model = BackpropMLPRegressor((5,), max_iter=2, warm_start=True, random_state=0).set_callbacks(
        history
    )
    model.fit(X, y).fit(X, y, X_val=X, y_val=y).fit(X, y)
    frame = history.to_frame()
    assert frame["validation_loss"].isna().tolist() == [True, True, False, False, True, True]
    np.testing.assert_array_equal(frame["validation_loss"], model.validation_loss_curve_)
    np.testing.assert_array_equal(frame["validation_score"], model.validation_scores_)
    assert model.best_validation_score_ == np.nanmax(model.validation_scores_)

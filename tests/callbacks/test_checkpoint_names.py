"""A checkpoint is found by the script that wrote it, and by no other."""

import os
import subprocess
import sys

import numpy as np
import pytest
from helpers.data import classes, numbers
from scipy.sparse import csr_array
from sklearn.base import clone

from sklearn_metabp import (
    Adam,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Checkpoint,
    EarlyStopping,
)
from sklearn_metabp.callbacks import checkpoint_name

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SCRIPT = """
import numpy as np
from sklearn.metrics import make_scorer
from sklearn_metabp import SGD, BackpropMLPRegressor, Checkpoint, EarlyStopping, UpdateRule

RATE = 0.05

def shrink(g):
    return -RATE * g

class Mine(UpdateRule):
    bound = 1.0
    def init_state(self, layout):
        return {}
    def compute_update(self, step, state):
        return np.clip(shrink(step.gradients), -self.bound, self.bound)

def schedule(t, t_planned):
    return 1 / (1 + 0.1 * t)

def start(layout, activations, random_state):
    return 0.3 * random_state.standard_normal(layout.n_params)

def metric(y, predicted):
    return np.abs(y - predicted).max()

def monitor(state, params):
    return 3.0 if state.n_epochs > 4 else 3.0 - state.n_epochs

class StopAfter:
    def __init__(self, epochs):
        self.epochs = epochs
    def setup(self, estimator, context): ...
    def on_fit_task_begin(self, estimator, context): ...
    def on_fit_task_end(self, estimator, context): ...
    def teardown(self, estimator, context): ...
    def on_epoch_end(self, estimator, context, state, params):
        return state.n_epochs >= self.epochs

class Loud(BackpropMLPRegressor):
    def _make_batches(self, rows, training):
        return super()._make_batches(rows._replace(y=1.0 * rows.y), training)

def train(folder, X, y):
    model = Loud(
        (4,),
        update_rule=RULE,
        init=start,
        scoring=make_scorer(metric, greater_is_better=False),
        early_stopping=True,
        batch_size=20,
        max_iter=12,
        n_iter_no_change=np.inf,
        random_state=0,
    )
    stopper = EarlyStopping(monitor=monitor, patience=3, restore_best=False)
    model.set_callbacks(stopper, StopAfter(11), *([Checkpoint(folder)] if folder else []))
    return model.fit(X, y)
"""
RULES = {"rule": "Mine()", "schedule": "SGD(0.1, schedule=schedule)"}
EDITS = [
    ("rule", "RATE = 0.05", "RATE = 0.5"),
    ("rule", "-RATE * g", "-RATE * g * 2"),
    ("rule", "bound = 1.0", "bound = 0.001"),
    ("schedule", "0.1 * t", "0.9 * t"),
    ("rule", "0.3 * random_state", "0.6 * random_state"),
    ("rule", ".max()", ".mean()"),
    ("rule", "greater_is_better=False", "greater_is_better=True"),
    ("rule", "n_epochs > 4", "n_epochs > 6"),
    ("rule", "n_epochs >= self.epochs", "n_epochs >= self.epochs - 6"),
    ("rule", "StopAfter(11)", "StopAfter(3)"),
    ("rule", "1.0 * rows.y", "2.0 * rows.y"),
]


def run(source, rule, folder, X, y):
    """Run the script as a new process would: all its code is new."""
    names = {"__name__": "__main__"}
    exec(compile(source.replace("RULE", RULES[rule]), "script.py", "exec"), names)
    return names["train"](folder, X, y)


def told(model):
    return model.params_.tobytes(), model.loss_curve_, model.validation_scores_, model.n_iter_


@pytest.mark.parametrize(("rule", "before", "after"), EDITS)
def test_a_training_by_other_code_is_not_resumed(rule, before, after, tmp_path):
    assert SCRIPT.count(before) == 1
    X, y = numbers(seed=3)
    first = run(SCRIPT, rule, tmp_path, X, y)
    assert told(run(SCRIPT, rule, tmp_path, X, y)) == told(first)
    assert len(os.listdir(tmp_path)) == 1
    edited = SCRIPT.replace(before, after)
    assert (
        told(run(edited, rule, tmp_path, X, y))
        == told(run(edited, rule, None, X, y))
        != told(first)
    )
    assert len(os.listdir(tmp_path)) == 2


def test_a_training_of_another_release_is_not_resumed(tmp_path, monkeypatch):
    X, y = numbers()
    model = BackpropMLPRegressor((3,), max_iter=2, random_state=0).set_callbacks(
        Checkpoint(tmp_path)
    )
    model.fit(X, y)
    monkeypatch.setattr(checkpoint_name, "package_release", lambda: "9.9")
    model.fit(X, y)
    assert len(os.listdir(tmp_path)) == 2


def layouts_of(X):
    wide = csr_array(X)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    return {
        "dense": [X, np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2], X.tolist()],
        "sparse": [csr_array(X), csr_array(X).tocsc(), csr_array(X).tocoo(), wide],
    }


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("validated", [False, True])
def test_a_training_is_found_however_its_data_lie_in_memory(kind, validated, tmp_path):
    X, y = classes("strings")
    params = set()
    for again in layouts_of(X)[kind]:
        model = BackpropMLPClassifier((3,), max_iter=3, batch_size=20, random_state=np.int64(0))
        given = {"X_val": again, "y_val": y.astype(object)} if validated else {}
        model.set_callbacks(Checkpoint(tmp_path)).fit(again, list(y), **given)
        params.add(model.params_.tobytes())
    assert len(os.listdir(tmp_path)) == len(params) == 1


def test_frames_are_found_as_the_arrays_that_they_hold(tmp_path):
    pd = pytest.importorskip("pandas")
    X, y = numbers()
    for given in (X, pd.DataFrame(X, columns=list("abcd"))):
        BackpropMLPRegressor((3,), max_iter=2, random_state=0).set_callbacks(
            Checkpoint(tmp_path)
        ).fit(given, y)
    assert len(os.listdir(tmp_path)) == 1


class Monitor:
    def __init__(self):
        self.n_calls = 0

    def __call__(self, state, params):
        self.n_calls += 1
        return params.sum()

    def method(self, state, params):
        return params.sum()


@pytest.mark.parametrize("monitor", [lambda: lambda s, p: 1.0, Monitor, lambda: Monitor().method])
def test_no_address_is_in_the_name(monitor, tmp_path):
    X, y = numbers()
    for _ in range(3):
        model = BackpropMLPRegressor((3,), max_iter=4, random_state=0)
        model.set_callbacks(Checkpoint(tmp_path), EarlyStopping(monitor(), patience=2)).fit(X, y)
    assert len(os.listdir(tmp_path)) == 1


def test_clones_and_copies_of_numbers_are_the_same_training(tmp_path):
    X, y = numbers()
    model = BackpropMLPRegressor(
        (3,), update_rule=Adam(0.01), alpha=0.1, max_iter=2, random_state=3
    )
    same = model.set_callbacks(Checkpoint(tmp_path)), clone(model)
    numpy_numbers = clone(model).set_params(alpha=np.float64(0.1), random_state=np.int64(3))
    for other in (*same, numpy_numbers):
        other.fit(X, y)
    assert len(os.listdir(tmp_path)) == 1


def test_a_warm_start_after_another_validation_is_another_training(tmp_path):
    X, y = numbers()
    scores = []
    for share in (1.0, 2.0):
        model = BackpropMLPRegressor((3,), max_iter=2, warm_start=True, random_state=0)
        model.fit(X, y, X_val=X, y_val=share * y).set_callbacks(Checkpoint(tmp_path))
        scores.append(model.fit(X, y, X_val=X, y_val=y).validation_scores_)
    assert scores[0][:2] != scores[1][:2]
    assert len(os.listdir(tmp_path)) == 2


def test_a_callback_that_only_observes_changes_no_name(tmp_path):
    X, y = numbers()

    class Looks:
        def setup(self, estimator, context): ...

        def on_fit_task_begin(self, estimator, context): ...

        def on_fit_task_end(self, estimator, context): ...

        def teardown(self, estimator, context): ...

        def on_epoch_end(self, estimator, context, state, params):
            print(end="")

    for callbacks in ([], [Looks()]):
        model = BackpropMLPRegressor((3,), max_iter=2, random_state=0)
        model.set_callbacks(Checkpoint(tmp_path), *callbacks).fit(X, y)
    assert len(os.listdir(tmp_path)) == 1


IN_WORKERS = """
import os, sys, warnings
import joblib
import numpy as np
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn_metabp import SGD, BackpropMLPRegressor, Checkpoint, EarlyStopping, UpdateRule

class Memory:
    def __init__(self):
        self.n = 0

class Mine(UpdateRule):
    def init_state(self, layout):
        return {"memory": Memory()}
    def compute_update(self, step, state):
        assert type(state["memory"]) is Memory
        state["memory"].n += 1
        return -0.1 / state["memory"].n * step.gradients

def schedule(t, t_planned):
    return 1 / (1 + t)

def start(layout, activations, random_state):
    return random_state.standard_normal(layout.n_params)

def metric(y, p):
    return np.abs(y - p).mean()

def monitor(state, params):
    return float(np.abs(params).sum())

class Kill:
    def __init__(self, epoch):
        self.epoch = epoch
    def setup(self, estimator, context): ...
    def on_fit_task_begin(self, estimator, context): ...
    def on_fit_task_end(self, estimator, context): ...
    def teardown(self, estimator, context): ...
    def save_training(self, estimator, context, state, stopped, finished):
        if state.n_epochs == self.epoch:
            raise ValueError("killed")

def search(folder, *callbacks):
    model = BackpropMLPRegressor((4,), init=start, early_stopping=True, scoring=make_scorer(metric),
                                 max_iter=6, random_state=0)
    stopper = EarlyStopping(monitor, restore_best=False)
    model.set_callbacks(*([Checkpoint(folder)] if folder else []), stopper, *callbacks)
    rules = {"update_rule": [Mine(), SGD(0.1, schedule=schedule)]}
    error = np.nan if callbacks else "raise"
    found = GridSearchCV(model, rules, cv=2, n_jobs=2, refit=False, error_score=error)
    return found.fit(X, y).cv_results_

warnings.simplefilter("ignore")
X = np.random.default_rng(0).standard_normal((40, 3))
y = X.sum(axis=1)
if __name__ == "__main__":
    expected = search(None)["mean_test_score"]
    with joblib.parallel_config(sys.argv[1]):
        try:
            search(sys.argv[2], Kill(3))
        except ValueError as error:
            assert "killed" in str(error), error
        killed = sorted(os.listdir(sys.argv[2]))
        assert len(killed) == 4, killed
        np.testing.assert_array_equal(search(sys.argv[2])["mean_test_score"], expected)
    with joblib.parallel_config("sequential"):
        np.testing.assert_array_equal(search(sys.argv[2])["mean_test_score"], expected)
    assert sorted(os.listdir(sys.argv[2])) == killed
    assert {os.path.splitext(file)[1] for file in killed} == {".pickle", ".safetensors"}
    print("done")
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_a_script_is_resumed_in_worker_processes(backend, tmp_path):
    script, folder = tmp_path / "script.py", tmp_path / "folder"
    script.write_text(IN_WORKERS)
    ran = subprocess.run(
        [sys.executable, script, backend, folder], capture_output=True, text=True, timeout=300
    )
    assert ran.stdout == "done\n", ran.stderr

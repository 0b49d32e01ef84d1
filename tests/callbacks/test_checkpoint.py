"""Trainings that are killed and resumed end with the same bits as uninterrupted ones."""

import os
import pickle
import signal
import stat
import subprocess
import sys
import time
from contextlib import nullcontext

import numpy as np
import pytest
from helpers.checkpoints import KillAfter, Killed
from helpers.data import classes, numbers
from sklearn.model_selection import GridSearchCV

from sklearn_metabp import (
    SGD,
    Adam,
    Averaged,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Checkpoint,
    CheckpointError,
    EarlyStopping,
    Layerwise,
    Prodigy,
    ScheduleFree,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


CASES = {
    "adam": {"update_rule": Adam(0.01)},
    "momentum": {"update_rule": SGD(0.05, 0.9)},
    "averaged": {"update_rule": Averaged(Adam(0.01))},
    "schedule-free": {"update_rule": ScheduleFree(warmup_steps=30)},
    "prodigy": {"update_rule": Prodigy(decay_epochs=20, cautious=True)},
    "layerwise": {"update_rule": Layerwise("adam", {0: 0.5}, 20.0, frozen=["intercepts_[1]"])},
    "adaptive": {"update_rule": SGD(0.3, schedule="adaptive"), "n_iter_no_change": 2, "tol": 0.01},
    "cosine": {"update_rule": SGD(0.3, schedule="cosine")},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 4},
    "dropout": {"dropout": 0.3},
    "noise": {"input_noise": 0.3},
    "full batch": {"batch_size": "full"},
    "unshuffled": {"shuffle": False},
    "lbfgs": {"update_rule": "lbfgs"},
    "conjugate gradient": {"update_rule": "conjugategradient"},
}


def model(case, **setting):
    common = {"max_iter": 20, "batch_size": 16, "random_state": 1}
    return BackpropMLPClassifier((8,), **(common | CASES[case] | setting))


@pytest.mark.parametrize("killed_after", [1, 7, 12])
@pytest.mark.parametrize("every", [1, 5])
@pytest.mark.parametrize("case", CASES)
def test_a_resumed_fit_ends_with_the_same_bits(case, every, killed_after, tmp_path):
    X, y = classes("multiclass", seed=killed_after)
    whole = model(case).fit(X, y)
    first = model(case).set_callbacks(Checkpoint(tmp_path, every=every), KillAfter(killed_after))
    with pytest.raises(Killed) if whole.n_iter_ >= killed_after else nullcontext():
        first.fit(X, y)
    resumed = model(case).set_callbacks(Checkpoint(tmp_path, every=every)).fit(X, y)
    np.testing.assert_array_equal(resumed.params_, whole.params_)
    assert resumed.loss_curve_ == whole.loss_curve_
    assert (resumed.n_iter_, resumed.t_) == (whole.n_iter_, whole.t_)
    assert resumed.validation_scores_ == whole.validation_scores_


class CountSteps(KillAfter):
    """A callback that counts steps."""

    def __init__(self):
        super().__init__(None)
        self.n = 0

    def on_step_end(self, estimator, context, step):
        self.n += 1


def test_a_finished_training_is_not_repeated(tmp_path):
    X, y = numbers()
    regressor = BackpropMLPRegressor((5,), batch_size=20, max_iter=20, random_state=0)
    with pytest.raises(Killed):
        regressor.set_callbacks(Checkpoint(tmp_path, every=5), KillAfter(13)).fit(X, y)
    steps = CountSteps()
    regressor.set_callbacks(Checkpoint(tmp_path, every=5), steps).fit(X, y)
    assert steps.n == 10 * 3  # epochs 11 to 20
    steps = CountSteps()
    regressor.set_callbacks(Checkpoint(tmp_path, every=5), steps).fit(X, y)
    assert steps.n == 0


class PressCtrlC(KillAfter):
    """A callback that raises KeyboardInterrupt at the end of a step."""

    def __init__(self, at_step):
        super().__init__(None)
        self.at_step = at_step

    def on_step_end(self, estimator, context, step):
        if step.index == self.at_step:
            raise KeyboardInterrupt


@pytest.mark.parametrize("at_step", [1, 11, 12, 13])
@pytest.mark.parametrize("case", ["adam", "dropout", "early stopping", "lbfgs"])
def test_ctrl_c_is_no_end_of_a_training(case, at_step, tmp_path):
    X, y = classes("multiclass")
    whole = model(case).fit(X, y)
    first = model(case).set_callbacks(
        Checkpoint(tmp_path), PressCtrlC(at_step if case != "lbfgs" else 5)
    )
    with pytest.warns(UserWarning, match="interrupted by user"):
        first.fit(X, y)
    assert not np.array_equal(first.params_, whole.params_) or case == "early stopping"
    resumed = model(case).set_callbacks(Checkpoint(tmp_path)).fit(X, y)
    np.testing.assert_array_equal(resumed.params_, whole.params_)
    assert resumed.loss_curve_ == whole.loss_curve_
    assert (resumed.n_iter_, resumed.t_) == (whole.n_iter_, whole.t_)
    assert len(os.listdir(tmp_path)) == 1


def test_another_training_has_another_file(tmp_path):
    X, y = numbers()

    def fit(X, y, weight=None, **setting):
        setting = {"max_iter": 3, "random_state": 0} | setting
        return (
            BackpropMLPRegressor((5,), **setting)
            .set_callbacks(Checkpoint(tmp_path))
            .fit(X, y, weight)
        )

    fit(X, y)
    for n, again in enumerate(
        [
            lambda: fit(X + 1, y),
            lambda: fit(X, y + 1),
            lambda: fit(X, y, np.linspace(1, 2, len(X))),
            lambda: fit(X, y, max_iter=4),
            lambda: fit(X, y, random_state=1),
            lambda: fit(X, y, update_rule=Adam(0.5)),
        ],
        2,
    ):
        again()
        assert len(os.listdir(tmp_path)) == n
    fit(X, y, verbose=False)
    assert len(os.listdir(tmp_path)) == 7


def test_another_start_is_another_training(tmp_path):
    X, y = numbers()
    model = BackpropMLPRegressor((5,), max_iter=3, random_state=0).set_callbacks(
        Checkpoint(tmp_path)
    )
    drawn = model.fit(X, y).params_.copy()
    coefs, intercepts = [w * 0.5 for w in model.coefs_], [b * 0.5 for b in model.intercepts_]
    given = model.fit(X, y, coef_init=coefs).params_.copy()
    other = model.fit(X, y, coef_init=coefs, intercept_init=intercepts).params_.copy()
    assert not np.array_equal(drawn, given)
    assert not np.array_equal(given, other)
    np.testing.assert_array_equal(model.fit(X, y, coef_init=coefs).params_, given)
    assert len(os.listdir(tmp_path)) == 3


def test_one_directory_serves_a_search_in_two_processes(tmp_path):
    X, y = classes("binary")
    search = GridSearchCV(
        BackpropMLPClassifier((5,), max_iter=5, random_state=0).set_callbacks(Checkpoint(tmp_path)),
        {"alpha": [1e-4, 1e-2]},
        n_jobs=2,
        cv=3,
    )
    search.fit(X, y)
    assert len(os.listdir(tmp_path)) == 2 * 3 + 1
    params = search.best_estimator_.params_
    np.testing.assert_array_equal(search.fit(X, y).best_estimator_.params_, params)


def test_a_warm_start_is_resumed_where_it_was(tmp_path):
    X, y = numbers()
    common = {"max_iter": 6, "warm_start": True, "random_state": 0, "n_iter_no_change": np.inf}
    whole = BackpropMLPRegressor((5,), **common).fit(X, y).fit(X, y)
    part = BackpropMLPRegressor((5,), **common).fit(X, y)
    stored = pickle.dumps(part)
    with pytest.raises(Killed):
        part.set_callbacks(Checkpoint(tmp_path), KillAfter(9)).fit(X, y)
    resumed = pickle.loads(stored).set_callbacks(Checkpoint(tmp_path)).fit(X, y)
    np.testing.assert_array_equal(resumed.params_, whole.params_)
    assert resumed.n_iter_ == 12


def test_patience_of_a_callback_is_resumed(tmp_path):
    X, y = numbers(seed=2)

    def fit(*callbacks):
        regressor = BackpropMLPRegressor(
            (20,), alpha=0, update_rule=Adam(0.01), tol=0, random_state=0
        )
        regressor.set_callbacks(*callbacks, EarlyStopping(patience=3))
        return regressor.fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])

    whole = fit()
    with pytest.raises(Killed):
        fit(Checkpoint(tmp_path), KillAfter(whole.n_iter_ - 2))
    resumed = fit(Checkpoint(tmp_path))
    assert resumed.n_iter_ == whole.n_iter_
    np.testing.assert_array_equal(resumed.params_, whole.params_)


def test_half_written_files_of_the_same_training_are_removed(tmp_path):
    X, y = numbers()
    regressor = BackpropMLPRegressor((5,), max_iter=2, random_state=0).set_callbacks(
        Checkpoint(tmp_path)
    )
    regressor.fit(X, y)
    (file,) = tmp_path.iterdir()
    for name in (f".{file.name}.abc.part", ".other.pickle.abc.part"):
        (tmp_path / name).write_bytes(b"half")
    regressor.fit(X, y)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.pickle.abc.part", file.name]


def test_a_part_that_another_process_removed_is_written_again(tmp_path, monkeypatch):
    X, y = numbers()
    written = []

    def fsync(handle, really=os.fsync):
        really(handle)
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            return
        if not written:
            (part,) = tmp_path.glob(".*.part")
            part.unlink()
        written.append(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    regressor = BackpropMLPRegressor((5,), max_iter=1, random_state=0).set_callbacks(
        Checkpoint(tmp_path)
    )
    params = regressor.fit(X, y).params_
    assert len(written) == 3
    np.testing.assert_array_equal(regressor.fit(X, y).params_, params)
    assert len(written) == 3  # what had ended is read, and not written again


def test_partial_fit_is_left_alone(tmp_path):
    X, y = numbers()
    BackpropMLPRegressor((5,)).set_callbacks(Checkpoint(tmp_path)).partial_fit(X, y)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "damage", [b"", b"nonsense", pickle.dumps({"format": "other"}), pickle.dumps(5)]
)
def test_a_damaged_file_is_an_error_that_says_so(damage, tmp_path):
    X, y = numbers()
    regressor = BackpropMLPRegressor((5,), max_iter=2, random_state=0).set_callbacks(
        Checkpoint(tmp_path)
    )
    regressor.fit(X, y)
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage)
    with pytest.raises(CheckpointError, match=r"is not a checkpoint that can be read.*delete it"):
        regressor.fit(X, y)


def test_a_directory_that_cannot_be_written(tmp_path):
    X, y = numbers()
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ValueError, match="path must be a directory"):
        Checkpoint(file)
    checkpoint = Checkpoint(tmp_path / "later")
    (tmp_path / "later").write_text("")
    with pytest.raises((CheckpointError, FileExistsError)):
        BackpropMLPRegressor((5,), max_iter=2).set_callbacks(checkpoint).fit(X, y)


@pytest.mark.parametrize("parameters", [{"every": 0}, {"every": 1.5}, {"every": True}])
def test_bad_parameters(parameters, tmp_path):
    with pytest.raises(ValueError, match="every must be an integer"):
        Checkpoint(tmp_path, **parameters)
    with pytest.raises(ValueError, match="path must be a string or a path"):
        Checkpoint(3)


SCRIPT = """
import sys
import numpy as np
from sklearn_metabp import Adam, BackpropMLPRegressor, Checkpoint
rng = np.random.default_rng(0)
X = rng.standard_normal((200, 5))
model = BackpropMLPRegressor(
    (16,),
    update_rule=Adam(),
    batch_size=10,
    max_iter=150,
    n_iter_no_change=np.inf,
    random_state=0,
)
if len(sys.argv) > 1:
    model.set_callbacks(Checkpoint(sys.argv[1]))
print("started", flush=True)
model.fit(X, np.sin(X[:, 0]))
print(model.params_.tobytes().hex())
"""


def run(*arguments, kill_after=None):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    if kill_after is not None:
        assert process.stdout.readline() == "started\n"
        time.sleep(kill_after)
        process.send_signal(signal.SIGKILL)
    return process.communicate()[0].strip().removeprefix("started").strip()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
def test_a_fit_killed_at_random_moments_ends_with_the_same_bits(tmp_path):
    whole = run()
    rng = np.random.default_rng()
    for kill in rng.uniform(0, 0.25, 20):
        run(tmp_path, kill_after=kill)
    assert run(tmp_path) == whole


def test_another_patience_is_another_training(tmp_path):
    X, y = numbers()
    lengths = []
    for patience in (2, 30):
        model = BackpropMLPRegressor((5,), max_iter=40, n_iter_no_change=np.inf, random_state=0)
        stopper = EarlyStopping("loss", patience=patience, min_delta=10.0)
        lengths.append(model.set_callbacks(stopper, Checkpoint(tmp_path)).fit(X, y).n_iter_)
    assert lengths == [3, 31]

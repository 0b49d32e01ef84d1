"""A pickle of a recorder or a trace: small, and read where it is loaded."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from helpers.callbacks import StepNotes
from helpers.data import classes, numbers
from helpers.rules import NumPySGD
from sklearn.base import clone
from sklearn.datasets import load_digits

from sklearn_metabp import (
    SGD,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    HistoryLogger,
    TraceRecorder,
)
from sklearn_metabp.tracing.parts import ReplayedPart

FIXED = {"n_iter_no_change": np.inf, "random_state": 0}


def recorded(rule="adam", seed=4, **limits):
    X, y = classes("multiclass", seed=seed)
    recorder = TraceRecorder("all", **limits)
    model = BackpropMLPClassifier((3,), batch_size=16, update_rule=rule, max_iter=6, **FIXED)
    return model.set_callbacks(recorder).fit(X, y), recorder


def test_a_recorded_model_pickles_to_little_more_than_its_data():
    X, y = load_digits(return_X_y=True)
    recorder = TraceRecorder()
    model = (
        BackpropMLPClassifier((50,), max_iter=40, **FIXED).set_callbacks(recorder).fit(X / 16, y)
    )
    n_bytes = len(pickle.dumps(model))
    assert (
        recorder.trace_.updates.nbytes > 10 * X.nbytes
    )  # what it held as arrays, three times that
    assert n_bytes < 1.5 * X.nbytes + 10 * model.params_.nbytes


@pytest.mark.parametrize("limits", [{}, {"max_steps": 1}, {"every": 5}], ids=str)
@pytest.mark.parametrize(
    "rule", [SGD(0.1), NumPySGD(), SGD(0.1, schedule=lambda t, n: 1.0)], ids=["1", "2", "3"]
)
def test_a_pickled_trace_reads_as_the_one_that_was_pickled(rule, limits):
    """Check rules that are replayed, rules that are copied, and rules that cannot be pickled."""
    _, recorder = recorded(rule, **limits)
    trace = recorder.trace_
    for copy in (pickle.loads(pickle.dumps(trace)), pickle.loads(pickle.dumps(recorder)).trace_):
        for name in ("params", "updates", "gradients", "losses", "targets", "indices"):
            np.testing.assert_array_equal(getattr(copy, name), getattr(trace, name))
        np.testing.assert_array_equal(copy.deltas[1], trace.deltas[1])
        assert copy.tasks == trace.tasks


def with_losses_times(recorder, factor):
    """Return the trace as another machine reads it, with losses that differ by a factor."""
    loaded = pickle.loads(pickle.dumps(recorder))
    for run in loaded._runs.values():
        assert isinstance(run._parts[0], ReplayedPart)
        run._numbers[3::4] = type(run._numbers)("d", [loss / factor for loss in run._numbers[3::4]])
    return loaded.trace_


def test_a_trace_with_the_rounding_of_another_machine_is_read_with_a_warning():
    _, recorder = recorded()
    other = with_losses_times(recorder, 1 + 1e-12)
    with pytest.warns(
        UserWarning, match=r"loaded from a pickle and is computed again on this.*Trace\.save"
    ) as told:
        gradients = other.gradients
    assert len(told) == 1
    np.testing.assert_array_equal(gradients, recorder.trace_.gradients)


def test_another_training_is_not_taken_for_rounding():
    _, recorder = recorded()
    with pytest.raises(RuntimeError, match=r"loaded from a pickle.*Read the trace on the machine"):
        _ = with_losses_times(recorder, 1.01).gradients


@pytest.mark.parametrize("seed", [1, 2])
def test_a_recorder_that_was_loaded_records_on(seed):
    model, recorder = recorded(seed=seed)
    X, y = classes("multiclass", seed=seed)
    loaded = pickle.loads(pickle.dumps(model))
    notes, (copy,) = StepNotes(), loaded._skl_callbacks
    loaded.set_callbacks(copy, notes).fit(X, y)
    clone(loaded).fit(X, y)
    assert copy.trace_.runs.tolist() == [0] * 24 + [1] * 24 + [2] * 24
    np.testing.assert_array_equal(copy.trace_.run(0).params, recorder.trace_.params)
    np.testing.assert_array_equal(
        copy.trace_.run(1).params, [step["params"] for step in notes.steps[:24]]
    )
    assert len(recorder.trace_) == 24  # each of them has runs of its own


SCRIPT = """
import joblib, sys
model, X, y = joblib.load(sys.argv[1])
model.fit(X, y)
recorder, history = model._skl_callbacks
print(len(recorder.trace_.layouts), len(history.history_), history.history_[-1]["run"])
print(bool((recorder.trace_.run(0).params == recorder.trace_.run(1).params).all()))
"""


def test_a_saved_model_is_recorded_on_in_another_process(tmp_path):
    joblib = pytest.importorskip("joblib")
    X, y = numbers()
    model = BackpropMLPRegressor((5,), max_iter=2, **FIXED).set_callbacks(
        TraceRecorder(), HistoryLogger()
    )
    joblib.dump((model.fit(X, y), X, y), tmp_path / "model.joblib")
    command = [sys.executable, "-c", SCRIPT, tmp_path / "model.joblib"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["2", "4", "1", "True"]


def test_an_estimator_that_is_not_fitted_takes_nothing_of_its_recorder_along():
    """A search pickles one for every fit that it gives to a worker process."""
    model, recorder = recorded()
    history = HistoryLogger()
    model.set_callbacks(recorder, history).fit(*classes("multiclass", seed=4))
    model.set_callbacks(recorder, history)
    empty = len(pickle.dumps(clone(model).set_callbacks(TraceRecorder("all"), HistoryLogger())))
    assert len(pickle.dumps(clone(model))) < empty + 200
    assert pickle.loads(pickle.dumps(clone(model)))._skl_callbacks == [recorder, history]

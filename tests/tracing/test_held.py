"""The limits of a recorder bound the memory that it takes, and not only the steps that it shows."""

import gc
import pickle
import tracemalloc
import weakref

import numpy as np
import pytest
from helpers.callbacks import StepNotes
from helpers.data import numbers
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_metabp import (
    SGD,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    HistoryLogger,
    TraceRecorder,
)
from sklearn_metabp.tracing.parts import CopiedPart, ReplayedPart
from sklearn_metabp.tracing.run import RecordedSteps
from sklearn_metabp.tracing.shared_arrays import shared_copy

FIXED = {"n_iter_no_change": np.inf, "random_state": 0}
N_CALLS, CALL_BYTES = 40, 1000 * 50 * 8


def held_by(call):
    """Bytes that are held after a call and were not before; what it returns is held too."""
    gc.collect()
    tracemalloc.start()
    try:
        kept = call()
        gc.collect()
        return tracemalloc.get_traced_memory()[0], kept
    finally:
        tracemalloc.stop()


def stream(recorder, n_calls=N_CALLS):
    model = BackpropMLPRegressor((8,), batch_size=200, random_state=0).set_callbacks(recorder)
    rng = np.random.default_rng(1)
    for _ in range(n_calls):
        X = rng.standard_normal((1000, 50))
        model.partial_fit(X, X[:, 0])
    return recorder


LIMITS = [{"max_steps": 5}, {"every": 100}, {"variables": ["loss"]}, {"max_steps": 2, "every": 50}]


@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_a_stream_is_held_as_far_as_it_is_recorded(limits):
    stream(TraceRecorder(**limits), 2)
    n_bytes, recorder = held_by(lambda: stream(TraceRecorder(**limits)))
    assert n_bytes < 2 * CALL_BYTES < N_CALLS * CALL_BYTES / 10
    whole, trace = stream(TraceRecorder()).trace_, recorder.trace_
    rows = trace.indices - 1
    np.testing.assert_array_equal(trace.losses, whole.losses[rows])
    if "variables" not in limits:
        np.testing.assert_array_equal(trace.updates, whole.updates[rows])
        np.testing.assert_array_equal(trace.params, whole.params[rows])


def test_equal_data_of_several_fits_are_held_once():
    X, y = numbers(n=20_000)
    model = BackpropMLPRegressor((30, 30), max_iter=3, **FIXED)
    data_bytes = X.nbytes + y.nbytes

    def fits():
        recorder = TraceRecorder()
        for _ in range(8):
            clone(model).set_callbacks(recorder).fit(X.copy(), y.copy())
        return recorder

    n_bytes, recorder = held_by(fits)
    assert n_bytes < 2 * data_bytes
    assert all(isinstance(run._parts[0], ReplayedPart) for run in recorder.trace_.recorded)
    assert np.ptp(recorder.trace_.losses.reshape(8, -1), axis=0).max() == 0


def test_a_search_holds_every_fold_once():
    X, y = numbers(n=12_000)
    recorder = TraceRecorder()
    model = BackpropMLPRegressor((20,), max_iter=2, **FIXED).set_callbacks(recorder)
    search = GridSearchCV(model, {"alpha": [0.0, 0.1, 0.2, 0.3]}, cv=3, refit=False)
    n_bytes, _ = held_by(lambda: search.fit(X, y))
    assert n_bytes < 3 * (
        X.nbytes + y.nbytes
    )  # three folds of two thirds; twelve fits would be eight times it
    assert len(recorder.trace_.layouts) == 12


@pytest.mark.parametrize("make", [np.array, sparse.csr_array], ids=["dense", "sparse"])
def test_data_that_differ_in_one_number_are_not_shared(make):
    rng = np.random.default_rng(3)
    X = rng.standard_normal((300, 6)) * (rng.uniform(size=(300, 6)) < 0.5)
    other = X.copy()
    other[np.nonzero(other)[0][0], np.nonzero(other)[1][0]] += 1e-9
    recorder, notes = TraceRecorder(), StepNotes()
    model = BackpropMLPRegressor((20,), max_iter=3, shuffle=False, **FIXED).set_callbacks(
        recorder, notes
    )
    for data in (X, other, X):
        model.fit(make(data), X[:, 0])
    np.testing.assert_array_equal(
        recorder.trace_.gradients, [step["gradients"] for step in notes.steps]
    )


def test_shared_arrays_differ_by_every_byte_and_live_as_long_as_their_holders():
    one = np.array([0.0, np.nan, 1.0])
    first = shared_copy(one)
    assert shared_copy(one.copy()) is first
    for other in (np.array([-0.0, np.nan, 1.0]), one[:, None], one.view(np.int64), one[:2]):
        assert shared_copy(other) is not first
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 2
    one[0] = 5
    assert first[0] == 0
    gone = weakref.ref(first)
    del first
    gc.collect()
    assert gone() is None


def test_arrays_whose_checksums_are_equal_are_still_two(monkeypatch):
    monkeypatch.setattr("sklearn_metabp.tracing.shared_arrays.checksum", lambda array: 0)
    kept = [shared_copy(np.full(3, value)) for value in (1.0, 2.0, 1.0)]
    assert [array[0] for array in kept] == [1.0, 2.0, 1.0]


def test_steps_after_max_steps_take_no_memory():
    X, y = numbers(n=40)
    recorder = TraceRecorder(max_steps=10)
    model = BackpropMLPRegressor((2,), batch_size=1, max_iter=400, **FIXED).set_callbacks(recorder)
    n_bytes, _ = held_by(lambda: model.fit(X, y).loss_)  # of 16,000 steps
    assert n_bytes < 60_000
    assert recorder.trace_.indices.tolist() == list(range(1, 11))


class Remembered:
    """The state of a rule, to see when it is deleted."""


class Remembering(SGD):
    states = weakref.WeakSet()

    def init_state(self, layout):
        state = Remembered()
        self.states.add(state)
        return state

    def compute_update(self, step, state):
        return np.zeros_like(step.updates)


@pytest.mark.parametrize("on_disk", [False, True])
def test_estimators_that_are_gone_leave_nothing_but_their_runs(tmp_path, on_disk):
    X, y = numbers(n=40)
    Remembering.states.clear()
    recorder = TraceRecorder(teacher=Remembering(), path=tmp_path if on_disk else None)
    history = HistoryLogger()
    models = [
        BackpropMLPRegressor((2,), max_iter=2, **FIXED).set_callbacks(recorder, history).fit(X, y)
        for _ in range(3)
    ]
    gc.collect()
    assert len(Remembering.states) == 3  # trainings that may go on
    models[0].set_params(warm_start=True).fit(X, y)
    assert len(recorder.trace_.layouts) == 3
    del models
    gc.collect()
    assert len(Remembering.states) == len(recorder._trainings) == len(history._fits) == 0
    assert len(recorder.trace_) == len(history.history_) == 8


def test_a_teacher_computes_no_updates_after_the_last_recorded_step():
    X, y = numbers(n=40)
    Remembering.states.clear()
    recorder = TraceRecorder(teacher=Remembering(), max_steps=1)
    model = BackpropMLPRegressor((2,), max_iter=3, **FIXED).set_callbacks(recorder).fit(X, y)
    gc.collect()
    assert len(Remembering.states) == 0
    model.partial_fit(X, y)
    assert recorder.trace_.teacher_updates.shape == (1, len(model.params_))


def test_a_callback_that_is_given_twice_is_called_once():
    X, y = numbers(n=40)
    once, twice = (TraceRecorder(), HistoryLogger()), (TraceRecorder(), HistoryLogger())
    model = BackpropMLPRegressor((2,), max_iter=3, batch_size=16, **FIXED)
    model.set_callbacks(*once).fit(X, y)
    model.set_callbacks(*twice, *twice).fit(X, y)
    assert repr(twice[0].trace_) == repr(once[0].trace_)
    np.testing.assert_array_equal(twice[0].trace_.params, once[0].trace_.params)
    assert [row["epoch"] for row in twice[1].history_] == [1, 2, 3]


def test_parts_that_are_copied_and_parts_that_are_computed_again_make_one_run():
    """Check few rows, which take less memory than copies of steps, and many, which take more."""
    rng = np.random.default_rng(5)
    recorder, notes = TraceRecorder("all"), StepNotes()
    lean = TraceRecorder(["params", "gradients", "updates"])
    model = BackpropMLPRegressor((3,), random_state=0).set_callbacks(recorder, lean, notes)
    for n, size in ((20, 10), (30, 10), (3000, 3000), (5000, 5000), (20, 10)):
        X = rng.standard_normal((n, 4))
        model.set_params(batch_size=size).partial_fit(X, X[:, 0])
    (run,) = lean.trace_.recorded
    assert [type(part) for part in run._parts] == [
        ReplayedPart,
        ReplayedPart,
        CopiedPart,
        ReplayedPart,
    ]
    for name in ("params", "gradients", "updates"):
        steps = [step[name] for step in notes.steps]
        np.testing.assert_array_equal(getattr(lean.trace_, name), steps)
        np.testing.assert_array_equal(getattr(recorder.trace_, name), steps)
    assert lean.trace_[6:8].params.shape == (2, 19)


def test_one_step_in_several_of_a_fit_is_a_whole_run():
    X, y = numbers(n=60)
    whole, part = TraceRecorder(), TraceRecorder(every=3)
    model = BackpropMLPRegressor((3,), batch_size=16, max_iter=4, **FIXED).set_callbacks(
        whole, part
    )
    model.fit(X, y)
    rows = np.arange(0, len(whole.trace_), 3)
    np.testing.assert_array_equal(part.trace_.features("link"), whole.trace_[rows].features("link"))


def test_a_stream_recorded_every_100th_step_has_no_features_of_links():
    recorder = stream(TraceRecorder(every=100))
    with pytest.raises(ValueError, match="scope='link' uses the gradients of all steps of a run"):
        recorder.trace_.features("link")
    assert (
        stream(TraceRecorder(every=100), 10).trace_.features("link").shape[0]
    )  # only the first call


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("max_steps", [None, 1, 4])
def test_steps_are_counted_as_they_are_recorded(every, max_steps):
    steps = RecordedSteps(5, every, max_steps)
    for first in range(5, 25):
        for n in range(20):
            assert steps.count(first, n) == sum(index in steps for index in range(first, first + n))
        assert steps.end_before(first) == (not any(index in steps for index in range(first, 100)))


def test_classes_are_held_and_computed_again_as_they_are_trained_on():
    """Check that targets of many classes are not held as a matrix."""
    rng = np.random.default_rng(7)
    X, y = rng.standard_normal((600, 5)), rng.integers(0, 40, 600)
    recorder, notes = TraceRecorder("all"), StepNotes()
    model = BackpropMLPClassifier((6,), max_iter=3, batch_size=100, **FIXED).set_callbacks(
        recorder, notes
    )
    model.fit(X, y)
    assert recorder.trace_.recorded[0]._parts[0].replay.data_bytes < X.nbytes + 600 * 40 * 8
    for trace in (recorder.trace_, pickle.loads(pickle.dumps(recorder.trace_))):
        np.testing.assert_array_equal(trace.gradients, [step["gradients"] for step in notes.steps])
        np.testing.assert_array_equal(trace.targets, [step["targets"] for step in notes.steps])


@pytest.mark.parametrize(("every", "max_steps"), [(1, None), (3, None), (1, 2), (3, 2)])
def test_the_next_recorded_step_is_named(every, max_steps):
    steps = RecordedSteps(5, every, max_steps)
    recorded = [index for index in range(5, 60) if index in steps]
    for index in range(5, 40):
        after = [one for one in recorded if one >= index]
        assert steps.next_from(index) == (after[0] if after else np.inf)
        last = steps.last_before(index)
        assert last == (index if max_steps is None else min(index, recorded[-1]))

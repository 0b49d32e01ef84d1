"""Traces on disk are the traces in memory."""

import contextlib
import os
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from helpers.callbacks import Interruption, Notes, StepNotes
from helpers.data import classes, numbers
from helpers.rules import NumPySGD
from helpers.traces import ARRAYS, LAYERS, SCALARS, assert_same, chunk_files, model
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropMLPRegressor,
    DivergenceError,
    LearnedUpdateRule,
    Trace,
    TraceFileError,
    TraceRecorder,
)
from sklearn_metabp.tracing import chunk_buffer, run_writer


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """A few steps each, so that short trainings have several."""
    monkeypatch.setattr(chunk_buffer, "CHUNK_BYTES", 20_000)
    monkeypatch.setattr(chunk_buffer, "CHUNK_STEPS", 5)


# Momentum at one row a step blows up here; what is recorded of it is right all the same.
@pytest.mark.filterwarnings("ignore:Training blew up:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "rule", [SGD(0.1, momentum=0.9), Adam(), NumPySGD()], ids=lambda r: type(r).__name__
)
@pytest.mark.parametrize("batch_size", [16, 1, "full"])  # 16: the last of an epoch is shorter
def test_traces_on_disk_equal_traces_in_memory(tmp_path, rule, dtype, batch_size):
    X, y = classes("multiclass", n=70, seed=3, dtype=dtype)
    memory, disk = TraceRecorder("all"), TraceRecorder("all", path=tmp_path / "trace")
    model(rule=rule, batch_size=batch_size).set_callbacks(memory, disk).fit(X, y)
    assert_same(disk.trace_, memory.trace_)
    assert_same(Trace.open(tmp_path / "trace"), memory.trace_)
    assert disk.trace_.params.dtype == dtype
    if batch_size != "full":
        assert len(chunk_files(tmp_path / "trace")) > 3


@pytest.mark.parametrize(
    "variables",
    [
        ["loss"],
        ["params"],
        ["updates"],
        ["gradients", "deltas"],
        ["activations", "targets"],
        "default",
    ],
    ids=str,
)
def test_any_choice_of_variables(tmp_path, variables):
    X, y = classes("binary", seed=3)
    memory, disk = TraceRecorder(variables), TraceRecorder(variables, path=tmp_path)
    model((3, 2)).set_callbacks(memory, disk).fit(X, y)
    ours, theirs = disk.trace_, memory.trace_
    assert ours.recorded[0].variables == theirs.recorded[0].variables
    assert ours.recorded[0].stored == theirs.recorded[0].stored
    assert_same(ours, theirs, [*ours.recorded[0].stored, *SCALARS])
    for name in {*ARRAYS, *LAYERS} - set(ours.recorded[0].stored):
        with pytest.raises(AttributeError, match=f"has no {name}"):
            getattr(ours, name)


@pytest.mark.parametrize("dtype", [None, np.float32])
@pytest.mark.parametrize(("every", "max_steps"), [(1, None), (3, None), (1, 7), (2, 4)])
def test_every_max_steps_and_dtype(tmp_path, every, max_steps, dtype):
    X, y = classes("binary", seed=every)
    given = {"every": every, "max_steps": max_steps, "dtype": dtype}
    memory, disk = TraceRecorder("all", **given), TraceRecorder("all", path=tmp_path, **given)
    model().set_callbacks(memory, disk).fit(X, y)
    assert_same(disk.trace_, memory.trace_)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("rule", ["lbfgs", "conjugategradient"])
def test_the_weights_that_a_search_set(tmp_path, rule, dtype):
    """Check that parameters are stored, because sums of rounded differences would differ."""
    X, y = classes("multiclass", n=60, seed=8, dtype=dtype)
    memory, disk, notes = TraceRecorder(), TraceRecorder(path=tmp_path / "trace"), StepNotes()
    searching = model(rule=rule, batch_size="auto", max_iter=30).set_callbacks(memory, disk, notes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        searching.fit(X, y)
    memory.trace_.save(tmp_path / "saved")
    for trace in (disk.trace_, memory.trace_, Trace.open(tmp_path / "saved")):
        np.testing.assert_array_equal(trace.params, [step["params"] for step in notes.steps])
        assert len(trace) > 9


def test_a_search_that_continues_with_steps_is_a_run_of_its_own(tmp_path):
    X, y = classes("multiclass", n=60, seed=8, dtype=np.float32)
    memory, disk, notes = TraceRecorder(), TraceRecorder(path=tmp_path), StepNotes()
    going = model(rule=NumPySGD(), batch_size="full", warm_start=True).set_callbacks(
        memory, disk, notes
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        going.fit(X, y).set_params(update_rule="lbfgs").fit(X, y)
    for trace in (memory.trace_, disk.trace_):
        assert trace.runs.tolist() == [0] * 4 + [1] * 4
        np.testing.assert_array_equal(trace.params, [step["params"] for step in notes.steps])


def test_updates_of_a_teacher_on_disk_are_those_in_memory(tmp_path):
    X, y = classes("binary", seed=2)
    given = {"teacher": SGD(0.5, momentum=0.9)}
    memory, disk = TraceRecorder("all", **given), TraceRecorder("all", path=tmp_path, **given)
    model().set_callbacks(memory, disk).fit(X, y)
    assert_same(disk.trace_, memory.trace_)
    np.testing.assert_array_equal(disk.trace_.targets_of("link"), memory.trace_.targets_of("link"))
    assert (disk.trace_.targets_of("link") != disk.trace_.updates.ravel()).any()


@pytest.mark.parametrize("key", [slice(2, 7), [5, 0, 5], np.arange(16) % 5 == 0, -1], ids=str)
def test_rows_are_selected_without_reading_the_rest(tmp_path, key):
    X, y = classes("multiclass", seed=2)
    memory, disk = TraceRecorder("all"), TraceRecorder("all", path=tmp_path)
    model().set_callbacks(memory, disk).fit(X, y)
    assert_same(disk.trace_[key], memory.trace_[key])
    trace = disk.trace_
    for file in chunk_files(tmp_path)[2:]:
        file.unlink()
    assert_same(trace[:3], memory.trace_[:3])
    with pytest.raises(TraceFileError, match="cannot be read"):
        _ = trace.params


@pytest.mark.parametrize("going_on", ["partial_fit", "warm_start"])
def test_a_training_that_goes_on_is_one_run(tmp_path, going_on):
    X, y = classes("multiclass", seed=8)
    once, twice = TraceRecorder("all"), TraceRecorder("all", path=tmp_path)
    model(max_iter=4).set_callbacks(once).fit(X, y)
    going = model(max_iter=2, warm_start=True).set_callbacks(twice)
    if going_on == "warm_start":
        going.fit(X, y).fit(X, y)
    else:
        for _ in range(4):
            going.partial_fit(X, y, classes=[0, 1, 2])
    assert len(os.listdir(tmp_path)) == 1
    assert_same(twice.trace_, once.trace_)


@pytest.mark.parametrize(
    "rule", [SGD(0.1, momentum=0.9), NumPySGD()], ids=lambda r: type(r).__name__
)
@pytest.mark.parametrize("variables", ["default", "all"])
def test_larger_batches_continue_the_run_where_its_buffers_are_large_enough(
    tmp_path, variables, rule
):
    X, y = classes("multiclass", n=60, seed=8)
    memory, disk, notes = (
        TraceRecorder(variables),
        TraceRecorder(variables, path=tmp_path),
        StepNotes(),
    )
    going = model(rule=rule, batch_size=100).set_callbacks(memory, disk, notes)
    sizes = [5, 8, 3, 20, 20, 7]
    for n in sizes:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            going.partial_fit(X[:n], y[:n], classes=[0, 1, 2])
    trace, flat = memory.trace_, ("params", "updates", "gradients")
    assert trace.runs.tolist() == [0] * 6
    assert trace.n_patterns.tolist() == sizes
    assert disk.trace_.runs.tolist() == ([0, 1, 1, 2, 2, 2] if variables == "all" else [0] * 6)
    assert_same(disk.trace_, trace, [*flat, "losses", "indices", "epochs", "n_patterns"])
    if variables == "all":
        assert_same(disk.trace_, trace, (*ARRAYS, *LAYERS))
        for row, step in enumerate(notes.steps):
            np.testing.assert_array_equal(trace.deltas[0][row, : sizes[row]], step["deltas"][0])
            assert np.isnan(trace.deltas[0][row, sizes[row] :]).all()
    trace.save(tmp_path / "saved")
    assert_same(Trace.open(tmp_path / "saved"), trace, [*trace.recorded[0].stored, *SCALARS])


def test_runs_come_in_the_order_of_their_beginning_with_their_architectures(tmp_path):
    X, y = classes("multiclass", seed=1)
    memory, disk = TraceRecorder(), TraceRecorder(path=tmp_path)
    for seed, sizes in enumerate([(7,), (2, 3), (), (4,)]):
        model(sizes, random_state=seed).set_callbacks(memory, disk).fit(X, y)
    ours, theirs = disk.trace_, memory.trace_
    assert [run.layer_sizes for run in ours.layouts] == [run.layer_sizes for run in theirs.layouts]
    assert [run.network for run in ours.recorded] == [run.network for run in theirs.recorded]
    for number in range(4):
        assert_same(
            ours.run(number), theirs.run(number), ("params", "updates", "gradients", *SCALARS)
        )
    np.testing.assert_array_equal(ours.features("link"), theirs.features("link"))
    np.testing.assert_array_equal(ours.targets_of("link"), theirs.targets_of("link"))
    rules = [LearnedUpdateRule(random_state=0).fit(trace) for trace in (ours, theirs)]
    np.testing.assert_array_equal(rules[0].learner_.params_, rules[1].learner_.params_)
    assert rules[0].score(ours) == rules[1].score(theirs)


def test_another_recorder_adds_to_what_is_there(tmp_path):
    X, y = classes("binary", seed=1)
    for seed in range(3):
        model(random_state=seed).set_callbacks(TraceRecorder(path=str(tmp_path))).fit(X, y)
    assert len(Trace.open(tmp_path).layouts) == 3


@pytest.mark.parametrize("ending", ["divergence", "interruption", "error"])
def test_a_training_that_ends_early_is_recorded_up_to_there(tmp_path, ending):
    memory, disk = TraceRecorder("all"), TraceRecorder("all", path=tmp_path)
    if ending == "divergence":
        X, y = numbers(seed=2)
        diverging = BackpropMLPRegressor(
            (3,), "identity", update_rule=SGD(1e3), random_state=0, batch_size=20, max_iter=500
        )
        with pytest.raises(DivergenceError):
            diverging.set_callbacks(memory, disk).fit(X, y)
    else:
        X, y = classes("binary", seed=2)
        other = (
            Interruption(at_step=7)
            if ending == "interruption"
            else Notes(raise_after=2, error=KeyError("x"))
        )
        kind = pytest.warns(UserWarning) if ending == "interruption" else pytest.raises(KeyError)
        with kind:
            model().set_callbacks(memory, disk, other).fit(X, y)
    assert len(disk.trace_) > 0
    assert_same(disk.trace_, memory.trace_)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", [0, 1, 2])
@pytest.mark.parametrize(
    "place",
    [
        *("ChunkBuffer.append", "_fill_patterns", "write_file", "RunWriter._write_rest"),
        *("RunWriter._make_room", "RunWriter._wait", "RunWriter._hand_over"),
    ],
)
def test_ctrl_c_in_the_midst_of_recording(tmp_path, monkeypatch, place, call, after):
    X, y = classes("binary", seed=2)
    memory, disk = TraceRecorder("all"), TraceRecorder("all", path=tmp_path)
    going = model(warm_start=True).set_callbacks(memory, disk)
    module = chunk_buffer if place == "_fill_patterns" else run_writer
    owner = getattr(module, place.partition(".")[0]) if "." in place else module
    name = place.rpartition(".")[2]
    real, calls = getattr(owner, name), []

    def pressed(*args):
        calls.append(threading.current_thread() is threading.main_thread())
        mine = calls[-1] and sum(calls) == call + 1
        if mine and not after:
            raise KeyboardInterrupt
        result = real(*args)
        if mine:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(chunk_buffer, "CHUNK_STEPS", 3)
    with (
        monkeypatch.context() as patch,
        contextlib.suppress(KeyboardInterrupt),  # it comes out where it hits the teardown
        warnings.catch_warnings(),
    ):
        patch.setattr(owner, name, pressed)
        warnings.simplefilter("ignore")
        going.fit(X, y)
    before = Trace.open(tmp_path)
    assert_same(before, memory.trace_[: len(before)], SCALARS)
    going.fit(X, y)
    trace = Trace.open(tmp_path)
    assert trace.updates.shape[0] == len(trace) > len(before)
    assert (np.diff(trace.indices) > 0).all()
    in_memory = memory.trace_[np.isin(memory.trace_.indices, trace.indices)]
    np.testing.assert_array_equal(trace.losses, in_memory.losses)
    np.testing.assert_array_equal(trace.params, in_memory.params)


def test_the_finished_chunks_of_a_running_training_are_readable(tmp_path):
    X, y = classes("multiclass", seed=1)
    seen = []

    class Reader(Notes):
        def on_fit_task_end(self, estimator, context):
            if context.task_name == "epoch" and os.listdir(tmp_path):
                seen.append(disk.trace_)

    memory, disk = TraceRecorder("all"), TraceRecorder("all", path=tmp_path)
    model(max_iter=20).set_callbacks(memory, disk, Reader()).fit(X, y)
    assert len(seen) == 20
    assert len(seen[-1]) > 40
    for trace in seen:
        whole = memory.trace_[: len(trace)]
        assert_same(trace, whole, SCALARS)
        if len(trace):
            assert_same(trace, whole)


def test_a_search_in_two_processes_records_every_fit(tmp_path):
    X, y = classes("multiclass", seed=6)
    recorder = TraceRecorder(path=tmp_path / "trace")
    search = GridSearchCV(
        model().set_callbacks(recorder),
        {"hidden_layer_sizes": [(3,), (4, 2)], "random_state": [1, 2]},
        cv=2,
        n_jobs=2,
        error_score="raise",
    ).fit(X, y)
    trace = recorder.trace_
    assert len(trace.layouts) == 2 * 2 * 2 + 1
    assert {layout.layer_sizes[1:-1] for layout in trace.layouts} == {(3,), (4, 2)}
    best = search.best_estimator_
    last = trace.run(len(trace.layouts) - 1)
    np.testing.assert_array_equal((last.params + last.updates)[-1], best.params_)
    rule = GridSearchCV(
        LearnedUpdateRule(random_state=0), {"inputs": [None]}, cv=2, n_jobs=2, error_score="raise"
    )
    assert rule.fit(trace).best_score_ > 0.9


def test_threads_share_a_recorder(tmp_path):
    from joblib import Parallel, delayed

    X, y = classes("multiclass", seed=6)
    memory, disk = TraceRecorder("all"), TraceRecorder("all", path=tmp_path)
    models = [model(random_state=seed, max_iter=10).set_callbacks(disk) for seed in range(6)]
    Parallel(n_jobs=3, backend="threading")(delayed(m.fit)(X, y) for m in models)
    for m in models:
        clone(m).set_callbacks(memory).fit(X, y)
    trace = disk.trace_
    starts = [trace.run(number).params[0].tobytes() for number in range(6)]
    for number in range(6):
        whole = memory.trace_.run(number)
        assert_same(
            trace.run(starts.index(whole.params[0].tobytes())), whole, [*ARRAYS, *LAYERS, "losses"]
        )


RECORD = """
import sys
import numpy as np
import resource
from sklearn_metabp import BackpropMLPClassifier, TraceRecorder
from sklearn_metabp.tracing import chunk_buffer, run_writer
chunk_buffer.CHUNK_BYTES = 2**20
X = np.random.default_rng(0).standard_normal((400, 20))
model = BackpropMLPClassifier((30,), batch_size=20, max_iter=int(sys.argv[2]))
model.set_params(n_iter_no_change=np.inf)
model.set_callbacks(TraceRecorder(path=sys.argv[1])).fit(X, X[:, 0] > 0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no getrusage there")
def test_memory_does_not_grow_with_the_number_of_steps(tmp_path):
    peaks = []
    for n_epochs in (10, 250):
        command = [sys.executable, "-c", RECORD, str(tmp_path / str(n_epochs)), str(n_epochs)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
    written = sum(path.stat().st_size for path in chunk_files(tmp_path / "250"))
    assert written > 50e6
    assert peaks[1] < 1.1 * peaks[0]

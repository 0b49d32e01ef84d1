"""Directories of traces: saving, opening, and foreign files in them."""

import os
import pickle

import numpy as np
import pytest
from helpers.data import classes
from helpers.rules import NumPySGD
from helpers.traces import SCALARS, assert_same, chunk_files, model
from safetensors.numpy import load_file
from sklearn.exceptions import NotFittedError

from sklearn_metabp import SGD, Trace, TraceFileError, TraceRecorder
from sklearn_metabp.tracing import chunk_buffer


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """A few steps each, so that short trainings have several."""
    monkeypatch.setattr(chunk_buffer, "CHUNK_BYTES", 20_000)
    monkeypatch.setattr(chunk_buffer, "CHUNK_STEPS", 5)


@pytest.mark.parametrize("rule", [SGD(0.1), NumPySGD()], ids=lambda r: type(r).__name__)
@pytest.mark.parametrize(
    "given", [{}, {"every": 3}, {"dtype": np.float32}, {"max_steps": 5}], ids=str
)
def test_a_saved_trace_opens_to_the_same(tmp_path, rule, given):
    X, y = classes("multiclass", seed=6)
    recorder = TraceRecorder("all", **given)
    for seed in range(3):
        model(rule=rule, random_state=seed).set_callbacks(recorder).fit(X, y)
    (tmp_path / "a").mkdir()
    recorder.trace_.save(tmp_path / "a" / "trace")
    opened = Trace.open(tmp_path / "a" / "trace")
    assert_same(opened, recorder.trace_)
    opened.save(tmp_path / "again")
    assert_same(Trace.open(tmp_path / "again"), recorder.trace_)
    assert os.listdir(tmp_path / "a") == ["trace"]


def test_whole_runs_are_saved_in_the_order_of_the_rows(tmp_path):
    X, y = classes("multiclass", seed=6)
    recorder = TraceRecorder()
    for seed in range(3):
        model(random_state=seed).set_callbacks(recorder).fit(X, y)
    trace = recorder.trace_
    (trace.run(2) + trace.run(0)).save(tmp_path / "two")
    opened = Trace.open(tmp_path / "two")
    np.testing.assert_array_equal(
        opened.params, np.vstack([trace.run(2).params, trace.run(0).params])
    )
    for rows in (trace[1:], trace[::-1], trace[:0], trace[[0, 0]]):
        with pytest.raises(ValueError, match="only whole runs are saved"):
            rows.save(tmp_path / "rows")
    assert not (tmp_path / "rows").exists()


def test_saving_leaves_alone_what_is_there(tmp_path):
    X, y = classes("binary", seed=6)
    recorder = TraceRecorder()
    model().set_callbacks(recorder).fit(X, y)
    (tmp_path / "empty").mkdir()
    recorder.trace_.save(tmp_path / "empty")
    (tmp_path / "file").write_text("mine")
    for name in ("empty", "file"):
        with pytest.raises(FileExistsError, match=f"{name}' exists and is not an empty directory"):
            recorder.trace_.save(tmp_path / name)
    with pytest.raises(OSError, match=r"cannot be saved to .*nothing of it is kept"):
        recorder.trace_.save(tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "mine"
    assert_same(Trace.open(tmp_path / "empty"), recorder.trace_, ("params", "losses"))


def test_there_must_be_a_trace_to_open(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "begun" / "run-00000000000000000001").mkdir(parents=True)
    for name, message in (
        ("missing", "No such file"),
        ("file", "Not a directory"),
        ("empty", "no recorded run"),
    ):
        with pytest.raises(TraceFileError, match=message):
            Trace.open(tmp_path / name)
    assert len(Trace.open(tmp_path / "begun")) == 0


def test_a_recorder_names_a_bad_path_and_has_no_trace_before_the_first_step(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="path must be a directory or not exist yet"):
        TraceRecorder(path=tmp_path / "file")
    with pytest.raises(ValueError, match="path must be a string, a path or None, got 5"):
        TraceRecorder(path=5)
    for path in (tmp_path / "none", tmp_path / "empty"):
        with pytest.raises(NotFittedError):
            _ = TraceRecorder(path=path).trace_
        path.mkdir(exist_ok=True)
        (path / "notes.txt").write_text("mine")
        with pytest.raises(NotFittedError):
            _ = TraceRecorder(path=path).trace_


def test_a_relative_path_stays_where_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recorder = TraceRecorder(path="trace")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    X, y = classes("binary", seed=6)
    model().set_callbacks(recorder).fit(X, y)
    assert os.listdir(tmp_path / "other") == []
    assert len(Trace.open(tmp_path / "trace")) == len(recorder.trace_)
    assert repr(recorder) == "TraceRecorder(variables='default', every='auto', path='trace')"


def test_a_trace_from_disk_pickles_as_its_path(tmp_path):
    X, y = classes("multiclass", seed=6)
    recorder = TraceRecorder("all", path=tmp_path)
    model(max_iter=30).set_callbacks(recorder).fit(X, y)
    trace = recorder.trace_[5:50]
    pickled = pickle.dumps(trace)
    assert len(pickled) < 5000
    assert_same(pickle.loads(pickled), trace)
    assert_same(pickle.loads(pickle.dumps(recorder)).trace_, recorder.trace_)


def test_the_library_reads_the_files_too(tmp_path):
    X, y = classes("binary", seed=1)
    recorder = TraceRecorder(path=tmp_path)
    model().set_callbacks(recorder).fit(X, y)
    arrays = [load_file(path) for path in chunk_files(tmp_path)]
    updates = np.concatenate([chunk["updates"] for chunk in arrays])
    np.testing.assert_array_equal(updates, recorder.trace_.updates)
    np.testing.assert_array_equal(
        arrays[1]["first_params"][0], recorder.trace_.params[len(arrays[0]["losses"])]
    )


def test_unfinished_and_foreign_files_are_skipped(tmp_path):
    X, y = classes("binary", seed=1)
    recorder = TraceRecorder(path=tmp_path)
    model().set_callbacks(recorder).fit(X, y)
    before = recorder.trace_
    folder = chunk_files(tmp_path)[0].parent
    (folder / ".00000099.safetensors.0123.tmp").write_bytes(b"half")
    (folder / "notes.txt").write_text("mine")
    (tmp_path / "run-00000000000000000000").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "README").write_text("mine")
    assert_same(recorder.trace_, before, SCALARS)

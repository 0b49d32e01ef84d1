"""Recorded trainings whose trace cannot be written."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from helpers.data import classes

from sklearn_metabp import BackpropMLPClassifier, Trace, TraceRecorder
from sklearn_metabp.tracing import chunk_buffer, file_writer

resource = pytest.importorskip("resource", reason="limits of the system")

CHUNK_ROWS = 4


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(chunk_buffer, "CHUNK_STEPS", CHUNK_ROWS)


def model(**params):
    params = {
        "max_iter": 30,
        "batch_size": 16,
        "n_iter_no_change": np.inf,
        "random_state": 0,
    } | params
    return BackpropMLPClassifier((5,), **params)


def everything(path):
    return [Path(root) / name for root, _, names in os.walk(path) for name in names]


@pytest.fixture(params=["fsync", "replace", "write"])
def full_after(request, monkeypatch):
    """A function that lets so many chunks be written, and then there is no space."""

    def full(n_chunks):
        remaining = n_chunks
        owner = file_writer if request.param == "write" else os
        name = "_write" if request.param == "write" else request.param
        real = getattr(owner, name)
        # The header and the first weights; for each of four pieces four scalars, two arrays, the
        # checksums.
        calls_a_chunk = {
            "write": 2 + 4 * 7,
            "fsync": 2 if hasattr(os, "O_DIRECTORY") else 1,
            "replace": 1,
        }

        def fails(*args):
            nonlocal remaining
            remaining -= 1 / calls_a_chunk[request.param]
            if remaining < -1e-9:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args)

        monkeypatch.setattr(owner, name, fails)
        return request.param

    return full


@pytest.mark.parametrize("n_chunks", [0, 1, 3])
def test_the_fit_stops_and_what_was_written_is_kept(tmp_path, full_after, n_chunks):
    X, y = classes("binary", seed=1)
    memory, disk = TraceRecorder(), TraceRecorder(path=tmp_path / "trace")
    failing = model().set_callbacks(memory, disk)
    full_after(n_chunks)
    n_kept = n_chunks * CHUNK_ROWS
    message = (
        rf"trace/run-.*the first {n_kept} recorded steps of this run are kept there.*No space left"
    )
    with pytest.raises(OSError, match=message) as caught:
        failing.fit(X, y)
    assert caught.value.errno == errno.ENOSPC
    # Not long after: four chunks may wait to be flushed, one is written and one is in memory.
    assert len(memory.trace_) <= (n_chunks + 7) * CHUNK_ROWS
    trace = Trace.open(tmp_path / "trace")
    assert len(trace) == n_kept
    if n_kept:
        np.testing.assert_array_equal(trace.updates, memory.trace_.updates[:n_kept])
    assert len(everything(tmp_path)) == n_chunks  # and no temporary file


def test_the_last_chunk_is_missed_too(tmp_path, full_after):
    X, y = classes("binary", seed=1)
    disk = TraceRecorder(path=tmp_path)
    # Where there is still space for the pieces of the file that is begun they are kept.
    n_kept = 4 if full_after(1) == "write" else 6
    with pytest.raises(OSError, match=f"the first {n_kept} recorded steps of this run are kept"):
        model(max_iter=1, batch_size=10).set_callbacks(disk).fit(X, y)  # six steps
    assert len(disk.trace_) == n_kept


@pytest.mark.parametrize("n_pieces", [1, 3])
def test_sound_pieces_of_a_chunk_that_could_not_be_ended_are_kept(tmp_path, monkeypatch, n_pieces):
    X, y = classes("binary", seed=1)
    memory, disk = TraceRecorder(), TraceRecorder(path=tmp_path)
    real, pieces = file_writer.FileWriter.write, []

    def fails(self, piece, arrays):
        pieces.append(piece)
        if len(pieces) > CHUNK_ROWS + n_pieces:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(self, piece, arrays)

    monkeypatch.setattr(file_writer.FileWriter, "write", fails)
    with pytest.raises(
        OSError, match=f"the first {4 + n_pieces} recorded steps of this run are kept"
    ):
        model().set_callbacks(memory, disk).fit(X, y)
    trace = disk.trace_
    np.testing.assert_array_equal(trace.updates, memory.trace_.updates[: 4 + n_pieces])


def test_an_error_of_the_thread_is_not_lost_when_nothing_follows(tmp_path, full_after):
    X, y = classes("binary", seed=1)
    full_after(0)
    with pytest.raises(OSError, match="the first 0 recorded steps of this run are kept"):
        model(max_iter=1, batch_size=15).set_callbacks(TraceRecorder(path=tmp_path)).fit(
            X, y
        )  # four steps


def test_after_a_full_disk_the_next_fit_is_a_run_of_its_own(tmp_path, full_after, monkeypatch):
    X, y = classes("binary", seed=1)
    going = model(max_iter=4, warm_start=True).set_callbacks(TraceRecorder(path=tmp_path)).fit(X, y)
    full_after(0)
    with pytest.raises(OSError, match="No space"):
        going.set_params(max_iter=100).fit(X, y)  # so long that the error comes on the way
    monkeypatch.undo()
    going.set_params(max_iter=4).fit(X, y)
    trace = Trace.open(tmp_path)
    assert trace.runs.tolist() == [0] * 16 + [1] * 16
    assert trace.run(1).indices[0] == 17


def test_a_run_whose_last_chunk_is_lost_is_not_continued(tmp_path, full_after, monkeypatch):
    """The error comes when the fit is over and the estimator fitted."""
    X, y = classes("binary", seed=1)
    going = model(max_iter=1, batch_size=12, warm_start=True).set_callbacks(
        TraceRecorder(path=tmp_path)
    )
    n_kept = 4 if full_after(1) == "write" else 5
    with pytest.raises(OSError, match="No space"):
        going.fit(X, y)  # five steps: none follows that could meet the thread's error
    monkeypatch.undo()
    assert going.fit(X, y).n_iter_ == 2
    trace = Trace.open(tmp_path)
    assert trace.indices.tolist() == [*range(1, n_kept + 1), *range(6, 11)]
    assert trace.runs.tolist() == [0] * n_kept + [1] * 5


def test_a_limit_of_the_system_is_met_in_the_same_way(tmp_path):
    """No mocks: the kernel refuses files beyond a size."""
    X, y = classes("binary", seed=1)
    disk = TraceRecorder("all", path=tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, before[1]))
    try:
        with pytest.raises(
            OSError, match="the first 0 recorded steps of this run are kept"
        ) as caught:
            model().set_callbacks(disk).fit(X, y)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno == errno.EFBIG
    assert everything(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    X, y = classes("binary", seed=1)
    disk = TraceRecorder(path=tmp_path / "trace" / "below")
    (tmp_path / "trace").write_text("in the way")
    with pytest.raises(OSError, match=r"cannot be written to .*trace/below/run-"):
        model().set_callbacks(disk).fit(X, y)


def test_a_trace_that_cannot_be_saved_leaves_nothing(tmp_path, full_after):
    X, y = classes("binary", seed=1)
    memory = TraceRecorder()
    model().set_callbacks(memory).fit(X, y)
    trace = memory.trace_
    full_after(2)
    with pytest.raises(
        OSError, match=r"cannot be saved to .*and nothing of it is kept there: No space"
    ) as caught:
        trace.save(tmp_path / "trace")
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path) == []

"""A training that is killed while it is recorded."""

import os
import subprocess
import sys

import numpy as np
import pytest
from helpers.damage import DAMAGES, take_apart
from helpers.traces import assert_same

from sklearn_metabp import BackpropMLPClassifier, Trace, TraceRecorder
from sklearn_metabp.tracing import chunk_buffer, folders
from sklearn_metabp.tracing.run_writer import CHUNK_SUFFIX, UNFINISHED_SUFFIX

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")

CHUNK_ROWS = 4

# Every child trains, and notes how many steps it has taken; it is killed some time after the first.
PROGRAM = """
import os, random, signal, sys, time
import numpy as np
from sklearn_metabp import BackpropMLPClassifier, TraceRecorder
from sklearn_metabp.tracing import chunk_buffer

folder, n_kills, seed, chunk_rows = sys.argv[1], *map(int, sys.argv[2:])
chunk_buffer.CHUNK_STEPS = chunk_rows
random.seed(seed)

class Progress:
    def __init__(self, descriptor):
        self.descriptor = descriptor
    def setup(self, estimator, context): pass
    def teardown(self, estimator, context): pass
    def on_fit_task_begin(self, estimator, context): pass
    def on_fit_task_end(self, estimator, context): pass
    def on_step_end(self, estimator, context, step):
        os.pwrite(self.descriptor, step.index.to_bytes(8, "little"), 0)

X = np.random.default_rng(0).standard_normal((60, 4))
y = X[:, 0] > 0
for number in range(n_kills):
    progress = os.open(os.path.join(folder, f"progress {number}"), os.O_RDWR | os.O_CREAT)
    child = os.fork()
    if not child:
        recorder = TraceRecorder("all", path=os.path.join(folder, f"trace {number}"))
        model = BackpropMLPClassifier((5,), batch_size=16, max_iter=10**6, random_state=0)
        model.set_params(n_iter_no_change=np.inf)
        model.set_callbacks(recorder, Progress(progress)).fit(X, y)
        os._exit(1)
    while not os.pread(progress, 8, 0):
        time.sleep(1e-4)
    time.sleep(random.uniform(0, 0.1))
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    os.close(progress)
"""


def uninterrupted(n_epochs):
    X = np.random.default_rng(0).standard_normal((60, 4))
    recorder = TraceRecorder("all")
    model = BackpropMLPClassifier(
        (5,), batch_size=16, max_iter=n_epochs, n_iter_no_change=np.inf, random_state=0
    )
    model.set_callbacks(recorder).fit(X, X[:, 0] > 0)
    return recorder.trace_


@pytest.mark.parametrize("n_kills", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_finished_chunks_of_a_killed_training_are_right(tmp_path, n_kills):
    command = [
        sys.executable,
        "-c",
        PROGRAM,
        str(tmp_path),
        str(n_kills),
        str(n_kills),
        str(CHUNK_ROWS),
    ]
    subprocess.run(command, check=True, timeout=300)
    counts, done = [], []
    for number in range(n_kills):
        done.append(int.from_bytes((tmp_path / f"progress {number}").read_bytes(), "little"))
        counts.append(len(Trace.open(tmp_path / f"trace {number}")))
    if n_kills > 10:
        assert any(count % CHUNK_ROWS for count in counts)  # a chunk was on its way
    assert max(counts) > 2 * CHUNK_ROWS
    whole = uninterrupted(max(counts) // 4 + 1)
    names = (
        "params",
        "updates",
        "gradients",
        "targets",
        "outputs",
        "losses",
        "indices",
        "epochs",
        "n_patterns",
    )
    expected = {name: getattr(whole, name) for name in names}
    for number, (count, n_done) in enumerate(zip(counts, done, strict=True)):
        assert n_done - CHUNK_ROWS <= count <= n_done + 1
        trace = Trace.open(tmp_path / f"trace {number}")
        if count:
            for name in names:
                assert getattr(trace, name).tobytes() == expected[name][:count].tobytes(), name
            np.testing.assert_array_equal(trace.deltas[0], whole.deltas[0][:count])


def test_recording_goes_on_beside_what_a_killed_training_left(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), "1", "3", str(CHUNK_ROWS)]
    subprocess.run(command, check=True, timeout=60)
    path = tmp_path / "trace 0"
    killed = Trace.open(path)
    X = np.random.default_rng(0).standard_normal((60, 4))
    recorder = TraceRecorder(path=path)
    BackpropMLPClassifier((2,), max_iter=3, n_iter_no_change=np.inf).set_callbacks(recorder).fit(
        X, X[:, 0] > 0
    )
    assert len(recorder.trace_) == len(killed) + 3


@pytest.fixture
def unfinished(tmp_path, monkeypatch):
    """Return the path of a chunk of four pieces, as a kill leaves it, and the whole trace."""
    monkeypatch.setattr(chunk_buffer, "CHUNK_STEPS", CHUNK_ROWS)
    X = np.random.default_rng(0).standard_normal((60, 4))
    recorder, memory = TraceRecorder("all", path=tmp_path), TraceRecorder("all")
    model = BackpropMLPClassifier(
        (5,), batch_size=5, max_iter=1, n_iter_no_change=np.inf, random_state=0
    )
    model.set_callbacks(recorder, memory).fit(X, X[:, 0] > 0)
    (folder,) = tmp_path.iterdir()
    for number in (1, 2):
        (folder / f"{number:08d}{CHUNK_SUFFIX}").rename(folder / f"{number:08d}{UNFINISHED_SUFFIX}")
    return folder, memory.trace_


def wipe_checksums(path, first_piece):
    """Check that a piece without its checksums does not count."""
    data = path.read_bytes()
    table, _, body = take_apart(data)
    start = len(data) - len(body) + table["checksums"]["data_offsets"][0]
    n_bytes = 8 * table["checksums"]["shape"][1]
    with open(path, "r+b") as file:
        file.seek(start + first_piece * n_bytes)
        file.write(bytes(n_bytes * (table["checksums"]["shape"][0] - first_piece)))


@pytest.mark.parametrize("n_pieces", range(5))
def test_the_pieces_of_an_unfinished_chunk_are_read(unfinished, n_pieces):
    folder, whole = unfinished
    last = folder / f"00000002{UNFINISHED_SUFFIX}"
    wipe_checksums(last, n_pieces)
    trace = Trace.open(folder.parent)
    last.unlink()  # what is unfinished may get its name, so it is in memory
    assert_same(trace, whole[: 2 * CHUNK_ROWS + n_pieces])
    assert_same(trace[[9 if n_pieces > 1 else 2, 1]], whole[[9 if n_pieces > 1 else 2, 1]])


def test_an_unfinished_chunk_ends_a_run_whatever_is_wrong_with_it(unfinished):
    """Check a file of which bytes are missing, as after a power failure."""
    folder, whole = unfinished
    first, second = (folder / f"0000000{number}{UNFINISHED_SUFFIX}" for number in (1, 2))
    data = first.read_bytes()
    refused = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        first.write_bytes(DAMAGES[seed % len(DAMAGES)](data, rng))
        trace = Trace.open(folder.parent)
        refused += len(trace) < len(whole)
        assert_same(trace, whole[: len(trace)])
    assert refused > 90
    second.rename(first)  # of later steps
    assert len(Trace.open(folder.parent)) == CHUNK_ROWS
    first.unlink()
    os.mkfifo(first)
    assert len(Trace.open(folder.parent)) == CHUNK_ROWS


def test_a_chunk_that_is_finished_while_the_run_is_opened_is_read(unfinished, monkeypatch):
    folder, whole = unfinished
    real = folders.read_unfinished_chunk

    def overtaken(path):
        if path.exists():
            path.rename(path.with_suffix(CHUNK_SUFFIX))
        return real(path)

    monkeypatch.setattr(folders, "read_unfinished_chunk", overtaken)
    assert_same(Trace.open(folder.parent), whole)


def test_a_run_that_was_killed_in_its_first_chunk_is_there(unfinished):
    folder, whole = unfinished
    (folder / f"00000000{CHUNK_SUFFIX}").rename(folder / f"00000000{UNFINISHED_SUFFIX}")
    wipe_checksums(folder / f"00000000{UNFINISHED_SUFFIX}", 3)
    assert_same(Trace.open(folder.parent), whole[:3])

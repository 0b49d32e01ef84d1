"""A training that is killed while it is recorded."""

import os
import subprocess
import sys

import numpy as np
import pytest

from sklearn_metabp import BackpropMLPClassifier, Trace, TraceRecorder
from sklearn_metabp.tracing import run_writer
from sklearn_metabp.tracing.run_writer import CHUNK_SUFFIX

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")

CHUNK_ROWS = 4

# Every child trains, and notes how many steps it has taken; it is killed some time after the first.
PROGRAM = """
import os, random, signal, sys, time
import numpy as np
from sklearn_metabp import BackpropMLPClassifier, TraceRecorder
from sklearn_metabp.tracing import run_writer

folder, n_kills, seed, chunk_rows = sys.argv[1], *map(int, sys.argv[2:])
run_writer.CHUNK_STEPS = chunk_rows
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
        model.set_params(n_iter_no_change=np.inf).set_callbacks(recorder, Progress(progress)).fit(X, y)
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
def test_what_was_finished_is_there_and_is_right(tmp_path, n_kills):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(n_kills), str(n_kills), str(CHUNK_ROWS)]
    subprocess.run(command, check=True, timeout=300)
    counts, done = [], []
    for number in range(n_kills):
        done.append(int.from_bytes((tmp_path / f"progress {number}").read_bytes(), "little"))
        counts.append(len(Trace.open(tmp_path / f"trace {number}")))
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
        assert count % CHUNK_ROWS == 0
        assert count <= n_done + 1
        # The chunk that is filled and the one that is on its way to the disk.
        assert count > n_done - 2 * CHUNK_ROWS
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


@pytest.mark.parametrize("n_steps", [0, 1, 3, 4, 5, 8, 9])
def test_a_chunk_that_never_got_its_name_is_lost_alone(tmp_path, monkeypatch, n_steps):
    """As if the power had failed between writing and renaming, at each boundary of chunks."""
    monkeypatch.setattr(run_writer, "CHUNK_STEPS", CHUNK_ROWS)
    X = np.random.default_rng(0).standard_normal((60, 4))
    recorder = TraceRecorder(path=tmp_path, max_steps=n_steps + 1)
    model = BackpropMLPClassifier((5,), batch_size=6, max_iter=1, n_iter_no_change=np.inf, random_state=0)
    model.set_callbacks(recorder).fit(X, X[:, 0] > 0)
    (folder,) = tmp_path.iterdir()
    last = max(folder.iterdir())
    last.rename(folder / f".{last.name.removesuffix(CHUNK_SUFFIX)}.tmp")
    assert len(Trace.open(tmp_path)) == n_steps // CHUNK_ROWS * CHUNK_ROWS

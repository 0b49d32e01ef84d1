"""Recorders and loggers collect what happens in the workers of a search, on any backend."""

import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from helpers.data import numbers

from sklearn_metabp import BackpropMLPRegressor, HistoryLogger, Trace, TraceRecorder
from sklearn_metabp.tracing import channel, collector

FIXED = {"n_iter_no_change": np.inf, "max_iter": 3, "random_state": 0}

# The rule is one of the main script, which workers of joblib know by value alone.
PROGRAM = """
import json, pickle, sys, warnings
import joblib
import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn_metabp import (
    SGD, BackpropMLPRegressor, EarlyStopping, HistoryLogger, TraceRecorder, UpdateRule
)

class Mine(UpdateRule):
    def __init__(self, learning_rate=0.1):
        self.learning_rate = learning_rate
    def init_state(self, layout):
        return {}
    def compute_update(self, step, state):
        return -self.learning_rate * step.gradients

class MineAgain(Mine):
    replayable = True

def parts(model, X, y):
    for _ in range(3):
        model.partial_fit(X, y)
    return model

if __name__ == "__main__":
    warnings.simplefilter("error")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4))
    y = X[:, 0]
    found = {}
    for backend, n_jobs in (("threading", 1), ("threading", 2), (sys.argv[1], 2)):
        history, recorder = HistoryLogger(), TraceRecorder("all")
        copied = TraceRecorder(every=2, max_steps=3)
        model = BackpropMLPRegressor(
            (3,), batch_size=16, max_iter=9, n_iter_no_change=np.inf, random_state=0
        )
        stopping = EarlyStopping("loss", patience=3, restore_best=False)
        model.set_callbacks(history, recorder, copied, stopping)
        with joblib.parallel_config(backend, n_jobs=n_jobs):
            rules = {"update_rule": [SGD(0.1), Mine(), MineAgain()]}
            search = GridSearchCV(model, rules, cv=2, error_score="raise").fit(X, y)
            others = HistoryLogger(), TraceRecorder()
            again = clone(model).set_callbacks(*others)
            several = cross_validate(again, X, y, cv=2, return_estimator=True)["estimator"]
            (going_on,) = joblib.Parallel()([joblib.delayed(parts)(model, X, y)])
        assert [model._skl_callbacks for model in several] == [list(others)] * 2, backend
        assert len(others[0].history_) == 18 and len(others[1].trace_.layouts) == 2
        rows = [
            {k: v for k, v in row.items() if k != "seconds" and v == v} for row in history.history_
        ]
        trace = recorder.trace_
        names = "params", "updates", "gradients", "outputs"
        sums = [float(np.abs(getattr(trace, name)).sum()) for name in names]
        found[f"{backend} {n_jobs}"] = {
            "rows": [row for row in rows if row["outer_fit"] == 0],
            "n_rows": len(rows),
            "tasks": trace.tasks,
            "losses": trace.run(3).losses.tolist(),
            "sums": sums,
            "runs": np.bincount(trace.runs).tolist(),
            "copied": copied.trace_.updates.tolist(),
            "going on": trace.run(len(trace.layouts) - 1).indices.tolist(),
            "is_whole": [run.is_whole for run in copied.trace_.recorded],
        }
        pickle.dumps(recorder)
    print(json.dumps(found), flush=True)
"""


def outcome(backend, tmp_path):
    """Return the output of the program; joblib's pool stalls now and then, and is tried twice."""
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    for last in (False, True):
        try:
            done = subprocess.run(
                [sys.executable, script, backend],
                capture_output=True,
                text=True,
                timeout=100,
                check=False,
            )
        except subprocess.TimeoutExpired:
            if last:
                raise
        else:
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)
    return None


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_a_search_in_worker_processes_gives_the_history_and_the_trace_of_one_without(
    backend, tmp_path
):
    found = outcome(backend, tmp_path)
    one, threads, processes = found.values()
    assert threads == one
    assert processes == one
    rows = one["rows"]
    assert [row["run"] for row in rows if row["epoch"] == 1] == list(range(7))
    paths = ["fit/search/candidate-split-evaluation"] * 6 + ["fit/refit-with-best-params"]
    assert [row["task_path"] for row in rows if row["epoch"] == 1] == paths
    ids = [[0, 0, number] for number in range(6)] + [[0, 1]]
    assert [row["task_id_path"] for row in rows if row["epoch"] == 1] == ids
    assert one["tasks"][:7] == [list(task) for task in zip(paths, ids, strict=True)]
    assert one["tasks"][7] == ["partial_fit", [0]]
    assert one["going on"] == list(range(1, 13))


def test_the_task_of_a_run_is_in_its_files(tmp_path):
    X, y = numbers()
    memory, disk = TraceRecorder(), TraceRecorder(path=tmp_path / "disk")
    BackpropMLPRegressor((3,), **FIXED).set_callbacks(memory, disk).fit(X, y)
    memory.trace_.save(tmp_path / "saved")
    assert memory.trace_.tasks == [("fit", (0,))]
    assert (
        Trace.open(tmp_path / "saved").tasks
        == Trace.open(tmp_path / "disk").tasks
        == memory.trace_.tasks
    )


@pytest.fixture
def in_a_worker(monkeypatch):
    """Unpickle here as a worker does, which works for a process that cannot be reached."""
    monkeypatch.setattr(collector.multiprocessing, "parent_process", lambda: "somebody")
    monkeypatch.setattr(collector, "works_for", lambda address: False)


@pytest.mark.parametrize("kind", [HistoryLogger, TraceRecorder])
def test_a_copy_without_its_original_warns_once_and_collects_by_itself(kind, in_a_worker):
    X, y = numbers()
    callback = kind()
    state = pickle.dumps(callback)
    del callback  # the address leads nowhere
    model = BackpropMLPRegressor((3,), **FIXED).set_callbacks(pickle.loads(state))
    with pytest.warns(
        UserWarning, match=f"This {kind.__name__} was copied to the worker process {os.getpid()}"
    ):
        model.fit(X, y)
    model.fit(X, y)
    assert "2 runs" in repr(model._skl_callbacks[0])


def _fit_and_tell(model, queue):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model.fit(*numbers())
    queue.put([str(warning.message)[:20] for warning in told])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forks beside threads
@pytest.mark.parametrize("pickled_before", [False, True])
def test_a_recorder_copied_by_a_fork_sends_to_its_original(pickled_before):
    recorder = TraceRecorder()
    model = BackpropMLPRegressor((3,), **FIXED).set_callbacks(recorder)
    if pickled_before:
        pickle.dumps(recorder)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=_fit_and_tell, args=(model, queue))
    process.start()
    told = queue.get(timeout=60)
    process.join(60)
    assert told == ([] if pickled_before else ["This TraceRecorder was"[:20]])
    assert ("1 run" in repr(recorder)) == pickled_before


def test_a_message_that_cannot_be_taken_in_is_an_error_where_it_was_sent(monkeypatch):
    """Check a message that is sent over the socket to this process itself."""

    class Fails:
        def receive(self, message):
            raise KeyError(message)

    recipient = Fails()
    address = channel.new_address(recipient)
    monkeypatch.setattr(channel, "recipient_at", lambda address: None)
    monkeypatch.setattr(channel.multiprocessing, "parent_process", lambda: "somebody")
    assert channel.works_for(address)
    with pytest.raises(ConnectionError, match=r"is lost: .* could not take it .*KeyError: 'x'"):
        channel.send(address, "x")


def test_a_key_is_needed_to_send(monkeypatch):
    recipient = HistoryLogger()
    address = channel.new_address(recipient)
    monkeypatch.setattr(channel, "recipient_at", lambda address: None)
    monkeypatch.setattr(channel.multiprocessing, "parent_process", lambda: "somebody")
    monkeypatch.setattr(channel._here, "connections", {})
    forged = address._replace(key=b"0" * 32)
    assert not channel.works_for(forged)
    with pytest.raises(ConnectionError, match="cannot be reached"):
        channel.send(forged, [])
    assert channel.works_for(address)  # it still listens

"""The next save removes the leftovers of killed saves, but no file that is being written."""

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from helpers.traces import model

from sklearn_metabp import LearnedUpdateRule, Trace, TraceRecorder, load_rule
from sklearn_metabp.tracing import file_writer, leftovers
from sklearn_metabp.tracing.file_writer import write_file

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")


@pytest.fixture(scope="module")
def trace():
    X = np.random.default_rng(0).standard_normal((60, 4))
    recorder = TraceRecorder()
    model(max_iter=10).set_callbacks(recorder).fit(X, X[:, 0] > 0)
    return recorder.trace_


@pytest.fixture(scope="module")
def rule(trace):
    return LearnedUpdateRule(random_state=0).fit(trace)


def killed_while(write, monkeypatch, where):
    """Fork, and kill the child when it calls a function; it leaves what a kill there leaves."""
    child = os.fork()
    if not child:
        monkeypatch.setattr(*where, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        write()
        os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


@pytest.mark.parametrize(
    "where", [(file_writer, "checksum"), (os, "fsync"), (os, "replace")], ids=lambda w: w[1]
)
def test_the_next_save_of_a_rule_removes_what_a_killed_one_left(tmp_path, rule, monkeypatch, where):
    path = tmp_path / "rule.safetensors"
    for _ in range(3):
        killed_while(lambda: rule.save(path), monkeypatch, where)
    assert len(os.listdir(tmp_path)) == 1  # each removed what the one before had left
    (tmp_path / ".rule.safetensors.notes.tmp").write_text("mine")
    (tmp_path / f".other.{'0' * 32}.tmp").write_text("of another file")
    rule.save(path)
    assert sorted(os.listdir(tmp_path)) == [
        f".other.{'0' * 32}.tmp",
        ".rule.safetensors.notes.tmp",
        "rule.safetensors",
    ]
    load_rule(path)


@pytest.mark.parametrize("where", [(os, "fsync"), (os, "rename")], ids=lambda w: w[1])
def test_the_next_save_of_a_trace_removes_what_a_killed_one_left(
    tmp_path, trace, monkeypatch, where
):
    for _ in range(2):
        killed_while(lambda: trace.save(tmp_path / "trace"), monkeypatch, where)
    assert len(os.listdir(tmp_path)) == 1
    trace.save(tmp_path / "trace")
    assert os.listdir(tmp_path) == ["trace"]
    np.testing.assert_array_equal(Trace.open(tmp_path / "trace").params, trace.params)


def test_recording_into_a_directory_removes_what_killed_trainings_left(tmp_path, monkeypatch):
    X = np.random.default_rng(0).standard_normal((60, 4))

    def record():
        model(max_iter=2).set_callbacks(TraceRecorder(path=tmp_path)).fit(X, X[:, 0] > 0)

    killed_while(record, monkeypatch, (os, "fsync"))
    (run,) = tmp_path.iterdir()
    assert len(os.listdir(run)) == 1
    record()
    assert os.listdir(run) == []
    assert len(Trace.open(tmp_path)) == 8


def test_files_that_another_process_is_writing_are_not_removed(tmp_path, rule, monkeypatch):
    """Check a file of another process that is written but not renamed yet."""
    path = tmp_path / "rule.safetensors"
    (told, tell), (may_go_on, go_on), real = os.pipe(), os.pipe(), os.replace

    def wait_and_replace(*names):
        os.write(tell, b"x")
        os.read(may_go_on, 1)
        real(*names)

    child = os.fork()
    if not child:
        monkeypatch.setattr(os, "replace", wait_and_replace)
        rule.save(path)
        os._exit(0)
    os.read(told, 1)
    rule.save(path)
    assert len(os.listdir(tmp_path)) == 2
    os.write(go_on, b"x")
    assert os.waitpid(child, 0)[1] == 0
    assert os.listdir(tmp_path) == ["rule.safetensors"]


def test_threads_that_save_one_rule_do_not_disturb_each_other(tmp_path, rule):
    path, faults = tmp_path / "rule.safetensors", []

    def save():
        try:
            for _ in range(20):
                rule.save(path)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=save) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert os.listdir(tmp_path) == ["rule.safetensors"]


@pytest.mark.parametrize(
    "name", ["x" * 255, "ü" * 127, "x" * 200 + ".safetensors"], ids=["255", "two bytes", "200"]
)
def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path, rule, trace, name):
    rule.save(tmp_path / name)
    np.testing.assert_array_equal(
        load_rule(tmp_path / name).fitted_scope_.mlp.params, rule.fitted_scope_.mlp.params
    )
    (tmp_path / "traces").mkdir()
    trace.save(tmp_path / "traces" / name)
    assert len(Trace.open(tmp_path / "traces" / name)) == len(trace)
    assert len(os.listdir(tmp_path)) == 2


def test_names_that_begin_alike_have_leftovers_of_their_own(tmp_path):
    one, other = (tmp_path / ("x" * 240 + end) for end in "ab")
    left = leftovers.temporary_path(one)
    left.write_text("left")
    write_file(other, "kind", {}, {"a": np.zeros(3)})
    assert left.exists()
    write_file(one, "kind", {}, {"a": np.zeros(3)})
    assert not left.exists()


def test_a_place_without_locks_keeps_everything(tmp_path, monkeypatch):
    path = tmp_path / "file"
    left = leftovers.temporary_path(path)
    left.write_text("left")

    def no_locks(*_):
        raise OSError("no locks")

    monkeypatch.setattr(leftovers.fcntl, "flock", no_locks)
    write_file(path, "kind", {}, {"a": np.zeros(3)})
    assert left.exists()
    assert path.exists()


KILLS = """
import os, random, signal, sys, time
import numpy as np
from sklearn_metabp.tracing.file_writer import write_file
from pathlib import Path
path, n_kills = Path(sys.argv[1]) / "file", int(sys.argv[2])
random.seed(n_kills)
arrays = {"a": np.zeros(200_000)}
for number in range(n_kills):
    child = os.fork()
    if not child:
        while True:
            write_file(path, "kind", {}, arrays)
    time.sleep(random.uniform(0.002, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(os.listdir(path.parent)) <= 2, os.listdir(path.parent)
write_file(path, "kind", {}, arrays)
assert os.listdir(path.parent) == ["file"]
"""


@pytest.mark.parametrize("n_kills", [30, pytest.param(300, marks=pytest.mark.slow)])
def test_whenever_a_save_is_killed_the_next_one_tidies_up(tmp_path, n_kills):
    subprocess.run(
        [sys.executable, "-c", KILLS, str(tmp_path), str(n_kills)], check=True, timeout=100
    )

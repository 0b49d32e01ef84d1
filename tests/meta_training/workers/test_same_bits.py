"""Searches, pools, aggregation and comparisons: the same bits on every backend."""

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec

import joblib
import numpy as np
import pytest
from helpers.clusters import CLUSTERS, STARTS, needs_dask
from helpers.jobs import LossAndDeath
from sklearn.linear_model import Ridge

from sklearn_metabp import SGD, Adam, BackpropMLPRegressor, LearnedUpdateRule, Trace
from sklearn_metabp.meta_training import (
    ClusterLostError,
    CMASearch,
    EvolutionSearch,
    LostJobError,
    SyntheticTasks,
    Task,
    aggregate,
    compare_rules,
    record_pool,
)
from sklearn_metabp.meta_training.workers import run
from sklearn_metabp.meta_training.workers.jobs import DIED, Workers

needs_cma = pytest.mark.skipif(find_spec("cma") is None, reason="pycma is not installed")
pytestmark = pytest.mark.filterwarnings("default")

X = np.linspace(-1, 1, 40).reshape(20, 2)
Y = X[:, 0] * X[:, 1]
NETWORK = BackpropMLPRegressor((3,), max_iter=3, batch_size=10, n_iter_no_change=np.inf)
TASKS = [Task(NETWORK, factor * X, Y, X[:5], Y[:5]) for factor in (1, 2)]
RULES = [SGD(0.1), Adam(0.01)]
SIZES = {EvolutionSearch: {"n_pairs": 4}, CMASearch: {"n_tasks": 3, "population_size": 4}}


def search(kind=EvolutionSearch, **params):
    rule = LearnedUpdateRule(BackpropMLPRegressor((4,), "tanh"), random_state=0)
    rule = rule.initialize(normalizer="1", scale=0.01)
    tasks = SyntheticTasks(1, horizon=(8, 20))
    defaults = {"objective": "fit", "n_iterations": 3, "random_state": 5}
    return kind(rule, tasks, **defaults | SIZES[kind] | params)


def imitation():
    rule = LearnedUpdateRule(Ridge(), scope="network", random_state=0)
    aggregated = aggregate(rule, RULES, TASKS[:1], n_rounds=1, n_starts=3, random_state=0)
    return aggregated.learner_.coef_


@pytest.fixture(scope="module", params=CLUSTERS)
def cluster(request):
    with STARTS[request.param]():
        yield


@contextmanager
def one_process():
    with joblib.parallel_config("sequential"):
        yield


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        pytest.param(EvolutionSearch, {}, id="whole"),
        pytest.param(EvolutionSearch, {"truncation": 5}, id="truncated"),
        pytest.param(CMASearch, {}, id="cma", marks=needs_cma),
    ],
)
def test_a_search_has_the_same_bits(cluster, kind, params):
    with one_process():
        expected = search(kind, **params).fit()
    np.testing.assert_array_equal(search(kind, **params).fit().meta_params_, expected.meta_params_)


class DyingWorkers(Workers):
    """Workers that die of every job."""

    n_tries_alone = 1

    def run(self, jobs, timeout):
        yield from ((number, DIED) for number, _ in jobs)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        pytest.param(lambda: search().fit(), "trial 0 of iteration 1, on task 0,", id="whole"),
        pytest.param(
            lambda: search(truncation=5).fit(), "trial 0 of iteration 1, on task 0,", id="truncated"
        ),
        pytest.param(
            lambda: search(CMASearch).fit(),
            "trial 0 of iteration 1, on task 0,",
            id="cma",
            marks=needs_cma,
        ),
        pytest.param(
            lambda: record_pool(TASKS, RULES),
            "the training of task 0 from start 0 by SGD",
            id="pool",
        ),
        pytest.param(imitation, "the training of task 0 from start 0 by SGD", id="imitation"),
        pytest.param(
            lambda: compare_rules({"SGD": SGD(0.1)}, TASKS),
            "the comparison on task 0 from start 0",
            id="comparison",
        ),
    ],
)
def test_a_job_that_always_dies_is_named(monkeypatch, call, name):
    monkeypatch.setattr(run, "_find_workers", lambda n_jobs: DyingWorkers())
    with pytest.raises(LostJobError, match=f"^{name}.* was given up"):
        call()


def test_a_search_whose_worker_is_killed_has_the_same_bits(cluster, tmp_path):
    objective = LossAndDeath(tmp_path / "killed")
    fitted = search(objective=objective).fit()
    assert objective.path.exists()
    with one_process():
        expected = search(objective=objective).fit()  # nothing is killed any more
    np.testing.assert_array_equal(fitted.meta_params_, expected.meta_params_)


def test_a_pool_has_the_same_bits_in_memory_and_in_one_directory(cluster, tmp_path):
    with one_process():
        expected = record_pool(TASKS, RULES, n_starts=2, random_state=0)
    for path in (None, tmp_path / "trace"):
        pool = record_pool(TASKS, RULES, n_starts=2, random_state=0, path=path)
        for name in ("tasks", "rules", "starts", "losses"):
            np.testing.assert_array_equal(getattr(pool, name), getattr(expected, name))
        for name in ("params", "updates", "losses"):
            for values, wanted in zip(
                np.atleast_1d(getattr(pool.trace, name)),
                np.atleast_1d(getattr(expected.trace, name)),
                strict=True,
            ):
                np.testing.assert_array_equal(values, wanted)
    assert len(Trace.open(tmp_path / "trace")) == len(expected.trace)


def test_aggregation_has_the_same_bits(cluster):
    with one_process():
        expected = imitation()
    np.testing.assert_array_equal(imitation(), expected)


def test_a_comparison_has_the_same_numbers(cluster):
    def compare():
        table = compare_rules({"SGD": SGD(0.1)}, TASKS, tuned={"Adam": RULES}, random_state=0)
        return [vars(one) | {"seconds": 0, "training_seconds": 0} for one in table.trainings]

    with one_process():
        expected = compare()
    assert str(compare()) == str(expected)  # NaN equals NaN


@contextmanager
def dask_processes(port):
    """Yield a scheduler's process, with one worker, in processes of their own."""
    address = f"tcp://127.0.0.1:{port}"
    run = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard"]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    started = [
        subprocess.Popen(
            [*run, "--host", "127.0.0.1", "--port", str(port)], env=environment, **quiet
        ),
        subprocess.Popen([*worker, "--no-dashboard"], env=environment, **quiet),
    ]
    try:
        yield started[0]
    finally:
        for process in started:
            process.kill()
            process.wait()


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@needs_dask
@pytest.mark.slow
def test_a_search_goes_on_after_a_restart_of_the_scheduler(tmp_path):
    from distributed import Client

    with one_process():
        expected = search().fit()
    port = free_port()
    with dask_processes(port) as scheduler:

        def kill(fitted, row):
            if row["iteration"] == 2:
                scheduler.kill()
                scheduler.wait()

        with Client(f"tcp://127.0.0.1:{port}", timeout=60) as client:
            client.wait_for_workers(1)
            client._timeout = 3  # seconds to try to connect again
            with (
                joblib.parallel_config("dask"),
                pytest.raises(ClusterLostError, match="checkpoint"),
            ):
                search(checkpoint=tmp_path, callback=kill).fit()
    with (
        dask_processes(port),
        Client(f"tcp://127.0.0.1:{port}", timeout=60) as client,
        joblib.parallel_config("dask"),
    ):
        client.wait_for_workers(1)
        rows = []
        resumed = search(checkpoint=tmp_path, callback=lambda _, row: rows.append(row)).fit()
    assert [row["iteration"] for row in rows] == [3]
    np.testing.assert_array_equal(resumed.meta_params_, expected.meta_params_)

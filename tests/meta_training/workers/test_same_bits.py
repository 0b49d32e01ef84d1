"""Searches, pools, aggregation and comparisons: the same bits on every backend."""

import os
import socket
import subprocess
import sys
from contextlib import contextmanager

import joblib
import numpy as np
import pytest
from helpers.clusters import CLUSTERS, STARTS, needs_dask
from helpers.jobs import LossAndDeath
from sklearn.linear_model import Ridge

from sklearn_metabp import SGD, Adam, BackpropMLPRegressor, LearnedUpdateRule, Trace
from sklearn_metabp.meta_training import (
    ClusterLostError,
    EvolutionSearch,
    SyntheticTasks,
    Task,
    aggregate,
    compare_rules,
    record_pool,
)

pytestmark = pytest.mark.filterwarnings("default")

X = np.linspace(-1, 1, 40).reshape(20, 2)
Y = X[:, 0] * X[:, 1]
NETWORK = BackpropMLPRegressor((3,), max_iter=3, batch_size=10, n_iter_no_change=np.inf)
TASKS = [Task(NETWORK, factor * X, Y, X[:5], Y[:5]) for factor in (1, 2)]
RULES = [SGD(0.1), Adam(0.01)]


def search(**params):
    rule = LearnedUpdateRule(BackpropMLPRegressor((4,), "tanh"), random_state=0)
    rule = rule.initialize(normalizer="1", scale=0.01)
    tasks = SyntheticTasks(1, horizon=(8, 20))
    defaults = {"objective": "fit", "n_iterations": 3, "n_pairs": 4, "random_state": 5}
    return EvolutionSearch(rule, tasks, **defaults | params)


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


def test_a_search_has_the_same_bits(cluster):
    with one_process():
        expected = search().fit()
    np.testing.assert_array_equal(search().fit().meta_params_, expected.meta_params_)


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
        return [vars(one) | {"seconds": 0} for one in table.trainings]

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

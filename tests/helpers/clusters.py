"""A local Dask cluster and a local Ray, where they are installed, as backends of joblib."""

import contextlib
import importlib.util
import os
import sys

import joblib
import pytest

has_dask = importlib.util.find_spec("distributed") is not None
has_ray = importlib.util.find_spec("ray") is not None
needs_dask = pytest.mark.skipif(not has_dask, reason="Dask is not installed")
needs_ray = pytest.mark.skipif(not has_ray, reason="Ray is not installed")

#: Backends whose worker processes may die.
CLUSTERS = [
    pytest.param("loky", id="loky"),
    pytest.param("dask", id="dask", marks=needs_dask),
    pytest.param("ray", id="ray", marks=[needs_ray, pytest.mark.slow]),
]


@contextlib.contextmanager
def dask_cluster(n_workers=2, max_seconds_without=300):
    import dask
    from distributed import Client, LocalCluster

    settings = {
        # On a busy machine a worker takes longer to start again than anybody would wait.
        "distributed.deploy.lost-worker-timeout": "300s",
        # The scheduler repeats a job once by itself, not three times.
        "distributed.scheduler.allowed-failures": 1,
    }
    with (
        dask.config.set(settings),
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
        joblib.parallel_config("dask", wait_for_workers_timeout=max_seconds_without),
    ):
        yield client


@contextlib.contextmanager
def ray_cluster():
    import ray
    from ray.util.joblib import register_ray

    register_ray()
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
        # Its processes do not take over where this one looks for modules.
        runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}},
    )
    try:
        with joblib.parallel_config("ray"):
            yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def loky_processes():
    with joblib.parallel_config("loky", n_jobs=2):
        yield


STARTS = {"loky": loky_processes, "dask": dask_cluster, "ray": ray_cluster}

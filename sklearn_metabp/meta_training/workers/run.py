"""Jobs in order, on the workers that joblib's configuration selects."""

import time
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from joblib.parallel import BACKENDS, get_active_backend

from sklearn_metabp.meta_training.workers.joblib_workers import JoblibWorkers
from sklearn_metabp.meta_training.workers.jobs import Done, Job, Lost, LostJobError, Workers

# Backends of joblib that are served without joblib: joblib's name, our module and class.
_CLUSTERS = {"dask": ("dask_workers", "DaskWorkers"), "ray": ("ray_workers", "RayWorkers")}
# Jobs that start processes before a job runs again, and the longest time that a start may take.
_STARTS = [(number, Job("the start of a process", time.sleep, (0.02,))) for number in range(16)]
_MAX_START_SECONDS = 120.0


def run_jobs(
    jobs: Sequence[Job], *, n_jobs: int | None = None, timeout: float | None = None
) -> list[Any]:
    """Run jobs on the backend that ``joblib.parallel_config`` has set, and return their results.

    A job whose worker dies, or does not answer within the timeout, runs again, because another job
    at the same time may be the cause. The job counts as lost only if it loses its worker again when
    it runs alone.

    Parameters
    ----------
    jobs : sequence of Job
    n_jobs : int, default=None
        Number of jobs at the same time. None is joblib's: the configured one, or 1 on this machine
        and all workers of a cluster.
    timeout : float, default=None
        Seconds after which a job that was sent to a worker process counts as lost, including the
        time that the process takes to start; None for no limit. Jobs that run in this process, as
        with ``n_jobs=1`` outside a cluster, and in threads have no limit.

    Returns
    -------
    results : list
        Results in the order of the jobs.

    Raises
    ------
    LostJobError
        If a job loses its worker whenever it runs.
    ClusterLostError
        If the cluster cannot be reached any more.
    Exception
        The exception of a job.
    """
    workers = _find_workers(n_jobs)
    results: dict[int, Any] = {}
    pending, suspects = dict(enumerate(jobs)), {}
    while pending:
        for number, end in workers.run(list(pending.items()), timeout):
            job = pending.pop(number)
            match end:
                case Done(value):
                    results[number] = value
                case Lost():
                    suspects[number] = job
    for number, job in suspects.items():
        results[number] = _run_alone(workers, job, timeout)
    return [results[number] for number in range(len(jobs))]


def _run_alone(workers: Workers, job: Job, timeout: float | None) -> Any:
    """Run a job that was lost once more, or several times, and return its result."""
    n_losses, reason = 0, ""
    while n_losses < workers.n_tries_alone:
        if timeout is not None:  # the time to start a process does not count
            for _ in workers.run(_STARTS, _MAX_START_SECONDS):
                pass
        for _, end in workers.run([(0, job)], timeout):
            match end:
                case Done(value):
                    return value
                case Lost(reason):
                    n_losses += 1
    raise LostJobError(
        f"{job.name} was given up, beside other jobs and again when it ran alone: {reason}."
        " Run it in this process, with n_jobs=1 and outside of any parallel_config, to see the "
        "error."
    )


def _find_workers(n_jobs: int | None) -> Workers:
    backend, configured = get_active_backend()
    n_jobs = configured if n_jobs is None else n_jobs
    for name, (module, kind) in _CLUSTERS.items():
        if name in BACKENDS and isinstance(backend, BACKENDS[name]):
            workers = getattr(import_module(f"{__package__}.{module}"), kind)
            return workers(backend, n_jobs)
    return JoblibWorkers(backend, n_jobs)

"""Workers of a Ray cluster, by its tasks."""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayError, RaySystemError, RayTaskError

from sklearn_metabp.meta_training.workers.jobs import (
    DIED,
    ClusterLostError,
    Done,
    Job,
    Lost,
    Workers,
    late,
)
from sklearn_metabp.meta_training.workers.places import count_places


class RayWorkers(Workers):
    """Workers of the cluster that Ray is connected to; a local one is started if there is none.

    Parameters
    ----------
    backend : RayBackend
        The backend of joblib, for its ``ray_remote_args``.
    n_jobs : int or None
        Number of jobs at the same time; None for as many as the cluster runs.
    """

    n_tries_alone = 2

    def __init__(self, backend: Any, n_jobs: int | None):
        self._n_jobs = n_jobs
        # A repetition by Ray would hide which job it was.
        options = (backend.ray_remote_args or {}) | {"max_retries": 0}
        self._run_remotely = ray.remote(**options)(_run)

    def run(
        self, jobs: Sequence[tuple[int, Job]], timeout: float | None
    ) -> Iterator[tuple[int, Done | Lost]]:
        """Run jobs."""
        if not ray.is_initialized():
            ray.init()
        n_places = count_places(self._n_jobs, int(ray.cluster_resources().get("CPU", 0)), timeout)
        waiting = iter(jobs)
        running: dict[Any, tuple[int, float]] = {}
        try:
            while True:
                while len(running) < n_places and (numbered := next(waiting, None)) is not None:
                    number, job = numbered
                    running[self._run_remotely.remote(job)] = number, time.monotonic()
                if not running:
                    return
                task = _next_ended(running, timeout)
                if task is None:
                    task = next(iter(running))
                    number, _ = running.pop(task)
                    ray.cancel(task, force=True)
                    yield number, late(timeout)
                else:
                    number, _ = running.pop(task)
                    yield number, _end_of(task)
        finally:
            with suppress(Exception):  # there may be no cluster to tell
                for task in running:
                    ray.cancel(task, force=True)


def _next_ended(running: dict[Any, tuple[int, float]], timeout: float | None) -> Any:
    """Wait for the next task that ended; None if the oldest is overdue."""
    left = None
    if timeout is not None:
        _, begun = next(iter(running.values()))
        left = max(0.0, begun + timeout - time.monotonic())
    ended, _ = ray.wait(list(running), timeout=left)
    return ended[0] if ended else None


def _run(job: Job) -> Any:
    return job.run()


def _end_of(task: Any) -> Done | Lost:
    try:
        return Done(ray.get(task))
    except RayTaskError as error:
        raise error.cause from error
    except RaySystemError as error:
        raise ClusterLostError(
            f"the Ray cluster cannot be reached any more ({error}). Start it, connect to it by "
            "ray.init, and call again; a search with checkpoint= continues from its last iteration."
        ) from error
    except RayError:
        return DIED

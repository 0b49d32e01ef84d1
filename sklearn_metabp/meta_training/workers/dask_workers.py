"""Workers of a Dask cluster, by futures of its client."""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
from distributed import Client, Future, KilledWorker

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

_POLL_SECONDS = 0.1
_CHECK_SECONDS = 5.0
# A worker that died is started again in this time.
_RESTART_SECONDS = 60.0


class DaskWorkers(Workers):
    """Workers of the cluster that joblib's Dask backend is connected to.

    joblib itself waits for ever for a task that always ends its worker, and ignores ``n_jobs``.

    Parameters
    ----------
    backend : DaskDistributedBackend
        The backend.
    n_jobs : int or None
        Number of jobs at the same time; None for as many as the cluster runs.
    """

    # The scheduler repeats a task several times by itself (distributed.scheduler.allowed-failures).
    n_tries_alone = 1

    def __init__(self, backend: Any, n_jobs: int | None):
        self._n_jobs = n_jobs
        self._client: Client = backend.client
        # A setting of parallel_config("dask"), for clusters that start workers when jobs wait.
        self._most_seconds_without = backend.wait_for_workers_timeout + _RESTART_SECONDS

    def run(
        self, jobs: Sequence[tuple[int, Job]], timeout: float | None
    ) -> Iterator[tuple[int, Done | Lost]]:
        """Run jobs; jobs that the scheduler has forgotten are left out."""
        self._wait_for_scheduler()
        n_places = count_places(self._n_jobs, self._count_threads(), timeout)
        waiting = iter(jobs)
        running: dict[Future, tuple[int, float]] = {}
        ended: SimpleQueue[Future] = SimpleQueue()
        try:
            while True:
                while len(running) < n_places and (numbered := next(waiting, None)) is not None:
                    number, job = numbered
                    future = self._client.submit(job.run, pure=False)
                    running[future] = number, time.monotonic()
                    future.add_done_callback(ended.put)
                if not running:
                    return
                done = self._next_ended(ended, running, timeout)
                if done is None:
                    oldest = next(iter(running))
                    number, _ = running.pop(oldest)
                    self._give_up(oldest)
                    yield number, late(timeout)
                elif done in running:
                    number, _ = running.pop(done)
                    end = _end_of(done, timeout)
                    if end is None:
                        return
                    yield number, end
        finally:
            with suppress(Exception):  # there may be no scheduler to tell
                self._client.cancel(list(running))

    def _next_ended(
        self,
        ended: "SimpleQueue[Future]",
        running: dict[Future, tuple[int, float]],
        timeout: float | None,
    ) -> Future | None:
        """Wait for the next future that ended; None if the oldest is overdue."""
        _, begun = next(iter(running.values()))
        seen = time.monotonic()
        while True:
            left = np.inf if timeout is None else begun + timeout - time.monotonic()
            with suppress(Empty):
                return ended.get(timeout=min(max(left, 0.0), _CHECK_SECONDS))
            if left <= _CHECK_SECONDS:
                return None
            self._wait_for_scheduler()
            if self._count_threads():
                seen = time.monotonic()
            elif time.monotonic() - seen > self._most_seconds_without:
                raise ClusterLostError(
                    f"the Dask cluster has had no worker for {time.monotonic() - seen:.0f} "
                    f"seconds, with {len(running)} jobs to do. Start workers and call again; a "
                    "search with checkpoint= continues from its last iteration. If workers may "
                    "take longer to start, set parallel_config('dask', "
                    "wait_for_workers_timeout=seconds)."
                )

    def _count_threads(self) -> int:
        """Return the number of threads of all workers; 0 if the scheduler does not answer."""
        with suppress(OSError):
            return sum(self._client.nthreads().values())
        return 0

    def _give_up(self, future: Future) -> None:
        """Forget a job, and restart the worker that hangs in it."""
        with suppress(Exception):  # there may be no scheduler, or no nanny to restart the worker
            keys = self._client.processing()
            hanging = [worker for worker, of_worker in keys.items() if future.key in of_worker]
            self._client.cancel([future])
            self._client.restart_workers(hanging, raise_for_error=False)

    def _wait_for_scheduler(self) -> None:
        """Wait while the client, which does so by itself, connects to the scheduler again."""
        while self._client.status == "connecting":
            time.sleep(_POLL_SECONDS)
        if self._client.status != "running":
            raise ClusterLostError(
                "the connection to the Dask scheduler is lost, and the client has ended "
                f"({self._client!r}). Start a scheduler and workers, make a new Client, and call "
                "again; a search with checkpoint= continues from its last iteration."
            )


def _end_of(future: Future, timeout: float | None) -> Done | Lost | None:
    """Return how a job ended; None if the scheduler has forgotten it."""
    if future.cancelled() or future.status == "lost":
        return None
    try:
        return Done(future.result(timeout))
    except KilledWorker:
        return DIED
    except TimeoutError:
        if future.status == "error":  # of the job
            raise
        return late(timeout)

"""Workers of joblib: processes of this machine, threads, or this process itself."""

from collections.abc import Iterator, Sequence
from multiprocessing import TimeoutError as JoblibTimeoutError  # not the built-in one
from typing import Any

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import BrokenProcessPool
from joblib.parallel import BACKENDS

from sklearn_metabp.meta_training.workers.jobs import DIED, Done, Job, Lost, Workers, late


class JoblibWorkers(Workers):
    """Workers of the joblib backend that is set.

    Parameters
    ----------
    backend : ParallelBackendBase
        The backend.
    n_jobs : int or None
        Number of jobs at the same time; None for the default of the backend.
    """

    n_tries_alone = 2

    def __init__(self, backend: Any, n_jobs: int | None):
        self._n_jobs = n_jobs
        # A thread cannot be ended, so no job in one is given up. One job at a time runs in this
        # process, where joblib would warn of a timeout.
        self._has_limit = (
            backend.supports_timeout
            and not isinstance(backend, BACKENDS["threading"])
            and backend.effective_n_jobs(n_jobs) != 1
        )
        self._return_as = "generator_unordered" if backend.supports_return_generator else "list"

    def run(
        self, jobs: Sequence[tuple[int, Job]], timeout: float | None
    ) -> Iterator[tuple[int, Done | Lost]]:
        """Run jobs; if a process dies, all that were begun and have not ended are lost."""
        begun: set[int] = set()

        def begin() -> Iterator[Any]:
            for number, job in jobs:
                begun.add(number)
                yield delayed(_run_numbered)(number, job)

        # Batches and jobs that wait save time, but the limit is that of a single job.
        has_limit = self._has_limit and timeout is not None
        parallel = Parallel(
            n_jobs=self._n_jobs,
            return_as=self._return_as,
            timeout=timeout if has_limit else None,
            batch_size=1 if has_limit else "auto",
            pre_dispatch="n_jobs" if has_limit else "2*n_jobs",
        )
        end = DIED
        try:
            for number, value in parallel(begin()):
                begun.remove(number)
                yield number, Done(value)
        except BrokenProcessPool:
            pass
        except JoblibTimeoutError as error:
            if not has_limit or error.args:  # of a job: joblib's has no arguments
                raise
            end = late(timeout)
        for number in sorted(begun):
            yield number, end


def _run_numbered(number: int, job: Job) -> tuple[int, Any]:
    return number, job.run()

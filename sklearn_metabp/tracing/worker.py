"""A thread that runs jobs one after another."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any


class Worker:
    """A thread and its queue of jobs.

    Handing over a job takes a tenth of the time that it takes with ``concurrent.futures``. Only one
    thread may hand over jobs, and a job must not raise.

    Parameters
    ----------
    name : str
        Name of the thread.
    """

    def __init__(self, name: str):
        self._jobs: SimpleQueue = SimpleQueue()
        self._done: SimpleQueue = SimpleQueue()
        self._n_pending = 0
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Callable[..., None], *args: Any) -> None:
        """Run ``job(*args)`` after all jobs that were submitted before."""
        self._n_pending += 1
        self._jobs.put((job, args))

    def wait_for_fewer_than(self, n_jobs: int) -> None:
        """Wait until fewer than ``n_jobs`` jobs are not done yet."""
        while self._n_pending >= n_jobs:
            self._done.get()
            self._n_pending -= 1

    def finish(self) -> None:
        """Wait until all jobs are done, and end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (submitted := self._jobs.get()) is not None:
            job, args = submitted
            job(*args)
            self._done.put(None)

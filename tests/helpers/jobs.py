"""Functions for worker processes, which import this module: some of them fail in all ways."""

import os
import signal
import time
from pathlib import Path

from sklearn_metabp.meta_training.workers import Job


def square(number):
    time.sleep(0.02)
    return number**2


def raise_error(number):
    if number == 3:
        raise ValueError("three")
    return number


def raise_timeout(number):
    raise TimeoutError("of the job")


def die(number):
    """End the process, always in job 0."""
    if number == 0:
        os._exit(1)
    return square(number)


def hang(number):
    """Do not return from job 0."""
    if number == 0:
        time.sleep(1000)
    return square(number)


def signal_once(number, name, path):
    """Send a signal to the own process, once, in job 3."""
    if number == 3 and not (path := Path(path)).exists():
        path.touch()
        os.kill(os.getpid(), getattr(signal, name))
    return square(number)


def span(number):
    began = time.time()
    time.sleep(0.1)
    return began, time.time()


def jobs_of(function, n, *args):
    return [Job(f"job {number}", function, (number, *args)) for number in range(n)]


class LossAndDeath:
    """An objective, the final loss, that kills its process the first time."""

    def __init__(self, path):
        self.path = path

    def __call__(self, record):
        if not self.path.exists():
            self.path.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return min(record.loss, 10.0)

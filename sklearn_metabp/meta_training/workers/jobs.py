"""A job, the ways in which it ends, and the contract of the workers that run it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any


class LostJobError(RuntimeError):
    """An error about a job that ends its worker process, or does not end, whenever it runs."""


class ClusterLostError(ConnectionError):
    """An error about a cluster that cannot be reached any more."""


@dataclass(frozen=True)
class Job:
    """A call of a function in any process.

    A job contains all its inputs, so it can be repeated with the same result.

    Attributes
    ----------
    name : str
        Name of the job, for errors.
    function : callable
        It must pickle, and so must its arguments and its result.
    args : tuple
    """

    name: str
    function: Callable[..., Any]
    args: tuple = ()

    def run(self) -> Any:
        """Call the function."""
        return self.function(*self.args)


@dataclass(frozen=True)
class Done:
    """The end of a job that returned."""

    value: Any


@dataclass(frozen=True)
class Lost:
    """The end of a job whose worker died or did not answer.

    The job need not be the cause, if the worker had other jobs at the same time.
    """

    reason: str


#: The end of a job whose worker process ended.
DIED = Lost("its worker process ended before the job did, by a crash or by the system")


def late(timeout: float | None) -> Lost:
    """Return the end of a job that took longer than a timeout."""
    return Lost(f"it did not end within {timeout:g} seconds")


class Workers(ABC):
    """A set of processes that run jobs."""

    #: Number of losses after which a job that runs alone is the cause.
    n_tries_alone: int

    @abstractmethod
    def run(
        self, jobs: Sequence[tuple[int, Job]], timeout: float | None
    ) -> Iterator[tuple[int, Done | Lost]]:
        """Run numbered jobs, and yield how they ended, in any order.

        The iterator may end before all jobs have been begun, if the workers were lost. Jobs without
        a result can be run again.

        Parameters
        ----------
        jobs : sequence of tuple (int, Job)
        timeout : float or None
            Seconds after which a job that was sent to a worker counts as lost; None for no limit.

        Raises
        ------
        ClusterLostError
            If there is no cluster any more to run jobs on.
        Exception
            The exception of a job.
        """

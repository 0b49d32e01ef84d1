"""Families of tasks: tasks by index, for meta-training."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from sklearn_metabp.callbacks.base import check_count
from sklearn_metabp.meta_training.tasks import Task, as_tasks


class Tasks(ABC):
    """Tasks by index, as a search takes them; base of ``SyntheticTasks`` and ``TaskFamily``."""

    @abstractmethod
    def __getitem__(self, index: Any) -> Any:
        """Return the task of an index, the same for the same index."""

    @abstractmethod
    def maker(self, index: int) -> Callable[[], Task]:
        """Return a function without arguments that makes the task, in this or another process."""


class TaskFamily(Tasks):
    """Tasks that a user defines: a function of an index, or a list.

    Parameters
    ----------
    source : callable or list of Task or of tuple (estimator, X, y) or \
            (estimator, X, y, X_val, y_val)
        A function is called as ``source(index)`` and returns a task or such a tuple. It must return
        the same for the same index, and for ``n_jobs`` other than 1 it must pickle. A list is
        repeated without end: ``family[index]`` is the task of number ``index % len(list)``.

    Raises
    ------
    ValueError
        If a task of the list is not valid, or the list is empty.

    See Also
    --------
    SyntheticTasks : An unlimited number of tasks of many kinds.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp import BackpropMLPRegressor
    >>> from sklearn_metabp.meta_training import TaskFamily
    >>> def shop(index):
    ...     rng = np.random.default_rng(index)
    ...     X = rng.uniform(-1, 1, (60, 2))
    ...     y = np.sin(3 * X[:, 0] + rng.uniform(0, 6)) * X[:, 1]
    ...     return BackpropMLPRegressor((8,), max_iter=20), X[:40], y[:40], X[40:], y[40:]
    >>> TaskFamily(shop)[5].X.shape
    (40, 2)
    >>> family = TaskFamily([shop(0), shop(1)])
    >>> family[0] == family[2] != family[1]
    True
    """

    def __init__(self, source: Callable[[int], Any] | Iterable[Any]):
        self._function = source if callable(source) else None
        self._list = [] if callable(source) else as_tasks(source)

    def __repr__(self) -> str:
        what = f"{len(self._list)} tasks" if self._function is None else repr(self._function)
        return f"TaskFamily({what})"

    def __getitem__(self, index: int) -> Task:
        return self.maker(index)()

    def maker(self, index: int) -> Callable[[], Task]:
        """Return a function without arguments that makes a task, for another process to call.

        The function of a list holds one task, and not the list.

        Parameters
        ----------
        index : int
            From 0.
        """
        index = check_count("index", index, 0)
        if self._function is None:
            return partial(_return, self._list[index % len(self._list)])
        return partial(_make, self._function, index)


def as_family(tasks: Any) -> Tasks:
    """Convert the argument ``tasks`` to tasks by index."""
    return tasks if isinstance(tasks, Tasks) else TaskFamily(tasks)


def _return(task: Task) -> Task:
    return task


def _make(function: Callable[[int], Any], index: int) -> Task:
    return as_tasks([function(index)])[0]

"""The place of a training among the tasks of the fit that it belongs to."""

from numbers import Integral
from typing import Any, NamedTuple


class Task(NamedTuple):
    """Place of a training among the tasks of a search, a pipeline or another estimator.

    Attributes
    ----------
    path : str
        Names of the tasks, from the outermost fit to the training. It is ``"fit"`` if the
        training is the outermost fit itself, and ``"fit/search/candidate-split-evaluation"`` in a
        grid search.
    ids : tuple of int
        Number of each task within its parent. In a grid search the last number is
        ``candidate * n_splits + split``.
    """

    path: str
    ids: tuple[int, ...]


def task_of(context: Any) -> Task:
    """Return the task of a callback context, with the tasks that it is part of."""
    names, ids = [], []
    while context is not None:
        # A fit within another one is a task with two names. The outer name is more specific.
        names.append((context.source_task_name or context.task_name).replace("/", "|"))
        ids.append(int(context.task_id) if isinstance(context.task_id, Integral) else 0)
        context = context.parent
    return Task("/".join(reversed(names)), tuple(reversed(ids)))

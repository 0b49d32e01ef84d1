"""Where a training stands among the tasks of the fit that it belongs to."""

from numbers import Integral
from typing import NamedTuple


class Task(NamedTuple):
    """Place of a training among the tasks of a search, a pipeline or whatever else fits it.

    Attributes
    ----------
    path : str
        Names of the tasks, from the outermost fit to the training: ``"fit"`` where it is the
        outermost itself, ``"fit/search/candidate-split-evaluation"`` in a grid search.
    ids : tuple of int
        Number of each of them among those of its parent. In a grid search the last one is
        ``candidate * n_splits + split``.
    """

    path: str
    ids: tuple[int, ...]


def task_of(context) -> Task:
    """The task of a callback context, with all that it is part of."""
    names, ids = [], []
    while context is not None:
        # A fit within another is one task with two names, of which the outer one tells more.
        names.append((context.source_task_name or context.task_name).replace("/", "|"))
        ids.append(int(context.task_id) if isinstance(context.task_id, Integral) else 0)
        context = context.parent
    return Task("/".join(reversed(names)), tuple(reversed(ids)))

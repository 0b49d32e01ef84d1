"""A pool of rules: each trains every task, and the best for a task is its teacher."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state

from sklearn_metabp.callbacks.base import check_count
from sklearn_metabp.meta_training.recordings import training_job
from sklearn_metabp.meta_training.rollout import Rollout, rollout_seed
from sklearn_metabp.meta_training.scoring import SMALL, WORST_LOSS
from sklearn_metabp.meta_training.tasks import Task, as_tasks
from sklearn_metabp.meta_training.workers import run_jobs
from sklearn_metabp.tracing import Trace, TraceRecorder
from sklearn_metabp.update_rules import TrainingRule


@dataclass(frozen=True, eq=False)
class Pool:
    """The trainings of a pool of rules; :func:`record_pool` makes it.

    Attributes
    ----------
    trace : Trace
        All trainings that took a step, one run each.
    tasks : ndarray of int of shape (n_runs,)
        Number of the task of every run of the trace.
    rules : ndarray of int of shape (n_runs,)
        Number of the rule of every run.
    starts : ndarray of int of shape (n_runs,)
        Number of the start of every run.
    losses : ndarray of shape (n_tasks, n_rules, n_starts)
        Lowest validation loss along every training; its training loss at the end where the task
        has no validation rows. Infinite after a divergence.

    See Also
    --------
    record_pool : Record the trainings.
    """

    trace: Trace
    tasks: np.ndarray = field(repr=False)
    rules: np.ndarray = field(repr=False)
    starts: np.ndarray = field(repr=False)
    losses: np.ndarray = field(repr=False)

    @property
    def run_losses(self) -> np.ndarray:
        """Loss of every run of the trace, (n_runs,): ``losses`` for ``Trace.advantage``."""
        return self.losses[self.tasks, self.rules, self.starts]

    @property
    def best_rules(self) -> np.ndarray:
        """Number of the best rule for every task, (n_tasks,): lowest mean log loss over starts."""
        return np.argmin(mean_log_losses(self.losses), axis=1)

    @property
    def best_trace(self) -> Trace:
        """The runs of the best rule for every task."""
        is_best = self.best_rules[self.tasks] == self.rules
        return self.trace[is_best[self.trace.runs]]


def record_pool(
    tasks: Iterable[Task | tuple],
    rules: Sequence[TrainingRule | FrozenEstimator | str],
    *,
    n_starts: int = 1,
    variables: str | Iterable[str] = "default",
    every: int = 1,
    path: str | os.PathLike[str] | None = None,
    random_state: int | np.random.RandomState | None = None,
    n_jobs: int | None = None,
    timeout: float | None = None,
) -> Pool:
    """Record the trainings of every task by every rule of a pool, from the same starts.

    The best rule is chosen for every task, and a rule with several learning rates is several rules
    of the pool. So the learning rate is tuned for every task.

    Parameters
    ----------
    tasks : list of Task or of tuple (estimator, X, y) or (estimator, X, y, X_val, y_val)
        Give validation rows: the best rule is chosen by them.
    rules : sequence of str, UpdateRule or FrozenEstimator
        The pool.
    n_starts : int, default=1
        Number of trainings of every task by every rule. All rules have the same starts.
    variables : "default", "all" or list of str, default="default"
        See :class:`TraceRecorder`.
    every : int, default=1
        See :class:`TraceRecorder`.
    path : str or path-like, default=None
        Directory that all processes record into. It must be the same for all of them. None records
        in memory. See :class:`TraceRecorder`. Earlier runs in it are kept, and are not in the pool.
    random_state : int, RandomState instance or None, default=None
        The source of the starts. Each depends on it and on the numbers of task and start alone.
    n_jobs : int, default=None
        Number of trainings at the same time on the joblib backend, which may be a Dask or Ray
        cluster. None is 1 on this machine, and all workers of a cluster. The pool has the same bits
        for every number.
    timeout : float, default=None
        Seconds after which a training that was sent to a worker process counts as lost and runs
        again; None for no limit.

    Returns
    -------
    pool : Pool
        The trace, and the losses of all runs.

    Raises
    ------
    ValueError
        If there are no tasks or rules, or an argument is out of its range.
    LostJobError
        If a training ends its worker process, or exceeds the timeout, whenever it runs.
    ClusterLostError
        If the Dask or Ray cluster cannot be reached any more.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris, load_wine
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_metabp import SGD, Adam, BackpropMLPClassifier, LearnedUpdateRule
    >>> from sklearn_metabp.meta_training import Task, record_pool
    >>> network = BackpropMLPClassifier((8,), max_iter=20, n_iter_no_change=np.inf)
    >>> tasks = []
    >>> for load in (load_iris, load_wine):
    ...     X, y = load(return_X_y=True)
    ...     X, X_val, y, y_val = train_test_split(scale(X), y, random_state=0)
    ...     tasks.append(Task(network, X, y, X_val, y_val))
    >>> rates = 0.01, 0.1, 1.0
    >>> rules = [SGD(rate) for rate in rates] + [Adam(rate) for rate in rates]
    >>> pool = record_pool(tasks, rules, random_state=0)
    >>> pool.trace
    Trace of 240 steps in 12 runs: 4-8-3, 13-8-3
    >>> [rules[number] for number in pool.best_rules]
    [Adam(learning_rate=1.0), Adam(learning_rate=0.1)]

    One rule imitates the best rules. The other imitates all, weighted by their losses:

    >>> best = LearnedUpdateRule(random_state=0).fit(pool.best_trace)
    >>> weights = pool.trace.advantage(pool.tasks, losses=pool.run_losses, temperature=0.1)
    >>> mixed = LearnedUpdateRule(random_state=0).fit(pool.trace, sample_weight=weights)
    """
    checked, rules = as_tasks(tasks), check_rules("rules", rules)
    n_starts = check_count("n_starts", n_starts)
    seed = int(check_random_state(random_state).randint(2**31))
    losses = np.empty((len(checked), len(rules), n_starts))
    recorder: dict[str, Any] = {"variables": variables, "every": every, "path": path}
    TraceRecorder(**recorder)  # raises if an argument is out of its range
    jobs = [
        training_job(
            task, start, checked[task], rules[rule], rollout_seed(seed, task, start), recorder
        )
        for task, rule, start in np.ndindex(losses.shape)
    ]
    ends = run_jobs(jobs, n_jobs=n_jobs, timeout=timeout)
    traces, places = [Trace([])], []
    for place, (record, trace) in zip(np.ndindex(losses.shape), ends, strict=True):
        losses[place] = validation_loss(record)
        if trace is not None:
            traces.append(trace)
            places.append(place)
    numbers = np.array(places, dtype=int).reshape(-1, 3)
    return Pool(Trace.concatenate(traces), numbers[:, 0], numbers[:, 1], numbers[:, 2], losses)


def choose_rules(
    tasks: Sequence[Task],
    rules: Sequence[TrainingRule | FrozenEstimator | str],
    seeds: np.ndarray,
    *,
    n_jobs: int | None = None,
    timeout: float | None = None,
) -> list[Any]:
    """Return the best of some rules for every task, from starts with given seeds.

    Parameters
    ----------
    tasks : sequence of Task
    rules : sequence of str, UpdateRule or FrozenEstimator
        A single rule is the best without a training.
    seeds : ndarray of int of shape (n_tasks, n_starts)
    n_jobs, timeout
        See :func:`record_pool`.

    Returns
    -------
    best : list of n_tasks rules
    """
    if len(rules) == 1:
        return [rules[0]] * len(tasks)
    shape = len(tasks), len(rules), seeds.shape[1]
    jobs = [
        training_job(task, start, tasks[task], rules[rule], int(seeds[task, start]))
        for task, rule, start in np.ndindex(shape)
    ]
    ends = run_jobs(jobs, n_jobs=n_jobs, timeout=timeout)
    losses = np.array([validation_loss(record) for record, _ in ends]).reshape(shape)
    return [rules[number] for number in np.argmin(mean_log_losses(losses), axis=1)]


def validation_loss(record: Rollout) -> float:
    """Return the lowest validation loss along a training, or its loss if there is none."""
    curve = record.validation_loss_curve
    if record.diverged or curve is None:
        return record.loss
    return float(np.min(curve, where=np.isfinite(curve), initial=np.inf))


def mean_log_losses(losses: np.ndarray) -> np.ndarray:
    """Return means along the last axis of the logarithms of losses, which have a limit."""
    return np.mean(np.log(np.minimum(losses, WORST_LOSS) + SMALL), axis=-1)


def check_rules(name: str, rules: Any) -> list[Any]:
    """Return the rules of a pool as a list.

    Raises
    ------
    ValueError
        If it is no sequence of rules, or empty.
    """
    if not isinstance(rules, (list, tuple)) or not rules:
        raise ValueError(f"{name} must be a list of rules with at least one, got {rules!r}.")
    return list(rules)

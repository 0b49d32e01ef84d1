"""Dataset aggregation: the student trains, the teacher corrects it, the student is refitted."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from sklearn_metabp.callbacks.base import check_count
from sklearn_metabp.learned import LearnedUpdateRule
from sklearn_metabp.meta_training.pool import check_rules, choose_rules
from sklearn_metabp.meta_training.recordings import training_job
from sklearn_metabp.meta_training.tasks import Task, as_tasks
from sklearn_metabp.meta_training.workers import Job, run_jobs
from sklearn_metabp.tracing import Trace, TraceRecorder
from sklearn_metabp.update_rules import UpdateRule

_MOST_SEEDS = 2**31 - 1
# A training has diverged if its loss is this many times the median loss of its first steps.
_BLOW_UP_FACTOR, _N_FIRST_STEPS = 1000, 5


def aggregate(
    rule: LearnedUpdateRule,
    teacher: UpdateRule | str | Sequence[UpdateRule | str],
    tasks: Iterable[Task | tuple],
    *,
    n_rounds: int = 5,
    n_starts: int = 1,
    every: int = 1,
    random_state: int | np.random.RandomState | None = None,
    n_jobs: int | None = None,
    timeout: float | None = None,
) -> LearnedUpdateRule:
    """Fit a rule at the states that it visits itself, by dataset aggregation.

    A rule that imitates the trainings of a teacher visits, as soon as it trains, states that the
    teacher never visited, where its predictions may be wrong. So first the rule is fitted on
    trainings of the teacher. Then the rule trains networks itself, and at every state the teacher
    computes its own update. These steps are added to the trace, and the rule is fitted again. This
    is repeated ``n_rounds`` times. The steps of a run after a loss of more than a thousand times
    the median of its first five are left out, because they teach nothing useful.

    With several teachers, the best one for a task teaches on this task. Each trains the task from
    the starts of the first round. The one with the lowest validation loss along the training
    (without validation rows: the lowest training loss at its end) is recorded, and corrects the
    student in every round.

    ``scope="network"`` still needs bounded outputs, such as the logistic ones of the paper. Linear
    ones diverge before the student has learned.

    Parameters
    ----------
    rule : LearnedUpdateRule
        The rule to fit. It is cloned and does not change.
    teacher : str, UpdateRule or list of them
        The rule to imitate, or several rules, of which the best is chosen for every task. A rule
        with several learning rates is several rules of the list.
    tasks : list of Task or of tuple (estimator, X, y) or (estimator, X, y, X_val, y_val)
        The networks that are trained in every round, each in a :func:`rollout`. With
        ``scope="network"`` all must have one architecture.
    n_rounds : int, default=5
        Number of rounds after the first, in which the student trains; 0 is plain imitation.
    n_starts : int, default=1
        Number of trainings of every task in every round, each from a start of its own.
    every : int, default=1
        Learn from every ``every``-th step alone, so that more starts take no more memory and time:
        more starts help a rule far more than more steps. ``scope="link"`` needs all steps, which is
        1.
    random_state : int, RandomState instance or None, default=None
        The source of the starts.
    n_jobs : int, default=None
        Number of trainings of a round that run at the same time on the joblib backend, which may be
        a Dask or Ray cluster. None is 1 on this machine, and all workers of a cluster. The rule has
        the same bits for every number. The rule is fitted in this process.
    timeout : float, default=None
        Seconds after which a training that was sent to a worker process counts as lost and runs
        again; None for no limit.

    Returns
    -------
    rule : LearnedUpdateRule
        A clone that is fitted on all rounds.

    Raises
    ------
    ValueError
        If there are no tasks, a number is out of its range, or every training under the teacher
        diverges in its first step.
    LostJobError
        If a training ends its worker process, or exceeds the timeout, whenever it runs.
    ClusterLostError
        If the Dask or Ray cluster cannot be reached any more.

    References
    ----------
    S. Ross, G. Gordon and D. Bagnell, "A Reduction of Imitation Learning and Structured Prediction
    to No-Regret Online Learning" (2011).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp import SGD, BackpropMLPRegressor, LearnedUpdateRule
    >>> from sklearn_metabp.meta_training import aggregate
    >>> X, y = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0.0, 1, 1, 1])
    >>> network = BackpropMLPRegressor(
    ...     (2,), "logistic", out_activation="logistic", batch_size=1
    ... )
    >>> network = network.set_params(max_iter=100, n_iter_no_change=np.inf)
    >>> rule = LearnedUpdateRule(scope="network", random_state=0)
    >>> rule = aggregate(
    ...     rule, SGD(0.2), [(network, X, y)], n_rounds=2, n_starts=3, random_state=0
    ... )
    >>> rule.layer_sizes_
    (2, 2, 1)
    """
    checked = as_tasks(tasks)
    is_pool = isinstance(teacher, (list, tuple))
    teachers: list[Any] = check_rules("teacher", teacher) if is_pool else [teacher]
    n_rounds, n_starts = check_count("n_rounds", n_rounds, 0), check_count("n_starts", n_starts)
    generator = check_random_state(random_state)
    every = check_count("every", every)
    for one in teachers:
        TraceRecorder(teacher=one)  # raises unless it can be a teacher
    learned = clone(rule)
    seeds = _draw_seeds(generator, len(checked), n_starts)
    chosen = choose_rules(checked, teachers, seeds, n_jobs=n_jobs, timeout=timeout)

    def record(rules: list[Any]) -> Trace:
        jobs = _training_jobs(checked, rules, chosen, seeds, every)
        ends = run_jobs(jobs, n_jobs=n_jobs, timeout=timeout)
        return Trace.concatenate([Trace([])] + [one for _, one in ends if one is not None])

    trace = record(chosen)
    if not len(trace):
        raise ValueError(
            f"Every training under teacher={teacher!r} diverged in its first step, so there is "
            "nothing to learn from. Give it a smaller learning rate, or scale X and y of the "
            "tasks."
        )
    # Every round is read once: reading all of them in each would be quadratic in the rounds.
    drawn = learned.draw_predictions()
    drawn.add(_drop_blown_up_steps(trace))
    learned.fit_drawn(drawn)
    for _ in range(n_rounds):
        seeds = _draw_seeds(generator, len(checked), n_starts)
        drawn.add(_drop_blown_up_steps(record([learned] * len(checked))))
        learned.fit_drawn(drawn)
    return learned


def _drop_blown_up_steps(trace: Trace) -> Trace:
    """Return the steps of every run before the first loss far above the losses of its start."""
    losses, runs = trace.losses, trace.runs
    is_sound = np.zeros(len(trace), bool)
    for number in np.unique(runs):
        steps = np.flatnonzero(runs == number)
        first = np.median(losses[steps[:_N_FIRST_STEPS]])
        limit = _BLOW_UP_FACTOR * first or np.inf  # losses of 0 give no limit
        is_sound[steps] = np.logical_and.accumulate(losses[steps] <= limit)
    return trace[is_sound]


def _draw_seeds(generator: np.random.RandomState, n_tasks: int, n_starts: int) -> np.ndarray:
    return np.array(
        [[generator.randint(_MOST_SEEDS) for _ in range(n_starts)] for _ in range(n_tasks)]
    )


def _training_jobs(
    tasks: list[Task], rules: list[Any], teachers: list[Any], seeds: np.ndarray, every: int
) -> list[Job]:
    """Return jobs that train every task by its rule and record its teacher's updates."""
    return [
        training_job(
            number,
            start,
            tasks[number],
            rules[number],
            int(seeds[number, start]),
            {"variables": "all", "every": every, "teacher": teachers[number]},
        )
        for number, start in np.ndindex(seeds.shape)
    ]

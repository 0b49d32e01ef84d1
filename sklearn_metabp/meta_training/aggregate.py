"""Dataset aggregation: let the student drive, ask the teacher, add, refit."""

from collections.abc import Iterable

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from sklearn_metabp.learned import LearnedUpdateRule
from sklearn_metabp.meta_training.rollout import check_count, naming_rollout, rollout
from sklearn_metabp.meta_training.tasks import Task, as_tasks
from sklearn_metabp.tracing import Trace, TraceRecorder
from sklearn_metabp.update_rules import UpdateRule

_MOST_SEEDS = 2**31 - 1
# Of a loss over the median of the first steps: beyond it a training has blown up.
_MOST_GROWTH, _FIRST_STEPS = 1000, 5


def aggregate(
    rule: LearnedUpdateRule,
    teacher: UpdateRule | str,
    tasks: Iterable[Task | tuple],
    *,
    n_rounds: int = 5,
    n_starts: int = 1,
    every: int = 1,
    random_state: int | np.random.RandomState | None = None,
) -> LearnedUpdateRule:
    """Fit a rule where it will be used: at the states that it comes to itself.

    A rule that imitates a teacher's trainings meets, once it trains, states that the teacher never
    came to, and nothing it has learned holds there. So it is fitted on the teacher's trainings,
    trains networks itself, the teacher says at every state what it would have done, that is added
    to the trace, and the rule is fitted again, ``n_rounds`` times. What follows a loss of more than
    a thousand times the median of a run's first five teaches nothing that is worth it and is left
    out. ``scope="network"`` needs outputs with bounds all the same, as the paper's logistic ones
    are; linear ones blow up before the student has learned.

    Parameters
    ----------
    rule : LearnedUpdateRule
        What to fit; it is cloned and not changed itself.
    teacher : str or UpdateRule
        What to imitate.
    tasks : list of Task or of tuple (estimator, X, y) or (estimator, X, y, X_val, y_val)
        The networks that are trained in every round, each in a :func:`rollout`. With
        ``scope="network"`` all must have one architecture.
    n_rounds : int, default=5
        Rounds after the first, in which the student drives; 0 is plain imitation.
    n_starts : int, default=1
        Trainings of every task in every round, each from a start of its own.
    every : int, default=1
        Learn from one step in so many, so that more starts take no more memory and time: a rule
        lacks other starts far more than other steps. ``scope="link"`` follows every step and needs
        1.
    random_state : int, RandomState instance or None, default=None
        Draws the starts.

    Returns
    -------
    rule : LearnedUpdateRule
        Fitted on all rounds.

    Raises
    ------
    ValueError
        If there are no tasks, a number is out of its range, or every training under the teacher
        diverges in its first step.

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
    ...     (2,), "logistic", out_activation="logistic", batch_size=1, max_iter=100, n_iter_no_change=np.inf
    ... )
    >>> rule = LearnedUpdateRule(scope="network", random_state=0)
    >>> rule = aggregate(rule, SGD(0.2), [(network, X, y)], n_rounds=2, n_starts=3, random_state=0)
    >>> rule.layer_sizes_
    (2, 2, 1)
    """
    checked = as_tasks(tasks)
    n_rounds, n_starts = check_count("n_rounds", n_rounds, 0), check_count("n_starts", n_starts, 1)
    generator = check_random_state(random_state)
    learned = clone(rule)
    recorder = TraceRecorder("all", every=check_count("every", every, 1), teacher=teacher)
    n_steps = _record(teacher, recorder, checked, n_starts, generator)
    if n_steps == 0:
        raise ValueError(
            f"Every training under teacher={teacher!r} diverged in its first step, so there is "
            "nothing to learn from. Give it a smaller learning rate, or scale X and y of the "
            "tasks."
        )
    learned.fit(_before_it_blew_up(recorder.trace_))
    for _ in range(n_rounds):
        _record(learned, recorder, checked, n_starts, generator)
        learned.fit(_before_it_blew_up(recorder.trace_))
    return learned


def _before_it_blew_up(trace: Trace) -> Trace:
    """The rows of every run up to the first loss far beyond those of its first steps."""
    losses, runs = trace.losses, trace.runs
    is_sound = np.zeros(len(trace), bool)
    for number in np.unique(runs):
        rows = np.flatnonzero(runs == number)
        most = (
            _MOST_GROWTH * np.median(losses[rows[:_FIRST_STEPS]]) or np.inf
        )  # of losses of 0 no measure
        is_sound[rows] = np.logical_and.accumulate(losses[rows] <= most)
    return trace[is_sound]


def _record(
    rule: UpdateRule | str,
    recorder: TraceRecorder,
    tasks: list[Task],
    n_starts: int,
    generator: np.random.RandomState,
) -> int:
    """Train every task from new starts; return the number of steps, which are recorded.

    A training that diverges is recorded up to there.
    """
    n_steps = 0
    for number, task in enumerate(tasks):
        for start in range(n_starts):
            seed = generator.randint(_MOST_SEEDS)
            with naming_rollout(number, start):
                n_steps += rollout(task, rule, seed, callbacks=[recorder]).n_steps
    return n_steps

"""Dataset aggregation: let the student drive, ask the teacher, add, refit."""

import contextlib
import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from sklearn_metabp.learned import LearnedUpdateRule
from sklearn_metabp.tracing import Trace, TraceRecorder
from sklearn_metabp.training import DivergenceError

_MOST_SEEDS = 2**31 - 1
# Of a loss over the median of the first steps: beyond it a training has blown up.
_MOST_GROWTH, _FIRST_STEPS = 1000, 5


def aggregate(
    rule: LearnedUpdateRule,
    teacher,
    tasks: Sequence,
    *,
    n_rounds=5,
    n_starts=1,
    every=1,
    random_state=None,
) -> LearnedUpdateRule:
    """Fit a rule where it will be used: at the states that it comes to itself.

    A rule that imitates a teacher's trainings meets, once it trains, states that the teacher never came to,
    and nothing it has learned holds there. So it is fitted on the teacher's trainings, trains networks
    itself, the teacher says at every state what it would have done, that is added to the trace, and the
    rule is fitted again, ``n_rounds`` times. What follows a loss of more than a thousand times the
    median of a run's first five teaches nothing that is worth it and is left out. ``scope="network"`` needs
    outputs with bounds all the same, as the paper's logistic ones are; linear ones blow up before the student
    has learned.

    Parameters
    ----------
    rule : LearnedUpdateRule
        What to fit; it is cloned and not changed itself.
    teacher : str or UpdateRule
        What to imitate.
    tasks : sequence of (estimator, X, y)
        What is trained in every round; the estimator's ``update_rule`` and ``random_state`` are set here.
        With ``scope="network"`` all must have one architecture.
    n_rounds : int, default=5
        Rounds after the first, in which the student drives; 0 is plain imitation.
    n_starts : int, default=1
        Trainings of every task in every round, each from a start of its own.
    every : int, default=1
        Learn from one step in so many, so that more starts take no more memory and time: a rule lacks
        other starts far more than other steps. ``scope="link"`` follows every step and needs 1.
    random_state : int, RandomState instance or None, default=None
        Draws the starts.

    Returns
    -------
    rule : LearnedUpdateRule
        Fitted on all rounds.

    Raises
    ------
    ValueError
        If there are no tasks, or a number is out of its range.

    References
    ----------
    S. Ross, G. Gordon and D. Bagnell, "A Reduction of Imitation Learning and Structured Prediction to
    No-Regret Online Learning" (2011).

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
    tasks = list(tasks)
    if not tasks or not all(isinstance(task, tuple) and len(task) == 3 for task in tasks):
        raise ValueError("tasks must be a sequence of (estimator, X, y), one at least.")
    for name, value, least in (("n_rounds", n_rounds, 0), ("n_starts", n_starts, 1), ("every", every, 1)):
        if not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"{name} must be an integer of {least} or more, got {value!r}.")
    random_state = check_random_state(random_state)
    learned = clone(rule)
    recorder = TraceRecorder("all", every=every, teacher=teacher)
    _train(teacher, recorder, tasks, n_starts, random_state)
    learned.fit(_before_it_blew_up(recorder.trace_))
    for _ in range(n_rounds):
        _train(learned, recorder, tasks, n_starts, random_state)
        learned.fit(_before_it_blew_up(recorder.trace_))
    return learned


def _before_it_blew_up(trace: Trace) -> Trace:
    """The rows of every run up to the first loss far beyond those of its first steps."""
    losses, runs = trace.losses, trace.runs
    is_sound = np.zeros(len(trace), bool)
    for number in np.unique(runs):
        rows = np.flatnonzero(runs == number)
        most = _MOST_GROWTH * np.median(losses[rows[:_FIRST_STEPS]]) or np.inf  # of losses of 0 no measure
        is_sound[rows] = np.logical_and.accumulate(losses[rows] <= most)
    return trace[is_sound]


def _train(rule, recorder: TraceRecorder, tasks, n_starts: int, random_state) -> None:
    """Train every task from new starts; what diverges is recorded up to there, at once not at all."""
    for estimator, X, y in tasks:
        for _ in range(n_starts):
            network = clone(estimator).set_params(
                update_rule=rule, random_state=random_state.randint(_MOST_SEEDS), warm_start=False
            )
            with warnings.catch_warnings(), contextlib.suppress(DivergenceError):
                warnings.simplefilter("ignore", ConvergenceWarning)
                network.set_callbacks(recorder).fit(X, y)

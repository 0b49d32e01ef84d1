"""Dataset aggregation: let the student drive, ask the teacher, add, refit."""

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils import check_random_state

from sklearn_metabp.learned import LearnedUpdateRule
from sklearn_metabp.tracing import Trace, TraceRecorder
from sklearn_metabp.training import DivergenceError

_MOST_SEEDS = 2**31 - 1


def aggregate(
    rule: LearnedUpdateRule, teacher, tasks: Sequence, *, n_rounds=5, n_starts=1, random_state=None
) -> LearnedUpdateRule:
    """Fit a rule where it will be used: at the states that it comes to itself.

    A rule that imitates a teacher's trainings meets, once it trains, states that the teacher never came to,
    and nothing it has learned holds there. So it is fitted on the teacher's trainings, trains networks
    itself, the teacher says at every state what it would have done, that is added to the trace, and the
    rule is fitted again, ``n_rounds`` times.

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
    for name, value, least in (("n_rounds", n_rounds, 0), ("n_starts", n_starts, 1)):
        if not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"{name} must be an integer of {least} or more, got {value!r}.")
    random_state = check_random_state(random_state)
    learned = clone(rule)
    trace = Trace.concatenate(_train(teacher, TraceRecorder("all"), tasks, n_starts, random_state))
    learned.fit(trace)
    for _ in range(n_rounds):
        driven = _train(learned, TraceRecorder("all", teacher=teacher), tasks, n_starts, random_state)
        trace = Trace.concatenate([trace, *driven])
        learned.fit(trace)
    return learned


def _train(rule, recorder: TraceRecorder, tasks, n_starts: int, random_state) -> list[Trace]:
    """Train every task from new starts; what diverges is recorded up to there, at once not at all."""
    for estimator, X, y in tasks:
        for _ in range(n_starts):
            network = clone(estimator).set_params(
                update_rule=rule, random_state=random_state.randint(_MOST_SEEDS), warm_start=False
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                try:
                    network.set_callbacks(recorder).fit(X, y)
                except DivergenceError:
                    continue
    try:
        return [recorder.trace_]
    except NotFittedError:
        return []

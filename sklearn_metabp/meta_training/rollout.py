"""Judging an update rule by the networks it trains."""

import warnings
from dataclasses import dataclass, field
from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_consistent_length, check_random_state

from sklearn_metabp.estimators import BackpropMLPClassifier, BackpropMLPRegressor
from sklearn_metabp.training import DivergenceError
from sklearn_metabp.update_rules import resolve_update_rule

METRICS = ("final_loss", "ratio")
# What a rollout counts as that diverged, or ended above it; in a ratio times the baseline's loss.
WORST_LOSS = 1e12
WORST_RATIO = 1e3
# Added to losses, so that a perfect one has a logarithm and a ratio.
SMALL = 1e-8


def make_rollout_scorer(tasks, *, metric="final_loss", baseline=None, n_starts=1, random_state=None):
    """Make a scorer that judges a learned rule by the networks it trains.

    R² says how well a rule imitates; a rule of nearly perfect R² may still fail to train, because the
    student leaves the states that the teacher visited. The scorer trains: one rollout is one task's network
    trained by the rule from one start. It goes into ``scoring=`` of scikit-learn's searches and
    ``cross_val_score`` over :class:`LearnedUpdateRule`, and pickles, so any ``n_jobs`` will do.

    Parameters
    ----------
    tasks : list of tuple (estimator, X, y)
        Trainings to judge by: a :class:`BackpropMLPClassifier` or :class:`BackpropMLPRegressor`, whose
        ``update_rule`` the rule replaces, and its data. A clone is trained, once for every start.
    metric : {"final_loss", "ratio"}, default="final_loss"
        The score is minus the mean over all rollouts of ``log(loss + 1e-8)``, or of
        ``(loss + 1e-8) / (baseline's + 1e-8)``; ``loss`` is the ``loss_`` of the trained network.
    baseline : UpdateRule or str, default=None
        With ``metric="ratio"``, what to compare with, from the same starts, in trainings that are made at
        once. None is every task's own ``update_rule``.
    n_starts : int, default=1
        Starts of every task.
    random_state : int, RandomState instance or None, default=None
        Seeds the starts; each depends on it, the number of the task and the number of the start. Drawn once,
        so one scorer gives all rules the same starts.

    Returns
    -------
    scorer : callable
        ``scorer(rule, X=None, y=None)``, greater is better; X and y are not looked at. A rollout that
        diverges, or that ends beyond it, counts as a loss of 1e12, a ratio of 1000; so a score is never less
        than -27.7 or -1000. Divergence includes weights, gradients and deltas beyond 1e15.

    Raises
    ------
    ValueError
        If a parameter is out of its range, a task is not what it must be, or the baseline diverges.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.model_selection import GridSearchCV, GroupKFold
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_metabp import SGD, BackpropMLPClassifier, LearnedUpdateRule, TraceRecorder
    >>> from sklearn_metabp.meta_training import make_rollout_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> network = BackpropMLPClassifier((8,), update_rule=SGD(0.1), max_iter=20)
    >>> network = network.set_params(n_iter_no_change=float("inf"))
    >>> recorder = TraceRecorder()
    >>> for seed in (0, 1):
    ...     teacher = network.set_params(random_state=seed).set_callbacks(recorder).fit(scale(X), y)
    >>> trace = recorder.trace_
    >>> tasks = [(network.set_callbacks(), scale(X), y)]
    >>> scorer = make_rollout_scorer(tasks, metric="ratio", random_state=0)
    >>> grid = {"learner__alpha": [1e-6, 1e6]}
    >>> search = GridSearchCV(LearnedUpdateRule(Ridge()), grid, scoring=scorer, cv=GroupKFold(2))
    >>> search = search.fit(trace, groups=trace.runs)
    >>> search.best_params_
    {'learner__alpha': 1e-06}
    >>> print(f"{search.best_score_:.2f}")  # as good as the teacher
    -1.00
    """
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {list(METRICS)}, got {metric!r}.")
    if not isinstance(n_starts, Integral) or n_starts < 1:
        raise ValueError(f"n_starts must be an integer of 1 or more, got {n_starts!r}.")
    if baseline is not None and metric != "ratio":
        raise ValueError(
            f"baseline is what metric='ratio' compares with; metric={metric!r} has no use for it."
        )
    checked = _check_tasks(tasks)
    seed = int(check_random_state(random_state).randint(2**31))
    scorer = RolloutScorer(checked, metric, int(n_starts), seed)
    if metric == "final_loss":
        return scorer
    losses = np.array([
        scorer.rollouts_of(number, task[0].update_rule if baseline is None else baseline)
        for number, task in enumerate(checked)
    ])  # fmt: skip
    if not np.isfinite(losses).all():
        number = int(np.argwhere(~np.isfinite(losses))[0, 0])
        raise ValueError(f"the baseline diverges on task {number}: there is no loss to compare with.")
    return RolloutScorer(checked, metric, int(n_starts), seed, losses)


@dataclass(frozen=True)
class RolloutScorer:
    """What :func:`make_rollout_scorer` returns.

    Attributes
    ----------
    tasks : list of tuple (estimator, X, y)
    metric : str
    n_starts : int
    seed : int
    baseline_losses : ndarray of shape (n_tasks, n_starts) or None
    """

    tasks: list = field(repr=False)
    metric: str
    n_starts: int
    seed: int
    baseline_losses: np.ndarray | None = field(default=None, repr=False)

    def __call__(self, rule, X=None, y=None) -> float:
        """Minus the mean of the metric over all rollouts of a fitted rule."""
        losses = np.array([self.rollouts_of(number, rule) for number in range(len(self.tasks))])
        if self.baseline_losses is None:
            return -float(np.mean(np.log(np.minimum(losses, WORST_LOSS) + SMALL)))
        ratios = (losses + SMALL) / (self.baseline_losses + SMALL)
        return -float(np.mean(np.minimum(ratios, WORST_RATIO)))

    def rollouts_of(self, number: int, rule) -> list[float]:
        """Final losses of one task's network from every start, trained by a rule; inf where it diverged."""
        return [self._rollout(number, start, rule) for start in range(self.n_starts)]

    def _rollout(self, number: int, start: int, rule) -> float:
        estimator, X, y = self.tasks[number]
        seed = int(np.random.SeedSequence([self.seed, number, start]).generate_state(1)[0])
        network = clone(estimator).set_params(update_rule=resolve_update_rule(rule), random_state=seed)
        network.set_callbacks()  # those of the task are not meant for rollouts
        try:
            # A learner may overflow before the loop finds out; that a rollout is short is no news.
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                return float(network.fit(X, y).loss_)
        except DivergenceError:
            return np.inf


def _check_tasks(tasks) -> list[tuple]:
    wanted = "tasks must be a list of (estimator, X, y)"
    if not isinstance(tasks, (list, tuple)) or not tasks:
        raise ValueError(f"{wanted}, with at least one, got {tasks!r}.")
    checked = []
    for number, task in enumerate(tasks):
        if not isinstance(task, (list, tuple)) or len(task) != 3:
            raise ValueError(f"{wanted}; task {number} is a {type(task).__name__}" + _length(task) + ".")
        estimator, X, y = task
        if not isinstance(estimator, (BackpropMLPClassifier, BackpropMLPRegressor)):
            raise ValueError(
                f"the estimator of task {number} must be a BackpropMLPClassifier or BackpropMLPRegressor, "
                f"whose update_rule can be replaced, got {estimator!r}."
            )
        try:
            check_consistent_length(X, y)
        except (TypeError, ValueError) as error:
            raise ValueError(f"X and y of task {number} do not go together: {error}") from error
        checked.append((estimator, X, y))
    return checked


def _length(task) -> str:
    return f" of {len(task)}" if isinstance(task, (list, tuple)) else ""

"""A scorer that rates an update rule by the networks that it trains."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state

from sklearn_metabp.callbacks.base import check_count
from sklearn_metabp.meta_training.rollout import (
    name_rollout_in_errors,
    rollout,
    rollout_seed,
)
from sklearn_metabp.meta_training.tasks import Task, as_tasks
from sklearn_metabp.update_rules import TrainingRule

METRICS = ("final_loss", "ratio")
# Largest loss and largest ratio to the baseline, also those of a rollout that diverged.
WORST_LOSS = 1e12
WORST_RATIO = 1e3
# Added to losses, so that a loss of 0 has a logarithm and a ratio.
SMALL = 1e-8


def make_rollout_scorer(
    tasks: Iterable[Task | tuple],
    *,
    metric: str = "final_loss",
    baseline: TrainingRule | FrozenEstimator | str | None = None,
    n_starts: int = 1,
    random_state: int | np.random.RandomState | None = None,
) -> "RolloutScorer":
    """Make a scorer that rates a learned rule by the networks that it trains.

    R² measures the imitation. A rule of nearly perfect R² may still fail to train, because the
    student leaves the states that the teacher visited. The scorer trains networks: one
    :func:`rollout` is the training of one task's network by the rule from one start. Pass it as
    ``scoring`` to scikit-learn's searches and ``cross_val_score`` over :class:`LearnedUpdateRule`.
    It pickles, so it works with any ``n_jobs``.

    Parameters
    ----------
    tasks : list of Task or of tuple (estimator, X, y) or (estimator, X, y, X_val, y_val)
        The trainings to rate by: a :class:`BackpropMLPClassifier` or
        :class:`BackpropMLPRegressor`, whose ``update_rule`` the rule replaces, and its data. Each
        start trains a copy.
    metric : {"final_loss", "ratio"}, default="final_loss"
        The score is minus the mean over all rollouts of ``log(loss + 1e-8)``, or of
        ``(loss + 1e-8) / (baseline's + 1e-8)``; ``loss`` is the ``loss_`` of the trained network.
    baseline : UpdateRule or str, default=None
        With ``metric="ratio"``, the rule to compare with, from the same starts. Its trainings run
        when the scorer is made. None is the ``update_rule`` of each task.
    n_starts : int, default=1
        Number of starts of every task.
    random_state : int, RandomState instance or None, default=None
        The source of the starts. Each start depends on it, on the number of the task and on the
        number of the start. One number is drawn from it, so one scorer gives all rules the same
        starts.

    Returns
    -------
    scorer : callable
        ``scorer(rule, X=None, y=None)``, where greater is better; X and y are ignored. A rollout
        that diverges counts as a loss of 1e12 or a ratio of 1000, and so does one that ends above
        them. So a score is never less than -27.7 or -1000. Weights, gradients and deltas beyond
        1e15 are a divergence too.

    Raises
    ------
    ValueError
        If a parameter is out of its range, a task is not valid, or the baseline diverges.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.model_selection import GridSearchCV, GroupKFold
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_metabp import SGD, BackpropMLPClassifier
    >>> from sklearn_metabp import LearnedUpdateRule, TraceRecorder
    >>> from sklearn_metabp.meta_training import make_rollout_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> network = BackpropMLPClassifier((8,), update_rule=SGD(0.1), max_iter=20)
    >>> network = network.set_params(n_iter_no_change=float("inf"))
    >>> recorder = TraceRecorder()
    >>> for seed in (0, 1):
    ...     teacher = network.set_params(random_state=seed).set_callbacks(recorder)
    ...     teacher = teacher.fit(scale(X), y)
    >>> trace = recorder.trace_
    >>> tasks = [(network.set_callbacks(), scale(X), y)]
    >>> scorer = make_rollout_scorer(tasks, metric="ratio", random_state=0)
    >>> grid = {"learner__alpha": [1e-6, 1e6]}
    >>> search = GridSearchCV(
    ...     LearnedUpdateRule(Ridge()), grid, scoring=scorer, cv=GroupKFold(2)
    ... )
    >>> search = search.fit(trace, groups=trace.runs)
    >>> search.best_params_
    {'learner__alpha': 1e-06}
    >>> print(f"{search.best_score_:.2f}")  # as good as the teacher
    -1.00
    """
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {list(METRICS)}, got {metric!r}.")
    n_starts = check_count("n_starts", n_starts)
    if baseline is not None and metric != "ratio":
        raise ValueError(
            f"baseline is an argument of metric='ratio', and metric={metric!r} does not use it."
        )
    checked = as_tasks(tasks)
    seed = int(check_random_state(random_state).randint(2**31))
    scorer = RolloutScorer(checked, metric, n_starts, seed)
    if metric == "final_loss":
        return scorer
    rules = [task.estimator.update_rule if baseline is None else baseline for task in checked]
    losses = np.array([scorer.losses_of(number, rule) for number, rule in enumerate(rules)])
    if not np.isfinite(losses).all():
        number = int(np.argwhere(~np.isfinite(losses))[0, 0])
        raise ValueError(
            f"the baseline diverges on task {number}: there is no loss to compare with."
        )
    return RolloutScorer(checked, metric, n_starts, seed, losses)


@dataclass(frozen=True, eq=False)
class RolloutScorer:
    """A scorer of rules by rollouts; :func:`make_rollout_scorer` makes it.

    Attributes
    ----------
    tasks : list of Task
    metric : {"final_loss", "ratio"}
    n_starts : int
    seed : int
        ``rollout_seed(seed, number, start)`` seeds a start of the task of that number.
    baseline_losses : ndarray of shape (n_tasks, n_starts) or None
    """

    tasks: list[Task] = field(repr=False)
    metric: str
    n_starts: int
    seed: int
    baseline_losses: np.ndarray | None = field(default=None, repr=False)

    def __call__(
        self, rule: TrainingRule | FrozenEstimator | str, X: Any = None, y: Any = None
    ) -> float:
        """Score a rule.

        Parameters
        ----------
        rule : str, UpdateRule or FrozenEstimator
            A learned rule must be fitted.
        X, y : object
            Ignored.

        Returns
        -------
        score : float
            Minus the mean of the metric over all rollouts.
        """
        losses = np.array([self.losses_of(number, rule) for number in range(len(self.tasks))])
        if self.baseline_losses is None:
            return -float(np.mean(np.log(np.minimum(losses, WORST_LOSS) + SMALL)))
        ratios = (losses + SMALL) / (self.baseline_losses + SMALL)
        return -float(np.mean(np.minimum(ratios, WORST_RATIO)))

    def losses_of(self, number: int, rule: TrainingRule | FrozenEstimator | str) -> list[float]:
        """Train one task's network by a rule from every start.

        Parameters
        ----------
        number : int
            Number of the task.
        rule : str, UpdateRule or FrozenEstimator

        Returns
        -------
        losses : list of float
            Final losses; infinite after a divergence.
        """
        losses = []
        for start in range(self.n_starts):
            with name_rollout_in_errors(number, start):
                losses.append(
                    rollout(self.tasks[number], rule, rollout_seed(self.seed, number, start)).loss
                )
        return losses

"""Trial and error: evolution strategies on the numbers of an update rule."""

import os
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

from sklearn_metabp.meta_training.families import Tasks
from sklearn_metabp.meta_training.objectives import Objective
from sklearn_metabp.meta_training.rollout import Rollout
from sklearn_metabp.meta_training.rule_search import RuleSearch
from sklearn_metabp.meta_training.strategies import AntitheticPairs
from sklearn_metabp.meta_training.trainings import (
    Trainings,
    TruncatedTrainings,
    WholeTrainings,
)
from sklearn_metabp.update_rules import Adam, UpdateRule, resolve_update_rule

_OUTER_LEARNING_RATE = 0.01


class EvolutionSearch(RuleSearch):
    r"""Search for a better update rule by trial and error: an evolution strategy.

    Every iteration perturbs the numbers :math:`\theta` of the rule in ``n_pairs`` random directions
    :math:`\epsilon_j`, forward and backward, and trains a network under each of the two rules. The
    two trainings have the same task, start and batches. With the objective f, lower is better, the
    gradient of its mean is estimated by

    .. math::
        g = \frac{1}{2 \sigma n} \sum_{j=1}^{n}
            \mathrm{clip}(f(\theta + \sigma \epsilon_j) - f(\theta - \sigma \epsilon_j), \pm 1)
            \, \epsilon_j

    and an update rule of this package takes the step. If trainings are truncated, the last
    :math:`\epsilon_j` is the sum of the directions of all parts so far. Every iteration has new
    tasks. The average of the iterates is kept.

    A rollout that fails (it diverges, or ends at ten times the loss of its first epoch) counts with
    a bounded value. The state of its network before the failure is kept, and later pairs can start
    from it. So the rule also learns to leave such states.

    Parameters
    ----------
    rule : LearnedUpdateRule
        The rule to start from, fitted or initialized; or any update rule with ``meta_params_`` and
        ``with_meta_params``. It is not changed.
    tasks : SyntheticTasks, TaskFamily, list of Task or callable
        The tasks to train. A list or a function of an index becomes a :class:`TaskFamily`.
    objective : str, dict of float or callable, default="generalise"
        The number to minimise.

        - ``"fit"``: half the mean of log(training loss + 0.005) over 20 segments of the training,
          half log(final training loss + 0.005);
        - ``"generalise"``: half log(lowest validation loss + 0.01), half log(final validation loss
          + 0.01);
        - one of the measures ``"final_loss"``, ``"log_curve"``, ``"final_validation_loss"``,
          ``"best_validation_loss"``, ``"chosen_test_loss"``, ``"final_validation_score"``,
          ``"best_validation_score"``, or the name of a scikit-learn scorer, which judges the
          trained network on the validation rows, higher is better;
        - a dict with weights of these measures and scorers;
        - a function of a :class:`Rollout`, which has its ``estimator``.

    n_iterations : int, default=200
        Number of iterations.
    n_pairs : int, default=24
        Pairs of rollouts of an iteration.
    sigma : float, default=0.04
        :math:`\sigma`, the size of the perturbations, in units of ``scales``.
    update_rule : str or UpdateRule, default=None
        The rule of the outer step; None is ``Adam(0.01)``.
    average_decay : float, default=0.99
        Decay of the average of the iterates, in [0, 1); 0 keeps the last iterate. See
        :class:`Averaged`.
    scales : array-like of shape (n_meta_params,), default=None
        Units of the changes of the numbers. None is ``rule.meta_scales_``, or 1 if the rule has
        none.
    restart_share : float, default=0.1
        Share of the pairs that start from states in which earlier rollouts failed, while there are
        any.
    truncation : int, default=None
        Number of steps, rounded to whole epochs, after which a training is interrupted, to be
        continued in the next iteration; None trains to the end. For long trainings: the rule learns
        from every part. The objective is then that of a part, as if it were a training of its own,
        and its sum over all parts is minimised. The gradient is unbiased, by persistent evolution
        strategies.
    callback : callable, default=None
        ``callback(search, row)`` is called after every iteration, with this estimator fitted so
        far, and a dict of the last row of ``history_``. If it returns True, the search ends.
    checkpoint : str or path-like, default=None
        Directory to save the search to after every iteration. If its process was killed, the same
        ``fit`` continues from the last saved iteration, and its result is identical to that of an
        uninterrupted search. A ``fit`` that has ended returns its result at once. A search with
        other parameters has a file of its own. Only ``n_jobs``, ``timeout``, ``callback`` and
        ``checkpoint`` may change.
    random_state : int, default=0
        Seed of everything: every perturbation, start and order of rows depends on it and on the
        number of the pair alone.
    n_jobs : int, default=None
        Number of pairs that run at the same time on the joblib backend, which may be a Dask or Ray
        cluster. None is 1 on this machine, and all workers of a cluster. The result has the same
        bits for every number.
    timeout : float, default=None
        Seconds after which a pair that was sent to a worker process counts as lost: it runs again
        in another one. None for no limit. Choose a much longer time than a pair takes, and than a
        process takes to start. It does not apply to pairs that run in this process.

    Attributes
    ----------
    best_rule_ : UpdateRule
        The rule with the average of the iterates.
    meta_params_ : ndarray of shape (n_meta_params,)
        Its numbers.
    history_ : dict of ndarray of shape (n_iterations,)
        Table of the iterations, as a data frame takes it: ``iteration`` from 1; ``objective``, the
        mean over all rollouts; ``difference``, the root mean square of the differences of pairs,
        before they are clipped; ``gradient_norm``; ``n_failed`` rollouts; ``n_restarted`` pairs
        that started from a failure; ``n_steps`` of all rollouts; ``seconds``.
    n_iter_ : int
        Number of iterations.
    failures_ : list of tuple (int, ndarray)
        States in which rollouts failed: number of the task, parameters of its network. The latest
        64. One is taken out when a pair that starts from it does not fail.

    See Also
    --------
    aggregate : Fit a rule by imitation at the states that it visits.
    SyntheticTasks : An unlimited number of tasks.

    Notes
    -----
    For callbacks of scikit-learn, as in ``set_callbacks(ProgressBar())``, iterations are tasks.
    Ctrl-C ends the search with a warning. The estimator then has the result of the last complete
    iteration.

    The network of the paper imitates a teacher, so at best it is as good as the teacher. Trial and
    error goes "beyond the reach of conventional learning algorithms": R. Jakša and M. Katrák,
    "Neural Network Model of the Backpropagation Algorithm" (2006).

    References
    ----------
    T. Salimans et al., "Evolution Strategies as a Scalable Alternative to Reinforcement Learning"
    (2017). Pairs on common random numbers: L. Metz et al., "Understanding and correcting
    pathologies in the training of learned optimizers" (2019). Truncation: P. Vicol, L. Metz and
    J. Sohl-Dickstein, "Unbiased Gradient Estimation in Unrolled Computation Graphs with Persistent
    Evolution Strategies" (2021).

    Examples
    --------
    >>> from sklearn_metabp import BackpropMLPRegressor, LearnedUpdateRule
    >>> from sklearn_metabp.meta_training import EvolutionSearch, SyntheticTasks
    >>> rule = LearnedUpdateRule(BackpropMLPRegressor((4,), "tanh"), random_state=0)
    >>> rule = rule.initialize(normalizer="1", scale=0.01)
    >>> tasks = SyntheticTasks(horizon=(10, 20))
    >>> search = EvolutionSearch(rule, tasks, objective="fit", n_iterations=3, n_pairs=4)
    >>> search.fit().best_rule_
    LearnedUpdateRule(...)
    >>> search.history_["n_steps"].shape, search.meta_params_.shape
    ((3,), (38,))
    """

    _parameter_constraints: dict = {
        "rule": "no_validation",
        "tasks": "no_validation",
        "objective": [str, dict, callable],
        "n_iterations": [Interval(Integral, 1, None, closed="left")],
        "n_pairs": [Interval(Integral, 1, None, closed="left")],
        "sigma": [Interval(Real, 0, None, closed="neither")],
        "update_rule": "no_validation",
        "average_decay": [Interval(Real, 0, 1, closed="left")],
        "scales": ["array-like", None],
        "restart_share": [Interval(Real, 0, 1, closed="both")],
        "truncation": [Interval(Integral, 1, None, closed="left"), None],
        "callback": [callable, None],
        "checkpoint": [str, os.PathLike, None],
        "random_state": [Interval(Integral, 0, None, closed="left")],
        "n_jobs": [Integral, None],
        "timeout": [Interval(Real, 0, None, closed="neither"), None],
    }

    def __init__(
        self,
        rule: Any,
        tasks: Any,
        *,
        objective: str | Mapping[str, float] | Callable[[Rollout], float] = "generalise",
        n_iterations: int = 200,
        n_pairs: int = 24,
        sigma: float = 0.04,
        update_rule: str | UpdateRule | None = None,
        average_decay: float = 0.99,
        scales: Any = None,
        restart_share: float = 0.1,
        truncation: int | None = None,
        callback: Callable[[Any, dict[str, Any]], Any] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        random_state: int = 0,
        n_jobs: int | None = None,
        timeout: float | None = None,
    ):
        self.rule = rule
        self.tasks = tasks
        self.objective = objective
        self.n_iterations = n_iterations
        self.n_pairs = n_pairs
        self.sigma = sigma
        self.update_rule = update_rule
        self.average_decay = average_decay
        self.scales = scales
        self.restart_share = restart_share
        self.truncation = truncation
        self.callback = callback
        self.checkpoint = checkpoint
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.timeout = timeout

    def _make_strategy(self, start: np.ndarray) -> AntitheticPairs:
        rule = Adam(_OUTER_LEARNING_RATE) if self.update_rule is None else self.update_rule
        return AntitheticPairs(
            start,
            resolve_update_rule(rule),
            self.average_decay,
            self.n_iterations,
            n_pairs=self.n_pairs,
            sigma=self.sigma,
            random_state=self.random_state,
        )

    def _make_trainings(self, family: Tasks, objective: Objective) -> Trainings:
        settings: dict[str, Any] = {
            "n_trials": self.n_pairs,
            "restart_share": self.restart_share,
            "random_state": self.random_state,
        }
        if self.truncation is None:
            return WholeTrainings(family, objective, **settings)
        return TruncatedTrainings(family, objective, truncation=self.truncation, **settings)

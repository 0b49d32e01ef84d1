"""Trial and error by CMA-ES, for rules of few numbers."""

import os
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

from sklearn_metabp.meta_training.cma_strategy import CovarianceAdaptation
from sklearn_metabp.meta_training.families import Tasks
from sklearn_metabp.meta_training.objectives import Objective
from sklearn_metabp.meta_training.rollout import Rollout
from sklearn_metabp.meta_training.rule_search import RuleSearch
from sklearn_metabp.meta_training.trainings import WholeTrainings


class CMASearch(RuleSearch):
    """Search for a better update rule by trial and error: CMA-ES, for few numbers.

    Every iteration draws candidates from a normal distribution over the numbers of the rule. All of
    them train a network on the same ``n_tasks`` fresh tasks, from the same starts and with the same
    batches. The distribution moves to the better ones and takes their shape. For up to about a
    hundred numbers, this needs fewer rollouts than a gradient, and no learning rate. Time and
    memory grow with the square of the number.

    Parameters
    ----------
    rule : LearnedUpdateRule
        The rule to start from, fitted or initialized; or any update rule with ``meta_params_`` and
        ``with_meta_params``. It is not changed.
    tasks : SyntheticTasks, TaskFamily, list of Task or callable
        The tasks to train. A list or a function of an index becomes a :class:`TaskFamily`.
    objective : str, dict of float or callable, default="generalise"
        The number to minimise; see :class:`EvolutionSearch`. A candidate counts by the mean over
        the tasks of its difference to the median of all candidates on the task, clipped to ±1.
    n_iterations : int, default=100
        Number of iterations.
    population_size : int, default=None
        Candidates of an iteration, at least 4; None is 4 + 3 log(n_meta_params), rounded down.
    n_tasks : int, default=12
        Tasks of an iteration. An iteration takes ``population_size * n_tasks`` rollouts.
    sigma : float, default=0.1
        Standard deviation of the first distribution, in units of ``scales``.
    scales : array-like of shape (n_meta_params,), default=None
        Units of the changes of the numbers. None is ``rule.meta_scales_``, or 1 if the rule has
        none.
    restart_share : float, default=0.1
        Share of the tasks that are trained from states in which earlier rollouts failed, while
        there are any.
    callback : callable, default=None
        ``callback(search, row)`` is called after every iteration, with this estimator fitted so
        far, and a dict of the last row of ``history_``. If it returns True, the search ends.
    checkpoint : str or path-like, default=None
        Directory to save the search to after every iteration, to continue from it if its process
        was killed; see :class:`EvolutionSearch`.
    random_state : int, default=0
        Seed of everything.
    n_jobs : int, default=None
        Number of tasks that are trained at the same time, each by all candidates, on the joblib
        backend, which may be a Dask or Ray cluster. None is 1 on this machine, and all workers of a
        cluster. The result has the same bits for every number.
    timeout : float, default=None
        Seconds after which a task that was sent to a worker process, to be trained by all
        candidates, counts as lost and runs again; None for no limit. See :class:`EvolutionSearch`.

    Attributes
    ----------
    best_rule_ : UpdateRule
        The rule with the mean of the distribution.
    meta_params_ : ndarray of shape (n_meta_params,)
        Its numbers.
    history_ : dict of ndarray of shape (n_iterations,)
        Table of the iterations: ``iteration`` from 1; ``objective``, the mean over all rollouts;
        ``difference``, the root mean square of the differences to the medians, before they are
        clipped; ``step_size`` of the distribution; ``n_failed`` rollouts; ``n_restarted`` tasks
        that started from a failure; ``n_steps`` of all rollouts; ``seconds``.
    n_iter_ : int
        Number of iterations.
    failures_ : list of tuple (int, ndarray)
        States in which rollouts failed: number of the task, parameters of its network. The latest
        64.

    See Also
    --------
    EvolutionSearch : A search by estimates of a gradient, for any number of numbers.

    Notes
    -----
    It needs the package cma (pycma): ``pip install "sklearn-metabp[cma]"``. Callbacks of
    scikit-learn and Ctrl-C work as in :class:`EvolutionSearch`. The search does not use pycma's own
    conditions for an end. ``n_iterations`` or ``callback`` end it.

    References
    ----------
    N. Hansen and A. Ostermeier, "Completely Derandomized Self-Adaptation in Evolution Strategies"
    (2001).

    Examples
    --------
    A rule by hand, of two numbers:

    >>> import numpy as np
    >>> from sklearn_metabp import UpdateRule
    >>> from sklearn_metabp.meta_training import CMASearch, SyntheticTasks
    >>> class Decayed(UpdateRule):
    ...     def __init__(self, log_rate=-3.0, log_decay=-6.0):
    ...         self.log_rate, self.log_decay = log_rate, log_decay
    ...     @property
    ...     def meta_params_(self):
    ...         return np.array([self.log_rate, self.log_decay])
    ...     def with_meta_params(self, vector):
    ...         return Decayed(*vector)
    ...     def init_state(self, layout):
    ...         return None
    ...     def compute_update(self, step, state):
    ...         decay = np.exp(self.log_decay) * step.params
    ...         return -np.exp(self.log_rate) * (step.gradients + decay)
    >>> tasks = SyntheticTasks(horizon=(10, 20))
    >>> search = CMASearch(
    ...     Decayed(), tasks, objective="fit", n_iterations=3, n_tasks=4, sigma=0.5
    ... )
    >>> search.fit().best_rule_  # doctest: +SKIP
    Decayed(log_decay=-5.6..., log_rate=-1.9...)
    """

    _parameter_constraints: dict = {
        "rule": "no_validation",
        "tasks": "no_validation",
        "objective": [str, dict, callable],
        "n_iterations": [Interval(Integral, 1, None, closed="left")],
        "population_size": [Interval(Integral, 4, None, closed="left"), None],
        "n_tasks": [Interval(Integral, 1, None, closed="left")],
        "sigma": [Interval(Real, 0, None, closed="neither")],
        "scales": ["array-like", None],
        "restart_share": [Interval(Real, 0, 1, closed="both")],
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
        n_iterations: int = 100,
        population_size: int | None = None,
        n_tasks: int = 12,
        sigma: float = 0.1,
        scales: Any = None,
        restart_share: float = 0.1,
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
        self.population_size = population_size
        self.n_tasks = n_tasks
        self.sigma = sigma
        self.scales = scales
        self.restart_share = restart_share
        self.callback = callback
        self.checkpoint = checkpoint
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.timeout = timeout

    def _make_strategy(self, start: np.ndarray) -> CovarianceAdaptation:
        return CovarianceAdaptation(
            start,
            population_size=self.population_size,
            n_trials=self.n_tasks,
            sigma=self.sigma,
            random_state=self.random_state,
        )

    def _make_trainings(self, family: Tasks, objective: Objective) -> WholeTrainings:
        return WholeTrainings(
            family,
            objective,
            n_trials=self.n_tasks,
            restart_share=self.restart_share,
            random_state=self.random_state,
        )

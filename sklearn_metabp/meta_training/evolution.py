"""Trial and error: evolution strategies on the numbers of an update rule."""

import os
import time
import warnings
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._param_validation import Interval

from sklearn_metabp.callbacks.checkpoint_files import CheckpointFiles
from sklearn_metabp.estimators import CallbackSupportMixin, IterationListener
from sklearn_metabp.meta_training.families import as_family
from sklearn_metabp.meta_training.objectives import as_objective
from sklearn_metabp.meta_training.outer_step import OuterStep
from sklearn_metabp.meta_training.pairs import Judgement, Pair
from sklearn_metabp.meta_training.rollout import Rollout, rollout_seed
from sklearn_metabp.meta_training.search_state import SearchState, check_search
from sklearn_metabp.meta_training.workers import Job, run_jobs
from sklearn_metabp.training import fingerprint
from sklearn_metabp.training.user_code import package_release
from sklearn_metabp.update_rules import Adam, UpdateRule, resolve_update_rule

_FORMAT = "sklearn_metabp evolution search 1"
# A difference between the two rollouts of a pair counts as no more, so that no task rules the rest.
_MAX_DIFFERENCE = 1.0
_MAX_FAILURES = 64
_OUTER_LEARNING_RATE = 0.01
# Streams of random numbers of a pair, and of an iteration.
_NOISE, _RESTARTS = 1, 2


class EvolutionSearch(CallbackSupportMixin, BaseEstimator):
    r"""Search for a better update rule by trial and error: an evolution strategy.

    Every iteration perturbs the numbers :math:`\theta` of the rule in ``n_pairs`` random
    directions :math:`\epsilon_j`, there and back, and trains a network under each of the two rules:
    the same task, the same start, the same batches. With the objective f, lower is better, the
    gradient of its mean is estimated by

    .. math::
        g = \frac{1}{2 \sigma n} \sum_{j=1}^{n}
            \mathrm{clip}(f(\theta + \sigma \epsilon_j) - f(\theta - \sigma \epsilon_j), \pm 1)
            \, \epsilon_j

    and one of this package's update rules takes the step. Tasks are fresh in every iteration. The
    average of the iterates is kept.

    A rollout that fails (it diverges, or ends at ten times the loss of its first epoch) counts,
    with bounded values. The state of its network before the failure is kept, so that later pairs
    can start there: a rule that never starts in such a state is never taught to leave it.

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
          ``"best_validation_loss"``, ``"final_validation_score"``, ``"best_validation_score"``, or
          the name of a scikit-learn scorer, which judges the trained network on the validation
          rows, higher is better;
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
        Sizes that changes of the numbers are measured in. None is ``rule.meta_scales_``, or 1 where
        the rule has none.
    restart_share : float, default=0.1
        Share of the pairs that start from states in which earlier rollouts failed, while there are
        any.
    callback : callable, default=None
        ``callback(search, row)`` is called after every iteration, with this estimator fitted so
        far, and a dict of the last row of ``history_``. If it returns True, the search ends.
    checkpoint : str or path-like, default=None
        Directory to save the search to after every iteration. The same ``fit`` goes on from there
        after its process was killed, and ends with the same bits as one that was not. A ``fit``
        that had ended returns its result at once. Any other parameters but ``n_jobs``,
        ``timeout``, ``callback`` and ``checkpoint`` make another search, with a file of its own.
    random_state : int, default=0
        Seed of everything: every perturbation, start and order of rows depends on it and on the
        number of the pair alone.
    n_jobs : int, default=None
        Number of pairs that run at the same time on the joblib backend, which may be a Dask or Ray
        cluster. None is 1 on this machine, and all workers of a cluster. The result has the same
        bits with any.
    timeout : float, default=None
        Seconds after which a pair that was sent to a worker process counts as lost: it runs again
        in another one. None for no limit. Choose much more than a pair takes, and than a process
        takes to start. It does not apply to pairs that run in this process.

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
    SyntheticTasks : Tasks without end.

    Notes
    -----
    scikit-learn's callbacks, ``set_callbacks(ProgressBar())``, see iterations as tasks. Ctrl-C ends
    the search with a warning; the estimator has what was found up to the last whole iteration.

    The network of the paper learns from a teacher, and so at best as well. Trial and error goes
    "beyond the reach of conventional learning algorithms": R. Jakša and M. Katrák, "Neural Network
    Model of the Backpropagation Algorithm" (2006).

    References
    ----------
    T. Salimans et al., "Evolution Strategies as a Scalable Alternative to Reinforcement Learning"
    (2017). Pairs on common random numbers: L. Metz et al., "Understanding and correcting
    pathologies in the training of learned optimizers" (2019).

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
        self.callback = callback
        self.checkpoint = checkpoint
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.timeout = timeout

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Search.

        Parameters
        ----------
        X, y : object
            Ignored: the data are in the tasks.

        Returns
        -------
        self : EvolutionSearch

        Raises
        ------
        ValueError
            If a parameter is out of its range, or a task lacks validation rows that the objective
            needs.
        NotFittedError
            If the rule is a learned one that has not been fitted.
        CheckpointError
            If the search cannot be saved, or what was saved cannot be read.
        LostJobError
            If a pair ends its worker process, or exceeds the timeout, whenever it runs.
        ClusterLostError
            If the Dask or Ray cluster cannot be reached any more. With ``checkpoint`` the same
            ``fit`` goes on when there is one again.

        Warns
        -----
        UserWarning
            After Ctrl-C.
        """
        start = np.array(self.rule.meta_params_, float)
        if len(start) < 2:
            raise ValueError("rule must have at least two meta-parameters to search.")
        scales = self._find_scales(start)
        family, objective = as_family(self.tasks), as_objective(self.objective)
        outer_rule = resolve_update_rule(
            Adam(_OUTER_LEARNING_RATE) if self.update_rule is None else self.update_rule
        )
        state, stopped = SearchState(start / scales), None
        files = self._open_files()
        if files is not None:
            files.remove_parts()
            saved = files.read(state, lambda read: check_search(read, state))
            if saved is None:
                files.prepare(state)
            else:
                state, stopped = saved
        outer = OuterStep(
            state.vector, outer_rule, self.average_decay, self.n_iterations, state.outer_state
        )
        state.outer_state = outer.state
        listener = IterationListener(
            self, self.n_iterations, lambda: self._fitted_attributes(state, outer, scales)
        )

        def propose(pair: int) -> tuple[np.ndarray, tuple[Any, Any]]:
            noise = _seeded(self.random_state, pair, _NOISE).standard_normal(len(start))
            return noise, tuple(
                self.rule.with_meta_params(scales * (state.vector + sign * self.sigma * noise))
                for sign in (1, -1)
            )

        try:
            while stopped is None and state.n_iterations < self.n_iterations:
                listener.iteration_begins()
                self._iterate(state, outer, family, objective, propose)
                self._become(state, outer, scales)
                if listener.iteration_ends() | self._call_back():
                    stopped = True
                if files is not None:
                    is_last = stopped or state.n_iterations == self.n_iterations
                    files.write(state, True if is_last else None)
        except KeyboardInterrupt:
            warnings.warn(
                f"Search interrupted by user after {state.n_iterations} of {self.n_iterations} "
                "iterations; best_rule_ is the best rule so far.",
                stacklevel=2,
            )
        self._become(state, outer, scales)
        listener.search_ends()
        return self

    def _iterate(
        self,
        state: SearchState,
        outer: OuterStep,
        family: Any,
        objective: Any,
        propose: Callable[[int], tuple[np.ndarray, tuple[Any, Any]]],
    ) -> None:
        """Run the pairs of an iteration, estimate the gradient, and take a step."""
        began = time.perf_counter()
        number = state.n_iterations + 1
        restarts = self._draw_restarts(number, len(state.failures))
        noises, pairs, jobs = [], [], []
        for position in range(self.n_pairs):
            pair = state.n_iterations * self.n_pairs + position
            failure = restarts.get(position)
            task, network = (pair, None) if failure is None else state.failures[failure]
            noise, rules = propose(pair)
            noises.append(noise)
            seed = rollout_seed(self.random_state, pair, 0)
            pairs.append(Pair(task, seed, family.maker(task), rules, objective, network))
            name = f"pair {position} of iteration {number}, on task {task},"
            jobs.append(Job(name, pairs[-1].run))
        judged = run_jobs(jobs, n_jobs=self.n_jobs, timeout=self.timeout)

        values = np.array([[one.value for one in both] for both in judged])
        differences = values[:, 0] - values[:, 1]
        gradient = estimate_gradient(differences, np.array(noises), self.sigma)
        failed = [one.has_failed for both in judged for one in both]
        row = {
            "iteration": number,
            "objective": float(values.mean()),
            "difference": float(np.sqrt(np.mean(differences**2))),
            "gradient_norm": float(np.sqrt(np.sum(gradient**2))),
            "n_failed": sum(failed),
            "n_restarted": len(restarts),
            "n_steps": sum(one.n_steps for both in judged for one in both),
        }
        failures = _update_failures(state.failures, restarts, pairs, judged)
        outer.take(number, gradient, row["objective"])
        state.failures = failures
        row["seconds"] = time.perf_counter() - began
        for name, column in state.history.items():
            column.append(row[name])
        state.n_iterations = number

    def _draw_restarts(self, number: int, n_failures: int) -> dict[int, int]:
        """Return which pairs of an iteration start from which failures, by their positions."""
        if not n_failures:
            return {}
        rng = _seeded(self.random_state, number, _RESTARTS)
        is_restart = rng.uniform(size=self.n_pairs) < self.restart_share
        chosen = rng.randint(n_failures, size=self.n_pairs)
        return {int(position): int(chosen[position]) for position in np.flatnonzero(is_restart)}

    def _find_scales(self, start: np.ndarray) -> np.ndarray:
        given = getattr(self.rule, "meta_scales_", 1.0) if self.scales is None else self.scales
        scales = np.broadcast_to(np.asarray(given, float), start.shape)
        if not (np.isfinite(scales) & (scales > 0)).all():
            raise ValueError("scales must be finite and greater than 0.")
        return scales

    def _fitted_attributes(
        self, state: SearchState, outer: OuterStep, scales: np.ndarray
    ) -> dict[str, Any]:
        meta_params = scales * outer.kept
        return {
            "meta_params_": meta_params,
            "best_rule_": self.rule.with_meta_params(meta_params),
            "history_": state.table(),
            "failures_": list(state.failures),
            "n_iter_": state.n_iterations,
        }

    def _become(self, state: SearchState, outer: OuterStep, scales: np.ndarray) -> None:
        for name, value in self._fitted_attributes(state, outer, scales).items():
            setattr(self, name, value)

    def _call_back(self) -> bool:
        if self.callback is None:
            return False
        row = {name: column[-1].item() for name, column in self.history_.items()}
        return bool(self.callback(self, row))

    def _open_files(self) -> CheckpointFiles | None:
        if self.checkpoint is None:
            return None
        settings = self.get_params(deep=False)
        for name in ("n_jobs", "timeout", "callback", "checkpoint"):
            del settings[name]
        family = as_family(self.tasks)
        settings["tasks"] = type(family), vars(family)  # a function counts by its code
        name = fingerprint((_FORMAT, package_release(), type(self), settings))
        return CheckpointFiles(Path(self.checkpoint).absolute(), name, [self.update_rule])

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "best_rule_")


def estimate_gradient(differences: np.ndarray, noises: np.ndarray, sigma: float) -> np.ndarray:
    """Estimate the gradient of an objective from antithetic pairs.

    Parameters
    ----------
    differences : ndarray of shape (n_pairs,)
        Value with the perturbation added, less the value with it subtracted. They are clipped to
        ±1.
    noises : ndarray of shape (n_pairs, n)
        Perturbations, in units of ``sigma``.
    sigma : float

    Returns
    -------
    gradient : ndarray of shape (n,)
    """
    clipped = np.clip(differences, -_MAX_DIFFERENCE, _MAX_DIFFERENCE)
    # A sum along the pairs, in their order: no BLAS decides in which order to add.
    return np.sum(clipped[:, None] * noises, axis=0) / (2 * sigma * len(noises))


def _update_failures(
    failures: list[tuple[int, np.ndarray]],
    restarts: dict[int, int],
    pairs: list[Pair],
    judged: list[tuple[Judgement, Judgement]],
) -> list[tuple[int, np.ndarray]]:
    """Return the failures without those that a pair got out of, and with the new ones."""
    solved = {
        restarts[position]
        for position in restarts
        if not any(one.has_failed for one in judged[position])
    }
    kept = [failure for number, failure in enumerate(failures) if number not in solved]
    kept += [
        (pair.index, one.state)
        for pair, both in zip(pairs, judged, strict=True)
        for one in both
        if one.state is not None
    ]
    return kept[-_MAX_FAILURES:]


def _seeded(seed: int, number: int, stream: int) -> np.random.RandomState:
    return np.random.RandomState(np.random.PCG64(np.random.SeedSequence([seed, number, stream])))

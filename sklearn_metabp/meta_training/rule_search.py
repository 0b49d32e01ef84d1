"""A search for a better update rule by trial and error: the loop, for every strategy."""

import time
import warnings
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, _fit_context

from sklearn_metabp.callbacks.checkpoint_files import CheckpointFiles
from sklearn_metabp.estimators import CallbackSupportMixin, IterationListener
from sklearn_metabp.meta_training.families import Tasks, as_family
from sklearn_metabp.meta_training.objectives import Objective, as_objective
from sklearn_metabp.meta_training.search_state import SearchState, check_search
from sklearn_metabp.meta_training.strategies import Strategy
from sklearn_metabp.meta_training.trainings import Trainings
from sklearn_metabp.meta_training.workers import Job, run_jobs
from sklearn_metabp.training import fingerprint
from sklearn_metabp.training.user_code import package_release

_FORMAT = "sklearn_metabp rule search 2"


class RuleSearch(CallbackSupportMixin, BaseEstimator, ABC):
    """Base of the searches: candidates from a strategy, trainings, values for the strategy.

    A subclass has the parameters ``rule``, ``tasks``, ``objective``, ``n_iterations``, ``scales``,
    ``callback``, ``checkpoint``, ``n_jobs`` and ``timeout``, and defines the strategy and the
    trainings.
    """

    rule: Any
    tasks: Any
    objective: Any
    n_iterations: int
    scales: Any
    callback: Any
    checkpoint: Any
    n_jobs: int | None
    timeout: float | None

    @abstractmethod
    def _make_strategy(self, start: np.ndarray) -> Strategy:
        """Return the strategy, which starts at the numbers of the rule in their scales."""

    @abstractmethod
    def _make_trainings(self, family: Tasks, objective: Objective) -> Trainings:
        """Return the source of the trials."""

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Search.

        Parameters
        ----------
        X, y : object
            Ignored: the data are in the tasks.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If a parameter is out of its range, or a task lacks validation or test rows that the
            objective needs.
        NotFittedError
            If the rule is a learned one that has not been fitted.
        CheckpointError
            If the search cannot be saved, or a saved one cannot be read.
        LostJobError
            If a trial ends its worker process, or exceeds the timeout, whenever it runs.
        ClusterLostError
            If the Dask or Ray cluster cannot be reached any more. With ``checkpoint`` the same
            ``fit`` continues when a cluster can be reached again.

        Warns
        -----
        UserWarning
            After Ctrl-C.
        """
        start = np.array(self.rule.meta_params_, float)
        if len(start) < 2:
            raise ValueError("rule must have at least two meta-parameters to search.")
        scales = self._find_scales(start)
        strategy = self._make_strategy(start / scales)
        trainings = self._make_trainings(as_family(self.tasks), as_objective(self.objective))
        state, stopped = SearchState.begin(strategy, trainings), None
        files = self._open_files(trainings)
        if files is not None:
            files.remove_parts()
            saved = files.read(state, lambda read: check_search(read, strategy, trainings))
            if saved is None:
                files.prepare(state)
            else:
                state, stopped = saved
                strategy.restore(state.strategy)
                trainings.restore(state.trainings)

        def fitted_attributes() -> dict[str, Any]:
            meta_params = scales * strategy.kept
            return {
                "meta_params_": meta_params,
                "best_rule_": self.rule.with_meta_params(meta_params),
                "history_": state.table(strategy),
                "failures_": list(trainings.failures),
                "n_iter_": state.n_iterations,
            }

        def become_fitted() -> None:
            for name, value in fitted_attributes().items():
                setattr(self, name, value)

        listener = IterationListener(self, self.n_iterations, fitted_attributes)
        try:
            while stopped is None and state.n_iterations < self.n_iterations:
                listener.iteration_begins()
                self._iterate(state, strategy, trainings, scales)
                become_fitted()
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
        become_fitted()
        listener.search_ends()
        return self

    def _iterate(
        self,
        state: SearchState,
        strategy: Strategy,
        trainings: Trainings,
        scales: np.ndarray,
    ) -> None:
        """Judge the candidates of an iteration, and pass the values to the strategy."""
        began = time.perf_counter()
        number = state.n_iterations + 1
        rules = [
            tuple(self.rule.with_meta_params(scales * vector) for vector in of_trial)
            for of_trial in strategy.ask(number)
        ]
        plan = trainings.plan(number, rules)
        jobs = [
            Job(f"trial {position} of iteration {number}, on task {trial.index},", trial.run)
            for position, trial in enumerate(plan.trials)
        ]
        results = run_jobs(jobs, n_jobs=self.n_jobs, timeout=self.timeout)

        values = np.array([[one.value for one in of_trial] for of_trial in results])
        ended = trainings.finish(plan, results)
        row = {
            "iteration": number,
            "objective": float(values.mean()),
            "n_failed": sum(one.has_failed for of_trial in results for one in of_trial),
            "n_restarted": len(plan.restarts),
            "n_steps": sum(one.n_steps for of_trial in results for one in of_trial),
            **strategy.tell(number, values, ended),
        }
        row["seconds"] = time.perf_counter() - began
        state.note(number, strategy, trainings, row)

    def _find_scales(self, start: np.ndarray) -> np.ndarray:
        given = getattr(self.rule, "meta_scales_", 1.0) if self.scales is None else self.scales
        scales = np.broadcast_to(np.asarray(given, float), start.shape)
        if not (np.isfinite(scales) & (scales > 0)).all():
            raise ValueError("scales must be finite and greater than 0.")
        return scales

    def _call_back(self) -> bool:
        if self.callback is None:
            return False
        row = {name: column[-1].item() for name, column in self.history_.items()}
        return bool(self.callback(self, row))

    def _open_files(self, trainings: Trainings) -> CheckpointFiles | None:
        if self.checkpoint is None:
            return None
        settings = self.get_params(deep=False)
        for name in ("n_jobs", "timeout", "callback", "checkpoint"):
            del settings[name]
        family = as_family(self.tasks)
        settings["tasks"] = type(family), vars(family)  # a function counts by its code
        name = fingerprint((_FORMAT, package_release(), type(self), settings))
        owners = [self.rule, getattr(self, "update_rule", None)]
        classes = trainings.state_classes(self.rule)
        return CheckpointFiles(Path(self.checkpoint).absolute(), name, owners, classes)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "best_rule_")

"""CMA-ES as a strategy, by the package pycma."""

from typing import Any, ClassVar

import numpy as np

from sklearn_metabp._kernels.threads import one_blas_thread
from sklearn_metabp.meta_training.seeds import NOISE, seeded
from sklearn_metabp.meta_training.strategies import MAX_DIFFERENCE, Strategy
from sklearn_metabp.optional_libraries import require_library


class CovarianceAdaptation(Strategy):
    """Covariance matrix adaptation: candidates from a normal distribution that learns its shape.

    All trials of an iteration try the same candidates. A candidate counts by the mean over the
    trials of its difference to the median of the trial, clipped to ±1: tasks differ more than
    candidates do, and so no task dominates.

    The state consists of the values of all candidates, (n_iterations, n_candidates). pycma's own
    state is rebuilt from them, because the same random numbers and values make the same state, and
    a file of arrays is safe to read.

    Parameters
    ----------
    start : ndarray of shape (n,)
        Mean of the first distribution.
    population_size : int or None
        Candidates of an iteration; None for pycma's default, 4 + 3 log n.
    n_trials : int
    sigma : float
        Standard deviation of the first distribution.
    random_state : int

    Raises
    ------
    ImportError
        If pycma is not installed.
    """

    columns: ClassVar[dict[str, type]] = {"difference": float, "step_size": float}

    def __init__(
        self,
        start: np.ndarray,
        *,
        population_size: int | None,
        n_trials: int,
        sigma: float,
        random_state: int,
    ):
        self._start, self._sigma, self._random_state = start, sigma, random_state
        self._n_trials, self._population_size = n_trials, population_size
        self._evolution = self._begin()
        self._number, self._asked = 0, np.empty(0)
        self.state = np.empty((0, self._evolution.popsize))

    def _begin(self) -> Any:
        require_library("cma", "CMASearch")
        from cma import CMAEvolutionStrategy

        # Without a seed of its own pycma leaves NumPy's global generator alone.
        options = {"randn": self._draw, "seed": np.nan, "verbose": -9, "verb_log": 0}
        if self._population_size is not None:
            options["popsize"] = self._population_size
        return CMAEvolutionStrategy(self._start, self._sigma, options)

    def _draw(self, n_candidates: int, n: int) -> np.ndarray:
        rng = seeded(self._random_state, self._number, NOISE)
        return rng.standard_normal((n_candidates, n))

    def fits(self, state: Any) -> bool:
        """Return whether it has the values of all candidates of some iterations."""
        return (
            isinstance(state, np.ndarray)
            and state.dtype == np.float64
            and state.shape[1:] == self.state.shape[1:]
            and bool(np.isfinite(state).all())
        )

    def restore(self, state: np.ndarray) -> None:
        """Repeat the calls of ask and tell of an earlier search."""
        self._evolution = self._begin()
        for number, values in enumerate(state, 1):
            self._ask(number)
            self._tell(values)
        self.state = state

    @property
    def kept(self) -> np.ndarray:
        """The mean of the distribution: with noise it is better than the best candidate."""
        return np.array(self._evolution.mean)

    def ask(self, number: int) -> np.ndarray:
        """Return the same candidates for every trial; see :class:`Strategy`."""
        self._ask(number)
        return np.stack([self._asked] * self._n_trials)

    def _ask(self, number: int) -> None:
        self._number = number
        with one_blas_thread():  # the last bits of an eigenvector depend on the number of threads
            self._asked = np.array(self._evolution.ask())

    def tell(self, number: int, values: np.ndarray, ended: np.ndarray) -> dict[str, float]:
        """Update the distribution; see :class:`Strategy`."""
        differences = values - np.median(values, axis=1, keepdims=True)
        clipped = np.clip(differences, -MAX_DIFFERENCE, MAX_DIFFERENCE)
        told = np.sum(clipped, axis=0) / len(clipped)
        self._tell(told)
        self.state = np.vstack([self.state, told])
        return {
            "difference": float(np.sqrt(np.mean(differences**2))),
            "step_size": float(self._evolution.sigma),
        }

    def _tell(self, values: np.ndarray) -> None:
        with one_blas_thread():
            self._evolution.tell(list(self._asked), values.tolist())

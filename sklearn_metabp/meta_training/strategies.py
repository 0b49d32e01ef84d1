"""Strategies: the next candidates of a search, and the use of their values."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from sklearn_metabp.meta_training.outer_step import OuterStep
from sklearn_metabp.meta_training.seeds import NOISE, seeded
from sklearn_metabp.update_rules import UpdateRule

# Largest difference between two rollouts of a trial, so that no task dominates.
MAX_DIFFERENCE = 1.0


class Strategy(ABC):
    """A search for a vector with a low value.

    Attributes
    ----------
    state : object
        Everything that later iterations depend on; data that a checkpoint can save.
    columns : dict of str to type
        Columns that :meth:`tell` adds to the table of iterations.
    """

    state: Any
    columns: ClassVar[dict[str, type]]

    @abstractmethod
    def fits(self, state: Any) -> bool:
        """Return whether a state from a file is one of this search."""

    @abstractmethod
    def restore(self, state: Any) -> None:
        """Continue from the state of an earlier search."""

    @property
    @abstractmethod
    def kept(self) -> np.ndarray:
        """The vector that the search would return now, of shape (n,)."""

    @abstractmethod
    def ask(self, number: int) -> np.ndarray:
        """Return the candidates of an iteration, from 1: (n_trials, n_candidates, n)."""

    @abstractmethod
    def tell(self, number: int, values: np.ndarray, ended: np.ndarray) -> dict[str, float]:
        """Learn from the values of the candidates.

        Parameters
        ----------
        number : int
            Number of the iteration, from 1.
        values : ndarray of shape (n_trials, n_candidates)
            Lower is better. Values of one trial are comparable.
        ended : ndarray of shape (n_trials,) of bool
            True if the trainings of a trial have ended. If not, the trial of the same position
            continues them in the next iteration.

        Returns
        -------
        row : dict of float
            Values of ``columns``.
        """


class AntitheticPairs(Strategy):
    r"""Evolution strategy with antithetic pairs, persistent if trainings are continued.

    The candidates of trial j are :math:`\theta \pm \sigma \epsilon_j`. With :math:`\xi_j`, the sum
    of the noise of the trial since its trainings began, the gradient is estimated by

    .. math::
        g = \frac{1}{2 \sigma n} \sum_j \mathrm{clip}(f_j^+ - f_j^-, \pm 1) \, \xi_j

    If all trainings end in every iteration, :math:`\xi_j = \epsilon_j`: the estimate of Salimans et
    al. (2017). Otherwise it is the estimate of Vicol, Metz and Sohl-Dickstein (2021). It is
    unbiased, because a training depends on all perturbations since its beginning.

    Parameters
    ----------
    start : ndarray of shape (n,)
    rule : UpdateRule
        The rule of the outer step.
    average_decay : float
    n_planned : int
        See :class:`OuterStep`.
    n_pairs : int
    sigma : float
    random_state : int
    """

    columns: ClassVar[dict[str, type]] = {"difference": float, "gradient_norm": float}

    def __init__(
        self,
        start: np.ndarray,
        rule: UpdateRule,
        average_decay: float,
        n_planned: int,
        *,
        n_pairs: int,
        sigma: float,
        random_state: int,
    ):
        self._rule, self._average_decay, self._n_planned = rule, average_decay, n_planned
        self._sigma, self._random_state = sigma, random_state
        vector = start.copy()
        self._outer = OuterStep(vector, rule, average_decay, n_planned)
        sums = np.zeros((n_pairs, len(start)))
        self.state: dict[str, Any] = {
            "vector": vector,
            "outer": self._outer.state,
            "noise_sums": sums,
        }

    def fits(self, state: Any) -> bool:
        """Return whether the arrays have the shapes of this search."""
        return (
            type(state) is dict
            and state.keys() == self.state.keys()
            and all(is_like(state[name], self.state[name]) for name in ("vector", "noise_sums"))
        )

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from the state of an earlier search."""
        self.state = state
        self._outer = OuterStep(
            state["vector"], self._rule, self._average_decay, self._n_planned, state["outer"]
        )

    @property
    def kept(self) -> np.ndarray:
        """The average of the iterates."""
        return self._outer.kept

    def ask(self, number: int) -> np.ndarray:
        """Return the pairs of candidates of an iteration; see :class:`Strategy`."""
        noises = self._draw(number)
        vector = self.state["vector"]
        return np.stack([vector + sign * self._sigma * noises for sign in (1, -1)], axis=1)

    def tell(self, number: int, values: np.ndarray, ended: np.ndarray) -> dict[str, float]:
        """Take an outer step; see :class:`Strategy`."""
        differences = values[:, 0] - values[:, 1]
        sums = self.state["noise_sums"] + self._draw(number)
        gradient = estimate_gradient(differences, sums, self._sigma)
        self._outer.take(number, gradient, float(values.mean()))
        self.state["noise_sums"] = np.where(ended[:, None], 0.0, sums)
        return {
            "difference": float(np.sqrt(np.mean(differences**2))),
            "gradient_norm": float(np.sqrt(np.sum(gradient**2))),
        }

    def _draw(self, number: int) -> np.ndarray:
        n_pairs, n = self.state["noise_sums"].shape
        first = (number - 1) * n_pairs
        return np.array(
            [
                seeded(self._random_state, first + position, NOISE).standard_normal(n)
                for position in range(n_pairs)
            ]
        )


def is_like(array: Any, other: np.ndarray) -> bool:
    """Return whether an array has the form of another one, and is finite."""
    return (
        isinstance(array, np.ndarray)
        and (array.shape, array.dtype) == (other.shape, other.dtype)
        and bool(np.isfinite(array).all())
    )


def estimate_gradient(differences: np.ndarray, noises: np.ndarray, sigma: float) -> np.ndarray:
    """Estimate the gradient of an objective from antithetic pairs.

    Parameters
    ----------
    differences : ndarray of shape (n_pairs,)
        Value with the perturbation added, less the value with it subtracted. They are clipped to
        ±1.
    noises : ndarray of shape (n_pairs, n)
        Perturbations that the values depend on, in units of ``sigma``.
    sigma : float

    Returns
    -------
    gradient : ndarray of shape (n,)
    """
    clipped = np.clip(differences, -MAX_DIFFERENCE, MAX_DIFFERENCE)
    # A sum along the pairs, in their order: it does not depend on a BLAS.
    return np.sum(clipped[:, None] * noises, axis=0) / (2 * sigma * len(noises))

"""The state of a search: everything that its later iterations depend on."""

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

#: Columns of the table of iterations, and their dtypes.
COLUMNS = {
    "iteration": int,
    "objective": float,
    "difference": float,
    "gradient_norm": float,
    "n_failed": int,
    "n_restarted": int,
    "n_steps": int,
    "seconds": float,
}


@dataclass
class SearchState:
    """State of a search after a number of iterations.

    Attributes
    ----------
    vector : ndarray of shape (n_meta_params,)
        The numbers of the rule in their scales.
    outer_state : object
        State of the outer update rule.
    n_iterations : int
        Iterations so far.
    failures : list of tuple (int, ndarray)
        Starts of rollouts that failed: the number of the task, and the parameters of its network.
    history : dict of list
        A list for every column of the table of iterations.
    """

    vector: np.ndarray
    outer_state: Any = None
    n_iterations: int = 0
    failures: list[tuple[int, np.ndarray]] = field(default_factory=list)
    history: dict[str, list] = field(default_factory=lambda: {name: [] for name in COLUMNS})

    def table(self) -> dict[str, np.ndarray]:
        """Return the table of iterations, an array for every column."""
        return {name: np.array(self.history[name], dtype) for name, dtype in COLUMNS.items()}

    def copy(self) -> "SearchState":
        """Return an independent copy."""
        return copy.deepcopy(self)


def check_search(state: Any, fresh: SearchState) -> None:
    """Raise ValueError unless a state that was read belongs to the search of ``fresh``."""
    fits = (
        type(state) is SearchState
        and isinstance(state.vector, np.ndarray)
        and (state.vector.shape, state.vector.dtype) == (fresh.vector.shape, fresh.vector.dtype)
        and bool(np.isfinite(state.vector).all())
        and type(state.n_iterations) is int
        and type(state.failures) is list
        and all(_is_failure(failure) for failure in state.failures)
        and type(state.history) is dict
        and list(state.history) == list(COLUMNS)
        and all(
            type(column) is list and len(column) == state.n_iterations
            for column in state.history.values()
        )
    )
    if not fits:
        raise ValueError("it holds no state of this search")


def _is_failure(failure: Any) -> bool:
    return (
        type(failure) is tuple
        and len(failure) == 2
        and type(failure[0]) is int
        and isinstance(failure[1], np.ndarray)
    )

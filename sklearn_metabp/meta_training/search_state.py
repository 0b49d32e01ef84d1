"""The state of a search: everything that its later iterations depend on."""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from sklearn_metabp.meta_training.strategies import Strategy
from sklearn_metabp.meta_training.trainings import Trainings


def column_types(strategy: Strategy) -> dict[str, type]:
    """Return the columns of the table of iterations, and the types of their numbers."""
    return {
        "iteration": int,
        "objective": float,
        **strategy.columns,
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
    strategy, trainings : object
        States of the strategy and of the trainings.
    history : dict of list
        A list for every column of the table of iterations.
    n_iterations : int
        Iterations so far.
    """

    strategy: Any
    trainings: Any
    history: dict[str, list] = field(repr=False)
    n_iterations: int = 0

    @classmethod
    def begin(cls, strategy: Strategy, trainings: Trainings) -> Self:
        """Return the state before the first iteration."""
        history: dict[str, list] = {name: [] for name in column_types(strategy)}
        return cls(strategy.state, trainings.state, history)

    def note(
        self, number: int, strategy: Strategy, trainings: Trainings, row: dict[str, Any]
    ) -> None:
        """Take the state after an iteration, with its row of the table."""
        self.strategy, self.trainings = strategy.state, trainings.state
        for name, column in self.history.items():
            column.append(row[name])
        self.n_iterations = number

    def table(self, strategy: Strategy) -> dict[str, np.ndarray]:
        """Return the table of iterations, an array for every column."""
        types = column_types(strategy)
        return {name: np.array(column, types[name]) for name, column in self.history.items()}


def check_search(state: Any, strategy: Strategy, trainings: Trainings) -> None:
    """Raise ValueError unless a state from a file belongs to a search."""
    fits = (
        type(state) is SearchState
        and type(state.n_iterations) is int
        and strategy.fits(state.strategy)
        and trainings.fits(state.trainings)
        and type(state.history) is dict
        and list(state.history) == list(column_types(strategy))
        and all(
            type(column) is list and len(column) == state.n_iterations
            for column in state.history.values()
        )
    )
    if not fits:
        raise ValueError("it holds no state of this search")

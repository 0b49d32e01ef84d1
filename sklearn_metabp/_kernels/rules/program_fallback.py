"""Elementwise update rules over a whole training, in NumPy; ``_program`` has the compiled one."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sklearn_metabp._kernels.rules.rule_steps_fallback import apply_updates

__all__ = ["Program"]


class Program:
    """A rule whose steps are elementwise operations.

    Parameters
    ----------
    operations : list of Operation
        Each has a ``function`` of this package, its ``arrays``, and ``counts``: whether the last of
        its numbers is one higher at each step. Every array is a vector of the state, or a slice of
        ``params``, ``gradients`` or ``updates``.
    params, gradients, updates : ndarray of shape (n_params,)
    """

    def __init__(
        self,
        operations: Sequence[Any],
        params: np.ndarray,
        gradients: np.ndarray,
        updates: np.ndarray,
    ) -> None:
        self.params, self._gradients, self._updates = params, gradients, updates
        self._operations = list(operations)
        self._tables: list[Any] = []

    def load(self, tables: Sequence[Any]) -> None:
        """Take the numbers of the next steps.

        Parameters
        ----------
        tables : list of sequences of shape (n_steps or 1, n_numbers)
            One for each operation; the only row of one serves for all steps.
        """
        self._tables = list(tables)

    def change(self, index: int) -> bool:
        """Take step ``index`` of those that were loaded; return False if it was not finite."""
        for operation, table in zip(self._operations, self._tables, strict=True):
            numbers = list(table[min(index, len(table) - 1)])
            if operation.counts and len(table) == 1:
                numbers[-1] += index
            if operation.function.__name__ == "clip_step":  # its array is a view to be read
                operation.function(self._gradients, *numbers)
            else:
                operation.function(*operation.arrays, *numbers)
        return apply_updates(self.params, self._updates)

"""The scopes of learned rules, as a trace uses them.

They are defined in ``sklearn_metabp.learned``, a lower package, which registers its table here.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from sklearn_metabp.tracing.trace import Trace


class TraceReader(Protocol):
    """A scope with its inputs: it turns a trace into the two matrices of a regression."""

    def features(self, trace: "Trace") -> np.ndarray:
        """Return the inputs of the learner, one row per prediction."""

    def targets(self, trace: "Trace") -> np.ndarray:
        """Return the targets of the predictions."""


_tables: list[Mapping[str, Callable[[Any], TraceReader]]] = []


def register_scopes(table: Mapping[str, Callable[[Any], TraceReader]]) -> None:
    """Make ``Trace.features`` and ``Trace.targets_of`` look scopes up in this table."""
    _tables[:] = [table]


def make_scope(name: str, inputs: Any = None) -> TraceReader:
    """Return a registered scope with these inputs, None for its default ones.

    Raises
    ------
    ValueError
        If no scope has that name, or the scope has no such inputs.
    """
    (table,) = _tables
    if name not in table:
        raise ValueError(f"scope must be one of {sorted(table)}, got {name!r}.")
    return table[name](inputs)

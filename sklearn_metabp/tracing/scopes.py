"""The table of scopes, in which the scopes of learned rules are registered.

The scopes are defined in ``sklearn_metabp.learned``, a lower tier, which fills the table.
"""

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from sklearn_metabp.tracing.trace import Trace


class Scope(Protocol):
    """The features and targets of a learned rule."""

    def features(self, trace: "Trace", inputs: Any) -> np.ndarray:
        """Return the inputs of the predictions, one row per prediction."""

    def targets(self, trace: "Trace") -> np.ndarray:
        """Return the values to predict."""


SCOPES: dict[str, Scope] = {}


def scope_named(name: str) -> Scope:
    """Return a registered scope.

    Raises
    ------
    ValueError
        If no scope has that name.
    """
    if name not in SCOPES:
        raise ValueError(f"scope must be one of {sorted(SCOPES)}, got {name!r}.")
    return SCOPES[name]

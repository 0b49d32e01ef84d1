"""Where the scopes of learned rules say what a learner sees of a trace.

The scopes are defined in ``sklearn_metabp.learned``, which stands below; they register here.
"""

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from sklearn_metabp.tracing.trace import Trace


class Scope(Protocol):
    """What a learned rule models, as two matrices."""

    def features(self, trace: "Trace", inputs) -> np.ndarray:
        """What is known, one row a prediction."""

    def targets(self, trace: "Trace") -> np.ndarray:
        """What is to be predicted."""


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

"""A regression on columns that belong to no scope."""

from typing import Any, NoReturn

import numpy as np

from sklearn_metabp.learned.scopes.base import Scope
from sklearn_metabp.learned.weights import ALIKE, SampleWeights
from sklearn_metabp.tracing import Trace


class PlainRegression(Scope):
    """A regression that predicts and cannot train; it is in no table.

    The checks of scikit-learn fit plain matrices, so a rule must accept them.

    Parameters
    ----------
    scope : Scope
        The scope whose columns were expected.
    n_columns : int
        Number of columns of the matrix.
    """

    def __init__(self, scope: Scope, n_columns: int):
        self.name, self.inputs = scope.name, scope.inputs  # type: ignore[misc]
        self._reason = (
            f"this rule was fitted on a matrix of {n_columns} columns, not on the "
            f"{len(scope.inputs)} inputs of scope={scope.name!r} and the normalizer: fit it on a "
            f"trace, or on trace.features({scope.name!r}) and trace.targets_of({scope.name!r})."
        )

    @property
    def cannot_train_because(self) -> str:
        """Reason: the columns belong to no scope."""
        return self._reason

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        learner: Any,
        trace: Trace | None,
        weights: SampleWeights = ALIKE,
    ) -> None:
        """Fit the learner to targets whose root mean square is 1."""
        self._scale = float(np.sqrt(np.mean(weights.mean(np.square(y))))) or 1.0
        self._learner = weights.fit(learner, X, y / self._scale)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return predictions, in units of the targets."""
        return self.learner.predict(X) * self._scale

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise ValueError(self._reason)

    needed_arrays = frozenset()
    n_predictions = features_at = targets_at = default_learner = _refuse
    sample = bind = explain = _required_mlp = _refuse

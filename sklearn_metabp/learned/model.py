"""What every scope of a learned rule has to say."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from sklearn_metabp.learned.explain import RuleExplanation
from sklearn_metabp.tracing import Trace


class ScopeModel(ABC):
    """A scope with its inputs, and after ``fit`` with what was learned.

    Attributes
    ----------
    inputs : tuple of str
        Names of what the learner sees.
    learner : regressor
        Fitted.
    is_compiled : bool
        Whether the learner runs compiled inside the step.
    acts_backward : bool
        Whether ``bind_deltas`` stands in for rule (6).
    """

    acts_backward = False
    inputs: tuple[str, ...]
    learner: Any = None
    is_compiled = False

    @property
    def why_not(self) -> str | None:
        """Why what was fitted cannot train, and what to do; None where it can."""
        return None

    @abstractmethod
    def sample(self, trace: Trace, max_rows: int | None, rng) -> tuple[np.ndarray, np.ndarray]:
        """Features and targets of all predictions in a trace, or of so many drawn at random."""

    @abstractmethod
    def takes(self, n_columns: int) -> bool:
        """Whether a matrix with so many columns can be the features of this scope."""

    @abstractmethod
    def default_learner(self):
        """The regressor that learns where none is given."""

    @abstractmethod
    def fit(self, X: np.ndarray, y: np.ndarray, learner, trace: Trace | None) -> None:
        """Fit the learner; ``trace`` is where X and y come from, if they come from one."""

    @abstractmethod
    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predictions in the units of the targets."""

    @abstractmethod
    def init_state(self, layout) -> Any:
        """What a training driven by this model remembers; ValueError if it cannot drive one."""

    def state_key(self) -> tuple:
        """What a state of this scope depends on: the scope, where there is nothing else."""
        return (type(self),)

    @abstractmethod
    def bind(self, step, state) -> Callable[[], np.ndarray]:
        """A function that computes the update of every step of a training."""

    def bind_deltas(self, step, state) -> Callable[[int], None]:
        """A function that fills the deltas of a hidden layer; called only where ``acts_backward``."""
        raise NotImplementedError

    @abstractmethod
    def explain(self, n_points: int) -> RuleExplanation:
        """What was learned, readable."""


def answer(predict, matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What a learner predicts; NaN of the given shape where it would refuse a matrix that is not finite.

    A training that overflows is then found out by the loop, as under any other rule.
    """
    # Learners compute in float32 here and there.
    if not (np.abs(matrix) < np.finfo(np.float32).max).all():
        return np.full(shape, np.nan)
    return predict(matrix).reshape(shape)


class PlainModel(ScopeModel):
    """A regression on columns that are no scope's: it predicts and cannot train."""

    inputs = ()

    def __init__(self, scope: str, n_columns: int, wanted: str):
        self._why_not = (
            f"this rule was fitted on a matrix of {n_columns} columns, not on {wanted}: fit it on a trace, "
            f"or on trace.features({scope!r}) and trace.targets_of({scope!r})."
        )

    @property
    def why_not(self):
        """Other columns."""
        return self._why_not

    def sample(self, trace, max_rows, rng):
        """Refuse: a trace has other columns."""
        raise ValueError(self._why_not)

    def takes(self, n_columns):
        """Take any matrix."""
        return True

    def default_learner(self):
        """Leave the learner to the scope."""
        raise NotImplementedError

    def fit(self, X, y, learner, trace):
        """Fit the learner on targets of unit size."""
        self._scale = float(np.sqrt(np.mean(np.square(y)))) or 1.0
        self.learner = learner.fit(X, y / self._scale)

    def predict(self, X):
        """Predict in the targets' units."""
        return self.learner.predict(X) * self._scale

    def init_state(self, layout):
        """Refuse to train."""
        raise ValueError(self._why_not)

    def bind(self, step, state):
        """Refuse to train."""
        raise ValueError(self._why_not)

    def explain(self, n_points):
        """Refuse: there is no rule."""
        raise ValueError(self._why_not)

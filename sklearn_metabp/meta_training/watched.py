"""A rule that is stopped before what it sees overflows."""

import numpy as np

from sklearn_metabp.training import DivergenceError
from sklearn_metabp.update_rules import UpdateRule

# The squares of what is smaller are finite in float32 too.
LIMIT = 1e15


class WatchedRule(UpdateRule):
    """Another rule, under which weights, gradients and deltas beyond 1e15 are a ``DivergenceError``.

    Learners refuse a matrix with NaN or infinity by a plain ``ValueError``, which would not be told from an
    error of whoever made the rule.

    Parameters
    ----------
    rule : UpdateRule
    """

    def __init__(self, rule):
        self.rule = rule

    @property
    def acts_backward(self) -> bool:  # type: ignore[override]
        """Whether the rule does."""
        return self.rule.acts_backward

    def init_state(self, layout):
        """That of the rule."""
        return self.rule.init_state(layout)

    def compute_update(self, step, state):
        """That of the rule, if what it sees is small enough."""
        self._check(step, step.gradients, step.params)
        return self.rule.compute_update(step, state)

    def compute_deltas(self, step, layer, state):
        """Those of the rule, if what it sees is small enough."""
        self._check(step, step.deltas[layer + 1], step.params)
        return self.rule.compute_deltas(step, layer, state)

    def _check(self, step, *arrays) -> None:
        for array in arrays:
            if not np.abs(array).max(initial=0) <= LIMIT:  # NaN is not
                raise DivergenceError(
                    f"weights, gradients or deltas passed {LIMIT:g}",
                    self.rule,
                    epoch=step.epoch + 1,
                    step=step.index,
                    last_loss=None,
                )

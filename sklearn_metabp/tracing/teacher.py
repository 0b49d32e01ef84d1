"""A teacher: a rule that computes its update at the steps of another rule's training."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sklearn_metabp.network import ParameterLayout, Step, StepView
from sklearn_metabp.tracing.variables import TEACHER_UPDATES
from sklearn_metabp.update_rules import UpdateRule
from sklearn_metabp.update_rules.checks import bind_validated


class Teacher:
    """A rule that computes its updates in the steps of one training, without changing weights.

    Parameters
    ----------
    rule : UpdateRule
        Its state is updated at every step.
    layout : ParameterLayout
    """

    def __init__(self, rule: UpdateRule, layout: ParameterLayout):
        self._rule, self._state = rule, rule.init_state(layout)
        self._seen: Step | None = None
        self._shadow: StepView
        self._compute_update: Callable[[], np.ndarray]

    def teach(self, step: Step) -> np.ndarray:
        """Return the teacher's update at a step.

        Raises
        ------
        ValueError
            If the rule returns something else than an update.
        """
        if self._seen is not step:  # every training has a step of its own
            # A teacher that sets dropout must not set that of the training.
            self._seen, self._shadow = step, StepView(step, "updates", "dropout")
            self._compute_update = bind_validated(self._rule, self._shadow, self._state)
        self._shadow.refresh()
        return self._compute_update()

    def forget_step(self) -> None:
        """Drop the references to the last step, which holds the data. Keep the rule's state."""
        if self._seen is not None:
            self._seen = None
            del self._shadow, self._compute_update


def taught_updates(step: Any) -> np.ndarray:
    """Return the update to learn from a recorded step: the teacher's, if there was a teacher."""
    return getattr(step, TEACHER_UPDATES, step.updates)

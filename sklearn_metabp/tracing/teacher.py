"""What a teacher would have done at the states that another rule visits."""

from collections.abc import Callable

import numpy as np

from sklearn_metabp.network import Step, StepView
from sklearn_metabp.tracing.variables import TEACHER_UPDATES
from sklearn_metabp.update_rules import UpdateRule
from sklearn_metabp.update_rules.checks import bind_validated


class Teacher:
    """A rule that looks on at one training.

    Parameters
    ----------
    rule : UpdateRule
        Its state follows the training that it sees.
    layout : ParameterLayout
    """

    def __init__(self, rule: UpdateRule, layout):
        self._rule, self._state = rule, rule.init_state(layout)
        self._seen: Step | None = None
        self._shadow: StepView
        self._compute_update: Callable[[], np.ndarray]

    def taught(self, step: Step) -> "TaughtStep":
        """The step, and what the teacher would have done there.

        Raises
        ------
        ValueError
            If that is no update.
        """
        if self._seen is not step:  # another training
            self._seen, self._shadow = step, StepView(step, "updates")
            self._compute_update = bind_validated(self._rule, self._shadow, self._state)
        self._shadow.follow()
        return TaughtStep(step, self._compute_update())

    def forget_step(self) -> None:
        """Let go of the last step, which holds the data; what stays is the state of the rule."""
        if self._seen is not None:
            self._seen = None
            del self._shadow, self._compute_update


def taught_updates(step) -> np.ndarray:
    """What a learner should do at a recorded step: the teacher's update, where there was one."""
    return getattr(step, TEACHER_UPDATES, step.updates)


class TaughtStep:
    """A step with ``teacher_updates`` beside its own."""

    def __init__(self, step: Step, teacher_updates: np.ndarray):
        self._step, self.teacher_updates = step, teacher_updates

    def __getattr__(self, name: str):
        return getattr(self._step, name)

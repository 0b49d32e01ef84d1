"""What a teacher would have done at the states that another rule visits."""

import copy

import numpy as np

from sklearn_metabp.network import Step
from sklearn_metabp.tracing.variables import TEACHER_UPDATES
from sklearn_metabp.update_rules import UpdateRule
from sklearn_metabp.update_rules.checked_update import checked_update


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
        self._shadow: Step | None = None

    def taught(self, step: Step) -> "TaughtStep":
        """The step, and what the teacher would have done there.

        Raises
        ------
        ValueError
            If that is no update.
        """
        if self._seen is not step or self._shadow is None:
            self._seen, self._shadow = step, copy.copy(step)
            self._shadow.updates = np.zeros_like(step.updates)
        shadow = self._shadow
        shadow.index, shadow.epoch, shadow.loss = step.index, step.epoch, step.loss
        shadow.start, shadow.stop = step.start, step.stop
        change = self._rule.compute_update(shadow, self._state)
        return TaughtStep(step, checked_update(self._rule, change, shadow.updates))

    def forget_step(self) -> None:
        """Let go of the last step, which holds the data; what stays is the state of the rule."""
        self._seen = self._shadow = None


def taught_updates(step) -> np.ndarray:
    """What a learner should do at a recorded step: the teacher's update, where there was one."""
    return getattr(step, TEACHER_UPDATES, step.updates)


class TaughtStep:
    """A step with ``teacher_updates`` beside its own."""

    def __init__(self, step: Step, teacher_updates: np.ndarray):
        self._step, self.teacher_updates = step, teacher_updates

    def __getattr__(self, name: str):
        return getattr(self._step, name)

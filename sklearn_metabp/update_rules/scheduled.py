"""Rules with a learning rate that may change while they train."""

from numbers import Real
from typing import Any

from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_metabp.update_rules.schedules import ENDING, SCHEDULES, factor_at
from sklearn_metabp.update_rules.update_rule import UpdateRule

# Of the adaptive schedule: what a plateau divides the rate by, and the rate at which that ends.
_DIVISOR, _FLOOR = 5.0, 1e-6


class ScheduledRule(UpdateRule):
    """Base of rules with ``learning_rate`` and ``schedule``; not to be used directly.

    A subclass has both as parameters, ``"n_plateaus": 0`` in its state, and asks :meth:`rate_at` in
    every step.
    """

    _parameter_constraints: dict = {
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "schedule": [StrOptions(set(SCHEDULES)), callable],
    }
    learning_rate: Any
    schedule: Any

    @property
    def replayable(self) -> bool:  # type: ignore[override]
        """Whether steps can be computed again; not where plateaus between them count."""
        return self.schedule != "adaptive"

    def rate_at(self, step, state) -> float:
        """Learning rate of a step.

        Parameters
        ----------
        step : Step
        state : dict
            With ``"n_plateaus"``.

        Returns
        -------
        rate : float
        """
        if self.schedule == "constant":
            return self.learning_rate
        if self.schedule == "adaptive":
            return self._adapted(state)
        return self.learning_rate * factor_at(self.schedule, step.index, step.n_planned)

    def on_plateau(self, state):
        """Divide an adaptive rate by 5, down to 1e-6; see :meth:`UpdateRule.on_plateau`."""
        if self.schedule != "adaptive":
            return False
        if self._adapted(state) <= _FLOOR:
            return False
        state["n_plateaus"] += 1
        return True

    def schedule_has_ended(self, n_steps, n_planned):
        """True past the plan of one that ends at 0; see :meth:`UpdateRule.schedule_has_ended`."""
        return n_steps >= n_planned and isinstance(self.schedule, str) and self.schedule in ENDING

    def _adapted(self, state) -> float:
        """The rate after its plateaus; one that was set since the last of them has had none."""
        if state.setdefault("rate_of_plateaus", self.learning_rate) != self.learning_rate:
            state.update(n_plateaus=0, rate_of_plateaus=self.learning_rate)
        return self.learning_rate / _DIVISOR ** state["n_plateaus"]

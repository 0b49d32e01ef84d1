"""The base of rules with a learning rate that may change during a training."""

from numbers import Real
from typing import Any

from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_metabp.network import Step
from sklearn_metabp.update_rules.schedules import ENDING, SCHEDULES, Schedule, factor_at
from sklearn_metabp.update_rules.update_rule import UpdateRule

# The adaptive schedule divides the rate by the first number at every plateau, until the rate is the
# second.
_DIVISOR, _FLOOR = 5.0, 1e-6


class ScheduledRule(UpdateRule):
    """Base of rules with ``learning_rate`` and ``schedule``. Do not use it directly.

    A subclass takes both as parameters, has ``"n_plateaus": 0`` in its state, and calls
    :meth:`rate_at` at every step.
    """

    _parameter_constraints: dict = {
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        # "adaptive" depends on the loss and not on the step: on_plateau.
        "schedule": [StrOptions({*SCHEDULES, "adaptive"}), callable],
    }
    learning_rate: float
    schedule: str | Schedule

    @property
    def replayable(self) -> bool:  # type: ignore[override]
        """True unless plateaus between the steps change the rate."""
        return self.schedule != "adaptive"

    @property
    def has_steady_rate(self) -> bool:
        """True if the rate changes only at the end of an epoch."""
        return (
            self.schedule in ("constant", "adaptive")
            and type(self).rate_at is ScheduledRule.rate_at
        )

    def rate_at(self, step: Step, state: dict[str, Any]) -> float:
        """Return the learning rate of a step.

        Parameters
        ----------
        step : Step
        state : dict
            The state, with the number of plateaus so far as ``"n_plateaus"``.

        Returns
        -------
        rate : float
        """
        if self.schedule == "constant":
            return self.learning_rate
        if self.schedule == "adaptive":
            return self._adapted_rate(state)
        return self.learning_rate * factor_at(self.schedule, step.index, step.n_planned)

    def on_plateau(self, state: dict[str, Any]) -> bool:
        """Divide an adaptive rate by 5, down to 1e-6. See :meth:`UpdateRule.on_plateau`."""
        if self.schedule != "adaptive":
            return False
        if self._adapted_rate(state) <= _FLOOR:
            return False
        state["n_plateaus"] += 1
        return True

    def schedule_has_ended(self, n_steps: int, n_planned: int) -> bool:
        """Return True after a schedule to 0. See :meth:`UpdateRule.schedule_has_ended`."""
        return n_steps >= n_planned and isinstance(self.schedule, str) and self.schedule in ENDING

    def _adapted_rate(self, state: dict[str, Any]) -> float:
        """Return the rate after its plateaus. A newly set rate had no plateau."""
        if state.setdefault("rate_of_plateaus", self.learning_rate) != self.learning_rate:
            state.update(n_plateaus=0, rate_of_plateaus=self.learning_rate)
        return self.learning_rate / _DIVISOR ** state["n_plateaus"]

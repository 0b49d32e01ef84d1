"""The base of rules with decoupled weight decay."""

import inspect
import math
from collections.abc import Callable
from numbers import Real
from typing import Any

from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_metabp._kernels.rules import cautious_decay_step, decay_step
from sklearn_metabp.network import Step
from sklearn_metabp.update_rules.operation import Operation
from sklearn_metabp.update_rules.scheduled import ScheduledRule
from sklearn_metabp.update_rules.schedules import SCHEDULES, Schedule, factor_at


class DecayingRule(ScheduledRule):
    """Base of rules with decoupled weight decay. Do not use it directly.

    A subclass takes ``weight_decay``, ``decay_epochs``, ``cautious`` and ``decay_schedule`` as
    parameters. It puts :meth:`decay_operations` after its other operations. Or it calls the result
    of :meth:`bind_decay` at every step, after it has computed the rest of ``step.updates``.
    """

    _parameter_constraints: dict = {
        **ScheduledRule._parameter_constraints,
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "decay_epochs": [Interval(Real, 0, None, closed="right"), None],
        "cautious": ["boolean"],
        "decay_schedule": [StrOptions(set(SCHEDULES)), callable],
    }
    weight_decay: float
    decay_epochs: float | None
    cautious: bool
    decay_schedule: str | Schedule

    def _validate_params(self) -> None:
        """Validate each parameter, and that only one of them sets the decay."""
        super()._validate_params()
        if self.decay_epochs is None or not self.weight_decay:
            return
        parameter = inspect.signature(type(self)).parameters.get("weight_decay")
        if parameter is None or self.weight_decay != parameter.default:
            raise ValueError(
                f"weight_decay={self.weight_decay} and decay_epochs={self.decay_epochs} both set "
                "the decay of the weights: leave out one of them."
            )

    def bind_decay(
        self, step: Step, weights: slice | None = None
    ) -> Callable[[float, float], None]:
        """Bind the decay to one training, as ``bind`` binds the update.

        Parameters
        ----------
        step : Step
        weights : slice, default=None
            Slice of the flat vector. None means all weights. Biases do not decay.

        Returns
        -------
        decay : callable
            ``decay(rate, factor)`` subtracts the decay from the updates. The rate multiplies
            ``weight_decay``. The factor of the schedule multiplies the share of ``decay_epochs``.
        """
        if weights is None:
            weights = slice(step.layout.n_weights)
        params, updates = step.params[weights], step.updates[weights]

        def decay(rate: float, factor: float) -> None:
            share = self._share(step, rate, factor)
            if share:
                (cautious_decay_step if self.cautious else decay_step)(params, updates, share)

        return decay

    def decay_operations(self, step: Step, state: dict[str, Any]) -> list[Operation]:
        """Return the decay of all weights as an operation, or None without decay."""
        if self.decay_epochs is None and not self.weight_decay:
            return []

        def numbers(n: int) -> tuple[float, ...]:
            rate = self.rate_at(step, state)
            return (self._share(step, rate, rate / self.learning_rate),)

        weights = slice(step.layout.n_weights)
        function = cautious_decay_step if self.cautious else decay_step
        arrays = step.params[weights], step.updates[weights]
        steady = self.has_steady_rate and self.decay_schedule == "constant"
        return [Operation(function, arrays, numbers, steady=steady)]

    def _share(self, step: Step, rate: float, factor: float) -> float:
        """Return the share of every weight that decays in a step."""
        if self.decay_schedule != "constant":
            of_decay = factor_at(
                self.decay_schedule,
                step.index,
                step.n_planned,
                name="decay_schedule",
                of="the decay of the weights",
            )
            rate, factor = rate * of_decay, factor * of_decay
        if self.decay_epochs is None:
            return rate * self.weight_decay
        return factor * share_of_epochs(self.decay_epochs, step)


def share_of_epochs(n_epochs: float, step: Step) -> float:
    """Return the share per step that makes a weight 1/e of itself in a number of epochs.

    It is 1 - exp(-1 / (n_epochs M)) with M steps per epoch.
    """
    return -math.expm1(-1 / (n_epochs * step.steps_per_epoch))

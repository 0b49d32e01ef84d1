"""Steps without a schedule: the gradient at a mix of two points, and an average of weights."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels.rules import schedule_free_step
from sklearn_metabp.network import ParameterLayout, Step
from sklearn_metabp.update_rules.adamw import AdamW
from sklearn_metabp.update_rules.operation import Operation
from sklearn_metabp.update_rules.scheduled import ScheduledRule
from sklearn_metabp.update_rules.training_rule import TrainingRule
from sklearn_metabp.update_rules.update_rule import UpdateRule
from sklearn_metabp.update_rules.wrapper import WrapperRule


class ScheduleFree(WrapperRule):
    r"""Wrapper: an average of the weights replaces a schedule of the learning rate.

    The rule has three points in place of one. The gradient is computed at y, the wrapped rule moves
    z, and x is the average of z. With :math:`x_1 = z_1 = w_1`, the update :math:`\Delta` of the
    wrapped rule, and :math:`s_t = \min(1, t / \text{warmup\_steps})` at step t = 1, 2, …:

    .. math::
        y_t &= (1 - \beta) z_t + \beta x_t \\
        z_{t+1} &= z_t + s_t \Delta(y_t) \\
        x_{t+1} &= (1 - c_t) x_t + c_t z_{t+1}, \qquad
        c_t = s_t^2 / \textstyle\sum_{i=1}^t s_i^2

    The weights of the training, and its loss curve, are those at :math:`y_t`. The fitted estimator,
    validation and early stopping use :math:`x_t`. This point is good after every step, so the
    length of the training need not be known in advance.

    ``ScheduleFree()`` and the name ``"schedulefree"`` are schedule-free AdamW with the defaults of
    its authors. The wrapped rule is ``AdamW(0.0025, beta_1=0.0, weight_decay=0.0)``. The mix of z
    and x replaces the momentum.

    Parameters
    ----------
    rule : str or UpdateRule, default=None
        The rule that moves z, with a constant learning rate. It should have no momentum, like
        ``AdamW(0.01, beta_1=0.0)`` or ``SGD(0.5)``. None means the AdamW above. Good learning rates
        are often larger than those of the same rule without the wrapper.
    beta : float, default=0.9
        :math:`\beta`, the share of x in y, in [0, 1]. 0 is Polyak and Ruppert's averaging, 1 is
        primal averaging.
    warmup_steps : int, default=0
        Number of steps in which the steps of z grow to their full size. Points after small steps
        have smaller weights in the average, in proportion to :math:`s_t^2`.

    See Also
    --------
    Averaged : Wrapper that keeps a running mean of the weights.
    AdamW : Adam with a decay of the weights beside the step.
    SGD : Step along the negative gradient, with or without momentum.

    References
    ----------
    A. Defazio, X. Yang, H. Mehta, K. Mishchenko, A. Khaled and A. Cutkosky, "The Road Less
    Scheduled" (2024), equations 3 to 5 and algorithm 1.

    Examples
    --------
    >>> from sklearn_metabp import SGD, AdamW, BackpropMLPClassifier, ScheduleFree
    >>> model = BackpropMLPClassifier(update_rule="schedulefree")
    >>> model = BackpropMLPClassifier(update_rule=ScheduleFree(SGD(0.5), warmup_steps=20))
    >>> model.set_params(update_rule__rule=AdamW(0.01, beta_1=0.0)).update_rule.rule
    AdamW(beta_1=0.0, learning_rate=0.01)
    """

    follows_updates = True
    alters_updates = True

    _parameter_constraints: dict = {
        "rule": "no_validation",  # resolve_update_rule gives better errors
        "beta": [Interval(Real, 0, 1, closed="both")],
        "warmup_steps": [Interval(Integral, 0, None, closed="left")],
    }
    _parameters_elsewhere = {
        **WrapperRule._parameters_elsewhere,
        **dict.fromkeys(
            ("learning_rate", "lr", "beta_2", "epsilon", "weight_decay"),
            "a parameter of the wrapped rule: ScheduleFree(AdamW(0.01, beta_1=0.0))",
        ),
        "beta_1": "beta",
        "schedule": "warmup_steps",
    }

    def __init__(
        self,
        rule: str | TrainingRule | FrozenEstimator | None = None,
        beta: float = 0.9,
        warmup_steps: int = 0,
    ) -> None:
        self.rule = rule
        self.beta = beta
        self.warmup_steps = warmup_steps

    @property
    def inner(self) -> UpdateRule:
        """The wrapped rule: ``rule``, or the AdamW of its authors if it is None."""
        if self.rule is None:
            return AdamW(0.0025, beta_1=0.0, weight_decay=0.0)
        return self._resolve(self.rule, "rule")

    def init_state(self, layout: ParameterLayout) -> dict[str, Any]:
        """Start the wrapped rule, with x at z. See :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range, or the wrapped rule has a schedule.
        TypeError
            If a wrapped rule is :class:`Safeguarded` or averages weights itself.
        """
        self._validate_params()
        for rule in self.rules_within():
            if isinstance(rule, ScheduledRule) and rule.schedule != "constant":
                raise ValueError(
                    f"ScheduleFree takes the place of a schedule, and {type(rule).__name__} within "
                    f"has schedule={rule.schedule!r}: leave it out. For small steps at the "
                    "beginning there is warmup_steps."
                )
        return {
            "rule": self.inner_state(layout),
            "n_steps": 0,
            "offset": layout.zeros(),  # x - z
            "mass": 0.0,  # the sum of s^2
        }

    def compute_update(self, step: Step, state: dict[str, Any]) -> np.ndarray:
        """Compute the change of y. See :meth:`UpdateRule.compute_update`."""
        return ScheduleFree.bind(self, step, state)()

    def bind(self, step: Step, state: dict[str, Any]) -> Callable[[], np.ndarray]:
        """Bind the wrapped rule and the offset. See :meth:`UpdateRule.bind`."""
        inner_update, offset, updates = self.bind_inner(step, state), state["offset"], step.updates

        def compute_update() -> np.ndarray:
            change = inner_update()
            if change is not updates:  # it may be an array of the state of the wrapped rule
                updates[...] = change
            schedule_free_step(offset, updates, *self._next_numbers(state))
            return updates

        return compute_update

    def operations(self, step: Step, state: dict[str, Any]) -> list[Operation] | None:
        """Return the operations and the mix. See :meth:`UpdateRule.operations`."""
        within = self.inner_operations(step, state)
        if within is None:
            return None
        arrays = state["offset"], step.updates
        return [
            *within,
            Operation(schedule_free_step, arrays, lambda n: self._next_numbers(state)),
        ]

    def _next_numbers(self, state: dict[str, Any]) -> tuple[float, ...]:
        """Return beta, the factor of the warmup and the share of z in x, and count the step."""
        state["n_steps"] = t = state["n_steps"] + 1
        factor = t / self.warmup_steps if t < self.warmup_steps else 1.0
        state["mass"] += factor**2
        return self.beta, factor, factor**2 / state["mass"]

    def kept_params(self, params: np.ndarray, state: dict[str, Any]) -> np.ndarray:
        """Return x. See :meth:`UpdateRule.kept_params`."""
        return params + (1 - self.beta) * state["offset"]

    def on_new_params(self, state: dict[str, Any]) -> None:
        """Start a new average at the new parameters. See :meth:`UpdateRule.on_new_params`."""
        super().on_new_params(state)
        state["offset"][...] = 0.0
        state["mass"] = 0.0

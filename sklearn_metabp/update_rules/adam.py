"""Adaptive moment estimation, and functions for the rules related to Adam."""

from numbers import Real
from typing import Any

from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels.rules import adam_step
from sklearn_metabp.network import ParameterLayout, Step
from sklearn_metabp.update_rules.elementwise import ElementwiseRule
from sklearn_metabp.update_rules.operation import Operation
from sklearn_metabp.update_rules.scheduled import ScheduledRule
from sklearn_metabp.update_rules.schedules import Schedule


class MomentRule(ScheduledRule):
    """Base of rules with ``beta_1``, ``beta_2`` and ``epsilon``. Do not use it directly."""

    beta_1: float
    beta_2: float
    epsilon: float

    _parameter_constraints: dict = {
        **ScheduledRule._parameter_constraints,
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
    }


def two_moments(layout: ParameterLayout) -> dict[str, Any]:
    """Make the state before the first step: a mean and a mean square, both zero."""
    return {"n_plateaus": 0, "t": 0, "mean": layout.zeros(), "square": layout.zeros()}


def adam_operation(rule: MomentRule, step: Step, state: dict[str, Any]) -> Operation:
    """Return Adam's step as an operation, with the learning rates of a rule."""

    def numbers(n: int) -> tuple[float, ...]:
        t = state["t"]
        state["t"] = t + n
        return rule.rate_at(step, state), rule.beta_1, rule.beta_2, rule.epsilon, t + 1

    arrays = step.gradients, state["mean"], state["square"], step.updates
    return Operation(adam_step, arrays, numbers, steady=rule.has_steady_rate, counts=True)


class Adam(ElementwiseRule, MomentRule):
    r"""Adam: the mean gradient divided by its root mean square.

    With :math:`m_0 = v_0 = 0` and the gradient :math:`g_t` of step t = 1, 2, …:

    .. math::
        m_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t, \qquad \hat m_t = m_t / (1 - \beta_1^t) \\
        v_t &= \beta_2 v_{t-1} + (1 - \beta_2) g_t^2, \qquad \hat v_t = v_t / (1 - \beta_2^t) \\
        \Delta w &= -\gamma \hat m_t / (\sqrt{\hat v_t} + \epsilon)

    Parameters
    ----------
    learning_rate : float, default=0.001
        :math:`\gamma`, greater than 0.
    beta_1 : float, default=0.9
        :math:`\beta_1`, the decay of the mean, in [0, 1).
    beta_2 : float, default=0.999
        :math:`\beta_2`, the decay of the mean square, in [0, 1).
    epsilon : float, default=1e-8
        :math:`\epsilon`, greater than 0. It keeps the quotient finite.
    schedule : str or callable, default="constant"
        Schedule of the learning rate: ``"constant"``, ``"invscaling"``, ``"adaptive"``,
        ``"cosine"``, ``"one_cycle"``, ``"flat_cosine"``, ``"coslog4"``, or a function
        ``(t, t_planned) -> factor`` of the number of the step, from 1, and the number of planned
        steps. See :doc:`/update_rules`.

    See Also
    --------
    AdamW : Adam with a decay of the weights beside the step.
    AdaMax : Adam with the largest recent gradient in place of the root mean square.
    NAdam : Adam with Nesterov's look ahead.
    RAdam : Adam with cautious first steps.
    Prodigy : Adam that finds its learning rate itself.

    References
    ----------
    D. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization" (2015), algorithm 1. Equations
    and defaults as in A. Kordecki, "Neural Networks: Back-Propagation algorithm", lecture 6.

    Examples
    --------
    >>> from sklearn_metabp import Adam
    >>> Adam(learning_rate=0.01)
    Adam(learning_rate=0.01)
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        schedule: str | Schedule = "constant",
    ) -> None:
        self.learning_rate = learning_rate
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.schedule = schedule

    def init_state(self, layout: ParameterLayout) -> dict[str, Any]:
        """Start both moments at zero. See :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        return two_moments(layout)

    def operations(self, step: Step, state: dict[str, Any]) -> list[Operation]:
        """Return the step by the corrected moments. See :meth:`UpdateRule.operations`."""
        return [adam_operation(self, step, state)]

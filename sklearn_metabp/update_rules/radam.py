"""Adam with small steps until its mean square is reliable."""

import math
from typing import Any

from sklearn_metabp._kernels.rules import radam_step
from sklearn_metabp.network import ParameterLayout, Step
from sklearn_metabp.update_rules.adam import MomentRule, two_moments
from sklearn_metabp.update_rules.elementwise import ElementwiseRule
from sklearn_metabp.update_rules.operation import Operation
from sklearn_metabp.update_rules.schedules import Schedule


class RAdam(ElementwiseRule, MomentRule):
    r"""RAdam: Adam with smaller steps while the mean square is unreliable.

    At step t = 1, 2, … with the moments :math:`\hat m_t` and :math:`v_t` of :class:`Adam`:

    .. math::
        \rho_\infty &= \frac{2}{1 - \beta_2} - 1, \qquad
        \rho_t = \rho_\infty - \frac{2 t \beta_2^t}{1 - \beta_2^t} \\
        r_t &= \sqrt{\frac{(\rho_t - 4)(\rho_t - 2) \rho_\infty}
                          {(\rho_\infty - 4)(\rho_\infty - 2) \rho_t}} \\
        \Delta w &= \begin{cases}
            -\gamma \, r_t \hat m_t \sqrt{1 - \beta_2^t} / (\sqrt{v_t} + \epsilon) & \rho_t > 5 \\
            -\gamma \, \hat m_t & \text{otherwise}
        \end{cases}

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
    Adam : Steps by the mean gradient over its root mean square.
    NAdam : Adam with Nesterov's look ahead.
    AdamW : Adam with a decay of the weights beside the step.

    References
    ----------
    L. Liu, H. Jiang, P. He, W. Chen, X. Liu, J. Gao and J. Han, "On the Variance of the Adaptive
    Learning Rate and Beyond" (2020), algorithm 2, in the form of ``torch.optim.RAdam``.

    Examples
    --------
    >>> from sklearn_metabp import RAdam
    >>> RAdam(learning_rate=0.01)
    RAdam(learning_rate=0.01)
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
        """Return the step by the rectified moments. See :meth:`UpdateRule.operations`."""

        def numbers(n: int) -> tuple[float, ...]:
            state["t"] = t = state["t"] + 1
            factor = self._rectification(t)
            rate = self.rate_at(step, state) / (1 - self.beta_1**t) * (factor or 1.0)
            return rate, self.beta_1, self.beta_2, self.epsilon, factor is not None

        arrays = step.gradients, state["mean"], state["square"], step.updates
        return [Operation(radam_step, arrays, numbers)]

    def _rectification(self, t: int) -> float | None:
        """Return r_t times the root of the correction of v_t, or None while rho_t is 5 or less."""
        correction = 1 - self.beta_2**t
        rho_end = 2 / (1 - self.beta_2) - 1
        rho = rho_end - 2 * t * self.beta_2**t / correction
        if rho <= 5:
            return None
        square = (rho - 4) * (rho - 2) * rho_end / ((rho_end - 4) * (rho_end - 2) * rho)
        return math.sqrt(square * correction)

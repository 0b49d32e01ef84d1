"""Adam with the largest gradient in place of the root mean square."""

from typing import Any

from sklearn_metabp._kernels.rules import adamax_step
from sklearn_metabp.network import ParameterLayout, Step
from sklearn_metabp.update_rules.adam import MomentRule
from sklearn_metabp.update_rules.elementwise import ElementwiseRule
from sklearn_metabp.update_rules.operation import Operation
from sklearn_metabp.update_rules.schedules import Schedule


class AdaMax(ElementwiseRule, MomentRule):
    r"""AdaMax: the mean gradient divided by its decaying maximum.

    With :math:`m_0 = u_0 = 0` and the gradient :math:`g_t` of step t = 1, 2, …:

    .. math::
        m_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t \\
        u_t &= \max(\beta_2 u_{t-1}, |g_t| + \epsilon) \\
        \Delta w &= -\frac{\gamma}{1 - \beta_1^t} m_t / u_t

    Parameters
    ----------
    learning_rate : float, default=0.002
        :math:`\gamma`, greater than 0.
    beta_1 : float, default=0.9
        :math:`\beta_1`, the decay of the mean, in [0, 1).
    beta_2 : float, default=0.999
        :math:`\beta_2`, the decay of the maximum, in [0, 1).
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
    RMSprop : Steps divided by the running root mean square of the gradient.

    References
    ----------
    D. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization" (2015), algorithm 2, with
    :math:`\epsilon` where ``torch.optim.Adamax`` has it. The contents of A. Kordecki, "Neural
    Networks: Back-Propagation algorithm", lecture 6, list it.

    Examples
    --------
    >>> from sklearn_metabp import AdaMax
    >>> AdaMax(learning_rate=0.01)
    AdaMax(learning_rate=0.01)
    """

    def __init__(
        self,
        learning_rate: float = 0.002,
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
        """Start the mean and the maximum at zero. See :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        return {"n_plateaus": 0, "t": 0, "mean": layout.zeros(), "largest": layout.zeros()}

    def operations(self, step: Step, state: dict[str, Any]) -> list[Operation]:
        """Return the step by the mean over the maximum. See :meth:`UpdateRule.operations`."""

        def numbers(n: int) -> tuple[float, ...]:
            t = state["t"]
            state["t"] = t + n
            return self.rate_at(step, state), self.beta_1, self.beta_2, self.epsilon, t + 1

        arrays = step.gradients, state["mean"], state["largest"], step.updates
        return [Operation(adamax_step, arrays, numbers, steady=self.has_steady_rate, counts=True)]

"""Adam with Nesterov's look ahead."""

from numbers import Real
from typing import Any

from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels.rules import nadam_step
from sklearn_metabp.network import ParameterLayout, Step
from sklearn_metabp.update_rules.adam import MomentRule, two_moments
from sklearn_metabp.update_rules.elementwise import ElementwiseRule
from sklearn_metabp.update_rules.operation import Operation
from sklearn_metabp.update_rules.schedules import Schedule


class NAdam(ElementwiseRule, MomentRule):
    r"""NAdam: Adam with the momentum of the next step.

    At step t = 1, 2, … with the moments :math:`m_t` and :math:`\hat v_t` of :class:`Adam`:

    .. math::
        \mu_t &= \beta_1 (1 - \tfrac{1}{2} \, 0.96^{t \psi}) \\
        \hat m_t &= \frac{\mu_{t+1} m_t}{1 - \prod_{s=1}^{t+1} \mu_s}
                   + \frac{(1 - \mu_t) g_t}{1 - \prod_{s=1}^{t} \mu_s} \\
        \Delta w &= -\gamma \hat m_t / (\sqrt{\hat v_t} + \epsilon)

    Parameters
    ----------
    learning_rate : float, default=0.002
        :math:`\gamma`, greater than 0.
    beta_1 : float, default=0.9
        :math:`\beta_1`, the decay of the mean, in [0, 1).
    beta_2 : float, default=0.999
        :math:`\beta_2`, the decay of the mean square, in [0, 1).
    epsilon : float, default=1e-8
        :math:`\epsilon`, greater than 0. It keeps the quotient finite.
    momentum_decay : float, default=0.004
        :math:`\psi`, at least 0. With a larger value the momentum reaches its full size earlier.
    schedule : str or callable, default="constant"
        Schedule of the learning rate: ``"constant"``, ``"invscaling"``, ``"adaptive"``,
        ``"cosine"``, ``"one_cycle"``, ``"flat_cosine"``, ``"coslog4"``, or a function
        ``(t, t_planned) -> factor`` of the number of the step, from 1, and the number of planned
        steps. See :doc:`/update_rules`.

    See Also
    --------
    Adam : Steps by the mean gradient over its root mean square.
    RAdam : Adam with cautious first steps.
    SGD : Step along the negative gradient, with or without momentum.

    References
    ----------
    T. Dozat, "Incorporating Nesterov Momentum into Adam" (2016), in the form of
    ``torch.optim.NAdam``.

    Examples
    --------
    >>> from sklearn_metabp import NAdam
    >>> NAdam(learning_rate=0.01)
    NAdam(learning_rate=0.01)
    """

    _parameter_constraints: dict = {
        **MomentRule._parameter_constraints,
        "momentum_decay": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        learning_rate: float = 0.002,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        momentum_decay: float = 0.004,
        schedule: str | Schedule = "constant",
    ) -> None:
        self.learning_rate = learning_rate
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.momentum_decay = momentum_decay
        self.schedule = schedule

    def init_state(self, layout: ParameterLayout) -> dict[str, Any]:
        """Start both moments at zero. See :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        return two_moments(layout) | {"product": 1.0}

    def operations(self, step: Step, state: dict[str, Any]) -> list[Operation]:
        """Return the step by the mean with look ahead. See :meth:`UpdateRule.operations`."""

        def numbers(n: int) -> tuple[float, ...]:
            state["t"] = t = state["t"] + 1
            mu, mu_next = self._momentum(t), self._momentum(t + 1)
            state["product"] *= mu
            rate = self.rate_at(step, state)
            of_mean = rate * mu_next / (1 - state["product"] * mu_next)
            of_gradient = rate * (1 - mu) / (1 - state["product"])
            return of_mean, of_gradient, self.beta_1, self.beta_2, self.epsilon, t

        arrays = step.gradients, state["mean"], state["square"], step.updates
        return [Operation(nadam_step, arrays, numbers)]

    def _momentum(self, t: int) -> float:
        return self.beta_1 * (1 - 0.5 * 0.96 ** (t * self.momentum_decay))

"""AdaGrad: learning rates that fall where gradients have been large."""

from numbers import Real
from typing import Any

from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels.rules import adagrad_step
from sklearn_metabp.network import ParameterLayout, Step
from sklearn_metabp.update_rules.elementwise import ElementwiseRule
from sklearn_metabp.update_rules.operation import Operation
from sklearn_metabp.update_rules.scheduled import ScheduledRule
from sklearn_metabp.update_rules.schedules import Schedule


class AdaGrad(ElementwiseRule, ScheduledRule):
    r"""AdaGrad: the gradient divided by the root of the sum of all its squares so far.

    With :math:`G_0 = 0` and the gradient :math:`g_t` of step t = 1, 2, …:

    .. math::
        G_t &= G_{t-1} + g_t^2 \\
        \Delta w &= -\gamma g_t / (\sqrt{G_t} + \epsilon)

    Parameters
    ----------
    learning_rate : float, default=0.01
        :math:`\gamma`, greater than 0.
    epsilon : float, default=1e-10
        :math:`\epsilon`, greater than 0. It keeps the quotient finite.
    schedule : str or callable, default="constant"
        Schedule of the learning rate: ``"constant"``, ``"invscaling"``, ``"adaptive"``,
        ``"cosine"``, ``"one_cycle"``, ``"flat_cosine"``, ``"coslog4"``, or a function
        ``(t, t_planned) -> factor`` of the number of the step, from 1, and the number of planned
        steps. See :doc:`/update_rules`.

    See Also
    --------
    AdaDelta : Steps scaled by the root mean square of the steps before.
    RMSprop : Steps divided by the running root mean square of the gradient.
    Adam : Steps by the mean gradient over its root mean square.

    References
    ----------
    J. Duchi, E. Hazan and Y. Singer, "Adaptive Subgradient Methods for Online Learning and
    Stochastic Optimization" (2011), as in A. Kordecki, "Neural Networks: Back-Propagation
    algorithm", lecture 6, with :math:`\epsilon` outside the root as in ``torch.optim.Adagrad``.

    Examples
    --------
    >>> from sklearn_metabp import AdaGrad
    >>> AdaGrad(learning_rate=0.1)
    AdaGrad(learning_rate=0.1)
    """

    _parameter_constraints: dict = {
        **ScheduledRule._parameter_constraints,
        "epsilon": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        learning_rate: float = 0.01,
        epsilon: float = 1e-10,
        schedule: str | Schedule = "constant",
    ) -> None:
        self.learning_rate = learning_rate
        self.epsilon = epsilon
        self.schedule = schedule

    def init_state(self, layout: ParameterLayout) -> dict[str, Any]:
        """Start the sum of squares at zero. See :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        return {"n_plateaus": 0, "total": layout.zeros()}

    def operations(self, step: Step, state: dict[str, Any]) -> list[Operation]:
        """Return the step by the scaled gradient. See :meth:`UpdateRule.operations`."""

        def numbers(n: int) -> tuple[float, ...]:
            return self.rate_at(step, state), self.epsilon

        arrays = step.gradients, state["total"], step.updates
        return [Operation(adagrad_step, arrays, numbers, steady=self.has_steady_rate)]

"""RMSprop: the gradient divided by its running root mean square."""

from numbers import Real
from typing import Any

from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels.rules import rmsprop_step
from sklearn_metabp.network import ParameterLayout, Step
from sklearn_metabp.update_rules.elementwise import ElementwiseRule
from sklearn_metabp.update_rules.operation import Operation
from sklearn_metabp.update_rules.scheduled import ScheduledRule
from sklearn_metabp.update_rules.schedules import Schedule


class RMSprop(ElementwiseRule, ScheduledRule):
    r"""RMSprop: the gradient divided by its running root mean square.

    With :math:`v_0 = 0` and the gradient :math:`g_t` of step t = 1, 2, …:

    .. math::
        v_t &= \rho v_{t-1} + (1 - \rho) g_t^2 \\
        \Delta w &= -\gamma g_t / (\sqrt{v_t} + \epsilon)

    Parameters
    ----------
    learning_rate : float, default=0.001
        :math:`\gamma`, greater than 0.
    decay : float, default=0.9
        :math:`\rho`, in [0, 1).
    epsilon : float, default=1e-8
        :math:`\epsilon`, greater than 0. It keeps the quotient finite.
    schedule : str or callable, default="constant"
        Schedule of the learning rate: ``"constant"``, ``"invscaling"``, ``"adaptive"``,
        ``"cosine"``, ``"one_cycle"``, ``"flat_cosine"``, ``"coslog4"``, or a function
        ``(t, t_planned) -> factor`` of the number of the step, from 1, and the number of planned
        steps. See :doc:`/update_rules`.

    See Also
    --------
    AdaGrad : Steps divided by the root of the summed squares of the gradients.
    AdaDelta : Steps scaled by the root mean square of the steps before.
    Adam : Steps by the mean gradient over its root mean square.

    References
    ----------
    G. Hinton, "Neural Networks for Machine Learning", lecture 6 (2012). Defaults as in A. Kordecki,
    "Neural Networks: Back-Propagation algorithm", lecture 6. The lecture prints :math:`\rho` for
    the second factor, which is :math:`1 - \rho`. :math:`\epsilon` is outside the root, as in
    ``torch.optim.RMSprop``.

    Examples
    --------
    >>> from sklearn_metabp import RMSprop
    >>> RMSprop(schedule="cosine")
    RMSprop(schedule='cosine')
    """

    _parameter_constraints: dict = {
        **ScheduledRule._parameter_constraints,
        "decay": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        learning_rate: float = 0.001,
        decay: float = 0.9,
        epsilon: float = 1e-8,
        schedule: str | Schedule = "constant",
    ) -> None:
        self.learning_rate = learning_rate
        self.decay = decay
        self.epsilon = epsilon
        self.schedule = schedule

    def init_state(self, layout: ParameterLayout) -> dict[str, Any]:
        """Start the mean square at zero. See :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        return {"n_plateaus": 0, "square": layout.zeros()}

    def operations(self, step: Step, state: dict[str, Any]) -> list[Operation]:
        """Return the step by the scaled gradient. See :meth:`UpdateRule.operations`."""

        def numbers(n: int) -> tuple[float, ...]:
            return self.rate_at(step, state), self.decay, self.epsilon

        arrays = step.gradients, state["square"], step.updates
        return [Operation(rmsprop_step, arrays, numbers, steady=self.has_steady_rate)]

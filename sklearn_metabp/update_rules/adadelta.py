"""AdaDelta: the size of a step follows from the sizes of earlier steps."""

from numbers import Real
from typing import Any

from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels.rules import adadelta_step
from sklearn_metabp.network import ParameterLayout, Step
from sklearn_metabp.update_rules.elementwise import ElementwiseRule
from sklearn_metabp.update_rules.operation import Operation
from sklearn_metabp.update_rules.scheduled import ScheduledRule
from sklearn_metabp.update_rules.schedules import Schedule


class AdaDelta(ElementwiseRule, ScheduledRule):
    r"""AdaDelta: the gradient scaled by the root mean square of the earlier steps.

    With :math:`v_0 = u_0 = 0` and the gradient :math:`g_t` of step t = 1, 2, …:

    .. math::
        v_t &= \rho v_{t-1} + (1 - \rho) g_t^2 \\
        d_t &= \frac{\sqrt{u_{t-1} + \epsilon}}{\sqrt{v_t + \epsilon}} g_t \\
        u_t &= \rho u_{t-1} + (1 - \rho) d_t^2 \\
        \Delta w &= -\gamma d_t

    Parameters
    ----------
    learning_rate : float, default=1.0
        :math:`\gamma`, greater than 0. The source has no learning rate, which means 1.
    decay : float, default=0.9
        :math:`\rho`, in [0, 1).
    epsilon : float, default=1e-6
        :math:`\epsilon`, greater than 0. It sets the size of the first steps.
    schedule : str or callable, default="constant"
        Schedule of the learning rate: ``"constant"``, ``"invscaling"``, ``"adaptive"``,
        ``"cosine"``, ``"one_cycle"``, ``"flat_cosine"``, ``"coslog4"``, or a function
        ``(t, t_planned) -> factor`` of the number of the step, from 1, and the number of planned
        steps. See :doc:`/update_rules`.

    See Also
    --------
    AdaGrad : Steps divided by the root of the summed squares of the gradients.
    RMSprop : Steps divided by the running root mean square of the gradient.
    Prodigy : Adam that finds its learning rate itself.

    References
    ----------
    M. Zeiler, "ADADELTA: An Adaptive Learning Rate Method" (2012), algorithm 1, as in A. Kordecki,
    "Neural Networks: Back-Propagation algorithm", lecture 6, and ``torch.optim.Adadelta``.

    Examples
    --------
    >>> from sklearn_metabp import AdaDelta
    >>> AdaDelta(decay=0.95)
    AdaDelta(decay=0.95)
    """

    _parameter_constraints: dict = {
        **ScheduledRule._parameter_constraints,
        "decay": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        learning_rate: float = 1.0,
        decay: float = 0.9,
        epsilon: float = 1e-6,
        schedule: str | Schedule = "constant",
    ) -> None:
        self.learning_rate = learning_rate
        self.decay = decay
        self.epsilon = epsilon
        self.schedule = schedule

    def init_state(self, layout: ParameterLayout) -> dict[str, Any]:
        """Start both mean squares at zero. See :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        return {"n_plateaus": 0, "square": layout.zeros(), "moved": layout.zeros()}

    def operations(self, step: Step, state: dict[str, Any]) -> list[Operation]:
        """Return the scaled step. See :meth:`UpdateRule.operations`."""

        def numbers(n: int) -> tuple[float, ...]:
            return self.rate_at(step, state), self.decay, self.epsilon

        arrays = step.gradients, state["square"], state["moved"], step.updates
        return [Operation(adadelta_step, arrays, numbers, steady=self.has_steady_rate)]

"""Resilient backpropagation."""

from numbers import Real
from typing import Any

from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels.rules import rprop_step
from sklearn_metabp.network import ParameterLayout, Step
from sklearn_metabp.update_rules.elementwise import ElementwiseRule
from sklearn_metabp.update_rules.operation import Operation
from sklearn_metabp.update_rules.scheduled import ScheduledRule
from sklearn_metabp.update_rules.schedules import Schedule


class Rprop(ElementwiseRule, ScheduledRule):
    r"""Rprop: every parameter has its own step size, and moves by the sign of the gradient.

    With the gradient :math:`g_t` and the step size :math:`\Delta_t` of one parameter:

    .. math::
        \Delta_t &= \begin{cases}
            \min(\eta^+ \Delta_{t-1}, \Delta_{max}) & g_t g_{t-1} > 0 \\
            \max(\eta^- \Delta_{t-1}, \Delta_{min})
                & g_t g_{t-1} < 0, \text{ and then } g_t \leftarrow 0 \\
            \Delta_{t-1} & \text{otherwise}
        \end{cases} \\
        \Delta w &= -\Delta_t \operatorname{sign}(g_t)

    If the gradient of a parameter has changed its sign, the parameter does not move in this step,
    and the last step is not undone. The rule is made for batches of all rows, so
    ``batch_size="auto"`` means ``"full"``.

    Parameters
    ----------
    learning_rate : float, default=0.01
        :math:`\Delta_0`, the first step size, greater than 0. A schedule multiplies every step by
        a factor.
    increase : float, default=1.2
        :math:`\eta^+`, at least 1.
    decrease : float, default=0.5
        :math:`\eta^-`, between 0 and 1.
    min_step : float, default=1e-6
        :math:`\Delta_{min}`, greater than 0.
    max_step : float, default=50.0
        :math:`\Delta_{max}`, greater than 0.
    schedule : str or callable, default="constant"
        Schedule of the learning rate: ``"constant"``, ``"invscaling"``, ``"adaptive"``,
        ``"cosine"``, ``"one_cycle"``, ``"flat_cosine"``, ``"coslog4"``, or a function
        ``(t, t_planned) -> factor`` of the number of the step, from 1, and the number of planned
        steps. See :doc:`/update_rules`.

    See Also
    --------
    SGD : Step along the negative gradient, with or without momentum.
    Lion : Steps by the sign of a mean of gradients.
    RMSprop : Steps divided by the running root mean square of the gradient.

    References
    ----------
    M. Riedmiller and H. Braun, "Rprop: A Fast Adaptive Learning Algorithm" (1992), as in A.
    Kordecki, "Neural Networks: Back-Propagation algorithm", lecture 6. Without weight backtracking,
    as ``torch.optim.Rprop``: Rprop- in C. Igel and M. Hüsken, "Improving the Rprop Learning
    Algorithm" (2000) with the gradient zeroed.

    Examples
    --------
    >>> from sklearn_metabp import BackpropMLPClassifier, Rprop
    >>> BackpropMLPClassifier(update_rule=Rprop(max_step=1.0)).update_rule
    Rprop(max_step=1.0)
    """

    full_batch = True

    _parameter_constraints: dict = {
        **ScheduledRule._parameter_constraints,
        "increase": [Interval(Real, 1, None, closed="left")],
        "decrease": [Interval(Real, 0, 1, closed="neither")],
        "min_step": [Interval(Real, 0, None, closed="neither")],
        "max_step": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        learning_rate: float = 0.01,
        increase: float = 1.2,
        decrease: float = 0.5,
        min_step: float = 1e-6,
        max_step: float = 50.0,
        schedule: str | Schedule = "constant",
    ) -> None:
        self.learning_rate = learning_rate
        self.increase = increase
        self.decrease = decrease
        self.min_step = min_step
        self.max_step = max_step
        self.schedule = schedule

    def init_state(self, layout: ParameterLayout) -> dict[str, Any]:
        """Start every step size at the learning rate. See :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range, or ``min_step`` is greater than ``max_step``.
        """
        self._validate_params()
        if self.min_step > self.max_step:
            raise ValueError(
                f"min_step={self.min_step!r} must not be above max_step={self.max_step!r}."
            )
        return {
            "n_plateaus": 0,
            "previous": layout.zeros(),
            "sizes": layout.zeros() + self.learning_rate,
        }

    def operations(self, step: Step, state: dict[str, Any]) -> list[Operation]:
        """Return steps against the gradient. See :meth:`UpdateRule.operations`."""

        def numbers(n: int) -> tuple[float, ...]:
            share = self.rate_at(step, state) / self.learning_rate
            return share, self.increase, self.decrease, self.min_step, self.max_step

        arrays = step.gradients, state["previous"], state["sizes"], step.updates
        return [Operation(rprop_step, arrays, numbers, steady=self.has_steady_rate)]

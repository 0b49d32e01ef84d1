"""Plain backpropagation, momentum and Nesterov's look ahead."""

from numbers import Real
from typing import Any

from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels.rules import momentum_step, sgd_step
from sklearn_metabp.network import ParameterLayout, Step
from sklearn_metabp.update_rules.elementwise import ElementwiseRule
from sklearn_metabp.update_rules.operation import Operation
from sklearn_metabp.update_rules.scheduled import ScheduledRule
from sklearn_metabp.update_rules.schedules import Schedule


class SGD(ElementwiseRule, ScheduledRule):
    r"""Stochastic gradient descent, which is plain backpropagation with ``momentum=0``.

    With the gradient :math:`g = \partial J / \partial w`, learning rate :math:`\gamma` and momentum
    :math:`\mu`:

    .. math::
        \Delta w &= -\gamma g \qquad \text{momentum } 0 \\
        v &\leftarrow \mu v + g, \quad \Delta w = -\gamma v \qquad \text{momentum} \\
        v &\leftarrow \mu v + g, \quad \Delta w = -\gamma (g + \mu v) \qquad \text{Nesterov}

    Parameters
    ----------
    learning_rate : float, default=0.01
        :math:`\gamma`, greater than 0.
    momentum : float, default=0.0
        :math:`\mu`, in [0, 1).
    nesterov : bool, default=False
        If True, look ahead along the momentum, which must be greater than 0.
    schedule : str or callable, default="constant"
        Schedule of the learning rate: ``"constant"``, ``"invscaling"``, ``"adaptive"``,
        ``"cosine"``, ``"one_cycle"``, ``"flat_cosine"``, ``"coslog4"``, or a function
        ``(t, t_planned) -> factor`` of the number of the step, from 1, and the number of planned
        steps. See :doc:`/update_rules`.

    See Also
    --------
    Rprop : Steps by the sign of the gradient, with one step size for every parameter.
    Adam : Steps by the mean gradient over its root mean square.
    ScheduleFree : Wrapper that replaces a schedule by a mean of the weights.
    LinearBackprop : Wrapper that omits the derivatives from the backward step.

    References
    ----------
    Rule (3) of R. Jakša and M. Katrák, "Neural Network Model of the Backpropagation Algorithm"
    (2006). Momentum as in A. Kordecki, "Neural Networks: Back-Propagation algorithm", lecture 6, in
    the form of ``torch.optim.SGD``. I. Sutskever, J. Martens, G. Dahl and G. Hinton, "On the
    importance of initialization and momentum in deep learning" (2013).

    Examples
    --------
    >>> from sklearn_metabp import SGD, BackpropMLPRegressor
    >>> model = BackpropMLPRegressor(update_rule=SGD(learning_rate=0.05, momentum=0.9))
    >>> model.set_params(update_rule__nesterov=True).update_rule
    SGD(learning_rate=0.05, momentum=0.9, nesterov=True)
    """

    _parameter_constraints: dict = {
        **ScheduledRule._parameter_constraints,
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "nesterov": ["boolean"],
    }

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        schedule: str | Schedule = "constant",
    ) -> None:
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.nesterov = nesterov
        self.schedule = schedule

    def init_state(self, layout: ParameterLayout) -> dict[str, Any]:
        """Start the velocity at zero. See :meth:`UpdateRule.init_state`.

        The state has a velocity even without momentum, because a later ``fit`` may set one.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov=True looks ahead along the momentum: it needs momentum > 0.")
        return {"n_plateaus": 0, "velocity": layout.zeros()}

    def operations(self, step: Step, state: dict[str, Any]) -> list[Operation]:
        """Return the step against the gradient. See :meth:`UpdateRule.operations`."""
        gradients, updates, is_steady = step.gradients, step.updates, self.has_steady_rate
        if not self.momentum:
            return [
                Operation(
                    sgd_step,
                    (gradients, updates),
                    lambda n: (self.rate_at(step, state),),
                    steady=is_steady,
                )
            ]
        return [
            Operation(
                momentum_step,
                (gradients, state["velocity"], updates),
                lambda n: (self.rate_at(step, state), self.momentum, self.nesterov),
                steady=is_steady,
            )
        ]

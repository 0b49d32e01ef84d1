"""Plain backpropagation, momentum, Nesterov's look ahead."""

from numbers import Real

from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels.rules import momentum_step, sgd_step
from sklearn_metabp.update_rules.scheduled import ScheduledRule


class SGD(ScheduledRule):
    r"""Stochastic gradient descent; plain backpropagation with ``momentum=0``.

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
        Whether to look ahead. Needs ``momentum`` > 0.
    schedule : {"constant", "invscaling", "adaptive", "cosine", "one_cycle"} or callable,
    default="constant"
        How the learning rate changes; see :doc:`/update_rules`. A callable ``(t, t_planned) ->
        factor`` gets the number of the step, from 1, and how many are planned.

    References
    ----------
    Rule (3) of R. Jakša and M. Katrák, "Neural Network Model of the Backpropagation Algorithm"
    (2006). Momentum as in A. Kordecki, "Neural Networks: Back-Propagation algorithm", lecture 6, in
    the form of ``torch.optim.SGD``; I. Sutskever, J. Martens, G. Dahl and G. Hinton, "On the
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

    def __init__(self, learning_rate=0.01, momentum=0.0, nesterov=False, schedule="constant"):
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.nesterov = nesterov
        self.schedule = schedule

    def init_state(self, layout):
        """No velocity yet; see :meth:`UpdateRule.init_state`.

        There is room for one even without momentum, because a later ``fit`` may add some.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov=True looks ahead along the momentum: it needs momentum > 0.")
        return {"n_plateaus": 0, "velocity": layout.zeros()}

    def compute_update(self, step, state):
        """Rule (3), with momentum where there is some; see :meth:`UpdateRule.compute_update`."""
        rate = self.rate_at(step, state)
        if self.momentum:
            momentum_step(
                step.gradients,
                state["velocity"],
                step.updates,
                rate,
                self.momentum,
                self.nesterov,
            )
        else:
            sgd_step(step.gradients, step.updates, rate)
        return step.updates

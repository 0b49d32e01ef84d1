"""Adaptive gradients: rates that fall where much has been learned."""

from numbers import Real

from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels.rules import adagrad_step
from sklearn_metabp.update_rules.scheduled import ScheduledRule


class AdaGrad(ScheduledRule):
    r"""AdaGrad: a step by the gradient over the root of all its squares so far.

    .. math::
        G_t &= G_{t-1} + g_t^2 \\
        \Delta w &= -\gamma g_t / (\sqrt{G_t} + \epsilon)

    Parameters
    ----------
    learning_rate : float, default=0.01
        :math:`\gamma`, greater than 0.
    epsilon : float, default=1e-10
        Keeps the quotient finite; greater than 0.
    schedule : {"constant", "invscaling", "adaptive", "cosine", "one_cycle"} or callable,
    default="constant"
        How the learning rate changes; see :doc:`/update_rules`. A callable ``(t, t_planned) ->
        factor`` gets the number of the step, from 1, and how many are planned.

    References
    ----------
    J. Duchi, E. Hazan and Y. Singer, "Adaptive Subgradient Methods for Online Learning and
    Stochastic Optimization" (2011), as in A. Kordecki, "Neural Networks: Back-Propagation
    algorithm", lecture 6, with
    :math:`\epsilon` outside the root as in ``torch.optim.Adagrad``.

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

    def __init__(self, learning_rate=0.01, epsilon=1e-10, schedule="constant"):
        self.learning_rate = learning_rate
        self.epsilon = epsilon
        self.schedule = schedule

    def init_state(self, layout):
        """No squares yet; see :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        return {"n_plateaus": 0, "total": layout.zeros()}

    def compute_update(self, step, state):
        """Step by the scaled gradient; see :meth:`UpdateRule.compute_update`."""
        rate = self.rate_at(step, state)
        adagrad_step(step.gradients, state["total"], step.updates, rate, self.epsilon)
        return step.updates

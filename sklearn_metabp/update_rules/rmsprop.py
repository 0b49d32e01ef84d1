"""Steps by the gradient over its running root mean square."""

from numbers import Real

from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels.rules import rmsprop_step
from sklearn_metabp.update_rules.scheduled import ScheduledRule


class RMSprop(ScheduledRule):
    r"""RMSprop: a step by the gradient over its running root mean square.

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
        Keeps the quotient finite; greater than 0.
    schedule : {"constant", "invscaling", "adaptive", "cosine", "one_cycle"} or callable,
    default="constant"
        How the learning rate changes; see :doc:`/update_rules`. A callable ``(t, t_planned) ->
        factor`` gets the number of the step, from 1, and how many are planned.

    References
    ----------
    G. Hinton, "Neural Networks for Machine Learning", lecture 6 (2012); defaults as in A. Kordecki,
    "Neural Networks: Back-Propagation algorithm", lecture 6, which prints the decay twice where the
    second factor is
    :math:`1 - \rho`; :math:`\epsilon` outside the root as in ``torch.optim.RMSprop``.

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

    def __init__(self, learning_rate=0.001, decay=0.9, epsilon=1e-8, schedule="constant"):
        self.learning_rate = learning_rate
        self.decay = decay
        self.epsilon = epsilon
        self.schedule = schedule

    def init_state(self, layout):
        """The mean square at zero; see :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        return {"n_plateaus": 0, "square": layout.zeros()}

    def compute_update(self, step, state):
        """Step by the scaled gradient; see :meth:`UpdateRule.compute_update`."""
        rate = self.rate_at(step, state)
        rmsprop_step(step.gradients, state["square"], step.updates, rate, self.decay, self.epsilon)
        return step.updates

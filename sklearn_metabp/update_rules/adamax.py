"""Adam by the largest gradient in place of the root mean square."""

from sklearn_metabp._kernels.rules import adamax_step
from sklearn_metabp.update_rules.adam import MomentRule


class AdaMax(MomentRule):
    r"""AdaMax: a step by the mean gradient over its decaying maximum.

    At step t = 1, 2, …:

    .. math::
        m_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t \\
        u_t &= \max(\beta_2 u_{t-1}, |g_t| + \epsilon) \\
        \Delta w &= -\frac{\gamma}{1 - \beta_1^t} m_t / u_t

    Parameters
    ----------
    learning_rate : float, default=0.002
        :math:`\gamma`, greater than 0.
    beta_1 : float, default=0.9
        Decay of the mean, in [0, 1).
    beta_2 : float, default=0.999
        Decay of the maximum, in [0, 1).
    epsilon : float, default=1e-8
        Keeps the quotient finite; greater than 0.
    schedule : {"constant", "invscaling", "adaptive", "cosine", "one_cycle"} or callable,
    default="constant"
        How the learning rate changes; see :doc:`/update_rules`. A callable ``(t, t_planned) ->
        factor`` gets the number of the step, from 1, and how many are planned.

    References
    ----------
    D. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization" (2015), algorithm 2, with
    :math:`\epsilon` where ``torch.optim.Adamax`` has it. Named in the contents of A. Kordecki, "Neural
    Networks: Back-Propagation algorithm", lecture 6.

    Examples
    --------
    >>> from sklearn_metabp import AdaMax
    >>> AdaMax(learning_rate=0.01)
    AdaMax(learning_rate=0.01)
    """

    def __init__(
        self, learning_rate=0.002, beta_1=0.9, beta_2=0.999, epsilon=1e-8, schedule="constant"
    ):
        self.learning_rate = learning_rate
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.schedule = schedule

    def init_state(self, layout):
        """Mean and maximum at zero; see :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        return {"n_plateaus": 0, "t": 0, "mean": layout.zeros(), "largest": layout.zeros()}

    def compute_update(self, step, state):
        """Step by the mean over the maximum; see :meth:`UpdateRule.compute_update`."""
        state["t"] += 1
        adamax_step(
            step.gradients,
            state["mean"],
            state["largest"],
            step.updates,
            self.rate_at(step, state),
            self.beta_1,
            self.beta_2,
            self.epsilon,
            state["t"],
        )
        return step.updates

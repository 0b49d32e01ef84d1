"""Adam with Nesterov's look ahead."""

from numbers import Real

from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels.rules import nadam_step
from sklearn_metabp.update_rules.adam import MomentRule, two_moments


class NAdam(MomentRule):
    r"""NAdam: Adam whose momentum looks one step ahead.

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
        Decay of the mean, in [0, 1).
    beta_2 : float, default=0.999
        Decay of the mean square, in [0, 1).
    epsilon : float, default=1e-8
        Keeps the quotient finite; greater than 0.
    momentum_decay : float, default=0.004
        :math:`\psi`, at least 0: how fast the momentum warms up.
    schedule : {"constant", "invscaling", "adaptive", "cosine", "one_cycle"} or callable,
    default="constant"
        How the learning rate changes; see :doc:`/update_rules`. A callable ``(t, t_planned) ->
        factor`` gets the number of the step, from 1, and how many are planned.

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
        learning_rate=0.002,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        momentum_decay=0.004,
        schedule="constant",
    ):
        self.learning_rate = learning_rate
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.momentum_decay = momentum_decay
        self.schedule = schedule

    def init_state(self, layout):
        """Both moments at zero; see :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        return two_moments(layout) | {"product": 1.0}

    def compute_update(self, step, state):
        """Step by the mean that looks ahead; see :meth:`UpdateRule.compute_update`."""
        state["t"] += 1
        mu, mu_next = self._momentum(state["t"]), self._momentum(state["t"] + 1)
        state["product"] *= mu
        rate = self.rate_at(step, state)
        nadam_step(
            step.gradients,
            state["mean"],
            state["square"],
            step.updates,
            rate * mu_next / (1 - state["product"] * mu_next),
            rate * (1 - mu) / (1 - state["product"]),
            self.beta_1,
            self.beta_2,
            self.epsilon,
            state["t"],
        )
        return step.updates

    def _momentum(self, t: int) -> float:
        return self.beta_1 * (1 - 0.5 * 0.96 ** (t * self.momentum_decay))

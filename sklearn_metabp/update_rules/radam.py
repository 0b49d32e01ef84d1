"""Adam that waits until its mean square can be trusted."""

import math

from sklearn_metabp._kernels.rules import radam_step
from sklearn_metabp.update_rules.adam import MomentRule, two_moments


class RAdam(MomentRule):
    r"""RAdam: Adam whose step is rectified by how much the mean square can be trusted.

    At step t = 1, 2, … with the moments :math:`\hat m_t` and :math:`v_t` of :class:`Adam`:

    .. math::
        \rho_\infty &= \frac{2}{1 - \beta_2} - 1, \qquad
        \rho_t = \rho_\infty - \frac{2 t \beta_2^t}{1 - \beta_2^t} \\
        r_t &= \sqrt{\frac{(\rho_t - 4)(\rho_t - 2) \rho_\infty}
                          {(\rho_\infty - 4)(\rho_\infty - 2) \rho_t}} \\
        \Delta w &= \begin{cases}
            -\gamma \, r_t \hat m_t \sqrt{1 - \beta_2^t} / (\sqrt{v_t} + \epsilon) & \rho_t > 5 \\
            -\gamma \, \hat m_t & \text{otherwise}
        \end{cases}

    Parameters
    ----------
    learning_rate : float, default=0.001
        :math:`\gamma`, greater than 0.
    beta_1 : float, default=0.9
        Decay of the mean, in [0, 1).
    beta_2 : float, default=0.999
        Decay of the mean square, in [0, 1).
    epsilon : float, default=1e-8
        Keeps the quotient finite; greater than 0.
    schedule : {"constant", "invscaling", "adaptive", "cosine", "one_cycle"} or callable,
    default="constant"
        How the learning rate changes; see :doc:`/update_rules`. A callable ``(t, t_planned) ->
        factor`` gets the number of the step, from 1, and how many are planned.

    References
    ----------
    L. Liu, H. Jiang, P. He, W. Chen, X. Liu, J. Gao and J. Han, "On the Variance of the Adaptive
    Learning Rate and Beyond" (2020), algorithm 2, in the form of ``torch.optim.RAdam``.

    Examples
    --------
    >>> from sklearn_metabp import RAdam
    >>> RAdam(learning_rate=0.01)
    RAdam(learning_rate=0.01)
    """

    def __init__(
        self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-8, schedule="constant"
    ):
        self.learning_rate = learning_rate
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.schedule = schedule

    def init_state(self, layout):
        """Both moments at zero; see :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        return two_moments(layout)

    def compute_update(self, step, state):
        """Step by the rectified moments; see :meth:`UpdateRule.compute_update`."""
        state["t"] += 1
        share = self._rectification(state["t"])
        radam_step(
            step.gradients,
            state["mean"],
            state["square"],
            step.updates,
            self.rate_at(step, state) / (1 - self.beta_1 ** state["t"]) * (share or 1.0),
            self.beta_1,
            self.beta_2,
            self.epsilon,
            share is not None,
        )
        return step.updates

    def _rectification(self, t: int) -> float | None:
        """r_t with the correction of v_t in it; None while rho_t is 5 or less."""
        correction = 1 - self.beta_2**t
        rho_end = 2 / (1 - self.beta_2) - 1
        rho = rho_end - 2 * t * self.beta_2**t / correction
        if rho <= 5:
            return None
        square = (rho - 4) * (rho - 2) * rho_end / ((rho_end - 4) * (rho_end - 2) * rho)
        return math.sqrt(square * correction)

"""Steps of one size, by the sign of a mean."""

from numbers import Real

from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels.rules import lion_step
from sklearn_metabp.update_rules.adamw import decay_weights
from sklearn_metabp.update_rules.scheduled import ScheduledRule


class Lion(ScheduledRule):
    r"""Lion: a step of one size by the sign of a mean of gradients.

    .. math::
        c_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t \\
        \Delta w &= -\gamma \left( \operatorname{sign}(c_t) + \lambda w \right) \\
        m_t &= \beta_2 m_{t-1} + (1 - \beta_2) g_t

    Parameters
    ----------
    learning_rate : float, default=0.0001
        :math:`\gamma`, greater than 0; good ones are three to ten times smaller than Adam's.
    beta_1 : float, default=0.9
        Share of the old mean in the direction, in [0, 1).
    beta_2 : float, default=0.99
        Decay of the mean, in [0, 1).
    weight_decay : float, default=0.0
        :math:`\lambda`, at least 0. Of weights only: biases do not decay, as ``alpha`` spares them. ``alpha``
        acts through the gradient all the same; set it to 0 to have this decay alone.
    schedule : {"constant", "invscaling", "adaptive", "cosine", "one_cycle"} or callable,
    default="constant"
        How the learning rate changes; see :doc:`/update_rules`. A callable ``(t, t_planned) ->
        factor`` gets the number of the step, from 1, and how many are planned.

    References
    ----------
    X. Chen et al., "Symbolic Discovery of Optimization Algorithms" (2023), algorithm 2.

    Examples
    --------
    >>> from sklearn_metabp import Lion
    >>> Lion(learning_rate=0.0003, weight_decay=0.1)
    Lion(learning_rate=0.0003, weight_decay=0.1)
    """

    _parameter_constraints: dict = {
        **ScheduledRule._parameter_constraints,
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self, learning_rate=0.0001, beta_1=0.9, beta_2=0.99, weight_decay=0.0, schedule="constant"
    ):
        self.learning_rate = learning_rate
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.weight_decay = weight_decay
        self.schedule = schedule

    def init_state(self, layout):
        """The mean at zero; see :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        return {"n_plateaus": 0, "mean": layout.zeros()}

    def compute_update(self, step, state):
        """Step by the sign, and the decay; see :meth:`UpdateRule.compute_update`."""
        rate = self.rate_at(step, state)
        lion_step(step.gradients, state["mean"], step.updates, rate, self.beta_1, self.beta_2)
        decay_weights(step, rate * self.weight_decay)
        return step.updates

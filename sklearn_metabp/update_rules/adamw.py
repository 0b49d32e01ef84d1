"""Adam with decoupled weight decay, and the decay for other rules."""

from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels import adam_step, decay_step
from sklearn_metabp.network import ParameterLayout, Step
from sklearn_metabp.update_rules.adam import MomentRule, two_moments
from sklearn_metabp.update_rules.schedules import Schedule


class AdamW(MomentRule):
    r"""AdamW: Adam, and a decay of the weights that bypasses its moments.

    With the corrected moments :math:`\hat m_t` and :math:`\hat v_t` of :class:`Adam`:

    .. math::
        \Delta w = -\gamma \left( \frac{\hat m_t}{\sqrt{\hat v_t} + \epsilon} + \lambda w \right)

    Parameters
    ----------
    learning_rate : float, default=0.001
        :math:`\gamma`, greater than 0.
    beta_1 : float, default=0.9
        :math:`\beta_1`, the decay of the mean, in [0, 1).
    beta_2 : float, default=0.999
        :math:`\beta_2`, the decay of the mean square, in [0, 1).
    epsilon : float, default=1e-8
        :math:`\epsilon`, greater than 0. It keeps the quotient finite.
    weight_decay : float, default=0.01
        :math:`\lambda`, at least 0. Only weights decay, biases do not, as with ``alpha``.
        ``alpha`` acts through the gradient besides; set it to 0 to have this decay alone.
    schedule : str or callable, default="constant"
        How the learning rate changes: ``"constant"``, ``"invscaling"``, ``"adaptive"``,
        ``"cosine"``, ``"one_cycle"``, or a function ``(t, t_planned) -> factor`` of the number of
        the step, from 1, and the number of planned steps. See :doc:`/update_rules`.

    References
    ----------
    I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization" (2019), algorithm 2, in the
    form of ``torch.optim.AdamW``, which lets biases decay too.

    Examples
    --------
    >>> from sklearn_metabp import AdamW, BackpropMLPClassifier
    >>> BackpropMLPClassifier(update_rule=AdamW(weight_decay=0.1), alpha=0.0).update_rule
    AdamW(weight_decay=0.1)
    """

    _parameter_constraints: dict = {
        **MomentRule._parameter_constraints,
        "weight_decay": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
        schedule: str | Schedule = "constant",
    ) -> None:
        self.learning_rate = learning_rate
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.weight_decay = weight_decay
        self.schedule = schedule

    def init_state(self, layout: ParameterLayout) -> dict[str, Any]:
        """Start both moments at zero; see :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        return two_moments(layout)

    def compute_update(self, step: Step, state: dict[str, Any]) -> np.ndarray:
        """Compute Adam's step and the decay; see :meth:`UpdateRule.compute_update`."""
        state["t"] += 1
        rate = self.rate_at(step, state)
        adam_step(
            step.gradients,
            state["mean"],
            state["square"],
            step.updates,
            rate,
            self.beta_1,
            self.beta_2,
            self.epsilon,
            state["t"],
        )
        decay_weights(step, rate * self.weight_decay)
        return step.updates


def decay_weights(step: Step, share: float) -> None:
    """Subtract a share of every weight from the updates; biases do not decay, as with ``alpha``."""
    if share:
        n_weights = step.layout.n_weights
        decay_step(step.params[:n_weights], step.updates[:n_weights], share)

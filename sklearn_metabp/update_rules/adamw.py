"""Adam with a weight decay of its own."""

from numbers import Real

from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels.rules import adam_step, decay_step
from sklearn_metabp.network import Step
from sklearn_metabp.update_rules.adam import MomentRule, two_moments


class AdamW(MomentRule):
    r"""AdamW: Adam, and apart from it a share of every weight taken off.

    With the corrected moments :math:`\hat m_t` and :math:`\hat v_t` of :class:`Adam`:

    .. math::
        \Delta w = -\gamma \left( \frac{\hat m_t}{\sqrt{\hat v_t} + \epsilon} + \lambda w \right)

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
    weight_decay : float, default=0.01
        :math:`\lambda`, at least 0. Of weights only: biases do not decay, as ``alpha`` spares them. ``alpha``
        acts through the gradient all the same; set it to 0 to have this decay alone.
    schedule : {"constant", "invscaling", "adaptive", "cosine", "one_cycle"} or callable,
    default="constant"
        How the learning rate changes; see :doc:`/update_rules`. A callable ``(t, t_planned) ->
        factor`` gets the number of the step, from 1, and how many are planned.

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
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        weight_decay=0.01,
        schedule="constant",
    ):
        self.learning_rate = learning_rate
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.weight_decay = weight_decay
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
        """Adam's step and the decay; see :meth:`UpdateRule.compute_update`."""
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

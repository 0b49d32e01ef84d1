"""Adam with decoupled weight decay."""

from typing import Any

from sklearn_metabp.network import ParameterLayout, Step
from sklearn_metabp.update_rules.adam import MomentRule, adam_operation, two_moments
from sklearn_metabp.update_rules.decaying import DecayingRule
from sklearn_metabp.update_rules.elementwise import ElementwiseRule
from sklearn_metabp.update_rules.operation import Operation
from sklearn_metabp.update_rules.schedules import Schedule


class AdamW(ElementwiseRule, DecayingRule, MomentRule):
    r"""AdamW: Adam, and a decay of the weights that does not pass through its moments.

    With the corrected moments :math:`\hat m_t` and :math:`\hat v_t` of :class:`Adam`:

    .. math::
        \Delta w = -\gamma \left( \frac{\hat m_t}{\sqrt{\hat v_t} + \epsilon} + \lambda w \right)

    The rate :math:`\gamma` follows ``schedule``, and the decay :math:`\lambda` follows
    ``decay_schedule``. With ``cautious``, :math:`\lambda w` counts only where
    :math:`\hat m_t w \ge 0`, so where the step without the decay does not make the weight larger.

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
        :math:`\lambda`, at least 0. Only weights decay, not biases, as with ``alpha``. ``alpha``
        acts too, through the gradient. Set it to 0 if only this decay is wanted.
    schedule : str or callable, default="constant"
        Schedule of the learning rate: ``"constant"``, ``"invscaling"``, ``"adaptive"``,
        ``"cosine"``, ``"one_cycle"``, ``"flat_cosine"``, ``"coslog4"``, or a function
        ``(t, t_planned) -> factor`` of the number of the step, from 1, and the number of planned
        steps. See :doc:`/update_rules`.
    decay_epochs : float, default=None
        The decay in another unit, in place of ``weight_decay``: the number of epochs in which the
        decay, without gradients, would divide a weight by e. With M steps per epoch,
        :math:`\gamma \lambda = 1 - e^{-1 / (\text{decay\_epochs} \cdot M)}`. The decay then does
        not depend on the learning rate or the batch size. The schedule multiplies it as it
        multiplies :math:`\gamma`.
    cautious : bool, default=False
        If True, a weight decays only in steps whose update, without the decay, does not make it
        larger.
    decay_schedule : str or callable, default="constant"
        Schedule of :math:`\lambda`, in addition to ``schedule``: one of the same names except
        ``"adaptive"``, or a function.

    See Also
    --------
    Adam : Steps by the mean gradient over its root mean square.
    Averaged : Wrapper that keeps a running mean of the weights.
    ScheduleFree : Wrapper that replaces a schedule by a mean of the weights.
    Lion : Steps by the sign of a mean of gradients.

    References
    ----------
    I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization" (2019), algorithm 2, in the
    form of ``torch.optim.AdamW``, which lets biases decay too. For ``cautious``: L. Chen et al.,
    "Cautious Weight Decay" (2025). For ``decay_epochs``: X. Wang and L. Aitchison, "How to set
    AdamW's weight decay as you scale model and dataset size" (2024). For ``decay_schedule``:
    D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by Default" (2024).

    Examples
    --------
    >>> from sklearn_metabp import AdamW, BackpropMLPClassifier
    >>> BackpropMLPClassifier(update_rule=AdamW(weight_decay=0.1), alpha=0.0).update_rule
    AdamW(weight_decay=0.1)

    Without gradients, this decay would divide a weight by e every 20 epochs:

    >>> rule = AdamW(decay_epochs=20, cautious=True)
    >>> model = BackpropMLPClassifier(update_rule=rule, alpha=0.0)
    """

    _parameter_constraints: dict = {
        **MomentRule._parameter_constraints,
        **DecayingRule._parameter_constraints,
    }

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
        schedule: str | Schedule = "constant",
        decay_epochs: float | None = None,
        cautious: bool = False,
        decay_schedule: str | Schedule = "constant",
    ) -> None:
        self.learning_rate = learning_rate
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.decay_epochs = decay_epochs
        self.cautious = cautious
        self.decay_schedule = decay_schedule

    def init_state(self, layout: ParameterLayout) -> dict[str, Any]:
        """Start both moments at zero. See :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range, or both ``weight_decay`` and ``decay_epochs`` are
            given.
        """
        self._validate_params()
        return two_moments(layout)

    def operations(self, step: Step, state: dict[str, Any]) -> list[Operation]:
        """Return Adam's step and the decay. See :meth:`UpdateRule.operations`."""
        adam = adam_operation(self, step, state)
        return [adam, *self.decay_operations(step, state)]

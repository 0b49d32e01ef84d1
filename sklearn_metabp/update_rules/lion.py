"""Lion: steps of equal size, by the sign of a mean."""

from numbers import Real
from typing import Any

from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels.rules import lion_step
from sklearn_metabp.network import ParameterLayout, Step
from sklearn_metabp.update_rules.decaying import DecayingRule
from sklearn_metabp.update_rules.elementwise import ElementwiseRule
from sklearn_metabp.update_rules.operation import Operation
from sklearn_metabp.update_rules.schedules import Schedule


class Lion(ElementwiseRule, DecayingRule):
    r"""Lion: a step of constant size, by the sign of a mean of gradients.

    With :math:`m_0 = 0` and the gradient :math:`g_t` of step t = 1, 2, …:

    .. math::
        c_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t \\
        \Delta w &= -\gamma \left( \operatorname{sign}(c_t) + \lambda w \right) \\
        m_t &= \beta_2 m_{t-1} + (1 - \beta_2) g_t

    With ``cautious``, :math:`\lambda w` counts only where :math:`c_t w \ge 0`.

    Parameters
    ----------
    learning_rate : float, default=0.0001
        :math:`\gamma`, greater than 0. Good rates are three to ten times
        smaller than those of Adam.
    beta_1 : float, default=0.9
        :math:`\beta_1`, the share of the old mean in the direction, in [0, 1).
    beta_2 : float, default=0.99
        :math:`\beta_2`, the decay of the mean, in [0, 1).
    weight_decay : float, default=0.0
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
    AdamW : Adam with a decay of the weights beside the step.
    Muon : Steps by orthogonalised means of the gradients of matrices.
    Rprop : Steps by the sign of the gradient, with one step size for every parameter.

    References
    ----------
    X. Chen et al., "Symbolic Discovery of Optimization Algorithms" (2023), algorithm 2. For
    ``cautious`` and ``decay_epochs`` see :class:`AdamW`.

    Examples
    --------
    >>> from sklearn_metabp import Lion
    >>> Lion(learning_rate=0.0003, weight_decay=0.1)
    Lion(learning_rate=0.0003, weight_decay=0.1)
    """

    _parameter_constraints: dict = {
        **DecayingRule._parameter_constraints,
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        learning_rate: float = 0.0001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        weight_decay: float = 0.0,
        schedule: str | Schedule = "constant",
        decay_epochs: float | None = None,
        cautious: bool = False,
        decay_schedule: str | Schedule = "constant",
    ) -> None:
        self.learning_rate = learning_rate
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.decay_epochs = decay_epochs
        self.cautious = cautious
        self.decay_schedule = decay_schedule

    def init_state(self, layout: ParameterLayout) -> dict[str, Any]:
        """Start the mean at zero. See :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range, or both ``weight_decay`` and ``decay_epochs`` are
            given.
        """
        self._validate_params()
        return {"n_plateaus": 0, "mean": layout.zeros()}

    def operations(self, step: Step, state: dict[str, Any]) -> list[Operation]:
        """Return the step by the sign, and the decay. See :meth:`UpdateRule.operations`."""

        def numbers(n: int) -> tuple[float, ...]:
            return self.rate_at(step, state), self.beta_1, self.beta_2

        arrays = step.gradients, state["mean"], step.updates
        lion = Operation(lion_step, arrays, numbers, steady=self.has_steady_rate)
        return [lion, *self.decay_operations(step, state)]

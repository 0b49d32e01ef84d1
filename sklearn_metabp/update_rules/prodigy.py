"""Adam with a learning rate that it estimates itself."""

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels.rules import distance_sums, prodigy_step
from sklearn_metabp.network import ParameterLayout, Step
from sklearn_metabp.update_rules.adam import MomentRule, two_moments
from sklearn_metabp.update_rules.decaying import DecayingRule
from sklearn_metabp.update_rules.schedules import Schedule


class Prodigy(DecayingRule, MomentRule):
    r"""Prodigy: Adam whose learning rate is an estimate of the distance to the solution.

    With the first weights :math:`w_0`, :math:`r_0 = s_0 = m_0 = v_0 = 0`, and the gradient
    :math:`g_k` at :math:`w_k`, step k = 0, 1, …:

    .. math::
        m_{k+1} &= \beta_1 m_k + (1 - \beta_1) d_k g_k, \qquad
        v_{k+1} = \beta_2 v_k + (1 - \beta_2) d_k^2 g_k^2 \\
        r_{k+1} &= \sqrt{\beta_2} \, r_k
            + \gamma_k d_k^2 \langle g_k, w_0 - w_k \rangle, \qquad
        s_{k+1} = \sqrt{\beta_2} \, s_k + \gamma_k d_k^2 g_k \\
        \hat d_{k+1} &= c \, r_{k+1} / \lVert s_{k+1} \rVert_1, \qquad
        d_{k+1} = \max(d_k, \hat d_{k+1}) \\
        \Delta w &= -\gamma_k d_k \left(
            \frac{m_{k+1}}{\sqrt{v_{k+1}} + d_k \epsilon} + \lambda w_k \right)

    The source has factors :math:`1 - \sqrt{\beta_2}` in r and s, which cancel. The code divides
    both by :math:`d_0`, because :math:`d^2` is very small. The distance d starts far too small and
    grows within some tens of steps, while the gradients keep their direction. It never shrinks, so
    the authors combine the rule with ``schedule="cosine"``. With float32 weights the estimate is
    less exact, because first steps of 1e-6 are near the rounding of the weights.

    Parameters
    ----------
    learning_rate : float, default=1.0
        :math:`\gamma`, greater than 0, a factor of the estimated rate. Leave it at 1, and tune
        ``d_coef`` if necessary.
    beta_1 : float, default=0.9
        :math:`\beta_1`, the decay of the mean, in [0, 1).
    beta_2 : float, default=0.999
        :math:`\beta_2`, the decay of the mean square, in [0, 1).
    epsilon : float, default=1e-8
        :math:`\epsilon`, greater than 0. It keeps the quotient finite.
    weight_decay : float, default=0.0
        :math:`\lambda`, at least 0. Only weights decay, not biases, as with ``alpha``.
    d0 : float, default=1e-6
        :math:`d_0`, the first estimate, greater than 0. It should be below the true distance.
    d_coef : float, default=1.0
        :math:`c`, a factor of the estimate, greater than 0. The authors also use 0.5 and 2.
    growth_rate : float, default=inf
        The largest factor by which d grows in a step, greater than 1. The first growth, away from
        :math:`d_0`, has no limit.
    bias_correction : bool, default=False
        If True, :math:`\gamma_k` has the factor :math:`\sqrt{1 - \beta_2^{k+1}} /
        (1 - \beta_1^{k+1})`, Adam's correction.
    safeguard_warmup : bool, default=False
        If True, :math:`\gamma_k` is left out of s. Use it for schedules that begin with small
        rates, because they make the estimate too large otherwise.
    schedule : str or callable, default="constant"
        Schedule of the learning rate: ``"constant"``, ``"invscaling"``, ``"adaptive"``,
        ``"cosine"``, ``"one_cycle"``, ``"flat_cosine"``, ``"coslog4"``, or a function
        ``(t, t_planned) -> factor`` of the number of the step, from 1, and the number of planned
        steps. See :doc:`/update_rules`.
    decay_epochs : float, default=None
        The decay in another unit, in place of ``weight_decay``: the number of epochs in which the
        decay, without gradients, would divide a weight by e. With M steps per epoch, the share of a
        step is :math:`1 - e^{-1 / (\text{decay\_epochs} \cdot M)}` times the factor of the
        schedule. It does not depend on :math:`d_k`.
    cautious : bool, default=False
        If True, a weight decays only in steps whose update, without the decay, does not make it
        larger.
    decay_schedule : str or callable, default="constant"
        Schedule of :math:`\lambda`, in addition to ``schedule``: one of the same names except
        ``"adaptive"``, or a function.

    See Also
    --------
    Adam : Steps by the mean gradient over its root mean square.
    AdaDelta : Steps scaled by the root mean square of the steps before.
    LearnedUpdateRule : Update rule that is fitted on recorded trainings.

    References
    ----------
    K. Mishchenko and A. Defazio, "Prodigy: An Expeditiously Adaptive Parameter-Free Learner"
    (2023), algorithm 4. Decay, ``d_coef``, ``growth_rate`` and the two switches are those of the
    authors' ``prodigyopt``. For ``cautious`` and ``decay_epochs`` see :class:`AdamW`.

    Examples
    --------
    >>> from sklearn_metabp import BackpropMLPClassifier, Prodigy
    >>> BackpropMLPClassifier(update_rule=Prodigy(schedule="cosine")).update_rule
    Prodigy(schedule='cosine')
    """

    _parameter_constraints: dict = {
        **MomentRule._parameter_constraints,
        **DecayingRule._parameter_constraints,
        "d0": [Interval(Real, 0, None, closed="neither")],
        "d_coef": [Interval(Real, 0, None, closed="neither")],
        "growth_rate": [Interval(Real, 1, None, closed="right")],
        "bias_correction": ["boolean"],
        "safeguard_warmup": ["boolean"],
    }
    _parameters_elsewhere = {
        **MomentRule._parameters_elsewhere,
        "use_bias_correction": "bias_correction",
    }

    def __init__(
        self,
        learning_rate: float = 1.0,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        d0: float = 1e-6,
        d_coef: float = 1.0,
        growth_rate: float = np.inf,
        bias_correction: bool = False,
        safeguard_warmup: bool = False,
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
        self.d0 = d0
        self.d_coef = d_coef
        self.growth_rate = growth_rate
        self.bias_correction = bias_correction
        self.safeguard_warmup = safeguard_warmup
        self.schedule = schedule
        self.decay_epochs = decay_epochs
        self.cautious = cautious
        self.decay_schedule = decay_schedule

    def init_state(self, layout: ParameterLayout) -> dict[str, Any]:
        """Start both moments at zero and the distance at d0. See :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range, or both ``weight_decay`` and ``decay_epochs`` are
            given.
        """
        self._validate_params()
        return {
            **two_moments(layout),
            "start": layout.zeros(),  # w_0
            "has_start": False,
            "numerator": 0.0,  # r
            "direction": layout.zeros(),  # s
            "distance": self.d0,  # d
            "largest": self.d0,  # the largest estimate so far, the limit of d
        }

    def compute_update(self, step: Step, state: dict[str, Any]) -> np.ndarray:
        """Compute Adam's step for the distance so far. See :meth:`UpdateRule.compute_update`."""
        return Prodigy.bind(self, step, state)()

    def bind(self, step: Step, state: dict[str, Any]) -> Callable[[], np.ndarray]:
        """Look up the arrays of a training once. See :meth:`UpdateRule.bind`."""
        gradients, params, updates = step.gradients, step.params, step.updates
        mean, square, start, direction = (
            state[name] for name in ("mean", "square", "start", "direction")
        )
        decay = self.bind_decay(step)

        def compute_update() -> np.ndarray:
            state["t"] = t = state["t"] + 1
            if not state["has_start"]:
                start[...] = params
                state["has_start"] = True
            scheduled = rate = self.rate_at(step, state)
            if self.bias_correction:
                rate *= (1 - self.beta_2**t) ** 0.5 / (1 - self.beta_1**t)
            d, fade = state["distance"], self.beta_2**0.5
            share = d / self.d0 * d
            of_s = share if self.safeguard_warmup else share * rate
            dot, size = distance_sums(gradients, params, start, direction, fade, of_s)
            state["numerator"] = fade * state["numerator"] + share * rate * dot
            if size > 0:
                self._grow(state, self.d_coef * state["numerator"] / size)
            prodigy_step(
                gradients, mean, square, updates, d, rate, self.beta_1, self.beta_2, self.epsilon
            )
            decay(rate * d, scheduled / self.learning_rate)
            return updates

        return compute_update

    def _grow(self, state: dict[str, Any], estimate: float) -> None:
        """Increase the distance towards the largest estimate, the first time without a limit."""
        d = state["distance"]
        if d == self.d0:
            d = max(d, estimate)
        state["largest"] = max(state["largest"], estimate)
        state["distance"] = min(state["largest"], d * self.growth_rate)

    def on_new_params(self, state: dict[str, Any]) -> None:
        """Measure the distance from the new parameters. See :meth:`UpdateRule.on_new_params`.

        The estimate so far is kept, as the moments are.
        """
        state["direction"][...] = 0.0
        state.update(has_start=False, numerator=0.0)

"""Gradients of bounded norm."""

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels.rules import clip_step, norm, sgd_step
from sklearn_metabp.network import ParameterLayout, Step, StepView
from sklearn_metabp.update_rules.norms import safe_norm
from sklearn_metabp.update_rules.operation import Operation
from sklearn_metabp.update_rules.training_rule import TrainingRule
from sklearn_metabp.update_rules.wrapper import WrapperRule


class Clipped(WrapperRule):
    r"""Wrapper: the gradient is clipped to the norm ``max_norm``.

    .. math::
        g \leftarrow g \min(1, c / \lVert g \rVert)

    The norm is that of the gradient of all parameters. Callbacks and recorders still receive the
    unclipped gradient as ``step.gradients``. ``Clipped(Safeguarded(...))`` clips the gradients of
    the rule and of its fallback, and ``Safeguarded(Clipped(...))`` those of the rule only.

    Parameters
    ----------
    rule : str or UpdateRule, default="adam"
        The rule that gets the clipped gradients. It may be a fitted learned rule.
    max_norm : float, default=1.0
        :math:`c`, the largest Euclidean norm, greater than 0.

    See Also
    --------
    Safeguarded : Wrapper that falls back to another rule where steps do harm.
    Averaged : Wrapper that keeps a running mean of the weights.

    References
    ----------
    R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks"
    (2013), algorithm 1.

    Examples
    --------
    >>> from sklearn_metabp import SGD, BackpropMLPRegressor, Clipped
    >>> model = BackpropMLPRegressor(update_rule=Clipped(SGD(0.1), max_norm=0.5))
    >>> model.set_params(update_rule__rule__momentum=0.9).update_rule
    Clipped(max_norm=0.5, rule=SGD(learning_rate=0.1, momentum=0.9))
    """

    _parameter_constraints: dict = {
        "rule": "no_validation",  # resolve_update_rule gives better errors
        "max_norm": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self, rule: str | TrainingRule | FrozenEstimator = "adam", max_norm: float = 1.0
    ) -> None:
        self.rule = rule
        self.max_norm = max_norm

    def init_state(self, layout: ParameterLayout) -> dict[str, Any]:
        """Start the state of the wrapped rule. See :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        return {"rule": self.inner_state(layout)}

    def compute_update(self, step: Step, state: dict[str, Any]) -> np.ndarray:
        """Compute the update for a clipped gradient. See :meth:`UpdateRule.compute_update`."""
        return Clipped.bind(self, step, state)()

    def bind(self, step: Step, state: dict[str, Any]) -> Callable[[], np.ndarray]:
        """Bind the wrapped rule to clipped gradients. See :meth:`UpdateRule.bind`."""
        view, gradients = StepView(step, "gradients"), step.gradients
        clipped, inner_update = view.buffers["gradients"], self.bind_inner(view, state)

        def compute_update() -> np.ndarray:
            view.refresh()
            vector, factor, length = gradients, 1.0, norm(gradients)
            if length > self.max_norm:
                if length == np.inf:
                    vector, length = safe_norm(gradients)
                factor = self.max_norm / length
            sgd_step(vector, clipped, -factor)  # it writes minus its rate times g
            return inner_update()

        return compute_update

    def operations(self, step: Step, state: dict[str, Any]) -> list[Operation] | None:
        """Return the clipping and the operations. See :meth:`UpdateRule.operations`."""
        within = self.inner_operations(step, state)
        if within is None:
            return None
        clip = Operation(clip_step, (step.gradients,), lambda n: (self.max_norm,), steady=True)
        return [clip, *within]

"""Weights averaged over the steps."""

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels.rules import average_step
from sklearn_metabp.network import ParameterLayout, Step
from sklearn_metabp.update_rules.operation import Operation
from sklearn_metabp.update_rules.training_rule import TrainingRule
from sklearn_metabp.update_rules.wrapper import WrapperRule


class Averaged(WrapperRule):
    r"""Wrapper: the fitted network has the average of the weights over the steps.

    With the weights :math:`w_t` after step t = 1, 2, …:

    .. math::
        a_t = \beta a_{t-1} + (1 - \beta) w_t, \qquad \hat w_t = a_t / (1 - \beta^t)

    The training continues from :math:`w_t` and does not use the average. A fitted estimator
    predicts with :math:`\hat w_t`. The division corrects for the start of the average at zero, as
    in Adam.

    Parameters
    ----------
    rule : str or UpdateRule, default="adam"
        The rule that trains.
    decay : float, default=0.99
        :math:`\beta`, in [0, 1). The average is over about :math:`1 / (1 - \beta)` steps.

    See Also
    --------
    ScheduleFree : Wrapper that replaces a schedule by a mean of the weights.
    AdamW : Adam with a decay of the weights beside the step.
    Muon : Steps by orthogonalised means of the gradients of matrices.

    References
    ----------
    B. Polyak and A. Juditsky, "Acceleration of Stochastic Approximation by Averaging" (1992), with
    decaying weights as in ``torch.optim.swa_utils``.

    Examples
    --------
    >>> from sklearn_metabp import Averaged, BackpropMLPClassifier
    >>> BackpropMLPClassifier(update_rule=Averaged("adamw", decay=0.995)).update_rule
    Averaged(decay=0.995, rule='adamw')
    """

    follows_updates = True

    _parameter_constraints: dict = {
        "rule": "no_validation",  # resolve_update_rule gives better errors
        "decay": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self, rule: str | TrainingRule | FrozenEstimator = "adam", decay: float = 0.99
    ) -> None:
        self.rule = rule
        self.decay = decay

    def init_state(self, layout: ParameterLayout) -> dict[str, Any]:
        """Start the wrapped rule, without an average. See :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        return {"rule": self.inner_state(layout), "average": layout.zeros(), "mass": 0.0}

    def compute_update(self, step: Step, state: dict[str, Any]) -> np.ndarray:
        """Compute the update of the wrapped rule. See :meth:`UpdateRule.compute_update`."""
        return Averaged.bind(self, step, state)()

    def bind(self, step: Step, state: dict[str, Any]) -> Callable[[], np.ndarray]:
        """Bind the wrapped rule and the average. See :meth:`UpdateRule.bind`."""
        inner_update, average = self.bind_inner(step, state), state["average"]

        def compute_update() -> np.ndarray:
            updates = inner_update()
            average_step(step.params, updates, average, self._next_share(state))
            return updates

        return compute_update

    def operations(self, step: Step, state: dict[str, Any]) -> list[Operation] | None:
        """Return the operations and the average. See :meth:`UpdateRule.operations`."""
        within = self.inner_operations(step, state)
        if within is None:
            return None
        arrays = step.params, step.updates, state["average"]
        return [*within, Operation(average_step, arrays, lambda n: (self._next_share(state),))]

    def _next_share(self, state: dict[str, Any]) -> float:
        """Return the share of the new weights in the average, and count them."""
        # The sum of the shares of all weights so far: 1 - decay**t unless decay has changed.
        state["mass"] = self.decay * state["mass"] + 1 - self.decay
        return (1 - self.decay) / state["mass"]

    def kept_params(self, params: np.ndarray, state: dict[str, Any]) -> np.ndarray:
        """Return the average after the first step. See :meth:`UpdateRule.kept_params`."""
        return state["average"] if state["mass"] else params

    def on_new_params(self, state: dict[str, Any]) -> None:
        """Start a new average. See :meth:`UpdateRule.on_new_params`."""
        super().on_new_params(state)
        state["mass"] = 0.0

"""Errors that go back through a network as if it were linear."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator

from sklearn_metabp.network import ParameterLayout, Step
from sklearn_metabp.update_rules.safeguarded import Safeguarded
from sklearn_metabp.update_rules.training_rule import TrainingRule
from sklearn_metabp.update_rules.wrapper import WrapperRule


class LinearBackprop(WrapperRule):
    r"""Wrapper: deltas go back as if every activation function were linear.

    Rule (6) of Jakša and Katrák (2006) without its derivative:

    .. math::
        \delta_i = \sum_h \delta_h w_{hi}

    Errors pass through saturated neurons unchanged. The wrapped rule gets ``step.gradients`` that
    are computed from these deltas. They are the gradient of the loss only for the output layer and
    for linear hidden layers. The rule and ``dropout`` together are an error, because a dropped
    neuron has no output that could have caused an error.

    Parameters
    ----------
    rule : str or UpdateRule, default="adam"
        The rule that computes the updates. It must not act on the backward pass itself.

    See Also
    --------
    Safeguarded : Wrapper that falls back to another rule where steps do harm.
    SGD : Step along the negative gradient, with or without momentum.

    References
    ----------
    M. Yazdani, "Linear Backprop in non-linear networks" (2018).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_metabp import SGD, BackpropMLPClassifier, LinearBackprop
    >>> X, y = load_iris(return_X_y=True)
    >>> rule = LinearBackprop(SGD(0.1))
    >>> model = BackpropMLPClassifier(
    ...     (8,), "tanh", update_rule=rule, tol=1e-3, random_state=0
    ... )
    >>> print(f"accuracy {model.fit(scale(X), y).score(scale(X), y):.2f}")
    accuracy 0.92
    """

    _parameter_constraints: dict = {
        "rule": "no_validation"
    }  # resolve_update_rule gives better errors

    def __init__(self, rule: str | TrainingRule | FrozenEstimator = "adam") -> None:
        self.rule = rule

    @property
    def acts_backward(self) -> bool:  # type: ignore[override]
        """True: the wrapper computes the deltas."""
        return True

    def init_state(self, layout: ParameterLayout) -> dict[str, Any]:
        """Start the state of the wrapped rule. See :meth:`UpdateRule.init_state`.

        Raises
        ------
        TypeError
            If the wrapped rule acts on the backward pass too, or is :class:`Safeguarded`, whose
            fallback needs true gradients.
        """
        # The class decides: no other rule needs true gradients for a part of its steps.
        if any(isinstance(rule, Safeguarded) for rule in self.rules_within()):
            raise TypeError(
                "LinearBackprop around Safeguarded would give wrong gradients to the fallback: "
                "write Safeguarded(LinearBackprop(...))."
            )
        if self.inner.acts_backward:
            raise TypeError(
                f"LinearBackprop computes deltas, and its rule={self.rule!r} does so too: one "
                "of them has to go."
            )
        return {"rule": self.inner_state(layout)}

    def compute_update(self, step: Step, state: dict[str, Any]) -> np.ndarray:
        """Compute the update of the wrapped rule. See :meth:`UpdateRule.compute_update`."""
        return self.inner_update(step, state)

    def bind(self, step: Step, state: dict[str, Any]) -> Callable[[], np.ndarray]:
        """Bind the wrapped rule. See :meth:`UpdateRule.bind`."""
        return self.bind_inner(step, state)

    @np.errstate(all="ignore")  # the loop reports overflows
    def compute_deltas(self, step: Step, layer: int, state: dict[str, Any]) -> np.ndarray:
        """Compute rule (6) without f'. See :meth:`UpdateRule.compute_deltas`."""
        deltas = step.backprop.deltas[layer]
        np.matmul(step.deltas[layer + 1], step.coefs[layer + 1].T, out=deltas[: step.n_patterns])
        return deltas

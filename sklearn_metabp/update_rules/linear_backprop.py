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
    r"""A rule around a rule: deltas go back as if every activation function were linear.

    Rule (6) of Jakša and Katrák (2006) without its derivative:

    .. math::
        \delta_i = \sum_h \delta_h w_{hi}

    Errors pass through saturated neurons unchanged. The ``step.gradients`` that the rule within
    gets follow from these deltas. They are the gradient of the loss for the output layer and for
    linear hidden layers only. Estimators refuse the rule together with ``dropout``, because a
    dropped neuron has no output that could have caused an error.

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
    >>> model.fit(scale(X), y).score(scale(X), y) > 0.9
    True
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
        """Start the state of the rule within; see :meth:`UpdateRule.init_state`.

        Raises
        ------
        TypeError
            If the rule within acts on the backward pass too, or is :class:`Safeguarded`, whose
            fallback needs true gradients.
        """
        # The class and not a property: no other rule needs true gradients for a part of its steps.
        if any(isinstance(rule, Safeguarded) for rule in self.rules_within()):
            raise TypeError(
                "LinearBackprop around Safeguarded would give the fallback gradients that are "
                "none: write Safeguarded(LinearBackprop(...))."
            )
        if self.inner.acts_backward:
            raise TypeError(
                f"LinearBackprop says how deltas go back, and so does its rule={self.rule!r}: one "
                "of them has to go."
            )
        return {"rule": self.inner_state(layout)}

    def compute_update(self, step: Step, state: dict[str, Any]) -> np.ndarray:
        """Compute the update of the rule within; see :meth:`UpdateRule.compute_update`."""
        return self.inner_update(step, state)

    def bind(self, step: Step, state: dict[str, Any]) -> Callable[[], np.ndarray]:
        """Bind the rule within; see :meth:`UpdateRule.bind`."""
        return self.bind_inner(step, state)

    @np.errstate(all="ignore")  # the loop finds numbers that overflow
    def compute_deltas(self, step: Step, layer: int, state: dict[str, Any]) -> np.ndarray:
        """Compute rule (6) without f'; see :meth:`UpdateRule.compute_deltas`."""
        deltas = step.backprop.deltas[layer]
        np.matmul(step.deltas[layer + 1], step.coefs[layer + 1].T, out=deltas[: step.n_patterns])
        return deltas

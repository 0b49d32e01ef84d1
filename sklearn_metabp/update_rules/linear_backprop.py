"""Errors that go back as if every activation were linear."""

import numpy as np

from sklearn_metabp.update_rules.safeguarded import Safeguarded
from sklearn_metabp.update_rules.wrapper import WrapperRule


class LinearBackprop(WrapperRule):
    r"""Deltas go back as if every activation function were linear.

    Rule (6) of Jakša and Katrák (2006) without its derivative:

    .. math::
        \delta_i = \sum_h \delta_h w_{hi}

    Errors pass through saturated units unchanged. What reaches the rule within as
    ``step.gradients`` follows from these deltas, so it is the gradient of the loss for the output
    layer and for linear hidden layers only. Estimators refuse it together with ``dropout``, because
    a dropped unit has no output that an error could be due to.

    Parameters
    ----------
    rule : str or UpdateRule, default="adam"
        Makes updates of what comes back. It must not act on the backward step itself.

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
    >>> model = BackpropMLPClassifier((8,), "tanh", update_rule=rule, tol=1e-3, random_state=0)
    >>> model.fit(scale(X), y).score(scale(X), y) > 0.9
    True
    """

    _parameter_constraints: dict = {"rule": "no_validation"}  # resolve_update_rule says more

    def __init__(self, rule="adam"):
        self.rule = rule

    @property
    def acts_backward(self) -> bool:  # type: ignore[override]
        """Always: that is its business."""
        return True

    def init_state(self, layout):
        """State of the rule within; see :meth:`UpdateRule.init_state`.

        Raises
        ------
        TypeError
            If the rule within acts on the backward step too, or is guarded by a fallback, which is
            promised true gradients.
        """
        if any(isinstance(rule, Safeguarded) for rule in self.rules_within()):
            raise TypeError(
                "LinearBackprop around Safeguarded would give the fallback gradients that are none: write "
                "Safeguarded(LinearBackprop(...))."
            )
        if self.inner.acts_backward:
            raise TypeError(
                f"LinearBackprop says how deltas go back, and so does its rule={self.rule!r}: one of them "
                f"has to go."
            )
        return {"rule": self.inner_state(layout)}

    def compute_update(self, step, state):
        """What the rule within makes of it; see :meth:`UpdateRule.compute_update`."""
        return self.inner_update(step, state)

    def bind(self, step, state):
        """Bind the rule within; see :meth:`UpdateRule.bind`."""
        return self.bind_inner(step, state)

    @np.errstate(all="ignore")  # what overflows is found out by the loop
    def compute_deltas(self, step, layer, state):
        """Rule (6) without f'; see :meth:`UpdateRule.compute_deltas`."""
        deltas = step.backprop.deltas[layer]
        np.matmul(step.deltas[layer + 1], step.coefs[layer + 1].T, out=deltas[: step.n_patterns])
        return deltas

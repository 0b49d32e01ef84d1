"""Gradients of bounded length."""

from numbers import Real

from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels.rules import norm, sgd_step
from sklearn_metabp.network import StepView
from sklearn_metabp.update_rules.norms import safe_norm
from sklearn_metabp.update_rules.wrapper import WrapperRule


class Clipped(WrapperRule):
    r"""The rule within sees gradients that are no longer than ``max_norm``.

    .. math::
        g \leftarrow g \min(1, c / \lVert g \rVert)

    over all parameters together. What callbacks and recorders see as ``step.gradients`` stays the
    gradient. Around :class:`Safeguarded` it clips for the rule and for its fallback, within it for
    the rule alone.

    Parameters
    ----------
    rule : str or UpdateRule, default="adam"
        Gets the clipped gradients. A rule that is fitted may be one.
    max_norm : float, default=1.0
        c, the largest Euclidean norm; greater than 0.

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
        "rule": "no_validation",  # resolve_update_rule says more
        "max_norm": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, rule="adam", max_norm=1.0):
        self.rule = rule
        self.max_norm = max_norm

    def init_state(self, layout):
        """State of the rule within; see :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        return {"rule": self.inner_state(layout)}

    def compute_update(self, step, state):
        """What the rule within makes of a clipped gradient; see :meth:`UpdateRule.compute_update`."""
        return Clipped.bind(self, step, state)()

    def bind(self, step, state):
        """Bind the rule within to clipped gradients; see :meth:`UpdateRule.bind`."""
        view = StepView(step, "gradients")
        clipped, inner_update = view.buffers["gradients"], self.bind_inner(view, state)

        def compute_update():
            view.follow()
            gradients, factor = step.gradients, 1.0
            if norm(gradients) > self.max_norm:
                gradients, length = safe_norm(gradients)
                factor = self.max_norm / length
            sgd_step(gradients, clipped, -factor)  # minus the rate of a descent: the factor times g
            return inner_update()

        return compute_update

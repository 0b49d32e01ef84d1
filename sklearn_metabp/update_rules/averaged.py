"""Weights averaged over the steps."""

from numbers import Real

from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels.rules import average_step
from sklearn_metabp.update_rules.wrapper import WrapperRule


class Averaged(WrapperRule):
    r"""The fitted network has the running average of the weights over the steps.

    With the weights :math:`w_t` after step t = 1, 2, …:

    .. math::
        a_t = \beta a_{t-1} + (1 - \beta) w_t, \qquad \hat w_t = a_t / (1 - \beta^t)

    Training itself goes on from :math:`w_t`, as if nobody averaged; what a fitted estimator
    predicts with is
    :math:`\hat w_t`. The division takes out the zero that the average starts from, as Adam's corrections do,
    so that early weights count no more than late ones.

    Parameters
    ----------
    rule : str or UpdateRule, default="adam"
        Trains.
    decay : float, default=0.99
        :math:`\beta`, in [0, 1): averages over about :math:`1 / (1 - \beta)` steps.

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

    _parameter_constraints: dict = {
        "rule": "no_validation",  # resolve_update_rule says more
        "decay": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(self, rule="adam", decay=0.99):
        self.rule = rule
        self.decay = decay

    def init_state(self, layout):
        """State of the rule within and no average yet; see :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        return {"rule": self.inner_state(layout), "average": layout.zeros(), "mass": 0.0}

    def compute_update(self, step, state):
        """What the rule within says, while the average follows; see :meth:`UpdateRule.compute_update`."""
        return Averaged.bind(self, step, state)()

    def bind(self, step, state):
        """Bind the rule within and the average; see :meth:`UpdateRule.bind`."""
        inner_update, average = self.bind_inner(step, state), state["average"]

        def compute_update():
            updates = inner_update()
            # The sum of the past's shares: 1 - decay**t while the decay stays.
            state["mass"] = self.decay * state["mass"] + 1 - self.decay
            average_step(step.params, updates, average, (1 - self.decay) / state["mass"])
            return updates

        return compute_update

    def kept_params(self, params, state):
        """The average, once there was a step; see :meth:`UpdateRule.kept_params`."""
        return state["average"] if state["mass"] else params

    def on_new_params(self, state):
        """Begin a new average; see :meth:`UpdateRule.on_new_params`."""
        super().on_new_params(state)
        state["mass"] = 0.0

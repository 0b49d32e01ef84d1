"""A rule that is held to account by a simpler one."""

import numpy as np

from sklearn_metabp.network import StepView
from sklearn_metabp.update_rules.averaged import Averaged
from sklearn_metabp.update_rules.wrapper import WrapperRule, checked

# Share of the fallback's promise that a step has to keep.
_SHARE = 0.1
# Decay of the running mean loss, and steps that the fallback takes after weights were put back.
_DECAY, _N_RECOVERY = 0.9, 10


class Safeguarded(WrapperRule):
    r"""The rule within moves the weights while that helps; where it does not, the fallback does.

    At every step both rules say what they would do, :math:`\Delta w` and :math:`\Delta w^f`. The first is
    taken if it lowers the loss J of the batch by a share of what the fallback promises to first order:

    .. math::
        J(w + \Delta w) \le \max(J(w), \bar J) - c \max(0, -g^\top \Delta w^f), \qquad c = 0.1

    with :math:`\bar J` the running mean of the losses of the batches, decay 0.9. Otherwise, and where
    :math:`\Delta w` is not finite, the second is taken.

    A step may suit its own batch and harm the others. So the weights at the lowest :math:`\bar J` are kept:
    when :math:`\bar J` has risen from there by more than the loss at the start, and those weights are
    better on the present batch too, training goes back to them, and the next ten steps are the fallback's.

    Parameters
    ----------
    rule : str or UpdateRule
        Usually a learned one, fitted.
    fallback : str or UpdateRule, default="sgd"
        Sees true gradients even if ``rule`` acts on the backward step. That it descends is not checked: its
        learning rate must suit the task.

    Notes
    -----
    A step costs one more forward and backward pass, for the loss after the update, and the fallback's. The
    criterion is the non-monotone one of Zhang and Hager with the fallback in the gradient's place, on
    batches.

    References
    ----------
    H. Zhang and W. Hager, "A Nonmonotone Line Search Technique and Its Application to Unconstrained
    Optimization" (2004); safeguards of learned steps by a fallback: H. Heaton, X. Chen, Z. Wang and W. Yin,
    "Safeguarded Learned Convex Optimization" (2023).

    Examples
    --------
    A rule that makes everything worse does no harm:

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_metabp import SGD, BackpropMLPClassifier, Safeguarded, UpdateRule
    >>> class Uphill(UpdateRule):
    ...     def init_state(self, layout):
    ...         return {}
    ...
    ...     def compute_update(self, step, state):
    ...         return 100 * step.gradients
    >>> X, y = load_iris(return_X_y=True)
    >>> rule = Safeguarded(Uphill(), fallback=SGD(0.1))
    >>> model = BackpropMLPClassifier((8,), update_rule=rule, tol=1e-3, random_state=0)
    >>> model.fit(scale(X), y).score(scale(X), y) > 0.9
    True
    """

    _parameter_constraints: dict = {"rule": "no_validation", "fallback": "no_validation"}

    def __init__(self, rule, fallback="sgd"):
        self.rule = rule
        self.fallback = fallback

    @property
    def _fallback(self):
        return self._resolved(self.fallback)

    @property
    def replayable(self) -> bool:  # type: ignore[override]
        """If both rules are."""
        return self.inner.replayable and self._fallback.replayable

    def init_state(self, layout):
        """State of both rules and no past yet; see :meth:`UpdateRule.init_state`.

        Raises
        ------
        TypeError
            If the rule within averages weights, or the fallback acts on the backward step.
        """
        within = self.inner
        while isinstance(within, WrapperRule):
            if isinstance(within, Averaged):
                raise TypeError(
                    "Averaged within Safeguarded would average steps that were not taken: write "
                    "Averaged(Safeguarded(...))."
                )
            within = within.inner
        if self._fallback.acts_backward:
            raise TypeError(
                f"fallback={self.fallback!r} acts on the backward step; what is fallen back to must work "
                f"with true gradients."
            )
        return {
            "rule": self.inner_state(layout),
            "fallback": self._fallback.init_state(layout),
            "view": StepView(),
            "mass": 0.0,
            "mean": 0.0,
            "first": None,
            "lowest": np.inf,
            "best_params": layout.zeros(),
            "n_recovery": 0,
        }

    def compute_update(self, step, state):
        """The one's update or the other's; see :meth:`UpdateRule.compute_update`."""
        proposed = self.inner_update(step, state)
        gradients, safe = self._fall_back(step, state)
        self._note_loss(step, state)
        if self._is_worse_than_before(step, state):
            state.update(mean=state["lowest"], mass=1.0, n_recovery=_N_RECOVERY)
            return state["best_params"] - step.params
        if state["n_recovery"]:
            state["n_recovery"] -= 1
            return safe
        promised = max(0.0, -float(np.dot(gradients, safe)))
        allowed = max(step.loss, state["mean"]) - _SHARE * promised
        helps = np.isfinite(proposed).all() and step.loss_at(step.params + proposed) <= allowed
        return proposed if helps else safe

    def _fall_back(self, step, state):
        """The true gradient, and the fallback's update."""
        view = state["view"].of(step, "updates")
        view.gradients = step.gradients
        if self.acts_backward:
            view.gradients = step.loss_and_gradients_at(step.params)[1].copy()
        fallback = self._fallback
        return view.gradients, checked(fallback, view, fallback.compute_update(view, state["fallback"]))

    def _note_loss(self, step, state):
        """Bring the running mean up to date, and the weights at its lowest."""
        if state["first"] is None:
            state["first"] = step.loss
        state["mass"] = _DECAY * state["mass"] + 1 - _DECAY
        state["mean"] += (1 - _DECAY) / state["mass"] * (step.loss - state["mean"])
        if state["mean"] < state["lowest"]:
            state["lowest"] = state["mean"]
            state["best_params"][...] = step.params

    def _is_worse_than_before(self, step, state) -> bool:
        risen = state["mean"] - state["lowest"] > abs(state["first"])
        return risen and step.loss_at(state["best_params"]) < step.loss

    def on_plateau(self, state):
        """What both rules do; see :meth:`UpdateRule.on_plateau`."""
        goes_on = self._fallback.on_plateau(state["fallback"])
        return self.inner.on_plateau(state["rule"]) or goes_on

    def state_key(self):
        """Its class and the keys of both rules; see :meth:`UpdateRule.state_key`."""
        return (type(self), *self.inner.state_key(), *self._fallback.state_key())

"""A rule that is held to account by a simpler one."""

from typing import Any

import numpy as np

from sklearn_metabp._kernels import norm
from sklearn_metabp.network import StepView, Trial
from sklearn_metabp.update_rules.averaged import Averaged
from sklearn_metabp.update_rules.checked_update import checked_update
from sklearn_metabp.update_rules.wrapper import WrapperRule

# Rows that progress is measured on, at most, and how many times as many rows a block of steps presents.
_N_ROWS, _ROWS_OF_A_BLOCK, _MIN_STEPS = 500, 5, 10
# Share of the fallback's progress that the rule has to make.
_SHARE = 0.5
# A batch with so many times the loss of the last checkpoint ends the block early.
_ALARM = 10.0


class Safeguarded(WrapperRule):
    r"""The rule within moves the weights while that helps; where it does not, the fallback does.

    Training goes in blocks of steps, each driven by one of the two. A checkpoint between blocks measures
    the loss J on the same rows every time, up to 500 spread evenly over the data, so what a block has won
    is

    .. math::
        D = J(w_{before}) - J(w_{after})

    without the noise of minibatches. The first block is the fallback's and sets the measure :math:`D_f`.
    Then the rule drives for as long as :math:`D > 0` and :math:`D \ge D_f / 2`. A block of the rule that
    raised the loss is undone: training goes back to the weights of the checkpoint. After every failure the
    fallback drives, which renews :math:`D_f`: for one block, after another failure for two, then four and
    so on, until the rule has succeeded again. So a rule that never helps costs a share of the steps that
    goes to zero, and what it did is undone.

    Within a block a step of the rule that is not finite or longer than :math:`1 + \lVert w \rVert` is not
    taken, and a batch with more than ten times the loss of the checkpoint has the checkpoint made at once.

    Parameters
    ----------
    rule : str or UpdateRule
        Usually a learned one, fitted.
    fallback : str or UpdateRule, default="sgd"
        Gets true gradients even if ``rule`` acts on the backward step. That it descends is not checked: its
        learning rate must suit the task.

    Notes
    -----
    A block presents five times as many rows as a checkpoint, and takes at least ten steps, so checkpoints
    add a fifth to the passes through the network. ``docs/design/update_rules.md`` says what else was tried.

    References
    ----------
    The idea of :class:`LearnedUpdateRule` under guard: I. Prémont-Schwarz, J. Vítků and J. Feyereisl, "A
    Simple Guard for Learned Optimizers" (2022), and H. Heaton, X. Chen, Z. Wang and W. Yin, "Safeguarded
    Learned Convex Optimization" (2023).

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
    ...         return step.gradients.copy()
    >>> X, y = load_iris(return_X_y=True)
    >>> rule = Safeguarded(Uphill(), fallback=SGD(0.1))
    >>> model = BackpropMLPClassifier((8,), update_rule=rule, tol=1e-4, max_iter=500, random_state=0)
    >>> model.fit(scale(X), y).score(scale(X), y) > 0.9
    True
    """

    _parameter_constraints: dict = {"rule": "no_validation", "fallback": "no_validation"}

    def __init__(self, rule, fallback="sgd"):
        self.rule = rule
        self.fallback = fallback

    @property
    def _fallback(self):
        return self._resolved(self.fallback, "fallback")

    @property
    def replayable(self) -> bool:  # type: ignore[override]
        """If both rules are."""
        return self.inner.replayable and self._fallback.replayable

    def init_state(self, layout):
        """State of both rules and no checkpoint yet; see :meth:`UpdateRule.init_state`.

        Raises
        ------
        TypeError
            If the rule within averages weights, or the fallback acts on the backward step.
        """
        if any(isinstance(rule, Averaged) for rule in self.rules_within()):
            raise TypeError(
                "Averaged within Safeguarded would average steps that are undone: write "
                "Averaged(Safeguarded(...))."
            )
        if self._fallback.acts_backward:
            raise TypeError(
                f"fallback={self.fallback!r} acts on the backward step; what is fallen back to must work "
                f"with true gradients."
            )
        return {
            "rule": self.inner_state(layout),
            "fallback": self._fallback.init_state(layout),
            "guard": _Guard(),
            "checkpoint": layout.zeros(),  # parameters, and their loss
            "loss": None,
            "won_by_fallback": 0.0,
            "alarm": np.inf,
            "is_ahead": True,  # of the checkpoint, as far as was looked
            "n_steps": 0,  # of this block
            "n_blocks_left": 1,  # of the fallback; none: the rule drives
            "n_blocks_next": 1,  # of the fallback, after the next failure
        }

    def compute_update(self, step, state):
        """What the one who drives says; see :meth:`UpdateRule.compute_update`."""
        proposed = self.inner_update(step, state)
        guard = state["guard"].bound(step, state)
        if state["loss"] is None:
            self._set_checkpoint(step, state, guard.loss_at(step.params))
        elif self._has_to_check(step, state, guard) and not self._check(step, state, guard):
            with np.errstate(all="ignore"):
                return state["checkpoint"] - step.params
        state["n_steps"] += 1
        if state["n_blocks_left"] or not _is_sane(proposed, step.params):
            return self._fall_back(step, state)
        return proposed

    def _has_to_check(self, step, state, guard) -> bool:
        return state["n_steps"] >= guard.n_steps or (
            not state["n_blocks_left"] and step.loss > state["alarm"]
        )

    def _check(self, step, state, guard) -> bool:
        """Judge the block; False if it has to be undone."""
        loss = guard.loss_at(step.params)
        won = state["loss"] - loss
        if state["n_blocks_left"]:
            state["won_by_fallback"] = won
            state["n_blocks_left"] -= 1
            self._set_checkpoint(step, state, loss)
            return True
        if won > 0 and state["n_steps"] < guard.n_steps:  # a false alarm
            state["alarm"] = 2 * step.loss
            return True
        if won > 0 and won >= _SHARE * state["won_by_fallback"]:
            state["n_blocks_next"] = 1
        else:
            state["n_blocks_left"] = state["n_blocks_next"]
            state["n_blocks_next"] *= 2
        if won > 0:
            self._set_checkpoint(step, state, loss)
        else:
            state["n_steps"] = 0
        return won > 0

    def _set_checkpoint(self, step, state, loss) -> None:
        state["checkpoint"][...] = step.params
        state.update(loss=loss, n_steps=0, alarm=loss + _ALARM * abs(loss))

    def _fall_back(self, step, state):
        view = state["guard"].view.of(step, "updates")
        view.gradients = step.gradients
        if self.acts_backward:
            view.gradients = step.loss_and_gradients_at(step.params)[1]
        fallback = self._fallback
        return checked_update(fallback, fallback.compute_update(view, state["fallback"]), view.updates)

    def kept_params(self, params, state):
        """Those of the last checkpoint if they are better; see :meth:`UpdateRule.kept_params`."""
        if state["loss"] is None or state["n_blocks_left"]:
            return params
        guard = state["guard"]
        if guard.can_measure:  # a copied or pickled state cannot, and goes by what was found
            state["is_ahead"] = guard.loss_at(params) < state["loss"]
        return params if state["is_ahead"] else state["checkpoint"]

    def on_plateau(self, state):
        """What both rules do; see :meth:`UpdateRule.on_plateau`."""
        goes_on = self._fallback.on_plateau(state["fallback"])
        return self.inner.on_plateau(state["rule"]) or goes_on

    def state_key(self):
        """Its class and the keys of both rules; see :meth:`UpdateRule.state_key`."""
        return (type(self), *self.inner.state_key(), *self._fallback.state_key())


def _is_sane(proposed: np.ndarray, params: np.ndarray) -> bool:
    return norm(proposed) <= 1 + norm(params) < np.inf  # False for NaN


class _Guard:
    """The kernel that measures progress in one training; no part of a state that is kept."""

    def __init__(self):
        self._step: Any = None
        self._trial: Any = None
        self._n_rows = self.n_steps = 0
        self.view = StepView()

    def bound(self, step, state) -> "_Guard":
        """Itself, over the rows of the training that has this step."""
        if self._step is step:
            return self
        X, targets, sample_weight, _ = step.rows
        n = X.shape[0]
        self._n_rows = min(n, _N_ROWS)
        spread = np.linspace(0, n - 1, self._n_rows).astype(np.intp)
        order = np.resize(spread, n)  # kernels take an order of all rows; the first are read
        self._trial = Trial(step.network, step.params, self._n_rows, (X, targets, sample_weight, order))
        self.n_steps = max(_MIN_STEPS, -(-_ROWS_OF_A_BLOCK * self._n_rows // step.backprop.max_batch))
        self._step = step
        if state["loss"] is not None:  # the training goes on, with other rows perhaps
            state["loss"] = self.loss_at(state["checkpoint"])
        return self

    @property
    def can_measure(self) -> bool:
        """Whether it has the rows that progress is measured on."""
        return self._trial is not None

    def loss_at(self, params) -> float:
        """Loss of the rows that progress is measured on."""
        return self._trial.at(params, 0, self._n_rows)[0]

    def __getstate__(self):
        return {**_Guard().__dict__}

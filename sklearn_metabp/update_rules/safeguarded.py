"""A rule that drives only while it makes enough progress, and a fallback for the rest."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator

from sklearn_metabp._kernels.rules import norm
from sklearn_metabp.network import BatchLoss, ParameterLayout, Step, StepView
from sklearn_metabp.update_rules.checks import bind_validated
from sklearn_metabp.update_rules.training_rule import TrainingRule
from sklearn_metabp.update_rules.update_rule import UpdateRule
from sklearn_metabp.update_rules.wrapper import WrapperRule

# Progress is measured on at most this number of rows.
_MAX_ROWS = 500
# A block of steps presents this many times as many rows, so measuring costs a fifth of the passes.
_ROWS_PER_MEASURED_ROW = 5
_MIN_STEPS = 10  # of a block
# The rule has to make this share of the fallback's progress.
_NEEDED_SHARE = 0.5
# A batch with this many times the loss of the checkpoint ends a block of the rule early.
_ALARM = 10.0


class Safeguarded(WrapperRule):
    r"""A wrapper that replaces a rule by a fallback where the rule makes too little progress.

    Training goes in blocks of steps; either the rule or the fallback drives each block. A
    checkpoint between two blocks measures the loss J, always on the same rows, up to 500 spread
    evenly over the data. So the progress of a block is

    .. math::
        D = J(w_{before}) - J(w_{after})

    without the noise of minibatches. The fallback drives the first block and sets the measure
    :math:`D_f`. Then the rule drives as long as :math:`D > 0` and :math:`D \ge D_f / 2`. A block of
    the rule that raised the loss is undone: training goes back to the weights of the checkpoint.
    After a failure the fallback drives, which renews :math:`D_f`. It drives for one block, after
    another failure for two, then for four and so on, until the rule has succeeded again. So a rule
    that never helps costs a share of the steps that goes to zero, and its steps are undone.

    Within a block, a step of the rule is not taken if it is not finite or longer than
    :math:`1 + \lVert w \rVert`. A batch with more than ten times the loss of the checkpoint brings
    the next checkpoint forward. The dropout of a step is that of the rule which drives: what it
    sets, or the estimator's if it sets none.

    Parameters
    ----------
    rule : str or UpdateRule
        The rule to safeguard, usually a fitted learned one.
    fallback : str or UpdateRule, default="sgd"
        The rule that takes over. It gets true gradients even if ``rule`` acts on the backward pass.
        Its learning rate must suit the task, because nothing checks that the fallback descends.

    Notes
    -----
    A block presents five times as many rows as a checkpoint, and takes at least ten steps, so
    checkpoints add a fifth to the passes through the network. ``docs/design/update_rules.md``
    describes what else was tried.

    References
    ----------
    For the idea of a learned rule with a fallback: I. Prémont-Schwarz, J. Vítků and J.
    Feyereisl, "A Simple Guard for Learned Optimizers" (2022), and H. Heaton, X. Chen, Z. Wang and
    W. Yin, "Safeguarded Learned Convex Optimization" (2023).

    Examples
    --------
    A rule that makes everything worse does no harm:

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_metabp import SGD, BackpropMLPClassifier, Safeguarded, UpdateRule
    >>> class Uphill(UpdateRule):
    ...     def init_state(self, layout: ParameterLayout) -> dict[str, Any]:
    ...         return {}
    ...
    ...     def compute_update(self, step: Step, state: dict[str, Any]) -> np.ndarray:
    ...         return step.gradients.copy()
    >>> X, y = load_iris(return_X_y=True)
    >>> rule = Safeguarded(Uphill(), fallback=SGD(0.1))
    >>> model = BackpropMLPClassifier((8,), update_rule=rule, max_iter=500, random_state=0)
    >>> model.fit(scale(X), y).score(scale(X), y) > 0.9
    True
    """

    alters_updates = True
    follows_updates = True

    _parameter_constraints: dict = {"rule": "no_validation", "fallback": "no_validation"}

    def __init__(
        self,
        rule: str | TrainingRule | FrozenEstimator,
        fallback: str | TrainingRule | FrozenEstimator = "sgd",
    ) -> None:
        self.rule = rule
        self.fallback = fallback

    @property
    def _fallback(self) -> UpdateRule:
        return self._resolve(self.fallback, "fallback")

    @property
    def replayable(self) -> bool:  # type: ignore[override]
        """True if both rules are."""
        return self.inner.replayable and self._fallback.replayable

    @property
    def sets_dropout(self) -> bool:  # type: ignore[override]
        """True if one of the rules does."""
        return self.inner.sets_dropout or self._fallback.sets_dropout

    def init_state(self, layout: ParameterLayout) -> dict[str, Any]:
        """Start the state of both rules, without a checkpoint; see :meth:`UpdateRule.init_state`.

        Raises
        ------
        TypeError
            If a rule within is :class:`Averaged`, :class:`ScheduleFree` or :class:`Safeguarded`, or
            the fallback acts on the backward pass.
        """
        if self._fallback.acts_backward:
            raise TypeError(
                f"fallback={self.fallback!r} acts on the backward step; what is fallen back to "
                "must work with true gradients."
            )
        return {
            "rule": self.inner_state(layout),
            "fallback": self._fallback.init_state(layout),
            "checkpoint": layout.zeros(),  # the parameters at the last checkpoint
            "loss": None,  # their loss; None before the first checkpoint
            "won_by_fallback": 0.0,  # D_f
            "alarm": np.inf,  # the loss of a batch that ends a block of the rule early
            "is_ahead": True,  # whether the last measured parameters beat the checkpoint
            "n_steps": 0,  # so far in this block
            "n_blocks_left": 1,  # for the fallback; the rule drives when it is 0
            "n_blocks_next": 1,  # for the fallback after the next failure
        }

    def compute_update(self, step: Step, state: dict[str, Any]) -> np.ndarray:
        """Compute the update of the rule that drives; see :meth:`UpdateRule.compute_update`."""
        return Safeguarded.bind(self, step, state)()

    def bind(self, step: Step, state: dict[str, Any]) -> Callable[[], np.ndarray]:
        """Bind both rules and the rows for the checkpoints; see :meth:`UpdateRule.bind`."""
        view = StepView(step, "updates", "dropout", *["gradients"] * self.acts_backward)
        fall_back = bind_validated(self._fallback, view, state["fallback"])
        if not self.sets_dropout:
            propose = self.bind_inner(step, state)
            return _GuardedSteps(step, state, propose, view, fall_back).compute_update
        rule_view = StepView(step, "dropout")
        propose = self.bind_inner(rule_view, state)

        def propose_update() -> np.ndarray:
            rule_view.refresh()
            return propose()

        guarded = _GuardedSteps(step, state, propose_update, view, fall_back)

        def compute_update() -> np.ndarray:
            updates = guarded.compute_update()
            step.dropout[...] = (view if state["n_blocks_left"] else rule_view).dropout
            return updates

        step.dropout[...] = (view if state["n_blocks_left"] else rule_view).dropout
        return compute_update

    def measure(self, params: np.ndarray, step: Step, state: dict[str, Any]) -> None:
        """Compare parameters with those of the checkpoint; see :meth:`UpdateRule.measure`."""
        if not (state["loss"] is None or state["n_blocks_left"]):
            state["is_ahead"] = _ProgressRows(step).loss_at(params) < state["loss"]

    def kept_params(self, params: np.ndarray, state: dict[str, Any]) -> np.ndarray:
        """Return the checkpoint if it is better; see :meth:`UpdateRule.kept_params`."""
        if state["loss"] is None or state["n_blocks_left"] or state["is_ahead"]:
            return params
        return state["checkpoint"]

    def on_plateau(self, state: dict[str, Any]) -> bool:
        """React as both rules do; see :meth:`UpdateRule.on_plateau`."""
        continues = self._fallback.on_plateau(state["fallback"])
        return self.inner.on_plateau(state["rule"]) or continues

    def on_new_params(self, state: dict[str, Any]) -> None:
        """Drop the last checkpoint; see :meth:`UpdateRule.on_new_params`."""
        super().on_new_params(state)
        self._fallback.on_new_params(state["fallback"])
        state.update(loss=None, is_ahead=True)

    def schedule_has_ended(self, n_steps: int, n_planned: int) -> bool:
        """Return True if both schedules have ended; see :meth:`UpdateRule.schedule_has_ended`."""
        return super().schedule_has_ended(n_steps, n_planned) and self._fallback.schedule_has_ended(
            n_steps, n_planned
        )

    def state_key(self) -> tuple:
        """Return the class and the keys of both rules; see :meth:`UpdateRule.state_key`."""
        return type(self), self.inner.state_key(), self._fallback.state_key()


class _GuardedSteps:
    """The steps of one training: it chooses the rule that drives and evaluates each block.

    Parameters
    ----------
    step : Step
    state : dict
        The state of a :class:`Safeguarded` rule; changed in place.
    propose : callable
        The rule, bound to the step.
    view : StepView
        The step that the fallback is bound to. It has a buffer for ``"gradients"`` where those of
        the step are not the gradients of the loss.
    fall_back : callable
        The fallback, bound to the view.
    """

    def __init__(
        self,
        step: Step,
        state: dict[str, Any],
        propose: Callable[[], np.ndarray],
        view: StepView,
        fall_back: Callable[[], np.ndarray],
    ) -> None:
        self._step, self._state = step, state
        self._propose, self._view, self._fall_back = propose, view, fall_back
        self._rows = _ProgressRows(step)
        self._n_steps = max(
            _MIN_STEPS, -(-_ROWS_PER_MEASURED_ROW * self._rows.n_rows // step.backprop.max_batch)
        )
        if state["loss"] is not None:  # the training continues, perhaps with other rows
            state["loss"] = self._rows.loss_at(state["checkpoint"])

    def compute_update(self) -> np.ndarray:
        """Compute the update of the rule that drives, after a checkpoint if one is due."""
        step, state = self._step, self._state
        proposed = self._propose()
        if state["loss"] is None:
            self._set_checkpoint(self._rows.loss_at(step.params))
        elif self._checkpoint_is_due() and not self._evaluate_block():
            with np.errstate(all="ignore"):  # the loop finds numbers that overflow
                return state["checkpoint"] - step.params
        state["n_steps"] += 1
        if state["n_blocks_left"] or not _is_acceptable(proposed, step.params):
            return self._fallback_update()
        return proposed

    def _checkpoint_is_due(self) -> bool:
        state = self._state
        return state["n_steps"] >= self._n_steps or (
            not state["n_blocks_left"] and self._step.loss > state["alarm"]
        )

    def _evaluate_block(self) -> bool:
        """Evaluate the block and plan the next one; return False if the block has to be undone."""
        state = self._state
        loss = self._rows.loss_at(self._step.params)
        won = state["loss"] - loss
        if state["n_blocks_left"]:
            state["won_by_fallback"] = won
            state["n_blocks_left"] -= 1
            self._set_checkpoint(loss)
            return True
        if won > 0 and state["n_steps"] < self._n_steps:  # a false alarm: the block continues
            state["alarm"] = 2 * self._step.loss
            return True
        if won > 0 and won >= _NEEDED_SHARE * state["won_by_fallback"]:
            state["n_blocks_next"] = 1
        else:
            state["n_blocks_left"] = state["n_blocks_next"]
            state["n_blocks_next"] *= 2
        if won > 0:
            self._set_checkpoint(loss)
        else:
            state["n_steps"] = 0
        return won > 0

    def _set_checkpoint(self, loss: float) -> None:
        self._state["checkpoint"][...] = self._step.params
        self._state.update(loss=loss, n_steps=0, alarm=loss + _ALARM * abs(loss))

    def _fallback_update(self) -> np.ndarray:
        self._view.refresh()
        true_gradients = self._view.buffers.get("gradients")
        if true_gradients is not None:
            true_gradients[...] = self._step.loss_and_gradients_at(self._step.params)[1]
        return self._fall_back()


def _is_acceptable(proposed: np.ndarray, params: np.ndarray) -> bool:
    return norm(proposed) <= 1 + norm(params) < np.inf  # False for NaN


class _ProgressRows:
    """The rows of a training on which progress is measured; always the same."""

    def __init__(self, step: Step) -> None:
        assert step.rows is not None  # a recorded step has none
        n = step.rows.X.shape[0]
        self.n_rows = min(n, _MAX_ROWS)
        spread = np.linspace(0, n - 1, self.n_rows).astype(np.intp)
        rows = step.rows.take(spread)
        self._batch_loss = BatchLoss(step.network, step.params, self.n_rows, rows)

    def loss_at(self, params: np.ndarray) -> float:
        """Compute the loss of these rows."""
        return self._batch_loss.at(params, 0, self.n_rows)[0]

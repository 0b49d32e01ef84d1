"""A rule that trains only while it is better than a fallback that trains in parallel."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator

from sklearn_metabp._kernels.rules import norm
from sklearn_metabp.network import BatchLoss, OtherStep, ParameterLayout, Step, StepView
from sklearn_metabp.update_rules.checks import bind_validated
from sklearn_metabp.update_rules.training_rule import TrainingRule
from sklearn_metabp.update_rules.update_rule import UpdateRule
from sklearn_metabp.update_rules.wrapper import WrapperRule

# The two trainings are compared on at most this number of rows.
_MAX_ROWS = 500
# A block of steps presents this many times as many rows, so a comparison costs a fifth of a pass.
_ROWS_PER_MEASURED_ROW = 10
_MIN_STEPS = 10  # of a block
# A batch whose loss is this many times the loss before the block ends the block early.
_ALARM = 10.0


class Safeguarded(WrapperRule):
    r"""Wrapper: a fallback takes over when a rule becomes worse than the fallback.

    While the rule trains the network, the fallback trains its own weights, from the same start and
    on the same batches. After every block of steps the losses J of the two are compared on the same
    rows, up to 500 rows that are spread evenly over the data:

    .. math::
        J(w_{rule}) \le J(w_{fallback})

    As long as this holds, the rule trains the network. If it does not hold, the network gets the
    weights of the fallback, and the fallback trains it: for one block, after the next failure for
    two blocks, then for four and so on, until the rule has been better again. The rule never
    changes the weights of the fallback. So at every comparison, the loss of the kept weights is at
    most the loss of a training by the fallback only, whatever the rule does.

    If a step of the rule is not finite, or longer than :math:`1 + \lVert w \rVert`, it is not
    taken, and the rule has failed. If the loss of a batch is more than ten times the loss before
    the block, the comparison takes place at once. If a rule or a fallback keeps other weights than
    the last ones, such as an average, these are compared. The dropout of a step is that of the rule
    that trains the network, or that of the estimator if this rule sets none.

    Parameters
    ----------
    rule : str or UpdateRule
        The rule to safeguard, usually a fitted learned one.
    fallback : str or UpdateRule, default="sgd"
        The rule that trains in parallel and takes over. It gets true gradients even if ``rule``
        changes the backward pass. The learning rate must fit the task: the result is at least as
        good as that of the fallback, but nothing checks that the fallback lowers the loss.

    See Also
    --------
    Clipped : Wrapper that limits the norm of the gradient.
    LearnedUpdateRule : Update rule that is fitted on recorded trainings.

    Notes
    -----
    While the rule trains the network, a step costs two passes through the network, one for each
    training. Comparisons add a fifth of a pass. While the fallback trains the network, a step costs
    one pass. A block presents ten times as many rows as a comparison, and has at least ten steps.
    ``docs/design/update_rules.md`` describes other methods that were tried.

    References
    ----------
    The idea of a learned rule with a fallback is that of I. Prémont-Schwarz, J. Vítků and J.
    Feyereisl, "A Simple Guard for Learned Optimizers" (2022), and H. Heaton, X. Chen, Z. Wang and
    W. Yin, "Safeguarded Learned Convex Optimization" (2023).

    Examples
    --------
    With the fallback, even a rule that raises the loss does no harm:

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
    >>> print(f"accuracy {model.fit(scale(X), y).score(scale(X), y):.2f}")
    accuracy 0.97
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
        """True if it is True for both rules."""
        return self.inner.replayable and self._fallback.replayable

    @property
    def sets_dropout(self) -> bool:  # type: ignore[override]
        """True if it is True for one of the rules."""
        return self.inner.sets_dropout or self._fallback.sets_dropout

    @property
    def trains_extras(self) -> bool:  # type: ignore[override]
        """True if it is True for both rules."""
        return self.inner.trains_extras and self._fallback.trains_extras

    def init_state(self, layout: ParameterLayout) -> dict[str, Any]:
        """Start the state of both rules. See :meth:`UpdateRule.init_state`.

        Raises
        ------
        TypeError
            If a wrapped rule is :class:`Averaged`, :class:`ScheduleFree` or :class:`Safeguarded`,
            or the fallback acts on the backward pass.
        """
        if self._fallback.acts_backward:
            raise TypeError(
                f"fallback={self.fallback!r} changes the backward step, but a fallback needs true "
                "gradients."
            )
        return {
            "rule": self.inner_state(layout),
            "fallback": self._fallback.init_state(layout),
            "fallback_params": layout.zeros(),  # of its own training, while the rule is active
            "begins": True,  # whether the next step is the first of a block of the rule
            "n_steps": 0,  # steps so far in this block
            "alarm": np.inf,  # the loss of a batch that ends the block early
            "is_ahead": True,  # whether the rule was better at the last measurement
            "n_pause_steps": 0,  # steps left for the fallback
            "n_pause_blocks": 1,  # length of the next pause
        }

    def compute_update(self, step: Step, state: dict[str, Any]) -> np.ndarray:
        """Compute the update of the active rule. See :meth:`UpdateRule.compute_update`."""
        return Safeguarded.bind(self, step, state)()

    def bind(self, step: Step, state: dict[str, Any]) -> Callable[[], np.ndarray]:
        """Bind both rules and the rows of the comparison. See :meth:`UpdateRule.bind`."""
        steps = _GuardedSteps(self, step, state)
        if not self.sets_dropout:
            return steps.compute_update
        steps.set_dropout()
        return steps.compute_update_and_dropout

    def losses(
        self, params: np.ndarray, rows: "_ProgressRows", state: dict[str, Any]
    ) -> tuple[float, float]:
        """Return the losses of the weights that the rule and the fallback keep."""
        of_rule = rows.loss_at(self.inner.kept_params(params, state["rule"]))
        other = self._fallback.kept_params(state["fallback_params"], state["fallback"])
        return of_rule, rows.loss_at(other)

    def measure(self, params: np.ndarray, step: Step, state: dict[str, Any]) -> None:
        """Compare the two trainings. See :meth:`UpdateRule.measure`."""
        if not (state["begins"] or state["n_pause_steps"]):
            state["is_ahead"] = _is_ahead(*self.losses(params, _ProgressRows(step), state))

    def kept_params(self, params: np.ndarray, state: dict[str, Any]) -> np.ndarray:
        """Return the better parameters of the two rules. See :meth:`UpdateRule.kept_params`."""
        if state["n_pause_steps"]:
            return self._fallback.kept_params(params, state["fallback"])
        if state["begins"] or state["is_ahead"]:
            return self.inner.kept_params(params, state["rule"])
        return self._fallback.kept_params(state["fallback_params"], state["fallback"])

    def on_plateau(self, state: dict[str, Any]) -> bool:
        """Let both rules react. See :meth:`UpdateRule.on_plateau`."""
        continues = self._fallback.on_plateau(state["fallback"])
        return self.inner.on_plateau(state["rule"]) or continues

    def on_validation(self, validation_loss: float, score: float, state: dict[str, Any]) -> None:
        """Let both rules react. See :meth:`UpdateRule.on_validation`."""
        super().on_validation(validation_loss, score, state)
        self._fallback.on_validation(validation_loss, score, state["fallback"])

    def on_new_params(self, state: dict[str, Any]) -> None:
        """Let both rules continue from the new parameters. See :meth:`UpdateRule.on_new_params`."""
        super().on_new_params(state)
        self._fallback.on_new_params(state["fallback"])
        state.update(begins=True, n_pause_steps=0)

    def schedule_has_ended(self, n_steps: int, n_planned: int) -> bool:
        """Return True if both schedules have ended. See :meth:`UpdateRule.schedule_has_ended`."""
        return super().schedule_has_ended(n_steps, n_planned) and self._fallback.schedule_has_ended(
            n_steps, n_planned
        )

    def state_key(self) -> tuple:
        """Return the class and the keys of both rules. See :meth:`UpdateRule.state_key`."""
        return type(self), self.inner.state_key(), self._fallback.state_key()


class _GuardedSteps:
    """The steps of one training: the choice of the active rule, and the comparisons.

    Parameters
    ----------
    guard : Safeguarded
    step : Step
    state : dict
        The state of the guard, which is changed in place.
    """

    def __init__(self, guard: Safeguarded, step: Step, state: dict[str, Any]) -> None:
        self._guard, self._step, self._state = guard, step, state
        fallback, of_fallback = guard._fallback, state["fallback"]
        # The own training of the fallback, while the rule is active.
        self._beside = OtherStep(step, state["fallback_params"], sets_dropout=fallback.sets_dropout)
        self._advance = bind_validated(fallback, self._beside, of_fallback)
        # The steps of the fallback in the network, while it is active.
        self._view = StepView(step, "updates", dropout=self._beside.dropout)
        self._fall_back = bind_validated(fallback, self._view, of_fallback)
        # The steps of the rule, with its dropout if one of the rules sets it.
        self._rule_view = StepView(step, "dropout")
        self._propose = guard.bind_inner(self._rule_view if guard.sets_dropout else step, state)
        self._gradients_are_true = not guard.acts_backward
        self._rows = _ProgressRows(step)
        self._n_steps = max(
            _MIN_STEPS, -(-_ROWS_PER_MEASURED_ROW * self._rows.n_rows // step.backprop.max_batch)
        )

    def set_dropout(self) -> None:
        """Set the dropout of the next step to that of the rule of this step."""
        driver = self._beside if self._state["n_pause_steps"] else self._rule_view
        self._step.dropout[...] = driver.dropout

    def compute_update_and_dropout(self) -> np.ndarray:
        """Compute the update of the active rule, and set the dropout of the next step."""
        self._rule_view.refresh()
        updates = self.compute_update()
        self.set_dropout()
        return updates

    def compute_update(self) -> np.ndarray:
        """Compute the update of the active rule, after a comparison if it is time for one."""
        step, state = self._step, self._state
        proposed = self._propose()
        if state["n_pause_steps"]:
            return self._fallback_update()
        if state["begins"]:
            self._begin()
        has_failed = not _is_acceptable(proposed, step.params)
        if state["n_steps"] >= self._n_steps or step.loss > state["alarm"]:
            has_failed |= not self._is_ahead()
        state["n_steps"] += 1
        self._advance_beside()
        if not has_failed:
            return proposed
        state["n_pause_steps"] = self._n_steps * state["n_pause_blocks"]
        state["n_pause_blocks"] *= 2
        with np.errstate(all="ignore"):  # the loop finds numbers that overflow
            return state["fallback_params"] - step.params

    def _begin(self) -> None:
        """Start the own training of the fallback when the rule becomes active."""
        params, state = self._step.params, self._state
        state["fallback_params"][...] = params
        self._set_alarm(self._rows.loss_at(params))
        state.update(begins=False, n_steps=0)

    def _is_ahead(self) -> bool:
        """Compare the two trainings, and begin the next block if the rule is better."""
        state = self._state
        is_due = state["n_steps"] >= self._n_steps
        losses = self._guard.losses(self._step.params, self._rows, state)
        if not _is_ahead(*losses):
            return False
        if is_due:
            self._set_alarm(losses[0])
            state.update(n_steps=0, n_pause_blocks=1)
        else:  # a false alarm: the block continues
            state["alarm"] = 2 * self._step.loss
        return True

    def _set_alarm(self, loss: float) -> None:
        self._state["alarm"] = loss + _ALARM * abs(loss)

    def _advance_beside(self) -> None:
        """Take a step of the own training of the fallback."""
        self._beside.fill()
        with np.errstate(all="ignore"):
            self._state["fallback_params"] += self._advance()

    def _fallback_update(self) -> np.ndarray:
        """Return the update of the fallback. After its last one the rule becomes active."""
        state = self._state
        if self._gradients_are_true:
            self._view.refresh()
            updates = self._fall_back()
        else:
            state["fallback_params"][...] = self._step.params
            self._beside.fill()
            updates = self._advance()
        state["n_pause_steps"] -= 1
        if not state["n_pause_steps"]:
            state["begins"] = True
            self._guard.inner.on_new_params(state["rule"])
        return updates


def _is_acceptable(proposed: np.ndarray, params: np.ndarray) -> bool:
    return norm(proposed) <= 1 + norm(params) < np.inf  # False for NaN


def _is_ahead(loss: float, of_fallback: float) -> bool:
    """Return whether a loss is finite and at most that of the fallback, which may be NaN."""
    return bool(np.isfinite(loss)) and not loss > of_fallback


class _ProgressRows:
    """The rows on which the two trainings are compared, always the same."""

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

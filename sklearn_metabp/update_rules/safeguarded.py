"""A rule that is held to account by a simpler one."""

import numpy as np

from sklearn_metabp._kernels.rules import norm
from sklearn_metabp.network import StepView, Trial
from sklearn_metabp.update_rules.averaged import Averaged
from sklearn_metabp.update_rules.checks import bind_validated
from sklearn_metabp.update_rules.wrapper import WrapperRule

# Rows that progress is measured on, at most, and how many times as many rows a block of steps
# presents.
_N_ROWS, _ROWS_OF_A_BLOCK, _MIN_STEPS = 500, 5, 10
# Share of the fallback's progress that the rule has to make.
_SHARE = 0.5
# A batch with so many times the loss of the last checkpoint ends the block early.
_ALARM = 10.0


class Safeguarded(WrapperRule):
    r"""The rule within moves the weights while that helps; where it does not, the fallback does.

    Training goes in blocks of steps, each driven by one of the two. A checkpoint between blocks
    measures the loss J on the same rows every time, up to 500 spread evenly over the data, so what
    a block has won is

    .. math::
        D = J(w_{before}) - J(w_{after})

    without the noise of minibatches. The first block is the fallback's and sets the measure
    :math:`D_f`. Then the rule drives for as long as :math:`D > 0` and :math:`D \ge D_f / 2`. A
    block of the rule that raised the loss is undone: training goes back to the weights of the
    checkpoint. After every failure the fallback drives, which renews :math:`D_f`: for one block,
    after another failure for two, then four and so on, until the rule has succeeded again. So a
    rule that never helps costs a share of the steps that goes to zero, and what it did is undone.

    Within a block a step of the rule that is not finite or longer than :math:`1 + \lVert w \rVert`
    is not taken, and a batch with more than ten times the loss of the checkpoint has the checkpoint
    made at once.

    Parameters
    ----------
    rule : str or UpdateRule
        Usually a learned one, fitted.
    fallback : str or UpdateRule, default="sgd"
        Gets true gradients even if ``rule`` acts on the backward step. That it descends is not
        checked: its learning rate must suit the task.

    Notes
    -----
    A block presents five times as many rows as a checkpoint, and takes at least ten steps, so
    checkpoints add a fifth to the passes through the network. ``docs/design/update_rules.md`` says
    what else was tried.

    References
    ----------
    The idea of :class:`LearnedUpdateRule` under guard: I. Prémont-Schwarz, J. Vítků and J.
    Feyereisl, "A Simple Guard for Learned Optimizers" (2022), and H. Heaton, X. Chen, Z. Wang and
    W. Yin, "Safeguarded Learned Convex Optimization" (2023).

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
        return Safeguarded.bind(self, step, state)()

    def bind(self, step, state):
        """Bind both rules, and the rows that progress is measured on; see :meth:`UpdateRule.bind`."""
        view = StepView(step, "updates", *["gradients"] * self.acts_backward)
        fall_back = bind_validated(self._fallback, view, state["fallback"])
        return _Guarded(step, state, self.bind_inner(step, state), view, fall_back).compute_update

    def measure(self, params, step, state):
        """Whether parameters are better than the checkpoint's; see :meth:`UpdateRule.measure`."""
        if not (state["loss"] is None or state["n_blocks_left"]):
            state["is_ahead"] = _ProgressRows(step).loss_at(params) < state["loss"]

    def kept_params(self, params, state):
        """Those of the last checkpoint if they are better; see :meth:`UpdateRule.kept_params`."""
        if state["loss"] is None or state["n_blocks_left"] or state["is_ahead"]:
            return params
        return state["checkpoint"]

    def on_plateau(self, state):
        """What both rules do; see :meth:`UpdateRule.on_plateau`."""
        goes_on = self._fallback.on_plateau(state["fallback"])
        return self.inner.on_plateau(state["rule"]) or goes_on

    def on_new_params(self, state):
        """Forget the last checkpoint; see :meth:`UpdateRule.on_new_params`."""
        super().on_new_params(state)
        self._fallback.on_new_params(state["fallback"])
        state.update(loss=None, is_ahead=True)

    def schedule_has_ended(self, n_steps, n_planned):
        """If those of both rules have; see :meth:`UpdateRule.schedule_has_ended`."""
        return super().schedule_has_ended(n_steps, n_planned) and self._fallback.schedule_has_ended(
            n_steps, n_planned
        )

    def state_key(self):
        """Its class and the keys of both rules; see :meth:`UpdateRule.state_key`."""
        return type(self), self.inner.state_key(), self._fallback.state_key()


class _Guarded:
    """The steps of one training: who drives, and what has come of it.

    Parameters
    ----------
    step : Step
    state : dict
        Of a :class:`Safeguarded` rule; changed in place.
    propose : callable
        The rule, bound to the step.
    view : StepView
        The step that the fallback is bound to, with ``"gradients"`` where those of the step are
        none.
    fall_back : callable
        The fallback, bound to the view.
    """

    def __init__(self, step, state, propose, view, fall_back):
        self._step, self._state = step, state
        self._propose, self._view, self._fall_back = propose, view, fall_back
        self._rows = _ProgressRows(step)
        self._n_steps = max(
            _MIN_STEPS, -(-_ROWS_OF_A_BLOCK * self._rows.n_rows // step.backprop.max_batch)
        )
        if state["loss"] is not None:  # the training goes on, with other rows perhaps
            state["loss"] = self._rows.loss_at(state["checkpoint"])

    def compute_update(self) -> np.ndarray:
        """What the one who drives says."""
        step, state = self._step, self._state
        proposed = self._propose()
        if state["loss"] is None:
            self._set_checkpoint(self._rows.loss_at(step.params))
        elif self._has_to_check() and not self._check():
            with np.errstate(all="ignore"):
                return state["checkpoint"] - step.params
        state["n_steps"] += 1
        if state["n_blocks_left"] or not _is_sane(proposed, step.params):
            return self._fallback_update()
        return proposed

    def _has_to_check(self) -> bool:
        state = self._state
        return state["n_steps"] >= self._n_steps or (
            not state["n_blocks_left"] and self._step.loss > state["alarm"]
        )

    def _check(self) -> bool:
        """Judge the block; False if it has to be undone."""
        state = self._state
        loss = self._rows.loss_at(self._step.params)
        won = state["loss"] - loss
        if state["n_blocks_left"]:
            state["won_by_fallback"] = won
            state["n_blocks_left"] -= 1
            self._set_checkpoint(loss)
            return True
        if won > 0 and state["n_steps"] < self._n_steps:  # a false alarm
            state["alarm"] = 2 * self._step.loss
            return True
        if won > 0 and won >= _SHARE * state["won_by_fallback"]:
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
        self._view.follow()
        true_gradients = self._view.buffers.get("gradients")
        if true_gradients is not None:
            true_gradients[...] = self._step.loss_and_gradients_at(self._step.params)[1]
        return self._fall_back()


def _is_sane(proposed: np.ndarray, params: np.ndarray) -> bool:
    return norm(proposed) <= 1 + norm(params) < np.inf  # False for NaN


class _ProgressRows:
    """The rows of a training that progress is measured on, always the same."""

    def __init__(self, step):
        *arrays, _ = step.rows
        n = arrays[0].shape[0]
        self.n_rows = min(n, _N_ROWS)
        spread = np.linspace(0, n - 1, self.n_rows).astype(np.intp)
        rows = (None if array is None else array[spread] for array in arrays)
        self._trial = Trial(step.network, step.params, self.n_rows, (*rows, None))

    def loss_at(self, params) -> float:
        """Loss of these rows."""
        return self._trial.at(params, 0, self.n_rows)[0]

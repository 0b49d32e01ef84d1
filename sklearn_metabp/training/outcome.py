"""Examination of a training after its end, and the text of a warning.

A loss that stops falling does not prove that anything was learned. The loss may have risen far
above the first one, may be on a plateau, or no weight may have changed. So the last loss is
compared with two other losses of the training rows: the loss at the beginning of the call, and the
loss of the best constant prediction.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sklearn_metabp._kernels.network.sparse_targets import SparseTargets
from sklearn_metabp._kernels.recurrent import flat_targets
from sklearn_metabp.network import BaseNetwork, MeanLoss, constant_loss
from sklearn_metabp.targets import Targets
from sklearn_metabp.training.batches import Batches
from sklearn_metabp.training.divergence import ADVICE
from sklearn_metabp.training.state import TrainingState
from sklearn_metabp.training.target_scale import advice_on_scale
from sklearn_metabp.update_rules import TrainingRule

# A loss counts as better than that of the best constant only if the difference is above this share:
# XOR on a plateau was up to 0.7 % better.
_MARGIN = 0.01
# The mean loss of an epoch includes changing weights, penalty, dropout and noise. It is accepted
# without another measurement only if it is below the other loss by this factor.
_CLEARLY = 0.9
# A training has blown up if the last loss is more than this factor times the first one.
_WELL_ABOVE = 10.0
# A good training improves within this number of epochs.
_A_WHILE = 10
# A call of partial_fit was harmful if it raised the loss of its own rows by this factor.
_ROSE = 2.0
# The advice mentions a penalty only from this alpha on.
_STRONG_PENALTY = 1e-3
# Number of the first calls of partial_fit. Later losses are compared with the losses of these
# calls.
_FIRST_CALLS = 10


@dataclass
class Start:
    """The training at the beginning of one call of ``fit`` or ``partial_fit``.

    Attributes
    ----------
    params : ndarray of shape (n_params,)
        A copy that training does not change.
    n_steps, n_epochs : int
        Numbers before the call.
    n_planned : int or None
        Steps that schedules were planned for in earlier calls. None if this call makes the plan.
    """

    params: np.ndarray
    n_steps: int
    n_epochs: int
    n_planned: int | None

    @classmethod
    def of(cls, state: TrainingState) -> "Start":
        """Return the start of a call that begins with this state."""
        return cls(state.params.copy(), state.n_steps, state.n_epochs, state.n_planned)


@dataclass
class Outcome:
    """Examination of one call of ``fit`` or ``partial_fit`` after its end.

    Parameters
    ----------
    network : BaseNetwork
    batches : Batches
        The rows that were trained on.
    rule : UpdateRule or LineSearchRule
    state : TrainingState
        The state at the end.
    start : Start
    targets : Targets
        The conversion of rows to targets.
    """

    network: BaseNetwork
    batches: Batches
    rule: TrainingRule
    state: TrainingState
    start: Start
    targets: Targets

    def warning_of_fit(self, stopped: bool, max_iter: int, max_iter_was_wanted: bool) -> str | None:
        """Return the text of a warning after a ``fit``.

        Parameters
        ----------
        stopped : bool
            True if something ended the training before ``max_iter``.
        max_iter : int
        max_iter_was_wanted : bool
            True if patience is infinite. Then there is no warning that ``max_iter`` was reached,
            and none about a poor fit if the loss still improves.

        Returns
        -------
        message : str or None
            One text with all findings, or None.
        """
        is_cut_short = not stopped and max_iter_was_wanted and self._is_under_way
        failure = self._standstill() or self._blow_up()
        if not failure and not is_cut_short:
            failure = self._nothing_learned(not stopped)
        end = None
        if self.state.divergence is not None:
            end = f"{self.state.divergence} {_KEPT_THE_BEST}"
        elif self.rule.tests_convergence:
            if not stopped:
                name, reason = type(self.rule).__name__, self.state.why_not_converged
                end = f"{name} ended before it converged: {reason}."
        elif not stopped and not max_iter_was_wanted:
            end = f"Maximum number of epochs ({max_iter}) reached"
            tol = self.state.patience.tol
            advice = f" and the loss still improves by more than tol={tol:g}: raise max_iter or tol"
            end += "." if failure else f"{advice}."
        return " ".join(sentence for sentence in (end, failure) if sentence) or None

    def warning_of_partial_fit(self) -> str | None:
        """Return the text of a warning after a ``partial_fit``. A training has each warning once.

        A divergence, a blow-up and a call without effect are reasons for a warning. A plateau is
        not, because a stream has no end.

        Returns
        -------
        message : str or None
        """
        if self.state.divergence is not None:
            return f"{self.state.divergence} {_KEPT_THE_BEST}"
        for name, find in (("standstill", self._standstill), ("blow-up", self._blow_up_on_stream)):
            finding = None if name in self.state.warned_of else find()
            if finding and self.state.is_first_warning(name):
                return finding
        return None

    def _standstill(self) -> str | None:
        """Return a text if no step changed a weight, or could change one."""
        state, start = self.state, self.start
        if state.n_steps == start.n_steps or state.divergence is not None:
            return None
        n_planned = start.n_planned
        if (
            n_planned
            and start.n_steps >= n_planned
            and self.rule.schedule_has_ended(start.n_steps, n_planned)
        ):
            return (
                "Training stands still: the schedule of the learning rate was planned for "
                f"{n_planned} steps, and this call began after {start.n_steps}, under "
                f"update_rule={self.rule!r}. The first call plans max_iter epochs: give it a "
                "larger max_iter. To continue now, set schedule='constant', or start a fresh "
                "fit with coef_init=model.coefs_ and intercept_init=model.intercepts_, which "
                "plans anew."
            )
        if self.rule.tests_convergence or not np.array_equal(state.params, start.params):
            return None
        return (
            f"No step of this call changed a weight, under update_rule={self.rule!r}: its updates "
            "are 0, or too small for the last digit of a weight. Raise the learning rate, or "
            "check its schedule."
        )

    def _blow_up(self) -> str | None:
        """Return a text if the last loss, penalty included, is far above the first one."""
        state = self.state
        if state.divergence is not None or not self._is_suspicious:
            return None
        rose = self._end_loss - self._start_loss
        if not (self._end_loss > _WELL_ABOVE * self._start_loss and rose > state.patience.tol):
            return None
        sentences = [self._blown_up()]
        if self._advice_on_y:
            sentences.append(self._advice_on_y)
        if state.best_params is not None:
            sentences.append("The estimator has the weights of the best epoch.")
        return " ".join(sentences)

    def _blow_up_on_stream(self) -> str | None:
        """Return a text if a call of ``partial_fit`` blew up.

        Every call may have other rows, so its loss is compared with those of the first few calls.
        Unusual rows have a large loss as well, but steps on them lower it. So the loss of the same
        rows before and after the call decides.
        """
        curve = self.state.loss_curve
        first = curve[: min(_FIRST_CALLS, len(curve) - 1)]
        usual = _WELL_ABOVE * max(first, default=-np.inf)
        if not curve[-1] > usual:
            return None
        stays_high = len(curve) > len(first) + 2 and min(curve[-3:]) > usual
        factor = 1.0 if stays_high else _ROSE if first else _WELL_ABOVE
        if not self._end_loss > factor * self._start_loss + self.state.patience.tol:
            return None
        return self._blown_up()

    def _blown_up(self) -> str:
        return (
            "Training blew up, though every number is finite: the last loss is "
            f"{self._end_loss:.6g}, and the first loss of this call was {self._start_loss:.6g}, "
            f"under update_rule={self.rule!r}. {ADVICE}"
        )

    def _nothing_learned(self, at_the_limit: bool) -> str | None:
        """Return a text if the kept network predicts no better than a constant does."""
        if not self._is_suspicious or not self._targets_vary:
            return None
        if not self._kept_loss >= (1 - _MARGIN) * self._constant_loss:
            return None
        return (
            "The network predicts no better than a constant does: its loss is "
            f"{self._kept_loss:.6g}, that of the best constant prediction "
            f"{self._constant_loss:.6g}. {self._remedy(at_the_limit)}"
        )

    def _remedy(self, at_the_limit: bool) -> str:
        tol = self.state.patience.tol
        if self._advice_on_y:
            return self._advice_on_y
        if self._constant_loss <= tol:
            return (
                f"No improvement can be as large as tol={tol:g}, so patience ends the training: "
                "lower tol."
            )
        is_search = self.rule.tests_convergence
        first = "Raise max_iter" if at_the_limit and not is_search else "Try another random_state"
        rate = "" if is_search else ", a larger learning rate"
        penalty = ", a smaller alpha" if self.network.alpha > _STRONG_PENALTY else ""
        return (
            f"{first}{rate}, more hidden neurons or other activation functions{penalty}, or scale "
            f"X. If {self.targets.nothing_to_learn}, there is nothing more to learn."
        )

    @cached_property
    def _advice_on_y(self) -> str | None:
        batches = self.batches
        if not self.targets.is_numeric or isinstance(batches.targets, SparseTargets):
            return None
        return advice_on_scale(
            self.network.out_activation,
            *flat_targets(batches.targets, batches.sample_weight),
            self.state.patience.tol,
        )

    @property
    def _is_under_way(self) -> bool:
        """True if the loss still improved in the last epochs, and the scale of y is no obstacle."""
        curve = self.state.loss_curve[self.start.n_epochs :]
        before, lately = curve[:-_A_WHILE], curve[-_A_WHILE:]
        improves = not before or min(lately) < min(before) - self.state.patience.tol
        is_held_up = (
            self._advice_on_y is not None and self._kept_loss > _WELL_ABOVE * self._constant_loss
        )
        return improves and not is_held_up

    @cached_property
    def _is_suspicious(self) -> bool:
        """True if the training may have failed, by the loss of the last epoch."""
        curve, n_before = self.state.loss_curve, self.start.n_epochs
        last = curve[-1] if len(curve) > n_before else np.inf
        first = curve[max(n_before - 1, 0)] if len(curve) else np.inf
        return last > _CLEARLY * self._constant_loss or last > 1 / _CLEARLY * first

    @property
    def _targets_vary(self) -> bool:
        """True if an output has more than one target among the rows with a weight above 0."""
        targets, weight = flat_targets(self.batches.targets, self.batches.sample_weight)
        if isinstance(targets, SparseTargets):
            return targets.vary(np.ones(len(targets), bool) if weight is None else weight > 0)
        if weight is not None:
            targets = targets[weight > 0]
        spread = np.ptp(targets, axis=0)
        return bool((spread > 4 * np.finfo(targets.dtype).eps * np.abs(targets).max(axis=0)).any())

    @cached_property
    def _constant_loss(self) -> float:
        return constant_loss(self.network, self.batches.targets, self.batches.sample_weight)

    @cached_property
    def _start_loss(self) -> float:
        return self._loss_of(self.start.params) + self._penalty_of(self.start.params)

    @cached_property
    def _end_loss(self) -> float:
        return self._last_loss + self._penalty_of(self.state.params)

    @cached_property
    def _last_loss(self) -> float:
        return self._loss_of(self.state.params)

    @cached_property
    def _kept_loss(self) -> float:
        kept = self.state.kept_params(self.rule)
        return self._last_loss if kept is self.state.params else self._loss_of(kept)

    def _loss_of(self, params: np.ndarray) -> float:
        self._mean_loss.params[...] = params
        return self._mean_loss.compute()

    @cached_property
    def _mean_loss(self) -> MeanLoss:
        batches = self.batches
        return MeanLoss(
            self.network.backprop,
            np.empty_like(self.state.params),
            batches.X,
            batches.targets,
            batches.sample_weight,
        )

    def _penalty_of(self, params: np.ndarray) -> float:
        """Return the penalty in the loss of a batch, on average over the batches."""
        batches, weight = self.batches, self.batches.sample_weight
        total = len(batches) if weight is None else float(weight.sum(dtype=float))
        weights = params[: self.network.layout.n_weights].astype(np.float64)
        with np.errstate(over="ignore"):
            return 0.5 * self.network.alpha * float(weights @ weights) * batches.n_batches / total


_KEPT_THE_BEST = (
    "The estimator has the weights of the best epoch. A continued training starts from them."
)

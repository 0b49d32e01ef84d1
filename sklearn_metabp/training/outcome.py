"""How a training ended, and what of it is worth a warning.

A loss that stops falling is no proof that anything was learned: a training may have blown up and
stayed finite, may stand on a plateau, or may have taken no step that counts. Its loss at the end is
compared with the one where the call began and with that of the best constant prediction, on the
rows that were trained on.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sklearn_metabp._kernels.network.sparse_targets import SparseTargets
from sklearn_metabp.network import Network, constant_loss
from sklearn_metabp.training.batches import Batches
from sklearn_metabp.training.divergence import ADVICE
from sklearn_metabp.training.state import TrainingState
from sklearn_metabp.training.target_scale import advice_on_scale
from sklearn_metabp.update_rules import LineSearchRule, UpdateRule

# A loss within this share of the best constant's is no better than it: XOR on a plateau has won up
# to 0.7 %.
_MARGIN = 0.01
# An epoch's mean loss is one of changing weights, with penalty and dropout. Only where it is below
# what it is compared with by this factor, it need not be measured again.
_CLEARLY = 0.9
# A training that ends with so many times the loss it began with has blown up.
_WELL_ABOVE = 10.0
# Epochs in which a training that goes well gets better.
_A_WHILE = 10
# A call of partial_fit that raised the loss of its rows by this factor has made them worse.
_ROSE = 2.0
# A penalty to mention where nothing was learned.
_STRONG_PENALTY = 1e-3
# Calls of partial_fit whose losses say what is usual on a stream.
_FIRST_CALLS = 10


@dataclass
class Start:
    """Where one call of ``fit`` or ``partial_fit`` began.

    Attributes
    ----------
    params : ndarray of shape (n_params,)
        An array that training does not change.
    n_steps, n_epochs : int
        Taken and finished before.
    n_planned : int or None
        Steps that schedules reckoned with before; None where the call made the plan.
    """

    params: np.ndarray
    n_steps: int
    n_epochs: int
    n_planned: int | None

    @classmethod
    def of(cls, state: TrainingState) -> "Start":
        """Where a training goes on from a state."""
        return cls(state.params.copy(), state.n_steps, state.n_epochs, state.n_planned)


@dataclass
class Outcome:
    """What became of one call of ``fit`` or ``partial_fit``.

    Parameters
    ----------
    network : Network
    batches : Batches
        The rows that were trained on.
    rule : UpdateRule
    state : TrainingState
        At the end.
    start : Start
    y_has_numbers : bool
        Whether targets are numbers, with a mean and a scale to speak of, rather than classes.
    """

    network: Network
    batches: Batches
    rule: UpdateRule
    state: TrainingState
    start: Start
    y_has_numbers: bool

    def of_fit(self, stopped: bool, max_iter: int, max_iter_was_wanted: bool) -> str | None:
        """What to warn of after a ``fit``.

        Parameters
        ----------
        stopped : bool
            Whether something ended the training before ``max_iter``.
        max_iter : int
        max_iter_was_wanted : bool
            Whether patience is infinite: then reaching ``max_iter`` is no news, nor is what a
            training under way has not learned yet.

        Returns
        -------
        message : str or None
            One text with all that is to be said; None after a training that needs no word.
        """
        is_cut_short = not stopped and max_iter_was_wanted and self._is_under_way
        failure = self._standstill() or self._blow_up()
        if not failure and not is_cut_short:
            failure = self._nothing_learned(not stopped)
        end = None
        if self.state.divergence is not None:
            end = f"{self.state.divergence} {_KEPT_THE_BEST}"
        elif isinstance(self.rule, LineSearchRule):
            if not stopped:
                end = f"{type(self.rule).__name__} ended before it converged: {self.state.why_not_converged}."
        elif not stopped and not max_iter_was_wanted:
            end = f"Maximum number of epochs ({max_iter}) reached"
            tol = self.state.patience.tol
            advice = f" and the loss still improves by more than tol={tol:g}: raise max_iter or tol"
            end += "." if failure else f"{advice}."
        return " ".join(sentence for sentence in (end, failure) if sentence) or None

    def of_partial_fit(self) -> str | None:
        """What to warn of after a ``partial_fit``; each thing once in a training.

        A plateau is nothing to warn of: the stream goes on. A divergence is, and a blow-up, and
        calls that change nothing.

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
        """What to say where no step changed a weight, or none could."""
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
                f"Training stands still: the schedule of the learning rate was planned for {n_planned} "
                f"steps, and this call began after {start.n_steps}, under update_rule={self.rule!r}. The "
                f"first call plans max_iter epochs: give it a larger max_iter. To go on from here, set "
                f"schedule='constant', or start a fresh fit with coef_init=model.coefs_ and "
                f"intercept_init=model.intercepts_, which plans anew."
            )
        if isinstance(self.rule, LineSearchRule) or not np.array_equal(state.params, start.params):
            return None
        return (
            f"No step of this call changed a weight, under update_rule={self.rule!r}: its updates are 0, or "
            f"too small for the last digit of a weight. Raise the learning rate, or look at its schedule."
        )

    def _blow_up(self) -> str | None:
        """What to say where the training ended well above where it began, by the loss that it lowers."""
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
        """The same of a call of ``partial_fit``, whose rows may be other ones than those of the call before.

        Losses of calls are compared with those of the first few. Unusual rows have a large loss as
        well, but steps on them lower it; so it is the loss of the same rows before and after the
        call that decides.
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
            f"Training blew up, though every number stayed finite: the loss ended at {self._end_loss:.6g}, "
            f"and was {self._start_loss:.6g} where this call began, under update_rule={self.rule!r}. {ADVICE}"
        )

    def _nothing_learned(self, at_the_limit: bool) -> str | None:
        """What to say where the network that is kept predicts no better than a constant does."""
        if not self._is_suspicious or not self._targets_vary:
            return None
        if not self._kept_loss >= (1 - _MARGIN) * self._constant_loss:
            return None
        return (
            f"The network predicts no better than a constant does: its loss is {self._kept_loss:.6g}, that "
            f"of the best constant prediction {self._constant_loss:.6g}. {self._remedy(at_the_limit)}"
        )

    def _remedy(self, at_the_limit: bool) -> str:
        tol = self.state.patience.tol
        if self._advice_on_y:
            return self._advice_on_y
        if self._constant_loss <= tol:
            return f"No improvement can be as large as tol={tol:g}, so patience ends the training: lower tol."
        is_search = isinstance(self.rule, LineSearchRule)
        first = "Raise max_iter" if at_the_limit and not is_search else "Try another random_state"
        rate = "" if is_search else ", a larger learning rate"
        penalty = ", a smaller alpha" if self.network.alpha > _STRONG_PENALTY else ""
        return (
            f"{first}{rate}, more hidden units or other activation functions{penalty}, or scale X. If X says "
            f"nothing about y, this is all there is to learn."
        )

    @property
    def _advice_on_y(self) -> str | None:
        batches = self.batches
        if not self.y_has_numbers or isinstance(batches.targets, SparseTargets):
            return None
        return advice_on_scale(
            self.network.out_activation,
            batches.targets,
            batches.sample_weight,
            self.state.patience.tol,
        )

    @property
    def _is_under_way(self) -> bool:
        """Whether the loss still improved in the last epochs, and y is not what keeps it far from its end."""
        curve = self.state.loss_curve[self.start.n_epochs :]
        before, lately = curve[:-_A_WHILE], curve[-_A_WHILE:]
        improves = not before or min(lately) < min(before) - self.state.patience.tol
        is_held_up = (
            self._advice_on_y is not None and self._kept_loss > _WELL_ABOVE * self._constant_loss
        )
        return improves and not is_held_up

    @property
    def _is_suspicious(self) -> bool:
        """Whether the last epoch's loss leaves it open that the training failed."""
        curve, n_before = self.state.loss_curve, self.start.n_epochs
        last = curve[-1] if len(curve) > n_before else np.inf
        first = curve[max(n_before - 1, 0)] if len(curve) else np.inf
        return last > _CLEARLY * self._constant_loss or last > 1 / _CLEARLY * first

    @property
    def _targets_vary(self) -> bool:
        """Whether there is anything to learn: an output with more than one target among rows that count."""
        targets, weight = self.batches.targets, self.batches.sample_weight
        if isinstance(targets, SparseTargets):
            counting = np.ones(len(targets)) if weight is None else (weight > 0).astype(float)
            in_rows = np.bincount(
                targets.neurons[targets.indptr[0] : targets.indptr[-1]],
                np.repeat(counting, np.diff(targets.indptr)),
                minlength=targets.shape[1],
            )
            return bool(((in_rows > 0) & (in_rows < counting.sum())).any())
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
        return self._loss_of(self.state.params) + self._penalty_of(self.state.params)

    @cached_property
    def _kept_loss(self) -> float:
        return self._loss_of(self.state.kept_params(self.rule))

    def _loss_of(self, params: np.ndarray) -> float:
        batches = self.batches
        return self.network.mean_loss(params, batches.X, batches.targets, batches.sample_weight)

    def _penalty_of(self, params: np.ndarray) -> float:
        """The penalty that training adds to the loss of a batch, on average over the batches."""
        batches, weight = self.batches, self.batches.sample_weight
        total = len(batches) if weight is None else float(weight.sum(dtype=float))
        weights = params[: self.network.layout.n_weights].astype(np.float64)
        with np.errstate(over="ignore"):
            return 0.5 * self.network.alpha * float(weights @ weights) * batches.n_batches / total


_KEPT_THE_BEST = (
    "The estimator has the weights of the best epoch, from which a training that goes on starts."
)

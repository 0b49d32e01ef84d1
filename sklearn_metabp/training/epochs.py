"""The inner loop: the one place where weights change."""

from collections.abc import Callable, Iterator
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from sklearn_metabp._kernels.network.epoch_ends import LOSS_IS_NOT_FINITE, UPDATE_IS_NOT_FINITE
from sklearn_metabp._kernels.rules import apply_updates
from sklearn_metabp.network import Network, Step
from sklearn_metabp.training.batches import Batches
from sklearn_metabp.training.divergence import DivergenceError
from sklearn_metabp.training.state import TrainingState
from sklearn_metabp.update_rules import UpdateRule
from sklearn_metabp.update_rules.checks import (
    bind_update,
    explain_read_only,
    validate_update,
)
from sklearn_metabp.update_rules.program import BoundProgram, bind_program

# At most so many steps run between two looks at patience: their numbers are computed before.
_STEPS_AT_ONCE = 4096

if TYPE_CHECKING:  # the listener's own module imports the replay, and that this one
    from sklearn_metabp.training.listener import Listener


class Epochs:
    """Buffers and bookkeeping of the inner loop.

    Parameters
    ----------
    network : Network
    batches : Batches
    rule : UpdateRule
    state : TrainingState
        Changed by every step.
    max_epochs : int
    planned_epochs : int or None
        Number of epochs that schedules count on, where the state has no plan yet; None is
        ``max_epochs``.
    listener : Listener, default=None
    yields_steps : bool, default=False
        Whether ``run_one`` yields the steps even without a listener to steps.
    n_threads : int, default=1
        Number of threads of the products.
    """

    def __init__(
        self,
        network: Network,
        batches: Batches,
        rule: UpdateRule,
        state: TrainingState,
        max_epochs: int,
        planned_epochs: int | None,
        listener: "Listener | None" = None,
        *,
        yields_steps: bool = False,
        n_threads: int = 1,
    ):
        self.batches, self.rule, self.state, self.max_epochs = batches, rule, state, max_epochs
        state.order = batches.order
        self.updates = np.zeros_like(state.params)
        gradients = np.zeros_like(state.params)
        dropout_key = state.dropout_key if network.dropout or rule.sets_dropout else None
        noise_key = state.dropout_key if network.input_noise else None
        self.backprop = network.backprop(
            state.params,
            gradients,
            min(batches.size, len(batches)),
            dropout_key=dropout_key,
            noise_key=noise_key,
            n_steps=state.n_steps,
            n_threads=n_threads,
        )
        self.backprop.load(*batches.rows)
        self.listener = listener
        self.yields_steps = yields_steps or (listener is not None and listener.wants_steps)
        # Listeners read a step after the weights have changed; it has the weights before.
        self.seen_params = state.params.copy() if self.yields_steps else state.params
        # Planned once per training: if the plan moved, the rate of a schedule would jump back.
        if state.n_planned is None:
            n_epochs = max_epochs if planned_epochs is None else planned_epochs
            state.n_planned = state.n_steps + n_epochs * batches.n_batches
        self.step = Step(
            network,
            self.seen_params,
            gradients,
            self.updates,
            self.backprop,
            state.n_planned,
            sets_dropout=rule.sets_dropout,
        )
        self.step.rows = batches.rows
        self.step.dropout_key, self.step.noise_key = dropout_key, noise_key
        self.step.steps_per_epoch = batches.n_batches
        self.step.epoch = state.n_epochs - 1  # the one before the next
        self.last_loss: float | None = None
        self.mean_loss = np.nan
        self.compute_update = bind_update(rule, self.step, state.rule_state)
        self.send_back = (
            rule.bind_deltas(self.step, state.rule_state) if rule.acts_backward else None
        )
        # Where nobody sees the steps and the rule allows it, whole epochs run without Python.
        self.program: BoundProgram | None = None
        if not self.yields_steps:
            self.program = bind_program(rule, state.params, self.step, state.rule_state)

    def run(
        self, epochs_ended: Callable[[list[float]], bool], n_quiet_epochs: Callable[[], float]
    ) -> bool:
        """Run epochs until one is the last; return True if that was before ``max_epochs``.

        Parameters
        ----------
        epochs_ended : callable
            ``epochs_ended(mean_losses)`` is called after one or more epochs and returns whether to
            stop.
        n_quiet_epochs : callable
            Returns after how many epochs ``epochs_ended`` may do more than to count them.
        """
        n_left = self.max_epochs
        while n_left:
            if self.listener is not None:
                self.listener.epoch_begins()
            error = None
            if self.program is None:
                losses = [self._run_steps()]
            else:
                most = max(1, _STEPS_AT_ONCE // self.batches.n_batches)
                losses, error = self._run_program(int(min(n_left, most, n_quiet_epochs())))
            n_left -= len(losses)
            is_last = epochs_ended(losses)
            if error is not None:
                raise error
            if is_last:
                return True
        return False

    def _run_steps(self) -> float:
        """Run an epoch step by step and return its mean loss."""
        for step in self.run_one():
            self.listener.step_ends(step)  # type: ignore[union-attr]
        self.state.loss_curve.append(self.mean_loss)
        return self.mean_loss

    def _run_program(self, n_epochs: int) -> tuple[list[float], BaseException | None]:
        """Run epochs without Python; return their mean losses, and the error that ended them."""
        step, state, batches, program = self.step, self.state, self.batches, self.program
        assert program is not None
        losses, n_steps = np.empty(n_epochs), n_epochs * batches.n_batches
        step.index = state.n_steps
        program.begin(n_steps)
        size = min(batches.size, len(batches))
        n_ended, n_done, last_loss, problem = self.backprop.run_epochs(
            program.kernel, size, n_epochs, state.random_state, losses
        )
        if isfinite(last_loss):  # NaN if the first batch had none
            self.last_loss = last_loss
        program.end(n_steps, n_done)
        n_rows = n_ended * len(batches) + (n_done - n_ended * batches.n_batches) * size
        mean_losses = losses[:n_ended].tolist()
        state.note_epochs(n_done, n_rows, mean_losses)
        step.index, step.epoch = state.n_steps, step.epoch + n_ended
        if isinstance(problem, str):
            step.index, step.epoch = step.index + 1, step.epoch + 1
            problem = self.divergence(problem)
        return mean_losses, problem

    def run_one(self) -> Iterator[Step]:
        """Go through the rows once and set ``mean_loss`` at the end.

        Yields
        ------
        step : Step
            Every step after its update, if ``yields_steps`` is set. Otherwise nothing is yielded,
            and the first ``next`` runs the whole epoch.
        """
        step, state, updates, yields_steps = self.step, self.state, self.updates, self.yields_steps
        params, send_back = state.params, self.send_back
        gradients, compute_update = self.backprop.gradients, self.compute_update
        step.epoch += 1
        total_loss = 0.0
        for start, stop in self.batches.draw(state.random_state):
            step.index, step.start, step.stop = state.n_steps + 1, start, stop
            if yields_steps:
                self.seen_params[...] = params
            step.loss = loss = gradients(start, stop, send_back)  # rules (1), (2), (5), (6)
            if not isfinite(loss):
                raise self.divergence(LOSS_IS_NOT_FINITE.format(loss))
            self.last_loss = loss
            try:
                change = compute_update()  # rule (3), or its replacement
            except ValueError as error:
                explain_read_only(error, self.rule)
                raise
            if change is not updates:
                updates[...] = validate_update(self.rule, change, updates)
            if not apply_updates(params, updates):
                raise self._bad_update()
            state.n_steps, state.n_rows = state.n_steps + 1, state.n_rows + stop - start
            total_loss += loss * (stop - start)
            if yields_steps:
                yield step
        self.mean_loss = total_loss / len(self.batches)

    def _bad_update(self) -> DivergenceError:
        """Return the error for an update that is not finite, with advice if the rule caused it."""
        what = UPDATE_IS_NOT_FINITE
        if np.isnan(self.updates).any() and np.isfinite(self.step.gradients).all():
            return self.divergence(
                f"{what} for gradients that are finite",
                advice="Look for 0 / 0 and inf - inf in the rule.",
            )
        return self.divergence(what)

    def divergence(self, what: str, **advice: str) -> DivergenceError:
        """Return the error that describes what happened in this step."""
        return DivergenceError(
            what,
            self.rule,
            epoch=self.step.epoch + 1,
            step=self.step.index,
            last_loss=self.last_loss,
            **advice,
        )

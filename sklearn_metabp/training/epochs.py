"""The inner loop: the one place where weights change."""

from collections.abc import Callable, Iterator
from math import inf, isfinite
from typing import TYPE_CHECKING

import numpy as np

from sklearn_metabp._kernels.network.epoch_ends import LOSS_IS_NOT_FINITE, UPDATE_IS_NOT_FINITE
from sklearn_metabp._kernels.rules import apply_updates
from sklearn_metabp.network import BaseNetwork, Step, StepView
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
from sklearn_metabp.update_rules.schedules import factor_at

# Largest number of steps between two checks of patience. Their numbers are computed before.
_STEPS_AT_ONCE = 4096

if TYPE_CHECKING:  # the listener imports the replay, which imports this module
    from sklearn_metabp.training.listener import Listener


class Epochs:
    """Buffers and bookkeeping of the inner loop.

    Parameters
    ----------
    network : BaseNetwork
    batches : Batches
    rule : UpdateRule
    state : TrainingState
        Changed by every step.
    max_epochs : int
    planned_epochs : int or None
        Number of epochs of the schedules, if the state has no plan yet. None means ``max_epochs``.
    listener : Listener, default=None
    yields_steps : bool, default=False
        If True, ``run_one`` yields every step. If False, the steps that the listener receives.
    n_threads : int, default=1
        Number of threads for matrix products.
    """

    def __init__(
        self,
        network: BaseNetwork,
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
        # Planned once per training. With a new plan, the rate of a schedule would jump back.
        if state.n_planned is None:
            n_epochs = max_epochs if planned_epochs is None else planned_epochs
            state.n_planned = state.n_steps + n_epochs * batches.n_batches
        self.step = Step(
            network,
            state.params,
            gradients,
            self.updates,
            self.backprop,
            state.n_planned,
            sets_dropout=rule.sets_dropout,
        )
        self.step.rows = batches.rows
        self.step.dropout_key, self.step.noise_key = dropout_key, noise_key
        self.step.steps_per_epoch = batches.n_batches
        self.step.epoch = state.n_epochs - 1  # the step before the next one
        self.last_loss: float | None = None
        self.mean_loss = np.nan
        self._next_seen, self.seen = self._watch(yields_steps)
        self._schedules_dropout = bool(network.dropout) and network.dropout_schedule != "constant"
        self.compute_update = bind_update(rule, self.step, state.rule_state)
        self.send_back = (
            rule.bind_deltas(self.step, state.rule_state) if rule.acts_backward else None
        )
        # If the rule allows it, the steps that no listener receives run without Python.
        self.program: BoundProgram | None = None
        if not yields_steps:
            self.program = bind_program(rule, state.params, self.step, state.rule_state)

    def _watch(self, yields_steps: bool) -> tuple[Callable[[int], float], StepView | None]:
        """Return the function that gives the number of the next shown step, and the shown step.

        A step is shown after the weights have changed, but it has the weights before the change.
        """
        if yields_steps:
            return lambda index: index, StepView(self.step, "params")
        if self.listener is None or not self.listener.wants_steps:
            return lambda index: inf, None
        return self.listener.next_step, StepView(self.step, "params")

    def run(
        self, epochs_ended: Callable[[list[float]], bool], n_quiet_epochs: Callable[[], float]
    ) -> bool:
        """Run epochs up to the last one. Return True if it was before ``max_epochs``.

        Parameters
        ----------
        epochs_ended : callable
            ``epochs_ended(mean_losses)`` is called after one or more epochs. It returns True to
            stop.
        n_quiet_epochs : callable
            Returns the number of epochs after which ``epochs_ended`` may do more than count them.
        """
        n_left = self.max_epochs
        hears_epochs = self.listener is not None and self.listener.wants_epochs
        while n_left:
            if hears_epochs:
                self.listener.epoch_begins()  # type: ignore[union-attr]
            error = None
            if self.program is None:
                losses = [self._run_steps()]
            else:
                most = max(1, _STEPS_AT_ONCE // self.batches.n_batches)
                if self._schedules_dropout:
                    self._set_dropout()
                    most = 1
                losses, error = self._run_program(int(min(n_left, most, n_quiet_epochs())))
            n_left -= len(losses)
            is_last = bool(losses) and epochs_ended(losses)
            if error is not None:
                raise error
            if is_last:
                return True
        return False

    def _set_dropout(self) -> None:
        """Set the dropout of the next epoch, by the value of the schedule at its first step."""
        network, t, n_planned = self.step.network, self.state.n_steps + 1, self.step.n_planned
        schedule = network.dropout_schedule
        share = network.dropout * factor_at(
            schedule, t, n_planned, name="dropout_schedule", of="the dropout"
        )
        if not share < 1:
            raise ValueError(
                f"dropout_schedule={schedule!r} makes the dropout {share:g} at step {t}, and it "
                "must be below 1."
            )
        self.backprop.dropout[...] = share

    def _run_steps(self) -> float:
        """Run an epoch step by step and return its mean loss."""
        for step in self.run_one():
            self.listener.step_ends(step)  # type: ignore[union-attr]
        self.state.loss_curve.append(self.mean_loss)
        return self.mean_loss

    def _run_program(self, n_epochs: int) -> tuple[list[float], BaseException | None]:
        """Run epochs. Only the shown steps run in Python.

        Returns the mean losses of the epochs that ended, and the error that ended the last one.
        """
        state, batches, losses = self.state, self.batches, []
        last, batch, total = state.n_steps + n_epochs * batches.n_batches, 0, 0.0
        while state.n_steps < last:
            seen = self._next_seen(state.n_steps + 1)
            n_quiet = int(min(last + 1, seen)) - state.n_steps - 1
            if n_quiet:
                ended, batch, total, error = self._run_quiet(n_quiet, batch, total)
                losses += ended
                if error is not None:
                    return losses, error
            if state.n_steps == last:
                break
            try:
                total += self._take_seen_step(batch)
            except BaseException as error:
                return losses, error
            batch += 1
            if batch == batches.n_batches:
                losses.append(total / len(batches))
                state.loss_curve.append(losses[-1])
                batch, total = 0, 0.0
        return losses, None

    def _run_quiet(
        self, n_steps: int, batch: int, total: float
    ) -> tuple[list[float], int, float, BaseException | None]:
        """Take steps without Python, from one batch of an epoch on.

        ``total`` is the sum of the losses of the earlier rows of this epoch. Returns the mean
        losses of the epochs that ended, the number of the batch after the last one, the sum of the
        losses of its epoch before it, and the error that ended the steps.
        """
        step, state, batches, program = self.step, self.state, self.batches, self.program
        assert program is not None
        n_batches, n_rows = batches.n_batches, len(batches)
        size = min(batches.size, n_rows)
        losses = np.empty((batch + n_steps) // n_batches)
        epoch = step.epoch + (batch == 0)
        step.index = state.n_steps
        program.begin(n_steps, epoch)
        n_ended, n_done, last_loss, total, problem = self.backprop.run_steps(
            program.kernel, size, n_steps, state.random_state, losses, batch * size, total
        )
        if isfinite(last_loss):  # NaN if the first batch had none
            self.last_loss = last_loss
        program.end(n_steps, n_done)
        next_batch = batch + n_done - n_ended * n_batches
        mean_losses = losses[:n_ended].tolist()
        state.note_epochs(n_done, n_ended * n_rows + (next_batch - batch) * size, mean_losses)
        step.index, step.epoch = state.n_steps, epoch + n_ended - (next_batch == 0)
        if isinstance(problem, str):
            step.index, step.epoch = step.index + 1, epoch + n_ended
            problem = self.divergence(problem)
        return mean_losses, next_batch, total, problem

    def _take_seen_step(self, batch: int) -> float:
        """Take a step in Python, show it, and return the sum of the losses of its rows."""
        batches = self.batches
        if batch == 0:
            batches.shuffle_rows(self.state.random_state)
            self.step.epoch += 1
        start = batch * batches.size
        stop = min(start + batches.size, len(batches))
        loss = self._take_step(start, stop, True)
        self.listener.step_ends(self._show_step())  # type: ignore[union-attr]
        return loss * (stop - start)

    def run_one(self) -> Iterator[Step]:
        """Go through the rows once, step by step, and set ``mean_loss`` at the end.

        Yields
        ------
        step : Step
            Every shown step, after its update. If no step is shown, the first ``next`` runs the
            whole epoch.
        """
        state, next_seen = self.state, self._next_seen
        self.step.epoch += 1
        if self._schedules_dropout:
            self._set_dropout()
        total = 0.0
        for start, stop in self.batches.draw(state.random_state):
            is_seen = next_seen(state.n_steps + 1) == state.n_steps + 1
            total += self._take_step(start, stop, is_seen) * (stop - start)
            if is_seen:
                yield self._show_step()
        self.mean_loss = total / len(self.batches)

    def _show_step(self) -> Step:
        """Return the last step, with the weights before it."""
        assert self.seen is not None
        self.seen.refresh()
        return self.seen

    def _take_step(self, start: int, stop: int, is_seen: bool) -> float:
        """Take a step on a batch. Return its loss."""
        step, state, updates = self.step, self.state, self.updates
        step.index, step.start, step.stop = state.n_steps + 1, start, stop
        if is_seen:
            self.seen.buffers["params"][...] = state.params  # type: ignore[union-attr]
        step.loss = loss = self.backprop.gradients(
            start, stop, self.send_back
        )  # (1), (2), (5), (6)
        if not isfinite(loss):
            raise self.divergence(LOSS_IS_NOT_FINITE.format(loss))
        self.last_loss = loss
        try:
            change = self.compute_update()  # rule (3), or its replacement
        except ValueError as error:
            explain_read_only(error, self.rule)
            raise
        if change is not updates:
            updates[...] = validate_update(self.rule, change, updates)
        if not apply_updates(state.params, updates):
            raise self._bad_update()
        state.n_steps, state.n_rows = state.n_steps + 1, state.n_rows + stop - start
        return loss

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

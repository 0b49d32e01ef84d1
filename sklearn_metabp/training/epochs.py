"""The inner loop: the one place where weights change."""

from collections.abc import Callable, Iterator
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

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
    ):
        self.batches, self.rule, self.state, self.max_epochs = batches, rule, state, max_epochs
        state.order = batches.order
        self.updates = np.zeros_like(state.params)
        gradients = np.zeros_like(state.params)
        dropout_key = state.dropout_key if network.dropout or rule.sets_dropout else None
        self.backprop = network.backprop(
            state.params,
            gradients,
            min(batches.size, len(batches)),
            dropout_key=dropout_key,
            n_steps=state.n_steps,
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
        self.step.rows, self.step.dropout_key = batches.rows, dropout_key
        self.step.steps_per_epoch = batches.n_batches
        self.step.epoch = state.n_epochs - 1  # the one before the next
        self.last_loss: float | None = None
        self.mean_loss = np.nan
        self.compute_update = bind_update(rule, self.step, state.rule_state)
        self.send_back = (
            rule.bind_deltas(self.step, state.rule_state) if rule.acts_backward else None
        )

    def run(self, epoch_ended: Callable[[float], bool]) -> bool:
        """Run epochs until one is the last; return True if that was before ``max_epochs``."""
        for _ in range(self.max_epochs):
            if self.listener is not None:
                self.listener.epoch_begins()
            for step in self.run_one():
                self.listener.step_ends(step)  # type: ignore[union-attr]
            if epoch_ended(self.mean_loss):
                return True
        return False

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
                raise self.divergence(f"the loss of a batch is {loss}")
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
        self.mean_loss = loss = total_loss / len(self.batches)
        state.loss_curve.append(loss)

    def _bad_update(self) -> DivergenceError:
        """Return the error for an update that is not finite, with advice if the rule caused it."""
        what = "the rule returned an update with NaN or infinity"
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

"""The inner loop: the one place where weights change."""

from collections.abc import Callable
from math import isfinite

import numpy as np

from sklearn_metabp._kernels.rules import apply_updates
from sklearn_metabp.network import Step
from sklearn_metabp.training.divergence import DivergenceError
from sklearn_metabp.update_rules.checks import (
    bind_update,
    explain_read_only,
    validate_update,
)


class Epochs:
    """Buffers and bookkeeping of the inner loop."""

    def __init__(self, network, batches, rule, state, max_epochs, planned_epochs, listener):
        self.batches, self.rule, self.state, self.max_epochs = batches, rule, state, max_epochs
        state.order = batches.order
        self.updates = np.zeros_like(state.params)
        gradients = np.zeros_like(state.params)
        self.backprop = network.backprop(
            state.params,
            gradients,
            min(batches.size, len(batches)),
            dropout_key=state.dropout_key,
            n_steps=state.n_steps,
        )
        self.backprop.load(batches.X, batches.targets, batches.sample_weight, batches.order)
        self.listener = listener
        self.step_listener = listener if listener is not None and listener.wants_steps else None
        # A listener sees the weights that the step saw, after they have changed.
        self.seen_params = state.params if self.step_listener is None else state.params.copy()
        if (
            state.n_planned is None
        ):  # once: under a plan that moves along, a schedule's rate jumps back
            n_epochs = max_epochs if planned_epochs is None else planned_epochs
            state.n_planned = state.n_steps + n_epochs * batches.n_batches
        self.step = Step(
            network, self.seen_params, gradients, self.updates, self.backprop, state.n_planned
        )
        self.step.rows = batches.X, batches.targets, batches.sample_weight, batches.order
        self.step.epoch = state.n_epochs - 1  # the one before the next
        self.last_loss = None
        self.compute_update = bind_update(rule, self.step, state.rule_state)
        self.send_back = (
            rule.bind_deltas(self.step, state.rule_state) if rule.acts_backward else None
        )

    def run(self, epoch_ended: Callable[[float], bool]) -> bool:
        """Run epochs until one is the last; True if that was before ``max_epochs``."""
        for _ in range(self.max_epochs):
            if self.listener is not None:
                self.listener.epoch_begins()
            if epoch_ended(self.run_one()):
                return True
        return False

    def run_one(self) -> float:
        """Go once through the rows; return the mean loss."""
        step, state, updates, listener = self.step, self.state, self.updates, self.step_listener
        params, send_back = state.params, self.send_back
        gradients, compute_update = self.backprop.gradients, self.compute_update
        step.epoch += 1
        total_loss = 0.0
        for start, stop in self.batches.draw(state.random_state):
            step.index, step.start, step.stop = state.n_steps + 1, start, stop
            if listener is not None:
                self.seen_params[...] = params
            step.loss = loss = gradients(start, stop, send_back)  # rules (1), (2), (5), (6)
            if not isfinite(loss):
                raise self.divergence(f"the loss of a batch is {loss}")
            self.last_loss = loss
            try:
                change = compute_update()  # rule (3), or what stands in for it
            except ValueError as error:
                explain_read_only(error, self.rule)
                raise
            if change is not updates:
                updates[...] = validate_update(self.rule, change, updates)
            if not apply_updates(params, updates):
                raise self._bad_update()
            state.n_steps, state.n_rows = state.n_steps + 1, state.n_rows + stop - start
            total_loss += loss * (stop - start)
            if listener is not None:
                listener.step_ends(step)
        loss = total_loss / len(self.batches)
        state.loss_curve.append(loss)
        return loss

    def _bad_update(self) -> DivergenceError:
        """The error that says what was wrong with an update, and whether it is the rule's own fault."""
        what = "the rule returned an update with NaN or infinity"
        if np.isnan(self.updates).any() and np.isfinite(self.step.gradients).all():
            return self.divergence(
                f"{what} for gradients that are finite",
                advice="Look for 0 / 0 and inf - inf in the rule.",
            )
        return self.divergence(what)

    def divergence(self, what: str, **advice: str) -> DivergenceError:
        """The error that says what happened in this step."""
        return DivergenceError(
            what,
            self.rule,
            epoch=self.step.epoch + 1,
            step=self.step.index,
            last_loss=self.last_loss,
            **advice,
        )

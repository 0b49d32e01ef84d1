"""Training by a line search: a rule that needs the loss of all rows as a function."""

import reprlib
from collections.abc import Callable

import numpy as np

from sklearn_metabp._kernels.network import Backprop
from sklearn_metabp.network import BaseNetwork, Step
from sklearn_metabp.training.batches import Batches
from sklearn_metabp.training.divergence import DivergenceError
from sklearn_metabp.training.listener import Listener
from sklearn_metabp.training.state import TrainingState
from sklearn_metabp.update_rules import LineSearchRule
from sklearn_metabp.update_rules.line_search import limit_message


class Search:
    """The loss as a function of the parameters, and the bookkeeping of its minimisation.

    An iteration of the rule counts as a step and as an epoch. Every computation of the loss counts
    its rows.
    """

    def __init__(
        self,
        network: BaseNetwork,
        batches: Batches,
        rule: LineSearchRule,
        state: TrainingState,
        max_iter: int,
        listener: Listener | None,
        n_threads: int = 1,
    ):
        self._n_threads = n_threads
        self._batches, self._rule, self._state, self._max_iter = batches, rule, state, max_iter
        self._listener = listener
        state.order = None
        self._trial = state.params.copy()
        self._gradients = np.zeros_like(state.params)
        self._backprop = self._load_kernel(network, self._trial, self._gradients)
        # A listener gets every iteration with the parameters before it. A second kernel computes
        # these values, so that the numbers of the rule do not depend on whether there is a
        # listener.
        seen_params, gradients, backprop = self._trial, self._gradients, self._backprop
        if listener is not None and listener.wants_steps:
            seen_params, gradients = state.params.copy(), np.zeros_like(state.params)
            backprop = self._load_kernel(network, seen_params, gradients)
        self._seen_params = seen_params
        self._updates = np.zeros_like(state.params)
        n_planned = state.n_steps + max_iter
        self.step = Step(network, seen_params, gradients, self._updates, backprop, n_planned)
        self.step.rows = batches.rows
        self.step.start, self.step.stop = 0, len(batches)
        self.step.index = state.n_steps + 1
        self._loss_at: tuple[np.ndarray, float] | None = None
        self._n_iterations = 0

    def _load_kernel(
        self, network: BaseNetwork, params: np.ndarray, gradients: np.ndarray
    ) -> Backprop:
        """Return a kernel loaded with all rows."""
        backprop = network.backprop(
            params, gradients, len(self._batches), n_threads=self._n_threads
        )
        backprop.load(*self._batches.rows)
        return backprop

    def run(
        self, epochs_ended: Callable[[list[float]], bool], n_quiet_epochs: Callable[[], float]
    ) -> bool:
        """Minimise the loss. Return False if it ended before convergence."""
        state = self._state
        self.step.epoch = state.n_epochs
        loss, gradients = self._objective(state.params)
        if not np.isfinite(loss):
            raise self.divergence(f"the loss at the start is {loss}")
        state.start_loss, state.why_not_converged = loss, None
        is_flat = bool(np.abs(gradients).max() <= state.patience.tol)

        was_stopped = False

        def on_iteration(params: np.ndarray) -> bool:
            nonlocal was_stopped
            was_stopped = self._iteration_ended(params, epochs_ended)
            return was_stopped

        params = state.params.copy()
        why_not = self._rule.minimize(
            self._objective,
            params,
            state.rule_state,
            max_iter=self._max_iter,
            tol=state.patience.tol,
            on_iteration=on_iteration,
        )
        name = f"{type(self._rule).__name__}.minimize"
        if why_not is not None and not isinstance(why_not, str):
            raise TypeError(
                f"{name} must return None if it converged or was stopped, and otherwise a "
                f"string with the reason why it ended; got {reprlib.repr(why_not)}."
            )
        if self._n_iterations > self._max_iter:
            why_not = limit_message(self._max_iter)
        elif not was_stopped and not np.array_equal(params, state.params):
            raise ValueError(
                f"{name} changed params without a call of on_iteration(new_params), which trains: "
                "call it after every iteration."
            )
        elif why_not is None and not self._n_iterations and not is_flat:
            why_not = "it made no iteration, though some derivatives are larger than tol"
        state.why_not_converged = why_not
        return why_not is None

    def _objective(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss of all rows and its gradients, which the next call overwrites."""
        with np.errstate(over="ignore"):  # a trial beyond float32's range has an infinite loss
            self._trial[...] = params
        loss = self._backprop.gradients(0, len(self._batches))
        self._state.n_rows += len(self._batches)
        self._loss_at = self._trial.copy(), loss
        return loss, self._gradients

    def _iteration_ended(
        self, params: np.ndarray, epochs_ended: Callable[[list[float]], bool]
    ) -> bool:
        state, step = self._state, self.step
        self._n_iterations += 1
        if self._n_iterations > self._max_iter:  # the rule ignores max_iter
            return True
        new = np.asarray(params, state.params.dtype)
        if new.shape != state.params.shape:
            raise ValueError(
                f"{type(self._rule).__name__}.minimize must call on_iteration with an array of "
                f"shape {state.params.shape}, one number per parameter; got shape {new.shape}."
            )
        step.epoch, step.index = state.n_epochs, state.n_steps + 1
        if not np.isfinite(new).all():
            raise self.divergence("the rule went to parameters with NaN or infinity")
        if self._loss_at is None or not np.array_equal(self._loss_at[0], new):
            self._objective(new)
        assert self._loss_at is not None
        loss = self._loss_at[1]
        if not np.isfinite(loss):
            raise self.divergence(f"the rule went to parameters with the loss {loss}")
        listener, is_seen = self._listener, False
        if listener is not None and listener.wants_epochs:
            listener.epoch_begins()
        if listener is not None and listener.wants_steps:
            is_seen = listener.next_step(step.index) == step.index
        if is_seen:  # a step belongs to the parameters before it
            self._seen_params[...] = state.params
            np.subtract(new, state.params, out=self._updates)
            step.loss = step.backprop.gradients(0, len(self._batches))
        state.params[...] = new
        state.n_steps += 1
        state.loss_curve.append(loss)
        if is_seen:
            listener.step_ends(step)  # type: ignore[union-attr]
        return epochs_ended([loss])

    def divergence(self, what: str) -> DivergenceError:
        """Return the error with the description of what happened."""
        losses = [
            loss for loss in (self._state.start_loss, *self._state.loss_curve) if np.isfinite(loss)
        ]
        return DivergenceError(
            what,
            self._rule,
            epoch=self._state.n_epochs + 1,
            step=self.step.index,
            last_loss=losses[-1] if losses else None,
        )

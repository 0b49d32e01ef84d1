"""The loop: the one place where weights change."""

import copy
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from sklearn_metabp._kernels import apply_updates
from sklearn_metabp._kernels.threads import one_blas_thread
from sklearn_metabp.network import Network, Step
from sklearn_metabp.update_rules import UpdateRule


class DivergenceError(ValueError):
    """Training left the finite numbers: a loss, an update or a weight is NaN or infinite.

    Attributes
    ----------
    epoch : int
        Epoch in which it happened, from 1.
    step : int
        Step in which it happened, from 1.
    last_loss : float or None
        The last finite loss of a batch; None if there was none.
    """

    def __init__(self, what: str, rule, *, epoch: int, step: int, last_loss: float | None):
        self.epoch, self.step, self.last_loss = epoch, step, last_loss
        loss = (
            "no batch had a finite loss" if last_loss is None else f"the last finite loss was {last_loss:.6g}"
        )
        super().__init__(
            f"Training diverged in epoch {epoch}, step {step}, under update_rule={rule!r}: {what}; {loss}. "
            f"Try a smaller learning rate, scale X (StandardScaler) and y, or set a larger batch_size."
        )

    def __reduce__(self):
        return _restore_divergence, (str(self), self.epoch, self.step, self.last_loss)


def _restore_divergence(message, epoch, step, last_loss):
    error = DivergenceError.__new__(DivergenceError)
    ValueError.__init__(error, message)
    error.epoch, error.step, error.last_loss = epoch, step, last_loss
    return error


@dataclass
class Batches:
    """The rows that steps draw their minibatches from.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), C-contiguous
    targets : ndarray of shape (n_samples, n_outputs), C-contiguous, of X's dtype
    sample_weight : ndarray of shape (n_samples,) of X's dtype, or None
    size : int
        Rows of a batch; the last of an epoch may have fewer.
    shuffle : bool
        Whether every epoch goes through the rows in a new order.
    order : ndarray of shape (n_samples,) of intp, default=None
        Order of the rows in the epoch before, which the next one shuffles.
    """

    X: np.ndarray
    targets: np.ndarray
    sample_weight: np.ndarray | None
    size: int
    shuffle: bool
    order: np.ndarray | None = None

    def __post_init__(self):
        n = len(self.X)
        self.slices = [(start, min(start + self.size, n)) for start in range(0, n, self.size)]
        if not self.shuffle or self.size >= n:  # one batch of all rows has no order worth drawing
            self.order = None
        elif self.order is None or len(self.order) != n:
            self.order = np.arange(n, dtype=np.intp)

    def draw(self, random_state: np.random.RandomState) -> list[tuple[int, int]]:
        """Slices of an epoch's batches, after drawing a new order of the rows."""
        if self.order is not None:
            random_state.shuffle(self.order)
        return self.slices


@dataclass
class Patience:
    """Stop when the loss has not improved by ``tol`` for ``n_iter_no_change`` epochs running."""

    tol: float
    n_iter_no_change: float
    best_loss: float = np.inf
    n_without_improvement: int = 0

    def go_on(self, tol: float, n_iter_no_change: float) -> None:
        """Take new limits, and new patience where the old has run out."""
        self.tol, self.n_iter_no_change = tol, n_iter_no_change
        if self.n_without_improvement >= n_iter_no_change:
            self.n_without_improvement = 0

    def is_exhausted(self, loss: float) -> bool:
        """Count one epoch; True when it was one too many."""
        improved = loss <= self.best_loss - self.tol
        self.n_without_improvement = 0 if improved else self.n_without_improvement + 1
        self.best_loss = min(self.best_loss, loss)
        return self.n_without_improvement >= self.n_iter_no_change


@dataclass
class TrainingState:
    """What a training owns and a later ``fit`` or ``partial_fit`` can go on with.

    Attributes
    ----------
    params : ndarray of shape (n_params,)
    rule_state : object
        Made by ``rule.init_state``.
    random_state : numpy.random.RandomState
        Draws the order of the rows.
    patience : Patience
    n_steps, n_epochs, n_rows : int
        Taken, finished and presented so far.
    loss_curve : list of float
        Mean loss of every finished epoch.
    order : ndarray of shape (n_samples,) or None
        Order of the rows in the last epoch.
    """

    params: np.ndarray
    rule_state: Any
    random_state: np.random.RandomState
    patience: Patience
    n_steps: int = 0
    n_epochs: int = 0
    n_rows: int = 0
    loss_curve: list[float] = field(default_factory=list)
    order: np.ndarray | None = None

    def copy(self) -> "TrainingState":
        """An independent copy."""
        return copy.deepcopy(self)


class Listener(Protocol):
    """What is told of a training."""

    wants_start: bool
    wants_steps: bool

    def training_begins(self, replay: "Replay") -> None:
        """Before the first epoch; called only where ``wants_start`` and the rule is replayable."""

    def epoch_begins(self) -> None:
        """Before the first batch of an epoch."""

    def step_ends(self, step: Step) -> None:
        """After the weights changed; called only where ``wants_steps``."""

    def epoch_ends(self) -> bool:
        """After the last batch of an epoch; True stops the training."""
        ...


def train(
    network: Network,
    batches: Batches,
    rule: UpdateRule,
    state: TrainingState,
    *,
    max_epochs: int,
    listener: Listener | None = None,
    verbose: bool = False,
) -> bool:
    """Train for up to ``max_epochs`` epochs, changing ``state``.

    Rules (1) to (6) are those of Jakša and Katrák (2006).

    Returns
    -------
    stopped : bool
        Whether something ended the training before ``max_epochs``: patience, a callback, Ctrl-C.

    Raises
    ------
    DivergenceError
        If a loss, an update or a weight stops being finite.
    """
    if listener is not None and listener.wants_start and rule.replayable:
        listener.training_begins(Replay(network, batches, rule, state, max_epochs))
    with one_blas_thread():
        epochs = _Epochs(network, batches, rule, state, max_epochs, listener)
        stopped = False
        try:
            while not stopped and epochs.n_run < max_epochs:
                if listener is not None:
                    listener.epoch_begins()
                loss = epochs.run_one()
                state.loss_curve.append(loss)
                if verbose:
                    print(f"Iteration {state.n_epochs}, loss = {loss:.8f}")
                stopped = state.patience.is_exhausted(loss)
                if stopped and verbose:
                    print(
                        f"Training loss did not improve more than tol={state.patience.tol:f} for "
                        f"{state.patience.n_iter_no_change} consecutive epochs. Stopping."
                    )
                if listener is not None:
                    stopped |= bool(listener.epoch_ends())
        except KeyboardInterrupt:
            warnings.warn(
                f"Training interrupted by user after {state.n_epochs} epochs and {state.n_steps} steps; the "
                f"weights are those of the last step.",
                stacklevel=3,
            )
            stopped = True
        if not np.isfinite(state.params).all():
            raise epochs.divergence("a weight is not finite")
    return stopped


class _Epochs:
    """Buffers and bookkeeping of the inner loop."""

    def __init__(self, network, batches, rule, state, max_epochs, listener):
        self.batches, self.rule, self.state, self.n_run = batches, rule, state, 0
        state.order = batches.order
        self.updates = np.zeros_like(state.params)
        gradients = np.zeros_like(state.params)
        self.backprop = network.backprop(state.params, gradients, min(batches.size, len(batches.X)))
        self.backprop.load(batches.X, batches.targets, batches.sample_weight, batches.order)
        self.listener = listener if listener is not None and listener.wants_steps else None
        # A listener sees the weights that the step saw, after they have changed.
        self.seen_params = state.params if self.listener is None else state.params.copy()
        n_planned = state.n_steps + max_epochs * len(batches.slices)
        self.step = Step(network, self.seen_params, gradients, self.updates, self.backprop, n_planned)
        self.last_loss = None
        self.send_back = None
        if rule.acts_backward:
            self.send_back = rule.bound_deltas(self.step, state.rule_state) or self._send_back

    def run_one(self) -> float:
        """Go once through the rows; return the mean loss."""
        step, state, rule, updates = self.step, self.state, self.rule, self.updates
        step.epoch = state.n_epochs
        total_loss = 0.0
        for start, stop in self.batches.draw(state.random_state):
            step.index, step.start, step.stop = state.n_steps + 1, start, stop
            if self.listener is not None:
                self.seen_params[...] = state.params
            step.loss = self.backprop.gradients(start, stop, self.send_back)  # rules (1), (2), (5), (6)
            if not math.isfinite(step.loss):
                raise self.divergence(f"the loss of a batch is {step.loss}")
            change = rule.compute_update(step, state.rule_state)  # rule (3), or what stands in for it
            if change is not updates:
                updates[...] = _checked(change, updates, rule)
            if not apply_updates(state.params, updates):
                raise self.divergence("the rule returned an update with NaN or infinity")
            state.n_steps += 1
            state.n_rows += stop - start
            self.last_loss = step.loss
            total_loss += step.loss * (stop - start)
            if self.listener is not None:
                self.listener.step_ends(step)
        state.n_epochs += 1
        self.n_run += 1
        return total_loss / len(self.batches.X)

    def _send_back(self, layer: int) -> None:
        """Fill the deltas of a hidden layer with what the rule says."""
        deltas = self.rule.compute_deltas(self.step, layer, self.state.rule_state)
        if deltas is self.backprop.deltas[layer]:
            return
        target = self.backprop.deltas[layer][: self.step.n_patterns]
        if not isinstance(deltas, np.ndarray) or deltas.shape != target.shape:
            got = f"shape {deltas.shape}" if isinstance(deltas, np.ndarray) else f"{deltas!r}"
            raise ValueError(
                f"{type(self.rule).__name__}.compute_deltas must return an array of shape {target.shape}, "
                f"one delta per pattern and unit of hidden layer {layer}; got {got}."
            )
        target[...] = deltas

    def divergence(self, what: str) -> DivergenceError:
        return DivergenceError(
            what,
            self.rule,
            epoch=self.step.epoch + 1,
            step=self.step.index,
            last_loss=self.last_loss,
        )


class Replay:
    """All that a training is computed from, copied before it began: to go through its steps again.

    The bits are those of the training as long as the rule is a function of the step and its state.
    """

    def __init__(self, network, batches: Batches, rule, state: TrainingState, max_epochs: int):
        self._network, self._max_epochs = network, max_epochs
        self._batches, self._rule, self._state = copy.deepcopy((batches, rule, state))

    def walk(self, visit: Callable[[Step], bool]) -> None:
        """Go through the steps, from the first, for as long as ``visit`` returns True."""
        rule, state, order = copy.deepcopy((self._rule, self._state, self._batches.order))
        batches = replace(self._batches, order=order)
        with one_blas_thread():
            epochs = _Epochs(self._network, batches, rule, state, self._max_epochs, _Visitor(visit))
            try:
                while epochs.n_run < self._max_epochs:
                    epochs.run_one()
            except _EnoughError:
                pass


class _EnoughError(Exception):
    """The visitor has seen what it came for."""


class _Visitor:
    """A listener that stops the training when it has seen enough."""

    wants_start, wants_steps = False, True

    def __init__(self, visit):
        self._visit = visit

    def step_ends(self, step):
        if not self._visit(step):
            raise _EnoughError


def _checked(change, updates: np.ndarray, rule) -> np.ndarray:
    """What a rule returned, if it is an update."""
    if not isinstance(change, np.ndarray) or change.shape != updates.shape or change.dtype != updates.dtype:
        got = (
            f"shape {change.shape}, dtype {change.dtype}" if isinstance(change, np.ndarray) else f"{change!r}"
        )
        raise ValueError(
            f"{type(rule).__name__}.compute_update must return an array of shape {updates.shape}, dtype "
            f"{updates.dtype}, one number per parameter; got {got}."
        )
    return change

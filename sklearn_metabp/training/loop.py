"""The loop over epochs."""

import warnings
from typing import Protocol

import numpy as np

from sklearn_metabp._kernels.threads import one_blas_thread
from sklearn_metabp.network import Network, Step
from sklearn_metabp.training.batches import Batches
from sklearn_metabp.training.epochs import Epochs
from sklearn_metabp.training.replay import Replay
from sklearn_metabp.training.state import TrainingState
from sklearn_metabp.update_rules import UpdateRule


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
        epochs = Epochs(network, batches, rule, state, max_epochs, listener)
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

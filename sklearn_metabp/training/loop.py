"""The loop over epochs, and the work after an epoch: validation, patience, callbacks."""

import time
import warnings
from typing import NamedTuple

import numpy as np

from sklearn_metabp._kernels.threads import one_blas_thread
from sklearn_metabp.network import BaseNetwork, Step
from sklearn_metabp.training.batches import Batches
from sklearn_metabp.training.divergence import DivergenceError
from sklearn_metabp.training.epochs import Epochs
from sklearn_metabp.training.listener import Listener, Validation
from sklearn_metabp.training.not_compiled import warn_if_not_compiled
from sklearn_metabp.training.replay import Replay
from sklearn_metabp.training.search import Search
from sklearn_metabp.training.state import TrainingState
from sklearn_metabp.update_rules import TrainingRule
from sklearn_metabp.update_rules.checks import validate_kept_params

# A second Ctrl-C within this time ends the whole program, not only one fit.
_SECONDS = 1.0
_last_interrupt = -_SECONDS


class TrainingEnd(NamedTuple):
    """The way in which a training ended.

    Attributes
    ----------
    stopped : bool
        True if something ended it before ``max_epochs``: patience, a callback, Ctrl-C.
    interrupted : bool
        True if it was Ctrl-C, possibly in the middle of an epoch.
    """

    stopped: bool
    interrupted: bool


def train(
    network: BaseNetwork,
    batches: Batches,
    rule: TrainingRule,
    state: TrainingState,
    *,
    max_epochs: int,
    planned_epochs: int | None = None,
    validation: Validation | None = None,
    listener: Listener | None = None,
    verbose: bool = False,
    n_threads: int = 1,
) -> TrainingEnd:
    """Train for up to ``max_epochs`` epochs, changing ``state``.

    Rules (1) to (6) are those of Jakša and Katrák (2006).

    Parameters
    ----------
    network : BaseNetwork
    batches : Batches
    rule : UpdateRule or LineSearchRule
    state : TrainingState
    max_epochs : int
        For a rule that searches along lines, these are iterations.
    planned_epochs : int, default=None
        Number of epochs of the schedules, from this call on, if the state has no plan yet. None
        means ``max_epochs``.
    validation : Validation, default=None
    listener : Listener, default=None
    verbose : bool, default=False
    n_threads : int, default=1
        Number of threads for matrix products. It does not change the result.

    Returns
    -------
    end : TrainingEnd

    Raises
    ------
    DivergenceError
        If a loss, an update or a weight becomes infinite or NaN, and the state has no best
        parameters. If it has, training goes back to them and ends, and ``state.divergence`` has the
        text of the error.
    ValueError
        If the rule returns no valid update.
    """
    warn_if_not_compiled()
    state.divergence = None
    if listener is not None and listener.wants_start and rule.replayable:
        listener.training_begins(Replay(network, batches, rule, state, max_epochs, planned_epochs))
    stopped = interrupted = False
    with one_blas_thread():
        trainer: Epochs | Search
        if rule.takes_steps:
            trainer = Epochs(
                network,
                batches,
                rule,
                state,
                max_epochs,
                planned_epochs,
                listener,
                n_threads=n_threads,
            )
        else:
            trainer = Search(network, batches, rule, state, max_epochs, listener, n_threads)
        epoch_end = _EpochEnd(rule, state, trainer.step, validation, listener, verbose)
        try:
            stopped = trainer.run(epoch_end.handle, epoch_end.n_quiet_epochs)
            _check_weights(state, trainer)
        except DivergenceError as error:
            if not state.go_back_to_best(rule, network.layout, str(error)):
                error.loss_curve = list(state.loss_curve)
                raise
            stopped = True
        except KeyboardInterrupt:
            if _is_second_interrupt():
                raise
            _check_weights(state, trainer)
            kept = (
                "after the last step" if state.best_params is None else "that were the best so far"
            )
            warnings.warn(
                f"Training interrupted by user after {state.n_epochs} epochs and {state.n_steps} "
                f"steps; the estimator has the weights {kept}. Ctrl-C ended only this fit: a "
                "search or an ensemble continues, and uses its result. Press Ctrl-C again within a "
                "second to end all.",
                stacklevel=3,
            )
            stopped = interrupted = True
        finally:
            if listener is not None:
                listener.training_ends(state.n_steps)
        if state.divergence is None:
            rule.measure(state.params, trainer.step, state.rule_state)
    return TrainingEnd(stopped, interrupted)


def _is_second_interrupt() -> bool:
    """Record a Ctrl-C in a fit. Return whether there was another one within the last second.

    After the first Ctrl-C, a search continues with its next fit. Only a second one ends the search.
    All fits of a process share the time of the last Ctrl-C, because a fit has no access to others.
    """
    global _last_interrupt
    before, _last_interrupt = _last_interrupt, time.monotonic()
    return _last_interrupt - before < _SECONDS


def _check_weights(state: TrainingState, trainer: Epochs | Search) -> None:
    if not np.isfinite(state.params).all():
        raise trainer.divergence("a weight is not finite")


class _EpochEnd:
    """The work after an epoch: validation, patience, callbacks, and the decision to stop."""

    def __init__(
        self,
        rule: TrainingRule,
        state: TrainingState,
        step: Step,
        validation: Validation | None,
        listener: Listener | None,
        verbose: bool,
    ):
        self._rule, self._state, self._step, self._validation = rule, state, step, validation
        self._listener = listener if listener is not None and listener.wants_epochs else None
        self._verbose = verbose
        self._watches_score = validation is not None and validation.stops_training
        self._has_patience = self._watches_score or not rule.tests_convergence

    def handle(self, losses: list[float]) -> bool:
        """Handle the end of epochs with their mean losses. Return True to stop the training.

        There is more than one epoch only if ``n_quiet_epochs`` allows it.
        """
        rule, state = self._rule, self._state
        if self._verbose:
            print(f"Iteration {state.n_epochs}, loss = {losses[-1]:.8f}")
        validation = self._validation
        if validation is not None and not validation.is_due(state.n_epochs):
            validation = None
        if validation is None and self._listener is None:
            return self._update_patience(losses)
        rule.measure(state.params, self._step, state.rule_state)
        params = validate_kept_params(
            rule, rule.kept_params(state.params, state.rule_state), state.params
        )
        if validation is not None:
            score, validation_loss = validation.evaluate(params)
            state.note_validation(
                score,
                validation_loss,
                params,
                validation.stops_training,
                validation.keeps_last_of_ties,
            )
            rule.on_validation(validation_loss, score, state.rule_state)
            if self._verbose:
                print(f"Validation score: {score:f}, loss = {validation_loss:.8f}")
        stopped = self._update_patience(losses)
        if self._listener is None:
            return stopped
        return self._listener.epoch_ends(state, params, stopped)

    def n_quiet_epochs(self) -> float:
        """Return the number of epochs after which ``handle`` may do more than count them."""
        if self._validation is not None or self._listener is not None or self._verbose:
            return 1
        patience = self._state.patience
        if not self._has_patience:
            return np.inf
        return max(1, np.ceil(patience.n_iter_no_change - patience.n_without_improvement))

    def _update_patience(self, losses: list[float]) -> bool:
        """Count the epochs. Return True if patience has run out and the rule does not renew it."""
        rule, state = self._rule, self._state
        name, watched = "Training loss", losses
        if self._watches_score:
            name, watched = "Validation score", [-state.validation_scores[-1]]
        if not self._has_patience or not state.patience.update(watched):
            return False
        continues = rule.on_plateau(state.rule_state)
        if continues:
            state.patience.renew()
        if self._verbose:
            print(
                f"{name} did not improve more than tol={state.patience.tol:f} for "
                f"{state.patience.n_iter_no_change} consecutive epochs. "
                + ("The update rule continues with a smaller step." if continues else "Stopping.")
            )
        return not continues

"""The loop over epochs."""

import warnings

import numpy as np

from sklearn_metabp._kernels.threads import one_blas_thread
from sklearn_metabp.network import Network
from sklearn_metabp.training import interrupts
from sklearn_metabp.training.batches import Batches
from sklearn_metabp.training.divergence import DivergenceError
from sklearn_metabp.training.epochs import Epochs
from sklearn_metabp.training.listener import Listener, Validation
from sklearn_metabp.training.replay import Replay
from sklearn_metabp.training.search import Search
from sklearn_metabp.training.state import TrainingState
from sklearn_metabp.update_rules import LineSearchRule, UpdateRule
from sklearn_metabp.update_rules.checks import validate_kept_params


def train(
    network: Network,
    batches: Batches,
    rule: UpdateRule,
    state: TrainingState,
    *,
    max_epochs: int,
    planned_epochs: int | None = None,
    validation: Validation | None = None,
    listener: Listener | None = None,
    verbose: bool = False,
) -> tuple[bool, bool]:
    """Train for up to ``max_epochs`` epochs, changing ``state``.

    Rules (1) to (6) are those of Jakša and Katrák (2006).

    Parameters
    ----------
    network : Network
    batches : Batches
    rule : UpdateRule
    state : TrainingState
    max_epochs : int
        Or iterations, of a rule that searches along lines.
    planned_epochs : int, default=None
        Epochs from now on that schedules of the learning rate reckon with, where the state has no
        plan yet; None is ``max_epochs``.
    validation : Validation, default=None
    listener : Listener, default=None
    verbose : bool, default=False

    Returns
    -------
    stopped : bool
        Whether something ended the training before ``max_epochs``: patience, a callback, Ctrl-C.
    interrupted : bool
        Whether it was Ctrl-C, be it in the middle of an epoch.

    Raises
    ------
    DivergenceError
        If a loss, an update or a weight stops being finite, and no parameters are kept as the best
        so far. Where some are, training goes back to them and ends; ``state.divergence`` has the
        error's text.
    ValueError
        If the rule returns something else than it must.
    """
    state.divergence = None
    if listener is not None and listener.wants_start and rule.replayable:
        listener.training_begins(Replay(network, batches, rule, state, max_epochs, planned_epochs))
    stopped = interrupted = False
    with one_blas_thread():
        trainer: Epochs | Search
        if isinstance(rule, LineSearchRule):
            trainer = Search(network, batches, rule, state, max_epochs, listener)
        else:
            trainer = Epochs(network, batches, rule, state, max_epochs, planned_epochs, listener)
        judge = _Judge(rule, state, trainer.step, validation, listener, verbose)
        try:
            stopped = trainer.run(judge.epoch_ended)
            _check_weights(state, trainer)
        except DivergenceError as error:
            if not state.go_back_to_best(rule, network.layout, str(error)):
                raise
            stopped = True
        except KeyboardInterrupt:
            if interrupts.is_second():
                raise
            _check_weights(state, trainer)
            kept = (
                "after the last step" if state.best_params is None else "that were the best so far"
            )
            warnings.warn(
                f"Training interrupted by user after {state.n_epochs} epochs and {state.n_steps} steps; the "
                f"estimator has the weights {kept}. Ctrl-C ended this fit alone: a search or ensemble goes "
                f"on and counts it as it is. Press Ctrl-C again within a second to end all.",
                stacklevel=3,
            )
            stopped = interrupted = True
        if state.divergence is None:
            rule.measure(state.params, trainer.step, state.rule_state)
    return stopped, interrupted


def _check_weights(state: TrainingState, trainer: Epochs | Search) -> None:
    if not np.isfinite(state.params).all():
        raise trainer.divergence("a weight is not finite")


class _Judge:
    """Takes note of an epoch and says whether it was the last."""

    def __init__(self, rule, state, step, validation, listener, verbose):
        self._rule, self._state, self._step, self._validation = rule, state, step, validation
        self._listener, self._verbose = listener, verbose
        self._patience_listens_to_score = validation is not None and validation.stops_training
        self._knows_its_end = (
            isinstance(rule, LineSearchRule) and not self._patience_listens_to_score
        )

    def epoch_ended(self, loss: float) -> bool:
        """True if training is to stop."""
        rule, state = self._rule, self._state
        if self._verbose:
            print(f"Iteration {state.n_epochs}, loss = {loss:.8f}")
        if self._validation is None and self._listener is None:
            return self._patience_is_exhausted(loss)
        rule.measure(state.params, self._step, state.rule_state)
        params = validate_kept_params(
            rule, rule.kept_params(state.params, state.rule_state), state.params
        )
        if self._validation is not None:
            score, validation_loss = self._validation.evaluate(params)
            state.note_validation(score, validation_loss, params, self._validation.stops_training)
            if self._verbose:
                print(f"Validation score: {score:f}, loss = {validation_loss:.8f}")
        stopped = self._patience_is_exhausted(loss)
        return (
            stopped if self._listener is None else self._listener.epoch_ends(state, params, stopped)
        )

    def _patience_is_exhausted(self, loss: float) -> bool:
        rule, state = self._rule, self._state
        what, watched = "Training loss", loss
        if self._patience_listens_to_score:
            what, watched = "Validation score", -state.validation_scores[-1]
        if self._knows_its_end or not state.patience.is_exhausted(watched):
            return False
        goes_on = rule.on_plateau(state.rule_state)
        if goes_on:
            state.patience.renew()
        if self._verbose:
            print(
                f"{what} did not improve more than tol={state.patience.tol:f} for "
                f"{state.patience.n_iter_no_change} consecutive epochs. "
                + ("The update rule goes on with a smaller step." if goes_on else "Stopping.")
            )
        return not goes_on

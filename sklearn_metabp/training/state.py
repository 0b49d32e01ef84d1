"""What a training owns."""

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Patience:
    """Stop when a loss has not improved by ``tol`` for ``n_iter_no_change`` epochs running."""

    tol: float
    n_iter_no_change: float
    watches_score: bool = False
    best_loss: float = np.inf
    n_without_improvement: int = 0

    def go_on(self, tol: float, n_iter_no_change: float) -> None:
        """Take new limits, and new patience where the old has run out."""
        self.tol, self.n_iter_no_change = tol, n_iter_no_change
        if self.n_without_improvement >= n_iter_no_change:
            self.renew()

    def renew(self) -> None:
        """Count from the beginning; the best loss stays."""
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
    rule_key : tuple of str
        Names of what ``rule.state_key`` told: the rules that the state fits.
    random_state : numpy.random.RandomState
        Draws the order of the rows.
    patience : Patience
        Listens to the training loss, or to minus the validation score.
    dropout_key : int
        From it and the number of a step follows which units are dropped.
    n_steps, n_epochs, n_rows : int
        Taken, finished and presented so far.
    loss_curve : list of float
        Mean loss of every finished epoch.
    order : ndarray of shape (n_samples,) or None
        Order of the rows in the last epoch.
    validation_scores, validation_loss_curve : list of float
        Of every epoch up to the last that was validated; NaN of those before it that were not.
    validated_on : str
        Names the rows and the score of the last validation; empty before the first.
    best_score : float
        The highest score of such a validation.
    best_params : ndarray of shape (n_params,) or None
        The best parameters so far, where they are the ones to keep: those with that score if patience
        listens to it, or those that a callback keeps.
    split_random_state : numpy.random.RandomState or None
        Drew the validation rows in the first fit; the same rows are drawn by it in the next.
    callback_memory : dict
        What callbacks remember of this training, by their ``memory_key``.
    n_planned : int or None
        Steps that schedules of the learning rate reckon with, from the first one of all; None before the
        first plan, which stays.
    start_loss : float
        Loss before the first iteration of a search along lines; NaN where there was none.
    why_not_converged : str or None
        What ended the last search along lines before it converged.
    """

    params: np.ndarray
    rule_state: Any
    rule_key: tuple[str, ...]
    random_state: np.random.RandomState
    patience: Patience
    dropout_key: int = 0
    n_steps: int = 0
    n_epochs: int = 0
    n_rows: int = 0
    loss_curve: list[float] = field(default_factory=list)
    order: np.ndarray | None = None
    validation_scores: list[float] = field(default_factory=list)
    validation_loss_curve: list[float] = field(default_factory=list)
    validated_on: str = ""
    best_score: float = -np.inf
    best_params: np.ndarray | None = None
    split_random_state: np.random.RandomState | None = None
    callback_memory: dict[str, Any] = field(default_factory=dict)
    n_planned: int | None = None
    start_loss: float = np.nan
    why_not_converged: str | None = None

    def copy(self) -> "TrainingState":
        """An independent copy."""
        return copy.deepcopy(self)

    @property
    def was_validated(self) -> bool:
        """Whether the last epoch was."""
        return bool(self.validation_scores) and len(self.validation_scores) == len(self.loss_curve)

    def listen_to(self, patience: Patience) -> None:
        """Take new patience, which knows of no best score or parameters."""
        self.patience, self.best_score, self.best_params = patience, -np.inf, None

    def take_params(self, params: np.ndarray, patience: Patience) -> None:
        """Go on from other parameters: what was the best before them, and patience, were those of others."""
        self.params[...] = params
        self.listen_to(patience)
        self.callback_memory = {}

    def validate_on(self, what: str) -> None:
        """Note what is validated from now on; scores of anything else are none to compare with."""
        if what == self.validated_on:
            return
        self.validated_on, self.best_score = what, -np.inf
        old = self.patience
        if old.watches_score:
            self.listen_to(Patience(old.tol, old.n_iter_no_change, watches_score=True))

    def curve(self, values: list[float]) -> list[float]:
        """A curve of the validation as long as that of the loss: NaN where an epoch was not validated."""
        return values + [np.nan] * (len(self.loss_curve) - len(values))

    def note_validation(self, score: float, loss: float, params: np.ndarray, keep_best: bool) -> None:
        """Add the last epoch's validation, and keep the parameters if no score was higher before."""
        before = [np.nan] * (len(self.loss_curve) - 1 - len(self.validation_scores))
        self.validation_scores += [*before, score]
        self.validation_loss_curve += [*before, loss]
        if score > self.best_score:
            self.best_score = score
            if keep_best:
                self.best_params = params.copy()

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
        Of every epoch that was validated.
    best_score : float
        The highest validation score.
    best_params : ndarray of shape (n_params,) or None
        The parameters that had it, where they are the ones to keep.
    split_random_state : numpy.random.RandomState or None
        Drew the validation rows in the first fit; the same rows are drawn by it in the next.
    callback_memory : dict
        What callbacks remember of this training.
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

    def note_validation(self, score: float, loss: float, params: np.ndarray, keep_best: bool) -> None:
        """Add an epoch's validation, and keep the parameters if no score was higher before."""
        self.validation_scores.append(score)
        self.validation_loss_curve.append(loss)
        if score > self.best_score:
            self.best_score = score
            if keep_best:
                self.best_params = params.copy()

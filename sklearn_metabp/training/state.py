"""What a training owns."""

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sklearn_metabp.training.curve import Curve
from sklearn_metabp.update_rules import UpdateRule
from sklearn_metabp.update_rules.checks import validate_kept_params


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
        Taken, finished and presented so far. Epochs are counted by the curve of the loss, so that
        there are as many of the one as of the other whenever Ctrl-C comes.
    loss_curve : Curve of float
        Mean loss of every finished epoch.
    order : ndarray of shape (n_samples,) or None
        Order of the rows in the last epoch.
    validation_scores, validation_loss_curve : Curve of float
        Of every epoch up to the last that was validated; NaN of those before it that were not.
    validated_on : str
        Names the rows and the score of the last validation; empty before the first.
    best_score : float
        The highest score of such a validation.
    best_params : ndarray of shape (n_params,) or None
        The best parameters so far, where they are the ones to keep: those with that score if
        patience listens to it, or those that a callback keeps.
    split_random_state : numpy.random.RandomState or None
        Drew the validation rows in the first fit; the same rows are drawn by it in the next.
    callback_memory : dict
        What callbacks remember of this training, by their ``memory_key``.
    n_planned : int or None
        Steps that schedules of the learning rate reckon with, from the first one of all; None
        before the first plan, which stays.
    start_loss : float
        Loss before the first iteration of a search along lines; NaN where there was none.
    why_not_converged : str or None
        What ended the last search along lines before it converged.
    divergence : str or None
        What the last training diverged by, where the best parameters were kept.
    warned_of : tuple of str
        What a training in many calls of ``partial_fit`` has been warned of, so that it is said
        once.
    """

    params: np.ndarray
    rule_state: Any
    rule_key: tuple[str, ...]
    random_state: np.random.RandomState
    patience: Patience
    dropout_key: int = 0
    n_steps: int = 0
    n_rows: int = 0
    loss_curve: Curve = field(default_factory=Curve)
    order: np.ndarray | None = None
    validation_scores: Curve = field(default_factory=Curve)
    validation_loss_curve: Curve = field(default_factory=Curve)
    validated_on: str = ""
    best_score: float = -np.inf
    best_params: np.ndarray | None = None
    split_random_state: np.random.RandomState | None = None
    callback_memory: dict[str, Any] = field(default_factory=dict)
    n_planned: int | None = None
    start_loss: float = np.nan
    why_not_converged: str | None = None
    divergence: str | None = None
    warned_of: tuple[str, ...] = ()

    @property
    def n_epochs(self) -> int:
        """Epochs finished so far."""
        return len(self.loss_curve)

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

    def is_first_warning(self, of: str) -> bool:
        """Whether the training has not been warned of something before; from now on it has."""
        if of in self.warned_of:
            return False
        self.warned_of += (of,)
        return True

    def curve(self, values: Curve) -> list[float]:
        """A curve of the validation as long as that of the loss: NaN where an epoch was not validated."""
        return [*values, *[np.nan] * (self.n_epochs - len(values))]

    def note_validation(
        self, score: float, loss: float, params: np.ndarray, keep_best: bool
    ) -> None:
        """Add the last epoch's validation, and keep the parameters if no score was higher before."""
        last = self.n_epochs - 1
        scores, losses = self.validation_scores.copy(), self.validation_loss_curve.copy()
        scores.append_at(last, score)
        losses.append_at(last, loss)
        best_score, best_params = self.best_score, self.best_params
        if score > best_score:
            best_score, best_params = score, params.copy() if keep_best else best_params
        # One call, which Ctrl-C cannot divide: what belongs together changes together.
        self.__dict__.update(
            validation_scores=scores,
            validation_loss_curve=losses,
            best_score=best_score,
            best_params=best_params,
        )

    def kept_params(self, rule: UpdateRule) -> np.ndarray:
        """Parameters that a fitted estimator gets: the best so far, or what the rule keeps.

        Raises
        ------
        ValueError
            If what the rule keeps are no parameters.
        """
        if self.best_params is not None:
            return self.best_params
        return validate_kept_params(
            rule, rule.kept_params(self.params, self.rule_state), self.params
        )

    def go_back_to_best(self, rule: UpdateRule, layout, why: str) -> bool:
        """After a divergence: go on from the best parameters, with a fresh state of the rule.

        Parameters
        ----------
        rule : UpdateRule
        layout : ParameterLayout
        why : str
            What happened.

        Returns
        -------
        went_back : bool
            False if there are no best parameters: nothing is changed then.
        """
        if self.best_params is None or not np.isfinite(self.best_params).all():
            return False
        self.params[...] = self.best_params
        self.rule_state = rule.init_state(layout)
        self.divergence = why
        return True

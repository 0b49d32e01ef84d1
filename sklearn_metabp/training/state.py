"""The state of a training: all data that a later fit needs to continue it."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sklearn_metabp.description import Described, Table, count
from sklearn_metabp.network import ParameterLayout
from sklearn_metabp.training.curve import Curve
from sklearn_metabp.training.random_numbers import copy_random_state
from sklearn_metabp.update_rules import TrainingRule
from sklearn_metabp.update_rules.checks import validate_kept_params

# Fields of these types need no copy. copy.deepcopy finds out too, but takes longer for all fields
# than a step.
_IMMUTABLE = (int, float, bool, str, type(None))


@dataclass
class Patience:
    """Count of the epochs without improvement.

    It runs out when a loss has not improved by ``tol`` for ``n_iter_no_change`` epochs in a row.
    """

    tol: float
    n_iter_no_change: float
    watches_score: bool = False
    best_loss: float = np.inf
    n_without_improvement: int = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> "Patience":
        return replace(self)  # all its fields are numbers

    def continue_with(self, tol: float, n_iter_no_change: float) -> None:
        """Set new limits, and renew patience that has run out."""
        self.tol, self.n_iter_no_change = tol, n_iter_no_change
        if self.n_without_improvement >= n_iter_no_change:
            self.renew()

    def renew(self) -> None:
        """Restart the count of epochs. Keep the best loss."""
        self.n_without_improvement = 0

    def update(self, losses: Iterable[float]) -> bool:
        """Count epochs by their losses. Return True if patience has run out after the last."""
        best, count, tol = self.best_loss, self.n_without_improvement, self.tol
        for loss in losses:
            count = 0 if loss <= best - tol else count + 1
            best = min(best, loss)
        self.best_loss, self.n_without_improvement = best, count
        return count >= self.n_iter_no_change


@dataclass(repr=False)
class TrainingState(Described):
    """State of a training, which a later ``fit`` or ``partial_fit`` can continue from.

    Attributes
    ----------
    params : ndarray of shape (n_params,)
    rule_state : object
        Made by ``rule.init_state``.
    rule_key : tuple of str
        The value of ``rule.state_key`` as names: rules with the same key can use the state.
    random_state : numpy.random.RandomState
        Draws the order of the rows.
    patience : Patience
        It uses the training loss, or minus the validation score.
    dropout_key : int
        This and the number of a step determine which neurons are dropped, and the noise of the
        inputs.
    n_steps, n_epochs, n_rows : int
        Numbers so far. The number of epochs is the length of the loss curve, so the two agree even
        after Ctrl-C.
    loss_curve : Curve of float
        Mean loss of every finished epoch.
    order : ndarray of shape (n_samples,) or None
        Order of the rows in the last epoch.
    validation_scores, validation_loss_curve : Curve of float
        One number for each epoch up to the last validated one, NaN without a validation.
    validated_on : str
        Name of the rows and of the score of the last validation. Empty before the first one.
    best_score : float
        The highest score on these rows.
    best_params : ndarray of shape (n_params,) or None
        The best parameters so far, if they are kept: those with the best score under
        ``early_stopping``, or those that a callback keeps.
    split_random_state : numpy.random.RandomState or None
        Copy of the random numbers that drew the validation rows in the first fit. The next fit
        draws the same rows from it.
    callback_memory : dict
        Data of callbacks about this training, by their ``memory_key``.
    n_planned : int or None
        Number of steps from the beginning that schedules of the learning rate are made for. The
        first call sets it. None before.
    start_loss : float
        Loss before the first iteration of a search along lines, or NaN.
    why_not_converged : str or None
        Reason why the last search along lines ended before it converged.
    divergence : str or None
        Text of the last training's divergence, if the best parameters were kept.
    warned_of : tuple of str
        Names of the warnings so far, because all calls of ``partial_fit`` together give each once.
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

    def _title(self) -> str:
        trained = f"{count(self.n_epochs, 'epoch')}, {count(self.n_steps, 'step')}"
        loss = f", loss {self.loss_curve[-1]:.4g}" if self.n_epochs else ""
        return f"TrainingState after {trained}{loss}: {count(len(self.params), 'parameter')}"

    def _details(self) -> tuple[Table]:
        patience = self.patience
        facts = {
            "update rule": self.rule_key[0].rpartition(".")[2] if self.rule_key else "",
            "rows presented": str(self.n_rows),
            "dtype": self.params.dtype.name,
            "parameters": f"{self.params.min():.4g} to {self.params.max():.4g}",
            "epochs without improvement": f"{patience.n_without_improvement}, of "
            f"{patience.n_iter_no_change:g} allowed",
        }
        if self.validated_on:
            facts["validated on"] = self.validated_on
            facts["best score"] = f"{self.best_score:.4g}"
        if self.divergence is not None:
            facts["divergence"] = self.divergence
        return (Table.of_facts(facts),)

    def copy(self, *, shares_random_numbers: bool = False) -> "TrainingState":
        """Return an independent copy.

        Parameters
        ----------
        shares_random_numbers : bool, default=False
            True for a copy that never draws, and so needs no generator. A copy of a generator takes
            longer than a step of a small network.
        """
        own = self.random_state if shares_random_numbers else copy_random_state(self.random_state)
        # Only copies of this generator are used.
        memo = {id(self.random_state): own, id(self.split_random_state): self.split_random_state}
        return TrainingState(
            **{
                name: value if type(value) in _IMMUTABLE else copy.deepcopy(value, memo)
                for name, value in vars(self).items()
            }
        )

    @property
    def was_validated(self) -> bool:
        """Whether the last epoch was validated."""
        return bool(self.validation_scores) and len(self.validation_scores) == len(self.loss_curve)

    def reset_patience(self, patience: Patience) -> None:
        """Set new patience, and remove the best score and parameters."""
        self.patience, self.best_score, self.best_params = patience, -np.inf, None

    def take_params(self, params: np.ndarray, patience: Patience) -> None:
        """Continue from other parameters.

        The best score, patience and the data of callbacks belong to the old parameters, so they
        start anew.
        """
        self.params[...] = params
        self.reset_patience(patience)
        self.callback_memory = {}

    def validate_on(self, name: str) -> None:
        """Store the name of the rows and the score of the next validations.

        Earlier scores on other rows are not comparable, so the best score and patience start anew.
        """
        if name == self.validated_on:
            return
        self.validated_on, self.best_score = name, -np.inf
        old = self.patience
        if old.watches_score:
            self.reset_patience(Patience(old.tol, old.n_iter_no_change, watches_score=True))

    def is_first_warning(self, name: str) -> bool:
        """Store a warning. Return True if it is the first one of its kind in this training."""
        if name in self.warned_of:
            return False
        self.warned_of += (name,)
        return True

    def curve(self, values: Curve) -> list[float]:
        """Return a curve of the validation, filled with NaN to the length of the loss curve."""
        return [*values, *[np.nan] * (self.n_epochs - len(values))]

    def note_epochs(self, n_steps: int, n_rows: int, losses: list[float]) -> None:
        """Count steps and their rows, and add the mean losses of the epochs that they ended."""
        curve = self.loss_curve
        if losses:
            curve = curve.copy()
            curve.extend(losses)
        # One call, because Ctrl-C cannot divide it.
        self.__dict__.update(
            n_steps=self.n_steps + n_steps, n_rows=self.n_rows + n_rows, loss_curve=curve
        )

    def note_validation(
        self, score: float, loss: float, params: np.ndarray, keep_best: bool, last_of_ties: bool
    ) -> None:
        """Add the validation of the last epoch. Keep its parameters if its score is the best.

        If several epochs have the best score, ``last_of_ties`` keeps the last one, not the first.
        """
        last = self.n_epochs - 1
        scores, losses = self.validation_scores.copy(), self.validation_loss_curve.copy()
        scores.append_at(last, score)
        losses.append_at(last, loss)
        best_score, best_params = self.best_score, self.best_params
        if score > best_score or (last_of_ties and score == best_score > -np.inf):
            best_score, best_params = score, params.copy() if keep_best else best_params
        # One call, because Ctrl-C cannot divide it: all four change together.
        self.__dict__.update(
            validation_scores=scores,
            validation_loss_curve=losses,
            best_score=best_score,
            best_params=best_params,
        )

    def kept_params(self, rule: TrainingRule) -> np.ndarray:
        """Return the parameters of the fitted estimator: the best so far, or those of the rule.

        Raises
        ------
        ValueError
            If the rule returns no valid parameters.
        """
        if self.best_params is not None:
            return self.best_params
        return validate_kept_params(
            rule, rule.kept_params(self.params, self.rule_state), self.params
        )

    def go_back_to_best(self, rule: TrainingRule, layout: ParameterLayout, why: str) -> bool:
        """Go back to the best parameters after a divergence, with a fresh state of the rule.

        Parameters
        ----------
        rule : UpdateRule
        layout : ParameterLayout
        why : str
            Text of the divergence.

        Returns
        -------
        went_back : bool
            False if there are no best parameters, and nothing was changed.
        """
        if self.best_params is None or not np.isfinite(self.best_params).all():
            return False
        self.params[...] = self.best_params
        self.rule_state = rule.init_state(layout)
        self.divergence = why
        return True

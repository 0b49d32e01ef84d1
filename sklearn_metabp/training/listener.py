"""Protocols of the two objects that a training calls: the listener and the validation."""

from typing import Protocol

import numpy as np

from sklearn_metabp.network import Step
from sklearn_metabp.training.replay import Replay
from sklearn_metabp.training.state import TrainingState


class Listener(Protocol):
    """Object that receives the events of a training."""

    wants_start: bool
    """True if it receives the start of a training."""
    wants_epochs: bool
    """True if it receives the epochs."""
    wants_steps: bool
    """True if it receives steps."""

    def training_begins(self, replay: Replay) -> None:
        """Receive a replay before the first epoch, if ``wants_start`` and the rule has one."""

    def training_ends(self, n_steps: int) -> None:
        """Receive the number of the last step, however the training ended."""

    def epoch_begins(self) -> None:
        """Receive the start of an epoch, if ``wants_epochs`` is True."""

    def next_step(self, index: int) -> float:
        """Return the number of the next step to receive: this one, a later one, or infinity.

        It is called before the step with this number, if ``wants_steps`` is True.
        """
        ...

    def step_ends(self, step: Step) -> None:
        """Receive the step that ``next_step`` chose, after the change of the weights."""

    def epoch_ends(self, state: TrainingState, params: np.ndarray, stopped: bool) -> bool:
        """Receive the end of an epoch, if ``wants_epochs`` is True.

        Parameters
        ----------
        state : TrainingState
        params : ndarray of shape (n_params,)
            The parameters that the estimator would keep now.
        stopped : bool
            True if patience ends the training with this epoch.

        Returns
        -------
        stopped : bool
            True to end the training with this epoch.
        """
        ...


class Validation(Protocol):
    """Rows that are not trained on, and the score of a network on them."""

    stops_training: bool
    """True if the score decides about patience and about the parameters to keep."""
    keeps_last_of_ties: bool
    """True if an epoch that equals the best score replaces the best parameters."""

    def is_due(self, n_epochs: int) -> bool:
        """Return whether to validate after the epoch of this number, from 1."""
        ...

    def evaluate(self, params: np.ndarray) -> tuple[float, float]:
        """Return the score, higher is better, and the mean loss with these parameters."""
        ...

"""Protocols of the two objects outside that take part in a training."""

from typing import Protocol

import numpy as np

from sklearn_metabp.network import Step
from sklearn_metabp.training.replay import Replay
from sklearn_metabp.training.state import TrainingState


class Listener(Protocol):
    """Object that receives the events of a training."""

    wants_start: bool
    """Whether it takes part in the begin of a training."""
    wants_epochs: bool
    """Whether it receives the epochs."""
    wants_steps: bool
    """Whether it receives steps."""

    def training_begins(self, replay: Replay) -> None:
        """Receive a replay before the first epoch, if ``wants_start`` and the rule has one."""

    def training_ends(self, n_steps: int) -> None:
        """Receive the number of the last step that was taken, however the training ended."""

    def epoch_begins(self) -> None:
        """Receive the begin of an epoch, if ``wants_epochs``."""

    def next_step(self, index: int) -> float:
        """Return the number of the next step to receive, this one or later; infinite for none.

        It is called before the step of that number is taken, if ``wants_steps``.
        """
        ...

    def step_ends(self, step: Step) -> None:
        """Receive the step that ``next_step`` named last, after the weights changed."""

    def epoch_ends(self, state: TrainingState, params: np.ndarray, stopped: bool) -> bool:
        """Receive the end of an epoch, if ``wants_epochs``.

        Parameters
        ----------
        state : TrainingState
        params : ndarray of shape (n_params,)
            The parameters that the estimator would keep now.
        stopped : bool
            Whether this epoch is the last one so far.

        Returns
        -------
        stopped : bool
            Whether it is the last one.
        """
        ...


class Validation(Protocol):
    """Rows that are not trained on, and the score of a network on them."""

    stops_training: bool
    """Whether patience goes by the score, and the parameters with the best score are kept."""
    keeps_last_of_ties: bool
    """True if an epoch that equals the best score replaces the best parameters."""

    def is_due(self, n_epochs: int) -> bool:
        """Return whether to validate after the epoch of this number, from 1."""
        ...

    def evaluate(self, params: np.ndarray) -> tuple[float, float]:
        """Return the score, higher is better, and the mean loss with these parameters."""
        ...

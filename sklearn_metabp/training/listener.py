"""Who is told of a training, and who judges it from outside."""

from typing import Protocol

import numpy as np

from sklearn_metabp.network import Step
from sklearn_metabp.training.replay import Replay
from sklearn_metabp.training.state import TrainingState


class Listener(Protocol):
    """What is told of a training."""

    wants_start: bool
    wants_steps: bool

    def training_begins(self, replay: Replay) -> None:
        """Before the first epoch; called only where ``wants_start`` and the rule is replayable."""

    def epoch_begins(self) -> None:
        """Before the first batch of an epoch."""

    def step_ends(self, step: Step) -> None:
        """After the weights changed; called only where ``wants_steps``."""

    def epoch_ends(self, state: TrainingState, params: np.ndarray, stopped: bool) -> bool:
        """After an epoch, with the parameters that would be kept now and whether it was the last so far.

        Returns
        -------
        stopped : bool
            Whether it was the last.
        """
        ...


class Validation(Protocol):
    """Rows that are not trained on, and what is thought of a network's outputs for them."""

    stops_training: bool
    """Whether patience listens to the score, and the best parameters are the ones to keep."""

    def evaluate(self, params: np.ndarray) -> tuple[float, float]:
        """The score, higher is better, and the mean loss of the network with these parameters."""
        ...

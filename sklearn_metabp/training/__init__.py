"""Training: batches, the loop, what a training owns, how it is gone through again."""

from sklearn_metabp.training.batches import Batches
from sklearn_metabp.training.divergence import DivergenceError
from sklearn_metabp.training.listener import Listener, Validation
from sklearn_metabp.training.loop import train
from sklearn_metabp.training.names import judge_name
from sklearn_metabp.training.replay import Replay
from sklearn_metabp.training.state import Patience, TrainingState

__all__ = [
    "Batches",
    "DivergenceError",
    "Listener",
    "Patience",
    "Replay",
    "TrainingState",
    "Validation",
    "judge_name",
    "train",
]

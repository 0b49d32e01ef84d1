"""Training: batches, the loop, the state of a training, replays."""

from sklearn_metabp.training.batches import Batches
from sklearn_metabp.training.curve import Curve
from sklearn_metabp.training.divergence import DivergenceError
from sklearn_metabp.training.fingerprint import (
    callable_fingerprint,
    constructor_call,
    fingerprint,
)
from sklearn_metabp.training.listener import Listener, Validation
from sklearn_metabp.training.loop import train
from sklearn_metabp.training.not_compiled import NotCompiledWarning
from sklearn_metabp.training.outcome import Outcome, Start
from sklearn_metabp.training.replay import Replay
from sklearn_metabp.training.state import Patience, TrainingState
from sklearn_metabp.training.user_code import returns_something

__all__ = [
    "Batches",
    "Curve",
    "DivergenceError",
    "Listener",
    "NotCompiledWarning",
    "Outcome",
    "Patience",
    "Replay",
    "Start",
    "TrainingState",
    "Validation",
    "callable_fingerprint",
    "constructor_call",
    "fingerprint",
    "returns_something",
    "train",
]

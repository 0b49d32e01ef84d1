"""Callbacks beside scikit-learn's: stop early, checkpoint and resume, keep a history."""

from sklearn_metabp.callbacks.checkpoint import Checkpoint, CheckpointError
from sklearn_metabp.callbacks.early_stopping import EarlyStopping
from sklearn_metabp.callbacks.history import HistoryLogger

__all__ = ["Checkpoint", "CheckpointError", "EarlyStopping", "HistoryLogger"]

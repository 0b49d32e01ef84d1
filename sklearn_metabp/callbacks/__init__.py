"""Callbacks: their base class, early stopping, checkpoints, records of epochs."""

from sklearn_metabp.callbacks.base import Callback
from sklearn_metabp.callbacks.checkpoint import Checkpoint, CheckpointError
from sklearn_metabp.callbacks.early_stopping import EarlyStopping
from sklearn_metabp.callbacks.history import HistoryLogger
from sklearn_metabp.callbacks.mlflow import MLflowLogger
from sklearn_metabp.callbacks.tensorboard import TensorBoardLogger

__all__ = [
    "Callback",
    "Checkpoint",
    "CheckpointError",
    "EarlyStopping",
    "HistoryLogger",
    "MLflowLogger",
    "TensorBoardLogger",
]

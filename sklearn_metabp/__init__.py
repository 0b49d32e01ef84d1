"""Multilayer perceptrons for scikit-learn whose training can be watched, recorded and learned."""

from sklearn_metabp._show_versions import show_versions
from sklearn_metabp.callbacks import Checkpoint, CheckpointError, EarlyStopping, HistoryLogger
from sklearn_metabp.estimators import BackpropMLPClassifier, BackpropMLPRegressor
from sklearn_metabp.learned import LearnedUpdateRule, RuleFileError, load_rule
from sklearn_metabp.tracing import Trace, TraceFileError, TraceRecorder
from sklearn_metabp.training import DivergenceError
from sklearn_metabp.update_rules import LBFGS, SGD, Adam, UpdateRule

__version__ = "0.1.0.dev0"

__all__ = [
    "LBFGS",
    "SGD",
    "Adam",
    "BackpropMLPClassifier",
    "BackpropMLPRegressor",
    "Checkpoint",
    "CheckpointError",
    "DivergenceError",
    "EarlyStopping",
    "HistoryLogger",
    "LearnedUpdateRule",
    "RuleFileError",
    "Trace",
    "TraceFileError",
    "TraceRecorder",
    "UpdateRule",
    "load_rule",
    "show_versions",
]

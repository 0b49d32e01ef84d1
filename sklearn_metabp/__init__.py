"""Multilayer perceptrons for scikit-learn whose training can be watched, recorded and learned."""

# isort: off
# fmt: off
from sklearn_metabp._show_versions import show_versions
from sklearn_metabp.callbacks import Checkpoint, CheckpointError, EarlyStopping, HistoryLogger
from sklearn_metabp.estimators import BackpropMLPClassifier, BackpropMLPRegressor
from sklearn_metabp.learned import LearnedUpdateRule, RuleFileError, load_rule
from sklearn_metabp.tracing import Trace, TraceFileError, TraceRecorder
from sklearn_metabp.training import DivergenceError
from sklearn_metabp.update_rules import (
    LBFGS, SGD, AdaDelta, AdaGrad, Adam, AdaMax, AdamW, Averaged, Clipped, ConjugateGradient, LinearBackprop,
    LineSearchRule, Lion, Muon, NAdam, RAdam, RMSprop, Rprop, Safeguarded, UpdateRule,
)

__version__ = "0.1.0.dev0"

__all__ = [
    "LBFGS", "SGD", "AdaDelta", "AdaGrad", "AdaMax", "Adam", "AdamW", "Averaged", "BackpropMLPClassifier",
    "BackpropMLPRegressor", "Checkpoint", "CheckpointError", "Clipped", "ConjugateGradient",
    "DivergenceError", "EarlyStopping", "HistoryLogger", "LearnedUpdateRule", "LineSearchRule",
    "LinearBackprop", "Lion", "Muon", "NAdam", "RAdam", "RMSprop", "Rprop", "RuleFileError", "Safeguarded",
    "Trace", "TraceFileError", "TraceRecorder", "UpdateRule", "load_rule", "show_versions",
]

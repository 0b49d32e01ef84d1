"""Multilayer perceptrons for scikit-learn whose training can be watched, recorded and learned."""

from sklearn_metabp._show_versions import show_versions
from sklearn_metabp.callbacks import (
    Callback,
    Checkpoint,
    CheckpointError,
    EarlyStopping,
    HistoryLogger,
    MLflowLogger,
    TensorBoardLogger,
)
from sklearn_metabp.diagnostics import TrainingDoctor
from sklearn_metabp.embeddings import PeriodicEmbedding, PiecewiseLinearEmbedding
from sklearn_metabp.estimators import (
    BackpropAutoencoder,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    BackpropRNNClassifier,
    BackpropRNNRegressor,
)
from sklearn_metabp.learned import LearnedUpdateRule, RuleFileError, load_rule
from sklearn_metabp.preprocessing import RobustSmoothClipper, TablePreprocessor
from sklearn_metabp.pretrained import load_pretrained
from sklearn_metabp.tabular import TabularMLPClassifier, TabularMLPRegressor
from sklearn_metabp.tracing import Trace, TraceFileError, TraceRecorder
from sklearn_metabp.training import DivergenceError, NotCompiledWarning
from sklearn_metabp.update_rules import (
    Averaged,
    Clipped,
    Layerwise,
    LinearBackprop,
    LineSearchRule,
    Safeguarded,
    UpdateRule,
)
from sklearn_metabp.update_rules import (
    named_rules as _named_rules,
)
from sklearn_metabp.update_rules.named_rules import *  # noqa: F403

__version__ = "0.1.0"

__all__ = [
    "Averaged",
    "BackpropAutoencoder",
    "BackpropMLPClassifier",
    "BackpropMLPRegressor",
    "BackpropRNNClassifier",
    "BackpropRNNRegressor",
    "Callback",
    "Checkpoint",
    "CheckpointError",
    "Clipped",
    "DivergenceError",
    "EarlyStopping",
    "HistoryLogger",
    "Layerwise",
    "LearnedUpdateRule",
    "LineSearchRule",
    "LinearBackprop",
    "MLflowLogger",
    "NotCompiledWarning",
    "PeriodicEmbedding",
    "PiecewiseLinearEmbedding",
    "RobustSmoothClipper",
    "RuleFileError",
    "Safeguarded",
    "TablePreprocessor",
    "TabularMLPClassifier",
    "TabularMLPRegressor",
    "TensorBoardLogger",
    "Trace",
    "TraceFileError",
    "TraceRecorder",
    "TrainingDoctor",
    "UpdateRule",
    "load_pretrained",
    "load_rule",
    "show_versions",
]
__all__ += _named_rules.__all__

"""Recording trainings: the recorder, the trace, and where scopes register what they read of it."""

from sklearn_metabp.tracing.recorder import TraceRecorder
from sklearn_metabp.tracing.run import Run
from sklearn_metabp.tracing.scopes import SCOPES, Scope
from sklearn_metabp.tracing.trace import Trace

__all__ = ["SCOPES", "Run", "Scope", "Trace", "TraceRecorder"]

"""The recorder of trainings, and the traces that it records."""

from sklearn_metabp.tracing.chunks import TraceFileError
from sklearn_metabp.tracing.recorder import TraceRecorder
from sklearn_metabp.tracing.run import Run
from sklearn_metabp.tracing.teacher import taught_updates
from sklearn_metabp.tracing.trace import Trace
from sklearn_metabp.tracing.variables import TEACHER_UPDATES

__all__ = [
    "TEACHER_UPDATES",
    "Run",
    "Trace",
    "TraceFileError",
    "TraceRecorder",
    "taught_updates",
]

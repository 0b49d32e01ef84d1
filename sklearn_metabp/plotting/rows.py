"""The rows of a trace that are drawn."""

import numpy as np

from sklearn_metabp.tracing import Trace

# More points than a figure has columns show no more.
MAX_STEPS = 2000


def rows_of_run(trace: Trace, run: int) -> Trace:
    """The rows of one run of a trace.

    Raises
    ------
    ValueError
        If there are none.
    """
    if not isinstance(trace, Trace):
        raise ValueError(f"trace must be a Trace, as a TraceRecorder makes it, got {trace!r}.")
    rows = trace[trace.runs == run]
    if not len(rows):
        raise ValueError(
            f"the trace has no rows of run {run}; it has runs {np.unique(trace.runs).tolist()}."
        )
    return rows

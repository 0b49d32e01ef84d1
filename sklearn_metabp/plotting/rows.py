"""The rows of a trace that are drawn."""

from collections.abc import Iterator
from typing import Any

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


def steps_of_run(rows: Trace, run: int) -> Iterator[tuple[int, Any]]:
    """Go through the rows of one run in the order of its steps.

    The run is iterated, because its arrays need not fit into memory.

    Parameters
    ----------
    rows : Trace
        Of one run.
    run : int
        Its number.

    Yields
    ------
    row : int
    step : Step or what was stored of one
        Good until the next one.
    """
    wanted: dict[int, list[int]] = {}
    for row, step in enumerate(rows.steps_in_run.tolist()):
        wanted.setdefault(step, []).append(row)
    for position, step in rows.recorded[run].steps(recorded_only=True, n_steps=max(wanted) + 1):
        for row in wanted.get(position, ()):
            yield row, step

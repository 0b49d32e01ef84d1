"""The rows of a trace that are drawn."""

from collections.abc import Callable
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


def visit_rows(rows: Trace, run: int, visit: Callable[[int, Any], None]) -> None:
    """Call ``visit(row, step)`` for every row, in the order of the run.

    The run is walked along, because its arrays need not fit into memory.

    Parameters
    ----------
    rows : Trace
        Of one run.
    run : int
        Its number.
    visit : callable
        What it wants to keep of the step it copies.
    """
    wanted: dict[int, list[int]] = {}
    for row, step in enumerate(rows.steps_in_run.tolist()):
        wanted.setdefault(step, []).append(row)

    def visit_step(position, step):
        for row in wanted.get(position, ()):
            visit(row, step)

    rows.recorded[run].walk(visit_step, recorded_only=True, n_steps=max(wanted) + 1)

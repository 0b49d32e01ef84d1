"""Functions that read recorded steps one by one, for the quantities of this package."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sklearn_metabp.tracing import Trace
from sklearn_metabp.tracing.variables import VARIABLES


def check_trace(trace: Any, what: str, needs: Sequence[str]) -> None:
    """Raise an error unless a trace has some variables of all its steps.

    Parameters
    ----------
    trace : Trace
    what : str
        Name of the quantity, for the message.
    needs : sequence of str
        Names of the variables.

    Raises
    ------
    TypeError
        If ``trace`` is no trace.
    ValueError
        If the trace has no step, or if a variable was not recorded.
    """
    if not isinstance(trace, Trace):
        hint = ": pass its trace_" if hasattr(type(trace), "trace_") else ""
        raise TypeError(f"{what} is computed from a Trace, got {type(trace).__name__}{hint}.")
    if not len(trace):
        raise ValueError(f"{what} needs at least one recorded step, but the trace has none.")
    for number in np.unique(trace.runs).tolist():
        missing = missing_variables(trace, number, needs)
        if missing:
            raise ValueError(
                f"{what} needs {', '.join(needs)}, but run {number} of the trace has no "
                f"{' and no '.join(missing)}: record it with TraceRecorder(variables='all'), or "
                f"with variables=[..., {', '.join(map(repr, missing))}]."
            )


def missing_variables(trace: Trace, run: int, needs: Sequence[str]) -> list[str]:
    """Return the variables that a run does not have."""
    stored = trace.recorded[run].stored
    return [name for name in needs if name not in stored and not VARIABLES[name].is_always_recorded]


def per_step(
    trace: Any, what: str, needs: Sequence[str], compute: Callable[[Any], np.ndarray | float]
) -> np.ndarray:
    """Compute a quantity of every step from this step only.

    Parameters
    ----------
    trace : Trace
    what : str
        Name of the quantity, for messages.
    needs : sequence of str
        Names of the variables that ``compute`` reads.
    compute : callable
        ``compute(step)`` returns a number or an array, of the same shape for all steps.

    Returns
    -------
    values : ndarray of shape (n_steps, ...)

    Raises
    ------
    TypeError, ValueError
        As :func:`check_trace`, and if the arrays have several shapes, because networks differ in
        size.
    """
    check_trace(trace, what, needs)
    values: np.ndarray | None = None
    for run in np.unique(trace.runs).tolist():
        for positions, step in trace.iter_steps(run):
            value = np.asarray(compute(step), np.float64)
            if values is None:
                values = np.full((len(trace), *value.shape), np.nan)
            elif value.shape != values.shape[1:]:
                raise _several_architectures(what)
            values[positions] = value
    assert values is not None
    return values


def check_one_architecture(trace: Any, what: str) -> None:
    """Raise ValueError if the selected runs of a trace have several architectures."""
    if isinstance(trace, Trace):
        sizes = {trace.layouts[run].layer_sizes for run in np.unique(trace.runs).tolist()}
        if len(sizes) > 1:
            raise _several_architectures(what)


def _several_architectures(what: str) -> ValueError:
    return ValueError(
        f"the trace holds runs of several architectures, and {what} has a number per layer or "
        "neuron: compute it run by run, from trace.run(number)."
    )

"""The conversion of a trace to a pandas DataFrame."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from sklearn_metabp._kernels.summaries.summaries_fallback import QUANTILES
from sklearn_metabp.network import ParameterLayout
from sklearn_metabp.optional_libraries import require_library
from sklearn_metabp.tracing.summary_record import VECTORS, summary_record
from sklearn_metabp.tracing.variables import (
    PER_PARAMETER,
    SCALARS,
    SUMMARY,
    VARIABLES,
    TraceVariable,
    in_order,
    renaming_hint,
)

if TYPE_CHECKING:
    from sklearn_metabp.tracing.trace import Trace


def as_frame(trace: "Trace", variables: Any) -> Any:
    """Return a DataFrame with one row per step; see ``Trace.to_frame``."""
    require_library("pandas", "Trace.to_frame")
    import pandas

    names = _check_names(trace, variables)
    numbers = {variable.name: getattr(trace, variable.name_in_trace) for variable in SCALARS}
    frames = [pandas.DataFrame({"run": trace.runs} | numbers)]
    for name in names:
        variable, value = VARIABLES[name], getattr(trace, name)
        if not len(trace):  # of no network
            continue
        arrays = variable.arrays_of(value)
        columns = _column_names(variable, trace.layouts[trace.runs[0]], arrays)
        flat = np.concatenate([array.reshape(len(trace), -1) for array in arrays], axis=1)
        frames.append(pandas.DataFrame(flat, columns=columns, copy=False))
    return pandas.concat(frames, axis=1)


def _check_names(trace: "Trace", variables: Any) -> list[str]:
    """Return the names of the variables that get columns of their own.

    Raises
    ------
    ValueError
        For a name that is not one of the table, or is given twice.
    """
    if isinstance(variables, str) and variables == "all":
        stored = [set(trace.recorded[run].stored) for run in np.unique(trace.runs)]
        return list(in_order(set.intersection(*stored))) if stored else []
    if (
        isinstance(variables, str)
        or not isinstance(variables, Collection)
        or any(name not in VARIABLES for name in variables)
        or len(set(variables)) < len(variables)
    ):
        given = [variables] if isinstance(variables, str) else variables
        hint = renaming_hint(given if isinstance(given, Collection) else ())
        raise ValueError(
            f"variables must be 'all' or a list of names from {list(VARIABLES)}, each once, got "
            f"{variables!r}{hint}."
        )
    return [name for name in variables if not VARIABLES[name].is_always_recorded]


def _column_names(
    variable: TraceVariable, layout: ParameterLayout, arrays: list[np.ndarray]
) -> list[str]:
    """Return a name for every number of a step."""
    name = variable.name
    if variable.kind is PER_PARAMETER:
        return [
            f"{name} {parameter}"
            for tensor in layout.tensors
            for parameter in layout.parameter_names(tensor)
        ]
    if variable.kind is SUMMARY:
        return _summary_names(layout)
    names = []
    for layer, array in enumerate(arrays):
        of_layer = f"{name}[{layer}]" if variable.kind.is_layered else name
        names += [
            f"{of_layer}[{','.join(map(str, place))}]" for place in np.ndindex(array.shape[1:])
        ]
    return names


def _summary_names(layout: ParameterLayout) -> list[str]:
    """Return a name for every statistic of a summary."""
    record, names = summary_record(layout, np.dtype(float)), []
    for table in record.names or ():
        rows = [tensor.name for tensor in layout.tensors]
        if table not in VECTORS:
            rows = [f"layer {number + 1}" for number in range(record[table].shape[0])]
        for row in rows:
            for statistic in record[table].base.names or ():
                if statistic == "quantiles":
                    names += [f"{table} {row} quantile {level}" for level in QUANTILES]
                else:
                    names.append(f"{table} {row} {statistic}")
    return names

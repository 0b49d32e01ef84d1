"""The conversion of a trace to a pandas DataFrame."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from sklearn_metabp._kernels.summaries.summaries_fallback import QUANTILES
from sklearn_metabp.network import ParameterLayout
from sklearn_metabp.tracing.summary_record import VECTORS, summary_record
from sklearn_metabp.tracing.variables import (
    PER_PARAMETER,
    SCALARS,
    SUMMARY,
    VARIABLES,
    TraceVariable,
    renaming_hint,
)

if TYPE_CHECKING:
    from sklearn_metabp.tracing.trace import Trace


def as_frame(trace: "Trace", variables: Any) -> Any:
    """Return a DataFrame with one row per step; see ``Trace.to_frame``."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "Trace.to_frame needs pandas: install it with pip install pandas."
        ) from error
    choices = [name for name, v in VARIABLES.items() if v.kind in (PER_PARAMETER, SUMMARY)]
    if (
        isinstance(variables, str)
        or not isinstance(variables, Collection)
        or any(variable not in choices for variable in variables)
        or len(set(variables)) < len(variables)
    ):
        old = variables if isinstance(variables, Collection) else ()
        raise ValueError(
            f"variables must be a list of names from {choices}, each once, got "
            f"{variables!r}{renaming_hint([old] if isinstance(old, str) else old)}."
        )
    numbers = {variable.name: getattr(trace, variable.name_in_trace) for variable in SCALARS}
    frames = [pandas.DataFrame({"run": trace.runs} | numbers)]
    for name in variables:
        values = getattr(trace, name)
        columns = _column_names(VARIABLES[name], trace.layouts[trace.runs[0]]) if len(trace) else []
        (numbers,) = VARIABLES[name].arrays_of(values) if len(trace) else (values,)
        frames.append(pandas.DataFrame(numbers, columns=columns, copy=False))
    return pandas.concat(frames, axis=1)


def _column_names(variable: TraceVariable, layout: ParameterLayout) -> list[str]:
    """Return a name for every number of a step."""
    if variable.kind is PER_PARAMETER:
        return [f"{variable.name} {parameter}" for parameter in _parameter_names(layout)]
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


def _parameter_names(layout: ParameterLayout) -> list[str]:
    """Return the name of every parameter, such as ``coefs_[0][2,1]``, in their order."""
    return [
        f"{tensor.name}[{','.join(map(str, place))}]"
        for tensor in layout.tensors
        for place in np.ndindex(*tensor.shape)
    ]

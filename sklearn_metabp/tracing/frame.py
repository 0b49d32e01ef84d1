"""A trace as a pandas DataFrame."""

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from sklearn_metabp.network import ParameterLayout

if TYPE_CHECKING:
    from sklearn_metabp.tracing.trace import Trace

# Attribute of the trace and, where it matters, which of the parameters.
_FLAT = {
    "weights": ("params", False),
    "biases": ("params", True),
    "gradients": ("gradients", None),
    "weight_updates": ("updates", False),
    "bias_updates": ("updates", True),
}


def as_frame(trace: "Trace", variables):
    """One row a step; see ``Trace.to_frame``."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "Trace.to_frame needs pandas: install it with pip install pandas."
        ) from error
    if (
        isinstance(variables, str)
        or not isinstance(variables, Collection)
        or any(variable not in _FLAT for variable in variables)
        or len(set(variables)) < len(variables)
    ):
        raise ValueError(
            f"variables must be a list of names from {list(_FLAT)}, each once, got {variables!r}."
        )
    scalars = {
        "run": trace.runs,
        "index": trace.indices,
        "epoch": trace.epochs,
        "n_patterns": trace.n_patterns,
        "loss": trace.losses,
    }
    frames = [pandas.DataFrame(scalars)]
    for variable in variables:
        attribute, is_bias = _FLAT[variable]
        values = getattr(trace, attribute)
        layout = trace.layouts[trace.runs[0]] if len(trace) else None
        names, columns = _columns(layout, is_bias) if layout is not None else ([], np.arange(0))
        frames.append(
            pandas.DataFrame(
                values[:, columns], columns=[f"{variable} {name}" for name in names], copy=False
            )
        )
    return pandas.concat(frames, axis=1)


def _columns(layout: ParameterLayout, is_bias: bool | None) -> tuple[list[str], np.ndarray]:
    """Names and positions of the parameters, of the weights or biases alone where it says so."""
    names, positions = [], []
    for tensor in layout.tensors:
        if is_bias in (None, tensor.is_bias):
            names += [
                f"{tensor.name}[{','.join(map(str, at))}]" for at in np.ndindex(*tensor.shape)
            ]
            positions.append(np.arange(tensor.slice.start, tensor.slice.stop))
    return names, np.concatenate(positions)

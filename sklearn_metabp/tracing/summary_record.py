"""The structured dtype of the summary of a step."""

from functools import cache

import numpy as np

from sklearn_metabp._kernels.summaries.summaries_fallback import (
    OF_DELTAS,
    OF_OUTPUTS,
    OF_TENSOR,
    QUANTILES,
)
from sklearn_metabp.network import ParameterLayout

# The flat vectors of a step of which a summary has statistics, in the order of the kernel.
VECTORS = ("params", "gradients", "updates")


@cache
def summary_record(layout: ParameterLayout, number: np.dtype) -> np.dtype:
    """Return the dtype of the summary of a step.

    Its fields are tables. ``params``, ``gradients`` and ``updates`` have a row for each tensor of
    the layout, ``outputs`` and ``deltas`` one for each layer after the input. The fields of a row
    are statistics.

    Parameters
    ----------
    layout : ParameterLayout
    number : dtype
        Dtype of every statistic.

    Returns
    -------
    record : dtype
    """
    of_tensor = np.dtype(
        [*((name, number) for name in OF_TENSOR), ("quantiles", number, (len(QUANTILES),))]
    )
    n_tensors, n_layers = len(layout.tensors), len(layout.layer_sizes) - 1
    return np.dtype(
        [
            *((name, of_tensor, (n_tensors,)) for name in VECTORS),
            ("outputs", [(name, number) for name in OF_OUTPUTS], (n_layers,)),
            ("deltas", [(name, number) for name in OF_DELTAS], (n_layers,)),
        ]
    )

"""The parameters of layers as one flat vector: every weight matrix, then every bias vector."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

# Columns of the table of tensors that ``ParameterLayout.table`` makes, weight matrices before bias
# vectors, which have one row. SOURCE is the place of the first row among the activations that
# layers receive, TARGET that of the first column among the net inputs, one layer after another.
TENSOR_COLUMNS = ("rows", "columns", "layer", "is_bias", "source", "target", "fan_in")
ROWS, COLUMNS, LAYER, IS_BIAS, SOURCE, TARGET, FAN_IN = range(len(TENSOR_COLUMNS))


def are_tensors(table: np.ndarray, n_params: int) -> bool:
    """Return whether a table has the tensors of so many parameters."""
    fits = table.ndim == 2 and table.shape[1] == len(TENSOR_COLUMNS) and len(table) > 0
    if not fits or table.min() < 0 or table[:, [ROWS, COLUMNS, FAN_IN]].min() < 1:
        return False
    # They may come from a file, so they are added up in Python's integers.
    return sum(row[ROWS] * row[COLUMNS] for row in table.tolist()) == n_params


def fits_layers(n_params: int, layer_sizes: Sequence[int] | np.ndarray) -> bool:
    """Return whether layers of these sizes, of one neuron or more each, have so many parameters.

    Sizes may come from a file, so they are added up in Python's integers, which do not overflow.
    """
    sizes = [int(size) for size in layer_sizes]
    return (
        len(sizes) > 1
        and min(sizes) > 0
        and sum((a + 1) * b for a, b in pairwise(sizes)) == n_params
    )


def weight_views(flat: np.ndarray, layer_sizes: Sequence[int] | np.ndarray) -> list[np.ndarray]:
    """Return the weight matrices of a flat vector as views, each (fan_in, fan_out)."""
    views, start = [], 0
    for fan_in, fan_out in pairwise(layer_sizes):
        views.append(flat[start : start + fan_in * fan_out].reshape(fan_in, fan_out))
        start += fan_in * fan_out
    return views


def bias_views(flat: np.ndarray, layer_sizes: Sequence[int] | np.ndarray) -> list[np.ndarray]:
    """Return the bias vectors of a flat vector as views, each (fan_out,)."""
    views: list[np.ndarray] = []
    stop = len(flat)
    for fan_out in reversed(layer_sizes[1:]):
        views.insert(0, flat[stop - fan_out : stop])
        stop -= fan_out
    return views

"""Statistics of the tensors and layers of a step, in NumPy."""

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from sklearn_metabp._kernels.arrays import are_readable

__all__ = ["StepStatistics"]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
# Quantiles are those of at most so many values of a tensor. The standard error of their rank is
# then at most a fiftieth of the values, and a summary of wide layers takes a third of the time.
MOST_VALUES = 512
# What a row of a table has, in this order: the numbers of these names, and then the quantiles.
OF_TENSOR = ("l1", "l2", "max", "mean", "zeros")
OF_OUTPUTS = ("mean", "std", "max", "zeros", "flat", "dead")
OF_DELTAS = ("mean", "std", "max", "zeros")


@lru_cache(maxsize=128)
def places_of_sample(n: int) -> np.ndarray:
    """Return the places of the values of a tensor of n that quantiles are computed of.

    They are all, or one of every stretch of n / 512. Where in its stretch a value is taken follows
    the multiples of the golden ratio, which prefer no row and no column of a matrix.

    Returns
    -------
    places : ndarray of int64 of shape (min(n, 512),), ascending
    """
    places = np.arange(min(n, MOST_VALUES))
    if n > MOST_VALUES:
        within = places * ((np.sqrt(5) - 1) / 2) % 1
        places = ((places + within) * (n / MOST_VALUES)).astype(np.int64)
    places.flags.writeable = False  # many share it
    return places


class LayerArrays(NamedTuple):
    """The arrays of a layer that statistics are computed of; the first rows are the batch.

    Attributes
    ----------
    outputs, deltas : ndarray of shape (max_batch, n_neurons)
    slopes : ndarray of shape (max_batch, n_neurons) or None
        The derivatives of the activation function; None if the outputs tell where it is flat.
    low, high : float
        Where there are slopes, the function is flat at those between the two. Otherwise it is flat
        at all outputs but those between the two, which are excluded.
    """

    outputs: np.ndarray
    deltas: np.ndarray
    slopes: np.ndarray | None
    low: float
    high: float


def check_arrays(
    vectors: Sequence[np.ndarray], bounds: Sequence[int], layers: Sequence[LayerArrays]
) -> None:
    """Raise ValueError unless the arrays are of one dtype and of shapes that fit."""
    dtype = vectors[0].dtype
    of_layers = [a for layer in layers for a in layer[:3] if isinstance(a, np.ndarray)]
    if not are_readable([*vectors, *of_layers], dtype):
        raise ValueError("arrays must be contiguous, aligned, and of one dtype, float32 or float64")
    if list(bounds) != sorted(set(bounds)) or len(bounds) < 2 or bounds[0] != 0:
        raise ValueError("bounds must begin at 0 and increase")
    if any(vector.shape != (bounds[-1],) for vector in vectors):
        raise ValueError("vectors must be flat and end at the last bound")
    for layer in layers:
        shapes = {a.shape for a in layer[:3] if isinstance(a, np.ndarray)}
        if len(shapes) > 1 or layer.outputs.ndim != 2 or 0 in layer.outputs.shape:
            raise ValueError("the arrays of a layer must be matrices of one shape")
    if len({len(layer.outputs) for layer in layers}) > 1:
        raise ValueError("all layers must have space for the same batch")


def make_tables(
    n_vectors: int, n_tensors: int, n_layers: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return an array of zeros, and the tables of tensors, outputs and deltas as views of it."""
    shapes = (
        (n_vectors, n_tensors, len(OF_TENSOR) + len(QUANTILES)),
        (n_layers, len(OF_OUTPUTS)),
        (n_layers, len(OF_DELTAS)),
    )
    ends = np.cumsum([0, *map(math.prod, shapes)])
    numbers = np.zeros(ends[-1])
    tensors, outputs, deltas = (
        numbers[start:end].reshape(shape)
        for start, end, shape in zip(ends[:-1], ends[1:], shapes, strict=True)
    )
    return numbers, tensors, outputs, deltas


class StepStatistics:
    r"""Tables of statistics of a training's flat vectors and layers, filled at every call.

    Parameters
    ----------
    vectors : sequence of ndarray of shape (n_params,)
        Such as parameters, gradients and updates. They change from step to step.
    bounds : sequence of int of shape (n_tensors + 1,)
        Where every tensor starts in a vector, and where the last one ends.
    layers : sequence of LayerArrays

    Attributes
    ----------
    numbers : ndarray of float64 of shape (n_numbers,)
        All tables in one array: those below are views of it, in this order.
    tensors : ndarray of float64 of shape (n_vectors, n_tensors, 10)
        The numbers :math:`\sum |v|`, :math:`\sqrt{\sum v^2}`, :math:`\max |v|`, mean, share of
        zeros, then the quantiles of the levels ``QUANTILES``, between two values linear, of the
        values at ``places_of_sample``.
    outputs : ndarray of float64 of shape (n_layers, 6)
        Mean, standard deviation and largest size of the outputs of all patterns, share of zeros,
        share of outputs at which the activation function is flat, and share of neurons that are at
        every pattern.
    deltas : ndarray of float64 of shape (n_layers, 4)
        Mean, standard deviation, largest size, share of zeros.
    """

    def __init__(
        self,
        vectors: Sequence[np.ndarray],
        bounds: Sequence[int],
        layers: Sequence[LayerArrays],
    ) -> None:
        check_arrays(vectors, bounds, layers)
        self._vectors, self._layers = list(vectors), list(layers)
        self._slices = [slice(*pair) for pair in pairwise(bounds)]
        self._places = [places_of_sample(where.stop - where.start) for where in self._slices]
        self.numbers, self.tensors, self.outputs, self.deltas = make_tables(
            len(vectors), len(self._slices), len(layers)
        )

    @np.errstate(all="ignore")
    def take(self, n_patterns: int) -> None:
        """Fill the tables for a batch of so many patterns."""
        if self._layers and not 0 < n_patterns <= len(self._layers[0].outputs):
            raise IndexError(f"a batch of {n_patterns} patterns is not in the arrays")
        for table, vector in zip(self.tensors, self._vectors, strict=True):
            for row, where, places in zip(table, self._slices, self._places, strict=True):
                values = vector[where].astype(float)
                sizes = np.abs(values)
                row[: len(OF_TENSOR)] = (
                    sizes.sum(),
                    np.sqrt((values**2).sum()),
                    sizes.max(),
                    values.mean(),
                    (values == 0).mean(),
                )
                row[len(OF_TENSOR) :] = np.quantile(values[places], QUANTILES)
        for row, other, layer in zip(self.outputs, self.deltas, self._layers, strict=True):
            outputs, deltas = (a[:n_patterns].astype(float) for a in layer[:2])
            row[:4], other[:] = spread(outputs), spread(deltas)
            if layer.slopes is not None:
                slopes = layer.slopes[:n_patterns]
                is_flat = (layer.low < slopes) & (slopes < layer.high)
            else:
                is_flat = ~((layer.low < outputs) & (outputs < layer.high))
            row[4:] = is_flat.mean(), is_flat.all(axis=0).mean()


def spread(values: np.ndarray) -> tuple[float, float, float, float]:
    """Return mean, standard deviation and largest size of some values, and the share of zeros."""
    return values.mean(), values.std(), np.abs(values).max(), (values == 0).mean()

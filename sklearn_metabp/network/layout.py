"""The layout of the flat parameter vector."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

FLOAT64 = np.dtype(np.float64)


class Tensor(NamedTuple):
    """One weight matrix or bias vector inside the flat vector."""

    name: str
    layer: int
    is_bias: bool
    slice: slice
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ParameterLayout:
    """Names, shapes and slices of a network's parameters in one flat vector.

    The vector holds every weight matrix in layer order, of shape (fan_in, fan_out), row by row, and
    then every bias vector in layer order.

    Parameters
    ----------
    layer_sizes : tuple of int
        Number of neurons of every layer, from the inputs to the outputs; at least two layers.
    dtype : dtype, default=float64
        Type of the flat vector, float32 or float64.

    Attributes
    ----------
    n_params : int
        Length of the flat vector.
    n_weights : int
        Number of weights. The biases come after them.
    tensors : tuple of Tensor
        ``(name, layer, is_bias, slice, shape)`` of every matrix and vector, in order.

    Examples
    --------
    >>> from sklearn_metabp.network import ParameterLayout
    >>> layout = ParameterLayout((2, 3, 1))
    >>> layout.n_params
    13
    >>> [tensor.name for tensor in layout.tensors]
    ['coefs_[0]', 'coefs_[1]', 'intercepts_[0]', 'intercepts_[1]']
    """

    layer_sizes: tuple[int, ...]
    dtype: np.dtype = FLOAT64

    def __post_init__(self) -> None:
        sizes = tuple(int(size) for size in self.layer_sizes)
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(
                f"layer_sizes needs two layers or more of one neuron or more, got {sizes}."
            )
        object.__setattr__(self, "layer_sizes", sizes)
        object.__setattr__(self, "dtype", np.dtype(self.dtype))

    def __reduce__(self) -> tuple[type, tuple[tuple[int, ...], str]]:
        return type(self), (self.layer_sizes, self.dtype.name)

    @cached_property
    def tensors(self) -> tuple[Tensor, ...]:
        """Every weight matrix, then every bias vector."""
        return tuple(self._walk())

    def _walk(self) -> Iterator[Tensor]:
        start = 0
        pairs = list(pairwise(self.layer_sizes))
        for is_bias, name in ((False, "coefs_"), (True, "intercepts_")):
            for layer, (fan_in, fan_out) in enumerate(pairs):
                shape: tuple[int, ...] = (fan_out,) if is_bias else (fan_in, fan_out)
                stop = start + math.prod(shape)
                yield Tensor(f"{name}[{layer}]", layer, is_bias, slice(start, stop), shape)
                start = stop

    @cached_property
    def n_params(self) -> int:
        """Length of the flat vector."""
        return self.tensors[-1].slice.stop

    @cached_property
    def n_weights(self) -> int:
        """Number of weights; the rest are biases."""
        return self.n_params - sum(self.layer_sizes[1:])

    def coefs(self, flat: np.ndarray) -> list[np.ndarray]:
        """Return the weight matrices as views of a flat vector, each (fan_in, fan_out)."""
        return [flat[t.slice].reshape(t.shape) for t in self.tensors if not t.is_bias]

    def intercepts(self, flat: np.ndarray) -> list[np.ndarray]:
        """Return the bias vectors as views of a flat vector, each (fan_out,)."""
        return [flat[t.slice] for t in self.tensors if t.is_bias]

    def zeros(self) -> np.ndarray:
        """Return one zero per parameter, in the layout's dtype."""
        return np.zeros(self.n_params, self.dtype)

    def flatten(self, coefs: Iterable[ArrayLike], intercepts: Iterable[ArrayLike]) -> np.ndarray:
        """Return the given matrices and vectors as one flat vector, in the layout's dtype.

        Raises
        ------
        ValueError
            If one of them has another shape than in the layout.
        """
        arrays = [np.asarray(array) for array in (*coefs, *intercepts)]
        shapes, wanted = [a.shape for a in arrays], [t.shape for t in self.tensors]
        if shapes != wanted:
            raise ValueError(f"weights and biases must have the shapes {wanted}, got {shapes}.")
        return np.concatenate([array.ravel() for array in arrays]).astype(self.dtype)

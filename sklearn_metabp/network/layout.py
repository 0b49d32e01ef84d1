"""The layout of the flat parameter vector."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from sklearn_metabp._kernels.recurrent.cells import CELLS, Cell

FLOAT64 = np.dtype(np.float64)


class Tensor(NamedTuple):
    """One weight matrix or bias vector inside the flat vector.

    Attributes
    ----------
    name : str
    layer : int
        Layer of neurons that it belongs to, from 0 for the first one after the inputs.
    is_bias : bool
    slice : slice
        Place in the flat vector.
    shape : tuple of int
    source : int
        Place of its first row among the activations that layers receive, one layer after another.
        It has no meaning for a bias vector.
    target : int
        Place of its first column among the net inputs, one layer after another.
    is_recurrent : bool
        Whether it belongs to the states of the time step before.
    """

    name: str
    layer: int
    is_bias: bool
    slice: slice
    shape: tuple[int, ...]
    source: int = 0
    target: int = 0
    is_recurrent: bool = False


@dataclass(frozen=True)
class ParameterLayout:
    """Names, shapes and slices of a network's parameters in one flat vector.

    The vector holds every weight matrix in layer order, of shape (fan_in, fan_out), row by row, and
    then every bias vector in layer order.

    In a recurrent layout the first layer after the inputs also receives its own outputs, its
    states, from the time step before. The matrix of the states follows that of the inputs. All
    tensors of the layer are used at every time step, and their gradients are sums over time.

    Parameters
    ----------
    layer_sizes : tuple of int
        Number of neurons of every layer, from the inputs to the outputs; at least two layers. Three
        with a cell.
    dtype : dtype, default=float64
        Type of the flat vector, float32 or float64.
    cell : str, default=None
        Name in ``CELLS`` of the recurrent cell, ``"elman"`` or ``"gru"``. None for a feedforward
        network.

    Attributes
    ----------
    n_params : int
        Length of the flat vector.
    n_weights : int
        Number of weights. The biases come after them.
    tensors : tuple of Tensor
        Every matrix and vector, in order.
    net_input_widths : tuple of int
        Number of net inputs of every layer after the input.
    received_widths : tuple of int
        Number of activations that every layer after the input receives.

    Examples
    --------
    >>> from sklearn_metabp.network import ParameterLayout
    >>> layout = ParameterLayout((2, 3, 1))
    >>> layout.n_params
    13
    >>> [tensor.name for tensor in layout.tensors]
    ['coefs_[0]', 'coefs_[1]', 'intercepts_[0]', 'intercepts_[1]']
    >>> for tensor in ParameterLayout((2, 3, 1), cell="elman").tensors:
    ...     print(tensor.name, tensor.shape, "recurrent" if tensor.is_recurrent else "")
    coefs_[0] (2, 3)
    coefs_[1] (3, 3) recurrent
    coefs_[2] (3, 1)
    intercepts_[0] (3,)
    intercepts_[1] (1,)
    """

    layer_sizes: tuple[int, ...]
    dtype: np.dtype = FLOAT64
    cell: str | None = None

    def __post_init__(self) -> None:
        sizes = tuple(int(size) for size in self.layer_sizes)
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(
                f"layer_sizes needs two layers or more of one neuron or more, got {sizes}."
            )
        if self.cell is not None and (self.cell not in CELLS or len(sizes) != 3):
            raise ValueError(
                f"a recurrent layout has a cell of {list(CELLS)} and three layers, got "
                f"cell={self.cell!r} and layer_sizes={sizes}."
            )
        object.__setattr__(self, "layer_sizes", sizes)
        object.__setattr__(self, "dtype", np.dtype(self.dtype))

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        cell = () if self.cell is None else (self.cell,)
        return type(self), (self.layer_sizes, self.dtype.name, *cell)

    @cached_property
    def recurrence(self) -> Cell | None:
        """The recurrent cell of the first layer; None for a feedforward network."""
        return None if self.cell is None else CELLS[self.cell]

    @cached_property
    def net_input_widths(self) -> tuple[int, ...]:
        """Number of net inputs of every layer after the input."""
        sizes = self.layer_sizes[1:]
        if self.recurrence is None:
            return sizes
        return (self.recurrence.n_net_inputs * sizes[0], *sizes[1:])

    @cached_property
    def received_widths(self) -> tuple[int, ...]:
        """Number of activations that every layer after the input receives."""
        if self.recurrence is None:
            return self.layer_sizes[:-1]
        n_inputs, n_states, _ = self.layer_sizes
        return (n_inputs + n_states, n_states)

    @cached_property
    def tensors(self) -> tuple[Tensor, ...]:
        """Every weight matrix, then every bias vector."""
        return tuple(self._walk())

    def _walk(self) -> Iterator[Tensor]:
        start, numbers = 0, {"coefs_": count(), "intercepts_": count()}
        for is_bias, name in ((False, "coefs_"), (True, "intercepts_")):
            source = target = 0
            for layer, (fan_in, fan_out) in enumerate(pairwise(self.layer_sizes)):
                cell = self.recurrence if layer == 0 else None
                # (fan_in, columns, place among the layer's net inputs, whether it is recurrent)
                parts = [(fan_in, fan_out, 0, False)]
                if cell is not None:
                    width, shift = cell.n_gates * fan_out, cell.state_target * fan_out
                    parts = [(fan_in, width, 0, False), (fan_out, width, shift, True)]
                    if is_bias and not cell.has_state_bias:
                        parts = parts[:1]
                for rows, columns, place, is_recurrent in parts:
                    shape: tuple[int, ...] = (columns,) if is_bias else (rows, columns)
                    stop = start + math.prod(shape)
                    yield Tensor(
                        f"{name}[{next(numbers[name])}]",
                        layer,
                        is_bias,
                        slice(start, stop),
                        shape,
                        source,
                        target + place,
                        is_recurrent,
                    )
                    start, source = stop, source + rows
                target += self.net_input_widths[layer]

    @cached_property
    def n_params(self) -> int:
        """Length of the flat vector."""
        return self.tensors[-1].slice.stop

    @cached_property
    def n_weights(self) -> int:
        """Number of weights; the rest are biases."""
        return max(tensor.slice.stop for tensor in self.tensors if not tensor.is_bias)

    @cached_property
    def table(self) -> np.ndarray:
        """Tensors as kernels read them: rows of ``TENSOR_COLUMNS``, of int64."""
        fans = {
            (tensor.layer, tensor.is_recurrent): tensor.shape[0]
            for tensor in self.tensors
            if not tensor.is_bias
        }
        rows = [
            (
                1 if tensor.is_bias else tensor.shape[0],
                tensor.shape[-1],
                tensor.layer,
                tensor.is_bias,
                tensor.source,
                tensor.target,
                fans[tensor.layer, tensor.is_recurrent],
            )
            for tensor in self.tensors
        ]
        return np.array(rows, dtype=np.int64)

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

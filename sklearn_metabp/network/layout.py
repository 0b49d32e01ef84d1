"""The layout of the flat parameter vector."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from itertools import count, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from sklearn_metabp._kernels.network.input_layer import InputLayer
from sklearn_metabp._kernels.recurrent.cells import CELLS, Cell

FLOAT64 = np.dtype(np.float64)


class Role(Enum):
    """The use of a tensor in the network."""

    WEIGHTS = "weights"
    BIASES = "biases"
    EXTRA = "extra"


class Extra(NamedTuple):
    """One array of trained parameters beside weights and biases.

    Attributes
    ----------
    name : str
        Name of its own in the layout, which ends in an underscore, as ``"input_scales_"``, or in an
        underscore and a number, as ``"activation_mixes_[0]"``.
    layer : int
        Layer of neurons that it belongs to, from 0 for the first one after the inputs.
    shape : tuple of int
    """

    name: str
    layer: int
    shape: tuple[int, ...]


class Tensor(NamedTuple):
    """One weight matrix, bias vector or further array inside the flat vector.

    Attributes
    ----------
    name : str
    layer : int
        Layer of neurons that it belongs to, from 0 for the first one after the inputs.
    role : Role
    slice : slice
        Place in the flat vector.
    shape : tuple of int
    source : int
        Place of its first row among the activations that layers receive, one layer after another.
        Only weight matrices have one.
    target : int
        Place of its first column among the net inputs, one layer after another. Extras have none.
    is_recurrent : bool
        True if it belongs to the states of the time step before.
    """

    name: str
    layer: int
    role: Role
    slice: slice
    shape: tuple[int, ...]
    source: int = 0
    target: int = 0
    is_recurrent: bool = False

    @property
    def is_weights(self) -> bool:
        """True for a weight matrix."""
        return self.role is Role.WEIGHTS

    @property
    def is_bias(self) -> bool:
        """True for a bias vector."""
        return self.role is Role.BIASES

    @property
    def is_extra(self) -> bool:
        """True for an array beside weights and biases."""
        return self.role is Role.EXTRA


@dataclass(frozen=True)
class ParameterLayout:
    """Names, shapes and slices of a network's parameters in one flat vector.

    The vector holds every weight matrix in layer order, of shape (fan_in, fan_out), row by row,
    then every bias vector in layer order, and then the extras: all other parameters.

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
    extras : tuple of Extra, default=()
        Arrays of further trained parameters, in the order of the flat vector.
    first_fan_in : int, default=None
        Number of columns that the first layer after the inputs receives, if an input layer changes
        it. None is the number of inputs, ``layer_sizes[0]``.

    Attributes
    ----------
    n_params : int
        Length of the flat vector.
    n_weights : int
        Number of weights. The biases come after them.
    n_biases : int
        Number of biases. The extras come after them.
    tensors : tuple of Tensor
        Every matrix, vector and extra, in order.
    net_input_widths : tuple of int
        Number of net inputs of every layer after the input.
    received_widths : tuple of int
        Number of activations that every layer after the input receives.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp.network import Extra, ParameterLayout
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
    >>> scaled = ParameterLayout((2, 3, 1), extras=(Extra("input_scales_", 0, (2,)),))
    >>> scaled.extras_of(np.arange(15.0))
    {'input_scales_': array([13., 14.])}
    """

    layer_sizes: tuple[int, ...]
    dtype: np.dtype = FLOAT64
    cell: str | None = None
    extras: tuple[Extra, ...] = ()
    first_fan_in: int | None = None

    def __post_init__(self) -> None:
        sizes = tuple(int(size) for size in self.layer_sizes)
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(
                f"layer_sizes needs at least two layers of at least one neuron, got {sizes}."
            )
        if self.cell is not None and (self.cell not in CELLS or len(sizes) != 3):
            raise ValueError(
                f"a recurrent layout has a cell of {list(CELLS)} and three layers, got "
                f"cell={self.cell!r} and layer_sizes={sizes}."
            )
        extras = tuple(_checked_extra(*extra, len(sizes) - 1) for extra in self.extras)
        if len({extra.name for extra in extras}) < len(extras):
            raise ValueError(f"extras must have different names, got {[e.name for e in extras]}.")
        object.__setattr__(self, "layer_sizes", sizes)
        object.__setattr__(self, "dtype", np.dtype(self.dtype))
        object.__setattr__(self, "extras", extras)
        if self.first_fan_in is not None:
            if self.first_fan_in < 1 or self.cell is not None:
                raise ValueError(
                    "first_fan_in is a number of columns from 1, of a network without a cell; got "
                    f"{self.first_fan_in!r}."
                )
            fan_in = None if self.first_fan_in == sizes[0] else int(self.first_fan_in)
            object.__setattr__(self, "first_fan_in", fan_in)

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        rest: tuple[Any, ...] = () if self.cell is None else (self.cell,)
        if self.extras or self.first_fan_in is not None:
            rest = self.cell, tuple(map(tuple, self.extras)), self.first_fan_in
        return type(self), (self.layer_sizes, self.dtype.name, *rest)

    @cached_property
    def dense(self) -> "ParameterLayout":
        """The layout of the weights and biases alone, without extras."""
        return replace(self, extras=()) if self.extras else self

    @cached_property
    def recurrence(self) -> Cell | None:
        """The recurrent cell of the first layer; None for a feedforward network."""
        return None if self.cell is None else CELLS[self.cell]

    def with_input_layer(self, input_layer: InputLayer | None) -> "ParameterLayout":
        """Return the layout with the arrays of an input layer as extras, before the others."""
        if input_layer is None:
            return self
        extras = [Extra(name, 0, shape) for name, shape in input_layer.shapes.items()]
        return replace(self, extras=(*extras, *self.extras), first_fan_in=input_layer.width)

    @property
    def dense_sizes(self) -> tuple[int, ...]:
        """Number of columns that the first layer receives, and of neurons of every layer."""
        if self.first_fan_in is None:
            return self.layer_sizes
        return (self.first_fan_in, *self.layer_sizes[1:])

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
        """Every weight matrix, then every bias vector, then every extra."""
        tensors = list(self._walk())
        start = tensors[-1].slice.stop
        for name, layer, shape in self.extras:
            stop = start + math.prod(shape)
            tensors.append(Tensor(name, layer, Role.EXTRA, slice(start, stop), shape))
            start = stop
        return tuple(tensors)

    def _walk(self) -> Iterator[Tensor]:
        start, numbers = 0, {"coefs_": count(), "intercepts_": count()}
        for role, name in ((Role.WEIGHTS, "coefs_"), (Role.BIASES, "intercepts_")):
            is_bias = role is Role.BIASES
            source = target = 0
            for layer, (fan_in, fan_out) in enumerate(pairwise(self.dense_sizes)):
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
                        role,
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
        """Number of weights."""
        return max(tensor.slice.stop for tensor in self.tensors if tensor.is_weights)

    @cached_property
    def n_biases(self) -> int:
        """Number of biases."""
        return max(t.slice.stop for t in self.tensors if t.is_bias) - self.n_weights

    @cached_property
    def table(self) -> np.ndarray:
        """Tensors as kernels of learned rules read them: rows of ``TENSOR_COLUMNS``, of int64.

        Raises
        ------
        ValueError
            If there are extras, which have neither neurons that send nor neurons that receive.
        """
        if self.extras:
            raise ValueError(
                f"a table of tensors has weights and biases alone, and {self.extras_text} are "
                "neither."
            )
        fans = {
            (tensor.layer, tensor.is_recurrent): tensor.shape[0]
            for tensor in self.tensors
            if tensor.is_weights
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
        return [flat[t.slice].reshape(t.shape) for t in self.tensors if t.is_weights]

    def intercepts(self, flat: np.ndarray) -> list[np.ndarray]:
        """Return the bias vectors as views of a flat vector, each (fan_out,)."""
        return [flat[t.slice] for t in self.tensors if t.is_bias]

    def extras_of(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        """Return the extras by name as views of a flat vector, each of its own shape."""
        return {t.name: flat[t.slice].reshape(t.shape) for t in self.tensors if t.is_extra}

    @property
    def extras_text(self) -> str:
        """The names of the extras, for messages."""
        return ", ".join(extra.name for extra in self.extras)

    @property
    def sizes_text(self) -> str:
        """The numbers of neurons of all layers, such as ``4-8-3``."""
        return "-".join(map(str, self.layer_sizes))

    def parameter_names(self, tensor: Tensor) -> list[str]:
        """Return the name of every parameter of a tensor, such as ``coefs_[0][2,1]``, in order."""
        places = np.ndindex(*tensor.shape)
        return [f"{tensor.name}[{','.join(map(str, place))}]" for place in places]

    def zeros(self) -> np.ndarray:
        """Return one zero per parameter, in the layout's dtype."""
        return np.zeros(self.n_params, self.dtype)

    def flatten(
        self,
        coefs: Iterable[ArrayLike],
        intercepts: Iterable[ArrayLike],
        extras: Mapping[str, ArrayLike] | None = None,
    ) -> np.ndarray:
        """Return the given matrices and vectors as one flat vector, in the layout's dtype.

        Parameters
        ----------
        coefs, intercepts : iterable of array-like
        extras : mapping of str to array-like, default=None
            The extras by name, for a layout that has some.

        Raises
        ------
        ValueError
            If one of them has another shape than in the layout, or an extra is missing.
        """
        extras = {} if extras is None else extras
        names = [extra.name for extra in self.extras]
        if set(extras) != set(names):
            raise ValueError(f"the extras must be {names}, got {list(extras)}.")
        arrays = [np.asarray(array) for array in (*coefs, *intercepts)]
        arrays += [np.asarray(extras[name]) for name in names]
        shapes, wanted = [a.shape for a in arrays], [t.shape for t in self.tensors]
        if shapes != wanted:
            raise ValueError(f"weights and biases must have the shapes {wanted}, got {shapes}.")
        return np.concatenate([array.ravel() for array in arrays]).astype(self.dtype)


def _checked_extra(name: str, layer: int, shape: Iterable[int], n_layers: int) -> Extra:
    """Return an extra with integers, after a check that the layout has a place for it."""
    sizes = tuple(int(size) for size in shape)
    if not name.partition("[")[0].endswith("_") or name.startswith(("coefs_", "intercepts_")):
        raise ValueError(
            f"the name of an extra ends in an underscore, as 'input_scales_', got {name!r}."
        )
    if not 0 <= layer < n_layers or not sizes or min(sizes) < 1:
        raise ValueError(
            f"the extra {name!r} needs a layer from 0 to {n_layers - 1} and a shape of one number "
            f"or more, got layer {layer} and shape {sizes}."
        )
    return Extra(name, int(layer), sizes)

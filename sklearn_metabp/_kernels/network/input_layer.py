r"""The input layer, which is in front of the first layer of neurons, and its fallback in NumPy.

Each column of X is multiplied by a trained scale, and some columns are then embedded: replaced by
trained functions of themselves. With basis functions :math:`z_f` of a column x,

.. math:: y_i = \theta_i + \sum_f w_{fi} z_f(s x)

and behind them the scaled column itself where the kind of embedding keeps it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.sparse import issparse

_TURN = 2 * np.pi
_ROWS_AT_ONCE = 256  # of which the fallback holds the gradients of every row


@dataclass(frozen=True, eq=False)
class EmbeddingKind:
    """The basis functions of an embedding.

    Attributes
    ----------
    name : str
    code : int
        Number in the compiled kernel.
    trained : tuple of str
        Names of the trained arrays of the basis functions, each of shape (n_columns, n_functions).
    keeps_input : bool
        True if the column itself follows the sums.
    values : callable
        ``values(x, *arrays)`` returns the basis functions, of shape (n_rows, n_columns,
        n_functions), of x of shape (n_rows, n_columns, 1) and the arrays, trained or fixed.
    slopes : callable
        ``slopes(x, *arrays)`` returns their derivatives by x and by every trained array.
    draw : callable
        ``draw(rng, shape, sigma)`` returns the first values of the trained arrays.
    """

    name: str
    code: int
    trained: tuple[str, ...]
    keeps_input: bool
    values: Callable[..., np.ndarray]
    slopes: Callable[..., tuple[np.ndarray, ...]]
    draw: Callable[[np.random.RandomState, tuple[int, int], float], tuple[np.ndarray, ...]]


def _parts_of_turns(x: np.ndarray, frequencies: np.ndarray, phases: np.ndarray) -> np.ndarray:
    turns = frequencies * x + phases
    most = 0.5 / np.finfo(turns.dtype).eps  # beyond, half a turn cannot be told from none
    return np.where(np.abs(turns) < most, turns - np.rint(turns), 0 * turns)


def _periodic_values(x: np.ndarray, frequencies: np.ndarray, phases: np.ndarray) -> np.ndarray:
    """Return cos 2π(w x + b)."""
    return np.cos(_TURN * _parts_of_turns(x, frequencies, phases))


def _periodic_slopes(
    x: np.ndarray, frequencies: np.ndarray, phases: np.ndarray
) -> tuple[np.ndarray, ...]:
    by_phase = -_TURN * np.sin(_TURN * _parts_of_turns(x, frequencies, phases))
    return frequencies * by_phase, x * by_phase, by_phase


def _draw_periodic(
    rng: np.random.RandomState, shape: tuple[int, int], sigma: float
) -> tuple[np.ndarray, ...]:
    return rng.normal(0.0, sigma, shape), rng.uniform(-0.5, 0.5, shape)


def _piecewise_values(
    x: np.ndarray, starts: np.ndarray, rates: np.ndarray, lows: np.ndarray, highs: np.ndarray
) -> np.ndarray:
    """Return the part of every bin that lies below x; x may lie outside the first and the last."""
    return np.minimum(np.maximum((x - starts) * rates, lows), highs)


def _piecewise_slopes(
    x: np.ndarray, starts: np.ndarray, rates: np.ndarray, lows: np.ndarray, highs: np.ndarray
) -> tuple[np.ndarray, ...]:
    parts = (x - starts) * rates
    return (np.where((lows <= parts) & (parts < highs), rates, x.dtype.type(0)),)


_TABLE = (
    EmbeddingKind(
        "periodic",
        0,
        ("frequencies", "phases"),
        True,
        _periodic_values,
        _periodic_slopes,
        _draw_periodic,
    ),
    EmbeddingKind(
        "piecewise_linear",
        1,
        (),
        False,
        _piecewise_values,
        _piecewise_slopes,
        lambda rng, shape, sigma: (),
    ),
)
EMBEDDINGS: dict[str, EmbeddingKind] = {kind.name: kind for kind in _TABLE}


@dataclass(frozen=True)
class Embedding:
    """An embedding of some columns, without its parameters.

    Attributes
    ----------
    kind : str
        Name in ``EMBEDDINGS``.
    columns : tuple of int
        The columns that it embeds, in rising order.
    n_functions : int
        Basis functions of a column.
    n_outputs : int
        Numbers that it makes of a column, the column itself included where it is kept.
    sigma : float, default=0.0
        Standard deviation of the first frequencies of a periodic embedding.
    edges : tuple of tuple of float, default=()
        Ends of the bins of every column for a piecewise linear embedding, in rising order: at least
        two, and at most one more than ``n_functions``.
    """

    kind: str
    columns: tuple[int, ...]
    n_functions: int
    n_outputs: int
    sigma: float = 0.0
    edges: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in EMBEDDINGS:
            raise ValueError(f"kind must be a name of {list(EMBEDDINGS)}, got {self.kind!r}.")
        columns = tuple(int(column) for column in self.columns)
        edges = tuple(tuple(float(edge) for edge in ends) for ends in self.edges)
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "edges", edges)
        if not columns or columns[0] < 0 or any(a >= b for a, b in pairwise(columns)):
            raise ValueError(f"columns must be rising numbers from 0, got {columns}.")
        if self.n_functions < 1 or self.n_linear < 1:
            raise ValueError(
                f"an embedding needs a function and a sum or more, got n_functions="
                f"{self.n_functions} and n_outputs={self.n_outputs}."
            )
        if edges and len(edges) != len(columns):
            raise ValueError(f"edges must be those of {len(columns)} columns, got {len(edges)}.")
        if not edges and self.kind_of.draw is EMBEDDINGS["piecewise_linear"].draw:
            raise ValueError("a piecewise linear embedding needs the edges of its bins.")
        for ends in edges:
            rises = all(a < b for a, b in pairwise(ends)) and np.isfinite(ends).all()
            if not rises or not 2 <= len(ends) <= self.n_functions + 1:
                raise ValueError(
                    f"edges must be from 2 to {self.n_functions + 1} rising numbers, got {ends}."
                )

    @property
    def kind_of(self) -> EmbeddingKind:
        """The record of its kind."""
        return EMBEDDINGS[self.kind]

    @property
    def n_linear(self) -> int:
        """Number of the sums of basis functions of a column."""
        return self.n_outputs - self.kind_of.keeps_input

    @property
    def shape(self) -> tuple[int, int]:
        """Columns and basis functions."""
        return len(self.columns), self.n_functions

    def fixed(self, dtype: np.dtype) -> tuple[np.ndarray, ...]:
        """Return the fixed arrays of the basis functions, each (n_columns, n_functions).

        For bins they are the starts, the rates 1 / width, and the least and the greatest value. A
        bin that a column does not have is 0 everywhere.
        """
        if not self.edges:
            return ()
        starts, rates, lows, highs = np.zeros((4, *self.shape))
        for column, ends in enumerate(self.edges):
            n_bins = len(ends) - 1
            starts[column, :n_bins] = ends[:-1]
            rates[column, :n_bins] = 1 / np.diff(ends)
            highs[column, :n_bins] = 1
            lows[column, 0], highs[column, n_bins - 1] = -np.inf, np.inf
        return tuple(np.ascontiguousarray(a, dtype) for a in (starts, rates, lows, highs))


@dataclass(frozen=True)
class InputLayer:
    """Scales and an embedding of the columns of X, without their parameters.

    Attributes
    ----------
    n_inputs : int
        Columns of X.
    has_scales : bool, default=False
        True if every column is multiplied by a trained factor, before it is embedded.
    embedding : Embedding, default=None
    """

    n_inputs: int
    has_scales: bool = False
    embedding: Embedding | None = None

    def __post_init__(self) -> None:
        if not self.has_scales and self.embedding is None:
            raise ValueError("an input layer has scales or an embedding.")
        if self.embedding is not None and self.embedding.columns[-1] >= self.n_inputs:
            raise ValueError(
                f"columns to embed must be below {self.n_inputs}, got {self.embedding.columns}."
            )

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Number of embedded columns of every column of X."""
        widths = [1] * self.n_inputs
        if self.embedding is not None:
            for column in self.embedding.columns:
                widths[column] = self.embedding.n_outputs
        return tuple(widths)

    @cached_property
    def width(self) -> int:
        """Number of columns that the first layer of neurons receives."""
        return sum(self.widths)

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the trained arrays by name, in the order of the flat vector."""
        shapes: dict[str, tuple[int, ...]] = {}
        if self.has_scales:
            shapes["input_scales_"] = (self.n_inputs,)
        if self.embedding is not None:
            n_columns, n_functions = self.embedding.shape
            n_linear = self.embedding.n_linear
            for name in self.embedding.kind_of.trained:
                shapes[f"embedding_{name}_"] = self.embedding.shape
            shapes["embedding_coefs_"] = (n_columns, n_functions, n_linear)
            shapes["embedding_intercepts_"] = (n_columns, n_linear)
        return shapes

    @cached_property
    def n_params(self) -> int:
        """Number of trained parameters."""
        return sum(int(np.prod(shape)) for shape in self.shapes.values())

    def start(self, rng: np.random.RandomState) -> dict[str, np.ndarray]:
        """Draw the first values of the trained arrays.

        Scales are 1. Frequencies are normal with standard deviation sigma, and phases uniform
        between ±1/2. Coefficients and intercepts are uniform between ±1 / sqrt(n_functions).
        """
        start = {name: np.ones(shape) for name, shape in self.shapes.items()}
        embedding = self.embedding
        if embedding is not None:
            drawn = embedding.kind_of.draw(rng, embedding.shape, embedding.sigma)
            for name, values in zip(embedding.kind_of.trained, drawn, strict=True):
                start[f"embedding_{name}_"] = values
            bound = embedding.n_functions**-0.5
            for name in ("embedding_coefs_", "embedding_intercepts_"):
                start[name] = rng.uniform(-bound, bound, self.shapes[name])
        return start

    def views(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        """Return the arrays by name as views of a vector of ``n_params`` values."""
        views, start = {}, 0
        for name, shape in self.shapes.items():
            stop = start + int(np.prod(shape))
            views[name] = flat[start:stop].reshape(shape)
            start = stop
        return views

    @cached_property
    def places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Places of plain columns in X and among the embedded ones, and starts of embedded ones."""
        starts = np.cumsum((0, *self.widths))[:-1]
        is_plain = np.ones(self.n_inputs, bool)
        embedded = np.array(() if self.embedding is None else self.embedding.columns, int)
        is_plain[embedded] = False
        return np.flatnonzero(is_plain), starts[is_plain], starts[embedded]

    def _basis(self, values: dict[str, np.ndarray], dtype: np.dtype) -> tuple[np.ndarray, ...]:
        assert self.embedding is not None
        trained = (values[f"embedding_{name}_"] for name in self.embedding.kind_of.trained)
        return (*trained, *self.embedding.fixed(dtype))

    def embed(self, X: np.ndarray, params: np.ndarray) -> np.ndarray:
        """Return what the first layer of neurons receives, (n_rows, width).

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_inputs)
        params : ndarray of shape (n_params,)
            The result has its dtype.
        """
        values = self.views(params)
        X = X.astype(params.dtype, copy=False)
        if self.has_scales:
            X = X * values["input_scales_"]
        if self.embedding is None:
            return X
        out = np.empty((len(X), self.width), params.dtype)
        plain, plain_places, places = self.places
        out[:, plain_places] = X[:, plain]
        x = X[:, list(self.embedding.columns), None]
        z = self.embedding.kind_of.values(x, *self._basis(values, params.dtype))
        sums = np.einsum("pjf,jfi->pji", z, values["embedding_coefs_"])
        sums += values["embedding_intercepts_"]
        for number in range(self.embedding.n_linear):
            out[:, places + number] = sums[:, :, number]
        if self.embedding.kind_of.keeps_input:
            out[:, places + self.embedding.n_linear] = x[:, :, 0]
        return out

    def gradients(
        self, X: np.ndarray, deltas: np.ndarray, params: np.ndarray, total: float
    ) -> np.ndarray:
        """Return the derivatives of the loss by the parameters, (n_params,).

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_inputs)
        deltas : ndarray of shape (n_rows, width)
            Minus the derivatives of the loss of every row by the embedded columns.
        params : ndarray of shape (n_params,)
        total : float
            Number of rows, or sum of their weights.
        """
        summed = np.zeros_like(params)
        for start in range(0, len(X), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            summed += self.pulls(X[rows], deltas[rows], params).sum(axis=0)
        return -summed / params.dtype.type(total)

    def pulls(self, X: np.ndarray, deltas: np.ndarray, params: np.ndarray) -> np.ndarray:
        """Return minus the derivatives of the loss of every row by the parameters.

        Parameters
        ----------
        X, deltas, params
            As for :meth:`gradients`.

        Returns
        -------
        pulls : ndarray of shape (n_rows, n_params)
        """
        values, found = self.views(params), {}
        _, _, places = self.places
        scaled = X * values["input_scales_"] if self.has_scales else X
        embedding = self.embedding
        if embedding is not None:
            x, arrays = scaled[:, list(embedding.columns), None], self._basis(values, params.dtype)
            of_sums = np.stack([deltas[:, places + i] for i in range(embedding.n_linear)], axis=2)
            z = embedding.kind_of.values(x, *arrays)
            _, *by_arrays = embedding.kind_of.slopes(x, *arrays)
            of_functions = np.einsum("pji,jfi->pjf", of_sums, values["embedding_coefs_"])
            found["embedding_intercepts_"] = of_sums
            found["embedding_coefs_"] = z[..., None] * of_sums[:, :, None, :]
            for name, slopes in zip(embedding.kind_of.trained, by_arrays, strict=True):
                found[f"embedding_{name}_"] = of_functions * slopes
        if self.has_scales:
            found["input_scales_"] = self._to_scaled_columns(scaled, deltas, values) * X
        return np.hstack([found[name].reshape(len(X), -1) for name in self.shapes])

    def pull_back(self, X: np.ndarray, vectors: np.ndarray, params: np.ndarray) -> np.ndarray:
        """Return derivatives by X, from derivatives by the embedded columns.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_inputs)
        vectors : ndarray of shape (..., n_rows, width)
        params : ndarray of shape (n_params,)

        Returns
        -------
        by_inputs : ndarray of shape (..., n_rows, n_inputs)
        """
        values = self.views(params)
        if not self.has_scales:
            return self._to_scaled_columns(X, vectors, values)
        scales = values["input_scales_"]
        return self._to_scaled_columns(X * scales, vectors, values) * scales

    def _to_scaled_columns(
        self, scaled: np.ndarray, vectors: np.ndarray, values: dict[str, np.ndarray]
    ) -> np.ndarray:
        """Return derivatives by the scaled columns, from those by the embedded ones."""
        plain, plain_places, places = self.places
        found = np.empty((*vectors.shape[:-1], self.n_inputs), vectors.dtype)
        found[..., plain] = vectors[..., plain_places]
        embedding = self.embedding
        if embedding is not None:
            columns = list(embedding.columns)
            x, arrays = scaled[:, columns, None], self._basis(values, vectors.dtype)
            by_x = embedding.kind_of.slopes(x, *arrays)[0]
            slopes = np.einsum("pjf,jfi->pji", by_x, values["embedding_coefs_"])
            of_columns = sum(
                slopes[:, :, i] * vectors[..., places + i] for i in range(embedding.n_linear)
            )
            if embedding.kind_of.keeps_input:
                of_columns = of_columns + vectors[..., places + embedding.n_linear]
            found[..., columns] = of_columns
        return found


def first_width(layer_sizes: Sequence[int], input_layer: InputLayer | None) -> tuple[int, ...]:
    """Return the sizes of the layers of neurons and of what the first of them receives."""
    return tuple(layer_sizes) if input_layer is None else (input_layer.width, *layer_sizes[1:])


def check_input_layer(
    input_layer: InputLayer | None, n_inputs: int, input_gradient_penalty: float
) -> None:
    """Raise ValueError unless a kernel can have the input layer."""
    if input_layer is None:
        return
    if input_layer.n_inputs != n_inputs:
        raise ValueError(
            f"the input layer must be one of {n_inputs} columns, got {input_layer.n_inputs}."
        )
    if input_gradient_penalty > 0:
        raise ValueError(
            "the penalty of the input gradients is for networks without an input layer: set "
            "input_gradient_penalty=0, or neither scaling_layer nor numeric_embedding."
        )


def check_rows_of_input_layer(input_layer: InputLayer | None, X: Any) -> None:
    """Raise ValueError for a sparse X, which an input layer would make dense."""
    if input_layer is not None and issparse(X):
        raise ValueError(
            "scaling_layer and numeric_embedding need a dense X: pass X.toarray(), or leave them "
            "out."
        )

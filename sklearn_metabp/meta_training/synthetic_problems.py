"""Distributions that synthetic rows are drawn from: features, and functions of them.

A task has to have the same bits on every machine, and neither the order in which a BLAS adds nor
the last bit of a ``tanh`` is the same on all. So numbers are rounded to multiples of 2**-10 after
every step. A product of matrices of such numbers is exact in float64, in every order of addition,
and the last bits of a function are rounded away.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Protocol

import numpy as np

_GRID = 1024.0
# Larger numbers are cut off: a sum of a million products of such numbers is still exact.
_LIMIT = 64.0
_N_PROBE = 256
# Probabilities of the shapes of a feature.
_SHAPES = {"normal": 0.5, "skewed": 0.15, "binary": 0.15, "rounded": 0.1, "sparse": 0.1}

Rng = np.random.RandomState
#: Maps standardised features, (n_rows, n_features), to outputs, (n_rows, n_outputs).
Function = Callable[[np.ndarray], np.ndarray]


class Problem(Protocol):
    """A distribution of features together with the outputs that belong to them."""

    def draw(self, rng: Rng, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Return features, (n_rows, n_features), and outputs without noise, (n_rows, n_outputs)."""
        ...


def on_grid(values: np.ndarray) -> np.ndarray:
    """Round to multiples of 2**-10 between -64 and 64."""
    grid = np.minimum(values, _LIMIT)
    np.maximum(grid, -_LIMIT, out=grid)
    grid *= _GRID
    np.rint(grid, out=grid)
    grid *= 1 / _GRID
    return grid


def log_uniform(rng: Rng, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform."""
    return float(low * (high / low) ** rng.uniform())


def draw_count(rng: Rng, low: int, high: int) -> int:
    """Draw an integer from low to high, log-uniformly."""
    return min(high, int(log_uniform(rng, low, high + 1)))


def standardise(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Subtract the column means of ``like``, divide by its deviations, and round to the grid.

    Columns that are constant in ``like`` become 0.
    """
    mean = like.mean(axis=0)
    errors = like - mean
    errors *= errors
    deviation = np.sqrt(errors.mean(axis=0))
    centred = values - mean
    centred /= np.where(deviation > 1e-3, deviation, np.inf)
    return on_grid(centred)


def _weights(rng: Rng, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Draw normal weights of the given deviation, over the root of the fan-in, on the grid."""
    return on_grid(rng.standard_normal(shape) * scale / np.sqrt(shape[0]))


class TableProblem:
    """Correlated features of several shapes, and a function of some of them.

    Parameters
    ----------
    rng : RandomState
        Draws the problem. The rows are drawn later.
    n_features : int
    correlation : float
        Share of the variance of the features that common factors make, in [0, 1).
    n_relevant : int
        Number of features that the function depends on.
    make_function : callable
        ``make_function(rng, n_relevant, n_outputs)``, out of ``FUNCTIONS``.
    n_outputs : int
    """

    def __init__(
        self,
        rng: Rng,
        n_features: int,
        correlation: float,
        n_relevant: int,
        make_function: Callable[[Rng, int, int], Function],
        n_outputs: int,
    ):
        n_factors = max(1, n_features // 4)
        self._loadings = on_grid(
            np.sqrt(correlation / n_factors) * rng.standard_normal((n_factors, n_features))
        )
        self._own_scale = np.sqrt(1 - correlation)
        shapes = rng.choice(list(_SHAPES), n_features, p=list(_SHAPES.values()))
        self._columns = {name: np.flatnonzero(shapes == name) for name in _SHAPES}
        self._thresholds = on_grid(rng.uniform(-1, 1, n_features))
        self._n_levels = rng.randint(1, 4, n_features)
        self._relevant = np.sort(rng.permutation(n_features)[:n_relevant])
        self._function = make_function(rng, n_relevant, n_outputs)
        self._probe = self._draw_features(rng, _N_PROBE)

    def draw(self, rng: Rng, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Return features and outputs without noise; see :meth:`Problem.draw`."""
        features = self._draw_features(rng, n_rows)
        seen = standardise(features[:, self._relevant], self._probe[:, self._relevant])
        return features, on_grid(self._function(seen))

    def _draw_features(self, rng: Rng, n_rows: int) -> np.ndarray:
        factors = on_grid(rng.standard_normal((n_rows, len(self._loadings))))
        values = rng.standard_normal((n_rows, self._loadings.shape[1]))
        values *= self._own_scale
        values += factors @ self._loadings
        values = on_grid(values)
        columns, thresholds = self._columns, self._thresholds
        skewed, rounded, sparse = columns["skewed"], columns["rounded"], columns["sparse"]
        values[:, skewed] = on_grid(np.exp(np.minimum(values[:, skewed], 4)))
        values[:, columns["binary"]] = values[:, columns["binary"]] > thresholds[columns["binary"]]
        values[:, rounded] = on_grid(np.rint(values[:, rounded] * self._n_levels[rounded]))
        values[:, sparse] = np.where(
            np.abs(values[:, sparse]) < 1 + 0.5 * thresholds[sparse], 0, values[:, sparse]
        )
        return values


class PatchProblem:
    """Square patches of a texture: pixels of a few plane waves, with little noise.

    The waves of every class have directions and frequencies of their own. For a regression, the
    outputs are pixels one step beyond the patch.

    Parameters
    ----------
    rng : RandomState
    side : int
        Number of pixels along a side.
    n_outputs : int
    has_classes : bool
    """

    def __init__(self, rng: Rng, side: int, n_outputs: int, has_classes: bool):
        self._n_outputs, self._has_classes = n_outputs, has_classes
        n_textures = n_outputs if has_classes else 4
        self._waves = on_grid(rng.uniform(-1.5, 1.5, (n_textures, 3, 2)))
        rows, columns = np.mgrid[:side, :side]
        inside = np.column_stack([rows.ravel(), columns.ravel()])
        beyond = np.column_stack([np.full(n_outputs, side), np.arange(n_outputs) % side])
        self._pixels = np.vstack([inside, beyond]).astype(float)
        self._n_inside = len(inside)
        self._noise = log_uniform(rng, 0.01, 0.3)

    def draw(self, rng: Rng, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Return pixels, and the class or the pixels beyond; see :meth:`Problem.draw`."""
        textures = rng.randint(len(self._waves), size=n_rows)
        phases = on_grid(rng.uniform(0, 2 * np.pi, (n_rows, 3, 1)))
        sizes = on_grid(rng.uniform(0.3, 1, (n_rows, 3, 1)))
        angles = self._waves[textures] @ self._pixels.T + phases
        pixels = on_grid(on_grid(sizes * np.sin(angles)).sum(axis=1))
        inside = pixels[:, : self._n_inside]
        inside = on_grid(inside + self._noise * rng.standard_normal(inside.shape))
        if self._has_classes:
            return inside, np.eye(self._n_outputs)[textures]
        return inside, pixels[:, self._n_inside :]


def _linear(rng: Rng, n_inputs: int, n_outputs: int) -> Function:
    weights = _weights(rng, n_inputs, n_outputs)
    return lambda X: X @ weights


def _mixture(rng: Rng, n_inputs: int, n_outputs: int) -> Function:
    """Return minus the squared distance to the nearest of a few centres of every output."""
    centres = on_grid(rng.standard_normal((n_outputs, rng.randint(1, 4), n_inputs)))

    def nearest(X: np.ndarray) -> np.ndarray:
        distances = [
            np.min([((X - centre) ** 2).sum(axis=1) for centre in own], axis=0) for own in centres
        ]
        return -np.column_stack(distances) / n_inputs

    return nearest


def _teacher(rng: Rng, n_inputs: int, n_outputs: int) -> Function:
    """Return a random network with one or two hidden layers."""
    sizes = [n_inputs, *rng.randint(4, 25, rng.randint(1, 3)), n_outputs]
    gain = log_uniform(rng, 0.7, 4)
    layers = [
        (_weights(rng, fan_in, fan_out, scale=gain), on_grid(rng.standard_normal(fan_out)))
        for fan_in, fan_out in pairwise(sizes)
    ]

    def network(X: np.ndarray) -> np.ndarray:
        for weights, biases in layers[:-1]:
            X = on_grid(np.tanh(X @ weights + biases))
        return X @ layers[-1][0]

    return network


def _spiral(rng: Rng, n_inputs: int, n_outputs: int) -> Function:
    """Return arms of a spiral in two directions, one for every output."""
    plane = _weights(rng, n_inputs, 2)
    turns = log_uniform(rng, 0.5, 4)
    starts = 2 * np.pi * np.arange(n_outputs) / n_outputs

    def arms(X: np.ndarray) -> np.ndarray:
        x, y = (X @ plane).T
        angle = np.arctan2(y, x) - turns * np.sqrt(x**2 + y**2)
        return np.cos(angle[:, None] - starts)

    return arms


def _checkerboard(rng: Rng, n_inputs: int, n_outputs: int) -> Function:
    """Return fields of a checkerboard in two directions."""
    plane = on_grid(_weights(rng, n_inputs, 2) * log_uniform(rng, 1, 5))
    phases = rng.uniform(0, 2 * np.pi, (2, n_outputs))

    def fields(X: np.ndarray) -> np.ndarray:
        x, y = (X @ plane).T
        return np.sin(x[:, None] + phases[0]) * np.sin(y[:, None] + phases[1])

    return fields


def _sines(rng: Rng, n_inputs: int, n_outputs: int) -> Function:
    """Return sums of sines along random directions."""
    return _waves(rng, n_inputs, n_outputs, n_waves=rng.randint(2, 7), frequency=3.0)


def _surface(rng: Rng, n_inputs: int, n_outputs: int) -> Function:
    """Return smooth surfaces of high frequency over two or three directions."""
    n_axes = min(n_inputs, rng.randint(2, 4))
    axes = _weights(rng, n_inputs, n_axes)
    surface = _waves(rng, n_axes, n_outputs, n_waves=rng.randint(8, 21), frequency=6.0)
    return lambda X: surface(on_grid(X @ axes))


def _waves(rng: Rng, n_inputs: int, n_outputs: int, n_waves: int, frequency: float) -> Function:
    directions = on_grid(_weights(rng, n_inputs, n_waves) * rng.uniform(0.5, frequency, n_waves))
    phases = on_grid(rng.uniform(0, 2 * np.pi, n_waves))
    weights = _weights(rng, n_waves, n_outputs)
    return lambda X: on_grid(np.sin(X @ directions + phases)) @ weights


def _products(rng: Rng, n_inputs: int, n_outputs: int) -> Function:
    """Return sums of products of two or three features."""
    n_terms = rng.randint(1, 6)
    terms = [rng.choice(n_inputs, min(n_inputs, rng.randint(2, 4))) for _ in range(n_terms)]
    weights = _weights(rng, n_terms, n_outputs)

    def sums(X: np.ndarray) -> np.ndarray:
        factors = np.clip(X, -3, 3)
        products = np.column_stack([np.prod(factors[:, term], axis=1) for term in terms])
        return on_grid(products) @ weights

    return sums


#: Families of functions by name.
FUNCTIONS: Mapping[str, Callable[[Rng, int, int], Function]] = {
    "linear": _linear,
    "mixture": _mixture,
    "teacher": _teacher,
    "spiral": _spiral,
    "checkerboard": _checkerboard,
    "sines": _sines,
    "products": _products,
    "surface": _surface,
}

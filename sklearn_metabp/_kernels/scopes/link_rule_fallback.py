"""The kernels of the link scope in NumPy, written as the equations read."""

from itertools import pairwise

import numpy as np

from sklearn_metabp._kernels.arrays import are_readable, are_writable, readable
from sklearn_metabp._kernels.functions import (
    ACTIVATIONS,
    bias_views,
    fits_layers,
    weight_views,
)
from sklearn_metabp._kernels.scopes.link_history import (
    LINK_INPUTS,
    LINK_UNITS,
    MOMENTUM_DECAYS,
    PEAK_DECAY,
    SQUARE_DECAYS,
    memory_rows,
    remember_steps,
)

__all__ = ["LinkRule", "link_inputs"]


@np.errstate(all="ignore")
def link_inputs(gradients, params, history, t, sizes, codes, activations, deltas, epsilon, matrix):
    """Advance the history and write what is known at every link, one row a link, its units last.

    With gradient g, ``m_d = d m_d + (1 - d) g`` and ``v_d = d v_d + (1 - d) g**2`` for the decays d
    of ``history``, both divided by ``1 - d**t``: ``momentum_d`` is m_d, ``rms_d`` is ``sqrt(v_d) +
    epsilon``. ``p = max(0.999 p, |g|)`` and ``n = n + g**2``: ``peak_0.999`` is ``p + epsilon``,
    ``norm`` is ``sqrt(n) + epsilon``. With l, the last update, and s, the size of the last one that
    was more than a quarter of the one before it, ``last_step`` is ``-sign(g) l / s``. The units of
    a link are ``rms_0.9`` and, where ``last_step`` is an input, ``stride``, which is ``-sign(g)
    s``; l and s are left to ``remember_steps``. A weight counts in root mean squares of its matrix;
    every quotient is clipped to +-10.

    Parameters
    ----------
    gradients, params : ndarray of shape (n_params,)
    history : ndarray of shape (n_rows, n_params)
        m for the decays 0.5, 0.9 and 0.99, v for 0.9 and 0.999, and where inputs need them p, n, l
        and s: as ``link_history`` makes it; changed in place.
    t : int
        Number of the step, from 1.
    sizes : ndarray of int64
        Units of every layer.
    codes : ndarray of int64
        Which of ``LINK_INPUTS``, by position.
    activations, deltas : ndarray of shape (n_units,) or None
        Of the layers before, respectively after, each layer of weights, one layer after another.
    epsilon : float
    matrix : ndarray of shape (n_params, n_inputs + n_units)
        Written.
    """
    rows = memory_rows(codes)
    for row, decay in enumerate(MOMENTUM_DECAYS):
        history[row] = decay * history[row] + (1 - decay) * gradients
    for row, decay in enumerate(SQUARE_DECAYS, start=len(MOMENTUM_DECAYS)):
        history[row] = decay * history[row] + (1 - decay) * gradients**2
    momenta = {
        f"momentum_{decay}": history[row] / (1 - decay**t)
        for row, decay in enumerate(MOMENTUM_DECAYS)
    }
    rms = {
        f"rms_{decay}": np.sqrt(history[row] / (1 - decay**t)) + epsilon
        for row, decay in enumerate(SQUARE_DECAYS, start=len(MOMENTUM_DECAYS))
    }
    known = {"gradient": gradients, **momenta, **rms}
    for row in rows.peak:
        history[row] = np.maximum(PEAK_DECAY * history[row], np.abs(gradients))
        known["peak_0.999"] = history[row] + epsilon
    for row in rows.norm:
        history[row] += gradients**2
        known["norm"] = np.sqrt(history[row]) + epsilon

    for column, code in enumerate(codes):
        name = LINK_INPUTS[code]
        if "/" in name:
            above, below = name.split("/")
            values = np.clip(known[above] / known[below], -10, 10)
        elif name.startswith("warmup_"):
            values = 1 - float(name.removeprefix("warmup_")) ** t
        elif name == "last_step":
            last, strides = map(history.__getitem__, rows.steps)
            values = np.clip(-np.sign(gradients) * last / strides, -10, 10)
        else:
            values = _of_each_tensor(name, params, sizes, activations, deltas)
        matrix[:, column] = values
    matrix[:, len(codes)] = rms["rms_0.9"]
    if rows.steps:
        matrix[:, -1] = -np.sign(gradients) * history[rows.steps[1]]


def _of_each_tensor(name, params, sizes, activations, deltas):
    values = np.empty_like(params)
    n_layers = len(sizes) - 1
    tensors = zip(
        weight_views(values, sizes) + bias_views(values, sizes),
        weight_views(params, sizes) + bias_views(params, sizes),
        strict=True,
    )
    for tensor, (view, weights) in enumerate(tensors):
        layer, is_bias = tensor % n_layers, tensor >= n_layers
        if name == "is_bias":
            view[...] = is_bias
        elif name == "is_output":
            view[...] = layer == n_layers - 1
        elif name == "depth":
            view[...] = layer / max(1, n_layers - 1)
        elif name == "weight":
            scale = np.sqrt(np.mean(weights.astype(float) ** 2))
            view[...] = np.clip(weights / scale, -10, 10) if scale > 0 else 0
        elif name == "activation":
            source = activations[sum(sizes[:layer]) : sum(sizes[: layer + 1])]
            view[...] = 1 if is_bias else np.clip(source, -10, 10)[:, None]
        elif name == "delta":
            view[...] = np.clip(
                deltas[sum(sizes[1 : layer + 1]) : sum(sizes[1 : layer + 2])], -10, 10
            )
    return values


class LinkRule:
    """The update of every link of one training: ``scale * unit * MLP(inputs)``.

    A link that never saw a gradient stays where it is. In units of its stride, a link that has
    taken no step takes one of ``first_step``.

    Parameters
    ----------
    gradients, params : ndarray of shape (n_params,)
        Read at every step.
    history : ndarray of shape (n_rows, n_params)
        As in ``link_inputs``; changed at every step.
    updates : ndarray of shape (n_params,)
        Written at every step.
    sizes, codes, epsilon
        As in ``link_inputs``.
    mlp_params : ndarray
        As those of ``Backprop``.
    mlp_sizes : ndarray of int64
        Units of the MLP's layers: as many inputs as codes, one output.
    hidden, output : str
        The MLP's activation functions.
    scale : float
    unit : int
        Which of ``LINK_UNITS``, by position.
    first_step : float
    centre : ndarray of shape (n_inputs,), default=None
        Subtracted from the MLP's inputs.
    """

    def __init__(
        self,
        gradients,
        params,
        history,
        updates,
        sizes,
        codes,
        epsilon,
        mlp_params,
        mlp_sizes,
        hidden,
        output,
        scale,
        unit,
        first_step,
        centre=None,
    ):
        n = sum((a + 1) * b for a, b in pairwise(sizes))
        mlp_params = readable(mlp_params)
        self._rows = memory_rows(codes)
        fits = history.shape == (sum(map(len, self._rows)), n)
        if not fits_layers(len(gradients), sizes) or len(params) != n or not fits:
            raise ValueError(f"gradients, params and history must hold {n} links")
        if not 0 <= unit < len(LINK_UNITS) or (
            LINK_UNITS[unit] == "stride" and not self._rows.steps
        ):
            raise ValueError(
                "unit must be that of a position in LINK_UNITS; a stride needs last_step as input"
            )
        alike = are_readable((gradients, params, mlp_params), params.dtype)
        alike &= are_writable((history, updates), params.dtype)
        if not fits_layers(len(mlp_params), mlp_sizes):
            raise ValueError(
                f"{len(mlp_params)} parameters do not make an MLP of layers {list(mlp_sizes)}"
            )
        fits = mlp_sizes[0] == len(codes) and mlp_sizes[-1] == 1
        fits &= centre is None or (centre.shape == (len(codes),) and centre.dtype == params.dtype)
        if not alike or not fits or len(updates) != n:
            raise ValueError("the MLP, the arrays and the updates do not fit together")
        names = [LINK_INPUTS[code] for code in codes]
        self._n_in = sum(sizes[:-1]) if "activation" in names else 0
        self._n_out = sum(sizes[1:]) if "delta" in names else 0
        self._known, self._centre = (gradients, params, history), centre
        self._link = sizes, codes, epsilon
        self._updates, self._scale, self._unit, self._first_step = updates, scale, unit, first_step
        self._layers = list(
            zip(weight_views(mlp_params, mlp_sizes), bias_views(mlp_params, mlp_sizes), strict=True)
        )
        self._functions = [hidden] * (len(self._layers) - 1) + [output]

    @np.errstate(all="ignore")
    def update(self, t, activations=None, deltas=None):
        """Advance the history by step t and write the updates."""
        for values, n in ((activations, self._n_in), (deltas, self._n_out)):
            if (0 if values is None else len(values)) != n:
                raise ValueError(
                    f"activations and deltas must hold their units where they are an input, else be None; "
                    f"{n} are needed"
                )
        gradients, params, history = self._known
        sizes, codes, epsilon = self._link
        matrix = np.empty((len(params), len(codes) + 1 + bool(self._rows.steps)), params.dtype)
        link_inputs(
            gradients, params, history, t, sizes, codes, activations, deltas, epsilon, matrix
        )
        x = matrix[:, : len(codes)]
        if self._centre is not None:
            x = x - self._centre
        for (weights, biases), function in zip(self._layers, self._functions, strict=True):
            x = ACTIVATIONS[function](x @ weights + biases)
        moved = self._scale * x[:, 0]
        if self._unit:
            unit = matrix[:, len(codes) - 1 + self._unit]
            moved *= unit
            if LINK_UNITS[self._unit] == "stride":
                first = np.abs(unit) <= np.finfo(unit.dtype).tiny
                moved[first] = self._first_step * np.sign(unit[first])
        self._updates[...] = np.where(history[4] == 0, 0, moved)
        if self._rows.steps:
            remember_steps(self._updates, *map(history.__getitem__, self._rows.steps))

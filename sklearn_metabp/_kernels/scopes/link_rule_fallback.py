"""The kernels of the link scope in NumPy, written as the equations read."""

import numpy as np

from sklearn_metabp._kernels.arrays import are_readable, are_writable
from sklearn_metabp._kernels.flat import (
    COLUMNS,
    IS_BIAS,
    LAYER,
    ROWS,
    SOURCE,
    TARGET,
    are_tensors,
)
from sklearn_metabp._kernels.scopes.link_history import (
    LINK_INPUTS,
    LINK_NORMALIZERS,
    MOMENTUM_DECAYS,
    PEAK_DECAY,
    SQUARE_999_ROW,
    SQUARE_DECAYS,
    memory_rows,
    remember_steps,
)
from sklearn_metabp._kernels.scopes.small_mlp import SmallMLP

__all__ = ["LinkRule", "link_inputs"]


@np.errstate(all="ignore")
def link_inputs(
    gradients: np.ndarray,
    params: np.ndarray,
    history: np.ndarray,
    t: int,
    tensors: np.ndarray,
    codes: np.ndarray,
    activations: np.ndarray | None,
    deltas: np.ndarray | None,
    epsilon: float,
    matrix: np.ndarray,
) -> None:
    """Advance the history and write the inputs of every link, one row per link, normalizers last.

    With the gradient g and for each decay d, ``m_d = d m_d + (1 - d) g`` and ``v_d = d v_d +
    (1 - d) g**2``, both divided by ``1 - d**t``: ``momentum_d`` is m_d, and ``rms_d`` is
    ``sqrt(v_d) + epsilon``. With ``p = max(0.999 p, |g|)`` and ``n = n + g**2``, ``peak_0.999`` is
    ``p + epsilon`` and ``norm`` is ``sqrt(n) + epsilon``. Let l be the last update, and s the size
    of the last one that was more than a quarter of the s before it. Then ``last_step`` is
    ``-sign(g) l / s``. The normalizers of a link are ``rms_0.9`` and, where ``last_step`` is an
    input, ``stride``, which is ``-sign(g) s``; ``remember_steps`` advances l and s. A weight is
    measured in root mean squares of its matrix. Every quotient is clipped to +-10.

    Parameters
    ----------
    gradients, params : ndarray of shape (n_params,)
    history : ndarray of shape (n_rows, n_params)
        The rows among m, v, p, n, l and s that the inputs need, as ``link_history`` makes them;
        changed in place.
    t : int
        Number of the step, from 1.
    tensors : ndarray of int64 of shape (n_tensors, n_columns)
        The weight matrices and bias vectors, with the columns ``TENSOR_COLUMNS``.
    codes : ndarray of int64
        Inputs, as positions in ``LINK_INPUTS``.
    activations, deltas : ndarray of shape (n_neurons,) or None
        Of the layers before, respectively after, each layer of weights, one layer after another.
    epsilon : float
    matrix : ndarray of shape (n_params, n_inputs + n_normalizers)
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
            values = _input_of_tensors(name, params, tensors, activations, deltas)
        matrix[:, column] = values
    matrix[:, len(codes)] = rms["rms_0.9"]
    if rows.steps:
        matrix[:, -1] = -np.sign(gradients) * history[rows.steps[1]]


def _input_of_tensors(
    name: str,
    params: np.ndarray,
    tensors: np.ndarray,
    activations: np.ndarray | None,
    deltas: np.ndarray | None,
) -> np.ndarray:
    """Return an input that is computed one weight matrix or bias vector at a time."""
    values, start, last = np.empty_like(params), 0, tensors[:, LAYER].max()
    for tensor in tensors:
        shape = rows, columns = tensor[ROWS], tensor[COLUMNS]
        layer, is_bias = tensor[LAYER], bool(tensor[IS_BIAS])
        at = slice(start, start + rows * columns)
        view, weights, start = values[at].reshape(shape), params[at], at.stop
        if name == "is_bias":
            view[...] = is_bias
        elif name == "is_output":
            view[...] = layer == last
        elif name == "depth":
            view[...] = layer / max(1, last)
        elif name == "weight":
            scale = np.sqrt(np.mean(weights.astype(float) ** 2))
            view[...] = np.clip(weights.reshape(shape) / scale, -10, 10) if scale > 0 else 0
        elif name == "activation":
            assert activations is not None
            source = activations[tensor[SOURCE] : tensor[SOURCE] + rows]
            view[...] = 1 if is_bias else np.clip(source, -10, 10)[:, None]
        elif name == "delta":
            assert deltas is not None
            view[...] = np.clip(deltas[tensor[TARGET] : tensor[TARGET] + columns], -10, 10)
    return values


class LinkRule:
    """The update of every link of one training: ``scale * normalizer * MLP(inputs)``.

    A link whose gradients have all been zero does not move. Where the normalizer is the stride, a
    link that has taken no step takes one of ``first_step``.

    Parameters
    ----------
    gradients, params : ndarray of shape (n_params,)
        Read at every step.
    history : ndarray of shape (n_rows, n_params)
        As in ``link_inputs``; changed at every step.
    updates : ndarray of shape (n_params,)
        Written at every step.
    tensors, codes, epsilon
        As in ``link_inputs``.
    mlp_params : ndarray
        In the order of the parameters of ``Backprop``.
    mlp_sizes : ndarray of int64
        Neurons of the MLP's layers: as many inputs as codes, one output.
    hidden, output : str
        The MLP's activation functions.
    scale : float
    normalizer : int
        Position in ``LINK_NORMALIZERS``.
    first_step : float
    centre : ndarray of shape (n_inputs,), default=None
        Subtracted from the MLP's inputs.
    """

    def __init__(
        self,
        gradients: np.ndarray,
        params: np.ndarray,
        history: np.ndarray,
        updates: np.ndarray,
        tensors: np.ndarray,
        codes: np.ndarray,
        epsilon: float,
        mlp_params: np.ndarray,
        mlp_sizes: np.ndarray,
        hidden: str,
        output: str,
        scale: float,
        normalizer: int,
        first_step: float,
        centre: np.ndarray | None = None,
    ) -> None:
        check_links(gradients, params, history, tensors, codes)
        check_updates(params, updates, codes, normalizer)
        self._mlp = SmallMLP(
            len(codes), params.dtype, mlp_params, mlp_sizes, hidden, output, centre
        )
        self._rows = memory_rows(codes)
        self._n_neurons = count_neurons(tensors, codes)
        self._known = gradients, params, history
        self._link = tensors, codes, epsilon
        self._updates, self._scale = updates, scale
        self._normalizer, self._first_step = normalizer, first_step

    @np.errstate(all="ignore")
    def update(
        self, t: int, activations: np.ndarray | None = None, deltas: np.ndarray | None = None
    ) -> None:
        """Advance the history by step t and write the updates."""
        gradients, params, history = self._known
        tensors, codes, epsilon = self._link
        check_neurons(activations, deltas, self._n_neurons, params.dtype)
        matrix = np.empty((len(params), len(codes) + 1 + bool(self._rows.steps)), params.dtype)
        link_inputs(
            gradients, params, history, t, tensors, codes, activations, deltas, epsilon, matrix
        )
        moved = self._scale * self._mlp.predict(matrix[:, : len(codes)])
        if self._normalizer:
            normalizer = matrix[:, len(codes) - 1 + self._normalizer]
            moved *= normalizer
            if LINK_NORMALIZERS[self._normalizer] == "stride":
                first = np.abs(normalizer) <= np.finfo(normalizer.dtype).tiny
                moved[first] = self._first_step * np.sign(normalizer[first])
        self._updates[...] = np.where(history[SQUARE_999_ROW] == 0, 0, moved)
        if self._rows.steps:
            remember_steps(self._updates, *map(history.__getitem__, self._rows.steps))


def check_links(
    gradients: np.ndarray,
    params: np.ndarray,
    history: np.ndarray,
    tensors: np.ndarray,
    codes: np.ndarray,
) -> None:
    """Raise ValueError unless the arrays fit the links of a network with these tensors."""
    if not all(0 <= code < len(LINK_INPUTS) for code in codes):
        raise ValueError(
            f"codes must be from 0 to {len(LINK_INPUTS) - 1}, positions in LINK_INPUTS"
        )
    n = len(params)
    n_rows = sum(map(len, memory_rows(codes)))
    fits = are_tensors(tensors, n) and len(gradients) == n and history.shape == (n_rows, n)
    if not fits:
        raise ValueError(f"gradients, params, history and tensors must hold {n} links")
    dtype = params.dtype
    if not are_readable((gradients, params), dtype) or not are_writable((history,), dtype):
        raise ValueError("all arrays must be aligned and of one dtype, float32 or float64")


def check_updates(
    params: np.ndarray, updates: np.ndarray, codes: np.ndarray, normalizer: int
) -> None:
    """Raise ValueError unless updates can be written in this normalizer."""
    has_steps = bool(memory_rows(codes).steps)
    if not 0 <= normalizer < len(LINK_NORMALIZERS) - (not has_steps):
        raise ValueError(
            "normalizer must be a position in LINK_NORMALIZERS; a stride needs last_step as input"
        )
    if len(updates) != len(params) or not are_writable((updates,), params.dtype):
        raise ValueError("the MLP, the arrays and the updates do not fit together")


def count_neurons(tensors: np.ndarray, codes: np.ndarray) -> tuple[int, int]:
    """Return how many activations and deltas a step needs: 0 where they are no input."""
    names = {LINK_INPUTS[code] for code in codes}
    weights = tensors[tensors[:, IS_BIAS] == 0]
    return (
        int((weights[:, SOURCE] + weights[:, ROWS]).max()) if "activation" in names else 0,
        int((tensors[:, TARGET] + tensors[:, COLUMNS]).max()) if "delta" in names else 0,
    )


def check_neurons(
    activations: np.ndarray | None,
    deltas: np.ndarray | None,
    wanted: tuple[int, int],
    dtype: np.dtype,
) -> None:
    """Raise ValueError unless activations and deltas are given where they are an input."""
    for values, n in zip((activations, deltas), wanted, strict=True):
        fits = n == 0 if values is None else len(values) == n and are_readable([values], dtype)
        if not fits:
            raise ValueError(
                f"activations and deltas must hold their neurons where they are an input, else be "
                f"None; {n} are needed"
            )

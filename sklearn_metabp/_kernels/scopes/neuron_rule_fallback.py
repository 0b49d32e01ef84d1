"""The kernel of the neuron scope in NumPy, written as the equations read."""

import numpy as np

from sklearn_metabp._kernels.arrays import are_readable, are_writable, readable
from sklearn_metabp._kernels.functions import (
    ACTIVATIONS,
    DERIVATIVES,
    bias_views,
    fits_layers,
    weight_views,
)

__all__ = ["NEURON_INPUTS", "NeuronRule"]

NEURON_INPUTS = ("delta", "weight", "derivative")


class NeuronRule:
    """What the neurons of one layer send back to the one before: delta_i = c sum_h delta_h w_hi MLP(z).

    A message per link, with z, as far as ``codes`` ask for it, delta_h in root mean squares of the
    layer's deltas, w_hi in root mean squares of its matrix, and f'(in_i); c is ``scale``.

    Parameters
    ----------
    deltas : ndarray of shape (max_batch, n_next)
        Of the layer, read.
    weights : ndarray of shape (n_units, n_next)
        Into the layer, read.
    activations : ndarray of shape (max_batch, n_units)
        Of the layer before, read.
    function : str
        Its activation function.
    out : ndarray of shape (max_batch, n_units)
        Its deltas, written.
    codes : ndarray of int64
        Which of ``NEURON_INPUTS``, by position.
    mlp_params, mlp_sizes, hidden, output
        As in ``LinkRule``.
    scale : float
    slopes : ndarray of shape (max_batch, n_units), default=None
        f'(in) of the layer before, read where x does not tell; see ``Backprop``.
    centre : ndarray of shape (n_inputs,), default=None
        Subtracted from the MLP's inputs.
    """

    def __init__(
        self,
        deltas,
        weights,
        activations,
        function,
        out,
        codes,
        mlp_params,
        mlp_sizes,
        hidden,
        output,
        scale,
        slopes=None,
        centre=None,
    ):
        fits = fits_layers(len(mlp_params), mlp_sizes)
        if not fits or mlp_sizes[0] != len(codes) or mlp_sizes[-1] != 1:
            raise ValueError("the MLP does not fit the inputs")
        if centre is not None and (centre.shape != (len(codes),) or centre.dtype != weights.dtype):
            raise ValueError("the centre does not fit the inputs")
        self._centre = centre
        batch, (units, following) = len(deltas), weights.shape
        mlp_params = readable(mlp_params)
        arrays = (deltas, weights, activations, out, mlp_params)
        if slopes is None:
            check_slopes_are_told(function)
        shapes = [a.shape for a in arrays[:4]]
        known = (*arrays, activations if slopes is None else slopes)
        alike = are_readable(known, weights.dtype) and are_writable([out], weights.dtype)
        alike &= known[-1].shape == (batch, units)
        if not alike or shapes != [
            (batch, following),
            (units, following),
            (batch, units),
            (batch, units),
        ]:
            raise ValueError("deltas, weights, activations, out and the MLP do not fit together")
        self._arrays, self._slopes = (deltas, weights, activations, out), slopes
        self._function, self._codes, self._scale = function, codes, scale
        self._layers = list(
            zip(weight_views(mlp_params, mlp_sizes), bias_views(mlp_params, mlp_sizes), strict=True)
        )
        self._functions = [hidden] * (len(self._layers) - 1) + [output]

    @np.errstate(all="ignore")
    def send_back(self, n):
        """Write the deltas of the first n patterns."""
        deltas, weights, activations, out = (
            a if i == 1 else a[:n] for i, a in enumerate(self._arrays)
        )
        delta_rms, weight_rms = _rms(deltas), _rms(weights)
        if not delta_rms * weight_rms:
            out[...] = 0
            return
        slope = (
            DERIVATIVES[self._function](activations) if self._slopes is None else self._slopes[:n]
        )
        known = {
            "delta": (deltas / delta_rms)[:, None, :],
            "weight": (weights / weight_rms)[None, :, :],
            "derivative": slope[:, :, None],
        }
        shape = (*activations.shape, deltas.shape[1])
        inputs = [np.broadcast_to(known[NEURON_INPUTS[code]], shape) for code in self._codes]
        x = np.stack(inputs, axis=-1).reshape(-1, len(inputs))
        if self._centre is not None:
            x = x - self._centre
        for (w, b), function in zip(self._layers, self._functions, strict=True):
            x = ACTIVATIONS[function](x @ w + b)
        unit = deltas[:, None, :] * weights[None, :, :]
        out[...] = self._scale * (unit * x.reshape(shape)).sum(axis=2)


def check_slopes_are_told(function: str) -> None:
    """Raise ValueError for a function whose derivative its value does not tell."""
    if function not in DERIVATIVES:
        raise ValueError(
            f"the derivative of {function!r} is not told by its value: slopes are needed."
        )


def _rms(values) -> float:
    return float(np.sqrt(np.mean(values.astype(float) ** 2)))

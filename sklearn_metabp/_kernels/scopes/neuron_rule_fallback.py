"""The kernel of the neuron scope in NumPy, written as the equations read."""

import numpy as np

from sklearn_metabp._kernels.arrays import are_readable, are_writable, readable
from sklearn_metabp._kernels.functions import ACTIVATIONS
from sklearn_metabp._kernels.scopes.small_mlp import SmallMLP

__all__ = ["NEURON_INPUTS", "NeuronRule"]

NEURON_INPUTS = ("delta", "weight", "derivative")


class NeuronRule:
    """Deltas that a layer sends back to the one before: delta_i = c sum_h delta_h w_hi MLP(z).

    Each link carries a message. ``codes`` choose its inputs z among delta_h in root mean squares of
    the layer's deltas, w_hi in root mean squares of its matrix, and f'(in_i). The constant c is
    ``scale``.

    Parameters
    ----------
    deltas : ndarray of shape (max_batch, n_next)
        Deltas of the layer; read.
    weights : ndarray of shape (n_neurons, n_next)
        Weights into the layer; read.
    activations : ndarray of shape (max_batch, n_neurons)
        Activations of the layer before; read.
    function : str
        Activation function of the layer before.
    out : ndarray of shape (max_batch, n_neurons)
        Deltas of the layer before; written.
    codes : ndarray of int64
        Inputs, as positions in ``NEURON_INPUTS``.
    mlp_params, mlp_sizes, hidden, output
        As in ``LinkRule``.
    scale : float
    slopes : ndarray of shape (max_batch, n_neurons), default=None
        f'(in) of the layer before, needed where x does not determine it; see ``Backprop``.
    centre : ndarray of shape (n_inputs,), default=None
        Subtracted from the MLP's inputs.
    """

    def __init__(
        self,
        deltas: np.ndarray,
        weights: np.ndarray,
        activations: np.ndarray,
        function: str,
        out: np.ndarray,
        codes: np.ndarray,
        mlp_params: np.ndarray,
        mlp_sizes: np.ndarray,
        hidden: str,
        output: str,
        scale: float,
        slopes: np.ndarray | None = None,
        centre: np.ndarray | None = None,
    ) -> None:
        self._mlp, self._codes = check_neuron_arguments(
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
            slopes,
            centre,
        )
        self._arrays, self._slopes = (deltas, weights, activations, out), slopes
        self._function, self._scale = function, scale

    @np.errstate(all="ignore")
    def send_back(self, n: int) -> None:
        """Write the deltas of the first n patterns."""
        deltas, weights, activations, out = (
            a if i == 1 else a[:n] for i, a in enumerate(self._arrays)
        )
        delta_rms, weight_rms = _rms(deltas), _rms(weights)
        if not delta_rms * weight_rms:
            out[...] = 0
            return
        slope = (
            ACTIVATIONS[self._function].derivative(activations)
            if self._slopes is None
            else self._slopes[:n]
        )
        known = {
            "delta": (deltas / delta_rms)[:, None, :],
            "weight": (weights / weight_rms)[None, :, :],
            "derivative": slope[:, :, None],
        }
        shape = (*activations.shape, deltas.shape[1])
        inputs = [np.broadcast_to(known[NEURON_INPUTS[code]], shape) for code in self._codes]
        x = np.stack(inputs, axis=-1).reshape(-1, len(inputs))
        messages = self._mlp.predict(x).reshape(shape)
        normalizers = deltas[:, None, :] * weights[None, :, :]
        out[...] = self._scale * (normalizers * messages).sum(axis=2)


def check_neuron_arguments(
    deltas: np.ndarray,
    weights: np.ndarray,
    activations: np.ndarray,
    function: str,
    out: np.ndarray,
    codes: np.ndarray,
    mlp_params: np.ndarray,
    mlp_sizes: np.ndarray,
    hidden: str,
    output: str,
    slopes: np.ndarray | None,
    centre: np.ndarray | None,
) -> tuple[SmallMLP, np.ndarray]:
    """Return the MLP and the codes, or raise ValueError if the arguments do not fit together."""
    if not all(0 <= code < len(NEURON_INPUTS) for code in codes):
        raise ValueError("the MLP does not fit the inputs: codes are positions in NEURON_INPUTS")
    dtype = weights.dtype
    mlp = SmallMLP(len(codes), dtype, mlp_params, mlp_sizes, hidden, output, centre)
    if slopes is None:
        check_needs_no_slopes(function)
    batch, (neurons, following) = len(deltas), weights.shape
    wanted = [(batch, following), (neurons, following), (batch, neurons), (batch, neurons)]
    arrays = [deltas, weights, activations, out]
    if slopes is not None:
        arrays.append(slopes)
        wanted.append((batch, neurons))
    fits = are_readable(arrays, dtype) and are_writable([out], dtype)
    if not fits or [array.shape for array in arrays] != wanted:
        raise ValueError("deltas, weights, activations, out and the MLP do not fit together")
    return mlp, readable(codes, np.int64)


def check_needs_no_slopes(function: str) -> None:
    """Raise ValueError for a function whose value does not determine its derivative."""
    if ACTIVATIONS[function].needs_net_inputs:
        raise ValueError(
            f"the derivative of {function!r} is not told by its value: slopes are needed."
        )


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values.astype(float) ** 2)))

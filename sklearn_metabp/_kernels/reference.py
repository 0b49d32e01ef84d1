"""The kernels in NumPy, written as the equations read.

What the compiled modules compute, tests hold to what stands here; where no compiler was at hand
when the package was installed, this is what runs. Arrays are flat and of one dtype, float32 or
float64. Symbols are those of Jakša and Katrák (2006): ``x`` activations, ``in`` net inputs,
``delta`` minus the derivative of the loss by the net input.
"""

from itertools import pairwise

import numpy as np
from scipy.special import logsumexp

from sklearn_metabp._kernels.functions import ACTIVATIONS, DERIVATIVES, FLOATS, bias_views, weight_views
from sklearn_metabp._kernels.reference_learned import (
    BLOCK,
    LINK_INPUTS,
    NEURON_INPUTS,
    LinkRule,
    NeuronRule,
    PatternRule,
    link_inputs,
)

__all__ = [
    "ACTIVATIONS",
    "BLOCK",
    "DERIVATIVES",
    "LINK_INPUTS",
    "NEURON_INPUTS",
    "Backprop",
    "LinkRule",
    "NeuronRule",
    "PatternRule",
    "link_inputs",
]


def check_backprop_arguments(layer_sizes, activation, out_activation, loss, params, gradients, max_batch):
    """Raise ValueError unless the arrays fit the layers and the loss fits the output activation."""
    if activation not in DERIVATIVES or out_activation not in ACTIVATIONS:
        raise ValueError(f"unknown activation function: {activation!r} or {out_activation!r}.")
    if loss not in ("squared_error", "log_loss"):
        raise ValueError(f"unknown loss: {loss!r}.")
    if len(layer_sizes) < 2 or min(layer_sizes) < 1 or max_batch < 1:
        raise ValueError(
            f"two layers or more of one unit or more and batches of one row or more are needed; got "
            f"{layer_sizes}, max_batch={max_batch}."
        )
    n_params = sum((a + 1) * b for a, b in pairwise(layer_sizes))
    for name, array in (("params", params), ("gradients", gradients)):
        alike = array.dtype in FLOATS and array.dtype == params.dtype and array.flags.c_contiguous
        if array.shape != (n_params,) or not alike:
            raise ValueError(
                f"{name} must hold {n_params} contiguous values of float32 or float64, all arrays alike, for "
                f"layers {layer_sizes}; got shape {array.shape}, dtype {array.dtype}."
            )
    if loss == "log_loss" and out_activation not in ("logistic", "softmax"):
        raise ValueError(
            f"loss='log_loss' needs probabilities: out_activation must be 'logistic' or 'softmax', got "
            f"{out_activation!r}."
        )


def check_rows(layer_sizes, dtype, X, targets, sample_weight, order):
    """Raise ValueError unless what batches are drawn from fits the layers."""
    n = len(X)
    shapes = {
        "X": (X, (n, layer_sizes[0])),
        "targets": (targets, (n, layer_sizes[-1])),
        "sample_weight": (sample_weight, (n,)),
    }
    for name, (array, shape) in shapes.items():
        fits = array is None or (array.shape == shape and array.dtype == dtype and array.flags.c_contiguous)
        if not fits:
            raise ValueError(
                f"{name} must be C-contiguous of shape {shape}, dtype {dtype}; got shape {array.shape}, "
                f"dtype {array.dtype}."
            )
    if order is None:
        return
    if order.dtype != np.intp or order.ndim != 1 or not order.flags.c_contiguous or len(order) != n:
        raise ValueError(f"order must be flat, of {n} rows, of dtype {np.dtype(np.intp)}.")
    if n and (order.min() < 0 or order.max() >= n):
        raise ValueError(f"order must hold rows from 0 to {n - 1}.")


class Backprop:
    """Activations, deltas, gradients and loss of a minibatch.

    Rules (1) to (6) of Jakša and Katrák (2006), for batches: the loss of a batch is the (weighted)
    mean over its patterns plus ``alpha / 2 * sum(w**2)`` over the (weighted) number of patterns, the
    penalty of scikit-learn's MLP, and ``gradients`` is the gradient of exactly that.

    Parameters
    ----------
    layer_sizes : sequence of int
        Units of every layer, input and output included.
    activation : {"identity", "logistic", "tanh", "relu"}
        Activation function of the hidden layers.
    out_activation : {"identity", "logistic", "tanh", "relu", "softmax"}
        Activation function of the output layer.
    loss : {"squared_error", "log_loss"}
        Half the sum of squares over the outputs, rule (2); or minus the log-likelihood: of one
        class for softmax, of every output on its own for logistic units.
    params, gradients : ndarray of shape (n_params,)
        First every weight matrix in layer order, (fan_in, fan_out) row by row, then every bias
        vector. ``params`` is read, ``gradients`` written.
    max_batch : int
        Rows of the largest batch.
    alpha : float, default=0.0
        Strength of the L2 penalty.

    Attributes
    ----------
    activations : list of ndarray of shape (max_batch, n_units)
        x of every layer, input first; the first rows belong to the last batch.
    deltas : list of ndarray of shape (max_batch, n_units)
        delta of every layer after the input, times the pattern's sample weight.
    targets : ndarray of shape (max_batch, n_outputs)
        Of the last training batch.
    """

    def __init__(
        self, layer_sizes, activation, out_activation, loss, params, gradients, *, max_batch, alpha=0.0
    ):
        self.layer_sizes = tuple(int(size) for size in layer_sizes)
        check_backprop_arguments(
            self.layer_sizes, activation, out_activation, loss, params, gradients, max_batch
        )
        n_layers = len(self.layer_sizes) - 1
        self._functions = [activation] * (n_layers - 1) + [out_activation]
        self._loss = loss
        self.params = params
        self.gradients_ = gradients
        self.dtype = params.dtype
        self.alpha = alpha
        self.max_batch = max_batch
        self._weights = weight_views(params, self.layer_sizes)
        self._biases = bias_views(params, self.layer_sizes)
        self._weight_gradients = weight_views(gradients, self.layer_sizes)
        self._bias_gradients = bias_views(gradients, self.layer_sizes)
        self.activations = [np.zeros((max_batch, size), self.dtype) for size in self.layer_sizes]
        self.deltas = [np.zeros((max_batch, size), self.dtype) for size in self.layer_sizes[1:]]
        self.targets = np.zeros((max_batch, self.layer_sizes[-1]), self.dtype)

    def load(self, X, targets=None, sample_weight=None, order=None):
        """Name the rows that batches are drawn from: ``order[start:stop]``, or ``start:stop``.

        Training batches are copied into ``activations[0]`` and ``targets``; where a batch is all there is,
        and in prediction, those are the rows themselves.
        """
        check_rows(self.layer_sizes, self.dtype, X, targets, sample_weight, order)
        self._data, self._data_targets, self._data_weight, self._order = X, targets, sample_weight, order

    def _rows(self, start, stop):
        if start < 0 or stop > len(self._data) or stop - start > self.max_batch or start >= stop:
            raise IndexError(
                f"batch {start}:{stop} of {len(self._data)} rows, at most {self.max_batch} at once"
            )
        return slice(start, stop) if self._order is None else self._order[start:stop]

    @np.errstate(all="ignore")
    def forward(self, start, stop):
        """Rule (1): in_i = sum_j w_ij x_j + theta_i, x_i = f_i(in_i). Returns the last layer's in."""
        n = stop - start
        rows = self._rows(start, stop)
        self.activations[0][:n] = self._data[rows]
        if self._data_targets is not None:
            self.targets[:n] = self._data_targets[rows]
        for layer, function in enumerate(self._functions):
            net_inputs = self.activations[layer][:n] @ self._weights[layer] + self._biases[layer]
            self.activations[layer + 1][:n] = ACTIVATIONS[function](net_inputs)
        return net_inputs

    def gradients(self, start, stop, send_back=None):
        """Fill activations, deltas and gradients for a batch and return its loss.

        ``send_back(layer)``, where given, fills the deltas of a hidden layer in place of rule (6).
        """
        n = stop - start
        if self._data_targets is None:
            raise ValueError("gradients need targets: load them with X.")
        with np.errstate(all="ignore"):  # a training that diverges says so by a loss that is not finite
            net_outputs = self.forward(start, stop)
            rows = self._rows(start, stop)
            targets = self._data_targets[rows]
            sample_weight = np.ones(n, self.dtype)
            if self._data_weight is not None:
                sample_weight = self._data_weight[rows]
            total = sample_weight.sum(dtype=float) or 1.0
            outputs = self.activations[-1][:n]

            losses, deltas = _output_rules(self._loss, self._functions[-1], net_outputs, outputs, targets)
            loss = losses.astype(float) @ sample_weight / total
            self.deltas[-1][:n] = deltas * sample_weight[:, None]

            for layer in reversed(range(len(self._weights))):
                delta, x = self.deltas[layer][:n], self.activations[layer][:n]
                # Rule (3) without its learning rate: dJ/dw_ij = -delta_i x_j.
                self._weight_gradients[layer][...] = -(x.T @ delta) / total
                self._bias_gradients[layer][...] = -delta.sum(axis=0) / total
                if layer > 0 and send_back is not None:
                    send_back(layer - 1)
                elif layer > 0:
                    # Rule (6): delta_i = f'(in_i) sum_h delta_h w_hi.
                    slope = DERIVATIVES[self._functions[layer - 1]](x)
                    self.deltas[layer - 1][:n] = slope * (delta @ self._weights[layer].T)

            for weights, weight_gradients in zip(self._weights, self._weight_gradients, strict=True):
                loss += 0.5 * self.alpha * float((weights.astype(float) ** 2).sum()) / total
                weight_gradients += self.alpha / total * weights
        return float(loss)


def _output_rules(loss, function, net_outputs, outputs, targets):
    """Rules (2) and (5): the loss of every pattern and the output deltas."""
    if loss == "squared_error":
        error = targets - outputs
        if function == "softmax":
            deltas = outputs * (error - (error * outputs).sum(axis=1, keepdims=True))
        else:
            deltas = error * DERIVATIVES[function](outputs)
        return 0.5 * (error**2).sum(axis=1), deltas
    if function == "softmax":
        mass = targets.sum(axis=1)
        shifted = net_outputs - net_outputs.max(axis=1, keepdims=True)
        losses = mass * logsumexp(shifted, axis=1) - (targets * shifted).sum(axis=1)
        return losses, targets - mass[:, None] * outputs
    # -t log y - (1 - t) log(1 - y), written so that neither logarithm meets a zero.
    losses = np.maximum(net_outputs, 0) - targets * net_outputs + np.log1p(np.exp(-np.abs(net_outputs)))
    return losses.sum(axis=1), targets - outputs

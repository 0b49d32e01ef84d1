"""The kernels in NumPy, written as the equations read.

What the compiled modules compute, tests hold to what stands here; where no compiler was at hand
when the package was installed, this is what runs. Arrays are flat and of one dtype, float32 or
float64. Symbols are those of Jakša and Katrák (2006): ``x`` activations, ``in`` net inputs,
``delta`` minus the derivative of the loss by the net input.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy.special import expit, logsumexp, softmax

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))

ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda net: net,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda net: np.maximum(net, 0),
    "softmax": lambda net: softmax(net, axis=1),
}

# f'(in), written in terms of x = f(in).
DERIVATIVES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": np.ones_like,
    "logistic": lambda x: x * (1 - x),
    "tanh": lambda x: 1 - x**2,
    "relu": lambda x: (x > 0).astype(x.dtype),
}


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
        self._weights = _weight_views(params, self.layer_sizes)
        self._biases = _bias_views(params, self.layer_sizes)
        self._weight_gradients = _weight_views(gradients, self.layer_sizes)
        self._bias_gradients = _bias_views(gradients, self.layer_sizes)
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


def _weight_views(flat, layer_sizes) -> list[np.ndarray]:
    views, start = [], 0
    for fan_in, fan_out in pairwise(layer_sizes):
        views.append(flat[start : start + fan_in * fan_out].reshape(fan_in, fan_out))
        start += fan_in * fan_out
    return views


def _bias_views(flat, layer_sizes) -> list[np.ndarray]:
    views: list[np.ndarray] = []
    stop = len(flat)
    for fan_out in reversed(layer_sizes[1:]):
        views.insert(0, flat[stop - fan_out : stop])
        stop -= fan_out
    return views


# As in the compiled twins, numbers that overflow say so by what they are.
@np.errstate(all="ignore")
def sgd_step(gradients, updates, learning_rate):
    """Delta w = -gamma g: rule (3)."""
    updates[...] = -learning_rate * gradients


@np.errstate(all="ignore")
def momentum_step(gradients, velocity, updates, learning_rate, momentum, nesterov):
    """Momentum: v = mu v + g; Delta w = -gamma v, or with Nesterov's look ahead -gamma (g + mu v)."""
    velocity[...] = momentum * velocity + gradients
    updates[...] = -learning_rate * (gradients + momentum * velocity if nesterov else velocity)


@np.errstate(all="ignore")
def adam_step(gradients, mean, square, updates, learning_rate, beta_1, beta_2, epsilon, t):
    """Adam's step t = 1, 2, ... with bias-corrected moments."""
    mean[...] = beta_1 * mean + (1 - beta_1) * gradients
    square[...] = beta_2 * square + (1 - beta_2) * gradients**2
    mean_hat = mean / (1 - beta_1**t)
    square_hat = square / (1 - beta_2**t)
    updates[...] = -learning_rate * mean_hat / (np.sqrt(square_hat) + epsilon)


@np.errstate(all="ignore")
def apply_updates(params, updates):
    """Add the updates; return False if one was not finite."""
    params += updates
    return bool(np.isfinite(updates).all())


LINK_INPUTS = (
    "gradient/rms_0.9",
    "momentum_0.5/rms_0.9",
    "momentum_0.9/rms_0.9",
    "momentum_0.99/rms_0.9",
    "gradient/rms_0.999",
    "momentum_0.5/rms_0.999",
    "momentum_0.9/rms_0.999",
    "momentum_0.99/rms_0.999",
    "rms_0.9/rms_0.999",
    "weight",
    "activation",
    "delta",
    "is_bias",
    "is_output",
    "depth",
    "warmup_0.9",
    "warmup_0.99",
)

MOMENTUM_DECAYS = (0.5, 0.9, 0.99)
SQUARE_DECAYS = (0.9, 0.999)
BLOCK = 64


@np.errstate(all="ignore")
def link_inputs(gradients, params, history, t, sizes, codes, activations, deltas, epsilon, matrix):
    """Advance the history and write what is known at every link, one row a link, its unit last.

    With gradient g, ``m_d = d m_d + (1 - d) g`` and ``v_d = d v_d + (1 - d) g**2`` for the decays d
    of ``history``, both divided by ``1 - d**t``: ``momentum_d`` is m_d, ``rms_d`` is
    ``sqrt(v_d) + epsilon``, the unit of a link is ``rms_0.9``. A weight counts in root mean squares of
    its matrix; every quotient is clipped to +-10.

    Parameters
    ----------
    gradients, params : ndarray of shape (n_params,)
    history : ndarray of shape (5, n_params)
        m for the decays 0.5, 0.9 and 0.99, then v for 0.9 and 0.999; changed in place.
    t : int
        Number of the step, from 1.
    sizes : ndarray of int64
        Units of every layer.
    codes : ndarray of int64
        Which of ``LINK_INPUTS``, by position.
    activations, deltas : ndarray of shape (n_units,) or None
        Of the layers before, respectively after, each layer of weights, one layer after another.
    epsilon : float
    matrix : ndarray of shape (n_params, n_inputs + 1)
        Written.
    """
    for row, decay in enumerate(MOMENTUM_DECAYS):
        history[row] = decay * history[row] + (1 - decay) * gradients
    for row, decay in enumerate(SQUARE_DECAYS, start=len(MOMENTUM_DECAYS)):
        history[row] = decay * history[row] + (1 - decay) * gradients**2
    momenta = {
        f"momentum_{decay}": history[row] / (1 - decay**t) for row, decay in enumerate(MOMENTUM_DECAYS)
    }
    rms = {
        f"rms_{decay}": np.sqrt(history[row] / (1 - decay**t)) + epsilon
        for row, decay in enumerate(SQUARE_DECAYS, start=len(MOMENTUM_DECAYS))
    }
    known = {"gradient": gradients, **momenta, **rms}

    for column, code in enumerate(codes):
        name = LINK_INPUTS[code]
        if "/" in name:
            above, below = name.split("/")
            values = np.clip(known[above] / known[below], -10, 10)
        elif name.startswith("warmup_"):
            values = 1 - float(name.removeprefix("warmup_")) ** t
        else:
            values = _of_each_tensor(name, params, sizes, activations, deltas)
        matrix[:, column] = values
    matrix[:, -1] = rms["rms_0.9"]


def _of_each_tensor(name, params, sizes, activations, deltas):
    values = np.empty_like(params)
    n_layers = len(sizes) - 1
    tensors = zip(
        _weight_views(values, sizes) + _bias_views(values, sizes),
        _weight_views(params, sizes) + _bias_views(params, sizes),
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
            view[...] = np.clip(deltas[sum(sizes[1 : layer + 1]) : sum(sizes[1 : layer + 2])], -10, 10)
    return values


class LinkRule:
    """The update of every link of one training: ``scale * unit**homogeneity * MLP(inputs)``.

    A link that never saw a gradient stays where it is.

    Parameters
    ----------
    gradients, params : ndarray of shape (n_params,)
        Read at every step.
    history : ndarray of shape (5, n_params)
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
    homogeneity : {0, 1}
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
        homogeneity,
    ):
        n = sum((a + 1) * b for a, b in pairwise(sizes))
        if not len(gradients) == len(params) == n or history.shape != (5, n):
            raise ValueError(f"gradients, params and history must hold {n} links")
        n_mlp = sum((a + 1) * b for a, b in pairwise(mlp_sizes))
        arrays = (gradients, params, history, mlp_params, updates)
        alike = params.dtype in FLOATS and all(
            a.dtype == params.dtype and a.flags.c_contiguous for a in arrays
        )
        fits = mlp_sizes[0] == len(codes) and mlp_sizes[-1] == 1 and len(mlp_params) == n_mlp
        if not alike or not fits or len(updates) != n:
            raise ValueError("the MLP, the arrays and the updates do not fit together")
        names = [LINK_INPUTS[code] for code in codes]
        self._n_in = sum(sizes[:-1]) if "activation" in names else 0
        self._n_out = sum(sizes[1:]) if "delta" in names else 0
        self._known = gradients, params, history
        self._link = sizes, codes, epsilon
        self._updates, self._scale, self._homogeneity = updates, scale, homogeneity
        self._layers = list(
            zip(_weight_views(mlp_params, mlp_sizes), _bias_views(mlp_params, mlp_sizes), strict=True)
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
        matrix = np.empty((len(params), len(codes) + 1), params.dtype)
        link_inputs(gradients, params, history, t, sizes, codes, activations, deltas, epsilon, matrix)
        x, unit = matrix[:, :-1], matrix[:, -1]
        for (weights, biases), function in zip(self._layers, self._functions, strict=True):
            x = ACTIVATIONS[function](x @ weights + biases)
        moved = self._scale * x[:, 0] * unit**self._homogeneity
        self._updates[...] = np.where(history[4] == 0, 0, moved)


class NeuronRule:
    """What the neurons of one layer send back to the one before: delta_i = c sum_h delta_h w_hi MLP(z).

    A message per link, with z, as far as ``codes`` ask for it, delta_h in root mean squares of the layer's
    deltas, w_hi in root mean squares of its matrix, and f'(in_i); c is ``scale``.

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
    ):
        n_mlp = sum((a + 1) * b for a, b in pairwise(mlp_sizes))
        if mlp_sizes[0] != len(codes) or mlp_sizes[-1] != 1 or len(mlp_params) != n_mlp:
            raise ValueError("the MLP does not fit the inputs")
        batch, (units, following) = len(deltas), weights.shape
        arrays = (deltas, weights, activations, out, mlp_params)
        shapes = [a.shape for a in arrays[:4]]
        alike = all(a.dtype == weights.dtype and a.flags.c_contiguous for a in arrays)
        if not alike or shapes != [(batch, following), (units, following), (batch, units), (batch, units)]:
            raise ValueError("deltas, weights, activations, out and the MLP do not fit together")
        self._arrays = deltas, weights, activations, out
        self._function, self._codes, self._scale = function, codes, scale
        self._layers = list(
            zip(_weight_views(mlp_params, mlp_sizes), _bias_views(mlp_params, mlp_sizes), strict=True)
        )
        self._functions = [hidden] * (len(self._layers) - 1) + [output]

    @np.errstate(all="ignore")
    def send_back(self, n):
        """Write the deltas of the first n patterns."""
        deltas, weights, activations, out = (a if i == 1 else a[:n] for i, a in enumerate(self._arrays))
        delta_rms, weight_rms = _rms(deltas), _rms(weights)
        if not delta_rms * weight_rms:
            out[...] = 0
            return
        known = {
            "delta": (deltas / delta_rms)[:, None, :],
            "weight": (weights / weight_rms)[None, :, :],
            "derivative": DERIVATIVES[self._function](activations)[:, :, None],
        }
        shape = (*activations.shape, deltas.shape[1])
        inputs = [np.broadcast_to(known[NEURON_INPUTS[code]], shape) for code in self._codes]
        x = np.stack(inputs, axis=-1).reshape(-1, len(inputs))
        for (w, b), function in zip(self._layers, self._functions, strict=True):
            x = ACTIVATIONS[function](x @ w + b)
        unit = deltas[:, None, :] * weights[None, :, :]
        out[...] = self._scale * (unit * x.reshape(shape)).sum(axis=2)


NEURON_INPUTS = ("delta", "weight", "derivative")


def _rms(values) -> float:
    return float(np.sqrt(np.mean(values.astype(float) ** 2)))


class PatternRule:
    """All updates of a network from what is known of each pattern: the mean over the batch of MLP(row).

    Parameters
    ----------
    sources : list of ndarray
        What a row is made of, side by side: of shape (max_batch, width) what each pattern has of its
        own, of shape (width,) what they share. Read at every step.
    mlp : Backprop
        The MLP, loaded with ``matrix``.
    matrix : ndarray of shape (max_batch, n_columns)
        Written at every step.
    updates : ndarray of shape (n_params,)
        Written at every step.
    """

    def __init__(self, sources, mlp, matrix, updates):
        batch, columns = matrix.shape
        outputs = mlp.activations[-1]
        fits = sum(a.shape[-1] for a in sources) == columns and outputs.shape[1] == len(updates)
        if not fits or any(a.ndim == 2 and len(a) < batch for a in (*sources, outputs)):
            raise ValueError("sources, MLP, matrix and updates do not fit together")
        self._sources, self._mlp, self._matrix, self._updates = sources, mlp, matrix, updates

    def update(self, n):
        """Write the mean prediction over the first n patterns."""
        rows = [a[:n] if a.ndim == 2 else np.broadcast_to(a, (n, len(a))) for a in self._sources]
        self._matrix[:n] = np.hstack(rows)
        self._mlp.forward(0, n)
        self._updates[...] = self._mlp.activations[-1][:n].mean(axis=0)

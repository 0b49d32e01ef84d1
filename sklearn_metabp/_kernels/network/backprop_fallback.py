"""Forward and backward pass in NumPy, written as the equations read.

This runs where there was no compiler when the package was installed, and tests hold the compiled
kernel to it. Arrays are flat and of one dtype, float32 or float64. Symbols are those of Jakša and
Katrák (2006): ``x`` activations, ``in`` net inputs, ``delta`` minus the derivative of the loss by
the net input.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.sparse import issparse

from sklearn_metabp._kernels.arrays import are_readable, are_writable
from sklearn_metabp._kernels.flat import bias_views, weight_views
from sklearn_metabp._kernels.functions import (
    ACTIVATIONS,
    INPUT_GRADIENT_NORMS,
    check_functions,
    check_input_gradient,
    output_delta_changes,
    output_rules,
    softmax_of_groups,
)
from sklearn_metabp._kernels.network.csr_rows import CSRRows, take_csr
from sklearn_metabp._kernels.network.dropout_fallback import dropout_factors
from sklearn_metabp._kernels.network.epoch_loop_fallback import EpochLoop
from sklearn_metabp._kernels.network.input_gradient_fallback import input_gradient_passes
from sklearn_metabp._kernels.network.input_layer import (
    InputLayer,
    check_input_layer,
    check_rows_of_input_layer,
    first_width,
)
from sklearn_metabp._kernels.network.noise_fallback import normal_numbers
from sklearn_metabp._kernels.network.rows import Rows, check_rows, take_rows

__all__ = ["Backprop", "instruction_set", "instruction_sets", "use_instruction_set"]


def instruction_sets() -> list[str]:
    """Return the names of the instruction sets that products can use here, the best first."""
    return ["blas"]


def instruction_set() -> str:
    """Return the name of the instruction set of the kernels that are made from now on."""
    return "blas"


def use_instruction_set(name: str) -> None:
    """Choose the instruction set of the kernels that are made from now on.

    Parameters
    ----------
    name : {"avx512", "avx2", "neon", "blas"}
        "blas" computes products by BLAS.

    Raises
    ------
    ValueError
        If the processor or this build has no such set.
    """
    if name not in instruction_sets():
        raise ValueError(f"instruction set {name!r}: there is {', '.join(instruction_sets())}.")


def check_backprop_arguments(
    layer_sizes: Sequence[int],
    activations: Sequence[str],
    out_activation: str,
    loss: str,
    params: np.ndarray,
    gradients: np.ndarray | None,
    max_batch: int,
    out_groups: Sequence[int] | None,
    n_extras: int,
) -> None:
    """Raise ValueError unless the arrays fit the layers and the functions go together.

    ``n_extras`` is the number of parameters beside weights and biases.
    """
    if len(layer_sizes) < 2 or min(layer_sizes) < 1 or max_batch < 1:
        raise ValueError(
            f"two layers or more of one neuron or more and batches of one row or more are needed; "
            f"got {layer_sizes}, max_batch={max_batch}."
        )
    n_params = sum((a + 1) * b for a, b in pairwise(layer_sizes)) + n_extras
    for name, array, fits in (
        ("params", params, are_readable),
        ("gradients", gradients, are_writable),
    ):
        if array is not None and (array.shape != (n_params,) or not fits([array], params.dtype)):
            raise ValueError(
                f"{name} must hold {n_params} contiguous, aligned values of float32 or float64, "
                f"all arrays alike, for layers {layer_sizes}; got shape {array.shape}, dtype "
                f"{array.dtype}, flags {' '.join(str(array.flags).split())}."
            )
    check_functions(
        activations, out_activation, loss, len(layer_sizes) - 1, layer_sizes[-1], out_groups
    )


def check_dropout(dropout: float, dropout_key: int | None, n_steps: int) -> None:
    """Raise ValueError unless masks can be drawn."""
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be at least 0 and below 1, got {dropout!r}.")
    for name, value in (("dropout_key", dropout_key), ("n_steps", n_steps)):
        if value is not None and not 0 <= value < 2**64:
            raise ValueError(f"{name} must be an integer of 64 bits without sign, got {value!r}.")


def check_noise(input_noise: float, noise_key: int | None) -> None:
    """Raise ValueError unless noise of the inputs can be drawn."""
    if not 0 <= input_noise < np.inf:
        raise ValueError(f"input_noise must be finite and at least 0, got {input_noise!r}.")
    if noise_key is not None and not 0 <= noise_key < 2**64:
        raise ValueError(f"noise_key must be an integer of 64 bits without sign, got {noise_key}.")


def check_noise_of(X: Any, adds_noise: bool) -> None:
    """Raise ValueError if noise would make a sparse X dense."""
    if adds_noise and issparse(X):
        raise ValueError("noise of the inputs needs a dense X: a sparse one has no zeros in it.")


def check_n_threads(n_threads: int) -> None:
    """Raise ValueError unless it is a number of threads."""
    if n_threads < 1:
        raise ValueError(f"n_threads must be 1 or more, got {n_threads!r}.")


def check_shares(dropout: np.ndarray) -> None:
    """Raise ValueError unless every hidden layer can drop its share of neurons."""
    if not ((dropout >= 0) & (dropout < 1)).all():
        raise ValueError(
            "the dropout of every hidden layer must be at least 0 and below 1, got "
            f"{dropout.tolist()}: an update rule wrote that to step.dropout."
        )


def mix_starts(
    parametric_layers: Sequence[int],
    dense_sizes: Sequence[int],
    n_before: int,
    input_gradient_penalty: float,
) -> tuple[tuple[int | None, ...], int]:
    """Return where each hidden layer has its factors in the flat vector, and the number of extras.

    Parameters
    ----------
    parametric_layers : sequence of int
        Numbers of the hidden layers that have factors, in their order.
    dense_sizes : sequence of int
        Columns that the first layer receives, and neurons of every layer.
    n_before : int
        Number of extras before the factors.
    input_gradient_penalty : float

    Returns
    -------
    starts : tuple of (int or None), one for each hidden layer
    n_extras : int

    Raises
    ------
    ValueError
        If a number is none of a hidden layer, or the input gradients are penalised.
    """
    n_hidden, layers = len(dense_sizes) - 2, list(parametric_layers)
    if sorted(set(layers)) != layers or not all(0 <= layer < n_hidden for layer in layers):
        raise ValueError(
            f"parametric_layers must be numbers of the {n_hidden} hidden layers, from 0 and in "
            f"their order; got {parametric_layers}."
        )
    if input_gradient_penalty > 0 and layers:
        raise ValueError(
            "the penalty of the input gradients has no gradient for a parametric activation: set "
            "input_gradient_penalty=0 or parametric_activation=False."
        )
    first = sum((a + 1) * b for a, b in pairwise(dense_sizes))
    starts: list[int | None] = [None] * n_hidden
    n_extras = n_before
    for layer in layers:
        starts[layer] = first + n_extras
        n_extras += dense_sizes[layer + 1]
    return tuple(starts), n_extras


def check_sends_back_by_rule_6(
    send_back: Any, input_gradient_penalty: float, mixes_outputs: bool
) -> None:
    """Raise ValueError if deltas that are not those of rule (6) would be needed as such."""
    if send_back is not None and mixes_outputs:
        raise ValueError(
            "the gradient of a parametric activation follows rule (6), and send_back replaces it: "
            "set parametric_activation=False."
        )
    if send_back is not None and input_gradient_penalty > 0:
        raise ValueError(
            "the penalty of the input gradients follows rule (6), and send_back replaces it: set "
            "input_gradient_penalty=0."
        )


class Backprop(EpochLoop):
    """Activations, deltas, gradients and loss of a minibatch.

    Rules (1) to (6) of Jakša and Katrák (2006), for batches: the loss of a batch is the (weighted)
    mean over its patterns plus ``alpha / 2 * sum(w**2)`` over the (weighted) number of patterns,
    the penalty of scikit-learn's MLP, and ``gradients`` is the gradient of exactly that. With
    ``input_gradient_penalty`` the loss of a pattern J_p is J_p plus this factor times the norm of
    dJ_p/dx (:func:`input_gradient_passes`).

    Parameters
    ----------
    layer_sizes : sequence of int
        Neurons of every layer, input and output included.
    activations : tuple of str
        Name in ``ACTIVATIONS`` of the activation function of every hidden layer.
    out_activation : str
        Name in ``ACTIVATIONS`` of the activation function of the output layer.
    loss : str
        Name in ``LOSSES``.
    params, gradients : ndarray of shape (n_params,)
        First every weight matrix in layer order, (fan_in, fan_out) row by row, then every bias
        vector, then the extras: all further parameters. ``params`` is read, ``gradients`` written,
        and both are aligned. ``gradients`` may be None for a kernel that only goes forward.
    max_batch : int
        Number of rows of the largest batch.
    alpha : float, default=0.0
        Strength of the L2 penalty.
    out_groups : tuple of int, default=None
        Widths of the groups of outputs that softmax is taken over; None is one group.
    dropout : float, default=0.0
        Probability at first that ``gradients`` drops the output of a hidden neuron; kept outputs
        are divided by ``1 - dropout``. The masks are :func:`dropout_factors` of key and step: no
        state.
    dropout_key : int, default=None
        An integer of 64 bits; None drops nothing, whatever ``dropout``.
    n_steps : int, default=0
        Number of steps taken before the first one.
    n_threads : int, default=1
        Number of threads that share the rows of large products. The compiled kernel has them, for
        products in tiles. The bits do not depend on it.
    input_noise : float, default=0.0
        Standard deviation of the noise that ``gradients`` adds to the inputs:
        :func:`normal_numbers` of key and step. X is then dense.
    noise_key : int, default=None
        An integer of 64 bits; None adds nothing, whatever ``input_noise``.
    input_gradient_penalty : float, default=0.0
        Strength of the penalty of the input gradients, at least 0. Symbol beta.
    input_gradient_norm : str, default="l2"
        Name in ``INPUT_GRADIENT_NORMS``.
    input_layer : InputLayer, default=None
        Scales and an embedding of the inputs. ``layer_sizes[0]`` is the number of columns of X, and
        the first weight matrix has ``input_layer.width`` rows. X is then dense, and the first
        extras are the arrays of the input layer.
    parametric_layers : sequence of int, default=()
        Numbers of the hidden layers with a parametric activation x = (1 - a) in + a f(in), from 0.
        Their factors a, one a neuron, are the last extras.

    Attributes
    ----------
    dropout : ndarray of float64 of shape (n_hidden_layers,)
        Probability for each hidden layer. It may be changed: every ``gradients`` reads it.
    n_steps : int
        Number of steps taken: every call of ``gradients`` is one.
    activations : list of ndarray of shape (max_batch, n_neurons)
        x of every layer, input first; the first rows belong to the last batch.
    received : ndarray of shape (max_batch, width)
        The rows that the first layer of neurons receives, after the input layer if there is one.
    layer_outputs, deltas : list of ndarray of shape (max_batch, n_neurons)
        x and delta of every layer after the input; delta times the pattern's sample weight. delta
        is that of rules (5) and (6), also where the input gradients are penalised.
    slopes : list of ndarray of shape (max_batch, n_neurons), or None
        f'(in) of every hidden layer where x does not determine it, as the last ``gradients`` found
        it, times the factor of dropout where there is one.
    targets : ndarray of shape (max_batch, n_outputs)
        Targets of the last training batch.
    """

    def __init__(
        self,
        layer_sizes: Sequence[int],
        activations: Sequence[str],
        out_activation: str,
        loss: str,
        params: np.ndarray,
        gradients: np.ndarray | None,
        *,
        max_batch: int,
        alpha: float = 0.0,
        out_groups: Sequence[int] | None = None,
        dropout: float = 0.0,
        dropout_key: int | None = None,
        n_steps: int = 0,
        n_threads: int = 1,
        input_noise: float = 0.0,
        noise_key: int | None = None,
        input_gradient_penalty: float = 0.0,
        input_gradient_norm: str = "l2",
        input_layer: InputLayer | None = None,
        parametric_layers: Sequence[int] = (),
    ) -> None:
        self.layer_sizes = tuple(int(size) for size in layer_sizes)
        check_input_layer(input_layer, self.layer_sizes[0], input_gradient_penalty)
        dense_sizes = first_width(self.layer_sizes, input_layer)
        n_before = 0 if input_layer is None else input_layer.n_params
        starts, n_extras = mix_starts(
            parametric_layers, dense_sizes, n_before, input_gradient_penalty
        )
        check_backprop_arguments(
            dense_sizes,
            activations,
            out_activation,
            loss,
            params,
            gradients,
            max_batch,
            out_groups,
            n_extras,
        )
        check_dropout(dropout, dropout_key, n_steps)
        check_noise(input_noise, noise_key)
        check_n_threads(n_threads)
        check_input_gradient(input_gradient_penalty, input_gradient_norm)
        self.input_gradient_penalty = input_gradient_penalty
        self._norm = INPUT_GRADIENT_NORMS[input_gradient_norm]
        self._mixes = [
            None if start is None else slice(start, start + width)
            for start, width in zip(starts, self.layer_sizes[1:-1], strict=True)
        ]
        self._gaps: list[Any] = [None] * len(starts)  # of the last training batch
        self.dropout = np.full(len(self.layer_sizes) - 2, dropout, np.float64)
        self._dropout_key, self.n_steps = dropout_key or 0, n_steps
        self._drops = dropout_key is not None
        self.input_noise, self._noise_key = input_noise, noise_key or 0
        self._adds_noise = noise_key is not None and input_noise > 0
        self._functions = (*activations, out_activation)
        self._groups = out_groups or self.layer_sizes[-1:]
        self._loss = loss
        self.params = params
        self.gradients_ = gradients
        self.dtype = params.dtype
        self.alpha = alpha
        self.max_batch = max_batch
        self._weights = weight_views(params, dense_sizes)
        n_dense = len(params) - n_extras
        self._biases = bias_views(params[:n_dense], dense_sizes)
        if gradients is not None:
            self._weight_gradients = weight_views(gradients, dense_sizes)
            self._bias_gradients = bias_views(gradients[:n_dense], dense_sizes)
        of_inputs = slice(n_dense, n_dense + n_before)
        self.input_layer, self._input_params = input_layer, params[of_inputs]
        if gradients is not None:
            self._input_gradients = gradients[of_inputs]
        self._received = (
            None if input_layer is None else np.zeros((max_batch, dense_sizes[0]), self.dtype)
        )
        self._inputs: np.ndarray | None = None
        self._batch: Any = None
        self.layer_outputs = [
            np.zeros((max_batch, size), self.dtype) for size in self.layer_sizes[1:]
        ]
        self.deltas = [np.zeros((max_batch, size), self.dtype) for size in self.layer_sizes[1:]]
        self.slopes: list[Any] = [
            np.zeros((max_batch, size), self.dtype)
            if self._drops or ACTIVATIONS[function].needs_net_inputs or mix is not None
            else None
            for size, function, mix in zip(
                self.layer_sizes[1:-1], activations, self._mixes, strict=True
            )
        ]
        self._curvatures: list[Any] = [None] * len(activations)  # f'' of the batch, if penalised
        self.targets = np.zeros((max_batch, self.layer_sizes[-1]), self.dtype)

    @property
    def activations(self) -> list[Any]:
        """Activations of every layer, the input first; the batch of a sparse X is made dense."""
        self.fill_inputs()
        return [self._inputs, *self.layer_outputs]

    @property
    def received(self) -> Any:
        """The rows that the first layer of neurons receives, after the input layer if any."""
        return self.activations[0] if self._received is None else self._received

    def fill_targets(self) -> None:
        """Write the last batch's targets into ``targets``, which has them in this kernel."""

    def fill_inputs(self) -> None:
        """Write the last batch of a sparse X into ``activations[0]``; do nothing for a dense X."""
        if self._inputs is None:
            self._inputs = np.zeros((self.max_batch, self.layer_sizes[0]), self.dtype)
        if issparse(self._batch):
            self._inputs[: self._batch.shape[0]] = self._batch.toarray()

    def load(
        self,
        X: Any,
        targets: Any = None,
        sample_weight: np.ndarray | None = None,
        order: np.ndarray | None = None,
    ) -> None:
        """Take the rows that batches are drawn from: ``order[start:stop]``, or ``start:stop``.

        Training batches are copied into ``activations[0]`` and ``targets``. Where a batch has all
        rows and no noise, and in prediction, they are the rows themselves. X may be a CSR matrix:
        its zeros cost no time, except that the gradient is dense, and ``activations[0]`` is the
        batch made dense when it is read. Targets may be ``SparseTargets``, of which only the batch
        is made a matrix.

        The caller keeps the arrays and may change them. An array at an odd address is copied, and
        so are columns that are not int32. A batch whose order, columns or neurons are out of range
        by then raises ValueError.
        """
        check_noise_of(X, self._adds_noise)
        check_rows_of_input_layer(self.input_layer, X)
        self._loaded: Rows = check_rows(
            self.layer_sizes, self.dtype, X, targets, sample_weight, order
        )
        self._batch = X[:0]

    def _rows(self, start: int, stop: int) -> slice | np.ndarray:
        n = self._loaded.n
        if start < 0 or stop > n or stop - start > self.max_batch or start >= stop:
            raise IndexError(f"batch {start}:{stop} of {n} rows, at most {self.max_batch} at once")
        return take_rows(self._loaded, start, stop)

    @np.errstate(all="ignore")
    def forward(self, start: int, stop: int) -> None:
        """Fill the activations for a batch."""
        self._forward(start, stop)

    def _forward(self, start: int, stop: int, training: bool = False) -> np.ndarray:
        """Apply rule (1): in_i = sum_j w_ij x_j + theta_i, x_i = f_i(in_i); return the last in."""
        x = self._enter(start, stop)
        if training and self._adds_noise:
            z = normal_numbers(self._noise_key, self.n_steps, *x.shape)
            self._batch = x = (x + self.input_noise * z).astype(self.dtype)
            self.activations[0][: stop - start] = x
        if self.input_layer is not None:
            x = self.input_layer.embed(x, self._input_params)
            self.received[: stop - start] = x
        for layer, function in enumerate(self._functions):
            net_inputs = x @ self._weights[layer] + self._biases[layer]
            x = self._activate(layer, function, net_inputs, training)
            self.layer_outputs[layer][: stop - start] = x
        return net_inputs

    def _enter(self, start: int, stop: int) -> Any:
        """Return the rows of a batch; keep them, their targets and their weights."""
        taken = self._rows(start, stop)
        X, targets, sample_weight, _, _ = self._loaded
        if isinstance(X, CSRRows):
            self._batch = take_csr(X, taken, self.layer_sizes[0])
        else:
            self._batch = X[taken]
            self.activations[0][: stop - start] = self._batch
        if targets is not None:
            self.targets[: stop - start] = targets[taken]
        self._weight = (
            np.ones(stop - start, self.dtype) if sample_weight is None else sample_weight[taken]
        )
        return self._batch

    def _activate(
        self, layer: int, function: str, net_inputs: np.ndarray, training: bool
    ) -> np.ndarray:
        """Return f(in), in training after dropout; keep f'(in) where x does not determine it."""
        activation = ACTIVATIONS[function]
        if activation.sums_to_one:
            return softmax_of_groups(net_inputs, self._groups)
        x = activation.function(net_inputs)
        if layer == len(self.slopes):
            return x
        mix, factor = self._mixes[layer], None
        if mix is not None:
            factor, gaps = self.params[mix], x - net_inputs
            x = (1 - factor) * net_inputs + factor * x
        if not training:
            return x
        is_curved = self.input_gradient_penalty > 0 and activation.is_bent
        if is_curved:
            assert activation.curvature is not None
            self._curvatures[layer] = activation.curvature(net_inputs)
        if self.slopes[layer] is None:
            return x
        if factor is None:
            slope = activation.derivative(x, net_inputs)
        else:
            assert activation.slope is not None
            slope = (1 - factor) + factor * activation.slope(net_inputs)
        factors = self.dtype.type(1)
        share = float(self.dropout[layer])
        if self._drops and share > 0:
            factors = dropout_factors(
                self._dropout_key, self.n_steps, layer, len(x), x.shape[1], share, self.dtype
            )
        self.slopes[layer][: len(x)] = slope * factors
        if factor is not None:
            self._gaps[layer] = gaps * factors
        if is_curved:
            self._curvatures[layer] *= factors
        return x * factors

    def _slopes_of(self, layer: int, n: int) -> np.ndarray:
        """Return f'(in) of a hidden layer in the last training batch of n rows."""
        if self.slopes[layer] is not None:
            return self.slopes[layer][:n]
        return ACTIVATIONS[self._functions[layer]].derivative(self.layer_outputs[layer][:n])

    def _output_rules(self, start: int, stop: int, training: bool) -> tuple[float, float]:
        """Go forward and apply rules (2) and (5); return the summed loss and the summed weight."""
        n = stop - start
        self._net_outputs = net_outputs = self._forward(start, stop, training)
        outputs, targets, weight = self.layer_outputs[-1][:n], self.targets[:n], self._weight
        losses, deltas = output_rules(
            self._loss, self._functions[-1], net_outputs, outputs, targets, self._groups
        )
        self.deltas[-1][:n] = deltas * weight[:, None]
        return float(losses.astype(float) @ weight), weight.sum(dtype=float) or 1.0

    @np.errstate(all="ignore")
    def summed_loss(self, start: int, stop: int) -> float:
        """Return the sum of the losses of some rows times their sample weights.

        It has no penalty, and nothing is dropped.
        """
        self._rows(start, stop)
        if self._loaded.targets is None:
            raise ValueError("losses need targets: load them with X.")
        return self._output_rules(start, stop, training=False)[0]

    def gradients(
        self, start: int, stop: int, send_back: Callable[[int], Any] | None = None
    ) -> float:
        """Fill activations, deltas and gradients for a batch and return its loss.

        ``send_back(layer)``, where given, fills the deltas of a hidden layer in place of rule (6).
        """
        n = stop - start
        self._rows(start, stop)
        if self._loaded.targets is None:
            raise ValueError("gradients need targets: load them with X.")
        if self.gradients_ is None:
            raise ValueError("gradients need an array to be written to: make the kernel with one.")
        mixes_outputs = any(mix is not None for mix in self._mixes)
        check_sends_back_by_rule_6(send_back, self.input_gradient_penalty, mixes_outputs)
        if self._drops:
            check_shares(self.dropout)
        self.n_steps += 1
        with np.errstate(all="ignore"):  # a training that diverges has a loss that is not finite
            loss, total = self._output_rules(start, stop, training=True)
            loss /= total
            for layer in reversed(range(1, len(self._weights))):
                if send_back is not None:
                    send_back(layer - 1)
                else:
                    # Rule (6): delta_i = f'(in_i) sum_h delta_h w_hi.
                    sent = self.deltas[layer][:n] @ self._weights[layer].T
                    self.deltas[layer - 1][:n] = self._slopes_of(layer - 1, n) * sent
                    mix = self._mixes[layer - 1]
                    if mix is not None and self.gradients_ is not None:
                        # dJ/da_i = -(f(in_i) - in_i) sum_h delta_h w_hi.
                        self.gradients_[mix] = -(self._gaps[layer - 1] * sent).sum(axis=0) / total
            received = self._batch if self._received is None else self._received[:n]
            inputs = [received, *(x[:n] for x in self.layer_outputs[:-1])]
            deltas = [delta[:n] for delta in self.deltas]
            for layer, (x, delta) in enumerate(zip(inputs, deltas, strict=True)):
                # Rule (3) without its learning rate: dJ/dw_ij = -delta_i x_j.
                self._weight_gradients[layer][...] = -(x.T @ delta) / total
                self._bias_gradients[layer][...] = -delta.sum(axis=0) / total
            if self.input_layer is not None:
                sent = self.deltas[0][:n] @ self._weights[0].T  # rule (6) to what layer 0 receives
                self._input_gradients[...] = self.input_layer.gradients(
                    self._batch, sent, self._input_params, total
                )
            if self.input_gradient_penalty > 0:
                loss += self._penalise_input_gradients(inputs, deltas, total)
            for weights, weight_gradients in zip(
                self._weights, self._weight_gradients, strict=True
            ):
                loss += 0.5 * self.alpha * float((weights.astype(float) ** 2).sum()) / total
                weight_gradients += self.alpha / total * weights
        return float(loss)

    def _penalise_input_gradients(
        self, inputs: list[Any], deltas: list[np.ndarray], total: float
    ) -> float:
        """Add the gradient of the penalty of the last batch, and return the mean penalty."""
        n = len(deltas[0])
        outputs, targets = self.layer_outputs[-1][:n], self.targets[:n]
        passes = input_gradient_passes(
            self._norm,
            self.input_gradient_penalty,
            self._weights,
            deltas,
            [self._slopes_of(layer, n) for layer in range(len(self.slopes))],
            self._curvatures,
            self._weight,
            lambda changes: output_delta_changes(
                self._loss,
                self._functions[-1],
                self._net_outputs,
                outputs,
                targets,
                changes,
                self._groups,
            ),
        )
        layers = zip(inputs, deltas, passes.changes, passes.delta_changes, strict=True)
        for layer, (x, delta, c, delta_change) in enumerate(layers):
            self._weight_gradients[layer] -= (x.T @ delta_change + c.T @ delta) / total
            self._bias_gradients[layer] -= delta_change.sum(axis=0) / total
        return passes.penalty / total

"""Forward and backward pass through time in NumPy, written as the equations read.

This runs where there was no compiler when the package was installed, and tests hold the compiled
kernel to it. Symbols are those of Werbos (1990), "Backpropagation through time: what it does and
how to do it", in the words of this package: x inputs, s states, delta minus the derivative of the
loss by the net input.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sklearn_metabp._kernels.arrays import are_readable, are_writable
from sklearn_metabp._kernels.functions import (
    ACTIVATIONS,
    check_functions,
    output_rules,
    softmax_of_groups,
)
from sklearn_metabp._kernels.network.backprop_fallback import check_dropout, check_shares
from sklearn_metabp._kernels.network.dropout_fallback import dropout_factors
from sklearn_metabp._kernels.network.epoch_loop_fallback import EpochLoop
from sklearn_metabp._kernels.network.rows import Rows, check_rows, take_rows
from sklearn_metabp._kernels.recurrent.cells import CELLS, Cell
from sklearn_metabp._kernels.recurrent.patterns import Patterns
from sklearn_metabp._kernels.recurrent.sequences import Packing, check_sequences, lengths_of

__all__ = ["RecurrentBackprop"]

NO_SEND_BACK = (
    "errors of a recurrent layer come from the layer after it and from the next time step, and a "
    "rule that sends errors back knows the first alone: use another rule."
)


def check_recurrent_arguments(
    layer_sizes: Sequence[int],
    cell: str,
    activation: str,
    out_activation: str,
    loss: str,
    params: np.ndarray,
    gradients: np.ndarray | None,
    max_batch: int,
    out_groups: Sequence[int] | None,
    bptt_steps: int | None,
) -> None:
    """Raise ValueError unless the arrays fit the layers and the functions go together."""
    if cell not in CELLS:
        raise ValueError(f"cell must be one of {list(CELLS)}, got {cell!r}.")
    if len(layer_sizes) != 3 or min(layer_sizes) < 1 or max_batch < 1:
        raise ValueError(
            "three layers of one neuron or more and batches of one row or more are needed; got "
            f"{layer_sizes}, max_batch={max_batch}."
        )
    if bptt_steps is not None and bptt_steps < 1:
        raise ValueError(f"bptt_steps must be 1 or more, or None; got {bptt_steps!r}.")
    n_params = sum(rows * columns for rows, columns in tensor_shapes(layer_sizes, CELLS[cell]))
    for name, array, fits in (
        ("params", params, are_readable),
        ("gradients", gradients, are_writable),
    ):
        if array is not None and (array.shape != (n_params,) or not fits([array], params.dtype)):
            raise ValueError(
                f"{name} must hold {n_params} contiguous, aligned values of float32 or float64, "
                f"all arrays alike; got shape {array.shape}, dtype {array.dtype}."
            )
    check_functions((activation,), out_activation, loss, 2, layer_sizes[-1], out_groups)
    if not CELLS[cell].has_activation and activation != CELLS[cell].default_activation:
        raise ValueError(f"a cell {cell!r} has the activation {CELLS[cell].default_activation!r}.")


def tensor_shapes(layer_sizes: Sequence[int], cell: Cell) -> list[tuple[int, int]]:
    """Return the shapes of the matrices, then (1, n) for the bias vectors.

    The matrices are those of the inputs, of the states and of the outputs. A cell may have biases
    for the states; if it has none, their vector has no numbers.
    """
    n_inputs, n_states, n_outputs = layer_sizes
    width = cell.n_gates * n_states
    return [
        (n_inputs, width),
        (n_states, width),
        (n_states, n_outputs),
        (1, width),
        (1, width if cell.has_state_bias else 0),
        (1, n_outputs),
    ]


class RecurrentBackprop(EpochLoop):
    """Activations, deltas, gradients and loss of a minibatch of sequences.

    A recurrent layer and a layer of outputs. With the states s, which are 0 before the first time
    step, and a function f, a cell ``"elman"`` computes (Elman, 1990, "Finding structure in time")

        s(t) = f(W x(t) + R s(t-1) + theta).

    A cell ``"gru"`` computes, with ``*`` by elements (Cho et al., 2014, in the form of cuDNN, in
    which the reset gate r multiplies after the product)

        r = logistic(W_r x + theta_r + R_r s + phi_r)
        z = logistic(W_z x + theta_z + R_z s + phi_z)
        n = tanh(W_n x + theta_n + r * (R_n s + phi_n))
        s(t) = (1 - z) * n + z * s(t-1).

    The loss of a sequence is that of the output after its last time step, or the mean of those at
    all its time steps. The loss of a batch is the (weighted) mean over the sequences plus ``alpha /
    2 * sum(w**2)`` over the (weighted) number of sequences. ``gradients`` is the gradient of
    exactly that. The error goes back through time (Werbos, 1990, equations 12 to 16): to the state
    of a time step come the deltas of the output there, and those of the next time step.

    Parameters
    ----------
    layer_sizes : tuple of int
        Features of a time step, states, outputs.
    cell : str
        Name in ``CELLS``.
    activation : str
        Activation function of the states; that of a GRU is ``"tanh"``.
    out_activation, loss : str
    params, gradients : ndarray of shape (n_params,)
        The weights of the inputs, of the states and of the outputs, then the biases of the inputs,
        of the states (where the cell has them) and of the outputs.
    max_batch : int
        Number of sequences of the largest batch.
    every_step : bool, default=False
        True if there is an output at every time step, and not only after the last one.
    bptt_steps : int, default=None
        The sequences are cut into windows of so many time steps, counted from their ends. Errors do
        not go back from one window to the one before. None cuts nothing.
    alpha, out_groups, dropout, dropout_key, n_steps
        As in ``Backprop``. Dropout is between states and outputs, and not between time steps.

    Attributes
    ----------
    n_patterns : int
        Number of time steps of the last batch, without padding. They are packed; see ``Packing``.
    most_patterns : int
        Number of time steps of the longest batch that the loaded rows could give.
    outputs : ndarray of shape (n, n_outputs) or (n_patterns, n_outputs)
        Outputs of the last batch: one for every row, or one for every pattern.
    activations : list of ndarray
        Inputs and states before every time step, side by side; the states after it; the outputs.
        One row for every pattern; outputs are NaN where there are none.
    deltas : list of ndarray
        Deltas of the net inputs. A GRU has those of the inputs' product first, and then those of
        the states' product. Zero where there is no output.
    slopes : list of ndarray
        Derivatives of the cell's functions at its net inputs.
    dropout, n_steps, targets
        As in ``Backprop``.
    """

    def __init__(
        self,
        layer_sizes: Sequence[int],
        cell: str,
        activation: str,
        out_activation: str,
        loss: str,
        params: np.ndarray,
        gradients: np.ndarray | None,
        *,
        max_batch: int,
        every_step: bool = False,
        bptt_steps: int | None = None,
        alpha: float = 0.0,
        out_groups: Sequence[int] | None = None,
        dropout: float = 0.0,
        dropout_key: int | None = None,
        n_steps: int = 0,
    ) -> None:
        self.layer_sizes = tuple(int(size) for size in layer_sizes)
        check_recurrent_arguments(
            self.layer_sizes,
            cell,
            activation,
            out_activation,
            loss,
            params,
            gradients,
            max_batch,
            out_groups,
            bptt_steps,
        )
        check_dropout(dropout, dropout_key, n_steps)
        self._cell = CELLS[cell]
        self._activation, self._out_activation, self._loss = activation, out_activation, loss
        self._groups = out_groups or self.layer_sizes[-1:]
        self.params, self.gradients_, self.dtype = params, gradients, params.dtype
        self.alpha, self.max_batch = alpha, max_batch
        self.every_step, self.bptt_steps = every_step, bptt_steps
        self.dropout = np.full(1, dropout, np.float64)
        self._dropout_key, self._drops, self.n_steps = (
            dropout_key or 0,
            dropout_key is not None,
            n_steps,
        )
        self._weights = self._views(params)
        self._gradients = None if gradients is None else self._views(gradients)
        self.n_patterns = 0

    def _views(self, flat: np.ndarray) -> list[np.ndarray]:
        views, start = [], 0
        for rows, columns in tensor_shapes(self.layer_sizes, self._cell):
            views.append(flat[start : start + rows * columns].reshape(rows, columns))
            start += rows * columns
        return views

    def load(
        self,
        X: Any,
        targets: Any = None,
        sample_weight: np.ndarray | None = None,
        order: np.ndarray | None = None,
    ) -> None:
        """Take the rows that batches are drawn from: ``order[start:stop]``, or ``start:stop``.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_timesteps, n_features)
            Sequences that are shorter end with time steps of NaN.
        targets : ndarray or SparseTargets of shape (n_samples, n_outputs), default=None
            Or an array of shape (n_samples, n_timesteps, n_outputs). Those of padding have no
            meaning.
        sample_weight : ndarray of shape (n_samples,), default=None
        order : ndarray of intp of shape (n_samples,), default=None
        """
        n_features, _, n_outputs = self.layer_sizes
        check_sequences(n_features, n_outputs, self.every_step, self.dtype, X, targets)
        n, n_timesteps, _ = X.shape
        sizes = n_timesteps * n_features, n_outputs * (n_timesteps if self.every_step else 1)
        if self.every_step and targets is not None:
            targets = targets.reshape(n, -1)
        self._loaded: Rows = check_rows(
            sizes, self.dtype, X.reshape(n, -1), targets, sample_weight, order
        )
        self._lengths = lengths_of(X)
        self.n_patterns = 0
        self.most_patterns = int(np.sort(self._lengths)[::-1][: self.max_batch].sum())

    def _rows(self, start: int, stop: int) -> slice | np.ndarray:
        n = self._loaded.n
        if start < 0 or stop > n or stop - start > self.max_batch or start >= stop:
            raise IndexError(f"batch {start}:{stop} of {n} rows, at most {self.max_batch} at once")
        return take_rows(self._loaded, start, stop)

    @np.errstate(all="ignore")
    def forward(self, start: int, stop: int) -> None:
        """Fill the states and the outputs for a batch."""
        net_outputs = self._forward(start, stop, training=False)
        self.outputs = self._activate_outputs(net_outputs)
        self._out_deltas = np.zeros_like(self.outputs)

    def _activate_outputs(self, net_outputs: np.ndarray) -> np.ndarray:
        activation = ACTIVATIONS[self._out_activation]
        if activation.sums_to_one:
            return softmax_of_groups(net_outputs, self._groups)
        return activation.function(net_outputs)

    def _forward(self, start: int, stop: int, training: bool) -> np.ndarray:
        """Go through time; return the net inputs of the outputs."""
        taken = self._rows(start, stop)
        X, targets, sample_weight, _, _ = self._loaded
        n, n_states, dtype = stop - start, self.layer_sizes[1], self.dtype
        self._packing = packing = Packing.of(self._lengths[taken])
        rows, times = packing.rows, packing.times
        self.n_patterns = len(rows)
        weights = np.ones(n, dtype) if sample_weight is None else sample_weight[taken]
        self._total = weights.sum(dtype=float) or 1.0
        X = X[taken].reshape(n, -1, self.layer_sizes[0])
        self._inputs = X[rows, times]
        self._states_before = np.zeros((self.n_patterns, n_states), dtype)
        self._states = np.zeros((self.n_patterns, n_states), dtype)
        self._slopes = np.zeros((self.n_patterns, n_states), dtype)
        W, R, V, theta, phi, theta_out = self._weights
        self._of_inputs = self._inputs @ W + theta
        self._of_states = np.zeros_like(self._of_inputs)
        self._deltas_of_inputs = np.zeros_like(self._of_inputs)
        self._deltas_of_states = np.zeros_like(self._of_inputs)
        state = np.zeros((n, n_states), dtype)
        for t in range(len(packing.starts) - 1):
            at = slice(packing.starts[t], packing.starts[t + 1])
            before = state[: at.stop - at.start]
            self._states_before[at] = before
            self._of_states[at] = before @ R + (phi if self._cell.has_state_bias else 0)
            state = self._states[at] = STEPS[self._cell.name](self, at)
        if self.every_step:
            self._places = np.arange(self.n_patterns)
            self._weight = weights[rows] / self._lengths[taken][rows].astype(dtype)
            if targets is not None:
                targets = targets[taken].reshape(n, -1, self.layer_sizes[2])[rows, times]
        else:
            self._places, self._weight = packing.last, weights
            if targets is not None:
                targets = targets[taken]
        self._targets: np.ndarray | None = targets
        received = self._states[self._places]
        self._factors = np.ones_like(received)
        share = float(self.dropout[0])
        if training and self._drops and share > 0:
            self._factors = dropout_factors(
                self._dropout_key, self.n_steps, 0, len(received), n_states, share, dtype
            )
        self._received = received * self._factors
        return self._received @ V + theta_out

    def _output_rules(self, start: int, stop: int, training: bool) -> float:
        """Go forward and apply rules (2) and (5); return the weighted sum of the losses."""
        net_outputs = self._forward(start, stop, training)
        self.outputs = self._activate_outputs(net_outputs)
        assert self._targets is not None
        losses, deltas = output_rules(
            self._loss, self._out_activation, net_outputs, self.outputs, self._targets, self._groups
        )
        self._out_deltas = deltas * self._weight[:, None]
        return float(losses.astype(float) @ self._weight)

    @np.errstate(all="ignore")
    def summed_loss(self, start: int, stop: int) -> float:
        """Return the sum of the losses of some sequences times their sample weights.

        It has no penalty, and nothing is dropped.
        """
        self._rows(start, stop)
        if self._loaded.targets is None:
            raise ValueError("losses need targets: load them with X.")
        return self._output_rules(start, stop, training=False)

    def gradients(
        self, start: int, stop: int, send_back: Callable[[int], Any] | None = None
    ) -> float:
        """Fill activations, deltas and gradients for a batch and return its loss.

        Raises
        ------
        ValueError
            If the rule sends errors back.
        """
        self._rows(start, stop)
        if self._loaded.targets is None:
            raise ValueError("gradients need targets: load them with X.")
        if self._gradients is None:
            raise ValueError("gradients need an array to be written to: make the kernel with one.")
        if send_back is not None:
            raise ValueError(NO_SEND_BACK)
        if self._drops:
            check_shares(self.dropout)
        self.n_steps += 1
        with np.errstate(all="ignore"):
            loss = self._output_rules(start, stop, training=True) / self._total
            self._through_time()
            of_W, of_R, of_V, of_theta, of_phi, of_theta_out = self._gradients
            of_W[...] = self._inputs.T @ self._deltas_of_inputs
            of_R[...] = self._states_before.T @ self._deltas_of_states
            of_V[...] = self._received.T @ self._out_deltas
            of_theta[...] = self._deltas_of_inputs.sum(axis=0)
            if self._cell.has_state_bias:
                of_phi[...] = self._deltas_of_states.sum(axis=0)
            of_theta_out[...] = self._out_deltas.sum(axis=0)
            assert self.gradients_ is not None
            self.gradients_ *= self.dtype.type(-1 / self._total)
            for weights, gradients in zip(self._weights[:3], self._gradients[:3], strict=True):
                loss += 0.5 * self.alpha * float((weights.astype(float) ** 2).sum()) / self._total
                gradients += self.alpha / self._total * weights
        return float(loss)

    def _through_time(self) -> None:
        """Compute the deltas from the last time step to the first."""
        packing, R = self._packing, self._weights[1]
        n, n_states = len(packing.order), self.layer_sizes[1]
        of_outputs = np.zeros((self.n_patterns, n_states), self.dtype)
        of_outputs[self._places] = (self._out_deltas @ self._weights[2].T) * self._factors
        # minus the derivative of the loss by the states, sent back from the next time step
        sent = np.zeros((n, n_states), self.dtype)
        for t in reversed(range(len(packing.starts) - 1)):
            at = slice(packing.starts[t], packing.starts[t + 1])
            n_running = at.stop - at.start
            error = of_outputs[at] + sent[:n_running]
            direct = BACKWARD_STEPS[self._cell.name](self, at, error)
            sent[:n_running] = direct + self._deltas_of_states[at] @ R.T
            if self.bptt_steps is not None:
                sent[:n_running][(packing.lengths[:n_running] - t) % self.bptt_steps == 0] = 0

    def patterns(self) -> Patterns:
        """Return the values of every time step of the last batch."""
        has_slopes = ACTIVATIONS[self._activation].needs_net_inputs
        is_gated = not self._cell.has_activation
        return Patterns(
            self._cell,
            self._activation,
            self._inputs,
            self._states_before,
            self._states,
            self._of_inputs if is_gated else self._slopes if has_slopes else None,
            self._deltas_of_inputs,
            self._deltas_of_states,
            self.outputs,
            self._targets,
            self._out_deltas,
            self._places,
        )

    @property
    def activations(self) -> list[np.ndarray]:
        """Inputs with the states before, states, outputs; (n_patterns, n_neurons)."""
        return self.patterns().activations()

    @property
    def layer_outputs(self) -> list[np.ndarray]:
        """States and outputs of every pattern; outputs are NaN where there are none."""
        return self.patterns().layer_outputs()

    @property
    def deltas(self) -> list[np.ndarray]:
        """Deltas of the net inputs of every pattern."""
        return self.patterns().deltas()

    @property
    def slopes(self) -> list[np.ndarray]:
        """Derivatives of the cell's functions at the net inputs of every pattern."""
        return [self.patterns().derivatives()]

    @property
    def targets(self) -> np.ndarray:
        """Targets of every pattern, NaN where there are none."""
        return self.patterns().all_targets()


def _elman_step(kernel: RecurrentBackprop, at: slice) -> np.ndarray:
    activation = ACTIVATIONS[kernel._activation]
    net_inputs = kernel._of_inputs[at] + kernel._of_states[at]
    states = activation.function(net_inputs)
    kernel._slopes[at] = activation.derivative(states, net_inputs)
    return states


def _elman_backward(kernel: RecurrentBackprop, at: slice, error: np.ndarray) -> np.ndarray:
    deltas = error * kernel._slopes[at]
    kernel._deltas_of_inputs[at] = kernel._deltas_of_states[at] = deltas
    return np.zeros_like(error)


def _gates(values: np.ndarray) -> list[np.ndarray]:
    return np.split(values, 3, axis=1)


def _gru_step(kernel: RecurrentBackprop, at: slice) -> np.ndarray:
    logistic = ACTIVATIONS["logistic"].function
    r, z, n = _gates(kernel._of_inputs[at])
    r_of_states, z_of_states, n_of_states = _gates(kernel._of_states[at])
    r[...] = logistic(r + r_of_states)
    z[...] = logistic(z + z_of_states)
    n[...] = np.tanh(n + r * n_of_states)
    return (1 - z) * n + z * kernel._states_before[at]


def _gru_backward(kernel: RecurrentBackprop, at: slice, error: np.ndarray) -> np.ndarray:
    r, z, n = _gates(kernel._of_inputs[at])
    _, _, n_of_states = _gates(kernel._of_states[at])
    of_n = error * (1 - z) * (1 - n * n)
    of_z = error * (kernel._states_before[at] - n) * (z * (1 - z))
    of_r = of_n * n_of_states * (r * (1 - r))
    kernel._deltas_of_inputs[at] = np.hstack([of_r, of_z, of_n])
    kernel._deltas_of_states[at] = np.hstack([of_r, of_z, of_n * r])
    return error * z


# By the name of the cell.
STEPS = {"elman": _elman_step, "gru": _gru_step}
BACKWARD_STEPS = {"elman": _elman_backward, "gru": _gru_backward}

"""One step of a training, views of it, and the loss of its batch at other parameters."""

from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from sklearn_metabp._kernels.functions import ACTIVATIONS
from sklearn_metabp._kernels.network import Backprop
from sklearn_metabp._kernels.network.sparse_targets import SparseTargets
from sklearn_metabp._kernels.recurrent import lengths_of
from sklearn_metabp.network.base import BaseNetwork
from sklearn_metabp.network.step_report import ReportedStep


class TrainingRows(NamedTuple):
    """The rows that the batches of a training are drawn from, in the order that kernels load them.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features), C-contiguous, or CSR
        For a recurrent network, an array of shape (n_samples, n_timesteps, n_features).
    targets : ndarray of shape (n_samples, n_outputs), C-contiguous, of X's dtype, or SparseTargets
    sample_weight : ndarray of shape (n_samples,) of X's dtype, or None
    order : ndarray of shape (n_samples,) of intp, or None
        A batch has the rows ``order[start:stop]``. It is shuffled in place before every epoch. None
        if a batch has the rows ``start:stop``.
    """

    X: np.ndarray | csr_array
    targets: np.ndarray | SparseTargets
    sample_weight: np.ndarray | None
    order: np.ndarray | None

    @property
    def n_patterns(self) -> int:
        """Number of rows, or of time steps of all sequences without their padding."""
        return self.X.shape[0] if self.X.ndim == 2 else int(lengths_of(self.X).sum())

    def take(self, indices: np.ndarray) -> "TrainingRows":
        """Return a copy of some rows, in the order of the indices."""
        weight = self.sample_weight
        return TrainingRows(
            self.X[indices],
            self.targets[indices],
            None if weight is None else weight[indices],
            None,
        )


class BatchLoss:
    """Loss of a training's batches at other parameters.

    It has a second kernel over the rows of the training, with parameters and gradients of its own.
    This kernel has no dropout and adds no noise, also if the network has both.

    Parameters
    ----------
    network : BaseNetwork
    like : ndarray of shape (n_params,)
        Parameters, for their dtype.
    max_batch : int
        Rows of the largest batch.
    rows : TrainingRows
        The rows that batches are drawn from.
    """

    def __init__(
        self, network: BaseNetwork, like: np.ndarray, max_batch: int, rows: TrainingRows
    ) -> None:
        self._params, self._gradients = np.zeros_like(like), np.zeros_like(like)
        self._backprop = network.backprop(self._params, self._gradients, max_batch)
        self._backprop.load(*rows)

    def at(self, params: np.ndarray, start: int, stop: int) -> tuple[float, np.ndarray]:
        """Return the loss of a batch at some parameters, and a buffer with its gradients."""
        self._params[...] = params
        return self._backprop.gradients(start, stop), self._gradients


class Step(ReportedStep):
    """One minibatch: forward, backward, update.

    A training has one ``Step`` and refills it, so a callback copies the arrays that it keeps.
    Everything on it belongs to the weights *before* the update. Arrays are read-only views, except
    ``updates``, which the update rule may fill in place, and ``dropout`` under a rule that sets it.

    Attributes
    ----------
    index : int
        Number of this step in the training, from 1.
    n_planned : int
        Number of steps planned when the training began. A continued training may take more.
    steps_per_epoch : int
        Number of batches that an epoch has; 1 for a line search.
    epoch : int
        Number of the epoch, from 0.
    loss : float
        Loss of the batch, the penalty included. Symbol J.
    network : BaseNetwork
        Layers, activation functions and loss.
    layout : ParameterLayout
        Slices of the flat vectors.
    params : ndarray of shape (n_params,)
        Weights and biases before the step. Symbols w, θ.
    gradients : ndarray of shape (n_params,)
        Derivative of the batch's loss by every parameter.
    updates : ndarray of shape (n_params,)
        Change of the parameters that the rule makes. Symbols Δw, Δθ.
    backprop : Backprop
        Kernel whose buffers the arrays are views of, for rules that are bound to them once.
    dropout : ndarray of float64 of shape (n_hidden_layers,)
        Share of the outputs of every hidden layer that the forward pass of the *next* step drops.
        It begins as ``network.dropout`` everywhere. Only a rule with ``sets_dropout`` may write to
        it. Under a ``dropout_schedule``, all steps of an epoch have the same shares.
    rows : TrainingRows or None
        The rows that batches are drawn from. None for a recorded step.
    dropout_key : int or None
        Key of the masks of dropout of the training. None for no dropout.
    noise_key : int or None
        Key of the noise that the training adds to the inputs. None for no noise.
    """

    def __init__(
        self,
        network: BaseNetwork,
        params: np.ndarray,
        gradients: np.ndarray,
        updates: np.ndarray,
        backprop: Backprop,
        n_planned: int,
        *,
        sets_dropout: bool = False,
    ) -> None:
        self.network = network
        self.layout = network.layout
        self.params = read_only(params)
        self.gradients = read_only(gradients)
        self.updates = updates
        self.n_planned = n_planned
        self.steps_per_epoch = 1
        self.index = 0
        self.epoch = 0
        self.loss = np.nan
        self.start = 0
        self.stop = 0
        self.backprop = backprop
        self._dropout = backprop.dropout if sets_dropout else read_only(backprop.dropout)
        self.rows: TrainingRows | None = None
        self.dropout_key: int | None = None
        self.noise_key: int | None = None
        self._batch_loss: BatchLoss | None = None

    @property
    def dropout(self) -> np.ndarray:
        """Shares to drop of the outputs of the hidden layers, (n_hidden_layers,)."""
        return self._dropout

    @property
    def n_patterns(self) -> int:
        """Number of rows of the batch, or of all their time steps in a recurrent network."""
        return self.network.count_patterns(self.backprop, self.stop - self.start)

    @property
    def most_patterns(self) -> int:
        """Largest number of patterns of a batch of the training; that of this step if unknown."""
        return self.network.most_patterns(self.backprop, self.stop - self.start)

    @property
    def activations(self) -> list[np.ndarray]:
        """Outputs of every layer, the input first, (n_patterns, n_neurons). Symbol x: rule (1).

        The input has the noise of this step, if the network adds some.
        """
        return [read_only(layer[: self.n_patterns]) for layer in self.backprop.activations]

    @property
    def received(self) -> np.ndarray:
        """Rows that the first layer after the input receives, (n_patterns, fan_in).

        The inputs themselves, or the outputs of the scaling layer and the numeric embedding.
        """
        if self.network.input_layer is None:
            return self.activations[0]
        return read_only(self.backprop.received[: self.n_patterns])

    @property
    def outputs(self) -> np.ndarray:
        """Outputs of the last layer, (n_patterns, n_outputs)."""
        return read_only(self.backprop.layer_outputs[-1][: self.n_patterns])

    @property
    def targets(self) -> np.ndarray:
        """Expected outputs, (n_patterns, n_outputs). Symbol ev."""
        return read_only(self.backprop.targets[: self.n_patterns])

    @property
    def deltas(self) -> list[np.ndarray]:
        """Minus the loss derivative by the net input, (n_patterns, n_neurons): rules (5), (6).

        One array for every layer after the input. It is multiplied by the sample weights, if there
        are any.
        """
        return [read_only(layer[: self.n_patterns]) for layer in self.backprop.deltas]

    @property
    def net_inputs(self) -> list[np.ndarray]:
        """Arguments of the activation functions, (n_patterns, n_neurons). Symbol in: rule (1).

        One array for every layer after the input, computed on access.
        """
        return self.network.net_inputs(self.activations, self.params)

    @property
    def derivatives(self) -> list[np.ndarray]:
        """Derivative of the activation function at the net input, (n_patterns, n_neurons).

        One array for every layer after the input, computed on access. For softmax it is the
        diagonal.
        """
        return [self.derivatives_of(layer) for layer in range(len(self.layout.layer_sizes) - 1)]

    def derivatives_of(self, layer: int) -> np.ndarray:
        """Return the derivative of one layer's activation function, (n_patterns, n_neurons).

        Layer 0 is the first hidden one.
        """
        n, network = self.n_patterns, self.network
        if layer < len(network.activations):
            slopes = self.backprop.slopes[layer]
            if slopes is not None:
                return read_only(slopes[:n])
            function = network.activations[layer]
        else:
            function = network.out_activation
        return ACTIVATIONS[function].derivative(self.backprop.layer_outputs[layer][:n])

    @cached_property
    def coefs(self) -> list[np.ndarray]:
        """Weight matrices before the step, each (fan_in, fan_out)."""
        return self.layout.coefs(self.params)

    @cached_property
    def intercepts(self) -> list[np.ndarray]:
        """Bias vectors before the step, each (fan_out,)."""
        return self.layout.intercepts(self.params)

    def loss_and_gradients_at(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss of this step's batch at other parameters, and its gradient.

        It costs one more forward and backward pass, in buffers of its own.

        Parameters
        ----------
        params : ndarray of shape (n_params,)

        Returns
        -------
        loss : float
            The penalty included, without dropout and noise. It may be infinite or NaN.
        gradients : ndarray of shape (n_params,)
            A buffer that the next call fills again.

        Raises
        ------
        ValueError
            If the step was recorded, because it then has no rows.
        """
        if self.rows is None:
            raise ValueError(
                "this step was recorded, and only a step of a running training has a loss at other "
                "parameters."
            )
        if self._batch_loss is None:
            self._batch_loss = BatchLoss(
                self.network, self.params, self.backprop.max_batch, self.rows
            )
        return self._batch_loss.at(params, self.start, self.stop)


class StepView(Step):
    """A step with buffers of its own for some of its arrays.

    It is made once per training: for a rule inside another rule, for a teacher, or for callbacks
    that receive the step after the parameters have changed. All other arrays are those of the step.

    Parameters
    ----------
    step : Step
    *names : {"params", "gradients", "updates", "dropout"}
        Arrays that are replaced by buffers.
    dropout : ndarray of float64 of shape (n_hidden_layers,), default=None
        Array that replaces ``dropout``, such as that of another step.

    Attributes
    ----------
    buffers : dict of ndarray
        The buffers by name. They start at zero, and ``dropout`` at the dropout of the network.
    """

    def __init__(self, step: Step, *names: str, dropout: np.ndarray | None = None) -> None:
        self.__dict__.update(vars(step))
        self._step, self._batch_loss = step, None
        self.buffers = {name: np.zeros_like(getattr(step, name)) for name in names}
        if "params" in names:
            self.params = read_only(self.buffers["params"])
            for view in ("coefs", "intercepts"):  # of the other parameters
                self.__dict__.pop(view, None)
        if "gradients" in names:
            self.gradients = read_only(self.buffers["gradients"])
        if "updates" in names:
            self.updates = self.buffers["updates"]
        if "dropout" in names:
            self._dropout = self.buffers["dropout"]
            self._dropout[...] = self.network.dropout
        if dropout is not None:
            self._dropout = dropout

    def refresh(self) -> None:
        """Copy from the step the numbers that change from step to step."""
        step = self._step
        self.index, self.epoch, self.loss = step.index, step.epoch, step.loss
        self.start, self.stop = step.start, step.stop


class OtherStep(Step):
    """The step of a second training on the batches of a first one, from parameters of its own.

    It has a kernel of its own over the same rows, and the same masks of dropout and noise.

    Parameters
    ----------
    step : Step
        The step of the first training.
    params : ndarray of shape (n_params,)
        Parameters of the second training. The owner changes them in place.
    sets_dropout : bool, default=False
        True if the rule of the second training sets its dropout.
    """

    def __init__(self, step: Step, params: np.ndarray, *, sets_dropout: bool = False) -> None:
        gradients = np.zeros_like(params)
        backprop = step.network.backprop(
            params,
            gradients,
            step.backprop.max_batch,
            dropout_key=step.dropout_key,
            noise_key=step.noise_key,
        )
        assert step.rows is not None  # a recorded step has none
        backprop.load(*step.rows)
        super().__init__(
            step.network,
            params,
            gradients,
            np.zeros_like(params),
            backprop,
            step.n_planned,
            sets_dropout=sets_dropout,
        )
        self.rows, self.steps_per_epoch = step.rows, step.steps_per_epoch
        self.dropout_key, self.noise_key = step.dropout_key, step.noise_key
        self._step = step

    def fill(self) -> None:
        """Go forward and backward over the batch of the first training's step."""
        step = self._step
        self.index, self.epoch = step.index, step.epoch
        self.start, self.stop = step.start, step.stop
        self.backprop.n_steps = step.backprop.n_steps - 1  # masks and noise of the same step
        if self.network.dropout_schedule != "constant":  # then no rule sets the shares
            self.backprop.dropout[...] = step.backprop.dropout
        self.loss = self.backprop.gradients(step.start, step.stop)


def read_only(array: np.ndarray) -> np.ndarray:
    """Return a view of an array that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view

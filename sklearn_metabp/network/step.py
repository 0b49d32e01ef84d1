"""What one step of a training knows."""

from functools import cached_property

import numpy as np

from sklearn_metabp._kernels.functions import DERIVATIVES
from sklearn_metabp.network.network import Network
from sklearn_metabp.network.trial import Trial


class Step:
    """One minibatch: forward, backward, update.

    A training has one ``Step`` and refills it: what a callback wants to keep it copies. All of it
    belongs to the weights *before* the update. Arrays are views, to be read only, except
    ``updates``, which the update rule may fill in place.

    Attributes
    ----------
    index : int
        Number of this step in the training, from 1.
    n_planned : int
        Steps that were planned when the training began. One that goes on may take more.
    epoch : int
        Number of the epoch, from 0.
    loss : float
        Loss of the batch, the penalty included. Symbol J.
    network : Network
        Layers, activation functions and loss.
    layout : ParameterLayout
        Which slice of a flat vector is what.
    params : ndarray of shape (n_params,)
        Weights and biases before the step. Symbols w, θ.
    gradients : ndarray of shape (n_params,)
        Derivative of the batch's loss by every parameter.
    updates : ndarray of shape (n_params,)
        What the rule adds to the parameters. Symbols Δw, Δθ.
    backprop : Backprop
        The kernel whose buffers the arrays are views of, for rules that are bound to them once.
    rows : tuple or None
        ``(X, targets, sample_weight, order)``, the rows that batches are drawn from; None of a step
        that was recorded.
    """

    def __init__(self, network: Network, params, gradients, updates, backprop, n_planned: int):
        self.network = network
        self.layout = network.layout
        self.params = read_only(params)
        self.gradients = read_only(gradients)
        self.updates = updates
        self.n_planned = n_planned
        self.index = 0
        self.epoch = 0
        self.loss = np.nan
        self.start = 0
        self.stop = 0
        self.backprop = backprop
        self.rows: tuple | None = None
        self._trial: Trial | None = None

    @property
    def n_patterns(self) -> int:
        """Rows of the batch."""
        return self.stop - self.start

    @property
    def activations(self) -> list[np.ndarray]:
        """Outputs of every layer, the input first, each (n_patterns, n_units). Symbol x: rule (1)."""
        return [read_only(layer[: self.n_patterns]) for layer in self.backprop.activations]

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
        """Minus the loss derivative by the net input, each (n_patterns, n_units): rules (5), (6).

        Of every layer after the input; times the pattern's sample weight where there is one.
        """
        return [read_only(layer[: self.n_patterns]) for layer in self.backprop.deltas]

    @property
    def net_inputs(self) -> list[np.ndarray]:
        """What goes into the activation functions, each (n_patterns, n_units). Symbol in: rule (1).

        Of every layer after the input. Computed when asked for.
        """
        layers = zip(self.activations, self.coefs, self.intercepts, strict=False)
        return [x @ weights + biases for x, weights, biases in layers]

    @property
    def derivatives(self) -> list[np.ndarray]:
        """Derivative of the activation function at the net input, each (n_patterns, n_units).

        Of every layer after the input; of softmax the diagonal. Computed when asked for.
        """
        return [self.derivatives_of(layer) for layer in range(len(self.layout.layer_sizes) - 1)]

    def derivatives_of(self, layer: int) -> np.ndarray:
        """Derivative of one layer's activation function, (n_patterns, n_units); 0 is the first hidden one."""
        n, backprop, network = self.n_patterns, self.backprop, self.network
        x = backprop.layer_outputs[layer][:n]
        if layer == len(network.activations):
            function = network.out_activation
            return DERIVATIVES["logistic" if function == "softmax" else function](x)
        slopes = backprop.slopes[layer]
        return (
            DERIVATIVES[network.activations[layer]](x) if slopes is None else read_only(slopes[:n])
        )

    @cached_property
    def coefs(self) -> list[np.ndarray]:
        """Weight matrices before the step, each (fan_in, fan_out)."""
        return self.layout.coefs(self.params)

    @cached_property
    def intercepts(self) -> list[np.ndarray]:
        """Bias vectors before the step, each (fan_out,)."""
        return self.layout.intercepts(self.params)

    def loss_and_gradients_at(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss of this step's batch at other parameters, and its gradient there.

        It costs one more forward and backward pass, in buffers of its own.

        Parameters
        ----------
        params : ndarray of shape (n_params,)

        Returns
        -------
        loss : float
            The penalty included, nothing dropped; may be infinite or NaN.
        gradients : ndarray of shape (n_params,)
            A buffer that the next call fills again.

        Raises
        ------
        ValueError
            If the step does not know its rows.
        """
        if self.rows is None:
            raise ValueError(
                "this step was recorded: only a training has a loss at other parameters."
            )
        if self._trial is None:
            self._trial = Trial(self.network, self.params, self.backprop.max_batch, self.rows)
        return self._trial.at(params, self.start, self.stop)


def read_only(array: np.ndarray) -> np.ndarray:
    """View of an array that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view

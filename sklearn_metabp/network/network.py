"""A network without its weights: layers, activation functions and loss."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from sklearn_metabp._kernels.arrays import readable
from sklearn_metabp._kernels.functions import check_functions, check_input_gradient
from sklearn_metabp._kernels.network import Backprop
from sklearn_metabp._kernels.network.backprop_fallback import mix_starts
from sklearn_metabp._kernels.network.input_layer import InputLayer, check_input_layer
from sklearn_metabp._kernels.threads import one_blas_thread
from sklearn_metabp.network.base import BaseNetwork
from sklearn_metabp.network.forward import ForwardPass, is_small_pass
from sklearn_metabp.network.layout import Extra, ParameterLayout
from sklearn_metabp.network.mean_loss import FORWARD_BATCH


def mixes_of(layer: int, width: int) -> Extra:
    """Return the factors a of a hidden layer's parametric activation x = (1 - a) in + a f(in)."""
    return Extra(f"activation_mixes_[{layer}]", layer, (width,))


@dataclass(frozen=True)
class Network(BaseNetwork):
    """A multilayer perceptron without its parameters.

    Parameters
    ----------
    layout : ParameterLayout
        A hidden layer whose extra is ``mixes_of(layer, width)`` has a parametric activation: its
        outputs are (1 - a) in + a f(in), with a factor a for every neuron.
    activations : tuple of str
        Activation function f of every hidden layer, a name in ``HIDDEN_ACTIVATIONS``.
    out_activation : str
        Activation function of the output layer, a name in ``OUT_ACTIVATIONS``.
    loss : str
        Name in ``LOSSES``. Every loss is a sum over the outputs; the squared error is rule (2) of
        Jakša and Katrák (2006).
    alpha : float, default=0.0
        Strength of the L2 penalty ``alpha / 2 * sum(w**2) / n_batch``.
    dropout : float, default=0.0
        Probability that the output of a hidden neuron is dropped in a step of training. Kept
        outputs are divided by ``1 - dropout``. From 0 to below 1.
    out_groups : tuple of int, default=None
        Widths of the groups of outputs that softmax is taken over. Their log-losses add up. None is
        one group of all outputs.
    input_noise : float, default=0.0
        Standard deviation of the normal noise that a step of training adds to its inputs. It needs
        dense inputs.
    input_gradient_penalty : float, default=0.0
        Strength of the penalty of dJ_p/dx, the gradients of the losses of the patterns by the
        inputs. A step adds the mean penalty of its batch to the loss. At least 0.
    input_gradient_norm : {"l2", "l1"}, default="l2"
        The penalty of a pattern: half the sum of the squares, or the sum of the absolute values.
    input_layer : InputLayer, default=None
        Scales and an embedding of the inputs, whose arrays are the extras of the layout. X is then
        dense.

    dropout_schedule : str or callable, default="constant"
        Name of the factor of ``dropout`` along a training, or a function ``(t, t_planned) ->
        factor``. A training sets the share to drop at the first step of every epoch.

    Raises
    ------
    ValueError
        If the functions, the groups and the layers do not go together, or a number is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp.network import Network, ParameterLayout
    >>> network = Network(
    ...     ParameterLayout((2, 1, 1)), ("softplus",), "identity", "squared_error"
    ... )
    >>> network.outputs(np.ones(5), np.zeros((1, 2)))  # log(1 + e) + 1
    array([[2.31326169]])
    >>> network.mean_loss(np.ones(5), np.zeros((1, 2)), np.zeros((1, 1)))
    2.67558...
    """

    layout: ParameterLayout
    activations: tuple[str, ...]
    out_activation: str
    loss: str
    alpha: float = 0.0
    dropout: float = 0.0
    out_groups: tuple[int, ...] | None = None
    input_noise: float = 0.0
    input_gradient_penalty: float = 0.0
    input_gradient_norm: str = "l2"
    dropout_schedule: str | Callable[[int, int], float] = "constant"
    input_layer: InputLayer | None = None

    def __post_init__(self) -> None:
        sizes = self.layout.layer_sizes
        if not isinstance(self.activations, str):
            object.__setattr__(self, "activations", tuple(self.activations))
        if self.out_groups is not None:
            object.__setattr__(self, "out_groups", tuple(int(width) for width in self.out_groups))
        check_functions(
            self.activations,
            self.out_activation,
            self.loss,
            len(sizes) - 1,
            sizes[-1],
            self.out_groups,
        )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, got {self.dropout!r}.")
        if not 0 <= self.input_noise < np.inf:
            raise ValueError(
                f"input_noise must be finite and at least 0, got {self.input_noise!r}."
            )
        check_input_gradient(self.input_gradient_penalty, self.input_gradient_norm)
        check_input_layer(self.input_layer, sizes[0], self.input_gradient_penalty)
        layers = self.parametric_layers
        mix_starts(layers, sizes, 0, self.input_gradient_penalty)
        mixes = tuple(mixes_of(layer, sizes[layer + 1]) for layer in layers)
        wanted = replace(self.layout.dense, extras=mixes).with_input_layer(self.input_layer)
        if self.layout != wanted:
            raise ValueError(
                "the extras of the layout must be those of the input layer, as "
                "layout.with_input_layer(input_layer) has them, and then factors of parametric "
                f"activations; got {self.layout.extras_text}."
            )

    @property
    def parametric_layers(self) -> list[int]:
        """Numbers of the hidden layers with a parametric activation, from 0."""
        widths = enumerate(self.layout.layer_sizes[1:-1])
        return [n for n, width in widths if mixes_of(n, width) in self.layout.extras]

    def start_extras(self, rng: np.random.RandomState) -> dict[str, np.ndarray]:
        """Return the first values of the extras; the factors of activations start at 1."""
        ones = {extra.name: np.ones(extra.shape) for extra in self.layout.extras}
        return ones | super().start_extras(rng)

    def backprop(
        self,
        params: np.ndarray,
        gradients: np.ndarray | None,
        max_batch: int,
        *,
        dropout_key: int | None = None,
        noise_key: int | None = None,
        n_steps: int = 0,
        n_threads: int = 1,
    ) -> Backprop:
        """Make a kernel that goes forward and backward, for batches of up to ``max_batch`` rows.

        Parameters
        ----------
        params, gradients : ndarray of shape (n_params,)
            ``params`` is read and ``gradients`` written. ``gradients`` may be None for a kernel
            that only goes forward.
        max_batch : int
        dropout_key : int, default=None
            Key from which, with the number of the step, the masks of dropout are drawn. None for no
            dropout. With a key each step reads the share to drop of every hidden layer from the
            kernel's ``dropout``, which begins as the network's and may be changed.
        noise_key : int, default=None
            Key from which, with the number of the step, the noise of the inputs is drawn. None for
            no noise.
        n_steps : int, default=0
            Number of steps taken before the first one of this kernel.
        n_threads : int, default=1
            Number of threads that share the rows of large products. The result is the same for any
            number, bit by bit.

        Returns
        -------
        backprop : Backprop
        """
        return Backprop(
            self.layout.layer_sizes,
            self.activations,
            self.out_activation,
            self.loss,
            params,
            gradients,
            max_batch=max_batch,
            alpha=self.alpha,
            out_groups=self.out_groups,
            dropout=self.dropout,
            dropout_key=dropout_key,
            n_steps=n_steps,
            n_threads=n_threads,
            input_noise=self.input_noise,
            noise_key=noise_key,
            input_gradient_penalty=self.input_gradient_penalty,
            input_gradient_norm=self.input_gradient_norm,
            input_layer=self.input_layer,
            parametric_layers=self.parametric_layers,
        )

    def outputs(
        self, params: np.ndarray, X: Any, *, layer: int = -1, n_threads: int = 1
    ) -> np.ndarray:
        """Compute the activations of the output layer, of shape (n_samples, n_outputs).

        Parameters
        ----------
        params : ndarray of shape (n_params,)
        X : ndarray or sparse matrix of shape (n_samples, n_features)
        layer : int, default=-1
            Layer whose activations are returned instead; 0 is the first hidden one.
        n_threads : int, default=1
            Number of threads that share the rows of large products.
        """
        params, n_rows = readable(params), min(FORWARD_BATCH, X.shape[0])
        outputs = np.empty((X.shape[0], self.layout.layer_sizes[1:][layer]), params.dtype)
        try:
            forward = self._kept_pass.pop()  # a second thread finds no pass and makes one
        except IndexError:
            forward = None
        if forward is None or not forward.serves(params, n_rows):
            if is_small_pass(self.layout.layer_sizes, n_rows):
                n_threads = 1  # a kept pass holds no threads, and serves every number of them
            make_kernel = partial(self.backprop, n_threads=n_threads)
            forward = ForwardPass(make_kernel, params, n_rows)
        with one_blas_thread():
            forward.fill(outputs, X, layer)
        if forward.is_small:
            self._kept_pass[:] = [forward]
        return outputs

    @cached_property
    def _kept_pass(self) -> list[ForwardPass]:
        """The last small forward pass, kept for the next call. It holds no rows."""
        return []

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_kept_pass"}

    def up_to_net_inputs(self, layer: int) -> "Network":
        """Return the network of the layers up to one of them, whose outputs are its net inputs.

        Parameters
        ----------
        layer : int
            0 is the first layer after the inputs.

        Returns
        -------
        network : Network
            Without dropout, noise and penalties.
        """
        sizes = self.layout.layer_sizes[: layer + 2]
        own = mixes_of(layer, sizes[-1])  # they come behind the net inputs
        extras = tuple(e for e in self.layout.extras if e.layer <= layer and e != own)
        layout = replace(self.layout, layer_sizes=sizes, extras=extras)
        return Network(
            layout,
            self.activations[:layer],
            "identity",
            "squared_error",
            input_layer=self.input_layer,
        )

    def count_patterns(self, backprop: Backprop, n_rows: int) -> int:
        """Return the number of patterns of a kernel's last batch, which had so many rows."""
        return n_rows

    def most_patterns(self, backprop: Backprop, n_rows: int) -> int:
        """Return the number of rows of the last batch: a larger one begins another run."""
        return n_rows

    def net_inputs(self, activations: list[np.ndarray], params: np.ndarray) -> list[np.ndarray]:
        """Return the net inputs of every layer, from the activations that it receives."""
        layout, x = self.layout, [self.received(activations[0], params), *activations[1:]]
        layers = zip(x, layout.coefs(params), layout.intercepts(params), strict=False)
        return [x @ weights + biases for x, weights, biases in layers]

"""A recurrent network without its weights."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sklearn_metabp._kernels.arrays import readable
from sklearn_metabp._kernels.functions import check_functions
from sklearn_metabp._kernels.recurrent import Packing, RecurrentBackprop, lengths_of
from sklearn_metabp._kernels.threads import one_blas_thread
from sklearn_metabp.network.base import BaseNetwork
from sklearn_metabp.network.layout import ParameterLayout

# Time steps of a block of sequences that go forward together.
_STEPS_AT_ONCE = 1 << 14


@dataclass(frozen=True)
class RecurrentNetwork(BaseNetwork):
    """A network with a recurrent layer, without its parameters.

    It has the methods of :class:`Network` that a training calls. Rows are sequences: X has the
    shape (n_samples, n_timesteps, n_features), and a shorter sequence ends with time steps of NaN.

    Parameters
    ----------
    layout : ParameterLayout
        With a cell.
    activations : tuple of str
        The activation function of the states; ``("tanh",)`` for a GRU.
    out_activation : str
        Activation function of the output layer, a name in ``OUT_ACTIVATIONS``.
    loss : str
        Name in ``LOSSES``.
    alpha : float, default=0.0
        Strength of the L2 penalty ``alpha / 2 * sum(w**2) / n_batch``.
    dropout : float, default=0.0
        Probability that a state is dropped on its way to the outputs, in a step of training. States
        on their way to the next time step are not dropped.
    out_groups : tuple of int, default=None
        Widths of the groups of outputs that softmax is taken over.
    every_step : bool, default=False
        True for an output at every time step, False for one output after the last time step.
    bptt_steps : int, default=None
        Length of the windows into which sequences are cut, in time steps, counted from their ends.
        No error is propagated from one window to the window before. None is the whole gradient.

    Raises
    ------
    ValueError
        If the functions, the groups and the layers do not go together.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp.network import ParameterLayout, RecurrentNetwork
    >>> layout = ParameterLayout((1, 1, 1), cell="elman")
    >>> network = RecurrentNetwork(layout, ("identity",), "identity", "squared_error")
    >>> X = np.array([[[1.0], [1.0], [1.0]], [[1.0], [np.nan], [np.nan]]])
    >>> network.outputs(np.array([1.0, 0.5, 1.0, 0.0, 0.0]), X)  # 1 + 0.5 + 0.25, and 1
    array([[1.75],
           [1.  ]])
    """

    layout: ParameterLayout
    activations: tuple[str, ...]
    out_activation: str
    loss: str
    alpha: float = 0.0
    dropout: float = 0.0
    out_groups: tuple[int, ...] | None = None
    every_step: bool = field(default=False, kw_only=True)
    bptt_steps: int | None = field(default=None, kw_only=True)
    dropout_schedule: str | Callable[[int, int], float] = field(default="constant", kw_only=True)

    def __post_init__(self) -> None:
        cell, sizes = self.layout.recurrence, self.layout.layer_sizes
        if cell is None:
            raise ValueError("a recurrent network needs a layout with a cell.")
        object.__setattr__(self, "activations", tuple(self.activations))
        if self.out_groups is not None:
            object.__setattr__(self, "out_groups", tuple(int(width) for width in self.out_groups))
        check_functions(
            self.activations, self.out_activation, self.loss, 2, sizes[-1], self.out_groups
        )
        if not cell.has_activation and self.activations != (cell.default_activation,):
            raise ValueError(
                f"the cell {cell.name!r} has the activation {cell.default_activation!r}, got "
                f"{self.activations[0]!r}."
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, got {self.dropout!r}.")

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
    ) -> RecurrentBackprop:
        """Make a kernel that goes forward and backward; see :meth:`Network.backprop`.

        Its products are small, and one thread computes them, whatever ``n_threads``. It adds no
        noise, so ``noise_key`` is None.
        """
        assert self.layout.cell is not None and noise_key is None
        return RecurrentBackprop(
            self.layout.layer_sizes,
            self.layout.cell,
            self.activations[0],
            self.out_activation,
            self.loss,
            params,
            gradients,
            max_batch=max_batch,
            every_step=self.every_step,
            bptt_steps=self.bptt_steps,
            alpha=self.alpha,
            out_groups=self.out_groups,
            dropout=self.dropout,
            dropout_key=dropout_key,
            n_steps=n_steps,
        )

    def outputs(self, params: np.ndarray, X: np.ndarray, *, n_threads: int = 1) -> np.ndarray:
        """Compute the activations of the output layer.

        Parameters
        ----------
        params : ndarray of shape (n_params,)
        X : ndarray of shape (n_samples, n_timesteps, n_features)
        n_threads : int, default=1
            As in :meth:`backprop`.

        Returns
        -------
        outputs : ndarray of shape (n_samples, n_outputs)
            Or, with outputs at every time step, a masked array of shape (n_samples, n_timesteps,
            n_outputs), which masks the padding.
        """
        params = readable(params)
        X = np.ascontiguousarray(X, params.dtype)
        (n, n_timesteps, _), n_outputs = X.shape, self.layout.layer_sizes[-1]
        size = max(1, min(n, _STEPS_AT_ONCE // n_timesteps))
        kernel = self.backprop(params, None, size)
        kernel.load(X)
        lengths = lengths_of(X)
        shape = (n, n_timesteps, n_outputs) if self.every_step else (n, n_outputs)
        outputs = np.zeros(shape, params.dtype)
        with one_blas_thread():
            for start in range(0, n, size):
                stop = min(start + size, n)
                kernel.forward(start, stop)
                if self.every_step:
                    packing = Packing.of(lengths[start:stop])
                    outputs[start + packing.rows, packing.times] = kernel.outputs
                else:
                    outputs[start:stop] = kernel.outputs
        if not self.every_step:
            return outputs
        padding = np.arange(n_timesteps) >= lengths[:, None]
        return np.ma.array(outputs, mask=np.repeat(padding[:, :, None], n_outputs, axis=2))

    def count_patterns(self, backprop: RecurrentBackprop, n_rows: int) -> int:
        """Return the number of time steps of a kernel's last batch, without padding."""
        return backprop.n_patterns

    def most_patterns(self, backprop: RecurrentBackprop, n_rows: int) -> int:
        """Return the number of time steps of the longest batch that the loaded rows could give."""
        return backprop.most_patterns

    def net_inputs(self, activations: list[np.ndarray], params: np.ndarray) -> list[np.ndarray]:
        """Return the net inputs of every layer, from the activations that it receives.

        A GRU has those of the inputs' product, then those of the states' product.
        """
        coefs, intercepts = self.layout.coefs(params), self.layout.intercepts(params)
        received, states, _ = activations
        n_inputs = self.layout.layer_sizes[0]
        of_inputs = received[:, :n_inputs] @ coefs[0] + intercepts[0]
        of_states = received[:, n_inputs:] @ coefs[1]
        if len(intercepts) == 3:
            of_inputs = np.hstack([of_inputs, of_states + intercepts[1]])
        else:
            of_inputs = of_inputs + of_states
        return [of_inputs, states @ coefs[-1] + intercepts[-1]]

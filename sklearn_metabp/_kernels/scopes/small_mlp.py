"""The small MLP that is the rule of the link and neuron scopes."""

import numpy as np

from sklearn_metabp._kernels.arrays import are_readable, readable
from sklearn_metabp._kernels.flat import bias_views, fits_layers, weight_views
from sklearn_metabp._kernels.functions import ACTIVATIONS


class SmallMLP:
    """An MLP applied to many links, or tensors, at once.

    Parameters
    ----------
    n_inputs : int
    dtype : dtype
    params : ndarray of shape (n_mlp_params,)
        In the order of the parameters of ``Backprop``.
    sizes : ndarray of int64
        Neurons of every layer, the inputs and the output included.
    hidden, output : str
        Activation functions of the hidden layers and of the output.
    centre : ndarray of shape (n_inputs,) or None
        Subtracted from the inputs.
    n_outputs : int, default=1

    Raises
    ------
    ValueError
        If the arrays do not make such an MLP.
    """

    def __init__(
        self,
        n_inputs: int,
        dtype: np.dtype,
        params: np.ndarray,
        sizes: np.ndarray,
        hidden: str,
        output: str,
        centre: np.ndarray | None,
        n_outputs: int = 1,
    ) -> None:
        ends = (n_inputs, n_outputs)
        if not fits_layers(len(params), sizes) or (sizes[0], sizes[-1]) != ends:
            raise ValueError(
                f"the MLP does not fit the inputs: it has {len(params)} parameters and layers of "
                f"{list(sizes)} for {n_inputs} inputs and {n_outputs} outputs"
            )
        self.params, self.sizes = readable(params), readable(sizes, np.int64)
        self.hidden_code, self.output_code = ACTIVATIONS[hidden].code, ACTIVATIONS[output].code
        self.centre = centre
        if not are_readable([self.params], dtype):
            raise ValueError(f"the MLP does not fit the arrays: its dtype must be {dtype}")
        if centre is not None and (
            centre.shape != (n_inputs,) or not are_readable([centre], dtype)
        ):
            raise ValueError("the centre does not fit the inputs")
        self._layers = list(
            zip(
                weight_views(self.params, self.sizes),
                bias_views(self.params, self.sizes),
                strict=True,
            )
        )
        self._has_one_output = n_outputs == 1
        self._functions = [hidden] * (len(self._layers) - 1) + [output]

    @property
    def biases(self) -> np.ndarray:
        """Part of the parameters that are biases."""
        return self.params[len(self.params) - int(self.sizes[1:].sum()) :]

    @property
    def widest(self) -> int:
        """Neurons of the widest layer."""
        return int(self.sizes.max())

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs for a matrix of inputs: the NumPy fallback.

        Returns
        -------
        outputs : ndarray of shape (n,) or (n, n_outputs)
            Flat if there is one output.
        """
        if self.centre is not None:
            x = x - self.centre
        for (weights, biases), function in zip(self._layers, self._functions, strict=True):
            x = ACTIVATIONS[function].function(x @ weights + biases)
        return x[:, 0] if self._has_one_output else x

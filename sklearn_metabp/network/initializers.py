"""Initialisers: the parameters with which a training starts."""

import math
from collections.abc import Callable

import numpy as np

from sklearn_metabp._kernels.functions import ACTIVATIONS
from sklearn_metabp.did_you_mean import did_you_mean
from sklearn_metabp.network.layout import ParameterLayout

# ``init(layout, activations, rng) -> params``: the activations are those of the hidden layers. The
# layout has weights and biases alone; further parameters are started by the network.
Initializer = Callable[[ParameterLayout, tuple[str, ...], np.random.RandomState], np.ndarray]


def glorot_uniform(
    layout: ParameterLayout, activations: tuple[str, ...], rng: np.random.RandomState
) -> np.ndarray:
    """Draw weights and biases uniformly from ±sqrt(c / (fan_in + fan_out)).

    c is 6, and 2 for logistic neurons: Glorot and Bengio (2010), "Understanding the difficulty of
    training deep feedforward neural networks", as in scikit-learn's MLP. The output layer has the c
    of the last hidden one. The numbers are drawn layer by layer, weights before biases, so that a
    ``random_state`` gives the same start as in scikit-learn's MLP. Every gate of a recurrent cell
    is a matrix with fans of its own.

    Parameters
    ----------
    layout : ParameterLayout
        Without extras.
    activations : tuple of str
        Activation function of every hidden layer. If there is no hidden layer, the function that
        sets the c of the output layer, or nothing.
    rng : numpy.random.RandomState

    Returns
    -------
    params : ndarray of shape (n_params,)

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp.network import ParameterLayout, glorot_uniform
    >>> params = glorot_uniform(
    ...     ParameterLayout((3, 2, 1)), ("relu",), np.random.RandomState(0)
    ... )
    >>> limit = np.sqrt(6 / 3)
    >>> print(f"largest {abs(params).max():.2f}, limit of the second layer {limit:.2f}")
    largest 1.31, limit of the second layer 1.41
    """
    params = np.empty(layout.n_params, layout.dtype)
    functions = (*activations, activations[-1] if activations else "identity")
    for layer, (function, fan_out) in enumerate(
        zip(functions, layout.layer_sizes[1:], strict=False)
    ):
        bounds = []
        for tensor in layout.tensors:
            if tensor.layer != layer:
                continue
            if tensor.is_weights:
                c = ACTIVATIONS[function].glorot_factor
                bounds.append(math.sqrt(c / (tensor.shape[0] + fan_out)))
            bound = bounds[0] if tensor.is_bias else bounds[-1]
            params[tensor.slice] = rng.uniform(-bound, bound, tensor.shape).ravel()
    return params


def glorot_normal(
    layout: ParameterLayout, activations: tuple[str, ...], rng: np.random.RandomState
) -> np.ndarray:
    """Draw normal weights of variance 2 / (fan_in + fan_out); biases are 0.

    Glorot and Bengio (2010).
    """
    return _with_zero_biases(layout, lambda a, b: rng.normal(0.0, np.sqrt(2.0 / (a + b)), (a, b)))


def he_uniform(
    layout: ParameterLayout, activations: tuple[str, ...], rng: np.random.RandomState
) -> np.ndarray:
    """Draw weights uniformly from ±sqrt(6 / fan_in); biases are 0.

    With this variance, the variance of the signal stays the same through layers of relu: He, Zhang,
    Ren and Sun (2015), "Delving deep into rectifiers".
    """

    def draw(fan_in: int, fan_out: int) -> np.ndarray:
        bound = np.sqrt(6.0 / fan_in)
        return rng.uniform(-bound, bound, (fan_in, fan_out))

    return _with_zero_biases(layout, draw)


def he_normal(
    layout: ParameterLayout, activations: tuple[str, ...], rng: np.random.RandomState
) -> np.ndarray:
    """Draw normal weights of variance 2 / fan_in; biases are 0: He, Zhang, Ren and Sun (2015)."""
    return _with_zero_biases(layout, lambda a, b: rng.normal(0.0, np.sqrt(2.0 / a), (a, b)))


def lecun_normal(
    layout: ParameterLayout, activations: tuple[str, ...], rng: np.random.RandomState
) -> np.ndarray:
    """Draw normal weights of variance 1 / fan_in; biases are 0.

    LeCun, Bottou, Orr and Müller (1998), "Efficient backprop".
    """
    return _with_zero_biases(layout, lambda a, b: rng.normal(0.0, np.sqrt(1.0 / a), (a, b)))


def orthogonal(
    layout: ParameterLayout, activations: tuple[str, ...], rng: np.random.RandomState
) -> np.ndarray:
    """Draw weight matrices with orthonormal rows or columns, whichever are fewer; biases are 0.

    Each matrix is drawn uniformly from all such matrices, by the QR decomposition of a normal one:
    Saxe, McClelland and Ganguli (2014), "Exact solutions to the nonlinear dynamics of learning in
    deep linear neural networks".
    """

    def draw(fan_in: int, fan_out: int) -> np.ndarray:
        tall = rng.normal(size=(max(fan_in, fan_out), min(fan_in, fan_out)))
        q, r = np.linalg.qr(tall)
        q *= np.where(
            np.diag(r) < 0, -1.0, 1.0
        )  # else the signs would be those of the QR algorithm
        return q if fan_in >= fan_out else q.T

    return _with_zero_biases(layout, draw)


def _with_zero_biases(
    layout: ParameterLayout, draw: Callable[[int, int], np.ndarray]
) -> np.ndarray:
    params = layout.zeros()
    for tensor in layout.tensors:
        if tensor.is_weights:
            fan_out = layout.layer_sizes[tensor.layer + 1]
            # every gate of a recurrent cell is a matrix of its own
            gates = [draw(tensor.shape[0], fan_out) for _ in range(tensor.shape[1] // fan_out)]
            params[tensor.slice] = np.hstack(gates).ravel()
    return params


INITIALIZERS: dict[str, Initializer] = {
    "glorot_uniform": glorot_uniform,
    "glorot_normal": glorot_normal,
    "he_uniform": he_uniform,
    "he_normal": he_normal,
    "lecun_normal": lecun_normal,
    "orthogonal": orthogonal,
    "data": lecun_normal,  # which ROW_STARTS changes as soon as the rows are known
}


def resolve_initializer(init: str | Initializer) -> Initializer:
    """Return the initialiser of a name, or a user's callable with a check of its return value.

    Parameters
    ----------
    init : str or callable
        A name of ``INITIALIZERS``, or ``init(layout, activations, rng) -> params``.

    Returns
    -------
    initializer : callable
        It returns a new vector of the layout's length and dtype.

    Raises
    ------
    ValueError
        If the name is unknown. The returned callable raises it if the user's callable returns a
        vector of another shape or kind.
    """
    if isinstance(init, str) and init in INITIALIZERS:
        return INITIALIZERS[init]
    if not callable(init):
        hint = did_you_mean(init, INITIALIZERS)
        raise ValueError(
            f"init must be a name of {list(INITIALIZERS)} or a callable, got {init!r}.{hint}"
        )
    own = init

    def checked(
        layout: ParameterLayout, activations: tuple[str, ...], rng: np.random.RandomState
    ) -> np.ndarray:
        params = np.array(own(layout, activations, rng), layout.dtype)
        if params.shape != (layout.n_params,):
            raise ValueError(
                f"init={own!r} must return a vector of shape {(layout.n_params,)}, one number per "
                f"parameter in the order of the layout; got shape {params.shape}."
            )
        return params

    return checked

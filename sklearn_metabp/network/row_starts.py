"""Starts that depend on training rows: changes of the parameters that an initialiser drew."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sklearn_metabp.network.network import Network

# Maximum number of rows that a start uses. Their standard deviation is right to 3 %.
_N_ROWS = 1024
# Rows whose mean is a point of the hyperplane of a neuron.
_N_CORNERS = 5

_TOO_LARGE = "net inputs that are too large for a standard deviation: scale X."

# ``start(params, network, X, rng, weights, biases)`` changes the parameters in place: the weights
# and the biases, where these are True.
RowStart = Callable[[np.ndarray, Network, Any, np.random.RandomState, bool, bool], None]


def sample_rows(X: Any, sample_weight: np.ndarray | None, rng: np.random.RandomState) -> Any:
    """Return some rows of a weight above 0, drawn without repetition, in their order."""
    rows = np.arange(X.shape[0]) if sample_weight is None else np.flatnonzero(sample_weight)
    if len(rows) > _N_ROWS:
        rows = np.sort(rng.choice(rows, _N_ROWS, replace=False))
    return X[rows]


def start_at_data(
    params: np.ndarray,
    network: Network,
    X: Any,
    rng: np.random.RandomState,
    weights: bool,
    biases: bool,
) -> None:
    """Give every neuron net inputs of variance 1, and a hyperplane through the middle of the data.

    The layers are changed in order, so that each receives the new activations of the layers before
    it. The weights of a neuron are multiplied so that the net inputs of the rows, without the bias,
    have the standard deviation 1. Then the bias is minus a mean of the net inputs of five random
    rows, with random weights that are uniform over all that add up to 1. So the net input of a
    neuron is 0 at a point among the rows, and its kink or its steepest part is where data are.

    D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by Default" (2024). For the biases: I.
    Steinwart, "A Sober Look at Neural Network Initializations" (2019).

    Parameters
    ----------
    params : ndarray of shape (n_params,)
        Changed in place.
    network : Network
    X : ndarray or sparse matrix of shape (n_samples, n_features)
    rng : numpy.random.RandomState
    weights, biases : bool
        True for the parameters to change.

    Raises
    ------
    ValueError
        If net inputs overflow.
    """
    layout = network.layout
    coefs, intercepts = layout.coefs(params), layout.intercepts(params)
    for layer, (weight, bias) in enumerate(zip(coefs, intercepts, strict=True)):
        head = network.up_to_net_inputs(layer)
        given = bias.copy()
        bias[...] = 0
        net_inputs = _net_inputs(head, network, params, X)
        if weights:
            spread = _spread(net_inputs, params.dtype)
            scale = 1 / np.where(spread > 0, spread, 1)
            weight *= scale.astype(params.dtype)
            net_inputs *= scale
        bias[...] = given
        if biases:
            width = len(bias)
            corners = rng.randint(X.shape[0], size=(_N_CORNERS, width))
            shares = rng.standard_exponential((_N_CORNERS, width))
            shares /= shares.sum(axis=0)
            bias[...] = -(shares * np.take_along_axis(net_inputs, corners, axis=0)).sum(axis=0)


def _net_inputs(head: Network, network: Network, params: np.ndarray, X: Any) -> np.ndarray:
    """Return the net inputs of a layer in float64, from the parameters of the whole network.

    Raises
    ------
    ValueError
        If a net input is not finite.
    """
    layout, n_layers = network.layout, len(head.layout.layer_sizes) - 1
    extras = layout.extras_of(params)
    flat = head.layout.flatten(
        layout.coefs(params)[:n_layers],
        layout.intercepts(params)[:n_layers],
        {extra.name: extras[extra.name] for extra in head.layout.extras},
    )
    net_inputs = head.outputs(flat, X).astype(np.float64)
    if not np.isfinite(net_inputs).all():
        raise ValueError(f"init='data' found {_TOO_LARGE}")
    return net_inputs


def _spread(net_inputs: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return the standard deviation of every neuron, 0 if values differ by rounding only.

    Raises
    ------
    ValueError
        If a standard deviation overflows.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        spread = net_inputs.std(axis=0)
    if not np.isfinite(spread).all():
        raise ValueError(f"init='data' found {_TOO_LARGE}")
    rounding = 100 * np.finfo(dtype).eps * np.abs(net_inputs).max(axis=0)
    return np.where(spread > rounding, spread, 0)


ROW_STARTS: dict[str, RowStart] = {"data": start_at_data}

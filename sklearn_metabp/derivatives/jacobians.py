"""Derivatives of outputs by inputs: one matrix product in two orders."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from sklearn_metabp.derivatives.checks import check_inputs, quiet_numbers, row_blocks
from sklearn_metabp.derivatives.layers import Layer, layers_at

# Cost of an elementwise product of two numbers, in products inside a matrix product.
_ELEMENTWISE = 8


def jacobian(model: Any, X: Any, mode: str = "auto") -> np.ndarray:
    r"""Compute the derivative of every output by every input, for every row.

    Outputs are the activations of the output layer. For a regressor they are the results of
    ``predict``. For a classifier with softmax they are the columns of ``predict_proba``. A binary
    classifier has one output. If it is logistic, it is the probability of ``classes_[1]``, and the
    probability of ``classes_[0]`` has the negative derivative. If the outputs are no probabilities,
    as with tanh, the derivative is that of the outputs, and not of ``predict_proba``.

    Parameters
    ----------
    model : BackpropMLPClassifier or BackpropMLPRegressor
        A fitted estimator, alone or within a ``FrozenEstimator``.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Points at which the derivative is taken.
    mode : {"auto", "forward", "reverse"}, default="auto"
        The order of the matrix product: from the inputs (chain rule) or from the outputs
        (backpropagation). The result is the same. ``"auto"`` takes the order that is cheaper by
        :func:`multiplications`.

    Returns
    -------
    derivatives : ndarray of shape (n_samples, n_outputs, n_features)
        The dtype is float32 for a network in float32, else float64.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError
        If the model is of another class, such as a pipeline.
    ValueError
        If the mode is unknown, or X has a wrong shape or wrong values.

    See Also
    --------
    input_gradients : Derivative of one output, or of the loss.
    parameter_jacobian : Derivative by the parameters.

    Notes
    -----
    For layers :math:`x_l = f_l(x_{l-1} W_l + \theta_l)` the derivative is :math:`W_1 F_1 W_2 F_2
    \cdots W_L F_L`, transposed, where :math:`F_l` is the derivative of :math:`f_l`. "Symmetry of
    backpropagation and chain rule" (IJCNN 2002) shows that the two methods are this product in the
    two orders.

    Examples
    --------
    A network that has learned x² has the slope 2x:

    >>> import numpy as np
    >>> from sklearn_metabp import Adam, BackpropMLPRegressor
    >>> from sklearn_metabp.derivatives import jacobian
    >>> X = np.linspace(-1, 1, 50).reshape(-1, 1)
    >>> model = BackpropMLPRegressor(
    ...     (20,), "tanh", update_rule=Adam(0.02), max_iter=1000, random_state=0
    ... )
    >>> model = model.set_params(n_iter_no_change=np.inf).fit(X, X.ravel() ** 2)
    >>> jacobian(model, [[-0.5], [0.5]]).ravel()
    array([-1.05...,  1.04...])
    """
    if mode not in ("auto", "forward", "reverse"):
        raise ValueError(f"mode must be 'auto', 'forward' or 'reverse', got {mode!r}.")
    X = check_inputs(model, X)
    network, params = model.network_, model.params_
    sizes = network.layout.dense_sizes
    if mode == "auto":
        mode = cheaper_mode(sizes)
    n_features, n_outputs = X.shape[1], sizes[-1]
    n_vectors = sizes[0] if mode == "forward" else n_outputs
    derivatives = np.empty((X.shape[0], n_outputs, n_features), params.dtype)
    with quiet_numbers():
        for rows, block in row_blocks(X, n_vectors * max(sizes)):
            layers = layers_at(network, params, block)
            if mode == "forward":
                received = np.moveaxis(_from_inputs(layers), 0, 2).swapaxes(0, 1)
            else:
                received = _from_outputs(layers)
            derivatives[rows] = network.pull_back(block, received, params).swapaxes(0, 1)
    return derivatives


def _from_inputs(layers: list[Layer]) -> np.ndarray:
    """Compute ((W₁ F₁) W₂ F₂) … W_L F_L: (n_features, n_samples, n_outputs)."""
    first, *others = layers
    vectors = first.factor.times(first.weights[:, None, :])
    for layer in others:
        vectors = layer.factor.times(vectors @ layer.weights)
    return vectors


def _from_outputs(layers: list[Layer]) -> np.ndarray:
    """Compute W₁ F₁ … (W_L F_L), transposed: (n_outputs, n_samples, n_features)."""
    *others, last = layers
    vectors = last.factor.times_weights(last.weights)
    for layer in reversed(others):
        vectors = layer.factor.times(vectors) @ layer.weights.T
    return vectors


def multiplications(layer_sizes: Sequence[int]) -> dict[str, int]:
    """Count the multiplications of the two orders of :func:`jacobian` for one sample.

    A multiplication outside a matrix product counts as 8, because it takes about eight times as
    long.

    Parameters
    ----------
    layer_sizes : sequence of int
        Number of neurons of every layer, inputs and outputs included.

    Returns
    -------
    counts : dict of str to int
        Counts of ``"forward"`` and ``"reverse"``. ``mode="auto"`` takes the smaller one. If they
        are equal, it takes the order that starts at the smaller layer.

    Examples
    --------
    >>> from sklearn_metabp.derivatives import multiplications
    >>> multiplications((100, 50, 50, 1))
    {'forward': 335800, 'reverse': 8700}
    """
    n_features, *hidden, n_outputs = layer_sizes
    pairs = [a * b for a, b in pairwise(layer_sizes)]
    at_neurons = _ELEMENTWISE * (sum(hidden) + n_outputs)
    back_at_neurons = _ELEMENTWISE * (sum(hidden) + (hidden[-1] if hidden else n_features))
    return {
        "forward": n_features * (sum(pairs[1:]) + at_neurons),
        "reverse": n_outputs * (sum(pairs[:-1]) + back_at_neurons),
    }


def cheaper_mode(layer_sizes: Sequence[int]) -> str:
    """Return the order with fewer multiplications, or with fewer vectors if they are as many."""
    counts = multiplications(layer_sizes)
    n_vectors = {"forward": layer_sizes[0], "reverse": layer_sizes[-1]}
    return min(counts, key=lambda mode: (counts[mode], n_vectors[mode]))

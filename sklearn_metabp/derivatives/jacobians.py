"""Outputs by inputs: the chain rule and backpropagation as one matrix product in two orders."""

from itertools import pairwise

import numpy as np

from sklearn_metabp.derivatives.checks import check_rows, quiet_numbers, row_blocks
from sklearn_metabp.derivatives.layers import Layer, layers_at

# What a product of two elements costs where it is not inside a matrix product, in products that
# are.
_ELEMENTWISE = 8


def jacobian(model, X, mode="auto"):
    r"""Derivative of every output by every input, row by row.

    Outputs are the activations of the output layer: of a regressor what ``predict`` returns, of a
    classifier with softmax the columns of ``predict_proba``. A binary classifier has one unit; if
    it is logistic, it is the probability of ``classes_[1]``, and that of ``classes_[0]`` has the
    negative derivative. Where ``predict_proba`` makes probabilities of outputs that are none, as
    after tanh units, the derivative is that of the outputs.

    Parameters
    ----------
    model : BackpropMLPClassifier or BackpropMLPRegressor
        Fitted; it may be within a ``FrozenEstimator``.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Where to take the derivative.
    mode : {"auto", "forward", "reverse"}, default="auto"
        The order of the matrix product: from the inputs (chain rule) or from the outputs
        (backpropagation). The result is the same; ``"auto"`` takes the order that
        :func:`multiplications` finds cheaper.

    Returns
    -------
    derivatives : ndarray of shape (n_samples, n_outputs, n_features)
        In float32 if the network is.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError
        If the model is something else, such as a pipeline.
    ValueError
        If the mode or X does not fit.

    See Also
    --------
    input_gradients : Of one output, or of the loss.
    parameter_jacobian : By the parameters.

    Notes
    -----
    Of layers :math:`x_l = f_l(x_{l-1} W_l + \theta_l)` it is :math:`W_1 F_1 W_2 F_2 \cdots W_L
    F_L`, transposed, :math:`F_l` the derivative of :math:`f_l`. "Symmetry of backpropagation and
    chain rule" (IJCNN 2002) shows that the two methods are this product in the two orders.

    Examples
    --------
    A network that has learned x² has the slope 2x:

    >>> import numpy as np
    >>> from sklearn_metabp import Adam, BackpropMLPRegressor
    >>> from sklearn_metabp.derivatives import jacobian
    >>> X = np.linspace(-1, 1, 50).reshape(-1, 1)
    >>> model = BackpropMLPRegressor(
    ...     (20,), "tanh", update_rule=Adam(0.02), max_iter=1000, n_iter_no_change=np.inf, random_state=0
    ... ).fit(X, X.ravel() ** 2)
    >>> np.allclose(jacobian(model, [[-0.5], [0.5]]).ravel(), [-1, 1], atol=0.2)
    True
    """
    if mode not in ("auto", "forward", "reverse"):
        raise ValueError(f"mode must be 'auto', 'forward' or 'reverse', got {mode!r}.")
    X = check_rows(model, X)
    network, params = model.network_, model.params_
    sizes = network.layout.layer_sizes
    if mode == "auto":
        mode = cheaper_mode(sizes)
    n_features, n_outputs = sizes[0], sizes[-1]
    n_rows = n_features if mode == "forward" else n_outputs
    derivatives = np.empty((X.shape[0], n_outputs, n_features), params.dtype)
    with quiet_numbers():
        for rows, block in row_blocks(X, n_rows * max(sizes)):
            layers = layers_at(network, params, block)
            if mode == "forward":
                derivatives[rows] = np.moveaxis(_from_inputs(layers), 0, 2)
            else:
                derivatives[rows] = np.moveaxis(_from_outputs(layers), 0, 1)
    return derivatives


def _from_inputs(layers: list[Layer]) -> np.ndarray:
    """((W₁ F₁) W₂ F₂) … W_L F_L: one row an input, (n_features, n_samples, n_outputs)."""
    first, *others = layers
    rows = first.factor.times(first.weights[:, None, :])
    for layer in others:
        rows = layer.factor.times(rows @ layer.weights)
    return rows


def _from_outputs(layers: list[Layer]) -> np.ndarray:
    """W₁ F₁ … (W_L F_L), transposed: one row an output, (n_outputs, n_samples, n_features)."""
    *others, last = layers
    rows = last.factor.times_weights(last.weights)
    for layer in reversed(others):
        rows = layer.factor.times(rows) @ layer.weights.T
    return rows


def multiplications(layer_sizes) -> dict[str, int]:
    """Count what the two orders of :func:`jacobian` multiply for one sample.

    A multiplication outside a matrix product counts as 8, about what it costs more.

    Parameters
    ----------
    layer_sizes : sequence of int
        Units of every layer, inputs and outputs included.

    Returns
    -------
    counts : dict of str to int
        Of ``"forward"`` and ``"reverse"``. The smaller is what ``mode="auto"`` takes; of two equal
        ones the order that starts where there are fewer units.

    Examples
    --------
    >>> from sklearn_metabp.derivatives import multiplications
    >>> multiplications((100, 50, 50, 1))
    {'forward': 335800, 'reverse': 8700}
    """
    n_features, *hidden, n_outputs = layer_sizes
    pairs = [a * b for a, b in pairwise(layer_sizes)]
    at_units = _ELEMENTWISE * (sum(hidden) + n_outputs)
    back_at_units = _ELEMENTWISE * (sum(hidden) + (hidden[-1] if hidden else n_features))
    return {
        "forward": n_features * (sum(pairs[1:]) + at_units),
        "reverse": n_outputs * (sum(pairs[:-1]) + back_at_units),
    }


def cheaper_mode(layer_sizes) -> str:
    """Order with fewer multiplications, or, where both have as many, with fewer rows to carry."""
    counts = multiplications(layer_sizes)
    n_rows = {"forward": layer_sizes[0], "reverse": layer_sizes[-1]}
    return min(counts, key=lambda mode: (counts[mode], n_rows[mode]))

"""Second derivatives of the training loss by the parameters."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_array

from sklearn_metabp.derivatives.checks import (
    check_has_no_extras,
    check_patterns,
    quiet_numbers,
    row_blocks,
)
from sklearn_metabp.derivatives.layers import Layer, layers_at
from sklearn_metabp.derivatives.losses import OutputDeltas

# Number of values of the vectors that are multiplied at once. They fit the second cache.
_CHUNK_VALUES = 2**16


def hessian_vector_product(
    model: Any,
    X: Any,
    y: ArrayLike,
    vector: ArrayLike,
    sample_weight: ArrayLike | None = None,
) -> np.ndarray:
    """Multiply the Hessian of the loss by one or more vectors, without computing the Hessian.

    The loss is the one that training lowers, over all rows as one batch: the mean over the rows,
    weighted by sample and class weights, plus the penalty ``alpha / 2 * sum(w**2)`` divided by the
    sum of the weights. Dropout and noise are off, and a penalty of input gradients is left out.
    ``alpha`` is that of the fit. The class weights are computed by ``class_weight`` for this y.

    Parameters
    ----------
    model : BackpropMLPClassifier or BackpropMLPRegressor
        A fitted estimator, alone or within a ``FrozenEstimator``.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets, or labels that the model was fitted with.
    vector : array-like of shape (n_params,) or (n_params, n_vectors)
        In the order of ``params_``. Several vectors are the columns of a matrix.
    sample_weight : array-like of shape (n_samples,), default=None
        Not negative.

    Returns
    -------
    product : ndarray of the shape of ``vector``
        The dtype is float32 for a network in float32, else float64.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError
        If the model is of another class, such as a pipeline.
    ValueError
        If X, y, the vector or the weights have a wrong shape or wrong values.

    See Also
    --------
    hessian : The whole matrix.

    Notes
    -----
    The operator R of B. A. Pearlmutter, "Fast exact multiplication by the Hessian" (1994), which is
    the derivative along the vector, is applied to rules (1), (5), (6) and (3). A product takes
    about as many multiplications as three gradients. If a loss or an activation function has a
    kink, its second derivative is 0.

    Examples
    --------
    The largest eigenvalue, from products alone:

    >>> import numpy as np
    >>> from scipy.sparse.linalg import LinearOperator, eigsh
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_metabp import BackpropMLPClassifier
    >>> from sklearn_metabp.derivatives import hessian, hessian_vector_product
    >>> X, y = load_iris(return_X_y=True)
    >>> model = BackpropMLPClassifier(
    ...     (10,), max_iter=100, n_iter_no_change=np.inf, random_state=0
    ... )
    >>> n = model.fit(X, y).layout_.n_params
    >>> multiply = lambda vector: hessian_vector_product(model, X, y, vector)
    >>> H = LinearOperator((n, n), matvec=multiply, dtype=float)
    >>> largest = eigsh(H, k=1, return_eigenvectors=False)
    >>> print(f"{largest[0]:.3f} and {np.linalg.eigvalsh(hessian(model, X, y))[-1]:.3f}")
    64.545 and 64.545
    """
    X, targets, sample_weight = check_patterns(model, X, y, sample_weight)
    check_has_no_extras(model)
    n_params = model.layout_.n_params
    vectors = check_array(vector, dtype=model.params_.dtype, ensure_2d=False, input_name="vector")
    if vectors.ndim not in (1, 2) or len(vectors) != n_params:
        raise ValueError(
            f"vector must have shape ({n_params},) or ({n_params}, n_vectors), one value for each "
            f"of params_; got {vectors.shape}."
        )
    columns = np.ascontiguousarray(vectors.reshape(n_params, -1).T)
    products = np.empty_like(columns)
    with quiet_numbers():
        for chunk in _chunks(len(columns), n_params):
            products[chunk] = _products(model, X, targets, sample_weight, columns[chunk])
    return np.ascontiguousarray(products.T).reshape(vectors.shape)


def hessian(model: Any, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> np.ndarray:
    """Compute the second derivatives of the loss by every pair of parameters.

    The loss is the one that training lowers, over all rows as one batch: the mean over the rows,
    weighted by sample and class weights, plus the penalty ``alpha / 2 * sum(w**2)`` divided by the
    sum of the weights. Dropout and noise are off, and a penalty of input gradients is left out.
    ``alpha`` is that of the fit. The class weights are computed by ``class_weight`` for this y.

    Parameters
    ----------
    model : BackpropMLPClassifier or BackpropMLPRegressor
        A fitted estimator, alone or within a ``FrozenEstimator``.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets, or labels that the model was fitted with.
    sample_weight : array-like of shape (n_samples,), default=None
        Not negative.

    Returns
    -------
    second_derivatives : ndarray of shape (n_params, n_params)
        Symmetric to rounding, rows and columns in the order of ``params_``. The dtype is float32
        for a network in float32, else float64.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError
        If the model is of another class, such as a pipeline.
    ValueError
        If X, y or the weights have a wrong shape or wrong values.
    MemoryError
        If there is not enough memory for the matrix.

    See Also
    --------
    hessian_vector_product : Products with the Hessian, without the memory for the matrix.

    Notes
    -----
    The columns are :func:`hessian_vector_product` with every unit vector.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp import BackpropMLPRegressor
    >>> from sklearn_metabp.derivatives import hessian
    >>> X, y = np.array([[-1.0], [0.0], [1.0]]), np.array([-1.0, 0.5, 2.0])
    >>> line = BackpropMLPRegressor(
    ...     (), alpha=0.0, max_iter=10, n_iter_no_change=np.inf
    ... ).fit(X, y)
    >>> hessian(line, X, y)  # of half the mean of (w x + b - y)^2
    array([[0.66666667, 0.        ],
           [0.        , 1.        ]])
    """
    X, targets, sample_weight = check_patterns(model, X, y, sample_weight)
    check_has_no_extras(model)
    n_params = model.layout_.n_params
    try:
        second_derivatives = np.empty((n_params, n_params), model.params_.dtype)
    except MemoryError as error:
        raise MemoryError(
            f"the Hessian has {n_params} x {n_params} numbers, more than the memory can "
            "hold: hessian_vector_product multiplies by it without the matrix."
        ) from error
    with quiet_numbers():
        for chunk in _chunks(n_params, n_params):
            unit_vectors = np.zeros_like(second_derivatives[chunk])
            np.fill_diagonal(unit_vectors[:, chunk], 1)
            second_derivatives[chunk] = _products(model, X, targets, sample_weight, unit_vectors)
    return second_derivatives


def _chunks(n_vectors: int, n_params: int) -> Iterator[slice]:
    size = max(1, _CHUNK_VALUES // n_params)
    for start in range(0, n_vectors, size):
        yield slice(start, min(start + size, n_vectors))


def _products(
    model: Any,
    X: Any,
    targets: Any,
    sample_weight: np.ndarray | None,
    vectors: np.ndarray,
) -> np.ndarray:
    """Multiply the Hessian by vectors, (n_vectors, n_params)."""
    network, params, layout = model.network_, model.params_, model.layout_
    n_vectors, n_samples = len(vectors), X.shape[0]
    weight_tensors = [tensor for tensor in layout.tensors if tensor.is_weights]
    bias_tensors = [tensor for tensor in layout.tensors if tensor.is_bias]
    weight_changes = [vectors[:, t.slice].reshape(n_vectors, *t.shape) for t in weight_tensors]
    bias_changes = [vectors[:, None, t.slice] for t in bias_tensors]
    products = np.zeros_like(vectors)
    by_weights = [products[:, t.slice].reshape(n_vectors, *t.shape) for t in weight_tensors]
    by_biases = [products[:, t.slice] for t in bias_tensors]

    for rows, block in row_blocks(X, n_vectors * max(layout.layer_sizes)):
        layers = layers_at(network, params, block)
        net_changes, output_changes = _forward_changes(layers, weight_changes, bias_changes)
        last = OutputDeltas(network, layers[-1], targets[rows])
        deltas, delta_changes = last.deltas, last.changes(net_changes[-1])
        if sample_weight is not None:
            deltas = deltas * sample_weight[rows, None]
            delta_changes = delta_changes * sample_weight[rows, None]
        for number in reversed(range(len(layers))):
            layer = layers[number]
            # R of rule (3) without its learning rate: -R{x} delta - x R{delta}
            by_weights[number] -= layer.inputs.T @ delta_changes
            by_biases[number] -= delta_changes.sum(axis=1)
            if number == 0:
                break
            by_weights[number] -= output_changes[number - 1].transpose(0, 2, 1) @ deltas
            # R of rule (6) has two terms: from f'(in) and from the deltas sent back
            before = layers[number - 1].factor
            sent = deltas @ layer.weights.T
            sent_changes = delta_changes @ layer.weights.T
            sent_changes = sent_changes + deltas @ weight_changes[number].transpose(0, 2, 1)
            delta_changes = before.times(sent_changes) + before.change_times(
                sent, net_changes[number - 1]
            )
            deltas = before.times(sent)

    total = n_samples if sample_weight is None else float(sample_weight.sum(dtype=float))
    products[:, : layout.n_weights] += network.alpha * vectors[:, : layout.n_weights]
    products /= total
    return products


def _forward_changes(
    layers: list[Layer], weight_changes: list[np.ndarray], bias_changes: list[np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Compute R of rule (1) for every layer: R{in} = R{x} W + x R{W} + R{θ}, R{x} = R{in} F.

    Returns R{in} of every layer and R{x} of every layer, each (n_vectors, n_samples, n_neurons).
    The inputs of the network do not change.
    """
    net_changes: list[np.ndarray] = []
    output_changes: list[np.ndarray] = []
    for number, layer in enumerate(layers):
        changes = layer.inputs @ weight_changes[number] + bias_changes[number]
        if number > 0:
            changes += output_changes[number - 1] @ layer.weights
        net_changes.append(changes)
        output_changes.append(layer.factor.times(changes))
    return net_changes, output_changes

"""Derivatives of the outputs by the parameters."""

from typing import Any

import numpy as np

from sklearn_metabp.derivatives.checks import check_inputs, quiet_numbers, row_blocks
from sklearn_metabp.derivatives.layers import layers_at, send_back


def parameter_jacobian(model: Any, X: Any) -> np.ndarray:
    """Compute the derivative of every output by every weight and bias, for every row.

    Parameters
    ----------
    model : BackpropMLPClassifier or BackpropMLPRegressor
        A fitted estimator, alone or within a ``FrozenEstimator``.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Points at which the derivative is taken.

    Returns
    -------
    derivatives : ndarray of shape (n_samples, n_outputs, n_params)
        In the order of ``params_``: ``model.layout_.coefs(derivatives[i, k])`` gives the
        derivatives of output k by the weight matrices. The dtype is float32 for a network in
        float32, else float64.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError
        If the model is of another class, such as a pipeline.
    ValueError
        If X has a wrong shape or wrong values.

    See Also
    --------
    jacobian : Derivative by the inputs, with a definition of the outputs.
    hessian : Second derivatives of the loss.

    Notes
    -----
    Backpropagation of every output: its derivative by the net input of a neuron, times the
    activation that the weight multiplies.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_metabp import BackpropMLPClassifier
    >>> from sklearn_metabp.derivatives import parameter_jacobian
    >>> X, y = load_iris(return_X_y=True)
    >>> model = BackpropMLPClassifier(
    ...     (10,), max_iter=100, n_iter_no_change=np.inf, random_state=0
    ... )
    >>> parameter_jacobian(model.fit(X, y), X).shape
    (150, 3, 83)
    """
    X = check_inputs(model, X)
    network, layout = model.network_, model.layout_
    n_outputs = layout.layer_sizes[-1]
    weight_slices = [tensor.slice for tensor in layout.tensors if tensor.is_weights]
    bias_slices = [tensor.slice for tensor in layout.tensors if tensor.is_bias]
    derivatives = np.empty((X.shape[0], n_outputs, layout.n_params), model.params_.dtype)
    identity = np.eye(n_outputs, dtype=derivatives.dtype)[:, None, :]
    with quiet_numbers():
        for rows, block in row_blocks(X, n_outputs * max(layout.layer_sizes)):
            layers = layers_at(network, model.params_, block)
            at_net_inputs = send_back(layers, layers[-1].factor.times(identity))
            for layer, at_layer, weights, biases in zip(
                layers, at_net_inputs, weight_slices, bias_slices, strict=True
            ):
                at_neurons = at_layer.transpose(1, 0, 2)
                shape = (len(block), n_outputs, *layer.weights.shape)
                by_weights = derivatives[rows, :, weights].reshape(shape)
                np.multiply(
                    layer.inputs[:, None, :, None], at_neurons[:, :, None, :], out=by_weights
                )
                derivatives[rows, :, biases] = at_neurons
            if network.input_layer is not None:
                received = at_net_inputs[0] @ layers[0].weights.T
                extras = model.params_[layout.dense.n_params :]
                for output in range(n_outputs):
                    derivatives[rows, output, layout.dense.n_params :] = network.input_layer.pulls(
                        block, received[output], extras
                    )
    return derivatives

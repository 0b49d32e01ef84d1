"""Gradients of one output or of the loss by the inputs."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sklearn_metabp.derivatives.checks import (
    check_inputs,
    check_patterns,
    quiet_numbers,
    row_blocks,
)
from sklearn_metabp.derivatives.layers import layers_at, send_back
from sklearn_metabp.derivatives.losses import OutputDeltas


def input_gradients(
    model: Any, X: Any, y: ArrayLike | None = None, *, output: Any = None
) -> np.ndarray:
    """Compute the gradient of one output by the inputs, or, with y, of the loss.

    Parameters
    ----------
    model : BackpropMLPClassifier or BackpropMLPRegressor
        A fitted estimator, alone or within a ``FrozenEstimator``.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Points at which the gradient is taken.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
        Targets, or labels. With y, the gradient of a row is the gradient of the loss of this row
        alone. This loss is neither divided by the number of rows nor weighted. The penalty does not
        depend on the inputs.
    output : int, class label or tuple, default=None
        The output. For a classifier, it is a label in ``classes_``. (A binary classifier with a
        single output has for ``classes_[0]`` the negative of the gradient for ``classes_[1]``.) For
        a multilabel classifier or a regressor, it is the number of a column of y. For a classifier
        with several columns of y, it is ``(column, label)``. The default is the only output of a
        regressor, ``classes_[1]`` of a binary classifier, or else the predicted class of every row.

    Returns
    -------
    gradients : ndarray of shape (n_samples, n_features)

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError
        If the model is of another class, such as a pipeline.
    ValueError
        If X or y has a wrong shape or wrong values, if the network has no such output, if it has
        several and none is named, or if y and output are both given.

    See Also
    --------
    jacobian : Derivative of all outputs, with a definition of the outputs.

    Notes
    -----
    This is backpropagation, continued to the inputs. It uses the weights and activations of the
    trained network and needs no further training, as a "differential neural network".

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_metabp import Adam, BackpropMLPClassifier
    >>> from sklearn_metabp.derivatives import input_gradients
    >>> iris = load_iris()
    >>> X, y = scale(iris.data), iris.target_names[iris.target]
    >>> model = BackpropMLPClassifier(
    ...     (10,), update_rule=Adam(0.01), max_iter=100, random_state=0
    ... )
    >>> model = model.set_params(n_iter_no_change=np.inf).fit(X, y)
    >>> mean = input_gradients(model, X, output="virginica").mean(axis=0)
    >>> [name for name, slope in zip(iris.feature_names, mean) if slope > 0.05]
    ['petal length (cm)', 'petal width (cm)']
    """
    targets = None
    if y is None:
        X = check_inputs(model, X)
    elif output is None:
        X, targets, _ = check_patterns(model, X, y)
    else:
        raise ValueError(
            "give y (gradient of the loss) or output (gradient of one output), but not both."
        )
    neuron, sign = (None, 1) if y is not None else _output_neuron(model, output)
    network, params = model.network_, model.params_
    sizes = network.layout.layer_sizes
    gradients = np.empty((X.shape[0], sizes[0]), params.dtype)
    with quiet_numbers():
        for rows, block in row_blocks(X, max(sizes)):
            layers = layers_at(network, params, block)
            last = layers[-1]
            if targets is not None:
                at_net_inputs = -OutputDeltas(network, last, targets[rows]).deltas
            else:
                neurons = last.outputs.argmax(axis=1) if neuron is None else neuron
                chosen = np.zeros_like(last.outputs)
                chosen[np.arange(len(block)), neurons] = sign
                at_net_inputs = last.factor.times(chosen)
            received = send_back(layers, at_net_inputs)[0] @ layers[0].weights.T
            gradients[rows] = network.pull_back(block, received, params)
    return gradients


def _output_neuron(model: Any, output: Any) -> tuple[int | None, int]:
    """Return the number of the output and the sign of its gradient; None for each row's largest."""
    n_outputs = model.layout_.layer_sizes[-1]
    classes = getattr(model, "classes_", None)
    if output is None:
        if n_outputs == 1:
            return 0, 1
        if isinstance(classes, np.ndarray) and not model.targets_.is_multilabel:
            return None, 1
        raise ValueError(f"the network has {n_outputs} outputs: name one of them by output.")
    if classes is None:
        return _find_neuron(np.arange(n_outputs), n_outputs, output, "the number of an output,")
    if isinstance(classes, np.ndarray):
        return _find_neuron(classes, n_outputs, output, "one of the classes")
    try:
        column, label = output
        column, _ = _find_neuron(np.arange(len(classes)), len(classes), column, "a column of y,")
    except (TypeError, ValueError):
        raise ValueError(
            f"y has {len(classes)} columns: output must be (column, label), got {output!r}."
        ) from None
    widths = model.targets_.widths
    neuron, sign = _find_neuron(
        classes[column], widths[column], label, f"(column, label), the label in column {column}"
    )
    return sum(widths[:column]) + neuron, sign


def _find_neuron(known: np.ndarray, n_outputs: int, name: Any, what: str) -> tuple[int, int]:
    """Return the position of a name among the known ones, and the sign of the gradient.

    Two classes may share an output; the gradient for the first one is then the negative.
    """
    is_name = np.ndim(name) == 0 and not _is_other_number(known, name)
    position = np.flatnonzero(known == name) if is_name else np.empty(0)
    if len(position) != 1:
        raise ValueError(f"output must be {what} {known.tolist()}, got {name!r}.")
    if len(known) > n_outputs:
        return 0, 1 if position[0] else -1
    return int(position[0]), 1


def _is_other_number(known: np.ndarray, name: Any) -> bool:
    """Return whether a name equals numbers only by accident, as True and 1.0 equal 1."""
    kind = np.asarray(name).dtype.kind
    return (kind == "b" and known.dtype.kind in "iuf") or (
        kind == "f" and known.dtype.kind in "biu"
    )

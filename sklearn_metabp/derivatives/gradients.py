"""Gradients by the inputs: of one output, or of the loss."""

import numpy as np

from sklearn_metabp.derivatives.checks import check_patterns, check_rows, quiet_numbers, row_blocks
from sklearn_metabp.derivatives.layers import layers_at, send_back
from sklearn_metabp.derivatives.losses import OutputDeltas


def input_gradients(model, X, y=None, *, output=None):
    """Gradient by the inputs of one output, or, with y, of the loss.

    Parameters
    ----------
    model : BackpropMLPClassifier or BackpropMLPRegressor
        Fitted; it may be within a ``FrozenEstimator``.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Where to take the gradient.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
        Targets, or labels. With them every row's gradient is that of its own loss, which is neither
        divided by the number of rows nor weighted. The penalty does not depend on the inputs.
    output : int, class label or tuple, default=None
        Which output. Of a classifier the label in ``classes_``; of a binary one with a single unit
        the gradient for ``classes_[0]`` is the negative of that for ``classes_[1]``. Of multilabel
        classifiers and of regressors the number of the column of y; of classifiers of several
        columns ``(column, label)``. Left out, it is the only output, the unit of a binary
        classifier (``classes_[1]``), or of every row the class that it is put in.

    Returns
    -------
    gradients : ndarray of shape (n_samples, n_features)

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError
        If the model is something else, such as a pipeline.
    ValueError
        If X or y does not fit, if there is no such output, if it must be named, or if y and output
        are both given.

    See Also
    --------
    jacobian : Of all outputs, and what the outputs are.

    Notes
    -----
    Backpropagation carried on to the inputs. The derivatives of a trained network by its inputs
    need no training of their own: they use its weights and activations, as a "differential neural
    network" does.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_metabp import Adam, BackpropMLPClassifier
    >>> from sklearn_metabp.derivatives import input_gradients
    >>> iris = load_iris()
    >>> X, y = scale(iris.data), iris.target_names[iris.target]
    >>> model = BackpropMLPClassifier((10,), update_rule=Adam(0.01), max_iter=100, random_state=0)
    >>> model = model.set_params(n_iter_no_change=np.inf).fit(X, y)
    >>> mean = input_gradients(model, X, output="virginica").mean(axis=0)
    >>> [name for name, slope in zip(iris.feature_names, mean) if slope > 0.05]
    ['petal length (cm)', 'petal width (cm)']
    """
    targets = None
    if y is None:
        X = check_rows(model, X)
    elif output is None:
        X, targets, _ = check_patterns(model, X, y)
    else:
        raise ValueError(
            "give y for the gradient of the loss or output for that of one output, but not both."
        )
    unit, sign = (None, 1) if y is not None else _unit_of(model, output)
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
                units = last.outputs.argmax(axis=1) if unit is None else unit
                chosen = np.zeros_like(last.outputs)
                chosen[np.arange(len(block)), units] = sign
                at_net_inputs = last.factor.times(chosen)
            gradients[rows] = send_back(layers, at_net_inputs)[0] @ layers[0].weights.T
    return gradients


def _unit_of(model, output) -> tuple[int | None, int]:
    """Number of the output unit and the sign of its gradient; None: each row's largest output."""
    n_outputs = model.layout_.layer_sizes[-1]
    classes = getattr(model, "classes_", None)
    if output is None:
        if n_outputs == 1:
            return 0, 1
        if isinstance(classes, np.ndarray) and not model.targets_.is_multilabel:
            return None, 1
        raise ValueError(
            f"the network has {n_outputs} outputs: say by output which one the gradient is of."
        )
    if classes is None:
        return _unit_in(np.arange(n_outputs), n_outputs, output, "the number of an output,")
    if isinstance(classes, np.ndarray):
        return _unit_in(classes, n_outputs, output, "one of the classes")
    try:
        column, label = output
        column, _ = _unit_in(np.arange(len(classes)), len(classes), column, "a column of y,")
    except (TypeError, ValueError):
        raise ValueError(
            f"y has {len(classes)} columns: output must be (column, label), got {output!r}."
        ) from None
    widths = model.targets_.widths
    unit, sign = _unit_in(
        classes[column], widths[column], label, f"(column, label), the label in column {column}"
    )
    return sum(widths[:column]) + unit, sign


def _unit_in(known: np.ndarray, n_units: int, name, what: str) -> tuple[int, int]:
    """Position of a name among those known and the sign there, where two classes may share a unit."""
    is_name = np.ndim(name) == 0 and not _is_other_number(known, name)
    position = np.flatnonzero(known == name) if is_name else np.empty(0)
    if len(position) != 1:
        raise ValueError(f"output must be {what} {known.tolist()}, got {name!r}.")
    if len(known) > n_units:
        return 0, 1 if position[0] else -1
    return int(position[0]), 1


def _is_other_number(known: np.ndarray, name) -> bool:
    """Whether a name equals numbers by accident: True is 1, and 1.0 is."""
    kind = np.asarray(name).dtype.kind
    return (kind == "b" and known.dtype.kind in "iuf") or (
        kind == "f" and known.dtype.kind in "biu"
    )

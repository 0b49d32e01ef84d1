"""Outputs of the network to labels and probabilities: ``ClassTargets``, in operators."""

import numpy as np

from sklearn_metabp.onnx.graph import Graph, Node


def label_values(classes: np.ndarray) -> np.ndarray:
    """Classes in a type that ONNX has for labels: int64 or str.

    Raises
    ------
    ValueError
        If they are neither integers, in whatever type, nor strings.
    """
    values = np.asarray(classes.tolist())
    if values.dtype.kind == "U":
        return values
    if values.dtype.kind in "biuf" and (values == values.astype(np.int64)).all():
        return values.astype(np.int64)
    raise ValueError(
        f"labels in ONNX are integers or strings, but classes_ is {classes!r}: convert with "
        f"options={{'nocl': True}}, which gives positions in classes_."
    )


def decode(
    graph: Graph, outputs: Node, n_classes: int, width: int, function: str
) -> tuple[Node, Node]:
    """Position of the label in the classes, (n_samples,), and probabilities, (n_samples, n_classes).

    Parameters
    ----------
    graph : Graph
    outputs : Node
        Of shape (n_samples, width).
    n_classes, width : int
    function : str
        Activation function of the outputs.
    """
    if n_classes == 1:  # softmax of one column is 1
        probabilities = graph.Softmax(graph.columns(outputs, 0, 1), axis=1)
        return graph.ArgMax(probabilities, axis=1, keepdims=0), probabilities
    parts = shares(graph, outputs, function)
    if width == 1:
        probabilities = graph.Concat(graph.Sub(graph.constant(1), parts), parts, axis=1)
        return graph.Reshape(is_yes(graph, outputs, function), np.array([-1])), probabilities
    position = graph.ArgMax(outputs, axis=1, keepdims=0)
    if function == "softmax":
        return position, parts
    zero, one = graph.constant(0), graph.constant(1)
    total = graph.MatMul(parts, np.ones((width, 1), graph.dtype))
    some = graph.Greater(total, zero)
    scaled = graph.Div(parts, graph.Where(some, total, one))
    return position, graph.Where(some, scaled, graph.constant(1 / width))


def shares(graph: Graph, outputs: Node, function: str) -> Node:
    """Outputs mapped from the range of the targets to [0, 1], what lies outside cut off."""
    zero, one = graph.constant(0), graph.constant(1)
    if function == "tanh":
        return graph.Mul(graph.Add(outputs, one), graph.constant(0.5))
    return graph.Max(graph.Min(outputs, one), zero) if function == "identity" else outputs


def is_yes(graph: Graph, outputs: Node, function: str) -> Node:
    """1 where an output says yes, else 0; int64, of the outputs' shape."""
    middle = graph.constant(0 if function == "tanh" else 0.5)
    return graph.cast(graph.Greater(outputs, middle), np.int64)

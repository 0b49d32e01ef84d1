"""Labels and probabilities of the network's outputs: ``ClassTargets`` in ONNX operators."""

import numpy as np

from sklearn_metabp._kernels.functions import ACTIVATIONS
from sklearn_metabp.onnx.graph import Graph, Node


def label_values(classes: np.ndarray) -> np.ndarray:
    """Return classes in a type that ONNX has for labels: int64 or str.

    Raises
    ------
    ValueError
        If they are neither strings nor integers, which may have any dtype.
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
    """Compute the position of the label in the classes, and the probabilities.

    Parameters
    ----------
    graph : Graph
    outputs : Node of shape (n_samples, width)
    n_classes, width : int
    function : str
        Activation function of the outputs.

    Returns
    -------
    position : Node of shape (n_samples,)
    probabilities : Node of shape (n_samples, n_classes)
    """
    if n_classes == 1:  # softmax of one column is 1
        probabilities = graph.Softmax(graph.columns(outputs, 0, 1), axis=1)
        return graph.ArgMax(probabilities, axis=1, keepdims=0), probabilities
    parts = shares(graph, outputs, function)
    if width == 1:
        probabilities = graph.Concat(graph.Sub(graph.constant(1), parts), parts, axis=1)
        return graph.Reshape(is_yes(graph, outputs, function), np.array([-1])), probabilities
    position = graph.ArgMax(outputs, axis=1, keepdims=0)
    if ACTIVATIONS[function].sums_to_one:
        return position, parts
    zero, one = graph.constant(0), graph.constant(1)
    total = graph.MatMul(parts, np.ones((width, 1), graph.dtype))
    some = graph.Greater(total, zero)
    scaled = graph.Div(parts, graph.Where(some, total, one))
    return position, graph.Where(some, scaled, graph.constant(1 / width))


def shares(graph: Graph, outputs: Node, function: str) -> Node:
    """Map outputs from the range of the targets to [0, 1] and clip the ones outside."""
    activation = ACTIVATIONS[function]
    assert activation.class_range is not None
    no, yes = activation.class_range
    if (no, yes) != (0.0, 1.0):
        from_no = graph.Add(outputs, graph.constant(-no))
        outputs = graph.Mul(from_no, graph.constant(1 / (yes - no)))
    if activation.output_range == activation.class_range:
        return outputs
    return graph.Max(graph.Min(outputs, graph.constant(1)), graph.constant(0))


def is_yes(graph: Graph, outputs: Node, function: str) -> Node:
    """Compute 1, as int64, where an output is nearer to the target for yes, else 0."""
    class_range = ACTIVATIONS[function].class_range
    assert class_range is not None
    middle = graph.constant(sum(class_range) / 2)
    return graph.cast(graph.Greater(outputs, middle), np.int64)

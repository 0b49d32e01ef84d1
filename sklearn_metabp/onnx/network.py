"""The forward pass of a fitted network, rule (1) layer by layer."""

from sklearn_metabp.network import Network
from sklearn_metabp.onnx.graph import Graph, Node


def network_outputs(graph: Graph, model, x: Node) -> Node:
    """Activations of the output layer, (n_samples, n_outputs)."""
    network = model.network_
    hidden = hidden_activations(network)
    x = graph.cast(x, graph.dtype)
    layers = list(zip(model.coefs_, model.intercepts_, strict=True))
    for layer, (weights, biases) in enumerate(layers):
        x = graph.Add(graph.MatMul(x, graph.constant(weights)), graph.constant(biases))
        if layer < len(layers) - 1:
            x = graph.activate(hidden[layer], x)
    groups = getattr(network, "out_groups", None)
    if network.out_activation != "softmax" or groups is None:
        return graph.activate(network.out_activation, x)
    return graph.Concat(*[graph.activate("softmax", part) for part in split(graph, x, groups)], axis=1)


def hidden_activations(network: Network) -> tuple[str, ...]:
    """Activation function of every hidden layer."""
    return (network.activation,) * (len(network.layout.layer_sizes) - 2)


def split(graph: Graph, x: Node, widths) -> list[Node]:
    """Groups of neighbouring columns, of the given widths."""
    parts, start = [], 0
    for width in widths:
        parts.append(graph.columns(x, start, start + width))
        start += width
    return parts

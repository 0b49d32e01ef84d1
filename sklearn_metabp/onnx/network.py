"""The forward pass of a fitted network, rule (1) layer by layer."""

from collections.abc import Iterable
from typing import Any

from sklearn_metabp.onnx.graph import Graph, Node


def network_outputs(graph: Graph, model: Any, x: Node) -> Node:
    """Compute the activations of the output layer, (n_samples, n_outputs)."""
    network = model.network_
    x = graph.cast(x, graph.dtype)
    layers = list(zip(model.coefs_, model.intercepts_, strict=True))
    for layer, (weights, biases) in enumerate(layers):
        x = graph.Add(graph.MatMul(x, graph.constant(weights)), graph.constant(biases))
        if layer < len(layers) - 1:
            x = graph.activate(network.activations[layer], x)
    if network.out_groups is None:
        return graph.activate(network.out_activation, x)
    groups = split(graph, x, network.out_groups)
    return graph.Concat(
        *[graph.activate(network.out_activation, group) for group in groups], axis=1
    )


def split(graph: Graph, x: Node, widths: Iterable[int]) -> list[Node]:
    """Split neighbouring columns into groups of the given widths."""
    parts, start = [], 0
    for width in widths:
        parts.append(graph.columns(x, start, start + width))
        start += width
    return parts

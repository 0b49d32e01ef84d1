"""The scaling layer and the numeric embedding as ONNX operators."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sklearn_metabp._kernels.network.input_layer import Embedding
from sklearn_metabp.onnx.graph import Graph, Node


def input_layer_outputs(graph: Graph, model: Any, x: Node) -> Node:
    """Compute the inputs of the first layer, (n_samples, fan_in)."""
    layer = model.network_.input_layer
    if layer is None:
        return x
    extras = model.extras_
    if layer.has_scales:
        x = graph.Mul(x, graph.constant(extras["input_scales_"]))
    embedding = layer.embedding
    if embedding is None:
        return x
    plain, plain_places, starts = layer.places
    embedded = _embedded(graph, extras, embedding, x)
    places = (starts[:, None] + np.arange(embedding.n_outputs)).ravel()
    if not len(plain):
        return embedded
    together = graph.Concat(graph.Gather(x, plain, axis=1), embedded, axis=1)
    order = np.argsort(np.concatenate([plain_places, places]))
    return graph.Gather(together, order, axis=1)


def _embedded(graph: Graph, extras: dict[str, np.ndarray], embedding: Embedding, x: Node) -> Node:
    """Compute the outputs of the embedded columns, column by column."""
    n_columns = len(embedding.columns)
    chosen = graph.Gather(x, np.array(embedding.columns), axis=1)
    chosen = graph.Reshape(chosen, np.array([-1, n_columns, 1]))
    trained = (extras[f"embedding_{name}_"] for name in embedding.kind_of.trained)
    basis = (*trained, *embedding.fixed(graph.dtype))
    z = _BASES[embedding.kind](graph, chosen, *map(graph.constant, basis))
    # a product of matrices for every column
    sums = graph.MatMul(
        graph.Transpose(z, perm=[1, 0, 2]), graph.constant(extras["embedding_coefs_"])
    )
    sums = graph.Add(
        graph.Transpose(sums, perm=[1, 0, 2]), graph.constant(extras["embedding_intercepts_"])
    )
    if embedding.kind_of.keeps_input:
        sums = graph.Concat(sums, chosen, axis=2)
    return graph.Reshape(sums, np.array([-1, n_columns * embedding.n_outputs]))


def _periodic(graph: Graph, x: Node, frequencies: np.ndarray, phases: np.ndarray) -> Node:
    """Compute cos 2π t by a sine, because ONNX Runtime has no Cos of float64."""
    turns = graph.Add(graph.Mul(x, frequencies), phases)
    nearest = graph.Floor(graph.Add(turns, graph.constant(0.5)))
    shifted = graph.Add(graph.Sub(turns, nearest), graph.constant(0.25))
    return graph.Sin(graph.Mul(shifted, graph.constant(2 * np.pi)))


def _piecewise_linear(
    graph: Graph,
    x: Node,
    starts: np.ndarray,
    rates: np.ndarray,
    lows: np.ndarray,
    highs: np.ndarray,
) -> Node:
    return graph.Min(graph.Max(graph.Mul(graph.Sub(x, starts), rates), lows), highs)


_BASES: dict[str, Callable[..., Node]] = {
    "periodic": _periodic,
    "piecewise_linear": _piecewise_linear,
}

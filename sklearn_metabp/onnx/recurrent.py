"""The recurrent layer as an operator of ONNX: ``RNN`` or ``GRU``."""

from typing import Any

import numpy as np

from sklearn_metabp.onnx.graph import Graph, Node

# Functions of the operator ``RNN``, with their alpha and beta.
_FUNCTIONS: dict[str, tuple[str, float, float]] = {
    "tanh": ("Tanh", 0.0, 0.0),
    "relu": ("Relu", 0.0, 0.0),
    "logistic": ("Sigmoid", 0.0, 0.0),
    "identity": ("Affine", 1.0, 0.0),
    "leaky_relu": ("LeakyRelu", 0.01, 0.0),
    "elu": ("Elu", 1.0, 0.0),
    "softplus": ("Softplus", 0.0, 0.0),
}
# The order of our gates is reset, update, new state. In ``GRU`` it is update, reset, new state.
_GRU_ORDER = [1, 0, 2]


def recurrent_states(graph: Graph, model: Any, x: Node) -> Node:
    """Compute the states for the output layer, (n_rows, n_states), in the graph's type.

    They are the states after the last time step of every sequence. With outputs at every time step
    they are the states of all time steps, one sequence after another. The layer is computed in
    float32, the only type of ONNX Runtime for it.

    Raises
    ------
    NotImplementedError
        If ONNX has no recurrent layer of this activation function.
    """
    network = model.network_
    n_features, n_states, _ = network.layout.layer_sizes
    x = graph.Reshape(graph.cast(x, np.float32), np.array([0, -1, n_features], np.int64))
    is_there = graph.Not(graph.IsNaN(graph.Gather(x, np.array(0, np.int64), axis=2)))
    lengths = graph.ReduceSum(graph.cast(is_there, np.int32), np.array([1], np.int64), keepdims=0)
    zero = np.zeros(1, np.float32)
    inputs = graph.Transpose(graph.Where(graph.IsNaN(x), zero, x), perm=[1, 0, 2])
    operator, weights, options = _layer(network, model.coefs_, model.intercepts_)
    layer = getattr(graph, operator)(
        inputs,
        *[one[None].astype(np.float32) for one in weights],
        lengths,
        hidden_size=n_states,
        output_names=[f"{operator}_states", f"{operator}_last"],
        **options,
    )
    if network.every_step:
        all_states = graph.Transpose(
            graph.Squeeze(layer[0], np.array([1], np.int64)), perm=[1, 0, 2]
        )
        states = graph.Reshape(all_states, np.array([-1, n_states], np.int64))
    else:
        states = graph.Squeeze(layer[1], np.array([0], np.int64))
    return graph.cast(states, graph.dtype)


def _layer(
    network: Any, coefs: list[np.ndarray], intercepts: list[np.ndarray]
) -> tuple[str, list[np.ndarray], dict[str, Any]]:
    """Return the operator, its weights (of inputs, of states, biases) and its attributes."""
    W, R, _ = coefs
    theta, *phi, _ = intercepts
    if phi:
        by_gates = [np.split(one, 3, axis=-1) for one in (W, R, theta, phi[0])]
        W, R, theta, other = (
            np.concatenate([gates[k] for k in _GRU_ORDER], axis=-1) for gates in by_gates
        )
        return "GRU", [W.T, R.T, np.concatenate([theta, other])], {"linear_before_reset": 1}
    function = network.activations[0]
    if function not in _FUNCTIONS:
        raise NotImplementedError(
            f"ONNX has no recurrent layer of {function!r} neurons; it has {sorted(_FUNCTIONS)}."
        )
    name, alpha, beta = _FUNCTIONS[function]
    options = {"activations": [name], "activation_alpha": [alpha], "activation_beta": [beta]}
    return "RNN", [W.T, R.T, np.concatenate([theta, np.zeros_like(theta)])], options

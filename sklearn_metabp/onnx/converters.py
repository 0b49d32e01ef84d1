"""The converters of the regressor, the classifier and the autoencoder."""

from typing import Any

import numpy as np
from skl2onnx._parse import _parse_sklearn_classifier
from skl2onnx.common.data_types import (
    FloatTensorType,
    Int64TensorType,
    SequenceType,
    StringTensorType,
    guess_tensor_type,
)
from skl2onnx.common.utils import check_input_and_output_numbers

from sklearn_metabp._kernels.functions import ACTIVATIONS
from sklearn_metabp.estimators import members_of
from sklearn_metabp.network import mixes_of
from sklearn_metabp.onnx.graph import Graph, Node
from sklearn_metabp.onnx.input_layer import input_layer_outputs
from sklearn_metabp.onnx.recurrent import recurrent_states
from sklearn_metabp.onnx.targets import decode, is_yes, label_values, shares

REGRESSOR_ALIAS = "SklearnMetabpBackpropMLPRegressor"
CLASSIFIER_ALIAS = "SklearnMetabpBackpropMLPClassifier"
RNN_REGRESSOR_ALIAS = "SklearnMetabpBackpropRNNRegressor"
RNN_CLASSIFIER_ALIAS = "SklearnMetabpBackpropRNNClassifier"
AUTOENCODER_ALIAS = "SklearnMetabpBackpropAutoencoder"
# Outputs of an autoencoder that an option adds.
AUTOENCODER_OPTIONS = ("transform", "score_samples", "reconstruct", "residuals")


def hidden_outputs(graph: Graph, model: Any, x: Node, n_layers: int) -> Node:
    """Compute the activations of a hidden layer, (n_samples, n_neurons): rule (1) by layers."""
    network, extras = model.network_, model.layout_.extras_of(model.params_)
    mixes = [extras.get(mixes_of(layer, 1).name) for layer in range(len(network.activations))]
    x = input_layer_outputs(graph, model, graph.cast(x, graph.dtype))
    for layer in range(n_layers):
        net_inputs = _net_inputs(graph, model, x, layer)
        x = graph.activate(network.activations[layer], net_inputs)
        a = mixes[layer]
        if a is not None:  # (1 - a) in + a f(in)
            linear = graph.Mul(net_inputs, graph.constant(1 - a))
            x = graph.Add(linear, graph.Mul(x, graph.constant(a)))
    return x


def _net_inputs(graph: Graph, model: Any, x: Node, layer: int) -> Node:
    weights, biases = model.coefs_[layer], model.intercepts_[layer]
    return graph.Add(graph.MatMul(x, graph.constant(weights)), graph.constant(biases))


def mean_outputs(graph: Graph, model: Any, x: Node) -> Node:
    """Compute the mean of the outputs of all networks of a model, (n_samples, n_outputs)."""
    outputs = [network_outputs(graph, member, x) for member in members_of(model)]
    if len(outputs) == 1:
        return outputs[0]
    total = graph.Sum(*outputs)
    return graph.Div(total, graph.constant(len(outputs)))


def network_outputs(graph: Graph, model: Any, x: Node) -> Node:
    """Compute the activations of the output layer, (n_samples, n_outputs), of one network."""
    network = model.network_
    if network.layout.recurrence is not None:
        x = _net_inputs(graph, model, recurrent_states(graph, model, x), -1)
    else:
        n_hidden = len(network.activations)
        x = _net_inputs(graph, model, hidden_outputs(graph, model, x, n_hidden), n_hidden)
    if network.out_groups is None:
        return graph.activate(network.out_activation, x)
    groups = graph.split(x, network.out_groups)
    return graph.Concat(
        *[graph.activate(network.out_activation, group) for group in groups], axis=1
    )


def regressor_shapes(operator: Any) -> None:
    """Set the shape of the variable: one column per output, as skl2onnx's regressors do.

    This also holds if ``predict`` returns a vector.
    """
    check_input_and_output_numbers(operator, input_count_range=1, output_count_range=1)
    (given,) = operator.inputs
    (variable,) = operator.outputs
    kind = guess_tensor_type(given.type)
    n_steps = [None] if _is_of_every_step(operator.raw_operator) else []
    kind.shape = [given.get_first_dimension(), *n_steps, operator.raw_operator.n_outputs_]
    variable.set_type(kind)


def convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    """Write the network's outputs as the variable."""
    (given,) = operator.inputs
    graph = Graph(container.target_opset, given.type)
    model = operator.raw_operator
    outputs = mean_outputs(graph, model, given)
    if _is_of_every_step(model):
        n_rows = graph.Gather(graph.Shape(given), np.array([0], np.int64))
        shape = graph.Concat(n_rows, np.array([-1, model.n_outputs_], np.int64), axis=0)
        outputs = graph.Reshape(outputs, shape)
    graph.Identity(outputs, output_names=operator.outputs).add_to(scope, container)


def parse_autoencoder(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """Name the outputs: ``label`` and ``scores`` as in skl2onnx's detectors, and those of options.

    With ``transform`` the only output are the codes, so that other steps of a pipeline can follow.
    """
    options = _autoencoder_options(scope, model)
    operator = scope.declare_local_operator(AUTOENCODER_ALIAS, model)
    operator.inputs = inputs
    numbers = guess_tensor_type(inputs[0].type)
    if options["transform"]:
        operator.outputs.append(scope.declare_local_variable("variable", numbers))
        return operator.outputs
    operator.outputs.append(scope.declare_local_variable("label", Int64TensorType()))
    operator.outputs.append(scope.declare_local_variable("scores", numbers))
    for name in AUTOENCODER_OPTIONS[1:]:
        if options[name]:
            output = scope.declare_local_variable(name, guess_tensor_type(inputs[0].type))
            operator.outputs.append(output)
    return operator.outputs


def _autoencoder_options(scope: Any, model: Any) -> dict[str, bool]:
    return scope.get_options(model, dict.fromkeys(AUTOENCODER_OPTIONS, False))


def autoencoder_shapes(operator: Any) -> None:
    """Set the shapes of the outputs: one column of labels and of scores."""
    check_input_and_output_numbers(operator, input_count_range=1, output_count_range=[1, 5])
    model, n_rows = operator.raw_operator, operator.inputs[0].get_first_dimension()
    if _autoencoder_options(operator.scope_inst, model)["transform"]:
        operator.outputs[0].type.shape = [n_rows, len(model.get_feature_names_out())]
        return
    for output in operator.outputs:
        is_wide = output.raw_name in ("reconstruct", "residuals")
        output.type.shape = [n_rows, model.n_features_in_ if is_wide else 1]


def convert_autoencoder(scope: Any, operator: Any, container: Any) -> None:
    """Write the network, then the computations of ``transform`` or of ``predict`` and others."""
    model, (given,) = operator.raw_operator, operator.inputs
    graph, options = Graph(container.target_opset, given.type), _autoencoder_options(scope, model)
    if options["transform"]:
        found = {"variable": hidden_outputs(graph, model, given, model.code_layer_ + 1)}
    else:
        copies = network_outputs(graph, model, given)
        scale = graph.constant(1 / model.residual_scale_)
        residuals = graph.Mul(graph.Sub(graph.cast(given, graph.dtype), copies), scale)
        to_mean = np.full((model.n_features_in_, 1), -1 / model.n_features_in_, graph.dtype)
        samples = graph.MatMul(graph.Mul(residuals, residuals), to_mean)
        scores = graph.Sub(samples, graph.constant(model.offset_))
        is_outlier = graph.Less(scores, graph.constant(0))
        found = {
            "label": graph.Where(is_outlier, np.array([-1]), np.array([1])),
            "scores": scores,
            "score_samples": samples,
            "reconstruct": copies,
            "residuals": residuals,
        }
    for output in operator.outputs:
        graph.Identity(found[output.raw_name], output_names=[output]).add_to(scope, container)


def parse_classifier(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """Name the outputs as skl2onnx does.

    For one target they are ``label`` and ``probabilities``, and the options ``zipmap`` and
    ``output_class_labels`` change the form of ``probabilities``, as for skl2onnx's own classifiers.
    For several targets ``label`` has one column for each target, and ``probabilities`` is a
    sequence with one tensor for each target, as for skl2onnx's ``MultiOutputClassifier``.
    """
    if not isinstance(model.classes_, list):
        return _parse_sklearn_classifier(scope, model, inputs, custom_parsers=custom_parsers)
    is_recurrent = model.network_.layout.recurrence is not None
    alias = RNN_CLASSIFIER_ALIAS if is_recurrent else CLASSIFIER_ALIAS
    operator = scope.declare_local_operator(alias, model)
    operator.inputs = inputs
    sequence = SequenceType(guess_tensor_type(inputs[0].type))
    operator.outputs.append(scope.declare_local_variable("label", Int64TensorType()))
    operator.outputs.append(scope.declare_local_variable("probabilities", sequence))
    return operator.outputs


def classifier_shapes(operator: Any) -> None:
    """Set the type of the labels and the shapes of both outputs."""
    check_input_and_output_numbers(operator, input_count_range=1, output_count_range=2)
    model, n_rows = operator.raw_operator, operator.inputs[0].get_first_dimension()
    if _is_of_every_step(model):
        raise NotImplementedError(
            "a classifier with return_sequences=True has no conversion to ONNX yet. A regressor "
            "and a classifier with one label for every sequence have one."
        )
    label, probabilities = operator.outputs
    if _goes_into_maps(probabilities, operator.scope_inst):
        probabilities.set_type(FloatTensorType())
    if _is_multilabel(model):
        label.set_type(Int64TensorType([n_rows, model.n_outputs_]))
        probabilities.type.shape = [n_rows, model.n_outputs_]
        return
    values = _labels(operator.scope_inst, model)
    kinds = {StringTensorType if labels.dtype.kind == "U" else Int64TensorType for labels in values}
    if len(kinds) > 1:
        raise ValueError(
            "some targets have strings as labels and some have numbers, but ONNX labels have "
            "one type: convert with options={'nocl': True}, which gives positions in classes_."
        )
    several = isinstance(model.classes_, list)
    label.set_type(kinds.pop()([n_rows, len(values)] if several else [n_rows]))
    if not several:
        probabilities.type.shape = [n_rows, len(model.classes_)]


def convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    """Write the network, then the computations of ``predict`` and ``predict_proba``."""
    model, (given,) = operator.raw_operator, operator.inputs
    function = model.out_activation_
    graph = Graph(container.target_opset, given.type)
    outputs = mean_outputs(graph, model, given)
    if _is_multilabel(model):
        label, probabilities = is_yes(graph, outputs, function), shares(graph, outputs, function)
    else:
        values = _labels(scope, model)
        widths = _widths(model)
        parts = graph.split(outputs, widths) if len(widths) > 1 else [outputs]
        decoded = [
            decode(graph, part, len(labels), width, function)
            for part, labels, width in zip(parts, values, widths, strict=True)
        ]
        found = [
            graph.Gather(labels, position)
            for labels, (position, _) in zip(values, decoded, strict=True)
        ]
        if isinstance(model.classes_, list):
            columns = [graph.Reshape(labels, np.array([-1, 1])) for labels in found]
            label = graph.Concat(*columns, axis=1)
            probabilities = graph.SequenceConstruct(*[shared for _, shared in decoded])
        else:
            (label,), ((_, probabilities),) = found, decoded
    if graph.dtype == np.float64 and isinstance(operator.outputs[1].type, FloatTensorType):
        probabilities = graph.cast(probabilities, np.float32)
    for node, output in zip((label, probabilities), operator.outputs, strict=True):
        graph.Identity(node, output_names=[output]).add_to(scope, container)


def _goes_into_maps(probabilities: Any, scope: Any) -> bool:
    """Return whether ``zipmap`` makes maps of the probabilities, which needs float32."""
    users = [other for other in scope.operators.values() if other.type == "SklearnZipMap"]
    return any(probabilities is variable for other in users for variable in other.inputs)


def _is_of_every_step(model: Any) -> bool:
    """Return whether a model has outputs at every time step."""
    network = model.network_
    return network.layout.recurrence is not None and network.every_step


def _is_multilabel(model: Any) -> bool:
    return model.targets_.is_multilabel


def _classes_of(model: Any) -> list[np.ndarray]:
    """Return the classes of every target."""
    return model.classes_ if isinstance(model.classes_, list) else [model.classes_]


def _labels(scope: Any, model: Any) -> list[np.ndarray]:
    """Return the labels of every target: the classes, or with option ``nocl`` their positions."""
    if scope.get_options(model, {"nocl": False})["nocl"]:
        return [np.arange(len(classes)) for classes in _classes_of(model)]
    return [label_values(classes) for classes in _classes_of(model)]


def _widths(model: Any) -> tuple[int, ...]:
    """Return the number of outputs of every target."""
    if model.network_.out_groups is not None:
        return model.network_.out_groups
    if not isinstance(model.classes_, list):
        return (model.n_outputs_,)
    exclusive = ACTIVATIONS[model.out_activation_].sums_to_one
    sizes = [len(classes) for classes in model.classes_]
    return tuple(max(2, size) if exclusive or size > 2 else 1 for size in sizes)

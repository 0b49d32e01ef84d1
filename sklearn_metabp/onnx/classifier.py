"""The converter of the classifier."""

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

from sklearn_metabp.onnx.graph import Graph
from sklearn_metabp.onnx.network import network_outputs, split
from sklearn_metabp.onnx.targets import decode, is_yes, label_values, shares

ALIAS = "SklearnMetabpBackpropMLPClassifier"


def parse_classifier(scope, model, inputs, custom_parsers=None):
    """Name the outputs as skl2onnx does.

    Of one target these are ``label`` and ``probabilities``, the latter by the options ``zipmap``
    and ``output_class_labels``, as of its classifiers. Of several targets ``label`` has a column
    for each and ``probabilities`` is a sequence with a tensor for each, as of its
    ``MultiOutputClassifier``.
    """
    if not isinstance(model.classes_, list):
        return _parse_sklearn_classifier(scope, model, inputs, custom_parsers=custom_parsers)
    operator = scope.declare_local_operator(ALIAS, model)
    operator.inputs = inputs
    sequence = SequenceType(guess_tensor_type(inputs[0].type))
    operator.outputs.append(scope.declare_local_variable("label", Int64TensorType()))
    operator.outputs.append(scope.declare_local_variable("probabilities", sequence))
    return operator.outputs


def classifier_shapes(operator) -> None:
    """Say of what type the labels are, and of what shape both outputs."""
    check_input_and_output_numbers(operator, input_count_range=1, output_count_range=2)
    model, n_rows = operator.raw_operator, operator.inputs[0].get_first_dimension()
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
            "some targets have strings as labels and some have numbers, but in ONNX all labels are of one "
            "type: convert with options={'nocl': True}, which gives positions in classes_."
        )
    several = isinstance(model.classes_, list)
    label.set_type(kinds.pop()([n_rows, len(values)] if several else [n_rows]))
    if not several:
        probabilities.type.shape = [n_rows, len(model.classes_)]


def convert_classifier(scope, operator, container) -> None:
    """Write the network, and behind it what ``predict`` and ``predict_proba`` make of its outputs."""
    model, (given,) = operator.raw_operator, operator.inputs
    function = model.out_activation_
    graph = Graph(container.target_opset, given.type)
    outputs = network_outputs(graph, model, given)
    if _is_multilabel(model):
        label, probabilities = is_yes(graph, outputs, function), shares(graph, outputs, function)
    else:
        values = _labels(scope, model)
        widths = _widths(model)
        parts = split(graph, outputs, widths) if len(widths) > 1 else [outputs]
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


def _goes_into_maps(probabilities, scope) -> bool:
    """Whether option ``zipmap`` makes maps of them: the operator that does takes float32 alone."""
    users = [other for other in scope.operators.values() if other.type == "SklearnZipMap"]
    return any(probabilities is variable for other in users for variable in other.inputs)


def _is_multilabel(model) -> bool:
    return model.targets_.is_multilabel


def _classes_of(model) -> list[np.ndarray]:
    """Classes of every target."""
    return model.classes_ if isinstance(model.classes_, list) else [model.classes_]


def _labels(scope, model) -> list[np.ndarray]:
    """Of every target what label stands for every class: the class, or with ``nocl`` its position."""
    if scope.get_options(model, {"nocl": False})["nocl"]:
        return [np.arange(len(classes)) for classes in _classes_of(model)]
    return [label_values(classes) for classes in _classes_of(model)]


def _widths(model) -> tuple[int, ...]:
    """Output units of every target."""
    if model.network_.out_groups is not None:
        return model.network_.out_groups
    if not isinstance(model.classes_, list):
        return (model.n_outputs_,)
    exclusive = model.out_activation_ == "softmax"
    sizes = [len(classes) for classes in model.classes_]
    return tuple(max(2, size) if exclusive or size > 2 else 1 for size in sizes)

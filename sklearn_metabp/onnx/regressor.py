"""The converter of the regressor."""

from typing import Any

from skl2onnx.common.data_types import guess_tensor_type
from skl2onnx.common.utils import check_input_and_output_numbers

from sklearn_metabp.onnx.graph import Graph
from sklearn_metabp.onnx.network import network_outputs


def regressor_shapes(operator: Any) -> None:
    """Set the shape of the variable: one column an output, as for all of skl2onnx's regressors.

    This holds also where ``predict`` returns a vector.
    """
    check_input_and_output_numbers(operator, input_count_range=1, output_count_range=1)
    (given,) = operator.inputs
    (variable,) = operator.outputs
    kind = guess_tensor_type(given.type)
    kind.shape = [given.get_first_dimension(), operator.raw_operator.n_outputs_]
    variable.set_type(kind)


def convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    """Write the network's outputs as the variable."""
    (given,) = operator.inputs
    graph = Graph(container.target_opset, given.type)
    outputs = network_outputs(graph, operator.raw_operator, given)
    graph.Identity(outputs, output_names=operator.outputs).add_to(scope, container)

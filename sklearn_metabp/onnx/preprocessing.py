"""The converter of the transformer of columns."""

from typing import Any

import numpy as np
from skl2onnx.common.data_types import guess_tensor_type
from skl2onnx.common.utils import check_input_and_output_numbers

from sklearn_metabp.onnx.graph import Graph, Node
from sklearn_metabp.preprocessing import RobustSmoothClipper
from sklearn_metabp.preprocessing.robust_smooth_clipper import FAR

CLIPPER_ALIAS = "SklearnMetabpRobustSmoothClipper"


def clipper_shapes(operator: Any) -> None:
    """Set the shape of the variable: that of the input."""
    check_input_and_output_numbers(operator, input_count_range=1, output_count_range=1)
    (given,), (variable,) = operator.inputs, operator.outputs
    kind = guess_tensor_type(given.type)
    kind.shape = [given.get_first_dimension(), operator.raw_operator.n_features_in_]
    variable.set_type(kind)


def convert_clipper(scope: Any, operator: Any, container: Any) -> None:
    """Write the computation of ``transform``."""
    model, (given,) = operator.raw_operator, operator.inputs
    graph = Graph(container.target_opset, given.type)
    z = clip_columns(graph, model, graph.cast(given, graph.dtype))
    graph.Identity(z, output_names=operator.outputs).add_to(scope, container)


def clip_columns(graph: Graph, model: RobustSmoothClipper, x: Node) -> Node:
    """Compute the result of ``transform`` of a fitted clipper."""
    shift, divisor = model.shift_and_divisor(graph.dtype)
    is_constant = model.scale_ == 0
    if is_constant.any():
        x = graph.Mul(x, graph.constant(~is_constant))  # 0 for numbers, NaN for NaN
    z = graph.Div(graph.Sub(x, graph.constant(shift)), graph.constant(divisor))
    if (limit := model.limit(graph.dtype)) is not None:
        shares = _clip(graph, graph.Div(z, graph.constant(limit)), FAR)
        root = graph.Sqrt(graph.Add(graph.Mul(shares, shares), graph.constant(1)))
        # Max and Min of a runtime may give a limit for NaN.
        z = graph.Where(graph.IsNaN(z), z, _clip(graph, graph.Div(z, root), limit))
    return z


def _clip(graph: Graph, x: Any, limit: float | np.floating) -> Any:
    return graph.Min(graph.Max(x, graph.constant(-limit)), graph.constant(limit))

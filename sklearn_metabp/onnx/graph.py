"""ONNX operators of one opset and one floating-point type, by short names."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from skl2onnx.algebra import onnx_ops
from skl2onnx.common.data_types import DoubleTensorType
from skl2onnx.proto import onnx_proto

from sklearn_metabp._kernels.functions import ACTIVATIONS
from sklearn_metabp._kernels.functions.activations import IN

Node = Any  # an operator of skl2onnx's algebra, or the variable that goes into the first one

_PROTO_TYPES = {
    np.dtype(np.float32): onnx_proto.TensorProto.FLOAT,
    np.dtype(np.float64): onnx_proto.TensorProto.DOUBLE,
    np.dtype(np.int64): onnx_proto.TensorProto.INT64,
    np.dtype(np.int32): onnx_proto.TensorProto.INT32,
}


class Graph:
    """A maker of nodes: ``graph.MatMul(x, weights)``, with arrays as constants.

    Activation functions are written with operators that ONNX Runtime also has for float64. It has
    ``Softplus``, ``Elu``, ``LeakyRelu``, ``Erf`` and ``Gelu`` for float32 only.

    Parameters
    ----------
    opset : int
        Version of the operators.
    input_type : DataType
        Type of the model's input. The graph computes in float64 if it is float64, else in float32.

    Attributes
    ----------
    dtype : numpy.dtype
        Type of all computed values.
    """

    def __init__(self, opset: int, input_type: Any) -> None:
        self.opset = opset
        self.dtype = np.dtype(
            np.float64 if isinstance(input_type, DoubleTensorType) else np.float32
        )

    def __getattr__(self, operator: str) -> Callable[..., Node]:
        make = getattr(onnx_ops, f"Onnx{operator}")
        return lambda *inputs, **attributes: make(*inputs, op_version=self.opset, **attributes)

    def constant(self, value: ArrayLike) -> np.ndarray:
        """Return an array of at least one dimension, in the type of the computed values."""
        return np.atleast_1d(np.asarray(value, self.dtype))

    def cast(self, x: Node, dtype: DTypeLike) -> Node:
        """Convert values to another type."""
        return self.Cast(x, to=_PROTO_TYPES[np.dtype(dtype)])

    def columns(self, x: Node, start: int, stop: int) -> Node:
        """Take the columns of a matrix from start up to, but not including, stop."""
        return self.Gather(x, np.arange(start, stop, dtype=np.int64), axis=1)

    def split(self, x: Node, widths: Iterable[int]) -> list[Node]:
        """Split the columns of a matrix into groups of the given widths."""
        parts, start = [], 0
        for width in widths:
            parts.append(self.columns(x, start, start + width))
            start += width
        return parts

    def erf(self, x: Node) -> Node:
        """Compute the error function, in float32 only, with an error of at most 1e-7."""
        if self.dtype == np.float32:
            return self.Erf(x)
        return self.cast(self.Erf(self.cast(x, np.float32)), self.dtype)

    def activate(self, name: str, x: Node) -> Node:
        """Apply an activation function of a layer.

        Raises
        ------
        NotImplementedError
            If the table has no expression of ONNX operators for it.
        """
        expression = ACTIVATIONS[name].onnx
        if expression is None:
            raise NotImplementedError(
                f"the activation function {name!r} has no conversion to ONNX yet."
            )
        return self._build(expression, x)

    def _build(self, expression: Any, x: Node) -> Node:
        """Make the nodes of an expression, as :class:`Activation` describes it."""
        if expression == IN:
            return x
        if not isinstance(expression, tuple):
            return self.constant(expression)
        operator, *operands = expression
        attributes = operands.pop() if isinstance(operands[-1], dict) else {}
        nodes = [self._build(operand, x) for operand in operands]
        make = self.erf if operator == "Erf" else getattr(self, operator)
        return make(*nodes, **attributes)

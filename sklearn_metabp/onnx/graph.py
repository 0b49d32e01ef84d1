"""ONNX operators of one opset and one floating-point type, by short names."""

import math
from typing import Any

import numpy as np
from skl2onnx.algebra import onnx_ops
from skl2onnx.common.data_types import DoubleTensorType
from skl2onnx.proto import onnx_proto

Node = Any  # an operator of skl2onnx's algebra, or the variable that goes into the first one

_PROTO_TYPES = {
    np.dtype(np.float32): onnx_proto.TensorProto.FLOAT,
    np.dtype(np.float64): onnx_proto.TensorProto.DOUBLE,
    np.dtype(np.int64): onnx_proto.TensorProto.INT64,
}


class Graph:
    """Makes nodes of a graph: ``graph.MatMul(x, weights)``, with arrays as constants.

    Only operators are used here that ONNX Runtime also has for float64: of ``Softplus``, ``Elu``,
    ``LeakyRelu``, ``Erf`` and ``Gelu`` it has float32 alone.

    Parameters
    ----------
    opset : int
        Version of the operators.
    input_type : DataType
        Of the model's input: float64 is computed in float64, all else in float32.

    Attributes
    ----------
    dtype : numpy.dtype
        Of all that is computed.
    """

    def __init__(self, opset: int, input_type):
        self.opset = opset
        self.dtype = np.dtype(
            np.float64 if isinstance(input_type, DoubleTensorType) else np.float32
        )

    def __getattr__(self, operator: str):
        make = getattr(onnx_ops, f"Onnx{operator}")
        return lambda *inputs, **attributes: make(*inputs, op_version=self.opset, **attributes)

    def constant(self, value) -> np.ndarray:
        """An array of at least one dimension, in the type that is computed in."""
        return np.atleast_1d(np.asarray(value, self.dtype))

    def cast(self, x: Node, dtype) -> Node:
        """Values in another type."""
        return self.Cast(x, to=_PROTO_TYPES[np.dtype(dtype)])

    def columns(self, x: Node, start: int, stop: int) -> Node:
        """Columns from start to stop, the latter not included, of a matrix."""
        return self.Gather(x, np.arange(start, stop, dtype=np.int64), axis=1)

    def erf(self, x: Node) -> Node:
        """The error function, in float32 for want of another: 1e-7 off at the most."""
        if self.dtype == np.float32:
            return self.Erf(x)
        return self.cast(self.Erf(self.cast(x, np.float32)), self.dtype)

    def activate(self, name: str, x: Node) -> Node:
        """One of the activation functions of a layer."""
        zero, one = self.constant(0), self.constant(1)
        match name:
            case "identity":
                return x
            case "logistic":
                return self.Sigmoid(x)
            case "tanh":
                return self.Tanh(x)
            case "relu":
                return self.Relu(x)
            case "leaky_relu":
                return self.Max(x, self.Mul(x, self.constant(0.01)))
            case "elu":
                return self.Add(self.Relu(x), self.Sub(self.Exp(self.Min(x, zero)), one))
            case "gelu":
                share = self.Add(self.erf(self.Mul(x, self.constant(1 / math.sqrt(2)))), one)
                return self.Mul(self.Mul(x, self.constant(0.5)), share)
            case "silu":
                # x sigmoid(x) would be fused to a QuickGelu, which older runtimes have in float32
                # alone.
                return self.Div(x, self.Add(one, self.Exp(self.Neg(x))))
            case "softplus":
                return self.Add(
                    self.Relu(x), self.Log(self.Add(one, self.Exp(self.Neg(self.Abs(x)))))
                )
            case "exp":
                return self.Exp(x)
            case "softmax":
                return self.Softmax(x, axis=1)
        raise NotImplementedError(
            f"the activation function {name!r} has no conversion to ONNX yet."
        )

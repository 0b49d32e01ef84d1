"""The table of activation functions: a record holds all that depends on which one it is."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.special import expit, logit, ndtr, softmax

Function = Callable[[np.ndarray], np.ndarray]

LEAK = 0.01  # slope of leaky_relu below zero
# λ and λα of selu: its slope above zero, and minus its limit below.
SELU_SCALE, SELU_FLOOR = 1.0507009873554804934, 1.7580993408473768599
IN = "in"  # the net input in an expression of ONNX operators


@dataclass(frozen=True, eq=False)
class Activation:
    """One activation function, x = f(in).

    The kernels write f' in terms of x where they can, because a step has x at hand and this is
    cheaper. Where a function has a kink, its derivatives are those from the left.

    Attributes
    ----------
    name : str
    code : int
        Number of the function in ``layer_loops.h``.
    function : callable
        x of the net inputs. Softmax goes over the neurons of a row.
    slope, curvature : callable or None
        First and second derivative, as functions of the net inputs. None for softmax, whose
        derivative is a matrix.
    slope_of_output : callable or None
        First derivative in terms of x. None where two net inputs with different derivatives have
        the same x. For softmax it is the diagonal of the derivative.
    onnx : tuple, str, float or None
        The function as an expression of ONNX operators, ``(operator, *operands, attributes)``,
        where the dict of attributes may be left out. An operand is another expression, ``IN`` or a
        number. None where there is no conversion.
    is_hidden : bool
        True if hidden layers may have the function.
    is_output : bool
        True if the output layer of a network may have it.
    is_estimator_output : bool
        True if it is also an option of ``out_activation`` of the estimators.
    class_range : tuple of (float, float) or None
        Targets for no and for yes, where classes are learned. None where no classifier has the
        function at its outputs.
    output_range : tuple of (float, float)
        Lower and upper limit of x.
    steepest : float
        Largest derivative.
    steep_outputs : tuple of (float, float)
        The outputs between these limits have at least a hundredth of the largest derivative, all
        others less. Without meaning where the derivative does not follow from x.
    sums_to_one : bool
        True if the outputs of a group add up to 1, so that one class excludes the others.
    inverse : callable or None
        ``inverse(outputs, half_a_row)``, the net inputs of some outputs. An output that is reached
        only in the limit counts as ``half_a_row`` away from it. None where no output layer of an
        estimator has the function, and for softmax, whose inverse needs the groups.
    glorot_factor : float
        Factor c of the initialiser ``glorot_uniform``.
    names_elsewhere : tuple of str
        Names of the function in other libraries, in lower case and without underscores.
    """

    name: str
    code: int
    function: Function
    slope: Function | None
    curvature: Function | None
    slope_of_output: Function | None
    onnx: Any = None
    is_hidden: bool = True
    is_output: bool = False
    is_estimator_output: bool = False
    class_range: tuple[float, float] | None = None
    output_range: tuple[float, float] = (-np.inf, np.inf)
    steepest: float = 1.0
    steep_outputs: tuple[float, float] = (-np.inf, np.inf)
    sums_to_one: bool = False
    inverse: Callable[[np.ndarray, float], np.ndarray] | None = None
    glorot_factor: float = 6.0
    names_elsewhere: tuple[str, ...] = ()

    @property
    def is_bent(self) -> bool:
        """True if the second derivative is not 0 everywhere."""
        return self.curvature is not np.zeros_like

    @property
    def needs_net_inputs(self) -> bool:
        """True if the derivative cannot be computed from x, so that the forward pass keeps it."""
        return self.slope_of_output is None

    def derivative(self, outputs: np.ndarray, net_inputs: np.ndarray | None = None) -> np.ndarray:
        """Return f'(in), from the outputs where they are enough and else from the net inputs."""
        if self.slope_of_output is not None:
            return self.slope_of_output(outputs)
        assert self.slope is not None and net_inputs is not None
        return self.slope(net_inputs)


def _times_share(net: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return ``net * share``, and 0 where the share is 0, also for infinite net inputs."""
    return np.where(share == 0, share, net * share)


_NORMAL_PEAK = 1 / np.sqrt(2 * np.pi)
_ROOT_2_PI = float(np.sqrt(2 * np.pi))


def _logistic_slope(net: np.ndarray) -> np.ndarray:
    return expit(net) * expit(-net)


def _tanh_slope(net: np.ndarray) -> np.ndarray:
    return 4 * expit(2 * net) * expit(-2 * net)


def _gelu_slope(net: np.ndarray) -> np.ndarray:
    density = net.dtype.type(_NORMAL_PEAK) * np.exp(-(net**2) / 2)
    return ndtr(net) + _times_share(net, density)


def _gelu_curvature(net: np.ndarray) -> np.ndarray:
    # The density is 0 at the limits, and beyond them the square would overflow.
    net = np.clip(net, -40, 40)
    return np.exp(-(net**2) / 2) / _ROOT_2_PI * (2 - net**2)


def _mish_terms(net: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return tanh(log(1 + e^in)) and its derivative, with no e^|in| that could overflow."""
    p = np.exp(-np.abs(net))
    more, less = p * (p + 2), 1 + 2 * p
    top = np.where(net < 0, more, less)
    bottom = np.where(net < 0, more + 2, less + 2 * p**2)
    return top / bottom, 4 * p * (1 + p) * np.where(net < 0, 1, p).astype(p.dtype) / bottom**2


def _mish_slope(net: np.ndarray) -> np.ndarray:
    share, change = _mish_terms(net)
    return share + _times_share(net, change)


def _mish_curvature(net: np.ndarray) -> np.ndarray:
    # Both terms are 0 at the limits.
    net = np.clip(net, -80, 80)
    share, change = _mish_terms(net)
    return change * (2 + net * (expit(-net) - 2 * share * expit(net)))


def _log_odds(share: np.ndarray, half_a_row: float) -> np.ndarray:
    nearly_all = 1 - 1e-12  # a sum of weights is rounded
    share = np.where(share <= 0, half_a_row, np.where(share >= nearly_all, 1 - half_a_row, share))
    return logit(share)


# Where x (1 - x) is a hundredth of 0.25.
_STEEP_SHARES = (0.5 - math.sqrt(0.99) / 2, 0.5 + math.sqrt(0.99) / 2)

_SOFTPLUS = ("Add", ("Relu", IN), ("Log", ("Add", 1, ("Exp", ("Neg", ("Abs", IN))))))

_TABLE = (
    Activation(
        "identity",
        code=0,
        function=lambda net: net,
        slope=np.ones_like,
        curvature=np.zeros_like,
        slope_of_output=np.ones_like,
        onnx=IN,
        is_output=True,
        is_estimator_output=True,
        class_range=(0.0, 1.0),
        inverse=lambda y, half_a_row: y,
        names_elsewhere=("linear", "none", "purelin"),
    ),
    Activation(
        "logistic",
        code=1,
        function=expit,
        slope=_logistic_slope,
        curvature=lambda net: -_logistic_slope(net) * np.tanh(net / 2),
        slope_of_output=lambda x: x * (1 - x),
        onnx=("Sigmoid", IN),
        is_output=True,
        is_estimator_output=True,
        class_range=(0.0, 1.0),
        output_range=(0.0, 1.0),
        steepest=0.25,
        steep_outputs=_STEEP_SHARES,
        inverse=_log_odds,
        glorot_factor=2.0,
        names_elsewhere=("sigmoid", "expit", "logsig"),
    ),
    Activation(
        "tanh",
        code=2,
        function=np.tanh,
        slope=_tanh_slope,
        curvature=lambda net: -2 * np.tanh(net) * _tanh_slope(net),
        slope_of_output=lambda x: 1 - x**2,
        onnx=("Tanh", IN),
        is_output=True,
        is_estimator_output=True,
        class_range=(-1.0, 1.0),
        output_range=(-1.0, 1.0),
        steep_outputs=(-math.sqrt(0.99), math.sqrt(0.99)),
        inverse=lambda y, half_a_row: _log_odds((1 + y) / 2, half_a_row) / 2,
        names_elsewhere=("hardtanh", "tansig"),
    ),
    Activation(
        "relu",
        code=3,
        function=lambda net: np.maximum(net, 0),
        slope=lambda net: (net > 0).astype(net.dtype),
        curvature=np.zeros_like,
        slope_of_output=lambda x: (x > 0).astype(x.dtype),
        onnx=("Relu", IN),
        is_output=True,
        output_range=(0.0, np.inf),
        steep_outputs=(0.0, np.inf),
        names_elsewhere=("rectifier",),
    ),
    Activation(
        "leaky_relu",
        code=6,
        function=lambda net: np.where(net < 0, LEAK * net, net),
        slope=lambda net: np.where(net > 0, 1, LEAK).astype(net.dtype),
        curvature=np.zeros_like,
        slope_of_output=lambda x: np.where(x > 0, x.dtype.type(1), x.dtype.type(LEAK)),
        onnx=("Max", IN, ("Mul", IN, LEAK)),
        names_elsewhere=("leakyrelu",),
    ),
    Activation(
        "elu",
        code=7,
        function=lambda net: np.where(net < 0, np.expm1(np.minimum(net, 0)), net),
        slope=lambda net: np.exp(np.minimum(net, 0)),
        curvature=lambda net: np.where(net > 0, 0, np.exp(np.minimum(net, 0))).astype(net.dtype),
        slope_of_output=lambda x: np.where(x > 0, x.dtype.type(1), 1 + x),
        onnx=("Add", ("Relu", IN), ("Sub", ("Exp", ("Min", IN, 0)), 1)),
        output_range=(-1.0, np.inf),
        steep_outputs=(-0.99, np.inf),
    ),
    Activation(
        "selu",
        code=11,
        function=lambda net: np.where(
            net < 0, SELU_FLOOR * np.expm1(np.minimum(net, 0)), SELU_SCALE * net
        ),
        slope=lambda net: np.where(
            net > 0, net.dtype.type(SELU_SCALE), SELU_FLOOR * np.exp(np.minimum(net, 0))
        ),
        curvature=lambda net: np.where(net > 0, 0, SELU_FLOOR * np.exp(np.minimum(net, 0))).astype(
            net.dtype
        ),
        slope_of_output=lambda x: np.where(x > 0, x.dtype.type(SELU_SCALE), x + SELU_FLOOR),
        # ONNX's Selu has constants that are rounded to float32, and runtimes have it in no other.
        onnx=(
            "Add",
            ("Mul", ("Relu", IN), SELU_SCALE),
            ("Mul", ("Sub", ("Exp", ("Min", IN, 0)), 1), SELU_FLOOR),
        ),
        output_range=(-SELU_FLOOR, np.inf),
        steepest=SELU_FLOOR,
        steep_outputs=(-0.99 * SELU_FLOOR, np.inf),
    ),
    Activation(
        "gelu",
        code=9,
        function=lambda net: _times_share(net, ndtr(net)),
        slope=_gelu_slope,
        curvature=_gelu_curvature,
        slope_of_output=None,
        onnx=("Mul", ("Mul", IN, 0.5), ("Add", ("Erf", ("Mul", IN, 1 / math.sqrt(2))), 1)),
        steepest=1.12890,
    ),
    Activation(
        "silu",
        code=10,
        function=lambda net: _times_share(net, expit(net)),
        slope=lambda net: expit(net) + _times_share(net, _logistic_slope(net)),
        curvature=lambda net: _logistic_slope(net) * (2 - net * np.tanh(net / 2)),
        slope_of_output=None,
        # x sigmoid(x) would be fused to a QuickGelu, which older runtimes have in float32 alone.
        onnx=("Div", IN, ("Add", 1, ("Exp", ("Neg", IN)))),
        steepest=1.09984,
        names_elsewhere=("swish",),
    ),
    Activation(
        "mish",
        code=12,
        function=lambda net: _times_share(net, _mish_terms(net)[0]),
        slope=_mish_slope,
        curvature=_mish_curvature,
        slope_of_output=None,
        onnx=("Mul", IN, ("Tanh", _SOFTPLUS)),
        steepest=1.08850,
    ),
    Activation(
        "softplus",
        code=8,
        function=lambda net: np.maximum(net, 0) + np.log1p(np.exp(-np.abs(net))),
        slope=expit,
        curvature=_logistic_slope,
        slope_of_output=lambda x: -np.expm1(-x),
        onnx=_SOFTPLUS,
        output_range=(0.0, np.inf),
        steep_outputs=(-math.log(0.99), np.inf),
    ),
    Activation(
        "softmax",
        code=4,
        function=lambda net: softmax(net, axis=1),
        slope=None,
        curvature=None,
        slope_of_output=lambda x: x * (1 - x),
        onnx=("Softmax", IN, {"axis": 1}),
        is_hidden=False,
        is_output=True,
        is_estimator_output=True,
        class_range=(0.0, 1.0),
        output_range=(0.0, 1.0),
        steepest=0.25,
        steep_outputs=_STEEP_SHARES,
        sums_to_one=True,
    ),
    Activation(
        "exp",
        code=5,
        function=np.exp,
        slope=np.exp,
        curvature=np.exp,
        slope_of_output=lambda x: x,
        onnx=("Exp", IN),
        is_hidden=False,
        is_output=True,
        is_estimator_output=True,
        output_range=(0.0, np.inf),
        inverse=lambda y, half_a_row: np.log(np.where(y > 0, y, half_a_row)),
    ),
)
ACTIVATIONS: dict[str, Activation] = {activation.name: activation for activation in _TABLE}

HIDDEN_ACTIVATIONS = tuple(one.name for one in _TABLE if one.is_hidden)
OUT_ACTIVATIONS = tuple(one.name for one in _TABLE if one.is_estimator_output)
CLASS_OUT_ACTIVATIONS = tuple(
    one.name for one in _TABLE if one.is_estimator_output and one.class_range is not None
)


def column_groups(array: np.ndarray, widths: Sequence[int]) -> list[np.ndarray]:
    """Return neighbouring columns in groups of the given widths, as views."""
    bounds = np.concatenate([[0], np.cumsum(widths)])
    return [array[..., start:stop] for start, stop in pairwise(bounds)]


def softmax_of_groups(net_inputs: np.ndarray, widths: Sequence[int]) -> np.ndarray:
    """Return the softmax over each group of neurons."""
    return np.hstack([softmax(part, axis=1) for part in column_groups(net_inputs, widths)])

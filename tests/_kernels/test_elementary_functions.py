"""The kernels' own exp, tanh and logistic against long doubles, over the whole range of floats."""

import numpy as np
import pytest
from helpers.kernels import fallback
from helpers.networks import LONG_FUNCTIONS, SELU_ALPHA, SELU_SCALE, mish_share, normal_share

from sklearn_metabp._kernels.functions import HIDDEN_ACTIVATIONS

RANGES = {  # where no result is so small that its last digits are lost
    ("tanh", np.float64): (-60, 60),
    ("tanh", np.float32): (-60, 60),
    ("logistic", np.float64): (-705, 60),
    ("logistic", np.float32): (-86, 60),
    ("softmax", np.float64): (-705, 0),
    ("softmax", np.float32): (-86, 0),
    ("exp", np.float64): (-705, 705),
    ("exp", np.float32): (-86, 86),
    ("leaky_relu", np.float64): (-60, 60),
    ("leaky_relu", np.float32): (-60, 60),
    ("elu", np.float64): (-60, 60),
    ("elu", np.float32): (-60, 60),
    ("selu", np.float64): (-60, 60),
    ("selu", np.float32): (-60, 60),
    ("mish", np.float64): (-700, 60),
    ("mish", np.float32): (-84, 60),
    ("softplus", np.float64): (-705, 60),
    ("softplus", np.float32): (-86, 60),
    ("silu", np.float64): (-700, 60),
    ("silu", np.float32): (-84, 60),
    ("gelu", np.float64): (-37.4, 60),
    ("gelu", np.float32): (-12.9, 60),
}
MOST_ULPS = {"gelu": 5, "leaky_relu": 1}  # units in the last place; 4 for the others


def activate(kernels, function, columns, dtype):
    """The function of every row, through a layer whose weights are the unit matrix."""
    X = np.ascontiguousarray(np.column_stack(columns), dtype)
    width = X.shape[1]
    hidden = function in HIDDEN_ACTIVATIONS
    sizes = (width, width, 1) if hidden else (width, width)
    params = np.eye(width).ravel()
    params = np.concatenate([params, np.zeros(2 * width + 1 if hidden else width)]).astype(dtype)
    backprop = kernels.Backprop(
        sizes,
        (function,) if hidden else (),
        "identity" if hidden else function,
        "squared_error",
        params,
        params.copy(),
        max_batch=len(X),
    )
    backprop.load(X)
    backprop.forward(0, len(X))
    return X.astype(np.longdouble), backprop.layer_outputs[0]


@pytest.mark.parametrize(("function", "dtype"), RANGES, ids=str)
def test_functions_are_right_to_the_last_bits(kernels, function, dtype):
    low, high = RANGES[function, dtype]
    tiny = np.geomspace(1e-30, 1, 20_001)
    x = np.concatenate([np.linspace(low, high, 100_001), np.linspace(-8, 8, 20_001), tiny, -tiny])
    columns = [np.zeros_like(x), np.minimum(x, 0)] if function == "softmax" else [x]
    X, outputs = activate(kernels, function, columns, dtype)
    expected = LONG_FUNCTIONS[function](X)
    present = expected != 0
    ulps = np.abs(outputs - expected)[present] / np.abs(expected[present]) / np.finfo(dtype).eps
    most = MOST_ULPS.get(function, 4)
    if (
        function == "gelu" and kernels is fallback
    ):  # SciPy's loses what the square of the argument loses
        most = 8 + X[present].astype(float) ** 2
    assert (ulps < most).all()
    np.testing.assert_array_equal(outputs[~present], 0)


SLOPES = {
    "softplus": lambda z: 1 / (1 + np.exp(-z)),
    "elu": lambda z: np.where(z > 0, 1, np.exp(z)),
    "leaky_relu": lambda z: np.where(z > 0, 1, np.longdouble(1) / 100),
    "gelu": lambda z: (
        normal_share(z) + z * np.exp(-z * z / 2) / np.sqrt(8 * np.arctan(np.longdouble(1)))
    ),
    "silu": lambda z: (1 + np.exp(-z) * (1 + z)) / (1 + np.exp(-z)) ** 2,
    "selu": lambda z: SELU_SCALE * np.where(z > 0, 1, SELU_ALPHA * np.exp(np.minimum(z, 0))),
    "mish": lambda z: mish_share(z) + z * (1 - mish_share(z) ** 2) / (1 + np.exp(-z)),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("function", SLOPES)
def test_slopes_are_right_to_the_last_digits(kernels, function, dtype):
    """The slope at a neuron before a linear one of weight 1, whose delta is 1."""
    x = np.concatenate([np.linspace(-80, 80, 40_000), np.linspace(-4, 4, 40_000)]).astype(dtype)[
        :, None
    ]
    x = x[x != 0][:, None]
    params = np.array([1, 1, 0, 0], dtype)
    backprop = kernels.Backprop(
        (1, 1, 1), (function,), "identity", "squared_error", params, params.copy(), max_batch=len(x)
    )
    z = x.astype(np.longdouble)
    outputs = LONG_FUNCTIONS[function](z)
    backprop.load(x, (outputs + 1).astype(dtype))
    backprop.gradients(0, len(x))
    found = backprop.deltas[0] / backprop.deltas[1]
    np.testing.assert_allclose(
        found, SLOPES[function](z).astype(float), rtol=0, atol=8 * np.finfo(dtype).eps
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("function", "limits"),
    [
        ("tanh", (-1, 1)),
        ("logistic", (0, 1)),
        *((name, (0, None)) for name in ("relu", "softplus", "gelu", "silu", "mish")),
        ("elu", (-1, None)),
        ("exp", (0, np.inf)),
    ],
    ids=str,
)
def test_functions_reach_their_limits(kernels, function, limits, dtype):
    largest = float(np.finfo(dtype).max)
    far = np.array([-np.inf, -largest, -1000.0, 1000.0, largest, np.inf])
    _, outputs = activate(kernels, function, [far], dtype)
    np.testing.assert_allclose(outputs[:3, 0], limits[0], rtol=0, atol=1e-35)
    np.testing.assert_array_equal(
        outputs[3:, 0], far[3:].astype(dtype) if limits[1] is None else limits[1]
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_tanh_is_odd_and_logistic_is_complementary(kernels, dtype):
    x = np.linspace(0, 15, 3001)
    for function, total in (("tanh", 0), ("logistic", 1)):
        _, above = activate(kernels, function, [x], dtype)
        _, below = activate(kernels, function, [-x], dtype)
        np.testing.assert_allclose(above + below, total, rtol=0, atol=2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("width", [1, 2, 3, 8, 11])
def test_softmax_rows_sum_to_one(kernels, width, dtype):
    rng = np.random.default_rng(width)
    columns = rng.standard_normal((width, 50)) * np.geomspace(0.1, 1e3, 50)
    _, outputs = activate(kernels, "softmax", list(columns), dtype)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=8 * np.finfo(dtype).eps)
    assert (outputs >= 0).all()

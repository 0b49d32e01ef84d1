"""The kernels' own exp, tanh and logistic against long doubles, over all that floats hold."""

import numpy as np
import pytest

RANGES = {  # where no result is so small that its last digits are lost
    ("tanh", np.float64): (-60, 60),
    ("tanh", np.float32): (-60, 60),
    ("logistic", np.float64): (-705, 60),
    ("logistic", np.float32): (-86, 60),
    ("softmax", np.float64): (-705, 0),
    ("softmax", np.float32): (-86, 0),
}


def activate(kernels, function, columns, dtype):
    """The function of every row, through a layer whose weights are the unit matrix."""
    X = np.ascontiguousarray(np.column_stack(columns), dtype)
    width = X.shape[1]
    params = np.concatenate([np.eye(width).ravel(), np.zeros(width)]).astype(dtype)
    backprop = kernels.Backprop(
        (width, width), (), function, "squared_error", params, params.copy(), max_batch=len(X)
    )
    backprop.load(X)
    backprop.forward(0, len(X))
    return X.astype(np.longdouble), backprop.activations[-1]


def by_definition(function, X):
    if function == "tanh":
        return np.tanh(X)
    if function == "logistic":
        return 1 / (1 + np.exp(-X))
    powers = np.exp(X)
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("function", "dtype"), RANGES, ids=str)
def test_functions_are_right_to_the_last_bits(kernels, function, dtype):
    low, high = RANGES[function, dtype]
    tiny = np.geomspace(1e-30, 1, 20_001)
    x = np.concatenate([np.linspace(low, high, 100_001), tiny, -tiny])
    columns = [np.zeros_like(x), np.minimum(x, 0)] if function == "softmax" else [x]
    X, outputs = activate(kernels, function, columns, dtype)
    expected = by_definition(function, X)
    ulps = np.abs(outputs - expected) / np.abs(expected) / np.finfo(dtype).eps
    assert ulps[expected != 0].max() < 4
    np.testing.assert_array_equal(outputs[expected == 0], 0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("function", "limits"), [("tanh", (-1, 1)), ("logistic", (0, 1)), ("relu", (0, None))], ids=str
)
def test_functions_reach_their_limits(kernels, function, limits, dtype):
    largest = float(np.finfo(dtype).max)
    far = np.array([-np.inf, -largest, -1000.0, 1000.0, largest, np.inf])
    _, outputs = activate(kernels, function, [far], dtype)
    np.testing.assert_allclose(outputs[:3, 0], limits[0], rtol=0, atol=1e-37)
    np.testing.assert_array_equal(outputs[3:, 0], far[3:].astype(dtype) if limits[1] is None else 1)


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

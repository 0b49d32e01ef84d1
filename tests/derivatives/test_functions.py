"""Derivatives of the activation functions in the table, as functions of the net input."""

import numpy as np
import pytest
from helpers.networks import KINKED, LONG_FUNCTIONS

from sklearn_metabp._kernels.functions import ACTIVATIONS

SLOPES = {name: one.slope for name, one in ACTIVATIONS.items() if one.slope}
CURVATURES = {name: one.curvature for name, one in ACTIVATIONS.items() if one.curvature}
NAMES = sorted(LONG_FUNCTIONS.keys() - {"softmax"})
NET = np.linspace(-6, 6, 401) + 1e-3  # no kink within a difference's reach


def test_every_elementwise_function_has_both_derivatives():
    assert set(SLOPES) == set(CURVATURES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_slope_is_the_derivative(name):
    net, h = NET.astype(np.longdouble), 1e-5
    f = LONG_FUNCTIONS[name]
    difference = (f(net + h) - f(net - h)) / (2 * h)
    np.testing.assert_allclose(SLOPES[name](NET), difference.astype(float), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_curvature_is_the_second_derivative(name):
    h = 1e-5
    difference = (SLOPES[name](NET + h) - SLOPES[name](NET - h)) / (2 * h)
    np.testing.assert_allclose(CURVATURES[name](NET), difference, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("table", [SLOPES, CURVATURES], ids=["slopes", "curvatures"])
@pytest.mark.parametrize("name", NAMES)
def test_dtype_stays_and_large_net_inputs_are_finite(table, name):
    net = np.array([[-80.0, -1.0, 0.0, 1.0, 80.0]])
    of_double = table[name](net)
    of_single = table[name](net.astype(np.float32))
    assert (of_double.dtype, of_single.dtype) == (np.float64, np.float32)
    assert of_double.shape == of_single.shape == net.shape
    assert np.isfinite(of_single).all()
    np.testing.assert_allclose(of_single, of_double, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize(("dtype", "size"), [(np.float64, 1e155), (np.float32, 2e19)])
@pytest.mark.parametrize("name", ["gelu", "silu"])
def test_far_out_they_are_straight_lines(name, dtype, size):
    """Net inputs whose square is infinite."""
    net = np.array([-size, size], dtype)
    with np.errstate(over="ignore"):  # as in all that uses them
        np.testing.assert_array_equal(SLOPES[name](net), [0, 1])
    np.testing.assert_array_equal(CURVATURES[name](net), [0, 0])


@pytest.mark.parametrize("name", sorted(KINKED))
def test_at_a_kink_the_derivative_is_that_from_the_left(name):
    net = np.array([0.0, np.nextafter(0, -1)])
    for table in (SLOPES, CURVATURES):
        at, before = table[name](net)
        assert at == before

import numpy as np
import pytest
from helpers.networks import ACTIVATIONS, LONG_FUNCTIONS, assert_near, make_problem, net_inputs

from sklearn_metabp.network import OUT_ACTIVATIONS, Network, ParameterLayout


@pytest.mark.parametrize("out_activation", OUT_ACTIVATIONS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_outputs_are_rule_1(activation, out_activation):
    problem = make_problem((5, 8, 3), activation, "squared_error", out_activation, n=30)
    network = Network(ParameterLayout((5, 8, 3)), (activation,), out_activation, "squared_error")
    params, X, *_ = problem.arrays(float)
    expected = LONG_FUNCTIONS[out_activation](net_inputs(problem, problem.params)[-1])
    assert_near(network.outputs(params, X), expected.astype(float), 1e-14)


@pytest.mark.parametrize("n", [1, 511, 512, 513, 1500])
def test_outputs_of_many_rows_are_those_of_single_rows(n):
    rng = np.random.default_rng(n)
    network = Network(ParameterLayout((3, 4, 2)), ("tanh",), "identity", "squared_error")
    params, X = rng.standard_normal(26), rng.standard_normal((n, 3))
    outputs = network.outputs(params, X)
    assert outputs.shape == (n, 2)
    for row in {0, n // 2, n - 1}:
        np.testing.assert_allclose(network.outputs(params, X[[row]])[0], outputs[row], rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_outputs_take_rows_of_any_dtype_and_order(dtype):
    rng = np.random.default_rng(7)
    network = Network(ParameterLayout((3, 2), dtype), (), "logistic", "log_loss")
    params = rng.standard_normal(8).astype(dtype)
    X = rng.integers(-3, 4, (10, 3))
    expected = network.outputs(params, X.astype(dtype))
    assert expected.dtype == dtype
    np.testing.assert_array_equal(network.outputs(params, X), expected)
    np.testing.assert_array_equal(network.outputs(params, np.asfortranarray(X.astype(float))), expected)

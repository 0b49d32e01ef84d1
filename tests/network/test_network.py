from dataclasses import replace

import numpy as np
import pytest
from helpers.networks import (
    ACTIVATIONS,
    LONG_FUNCTIONS,
    assert_near,
    loss_by_definition,
    make_problem,
    net_inputs,
)
from scipy import sparse

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
    np.testing.assert_array_equal(
        network.outputs(params, np.asfortranarray(X.astype(float))), expected
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csr_array, sparse.csc_array])
def test_outputs_and_losses_of_sparse_rows_are_those_of_dense_ones(form, dtype):
    rng = np.random.default_rng(0)
    network = Network(
        ParameterLayout((9, 4, 3), dtype), ("gelu",), "softmax", "log_loss", alpha=1.0
    )
    params = rng.standard_normal(9 * 4 + 4 * 3 + 7).astype(dtype)
    X = rng.standard_normal((600, 9)) * (rng.uniform(size=(600, 9)) < 0.2)
    targets = np.eye(3)[rng.integers(0, 3, 600)]
    dense = network.outputs(params, X)
    tolerance = 100 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(network.outputs(params, form(X)), dense, rtol=tolerance)
    assert network.mean_loss(params, form(X), targets) == pytest.approx(
        network.mean_loss(params, X, targets), rel=tolerance
    )


@pytest.mark.parametrize("n", [1, 9, 512, 1500])
def test_the_mean_loss_is_that_of_the_definition(n):
    problem = make_problem((3, 4, 2), "silu", "huber", "identity", n=n)
    layout = ParameterLayout((3, 4, 2))
    network = Network(layout, ("silu",), "identity", "huber", alpha=5.0, dropout=0.5)
    params, X, targets, sample_weight = problem.arrays(float)
    without_penalty = replace(problem, alpha=0.0)
    for weight in (None, sample_weight):
        expected = loss_by_definition(without_penalty, problem.params, weighted=weight is not None)
        found = network.mean_loss(params, X, targets, weight)
        assert found == pytest.approx(float(expected), rel=1e-13)
    assert network.mean_loss(params, X, targets, np.zeros(n)) == 0


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"activations": "relu"}, "activations must be one name per hidden layer"),
        ({"activations": ("relu", "tanh")}, "of which there are 1"),
        ({"activations": ("softmax",)}, "unknown activation function 'softmax'"),
        ({"out_activation": "gelu"}, "unknown activation function 'gelu' of the output layer"),
        ({"loss": "hinge"}, "unknown loss 'hinge'"),
        ({"loss": "poisson"}, "out_activation must be 'exp'"),
        ({"loss": "log_loss"}, "needs probabilities"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1"),
        ({"input_noise": -1.0}, "input_noise must be finite and at least 0"),
        ({"out_groups": (1, 1)}, "out_groups need out_activation='softmax'"),
        ({"out_groups": (1, 2), "out_activation": "softmax"}, "add up to the 2 outputs"),
    ],
)
def test_networks_that_do_not_go_together_are_refused(bad, message):
    good = {"activations": ("relu",), "out_activation": "identity", "loss": "squared_error"}
    with pytest.raises(ValueError, match=message):
        Network(ParameterLayout((3, 4, 2)), **(good | bad))


def test_networks_are_equal_by_value():
    layout = ParameterLayout((3, 4, 2))
    one = Network(layout, ["relu"], "softmax", "log_loss", out_groups=np.array([1, 1]))
    assert one == Network(layout, ("relu",), "softmax", "log_loss", out_groups=(1, 1))
    assert hash(one) == hash(Network(layout, ("relu",), "softmax", "log_loss", out_groups=(1, 1)))
    assert one != Network(layout, ("relu",), "softmax", "log_loss")
    assert one != replace(one, dropout=0.1)
    assert one != replace(one, input_noise=0.1)

import numpy as np
import pytest
from helpers.kernels import compiled_only, fallback, installed
from helpers.networks import (
    FUNCTIONS,
    OUTPUTS,
    SOME_FUNCTIONS,
    TOLERANCES,
    assert_near,
    central_differences,
    loss_by_definition,
    make_problem,
)

from sklearn_metabp._kernels import COMPILED

# layer sizes, rows: no hidden layer; widths that fill no vector; one row; products that are split
# in 2 to 4 (1e6 < rows * width * fan_in < 4e6), on the border, past it; more parts than rows.
SHAPES = [
    ((3, 2), 9),
    ((1, 1), 1),
    ((2, 1, 1), 4),
    ((5, 7, 3), 1),
    ((13, 9, 11, 5), 17),
    ((8, 16, 1), 33),
    ((64, 100, 10), 200),
    ((100, 100, 3), 100),
    ((100, 140, 9), 250),
    ((64, 120, 110, 10), 100),
    ((90, 150, 2), 300),
    ((1000, 1203, 2), 1),
    ((1250, 1003, 2), 3),
]


def expect_agreement(problem, dtype, least=0.0, tolerance=None, **loading):
    compiled = problem.backprop(installed, dtype, **loading)
    by_fallback = problem.backprop(fallback, dtype, **loading)
    n = compiled.max_batch
    tolerance = tolerance or TOLERANCES[dtype]
    assert_near(compiled.gradients(0, n), by_fallback.gradients(0, n), tolerance, "loss")
    assert_near(compiled.gradients_, by_fallback.gradients_, tolerance, "gradients", least)
    for layer in range(1, len(problem.layer_sizes)):
        ours, theirs = compiled.activations[layer], by_fallback.activations[layer]
        assert_near(ours, theirs, tolerance, f"activations {layer}")
        ours, theirs = compiled.deltas[layer - 1], by_fallback.deltas[layer - 1]
        assert_near(ours, theirs, tolerance, f"deltas {layer}", least)
    np.testing.assert_array_equal(compiled.activations[0][:n], by_fallback.activations[0][:n])
    np.testing.assert_array_equal(compiled.targets[:n], by_fallback.targets[:n])


# All of them together, then each at least once in other networks: one layer, three, without
# weights.
SIZES = [(*case, (3, 5, 2), True) for case in FUNCTIONS]
SIZES += [(*case, (2, 4, 3, 2), weighted) for case in SOME_FUNCTIONS for weighted in (False, True)]
SIZES += [("relu", *output, (4, 3), True) for output in OUTPUTS]
SIZES += [(("gelu", "relu", "tanh"), "squared_error", "identity", (2, 3, 4, 3, 1), True)]
SIZES += [(("silu", "elu"), "log_loss", "softmax", (2, 3, 4, 3), True)]


@pytest.mark.parametrize(("activation", "loss", "out_activation", "layer_sizes", "weighted"), SIZES)
def test_gradients_are_central_differences(
    kernels, activation, loss, out_activation, layer_sizes, weighted
):
    problem = make_problem(layer_sizes, activation, loss, out_activation, seed=len(activation))
    backprop = problem.backprop(kernels, weighted=weighted)

    value = backprop.gradients(0, 9)

    assert_near(value, float(loss_by_definition(problem, problem.params, weighted=weighted)), 1e-13)
    assert_near(backprop.gradients_, central_differences(problem, weighted=weighted), 1e-6)


GROUPS = [(1, 4), (3, 2), (2, 1, 2), (1, 1, 1, 1, 1), (5,)]


@pytest.mark.parametrize("loss", ["log_loss", "squared_error", "absolute_error", "huber"])
@pytest.mark.parametrize("out_groups", GROUPS, ids=str)
def test_gradients_of_groups_are_central_differences(kernels, out_groups, loss):
    problem = make_problem((3, 4, 5), "tanh", loss, "softmax", out_groups=out_groups)
    backprop = problem.backprop(kernels)
    value = backprop.gradients(0, 9)
    assert_near(value, float(loss_by_definition(problem, problem.params)), 1e-13)
    assert_near(backprop.gradients_, central_differences(problem), 1e-6)
    bounds = np.cumsum((0, *out_groups))
    totals = np.add.reduceat(backprop.layer_outputs[-1], bounds[:-1], axis=1)
    np.testing.assert_allclose(totals, 1, rtol=1e-15)


@compiled_only
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", ["log_loss", "squared_error", "absolute_error", "huber"])
@pytest.mark.parametrize("out_groups", [(3, 9, 8), (1, 19), (20,)], ids=str)
def test_compiled_core_agrees_with_the_fallback_for_groups(out_groups, loss, dtype):
    expect_agreement(
        make_problem((7, 6, 20), "silu", loss, "softmax", n=21, out_groups=out_groups), dtype
    )


@pytest.mark.parametrize(("activation", "loss", "out_activation"), SOME_FUNCTIONS)
def test_the_summed_loss_is_that_of_the_rows_without_penalty(
    kernels, activation, loss, out_activation
):
    problem = make_problem(
        (3, 4, 3), activation, loss, out_activation, alpha=0.0, dropout=0.5, dropout_key=None
    )
    backprop = problem.backprop(kernels, max_batch=5)
    sums = [backprop.summed_loss(start, stop) for start, stop in [(0, 5), (5, 9)]]
    total = float(problem.sample_weight.sum())
    assert_near(sum(sums) / total, float(loss_by_definition(problem, problem.params)), 1e-13)
    assert np.isnan(backprop.gradients_).all()


@pytest.mark.parametrize(("loss", "out_activation"), OUTPUTS)
def test_minibatches_take_their_rows_through_the_order(kernels, loss, out_activation):
    problem = make_problem((3, 4, 2), "tanh", loss, out_activation, seed=5)
    order = np.random.default_rng(1).permutation(9)
    backprop = problem.backprop(kernels, order=order, max_batch=4)

    for start, stop in [(0, 4), (4, 8), (8, 9), (0, 4)]:
        rows = order[start:stop]
        value = backprop.gradients(start, stop)
        assert_near(value, float(loss_by_definition(problem, problem.params, rows)), 1e-13)
        assert_near(backprop.gradients_, central_differences(problem, rows), 1e-6)
        np.testing.assert_array_equal(
            backprop.activations[0][: stop - start], problem.X[rows].astype(float)
        )
        np.testing.assert_array_equal(
            backprop.targets[: stop - start], problem.targets[rows].astype(float)
        )


def test_order_may_change_in_place_between_batches(kernels):
    problem = make_problem((3, 2), "relu", "squared_error", "identity")
    order = np.arange(9)
    backprop = problem.backprop(kernels, order=order, max_batch=3)
    backprop.gradients(0, 3)
    order[:] = order[::-1]
    value = backprop.gradients(0, 3)
    assert_near(value, float(loss_by_definition(problem, problem.params, [8, 7, 6])), 1e-13)


def test_batch_whose_sample_weights_are_all_zero_has_only_the_penalty(kernels):
    problem = make_problem((3, 4, 2), "tanh", "squared_error", "identity", alpha=0.5)
    params, X, targets, _ = problem.arrays(float)
    backprop = problem.backprop(kernels)
    backprop.load(X, targets, np.zeros(9))
    weights = params[: 3 * 4 + 4 * 2]
    # alpha / 2 sum w^2 over a number of patterns that counts as 1
    assert_near(backprop.gradients(0, 9), 0.25 * (weights**2).sum(), 1e-14)
    expected = np.concatenate([0.5 * weights, np.zeros(4 + 2)])
    assert_near(backprop.gradients_, expected, 1e-14)


@compiled_only
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("activation", "loss", "out_activation"), FUNCTIONS)
def test_compiled_core_agrees_with_the_fallback_for_every_function(
    activation, loss, out_activation, dtype
):
    problem = make_problem(
        (13, 9, 5), activation, loss, out_activation, n=21, seed=len(out_activation)
    )
    expect_agreement(problem, dtype)


@compiled_only
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("layer_sizes", "n"), SHAPES, ids=str)
def test_compiled_core_agrees_with_the_fallback_for_every_shape(layer_sizes, n, dtype):
    softmax = layer_sizes[-1] > 1
    problem = make_problem(
        layer_sizes, "tanh", "log_loss", "softmax" if softmax else "logistic", n=n, seed=n
    )
    expect_agreement(problem, dtype)
    expect_agreement(problem, dtype, weighted=False)
    expect_agreement(problem, dtype, order=np.random.default_rng(n).permutation(n))


@compiled_only
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("activation", "loss", "out_activation"), FUNCTIONS)
def test_compiled_core_agrees_with_the_fallback_at_extreme_net_inputs(
    activation, loss, out_activation, dtype
):
    scale = 10.0 if out_activation == "exp" else 1000.0  # beyond, infinity times 0
    problem = make_problem(
        (6, 9, 4), activation, loss, out_activation, n=19, seed=len(loss), scale=scale, alpha=0.0
    )
    # Of e - sum(e y) no digits are left where y is 0 or 1: the terms are of magnitude 1. And a net
    # input of 1000 is known to 6e-5 in float32, where the two products round it differently.
    expect_agreement(problem, dtype, least=1.0, tolerance=None if dtype == np.float64 else 1e-4)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("loss", "out_activation", "nets", "target", "outputs", "value"),
    [
        # log(1 + e^1000) = 1000 to rounding, and 0 where the answer is right
        ("log_loss", "logistic", [1000.0, -1000.0], [0, 0], [1, 0], 1000),
        ("log_loss", "logistic", [1000.0, -1000.0], [1, 1], [1, 0], 1000),
        ("log_loss", "softmax", [1000.0, -1000.0], [0, 1], [1, 0], 2000),
        ("log_loss", "softmax", [-1000.0, -1000.0], [0, 1], [0.5, 0.5], np.log(2)),
        ("log_loss", "softmax", [5e4, 5e4 - 2e3], [1, 0], [1, 0], 0),
        ("squared_error", "tanh", [1000.0, -1000.0], [1, 1], [1, -1], 2),
        ("squared_error", "logistic", [1000.0, -1000.0], [0, 0], [1, 0], 0.5),
        ("squared_error", "softmax", [-1000.0, 1000.0], [1, 0], [0, 1], 1),
    ],
)
def test_saturated_outputs_have_the_limits(
    kernels, loss, out_activation, nets, target, outputs, value, dtype
):
    params = np.array([*np.eye(2).ravel(), 0, 0], dtype)
    backprop = kernels.Backprop(
        (2, 2), (), out_activation, loss, params, np.zeros_like(params), max_batch=1
    )
    backprop.load(np.array([nets], dtype), np.array([target], dtype))
    assert backprop.gradients(0, 1) == pytest.approx(value, rel=1e-6, abs=1e-30)
    np.testing.assert_allclose(backprop.activations[-1], [outputs], rtol=0, atol=1e-37)
    delta = np.subtract(target, outputs)
    if loss == "squared_error":  # saturated: no slope is left
        delta = np.zeros(2)
    np.testing.assert_allclose(backprop.deltas[-1], [delta], rtol=0, atol=1e-36)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("activation", "loss", "out_activation"), FUNCTIONS)
def test_nan_stays_nan(kernels, activation, loss, out_activation, dtype):
    problem = make_problem((3, 4, 2), activation, loss, out_activation)
    backprop = problem.backprop(kernels, dtype)
    _, X, targets, _ = problem.arrays(dtype)
    X[5] = np.nan
    backprop.load(X, targets)
    assert np.isnan(backprop.gradients(0, 9))
    assert np.isnan(backprop.activations[-1][5]).all()
    assert np.isfinite(backprop.activations[-1][[4, 6]]).all()


@pytest.mark.parametrize("position", range(3))
def test_one_net_input_that_is_nan_makes_its_softmax_row_nan(kernels, position):
    params = np.concatenate([np.eye(3).ravel(), np.zeros(3)])
    backprop = kernels.Backprop(
        (3, 3), (), "softmax", "log_loss", params, np.zeros_like(params), max_batch=1
    )
    params[9 + position] = np.nan
    backprop.load(np.ones((1, 3)), np.eye(3)[:1])
    assert np.isnan(backprop.gradients(0, 1))
    assert np.isnan(backprop.activations[-1]).all()


def test_forward_computes_what_gradients_computes(kernels):
    problem = make_problem((3, 6, 4), "logistic", "log_loss", "softmax")
    one, other = problem.backprop(kernels), problem.backprop(kernels)
    one.gradients(2, 8)
    other.forward(2, 8)
    np.testing.assert_allclose(one.activations[-1][:6], other.activations[-1][:6], rtol=1e-15)


GOOD = {
    "layer_sizes": (3, 2),
    "activations": (),
    "out_activation": "identity",
    "loss": "squared_error",
    "params": np.zeros(8),
    "gradients": np.zeros(8),
    "max_batch": 4,
}
FIVE = {"params": np.zeros(5), "gradients": np.zeros(5)}
BAD_NETWORKS = [
    ({"params": np.zeros(7)}, "params must hold 8"),
    ({"params": np.zeros((8, 1))}, "params must hold 8"),
    ({"params": np.zeros(8, int)}, "float32 or float64"),
    ({"params": np.zeros(16)[::2]}, "contiguous"),
    ({"gradients": np.zeros(9)}, "gradients must hold 8"),
    ({"gradients": np.zeros(8, np.float32)}, "all arrays alike"),
    ({"gradients": np.zeros(16)[::2]}, "contiguous"),
    ({"loss": "log_loss"}, "needs probabilities"),
    ({"loss": "log_loss", "out_activation": "tanh"}, "needs probabilities"),
    ({"loss": "hinge"}, "unknown loss"),
    ({"loss": "poisson"}, "needs positive outputs"),
    ({"activations": ("relu",)}, "one name per hidden layer, of which there are 0"),
    ({"activations": "relu"}, "one name per hidden layer"),
    ({"layer_sizes": (2, 1, 1), "activations": ("softmax",), **FIVE}, "unknown activation"),
    ({"layer_sizes": (2, 1, 1), "activations": ("exp",), **FIVE}, "unknown activation"),
    ({"out_groups": (1, 1)}, "need out_activation='softmax'"),
    ({"out_groups": (1, 2), "out_activation": "softmax"}, "add up to the 2 outputs"),
    ({"out_groups": (0, 2), "out_activation": "softmax"}, "widths of 1 or more"),
    ({"out_groups": (), "out_activation": "softmax"}, "add up to the 2 outputs"),
    ({"out_activation": "sine"}, "unknown activation"),
    ({"layer_sizes": (3,)}, "two layers or more"),
    ({"layer_sizes": (3, 0)}, "one neuron or more"),
    ({"max_batch": 0}, "one row or more"),
]
BAD_ROWS = [
    ({"X": np.zeros((5, 2))}, "X must be"),
    ({"X": np.zeros((5, 3), np.float32)}, "X must be"),
    ({"X": np.zeros((3, 5)).T}, "X must be"),
    ({"targets": np.zeros((4, 2))}, "targets must be"),
    ({"targets": np.zeros(5)}, "targets must be"),
    ({"targets": np.zeros((5, 2), int)}, "targets must be"),
    ({"sample_weight": np.ones(4)}, "sample_weight must be"),
    ({"sample_weight": np.ones(10)[::2]}, "sample_weight must be"),
    ({"order": np.arange(4)}, "order must be"),
    ({"order": np.arange(5, dtype=np.int32)}, "order must be"),
    ({"order": np.arange(1, 6)}, "order must hold rows from 0 to 4"),
    ({"order": np.arange(-1, 4)}, "order must hold rows from 0 to 4"),
]


@pytest.mark.parametrize(("bad", "message"), BAD_NETWORKS)
def test_networks_that_do_not_fit_are_refused(kernels, bad, message):
    arguments = GOOD | bad
    positional = [arguments.pop(name) for name in [*GOOD][:-1]]
    with pytest.raises(ValueError, match=message):
        kernels.Backprop(*positional, **arguments)


@pytest.mark.parametrize(("bad", "message"), BAD_ROWS)
def test_rows_that_do_not_fit_are_refused(kernels, bad, message):
    arguments = dict(GOOD)
    backprop = kernels.Backprop(*[arguments.pop(name) for name in [*GOOD][:-1]], **arguments)
    good = {"X": np.zeros((5, 3)), "targets": np.zeros((5, 2)), "sample_weight": np.ones(5)}
    with pytest.raises(ValueError, match=message):
        backprop.load(**(good | bad))


@pytest.mark.parametrize("method", ["gradients", "forward", "summed_loss"])
@pytest.mark.parametrize("batch", [(0, 0), (3, 2), (-1, 2), (3, 6), (0, 5)], ids=str)
def test_batches_outside_the_rows_are_refused(kernels, method, batch):
    problem = make_problem((3, 2), "relu", "squared_error", "identity", n=5)
    backprop = problem.backprop(kernels, max_batch=4)
    with pytest.raises(IndexError, match=r"of 5 rows, at most 4"):
        getattr(backprop, method)(*batch)


def test_gradients_without_targets_are_refused(kernels):
    backprop = make_problem((3, 2), "relu", "squared_error", "identity").backprop(kernels)
    backprop.load(np.zeros((5, 3)))
    backprop.forward(0, 5)
    for method in (backprop.gradients, backprop.summed_loss):
        with pytest.raises(ValueError, match="need targets"):
            method(0, 5)


@compiled_only
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_hidden", [1, 2, 50, 99, 100, 101, 300])
def test_compiled_core_agrees_with_the_fallback_at_every_depth(n_hidden, dtype):
    sizes = (3, *[2 + layer % 3 for layer in range(n_hidden)], 2)
    expect_agreement(
        make_problem(sizes, "identity", "squared_error", "identity", n=200, alpha=0.0), dtype
    )
    dropping = {"dropout": 0.1, "dropout_key": 5}
    expect_agreement(
        make_problem(sizes, "leaky_relu", "log_loss", "softmax", n=200, **dropping), dtype
    )


def test_the_penalty_of_a_deep_network_is_that_of_all_its_weights(kernels):
    sizes = (1,) * 302
    params = np.linspace(-1, 1, 602)
    kernel = kernels.Backprop(
        sizes,
        ("relu",) * 300,
        "identity",
        "squared_error",
        params,
        np.zeros(602),
        max_batch=1,
        alpha=2.0,
    )
    kernel.load(np.zeros((1, 1)), np.zeros((1, 1)))
    with_penalty = kernel.gradients(0, 1)
    assert with_penalty - kernel.summed_loss(0, 1) == pytest.approx(
        (params[:301] ** 2).sum(), rel=1e-13
    )


def test_a_kernel_is_made_once():
    arguments = dict(GOOD)
    positional = [arguments.pop(name) for name in [*GOOD][:-1]]
    backprop = installed.Backprop(*positional, **arguments)
    if COMPILED:
        with pytest.raises(TypeError, match="made once"):
            backprop.__init__(*positional, **arguments)

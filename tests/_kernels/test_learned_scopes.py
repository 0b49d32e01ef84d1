"""Rules that replace the backward step, and the learned messages among them."""

import numpy as np
import pytest
from helpers.kernels import compiled_only, fallback, installed
from helpers.memory import at_odd_address, read_only
from helpers.networks import TOLERANCES, make_problem, split

from sklearn_metabp._kernels.functions import ACTIVATIONS


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu"])
def test_rule_6_given_by_hand_is_rule_6(kernels, activation, dtype):
    problem = make_problem(
        (4, 5, 3, 2), activation, "squared_error", "logistic", n=7, seed=len(activation)
    )
    plain, replaced = (problem.backprop(kernels, dtype) for _ in range(2))
    weights, _ = split(replaced.params, problem.layer_sizes)
    filled = []

    def send_back(layer):
        filled.append(layer)
        slope = ACTIVATIONS[activation].derivative(replaced.activations[layer + 1][:7])
        replaced.deltas[layer][:7] = slope * (replaced.deltas[layer + 1][:7] @ weights[layer + 1].T)

    loss = plain.gradients(0, 7)
    np.testing.assert_allclose(replaced.gradients(0, 7, send_back), loss, rtol=TOLERANCES[dtype])
    assert filled == [1, 0]
    np.testing.assert_allclose(
        replaced.gradients_, plain.gradients_, rtol=100 * TOLERANCES[dtype], atol=1e-6
    )


def test_other_deltas_make_other_gradients_before_them_and_none_after(kernels):
    problem = make_problem((4, 5, 3, 2), "tanh", "squared_error", "identity", n=7, seed=5)
    plain, replaced = (problem.backprop(kernels) for _ in range(2))
    plain.gradients(0, 7)
    replaced.gradients(0, 7, lambda layer: replaced.deltas[layer].fill(1.0))
    (first, second, last), _ = split(plain.gradients_ - replaced.gradients_, problem.layer_sizes)
    assert not last.any()
    assert first.all()
    assert second.all()


def mlp(n_inputs, seed, dtype, hidden=6):
    rng = np.random.default_rng(seed)
    sizes = np.array([n_inputs, hidden, 1])
    return rng.standard_normal(int(((sizes[:-1] + 1) * sizes[1:]).sum())).astype(dtype), sizes


def neuron_rule(
    kernels,
    deltas,
    weights,
    activations,
    mlp_params,
    mlp_sizes,
    *,
    codes,
    function="logistic",
    scale=1.0,
    slopes=None,
):
    """A rule over given arrays, and where it writes."""
    out = np.full(activations.shape, np.nan, weights.dtype)
    arrays = (deltas, weights, activations, function, out, np.array(codes), mlp_params, mlp_sizes)
    return kernels.NeuronRule(*arrays, "tanh", "identity", scale, slopes), out


@compiled_only
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(
    "function", [one.name for one in ACTIVATIONS.values() if not one.needs_net_inputs and one.slope]
)
@pytest.mark.parametrize("codes", [[0, 1, 2], [2, 0], [1]], ids=str)
@pytest.mark.parametrize("shape", [(1, 2, 1), (7, 5, 3), (32, 20, 9), (3, 1, 70)], ids=str)
def test_core_and_fallback_compute_the_same_deltas(shape, codes, function, dtype):
    n, n_neurons, following = shape
    rng = np.random.default_rng([n, n_neurons, len(codes)])
    deltas = 1e-3 * rng.standard_normal((n + 2, following))
    weights, x = (
        rng.standard_normal((n_neurons, following)),
        rng.uniform(-0.2, 1, size=(n + 2, n_neurons)),
    )
    params, sizes = mlp(len(codes), n, dtype)
    written = []
    for kernels in (installed, fallback):
        arrays = (a.astype(dtype) for a in (deltas, weights, x))
        rule, out = neuron_rule(
            kernels, *arrays, params, sizes, codes=codes, function=function, scale=0.7
        )
        rule.send_back(n)
        assert np.isnan(out[n:]).all()
        written.append(out[:n])
    np.testing.assert_allclose(*written, rtol=0, atol=TOLERANCES[dtype] * np.abs(written[1]).max())


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_given_slopes_are_used(kernels, dtype):
    rng = np.random.default_rng(3)
    deltas, weights, x = (
        rng.standard_normal((6, 3)),
        rng.standard_normal((4, 3)),
        rng.uniform(size=(6, 4)),
    )
    params, sizes = mlp(3, 8, dtype)
    arrays = [a.astype(dtype) for a in (deltas, weights, x)]
    found, (told, out) = (
        neuron_rule(kernels, *arrays, params, sizes, codes=[0, 1, 2]),
        neuron_rule(
            kernels,
            *(*arrays[:2], np.zeros_like(arrays[2]), params, sizes),
            codes=[0, 1, 2],
            function="gelu",
            slopes=arrays[2] * (1 - arrays[2]),
        ),
    )
    found[0].send_back(5)
    told.send_back(5)
    np.testing.assert_allclose(out[:5], found[1][:5], rtol=100 * TOLERANCES[dtype])


def test_slopes_that_are_missing_or_do_not_fit_are_refused(kernels):
    params, sizes = mlp(1, 1, np.float64)
    good = [np.ones((4, 2)), np.ones((3, 2)), np.ones((4, 3)), params, sizes]
    with pytest.raises(ValueError, match="'gelu' is not told by its value"):
        neuron_rule(kernels, *good, codes=[1], function="gelu")
    for slopes in (np.ones((3, 3)), np.ones((4, 3), np.float32)):
        with pytest.raises(ValueError, match="do not fit together"):
            neuron_rule(kernels, *good, codes=[1], slopes=slopes)


def test_messages_are_summed_in_the_normalizers_of_their_layer(kernels):
    """An MLP that answers delta + 2 weight + 4 slope + 0.5: the sum is linear, by hand."""
    params, sizes = np.array([1.0, 2.0, 4.0, 0.5]), np.array([3, 1])
    deltas, weights = np.array([[3.0, -3.0]]), np.array([[2.0, 2.0], [-2.0, 2.0]])
    rule, out = neuron_rule(
        kernels, deltas, weights, np.full((1, 2), 0.5), params, sizes, codes=[0, 1, 2], scale=10.0
    )
    rule.send_back(1)
    # Slope 1/4, so 1 + 0.5 in every answer; root mean squares 3 and 2, so delta and weight are
    # signs.
    first = 3 * 2 * (1 + 2 + 1.5) + -3 * 2 * (-1 + 2 + 1.5)
    second = 3 * -2 * (1 - 2 + 1.5) + -3 * 2 * (-1 + 2 + 1.5)
    np.testing.assert_allclose(out, [[10 * first, 10 * second]])


@pytest.mark.parametrize("zero", ["deltas", "weights"])
def test_zero_deltas_or_weights_send_back_zero(kernels, zero):
    params, sizes = mlp(3, 1, np.float64)
    arrays = {"deltas": np.ones((4, 2)), "weights": np.ones((3, 2))}
    arrays[zero][...] = 0
    rule, out = neuron_rule(
        kernels, *arrays.values(), np.ones((4, 3)), params, sizes, codes=[0, 1, 2]
    )
    rule.send_back(4)
    np.testing.assert_array_equal(out, 0)


def test_arrays_and_codes_that_do_not_fit_are_refused(kernels):
    params, sizes = mlp(2, 1, np.float64)
    good = [np.ones((4, 2)), np.ones((3, 2)), np.ones((4, 3))]
    negative = np.array([2, -1, 3, 1])  # one parameter, by the formula
    cases = ([0, 1, 2], params, sizes), ([0, 1], params[1:], sizes), ([0, 1], params[:1], negative)
    for codes, values, layers in cases:
        with pytest.raises(ValueError, match="the MLP does not fit the inputs"):
            neuron_rule(kernels, *good, values, layers, codes=codes)
    for position, bad in [
        (0, np.ones((4, 1))),
        (1, np.ones((2, 2))),
        (2, np.ones((4, 3), np.float32)),
    ]:
        with pytest.raises(ValueError, match="do not fit together"):
            neuron_rule(
                kernels, *good[:position], bad, *good[position + 1 :], params, sizes, codes=[0, 1]
            )


def pattern_rule(kernels, dtype, n_batch=5):
    """A rule over two sources of a pattern and a shared one, its sources and its MLP by hand."""
    rng = np.random.default_rng(n_batch)
    sources = [
        rng.standard_normal(shape).astype(dtype) for shape in ((n_batch, 2), (3,), (n_batch, 1))
    ]
    sizes = (6, 4, 7)
    params = rng.standard_normal(6 * 4 + 4 * 7 + 4 + 7).astype(dtype)
    matrix, updates = np.zeros((n_batch, 6), dtype), np.full(7, np.nan, dtype)
    learner = kernels.Backprop(
        sizes,
        ("tanh",),
        "identity",
        "squared_error",
        params,
        np.empty_like(params),
        max_batch=n_batch,
    )
    learner.load(matrix)
    weights, biases = split(params.astype(float), sizes)
    return kernels.PatternRule(sources, learner, matrix, updates), sources, updates, weights, biases


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("n", [1, 3, 5])
def test_the_update_is_the_mean_prediction_over_the_patterns(kernels, n, dtype):
    rule, (own, shared, last), updates, (first, second), (b, c) = pattern_rule(kernels, dtype)
    for _ in range(2):
        own += 1
        rule.update(n)
        rows = [np.concatenate([own[p], shared, last[p]]).astype(float) for p in range(n)]
        expected = np.mean([np.tanh(row @ first + b) @ second + c for row in rows], axis=0)
        np.testing.assert_allclose(updates, expected, rtol=0, atol=20 * TOLERANCES[dtype])


@pytest.mark.parametrize("bad", ["sources", "updates"])
def test_a_pattern_rule_refuses_what_does_not_fit(kernels, bad):
    params = np.zeros(6 * 2 + 2)
    matrix = np.zeros((3, 6))
    learner = kernels.Backprop(
        (6, 2), (), "identity", "squared_error", params, params.copy(), max_batch=3
    )
    learner.load(matrix)
    sources = [np.zeros((3, 5 if bad == "sources" else 6))]
    with pytest.raises(ValueError, match="do not fit together"):
        kernels.PatternRule(sources, learner, matrix, np.zeros(3 if bad == "updates" else 2))


def test_a_pattern_rule_takes_as_many_sources_as_a_deep_network_has(kernels):
    n_sources = 700
    params, matrix, updates = np.ones(n_sources + 1), np.zeros((3, n_sources)), np.zeros(1)
    mlp = kernels.Backprop(
        (n_sources, 1), (), "identity", "squared_error", params, np.zeros_like(params), max_batch=3
    )
    mlp.load(matrix)
    sources = [np.full((3, 1) if k % 2 else (1,), float(k)) for k in range(n_sources)]
    kernels.PatternRule(sources, mlp, matrix, updates).update(2)
    assert updates[0] == 1 + sum(range(n_sources))


@pytest.mark.parametrize("spoil", [at_odd_address, read_only])
def test_kernels_refuse_to_write_where_they_cannot(kernels, spoil):
    params, matrix = np.zeros(6 * 2 + 2), np.zeros((3, 6))
    mlp = kernels.Backprop(
        (6, 2), (), "identity", "squared_error", params, params.copy(), max_batch=3
    )
    mlp.load(matrix)
    with pytest.raises(ValueError, match="do not fit together"):
        kernels.PatternRule([np.zeros((3, 6))], mlp, matrix, spoil(np.zeros(2)))
    ones = np.ones((4, 2))
    with pytest.raises(ValueError, match="do not fit together"):
        kernels.NeuronRule(
            ones, np.ones((3, 2)), np.ones((4, 3)), "relu", spoil(np.ones((4, 3))),
            np.zeros(1, np.int64),
            np.ones(2), np.array([1, 1]), "relu", "identity", 1.0,
        )  # fmt: skip

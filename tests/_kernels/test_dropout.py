"""Dropout: masks that follow from key, step, layer, row and neuron, and gradients through them."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from helpers.hashes import GOLDEN, mix, neuron_bits, row_key
from helpers.kernels import compiled_only, fallback, installed
from helpers.networks import (
    SOME_FUNCTIONS,
    TOLERANCES,
    assert_near,
    central_differences,
    loss_by_definition,
    make_problem,
)
from scipy.stats import binom, chi2

from sklearn_metabp._kernels.network.dropout_fallback import dropout_factors

KEYS = [0, 1, 2**32, 0x0123456789ABCDEF, 2**64 - 1]


def masked(kernels, key, *, step=1, layers=1, n=8, width=16, dropout=0.5, dtype=np.float64):
    """Outputs of hidden layers whose every neuron gives 1 before something is dropped."""
    sizes = (1, *(width,) * layers, 1)
    n_weights = sum(a * b for a, b in pairwise(sizes))
    params = np.concatenate([np.zeros(n_weights), np.ones(sum(sizes[1:]))]).astype(dtype)
    backprop = kernels.Backprop(
        sizes,
        ("identity",) * layers,
        "identity",
        "squared_error",
        params,
        params.copy(),
        max_batch=n,
        dropout=dropout,
        dropout_key=key,
        n_steps=step - 1,
    )
    backprop.load(np.ones((n, 1), dtype), np.ones((n, 1), dtype))
    backprop.gradients(0, n)
    return [layer.copy() for layer in backprop.layer_outputs[:-1]]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("key", KEYS, ids=hex)
@pytest.mark.parametrize(("n", "width"), [(1, 1), (5, 3), (7, 257), (3, 600)], ids=str)
def test_masks_are_those_of_the_fallback_to_the_bit(kernels, key, n, width, dtype):
    for step, dropout in ((1, 0.5), (2**40, 0.1)):
        found = masked(
            kernels, key, step=step, layers=2, n=n, width=width, dropout=dropout, dtype=dtype
        )
        for layer, factors in enumerate(found):
            expected = dropout_factors(key, step, layer, n, width, dropout, dtype)
            np.testing.assert_array_equal(factors, expected)


def test_the_first_masks_by_hand():
    assert mix(GOLDEN) == 0xE220A8397B1DCDAF  # the first number of SplitMix64 from seed 0
    factors = dropout_factors(7, 3, 1, 4, 5, 0.25, float)
    for row in range(4):
        bits = row_key(7, 3, 1, row)
        for neuron in range(5):
            below = neuron_bits(bits, neuron) < 2**30
            assert factors[row, neuron] == (0 if below else 1 / 0.75)


@pytest.mark.parametrize("dropout", [0.01, 0.2, 0.5, 0.9])
def test_the_share_of_dropped_neurons_is_the_probability(dropout):
    kept = sum(
        np.count_nonzero(dropout_factors(5, s, 0, 200, 100, dropout, float)) for s in range(50)
    )
    assert 1e-4 < binom.cdf(kept, 50 * 200 * 100, 1 - dropout) < 1 - 1e-4


SHIFTS = {
    "next neuron": lambda s, key: (masks(key, s)[:, 1:], masks(key, s)[:, :-1]),
    "neuron 32 on": lambda s, key: (masks(key, s)[:, 32:], masks(key, s)[:, :-32]),
    "next row": lambda s, key: (masks(key, s)[1:], masks(key, s)[:-1]),
    "next step": lambda s, key: (masks(key, s), masks(key, s + 1)),
    "next layer": lambda s, key: (masks(key, s), masks(key, s, 1)),
    "next step, layer before": lambda s, key: (masks(key, s, 1), masks(key, s + 1, 0)),
    "next key": lambda s, key: (masks(key, s), masks(key + 1, s)),
    "key and step change places": lambda s, key: (masks(key, s), masks(s, key)),
}


def masks(key, step, layer=0):
    return dropout_factors(key, step, layer, 128, 128, 0.5, float) > 0


@pytest.mark.parametrize("shift", SHIFTS)
def test_neighbours_are_independent(shift):
    """Masks next to each other in some direction agree as often as a fair coin falls on heads."""
    statistic = n_tables = 0
    for step in range(1, 200, 2):
        one, other = (m.ravel() for m in SHIFTS[shift](step, 1000))
        agreed = np.count_nonzero(one == other)
        statistic += (2 * agreed - len(one)) ** 2 / len(one)
        n_tables += 1
    assert 1e-4 < chi2.cdf(statistic, n_tables) < 1 - 1e-4


@pytest.mark.parametrize("axis", [0, 1])
def test_sums_of_rows_and_of_neurons_scatter_as_coins_do(axis):
    counts = np.concatenate([masks(3, step).sum(axis=axis) for step in range(100)])
    statistic = ((counts - 64.0) ** 2 / 32).sum()
    assert 1e-4 < chi2.cdf(statistic, len(counts)) < 1 - 1e-4


def test_pairs_of_rows_are_independent():
    rows = np.concatenate([masks(11, step)[:8, :64] for step in range(60)]).astype(float) * 2 - 1
    agreement = rows @ rows.T - 64 * np.eye(len(rows))
    assert np.abs(agreement).max() < 8 * 5.5  # 5.5 standard deviations, of 1e5 pairs


def test_no_mask_of_a_row_is_that_of_another_row_shifted():
    """Rows whose keys' lower halves, which are added to the neuron, are next to each other."""
    n = 30_000
    low = np.array([row_key(2, 1, 0, row) % 2**32 for row in range(n)])
    order = np.argsort(low)
    distance = np.diff(low[order])
    close = np.flatnonzero(distance < 100)
    assert len(close) > 3
    factors = dropout_factors(2, 1, 0, n, 1124, 0.5, np.float32) > 0
    for place in close:
        moved = factors[order[place], distance[place] :][:1024]
        agreed = np.count_nonzero(moved == factors[order[place + 1], :1024])
        assert abs(agreed - 512) < 5 * 16


CASES = [(a, loss, out, (3, 6, 2)) for a, loss, out in SOME_FUNCTIONS]
CASES += [
    (a, "squared_error", "identity", (2, 5, 4, 2)) for a in ("relu", "tanh", "gelu", "softplus")
]


@pytest.mark.parametrize(("activation", "loss", "out_activation", "layer_sizes"), CASES)
def test_gradients_under_a_mask_are_central_differences(
    kernels, activation, loss, out_activation, layer_sizes
):
    problem = make_problem(
        layer_sizes, activation, loss, out_activation, dropout=0.4, dropout_key=17
    )
    backprop = problem.backprop(kernels, order=np.arange(9)[::-1].copy(), max_batch=5)
    for step, (start, stop) in enumerate([(0, 5), (5, 9), (0, 5)], start=1):
        rows = np.arange(9)[::-1][start:stop]
        value = backprop.gradients(start, stop)
        assert backprop.n_steps == step
        assert_near(
            value, float(loss_by_definition(problem, problem.params, rows, step=step)), 1e-13
        )
        assert_near(backprop.gradients_, central_differences(problem, rows, step=step), 1e-6)


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_every_hidden_layer_drops_its_own_share_of_the_step(kernels, activation):
    """Against central differences, with other shares in every step."""
    by_step = [(0.5, 0.0, 0.2), (0.0, 0.0, 0.0), (0.1, 0.6, 0.0)]
    ends = "log_loss", "softmax"
    problem = make_problem((3, 5, 4, 6, 2), activation, *ends, dropout=by_step[0], dropout_key=17)
    backprop = problem.backprop(kernels)
    for step, shares in enumerate(by_step, start=1):
        backprop.dropout[...] = shares
        problem = replace(problem, dropout=shares)
        value = backprop.gradients(0, 9)
        assert_near(value, float(loss_by_definition(problem, problem.params, step=step)), 1e-13)
        assert_near(backprop.gradients_, central_differences(problem, step=step), 1e-6)


@compiled_only
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("activation", "loss", "out_activation"), SOME_FUNCTIONS)
def test_compiled_core_agrees_with_the_fallback_under_dropout(
    activation, loss, out_activation, dtype
):
    problem = make_problem(
        (7, 300, 5, 4), activation, loss, out_activation, dropout=0.3, dropout_key=2**63
    )
    compiled, by_fallback = (problem.backprop(kernels, dtype) for kernels in (installed, fallback))
    for shares in ((0.3, 0.3), (0.0, 0.7), (0.1, 0.0)):
        compiled.dropout[...] = by_fallback.dropout[...] = shares
        assert_near(
            compiled.gradients(0, 9), by_fallback.gradients(0, 9), TOLERANCES[dtype], "loss"
        )
        assert_near(compiled.gradients_, by_fallback.gradients_, TOLERANCES[dtype], "gradients")
        for ours, theirs in zip(compiled.slopes, by_fallback.slopes, strict=True):
            assert_near(ours, theirs, TOLERANCES[dtype], "slopes")


def test_forward_drops_nothing_and_is_no_step(kernels):
    problem = make_problem(
        (3, 20, 2), "tanh", "squared_error", "identity", dropout=0.5, dropout_key=1
    )
    plain = make_problem((3, 20, 2), "tanh", "squared_error", "identity")
    dropping, whole = problem.backprop(kernels), plain.backprop(kernels)
    for backprop in (dropping, whole):
        backprop.forward(0, 9)
    np.testing.assert_array_equal(dropping.layer_outputs[-1], whole.layer_outputs[-1])
    assert dropping.n_steps == 0


def test_without_a_key_nothing_is_dropped(kernels):
    problem = make_problem((3, 20, 2), "tanh", "squared_error", "identity", dropout=0.5)
    plain = make_problem((3, 20, 2), "tanh", "squared_error", "identity")
    one, other = problem.backprop(kernels), plain.backprop(kernels)
    assert one.gradients(0, 9) == other.gradients(0, 9)
    np.testing.assert_array_equal(one.gradients_, other.gradients_)
    assert one.slopes == [None]


def test_a_kernel_goes_on_where_another_stopped(kernels):
    problem = make_problem(
        (3, 20, 2), "relu", "squared_error", "identity", dropout=0.5, dropout_key=9
    )
    first = problem.backprop(kernels)
    losses = [first.gradients(0, 9) for _ in range(4)]
    params, X, targets, sample_weight = problem.arrays(float)
    later = kernels.Backprop(
        *((3, 20, 2), ("relu",), "identity", "squared_error", params, params.copy()),
        max_batch=9,
        alpha=problem.alpha,
        dropout=0.5,
        dropout_key=9,
        n_steps=2,
    )
    later.load(X, targets, sample_weight)
    assert [later.gradients(0, 9) for _ in range(2)] == losses[2:]
    assert len(set(losses)) == 4


@pytest.mark.parametrize("bad", [1.0, -0.1, np.nan, np.inf])
def test_a_step_refuses_shares_that_are_none(kernels, bad):
    problem = make_problem((3, 4, 5, 2), "relu", "log_loss", "softmax", dropout_key=1)
    backprop = problem.backprop(kernels)
    backprop.gradients(0, 9)
    backprop.dropout[1] = bad
    with pytest.raises(ValueError, match=r"at least 0 and below 1, got \[0.0, .*step.dropout"):
        backprop.gradients(0, 9)
    assert backprop.n_steps == 1
    backprop.forward(0, 9)
    backprop.dropout[1] = 0.5
    backprop.gradients(0, 9)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1"),
        ({"dropout": -0.1}, "dropout must be"),
        ({"dropout": np.nan}, "dropout must be"),
        ({"dropout_key": -1}, "dropout_key must be an integer of 64 bits"),
        ({"dropout_key": 2**64}, "dropout_key must be"),
        ({"n_steps": -1}, "n_steps must be"),
    ],
)
def test_impossible_masks_are_refused(kernels, bad, message):
    with pytest.raises(ValueError, match=message):
        kernels.Backprop(
            (2, 1), (), "identity", "squared_error", np.zeros(3), np.zeros(3), max_batch=1, **bad
        )

"""Noise of the inputs: normal numbers that follow from key, step, row and column."""

from dataclasses import replace
from itertools import pairwise
from math import log, pi, sin, sqrt

import numpy as np
import pytest
from helpers.hashes import mix, neuron_bits, row_key
from helpers.kernels import compiled_only, fallback, installed
from helpers.networks import (
    SOME_FUNCTIONS,
    TOLERANCES,
    assert_near,
    central_differences,
    loss_by_definition,
    make_problem,
)
from scipy.sparse import csr_array
from scipy.stats import chi2, kstest

from sklearn_metabp._kernels.network.dropout_fallback import dropout_factors
from sklearn_metabp._kernels.network.noise_fallback import normal_numbers

KEYS = [0, 1, 2**32, 0x0123456789ABCDEF, 2**64 - 1]


def kernel(kernels, X, noise, key=5, *, order=None, max_batch=None, **options):
    """Return a kernel of one layer over X, and its inputs after a step."""
    params = np.zeros(X.shape[1] + 1, X.dtype)
    backprop = kernels.Backprop(
        (X.shape[1], 1),
        (),
        "identity",
        "squared_error",
        params,
        params.copy(),
        max_batch=max_batch or len(X),
        input_noise=noise,
        noise_key=key,
        **options,
    )
    backprop.load(X, np.ones((len(X), 1), X.dtype), None, order)
    return backprop


def test_the_first_numbers_by_hand():
    z = normal_numbers(7, 3, 4, 5)
    for row in range(4):
        key = row_key(7, 3, -1, row)
        for column in range(5):
            u = (neuron_bits(key, column) + 0.5) / 2**32
            bits = neuron_bits(mix(key), column)
            v = ((bits if bits < 2**31 else bits - 2**32) + 0.5) / 2**31
            assert z[row, column] == pytest.approx(sqrt(-2 * log(u)) * sin(pi * v / 2), rel=1e-14)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("key", KEYS, ids=hex)
@pytest.mark.parametrize(("n", "width"), [(1, 1), (5, 3), (7, 257), (3, 600)], ids=str)
def test_a_step_adds_the_numbers_of_the_fallback(kernels, key, n, width, dtype):
    X = np.random.default_rng(n).standard_normal((n, width)).astype(dtype)
    given = X.copy()
    for step, noise in ((1, 0.5), (2**40, 3.0)):
        backprop = kernel(kernels, X, noise, key, n_steps=step - 1)
        backprop.gradients(0, n)
        expected = X + noise * normal_numbers(key, step, n, width)
        assert_near(backprop.activations[0], expected, {np.float64: 1e-14, np.float32: 1e-7}[dtype])
    np.testing.assert_array_equal(X, given)


def test_the_numbers_are_normal():
    z = np.concatenate([normal_numbers(11, step, 500, 20).ravel() for step in range(1, 41)])
    assert kstest(z, "norm").pvalue > 1e-3
    large = np.concatenate([normal_numbers(3, step, 2000, 500).ravel() for step in range(1, 5)])
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10170)):
        assert abs((large**power).mean() - moment) < 4 * sqrt(variance / len(large))
    assert (np.abs(large) > 4).mean() == pytest.approx(6.334e-5, rel=0.15)


SHIFTS = {
    "next column": lambda s: (noise(1000, s)[:, 1:], noise(1000, s)[:, :-1]),
    "column 32 on": lambda s: (noise(1000, s)[:, 32:], noise(1000, s)[:, :-32]),
    "next row": lambda s: (noise(1000, s)[1:], noise(1000, s)[:-1]),
    "next step": lambda s: (noise(1000, s), noise(1000, s + 1)),
    "next key": lambda s: (noise(1000, s), noise(1001, s)),
    "masks of the first layer": lambda s: (
        noise(1000, s),
        dropout_factors(1000, s, 0, 128, 128, 0.5, float) - 1,
    ),
}


def noise(key, step):
    return normal_numbers(key, step, 128, 128)


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("power", [1, 2])
def test_neighbours_are_independent(shift, power):
    """Neither the numbers nor their squares, which share no sign, are correlated."""
    statistic = n_tables = 0
    for step in range(1, 100, 2):
        one, other = SHIFTS[shift](step)
        if power == 2:
            one, other = (one**2 - 1) / sqrt(2), (other**2 - 1) / sqrt(2)
        statistic += (one * other).sum() ** 2 / one.size
        n_tables += 1
    if power == 2 and shift.startswith("masks"):
        return  # the squares of their two values are equal
    assert 1e-4 < chi2.cdf(statistic, n_tables) < 1 - 1e-4


@pytest.mark.parametrize(("activation", "loss", "out_activation"), SOME_FUNCTIONS)
def test_gradients_are_those_at_the_noisy_inputs(kernels, activation, loss, out_activation):
    problem = make_problem((3, 6, 2), activation, loss, out_activation)
    backprop = problem.backprop(
        kernels, order=np.arange(9)[::-1].copy(), max_batch=5, input_noise=0.1, noise_key=17
    )
    for step, (start, stop) in enumerate([(0, 5), (5, 9), (0, 5)], start=1):
        rows = np.arange(9)[::-1][start:stop]
        X = problem.X.copy()
        X[rows] += 0.1 * normal_numbers(17, step, stop - start, 3)
        noisy = replace(problem, X=X)
        value = backprop.gradients(start, stop)
        assert_near(value, float(loss_by_definition(noisy, problem.params, rows)), 1e-13)
        assert_near(backprop.gradients_, central_differences(noisy, rows), 2e-6)


@compiled_only
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_compiled_core_agrees_with_the_fallback(dtype):
    problem = make_problem((30, 20, 4), "tanh", "squared_error", "identity", n=40, dropout=0.2)
    problem = replace(problem, dropout_key=9)
    options = {"input_noise": 0.7, "noise_key": 9, "max_batch": 16}
    compiled, by_fallback = (problem.backprop(k, dtype, **options) for k in (installed, fallback))
    for start in (0, 16, 24):
        losses = compiled.gradients(start, start + 16), by_fallback.gradients(start, start + 16)
        assert_near(*losses, TOLERANCES[dtype])
        assert_near(compiled.gradients_, by_fallback.gradients_, TOLERANCES[dtype])


def test_noise_is_of_training_steps_alone(kernels):
    X = np.random.default_rng(0).standard_normal((6, 3))
    noisy, plain = kernel(kernels, X, 1.0), kernel(kernels, X, 0.0)
    for backprop in (noisy, plain):
        backprop.gradients(0, 6)
        backprop.forward(0, 6)
    np.testing.assert_array_equal(noisy.activations[0], X)
    assert noisy.summed_loss(0, 6) == plain.summed_loss(0, 6)
    assert noisy.n_steps == 1


@pytest.mark.parametrize("options", [{"noise": 1.0, "key": None}, {"noise": 0.0}], ids=str)
def test_without_key_or_noise_nothing_is_added(kernels, options):
    X = np.random.default_rng(0).standard_normal((6, 3))
    backprop = kernel(kernels, X, **options)
    backprop.gradients(0, 6)
    np.testing.assert_array_equal(backprop.activations[0], X)


@compiled_only
def test_threads_add_the_same_noise():
    sizes = (60, 200, 7)
    params = np.random.default_rng(2).standard_normal(sum((a + 1) * b for a, b in pairwise(sizes)))
    X = np.random.default_rng(3).standard_normal((300, 60))
    found = []
    for n_threads in (1, 2, 3):
        backprop = installed.Backprop(
            *(sizes, ("relu",), "identity", "squared_error", params, np.empty_like(params)),
            max_batch=300,
            input_noise=0.5,
            noise_key=3,
            n_threads=n_threads,
        )
        backprop.load(X, X[:, :7].copy())
        backprop.gradients(0, 300)
        found.append((backprop.activations[0].tobytes(), backprop.gradients_.tobytes()))
    assert found[0] == found[1] == found[2]


def test_a_sparse_X_is_refused(kernels):
    backprop = kernel(kernels, np.ones((4, 3)), 0.5)
    with pytest.raises(ValueError, match="needs a dense X"):
        backprop.load(csr_array(np.eye(3)), np.ones((3, 1)))
    kernel(kernels, np.ones((4, 3)), 0.0).load(csr_array(np.eye(3)), np.ones((3, 1)))


@pytest.mark.parametrize(
    ("noise", "key", "message"),
    [
        (-0.1, 1, "input_noise must be finite and at least 0"),
        (np.nan, 1, "input_noise must be"),
        (np.inf, 1, "input_noise must be"),
        (0.1, -1, "noise_key must be an integer of 64 bits"),
        (0.1, 2**64, "noise_key must be"),
    ],
)
def test_impossible_noise_is_refused(kernels, noise, key, message):
    with pytest.raises(ValueError, match=message):
        kernel(kernels, np.ones((2, 2)), noise, key)

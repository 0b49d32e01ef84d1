"""The best constant prediction, against closed forms and against a numerical minimiser."""

import numpy as np
import pytest
from scipy.optimize import minimize

from sklearn_metabp.network import (
    LOSSES,
    OUT_ACTIVATIONS,
    Network,
    ParameterLayout,
    constant_biases,
    constant_loss,
)

LINKS = {
    "identity": lambda a: a,
    "logistic": lambda a: 1 / (1 + np.exp(-a)),
    "tanh": np.tanh,
    "exp": np.exp,
}


def network(out_activation, loss, n_outputs, **options):
    return Network(ParameterLayout((2, n_outputs)), (), out_activation, loss, **options)


def cases():
    for out_activation in OUT_ACTIVATIONS:
        for loss in LOSSES:
            for n_outputs in (1, 3):
                try:
                    yield network(out_activation, loss, n_outputs)
                except ValueError:
                    continue


def targets_for(net, rng, n=41):
    n_outputs = net.layout.layer_sizes[-1]
    if net.loss == "log_loss" or net.out_activation == "softmax":
        return (
            np.eye(n_outputs)[rng.integers(n_outputs, size=n)]
            if n_outputs > 1
            else (rng.random((n, 1)) > 0.3) * 1.0
        )
    spread = {"identity": 9.0, "exp": 4.0}.get(net.out_activation, 1.0)
    return spread * rng.random((n, n_outputs)) ** 2


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "net",
    list(cases()),
    ids=lambda net: f"{net.out_activation} {net.loss} {net.layout.layer_sizes[-1]}",
)
def test_no_other_constant_is_better(net, weighted):
    if net.out_activation == "softmax" and net.loss == "absolute_error":
        pytest.skip("the mean, which is one constant among many")
    rng = np.random.default_rng([len(net.loss), net.layout.layer_sizes[-1], weighted])
    targets = targets_for(net, rng)
    weight = rng.random(len(targets)) if weighted else None
    k = targets.shape[1]
    alone = network(net.out_activation, net.loss, k)
    X = np.zeros((len(targets), 2))

    def loss_of(biases):
        return alone.mean_loss(np.concatenate([np.zeros(2 * k), biases]), X, targets, weight)

    found = constant_loss(net, targets, weight)
    start = constant_biases(net, targets, weight)
    assert loss_of(start) == pytest.approx(found, rel=1e-12)
    for shift in (0.0, 0.1, 0.5):
        other = minimize(
            loss_of, start + shift, method="Nelder-Mead", options={"xatol": 1e-7, "maxiter": 600}
        )
        assert found <= other.fun * (1 + 1e-9) + 1e-12


def test_losses_by_their_formulas():
    rng = np.random.default_rng(0)
    y = rng.standard_normal((50, 2))
    w = rng.random(50)
    mean = np.average(y, axis=0, weights=w)
    variance = np.average((y - mean) ** 2, axis=0, weights=w)
    assert constant_loss(network("identity", "squared_error", 2), y, w) == pytest.approx(
        variance.sum() / 2
    )
    labels = np.eye(3)[[0, 0, 0, 1, 1, 2, 2, 2, 2, 2]]
    shares = np.array([0.3, 0.2, 0.5])
    entropy = -(shares * np.log(shares)).sum()
    assert constant_loss(network("softmax", "log_loss", 3), labels) == pytest.approx(entropy)
    groups = network("softmax", "log_loss", 5, out_groups=(3, 2))
    both = np.hstack([labels, np.eye(2)[[0] * 5 + [1] * 5]])
    assert constant_loss(groups, both) == pytest.approx(entropy + np.log(2))
    of_labels = -(shares * np.log(shares) + (1 - shares) * np.log(1 - shares)).sum()
    assert constant_loss(network("logistic", "log_loss", 3), labels) == pytest.approx(of_labels)
    counts = np.array([[0.0], [1.0], [5.0]])
    deviance = np.mean([2, 2 - 1 + np.log(1 / 2), 5 * np.log(5 / 2) - 5 + 2])
    assert constant_loss(network("exp", "poisson", 1), counts) == pytest.approx(deviance)
    odd = np.array([[1.0], [2.0], [9.0]])
    assert constant_loss(network("identity", "absolute_error", 1), odd) == pytest.approx(8 / 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_far_targets_lose_no_digits(dtype):
    y = (1e4 + np.array([[-1.0], [1.0]])).astype(dtype)
    assert constant_loss(network("identity", "squared_error", 1), y) == 0.5
    assert constant_loss(network("identity", "huber", 1), y) == pytest.approx(0.5)


def test_a_share_of_nought_or_one_counts_as_half_a_rows():
    targets = np.zeros((10, 3))
    targets[:, 0] = 1.0
    np.testing.assert_allclose(
        constant_biases(network("logistic", "log_loss", 3), targets), np.log([19, 1 / 19, 1 / 19])
    )
    shares = np.array([1, 1 / 20, 1 / 20]) / 1.1
    np.testing.assert_allclose(
        constant_biases(network("softmax", "log_loss", 3), targets), np.log(shares)
    )
    zeros = np.zeros((10, 1))
    np.testing.assert_allclose(constant_biases(network("exp", "poisson", 1), zeros), np.log([0.05]))
    tiny = np.full((10, 1), 1e-9)  # not 0: as it is
    np.testing.assert_allclose(
        constant_biases(network("logistic", "squared_error", 1), tiny), np.log([1e-9])
    )

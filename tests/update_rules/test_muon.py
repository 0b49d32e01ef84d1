"""Muon against the singular value decomposition, and its rest against AdamW."""

import math
from itertools import product

import numpy as np
import pytest
from helpers.data import classes
from helpers.oracles import adamw_oracle
from helpers.rules import walk

from sklearn_metabp import AdamW, BackpropMLPClassifier, Muon
from sklearn_metabp.network import ParameterLayout
from sklearn_metabp.update_rules.muon import orthogonal


def quintic(x, n_iterations):
    for _ in range(n_iterations):
        x = 3.4445 * x - 4.7750 * x**3 + 2.0315 * x**5
    return x


def by_decomposition(matrix, n_iterations):
    """The iteration changes singular values only, each on its own."""
    U, values, Vt = np.linalg.svd(matrix, full_matrices=False)
    return U * quintic(values / math.sqrt((values**2).sum()), n_iterations) @ Vt


@pytest.mark.parametrize("n_iterations", [1, 2, 5])
@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (7, 3), (3, 7), (1, 5), (5, 1)])
def test_singular_values_go_through_the_quintic(shape, n_iterations):
    matrix = np.random.default_rng(sum(shape)).standard_normal(shape)
    np.testing.assert_allclose(
        orthogonal(matrix, n_iterations), by_decomposition(matrix, n_iterations), rtol=1e-9
    )


def test_five_rounds_come_near_to_orthogonal():
    values = np.linalg.svd(
        orthogonal(np.random.default_rng(0).standard_normal((20, 12)), 5), compute_uv=False
    )
    assert values.min() > 0.6 and values.max() < 1.3


@pytest.mark.parametrize(
    ("scale", "dtype"),
    [
        *product((1e-30, 1.0, 1e30), (np.float64, np.float32)),
        (1e-200, np.float64),
        (1e200, np.float64),
    ],
)
def test_the_scale_of_a_gradient_does_not_matter(scale, dtype):
    matrix = np.random.default_rng(0).standard_normal((4, 3)).astype(dtype)
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(
        orthogonal(matrix * dtype(scale), 5), orthogonal(matrix, 5), rtol=tolerance, atol=tolerance
    )
    assert orthogonal(matrix, 5).dtype == dtype
    np.testing.assert_array_equal(orthogonal(np.zeros((2, 3), dtype), 5), 0)


@pytest.mark.parametrize("nesterov", [False, True])
def test_a_hundred_steps_are_the_oracles(nesterov):
    layout = ParameterLayout((3, 5, 4, 2))
    rng = np.random.default_rng(1)
    gradients, start = (
        rng.standard_normal((100, layout.n_params)),
        rng.standard_normal(layout.n_params),
    )
    rule = Muon(0.1, 0.8, nesterov, 4, 0.3, 0.05, 0.5, 0.75, 0.1)
    actual, _, params = walk(rule, gradients, start, layer_sizes=layout.layer_sizes)

    matrices, momentum = layout.coefs(start)[:2], [0.0, 0.0]
    for g in gradients:
        for i, matrix in enumerate(layout.coefs(g)[:2]):
            momentum[i] = 0.8 * momentum[i] + matrix
            direction = matrix + 0.8 * momentum[i] if nesterov else momentum[i]
            fan_in, fan_out = matrix.shape
            change = -0.1 * math.sqrt(max(1, fan_out / fan_in)) * by_decomposition(direction, 4)
            matrices[i] = matrices[i] + change - 0.1 * 0.3 * matrices[i]
    for i in range(2):
        np.testing.assert_allclose(layout.coefs(params)[i], matrices[i], rtol=1e-9, atol=1e-9)
    betas = {"beta_1": 0.5, "beta_2": 0.75, "epsilon": 0.1}
    for i in range(35, layout.n_params):
        expected = adamw_oracle(
            list(gradients[:, i]), start[i], i < layout.n_weights, 0.05, 0.3, **betas
        )
        np.testing.assert_allclose(actual[:, i], expected, rtol=1e-9)


def test_a_first_step_by_hand():
    """A column (3, 4) of one hidden neuron: of length 5, so its one singular value becomes 1."""
    rule = Muon(learning_rate=1.0, n_iterations=1, weight_decay=0.0)
    gradients = np.array([[3.0, 4.0, 0.0, 0.0, 0.0]])  # 2-1-1: two weights, one weight, two biases
    updates, *_ = walk(rule, gradients, np.zeros(5), layer_sizes=(2, 1, 1))
    near_one = 3.4445 - 4.7750 + 2.0315  # 0.701
    np.testing.assert_allclose(updates[0, :2], [-0.6 * near_one, -0.8 * near_one], rtol=1e-12)
    np.testing.assert_array_equal(updates[0, 2:], 0)


def test_without_hidden_layers_it_is_adamw():
    X, y = classes("multiclass")
    setting = {
        "hidden_layer_sizes": (),
        "max_iter": 5,
        "tol": 0,
        "n_iter_no_change": np.inf,
        "random_state": 0,
    }
    ours = BackpropMLPClassifier(update_rule=Muon(schedule="cosine"), **setting).fit(X, y)
    adamw = BackpropMLPClassifier(update_rule=AdamW(schedule="cosine"), **setting).fit(X, y)
    np.testing.assert_allclose(ours.params_, adamw.params_, rtol=1e-12)

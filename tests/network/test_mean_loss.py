"""The mean loss of rows as a function of the parameters, with a kernel that is kept."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.networks import loss_by_definition, make_problem

from sklearn_metabp._kernels.network.sparse_targets import SparseTargets
from sklearn_metabp.network import MeanLoss, Network, ParameterLayout


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [9, 512, 1500])
def test_it_follows_the_values_in_its_parameters(n, weighted):
    problem = replace(make_problem((3, 4, 2), "silu", "huber", "identity", n=n), alpha=0.0)
    network = Network(ParameterLayout((3, 4, 2)), ("silu",), "identity", "huber")
    params, X, targets, sample_weight = problem.arrays(float)
    weight = sample_weight if weighted else None
    loss = MeanLoss(network.backprop, np.zeros_like(params), X, targets, weight)
    for factor in (1.0, -2.0, 1.0):
        loss.params[...] = factor * params
        expected = loss_by_definition(problem, factor * problem.params, weighted=weighted)
        assert loss.compute() == pytest.approx(float(expected), rel=1e-12)


def test_targets_of_many_classes_are_those_of_their_matrix():
    """The rows are divided into blocks whose targets fit in the cache."""
    n, n_classes = 40, 3000
    rng = np.random.default_rng(0)
    network = Network(ParameterLayout((2, n_classes)), (), "softmax", "log_loss")
    X, params = rng.standard_normal((n, 2)), rng.standard_normal(3 * n_classes)
    targets = SparseTargets.one_hot(rng.integers(0, n_classes, n), n_classes, float)
    sparse, dense = (
        MeanLoss(network.backprop, params, X, form).compute() for form in (targets, targets[:])
    )
    assert sparse == pytest.approx(dense, rel=1e-13)

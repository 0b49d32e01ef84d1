"""The backward step as a place for a rule, and the learned message that acts there."""

import numpy as np
import pytest
from helpers.kernels import compiled_only
from helpers.networks import TOLERANCES, make_problem, split

from sklearn_metabp import _kernels
from sklearn_metabp._kernels import NEURON_INPUTS, reference


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu"])
def test_rule_6_given_by_hand_is_rule_6(kernels, activation, dtype):
    problem = make_problem((4, 5, 3, 2), activation, "squared_error", "logistic", n=7, seed=len(activation))
    plain, replaced = (problem.backprop(kernels, dtype) for _ in range(2))
    weights, _ = split(replaced.params, problem.layer_sizes)
    filled = []

    def send_back(layer):
        filled.append(layer)
        slope = reference.DERIVATIVES[activation](replaced.activations[layer + 1][:7])
        replaced.deltas[layer][:7] = slope * (replaced.deltas[layer + 1][:7] @ weights[layer + 1].T)

    loss = plain.gradients(0, 7)
    np.testing.assert_allclose(replaced.gradients(0, 7, send_back), loss, rtol=TOLERANCES[dtype])
    assert filled == [1, 0]
    np.testing.assert_allclose(replaced.gradients_, plain.gradients_, rtol=100 * TOLERANCES[dtype], atol=1e-6)


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


@compiled_only
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("codes", [[0, 1, 2], [2, 0], [1]], ids=str)
@pytest.mark.parametrize("shape", [(1, 2, 1), (7, 5, 3), (32, 20, 9), (3, 1, 70)], ids=str)
def test_core_and_twin_send_the_same_back(shape, codes, dtype):
    n, units, following = shape
    rng = np.random.default_rng([n, units, len(codes)])
    deltas = 1e-3 * rng.standard_normal((n, following))
    weights, slope = rng.standard_normal((units, following)), rng.uniform(size=(n, units))
    params, sizes = mlp(len(codes), n, dtype)
    out = []
    for kernels in (_kernels, reference):
        rule = kernels.NeuronRule(np.array(codes), params, sizes, "tanh", "identity", 0.7)
        out.append(np.full((n, units), np.nan, dtype))
        rule.send_back(*(a.astype(dtype) for a in (deltas, weights, slope)), out[-1])
    np.testing.assert_allclose(out[0], out[1], rtol=0, atol=TOLERANCES[dtype] * np.abs(out[1]).max())


def test_messages_are_summed_in_the_units_of_their_layer(kernels):
    """An MLP that answers delta times one, times two for the weight: the sum is linear, by hand."""
    params, sizes = np.array([1.0, 2.0, 0.5]), np.array([2, 1])  # delta + 2 weight + 0.5
    rule = kernels.NeuronRule(np.array([0, 1]), params, sizes, "relu", "identity", 10.0)
    deltas, weights = np.array([[3.0, -3.0]]), np.array([[2.0, 2.0], [-2.0, 2.0]])
    out = np.empty((1, 2))
    rule.send_back(deltas, weights, np.ones((1, 2)), out)
    # Root mean squares 3 and 2: units of 10 * 3 * 2; messages 1 + 2 + .5 and -1 + 2 + .5, then with w = -1.
    np.testing.assert_allclose(out, 60 * np.array([[(3.5 + 1.5), (-0.5 + 1.5)]]))


@pytest.mark.parametrize("zero", ["deltas", "weights"])
def test_nothing_comes_back_from_nothing(kernels, zero):
    params, sizes = mlp(3, 1, np.float64)
    arrays = {"deltas": np.ones((4, 2)), "weights": np.ones((3, 2))}
    arrays[zero][...] = 0
    out = np.full((4, 3), np.nan)
    kernels.NeuronRule(np.array([0, 1, 2]), params, sizes, "tanh", "identity", 1.0).send_back(
        *arrays.values(), np.ones((4, 3)), out
    )
    np.testing.assert_array_equal(out, 0)


def test_an_mlp_that_does_not_fit_is_refused(kernels):
    params, sizes = mlp(2, 1, np.float64)
    for codes, values in (([0, 1, 2], params), ([0, 1], params[1:])):
        with pytest.raises(ValueError, match="does not fit"):
            kernels.NeuronRule(np.array(codes), values, sizes, "tanh", "identity", 1.0)


@compiled_only
def test_core_refuses_arrays_that_do_not_fit():
    params, sizes = mlp(len(NEURON_INPUTS), 1, np.float64)
    rule = _kernels.NeuronRule(np.array([0, 1, 2]), params, sizes, "tanh", "identity", 1.0)
    good = [np.ones((4, 2)), np.ones((3, 2)), np.ones((4, 3)), np.ones((4, 3))]
    for position, bad in [
        (0, np.ones((4, 1))),
        (1, np.ones((2, 2))),
        (2, np.ones((3, 3))),
        (3, np.ones((4, 2))),
    ]:
        with pytest.raises(ValueError, match="do not fit together"):
            rule.send_back(*good[:position], bad, *good[position + 1 :])

import numpy as np
import pytest
from sklearn.neural_network import MLPRegressor
from sklearn.utils import check_random_state

from sklearn_metabp.network import (
    INITIALIZERS,
    ParameterLayout,
    glorot_uniform,
    resolve_initializer,
)


@pytest.mark.parametrize(("activation", "c"), [("relu", 6), ("tanh", 6), ("logistic", 2)])
def test_start_is_uniform_within_the_bound(activation, c):
    layout = ParameterLayout((30, 50, 20))
    params = glorot_uniform(layout, (activation,), check_random_state(4))
    for fan_in, fan_out, *tensors in zip(
        (30, 50), (50, 20), layout.coefs(params), layout.intercepts(params), strict=True
    ):
        bound = np.sqrt(c / (fan_in + fan_out))
        for tensor in tensors:
            assert np.abs(tensor).max() <= bound
        weights = tensors[0]
        assert np.abs(weights).max() > 0.99 * bound
        assert abs(weights.std() - bound / np.sqrt(3)) < 0.03 * bound
        assert abs(weights.mean()) < 0.05 * bound


def test_every_layer_has_the_bound_of_its_own_function():
    layout = ParameterLayout((40, 40, 40, 40))
    params = glorot_uniform(layout, ("logistic", "tanh"), check_random_state(0))
    largest = [np.abs(coefs).max() for coefs in layout.coefs(params)]
    np.testing.assert_allclose(largest, np.sqrt(np.array([2, 6, 6]) / 80), rtol=0.01)


@pytest.mark.parametrize("activation", ["relu", "logistic"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_start_is_scikit_learns(activation, dtype):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((30, 5)).astype(dtype), rng.standard_normal(30)
    theirs = MLPRegressor(
        hidden_layer_sizes=(4, 3),
        activation=activation,
        max_iter=1,
        learning_rate_init=1e-300,  # stays where it starts
        random_state=7,
        alpha=0,
    )
    with pytest.warns(match="Maximum iterations"):
        theirs.fit(X, y)
    layout = ParameterLayout((5, 4, 3, 1), dtype)
    ours = glorot_uniform(layout, (activation,) * 2, check_random_state(7))
    np.testing.assert_array_equal(ours, layout.flatten(theirs.coefs_, theirs.intercepts_))


VARIANCES = {
    "glorot_normal": lambda a, b: 2 / (a + b),
    "he_uniform": lambda a, b: 2 / a,
    "he_normal": lambda a, b: 2 / a,
    "lecun_normal": lambda a, b: 1 / a,
    "orthogonal": lambda a, b: 1 / max(a, b),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", VARIANCES)
def test_weights_have_their_variance_and_biases_are_zero(name, dtype):
    layout = ParameterLayout((300, 200, 400), dtype)
    params = resolve_initializer(name)(layout, ("relu",), check_random_state(1))
    assert params.dtype == dtype
    for weights, biases in zip(layout.coefs(params), layout.intercepts(params), strict=True):
        variance = VARIANCES[name](*weights.shape)
        assert weights.mean() == pytest.approx(0, abs=5 * np.sqrt(variance / weights.size))
        assert weights.var() == pytest.approx(variance, rel=0.03)
        tails = np.mean(np.abs(weights) > 1.8 * np.sqrt(variance))
        assert tails == pytest.approx(0 if name == "he_uniform" else 0.0719, abs=0.006)
        assert not biases.any()


@pytest.mark.parametrize("sizes", [(5, 5), (3, 7), (9, 2), (4, 1)], ids=str)
def test_orthogonal_rows_or_columns_are_orthonormal(sizes):
    layout = ParameterLayout(sizes)
    (weights,) = layout.coefs(INITIALIZERS["orthogonal"](layout, (), check_random_state(0)))
    gram = weights.T @ weights if sizes[0] >= sizes[1] else weights @ weights.T
    np.testing.assert_allclose(gram, np.eye(min(sizes)), atol=1e-14)


def test_orthogonal_matrices_are_drawn_evenly():
    """The mean of each entry, and of the trace, is 0: without a choice of signs it is not."""
    layout = ParameterLayout((3, 3))
    rng = check_random_state(0)
    drawn = np.array(
        [layout.coefs(INITIALIZERS["orthogonal"](layout, (), rng))[0] for _ in range(4000)]
    )
    assert np.abs(drawn.mean(axis=0)).max() < 5 / np.sqrt(3 * 4000)
    assert abs(np.trace(drawn, axis1=1, axis2=2).mean()) < 5 / np.sqrt(4000)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_the_same_seed_gives_the_same_start(name):
    layout = ParameterLayout((4, 3, 2))
    starts = [INITIALIZERS[name](layout, ("tanh",), check_random_state(seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(starts[0], starts[1])
    assert (starts[0] != starts[2]).any()


def test_a_callable_makes_its_own_start():
    seen = []

    def ones(layout, activations, rng):
        seen.append((layout.layer_sizes, activations))
        return [1] * layout.n_params

    params = resolve_initializer(ones)(ParameterLayout((2, 3, 1), np.float32), ("silu",), None)
    assert params.dtype == np.float32
    assert params.tolist() == [1] * 13
    assert seen == [((2, 3, 1), ("silu",))]


@pytest.mark.parametrize("init", ["xavier", None, 3])
def test_objects_that_are_no_initializers_are_refused(init):
    with pytest.raises(ValueError, match="init must be a name of"):
        resolve_initializer(init)


def test_a_start_of_another_length_is_refused():
    short = resolve_initializer(lambda layout, activations, rng: np.zeros(12))
    with pytest.raises(
        ValueError, match=r"must return a vector of shape \(13,\).*got shape \(12,\)"
    ):
        short(ParameterLayout((2, 3, 1)), ("relu",), None)

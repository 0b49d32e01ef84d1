"""init="data": net inputs of variance 1, and biases among the rows."""

import numpy as np
import pytest
from helpers.data import classes
from scipy.sparse import csr_array, random_array

from sklearn_metabp import (
    BackpropAutoencoder,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    BackpropRNNClassifier,
    Checkpoint,
    TraceRecorder,
)
from sklearn_metabp.network import Network, ParameterLayout, mixes_of

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SETTING = {"hidden_layer_sizes": (40, 30), "init": "data", "random_state": 0, "max_iter": 1}


def make_data(n=300, n_features=6, seed=0):
    rng = np.random.default_rng(seed)
    X = 3 + 5 * rng.standard_normal((n, n_features)) @ rng.standard_normal((n_features, n_features))
    return X, (X[:, 0] > X[:, 1]).astype(int) + (X[:, 2] > 8)


def start_of(estimator, *rows, **fit_options):
    """Return the parameters before the first step, and the fitted model."""
    recorder = TraceRecorder(["params"])
    model = estimator.set_callbacks(recorder).fit(*rows, **fit_options)
    return recorder.trace_.params[0], model


def layers_at(model, params, X):
    """Return net inputs with and without biases of every layer, by the equations."""
    coefs, intercepts = model.layout_.coefs(params), model.layout_.intercepts(params)
    functions = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh}
    x, found = X, []
    for layer, (w, b) in enumerate(zip(coefs, intercepts, strict=True)):
        found.append((x @ w + b, x @ w))
        if layer < len(coefs) - 1:
            x = functions[model.activation](x @ w + b)
    return found


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("Estimator", [BackpropMLPClassifier, BackpropMLPRegressor])
@pytest.mark.parametrize("seed", [0, 1])
def test_all_net_inputs_have_variance_1_and_a_zero_among_the_rows(Estimator, activation, seed):
    X, y = make_data(seed=seed)
    estimator = Estimator(**SETTING | {"random_state": seed}, activation=activation)
    params, model = start_of(estimator, X, y)
    for net_inputs, weighted in layers_at(model, params, X):
        np.testing.assert_allclose(weighted.std(axis=0), 1, rtol=1e-10)
        # Minus the bias is a mean of the weighted inputs of rows, so they are on both its sides.
        assert (net_inputs.min(axis=0) < 0).all() and (net_inputs.max(axis=0) > 0).all()
    biases = model.layout_.intercepts(params)[0] + layers_at(model, params, X)[0][1].mean(axis=0)
    # A mean with weights that are uniform over their simplex has a third of the variance:
    # the sum of the squares of 5 shares is 2 / 6 on average.
    assert np.std(biases) == pytest.approx(np.sqrt(1 / 3), rel=0.35)


def test_float32_is_right_to_its_digits():
    X, y = make_data()
    params, model = start_of(BackpropMLPClassifier(**SETTING), X.astype(np.float32), y)
    assert params.dtype == np.float32
    for _, weighted in layers_at(model, params, X):
        np.testing.assert_allclose(weighted.std(axis=0), 1, rtol=1e-4)


def test_a_sparse_X_gives_the_start_of_the_dense_one():
    X = random_array((200, 50), density=0.2, rng=np.random.default_rng(0), format="csr")
    y = np.asarray(X.sum(axis=1)).ravel() > 5
    sparse, _ = start_of(BackpropMLPClassifier(**SETTING), X, y)
    dense, _ = start_of(BackpropMLPClassifier(**SETTING), X.toarray(), y)
    np.testing.assert_allclose(sparse, dense, rtol=1e-9, atol=1e-12)


def test_columns_that_do_not_vary_leave_weights_as_they_were_drawn():
    y = np.arange(40) % 3
    params, model = start_of(BackpropMLPClassifier(**SETTING), np.ones((40, 3)), y)
    assert np.isfinite(params).all()
    weights = model.layout_.coefs(params)[0]
    assert weights.std() == pytest.approx(1 / np.sqrt(3), rel=0.3)  # LeCun's
    zeros, _ = start_of(BackpropMLPClassifier(**SETTING), csr_array((40, 3)), y)
    assert np.isfinite(zeros).all()


def test_validation_rows_and_rows_of_weight_0_are_not_looked_at():
    X, y = make_data()
    weight = np.where(np.arange(300) < 200, 1.0, 0.0)
    odd = X.copy()
    odd[200:] *= 1e3
    options = {"sample_weight": weight}
    params, _ = start_of(BackpropMLPClassifier(**SETTING), X, y, **options)
    same, _ = start_of(BackpropMLPClassifier(**SETTING), odd, y, **options)
    np.testing.assert_array_equal(same, params)


def test_many_rows_are_sampled():
    X, y = make_data(n=5000)
    order = np.argsort(X[:, 0])  # the first rows alone would give another scale
    params, model = start_of(BackpropMLPClassifier(**SETTING), X[order], y[order])
    for _, weighted in layers_at(model, params, X):
        np.testing.assert_allclose(weighted.std(axis=0), 1, atol=0.15)


def test_given_weights_and_biases_stay():
    X, y = make_data()
    _, model = start_of(BackpropMLPClassifier(**SETTING), X, y)
    coefs, intercepts = list(model.coefs_), list(model.intercepts_)
    both = {"coef_init": coefs, "intercept_init": intercepts}
    params, _ = start_of(BackpropMLPClassifier(**SETTING), X, y, **both)
    np.testing.assert_array_equal(params, model.params_)
    params, _ = start_of(BackpropMLPClassifier(**SETTING), X, y, coef_init=coefs)
    np.testing.assert_array_equal(params[: model.layout_.n_weights], model.params_[:-73])
    params, _ = start_of(BackpropMLPClassifier(**SETTING), X, y, intercept_init=intercepts)
    np.testing.assert_array_equal(params[-73:], model.params_[-73:])
    for _, weighted in layers_at(model, params, X):
        np.testing.assert_allclose(weighted.std(axis=0), 1, rtol=1e-10)


def test_output_biases_start_at_the_targets_if_both_are_asked_for():
    X, y = make_data()
    estimator = BackpropMLPClassifier(**SETTING, init_output_bias="targets")
    params, model = start_of(estimator, X, y)
    shares = np.bincount(y) / len(y)
    np.testing.assert_allclose(model.layout_.intercepts(params)[-1], np.log(shares), rtol=1e-12)


def test_the_same_random_state_gives_the_same_bits_and_a_fit_goes_on(tmp_path):
    X, y = classes("multiclass", n=80)
    options = SETTING | {"hidden_layer_sizes": (8,), "max_iter": 4, "batch_size": 20}
    whole = BackpropMLPClassifier(**options).fit(X, y)
    again = BackpropMLPClassifier(**options).fit(X, y)
    np.testing.assert_array_equal(again.params_, whole.params_)
    parts = BackpropMLPClassifier(**options)
    for _ in range(4):
        parts.partial_fit(X, y, classes=np.unique(y))
    np.testing.assert_array_equal(parts.params_, whole.params_)
    saved = BackpropMLPClassifier(**options).set_callbacks(Checkpoint(tmp_path / "a", every=2))
    saved.fit(X, y)
    np.testing.assert_array_equal(saved.fit(X, y).params_, whole.params_)


def test_parametric_activations_are_taken_into_account():
    X, y = make_data()
    estimator = BackpropMLPClassifier(**SETTING, parametric_activation=True, activation="tanh")
    params, model = start_of(estimator, X, y)
    for _, weighted in layers_at(model, params, X):  # the factors are 1 at first
        np.testing.assert_allclose(weighted.std(axis=0), 1, rtol=1e-10)


def test_a_network_up_to_net_inputs_has_the_extras_before_them():
    extras = (mixes_of(0, 3), mixes_of(1, 4))
    layout = ParameterLayout((2, 3, 4, 1), extras=extras)
    network = Network(layout, ("tanh", "relu"), "identity", "squared_error", dropout=0.3)
    assert network.up_to_net_inputs(0).layout == ParameterLayout((2, 3))
    second = network.up_to_net_inputs(1)
    assert second.layout == ParameterLayout((2, 3, 4), extras=extras[:1])
    assert second.activations == ("tanh",) and second.dropout == 0
    assert network.up_to_net_inputs(2).layout == layout


def test_an_autoencoder_starts_at_its_rows():
    X, _ = make_data()
    autoencoder = BackpropAutoencoder((4,), init="data", activation="tanh", max_iter=1)
    params, model = start_of(autoencoder.set_params(random_state=0), X)
    for _, weighted in layers_at(model, params, X):
        np.testing.assert_allclose(weighted.std(axis=0), 1, rtol=1e-9)


def test_rows_that_overflow_and_recurrent_networks_are_errors():
    X, y = make_data()
    with pytest.raises(ValueError, match="net inputs that are too large"):
        BackpropMLPClassifier(**SETTING).fit(X * 1e250, y)
    with pytest.raises(ValueError, match="'init' parameter"):
        BackpropRNNClassifier(init="data").fit(np.ones((4, 3, 2)), [0, 1, 0, 1])


@pytest.mark.parametrize("embedding", [None, "periodic", "piecewise_linear"])
def test_what_the_first_layer_receives_from_an_input_layer_counts(embedding):
    X, y = make_data()
    recorder = TraceRecorder(["net_inputs"])
    options = {"scaling_layer": True, "numeric_embedding": embedding, "batch_size": "full"}
    model = BackpropMLPClassifier(**SETTING | options).set_callbacks(recorder).fit(X, y)
    assert model.n_features_in_ == 6
    for net_inputs in recorder.trace_.net_inputs:
        np.testing.assert_allclose(net_inputs[0].std(axis=0), 1, rtol=1e-9)

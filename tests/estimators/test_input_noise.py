"""Noise of the inputs as a parameter of the estimators."""

import numpy as np
import pytest
from helpers.callbacks import StepNotes
from helpers.data import classes, numbers
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.utils import get_tags

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    LinearBackprop,
    Safeguarded,
    TraceRecorder,
    UpdateRule,
)
from sklearn_metabp._kernels.network.noise_fallback import normal_numbers
from sklearn_metabp.tracing.chunks import read_chunk

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def network(**params):
    common = {"input_noise": 0.3, "max_iter": 8, "batch_size": 20, "random_state": 0}
    return BackpropMLPRegressor((9,), **(common | params))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_steps_are_those_on_noisy_rows(dtype):
    """Each epoch of one batch is a step of a network without noise on the noisy rows."""
    X, y = numbers(n=30, dtype=dtype)
    ours = network(update_rule=SGD(0.1), batch_size="full", max_iter=3).fit(X, y)
    key = ours._training_state.dropout_key
    given, theirs = None, network(update_rule=SGD(0.1), input_noise=0.0, batch_size="full")
    start = network(update_rule=SGD(0.0001), max_iter=1, batch_size="full", input_noise=0.0)
    notes = StepNotes()
    start.set_callbacks(notes).fit(X, y)
    layout, params = start.layout_, notes.steps[0]["params"]
    for step in range(1, 4):
        given = {"coef_init": layout.coefs(params), "intercept_init": layout.intercepts(params)}
        noisy = (X + 0.3 * normal_numbers(key, step, *X.shape)).astype(dtype)
        params = theirs.set_params(max_iter=1).fit(noisy, y, **given).params_
    tolerance = {np.float32: 1e-5, np.float64: 1e-11}[dtype]
    np.testing.assert_allclose(ours.params_, params, rtol=tolerance, atol=tolerance)


def test_a_step_shows_the_noisy_inputs():
    X, y = numbers(n=25)
    notes = StepNotes()
    model = network(shuffle=False, batch_size=25, max_iter=2).set_callbacks(notes).fit(X, y)
    for step in notes.steps:
        z = normal_numbers(model._training_state.dropout_key, step["index"], *X.shape)
        np.testing.assert_allclose(step["activations"][0], X + 0.3 * z, rtol=1e-12)


def test_a_trace_has_the_noisy_inputs_and_its_files_the_noise(tmp_path):
    X, y = numbers(n=25)
    recorder, notes = TraceRecorder("all", path=tmp_path), StepNotes()
    network(max_iter=2).set_callbacks(recorder, notes).fit(X, y)
    for recorded, step in zip(recorder.trace_.activations[0], notes.steps, strict=True):
        n = step["n_patterns"]
        np.testing.assert_array_equal(recorded[:n], step["activations"][0])
        assert not np.isin(recorded[:n], X).any()
    chunks = [read_chunk(path) for path in tmp_path.rglob("*.safetensors")]
    assert [chunk.header.network.input_noise for chunk in chunks] == [0.3]


def test_noise_is_of_training_steps_alone_and_repeats_by_the_seed():
    X, y = numbers(n=100)
    model = network().fit(X, y)
    np.testing.assert_array_equal(model.predict(X), model.predict(X))
    again = clone(model).fit(X, y)
    np.testing.assert_array_equal(again.params_, model.params_)
    assert not np.allclose(clone(model).set_params(input_noise=0).fit(X, y).params_, model.params_)
    parts = clone(model)
    for _ in range(8):
        parts.partial_fit(X, y)
    np.testing.assert_array_equal(parts.params_, model.params_)


def test_the_validation_has_no_noise():
    X, y = numbers(n=60)
    model = network(max_iter=3).fit(X, y, X_val=X[:20], y_val=y[:20])
    assert model.validation_loss_curve_[-1] == pytest.approx(
        ((model.predict(X[:20]) - y[:20]) ** 2).mean() / 2, rel=1e-12
    )


def test_the_loss_at_other_parameters_has_no_noise():
    X, y = numbers(n=40)
    seen = []

    class Asking(UpdateRule):
        def init_state(self, layout):
            return {}

        def compute_update(self, step, state):
            seen.append((step.loss, *step.loss_and_gradients_at(step.params)))
            return 0 * step.params

    model = network(update_rule=Asking(), batch_size="full", max_iter=2, alpha=0.0).fit(X, y)
    plain = ((model.predict(X) - y) ** 2).mean() / 2
    for loss, without, _ in seen:
        assert without == pytest.approx(plain, rel=1e-12)
        assert abs(loss - plain) > 1e-4 * plain


def test_the_training_of_a_fallback_has_the_same_noise():
    class Climbing(UpdateRule):
        def init_state(self, layout):
            return {}

        def compute_update(self, step, state):
            return 0.1 * step.gradients

    X, y = classes("multiclass", seed=2)

    def params(rule):
        model = BackpropMLPClassifier((6,), "tanh", update_rule=rule, input_noise=0.2)
        model.set_params(max_iter=40, n_iter_no_change=np.inf, batch_size=16, random_state=0)
        return model.fit(X, y).params_

    np.testing.assert_allclose(params(Safeguarded(Climbing(), SGD(0.1))), params(SGD(0.1)), 1e-9)


def test_noise_of_no_deviation_draws_nothing():
    X, y = numbers(n=50)
    model = network(input_noise=0.0).fit(X, y)
    assert model._training_state.dropout_key == 0


def test_dropout_and_noise_share_a_key_and_no_numbers():
    X, y = numbers(n=50)
    model = network(dropout=0.3, update_rule=LinearBackprop("sgd"), activation="relu")
    with pytest.raises(ValueError, match="set dropout=0"):
        model.fit(X, y)
    model.set_params(dropout=0.0).fit(X, y)
    model.set_params(dropout=0.3, update_rule=Adam(0.01)).fit(X, y)
    assert model._training_state.dropout_key > 0


def test_noise_of_linear_regression_is_a_ridge_penalty():
    """E (y - (x + s z) w)^2 = (y - x w)^2 + s^2 w^2: C. M. Bishop, "Training with noise" (1995)."""
    rng = np.random.default_rng(4)
    X = rng.standard_normal((200, 3))
    y = X @ [1.0, -2.0, 0.5]
    rule = SGD(0.05, schedule="invscaling")
    model = BackpropMLPRegressor(
        (), update_rule=rule, input_noise=0.8, alpha=0.0, batch_size="full", max_iter=6000,
        n_iter_no_change=np.inf, random_state=1,
    ).fit(X, y)  # fmt: skip
    centred = X - X.mean(axis=0)
    ridge = np.linalg.solve(centred.T @ centred + 200 * 0.64 * np.eye(3), centred.T @ y)
    np.testing.assert_allclose(model.coefs_[0].ravel(), ridge, atol=0.03)
    assert np.abs(ridge - [1.0, -2.0, 0.5]).max() > 0.5


@pytest.mark.parametrize(
    ("params", "sparse", "message"),
    [
        ({"input_noise": -1.0}, False, "'input_noise' parameter"),
        ({"input_noise": np.inf}, False, "'input_noise' parameter"),
        ({"update_rule": "lbfgs"}, False, "while LBFGS searches for its minimum: set input_noise"),
        ({}, True, r"sparse X would become dense: pass X.toarray\(\), or use dropout"),
    ],
)
@pytest.mark.parametrize("Estimator", [BackpropMLPClassifier, BackpropMLPRegressor])
def test_impossible_noise_is_refused(Estimator, params, sparse, message):
    X, y = classes("binary", n=40)
    model = Estimator((3,), **({"input_noise": 0.1} | params))
    with pytest.raises(ValueError, match=message):
        model.fit(csr_array(X) if sparse else X, y)
    assert not hasattr(model, "params_")
    assert not get_tags(model).input_tags.sparse and get_tags(Estimator()).input_tags.sparse

"""Scalers folded into the weights of a learner give what its predict gives, whatever the means."""

import numpy as np
import pytest
from helpers.data import classes
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from sklearn_metabp import (
    SGD,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    LearnedUpdateRule,
    TraceRecorder,
    load_rule,
)
from sklearn_metabp.learned.mlp import as_mlp

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
OURS = BackpropMLPRegressor((6,), "tanh", max_iter=5, random_state=0)
THEIRS = MLPRegressor(hidden_layer_sizes=(5,), activation="logistic", max_iter=5, random_state=0)

# A learner and its tolerance: scikit-learn's MinMaxScaler and PCA cancel by themselves.
LEARNERS = {
    "standard": (make_pipeline(StandardScaler(), OURS), 1e-9),
    "robust, theirs": (make_pipeline(RobustScaler(), THEIRS), 1e-9),
    "twice": (make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), OURS)), 1e-9),
    "standard, PCA": (make_pipeline(StandardScaler(), PCA(5, whiten=True), OURS), 1e-8),
    "min max": (make_pipeline(MinMaxScaler((-1, 1)), OURS), 1e-6),
    "PCA": (make_pipeline(PCA(), OURS), 1e-6),
    "max abs, standard": (make_pipeline(MaxAbsScaler(), StandardScaler(), OURS), 1e-6),
    "targets": (
        TransformedTargetRegressor(
            make_pipeline(StandardScaler(), OURS), transformer=MinMaxScaler()
        ),
        1e-9,
    ),
}


def patterns(mean, n=300, seed=0):
    """Return inputs of deviation 1, four around a mean and three around zero, and targets."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 7))
    y = np.tanh(X @ rng.standard_normal((7, 3)))
    X[:, :4] += mean
    return X, y


def forward(mlp, X, dtype):
    """Compute an MLP as kernels do: in one dtype, centre first."""
    x = X.astype(dtype)
    if mlp.centre is not None:
        x = x - mlp.centre_as(dtype)
    params = mlp.params_as(dtype)
    functions = {
        "tanh": np.tanh,
        "logistic": lambda z: 1 / (1 + np.exp(-z)),
        "identity": lambda z: z,
    }
    layers = list(zip(mlp.layout.coefs(params), mlp.layout.intercepts(params), strict=True))
    for position, (weights, biases) in enumerate(layers):
        x = functions[mlp.hidden if position < len(layers) - 1 else mlp.output](
            x @ weights + biases
        )
    return x


@pytest.mark.parametrize("mean", [0.0, -3.0, 1e4, 1e6, -1e8])
@pytest.mark.parametrize("name", LEARNERS)
def test_folded_scalers_do_not_cancel(name, mean):
    learner, tolerance = LEARNERS[name]
    X, y = patterns(mean)
    learner = learner.fit(X, y)
    mlp = as_mlp(learner, 3, np.median(X, axis=0))
    expected = learner.predict(X)
    scale = np.abs(expected).max()
    assert np.abs(forward(mlp, X, np.float64) - expected).max() < tolerance * scale


@pytest.mark.parametrize("mean", [0.0, 1e4, 1e6])
@pytest.mark.parametrize("name", LEARNERS)
def test_folded_scalers_lose_no_more_precision_than_float32_has(name, mean):
    """The inputs are those of float32, so what is left is the rounding of the sums."""
    learner, _ = LEARNERS[name]
    X, y = patterns(mean)
    X = X.astype(np.float32).astype(np.float64)
    learner = learner.fit(X, y)
    mlp = as_mlp(learner, 3, np.median(X, axis=0))
    expected = learner.predict(X)
    assert np.abs(forward(mlp, X, np.float32) - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize(
    "target", [StandardScaler(), MinMaxScaler(), RobustScaler(), MaxAbsScaler(), PCA()]
)
@pytest.mark.parametrize("offset", [0.0, 1e8, 1e15])
def test_targets_far_from_zero_keep_their_scale(offset, target):
    X, y = patterns(0.0)
    learner = TransformedTargetRegressor(OURS, transformer=target).fit(X, y + offset)
    expected = learner.predict(X)
    found = forward(as_mlp(learner, 3), X, np.float64)
    assert np.abs(found - expected).max() < 1e-8 + 1e-14 * offset


def test_subclasses_are_left_to_their_predict():
    class Logarithms(StandardScaler):
        def transform(self, X):
            return np.log1p(np.abs(super().transform(X)))

    class Rounded(BackpropMLPRegressor):
        def predict(self, X):
            return super().predict(X).round(1)

    X, y = patterns(0.0)
    assert as_mlp(make_pipeline(Logarithms(), OURS).fit(X, y), 3) is None
    assert as_mlp(Rounded((3,), max_iter=2).fit(X, y), 3) is None


def network(rule, dtype=np.float64, mean=0.0, n_epochs=2, **setting):
    X, y = classes("multiclass", seed=3)
    model = BackpropMLPClassifier(
        (2,), "tanh", update_rule=rule, max_iter=n_epochs, batch_size=8, **setting
    )
    model.set_params(n_iter_no_change=np.inf, random_state=0, alpha=0.0)
    recorder = TraceRecorder("all")
    return model.set_callbacks(recorder).fit((X + mean).astype(dtype), y), recorder.trace_


SCOPES = {
    "network": None,
    "network of all": [
        "inputs",
        "net_inputs",
        "derivatives",
        "loss",
        "deltas",
        "targets",
        "hidden_activations",
    ],
    "neuron": None,
    "link": ["gradient/rms_0.9", "momentum_0.9/rms_0.9", "warmup_0.9", "depth"],
}


def learned(name, mean=0.0, learner=None):
    scope = name.partition(" ")[0]
    _, trace = network(SGD(1e-3), mean=mean, n_epochs=6)
    learner = learner or make_pipeline(StandardScaler(), OURS)
    return LearnedUpdateRule(learner, scope=scope, inputs=SCOPES[name], random_state=0).fit(trace)


def by_predict(rule):
    """Return the same rule, which goes through the learner's predict."""
    copied = rule.__sklearn_clone__()
    copied.fitted_scope_.mlp = None
    return copied


@pytest.mark.parametrize("mean", [0.0, 1e4, 1e8])
@pytest.mark.parametrize("name", SCOPES)
def test_a_training_that_is_compiled_is_that_of_predict(name, mean):
    rule = learned(name, mean)
    (one, trace), (other, expected) = network(rule, mean=mean), network(by_predict(rule), mean=mean)
    scale = np.abs(expected.updates).max()
    assert np.abs(trace.updates - expected.updates).max() < 1e-7 * scale
    assert one.params_.shape == other.params_.shape


@pytest.mark.parametrize("name", SCOPES)
@pytest.mark.parametrize("mean", [0.0, 1e4])
def test_predictions_in_float32_are_those_of_predict(name, mean):
    rule = learned(name, mean)
    (_, trace), (_, expected) = (
        network(one, np.float32, mean, 1) for one in (rule, by_predict(rule))
    )
    scale = np.abs(expected.updates).max()
    assert np.abs(trace.updates[0] - expected.updates[0]).max() < 1e-3 * scale


@pytest.mark.parametrize("mean", [0.0, 1e6])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", SCOPES)
def test_a_rule_out_of_its_file_trains_to_the_same_bits(name, dtype, mean, tmp_path):
    rule = learned(name, mean)
    rule.save(tmp_path / "rule.safetensors")
    loaded = load_rule(tmp_path / "rule.safetensors")
    assert loaded.is_compiled_ and rule.is_compiled_
    assert (
        network(loaded, dtype, mean)[0].params_.tobytes()
        == network(rule, dtype, mean)[0].params_.tobytes()
    )
    _, trace = network(SGD(1e-3), mean=mean)
    features = trace.features(rule.scope_, list(rule.inputs_))
    assert loaded.n_features_in_ == rule.n_features_in_
    scale = np.abs(rule.predict(features)).max()
    np.testing.assert_allclose(
        loaded.predict(features), rule.predict(features), atol=1e-8 * scale, rtol=1e-7
    )


def test_a_file_without_a_centre_is_read(tmp_path):
    """Check a file without a centre, as earlier versions wrote it."""
    rule = learned("network")
    rule.fitted_scope_.mlp = as_mlp(rule.learner_, rule.fitted_scope_.n_outputs)
    assert rule.fitted_scope_.mlp.centre is None
    rule.save(tmp_path / "old.safetensors")
    loaded = load_rule(tmp_path / "old.safetensors")
    assert isinstance(loaded.learner_, BackpropMLPRegressor)
    np.testing.assert_array_equal(network(loaded)[0].params_, network(rule)[0].params_)


@pytest.mark.parametrize(
    "learner",
    [OURS, make_pipeline(StandardScaler(), OURS), Ridge()],
    ids=["MLP", "scaled", "Ridge"],
)
@pytest.mark.parametrize("name", SCOPES)
def test_a_compiled_rule_never_calls_predict_and_another_does(name, learner, monkeypatch):
    rule = learned(name, learner=learner)
    asked, predict = [], type(rule.learner_).predict
    monkeypatch.setattr(
        type(rule.learner_), "predict", lambda *given: (asked.append(1), predict(*given))[1]
    )
    network(rule)
    assert rule.is_compiled_ == (not asked) == (not isinstance(learner, Ridge))

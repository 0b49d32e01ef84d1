"""Parametric activations of the estimators: trainings, traces, rules, files."""

import pickle

import numpy as np
import pytest
from helpers.callbacks import StepNotes
from helpers.data import classes, numbers
from scipy.sparse import csr_array

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    EarlyStopping,
    Layerwise,
    LearnedUpdateRule,
    LinearBackprop,
    TraceRecorder,
    load_pretrained,
)
from sklearn_metabp.derivatives import input_gradients

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = classes("multiclass", n=90, seed=3)
SETTING = {
    "hidden_layer_sizes": (9, 5),
    "activation": "mish",
    "batch_size": 30,
    "max_iter": 8,
    "tol": 0,
    "n_iter_no_change": np.inf,
    "random_state": 0,
    "parametric_activation": True,
}


def factors(model):
    return list(model.layout_.extras_of(model.params_).values())


def test_every_hidden_neuron_has_a_factor_that_starts_at_1_and_is_trained():
    notes = StepNotes()
    model = BackpropMLPClassifier(**SETTING).set_callbacks(notes).fit(X, Y)
    assert list(model.layout_.extras_of(model.params_)) == [
        "activation_mixes_[0]",
        "activation_mixes_[1]",
    ]
    assert [a.shape for a in factors(model)] == [(9,), (5,)]
    assert all((a != 1).all() for a in factors(model))
    plain = BackpropMLPClassifier(**SETTING | {"parametric_activation": False, "max_iter": 1})
    n_dense = plain.fit(X, Y).layout_.n_params
    assert model.layout_.n_params == n_dense + 14
    recorder = TraceRecorder(["params"])
    BackpropMLPClassifier(**SETTING).set_callbacks(recorder).fit(X, Y)
    np.testing.assert_array_equal(recorder.trace_.params[0, n_dense:], 1)


def test_the_outputs_are_those_of_the_equation():
    model = BackpropMLPRegressor(**SETTING | {"activation": ["tanh", "relu"]}).fit(*numbers())
    x = numbers()[0]
    functions = [np.tanh, lambda z: np.maximum(z, 0)]
    for w, b, a, f in zip(model.coefs_, model.intercepts_, factors(model), functions, strict=False):
        z = x @ w + b
        x = (1 - a) * z + a * f(z)
    expected = x @ model.coefs_[-1] + model.intercepts_[-1]
    np.testing.assert_allclose(model.predict(numbers()[0]), expected[:, 0], rtol=1e-12)


@pytest.mark.parametrize("rule", ["adam", "adamw", "muon", "sgd", "rprop", "prodigy"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_epochs_in_c_have_the_bits_of_epochs_in_python(rule, dtype):
    options = SETTING | {"update_rule": rule, "dropout": 0.2}
    quiet = BackpropMLPClassifier(**options).fit(X.astype(dtype), Y)
    seen = BackpropMLPClassifier(**options).set_callbacks(StepNotes()).fit(X.astype(dtype), Y)
    np.testing.assert_array_equal(quiet.params_, seen.params_)
    assert quiet.params_.dtype == dtype


def test_a_line_search_trains_them():
    model = BackpropMLPRegressor(**SETTING | {"update_rule": "lbfgs", "max_iter": 60})
    model.fit(*numbers())
    plain = BackpropMLPRegressor(**SETTING | {"parametric_activation": False, "max_iter": 60})
    plain.set_params(update_rule="lbfgs").fit(*numbers())
    assert model.loss_ < plain.loss_
    assert all((a != 1).all() for a in factors(model))


def test_weights_decay_and_factors_do_not():
    rule = {"update_rule": "adamw", "update_rule__weight_decay": 0.5}
    model = BackpropMLPClassifier(**SETTING | {"max_iter": 200}).set_params(**rule)
    model.set_params(update_rule__learning_rate=0.01, alpha=10.0).fit(X, Y)
    assert np.abs(np.concatenate([w.ravel() for w in model.coefs_])).max() < 0.05
    assert np.concatenate(factors(model)).min() > 0.5


def test_sparse_rows_give_the_training_of_dense_ones():
    dense = BackpropMLPClassifier(**SETTING).fit(X, Y)
    sparse = BackpropMLPClassifier(**SETTING).fit(csr_array(X), Y)
    np.testing.assert_allclose(sparse.params_, dense.params_, rtol=1e-7, atol=1e-10)


def test_warm_starts_and_calls_of_partial_fit_go_on():
    whole = BackpropMLPClassifier(**SETTING).fit(X, Y)
    parts = BackpropMLPClassifier(**SETTING)
    for _ in range(8):
        parts.partial_fit(X, Y, classes=np.unique(Y))
    warm = BackpropMLPClassifier(**SETTING | {"max_iter": 4}, warm_start=True).fit(X, Y).fit(X, Y)
    np.testing.assert_array_equal(parts.params_, whole.params_)
    np.testing.assert_array_equal(warm.params_, whole.params_)
    again = pickle.loads(pickle.dumps(whole))
    np.testing.assert_array_equal(again.predict_proba(X), whole.predict_proba(X))


def test_the_best_epoch_has_its_own_factors():
    options = SETTING | {"early_stopping": True, "max_iter": 30, "n_iter_no_change": 5}
    model = BackpropMLPClassifier(**options).fit(X, Y)
    assert model._training_state.params is not model.params_
    scores = model.validation_scores_
    assert model.best_validation_score_ == max(scores)
    stopped = BackpropMLPClassifier(**SETTING).set_callbacks(EarlyStopping("loss")).fit(X, Y)
    assert len(factors(stopped)) == 2


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_trace_has_the_factors(tmp_path, on_disk):
    recorder = TraceRecorder("all", path=tmp_path / "trace" if on_disk else None)
    model = BackpropMLPClassifier(**SETTING, update_rule=SGD(0.1)).set_callbacks(recorder)
    model.fit(X, Y)
    trace = recorder.trace_
    np.testing.assert_array_equal(trace.params[-1] + trace.updates[-1], model.params_)
    np.testing.assert_allclose(trace.updates, -0.1 * trace.gradients, rtol=1e-12)
    name = "activation_mixes_[1]"
    (tensor,) = [tensor for tensor in trace.layouts[0].tensors if tensor.name == name]
    assert trace.params[:, tensor.slice].shape == (24, 5)


def test_rates_select_factors_by_their_name():
    frozen = Layerwise(Adam(), frozen=["activation_mixes_"])
    model = BackpropMLPClassifier(**SETTING, update_rule=frozen).fit(X, Y)
    plain = BackpropMLPClassifier(**SETTING | {"parametric_activation": False}).fit(X, Y)
    np.testing.assert_array_equal(np.concatenate(factors(model)), 1)
    np.testing.assert_array_equal(model.params_[:-14], plain.params_)
    second = Layerwise(Adam(), rates={"activation_mixes_[1]": 100.0})
    moved = BackpropMLPClassifier(**SETTING, update_rule=second).fit(X, Y)
    assert np.ptp(factors(moved)[1]) > 5 * np.ptp(factors(moved)[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"update_rule": LinearBackprop(), "activation": "identity"}, "deltas of rule"),
        ({"input_gradient_penalty": 0.1}, "has no gradient for a parametric activation"),
        ({"update_rule": load_pretrained}, "updates weights and biases alone"),
        ({"parametric_activation": "yes"}, "'parametric_activation' parameter"),
    ],
    ids=["backward", "penalty", "learned", "type"],
)
def test_what_does_not_know_factors_refuses_them(options, message):
    if options.get("update_rule") is load_pretrained:
        options = {"update_rule": load_pretrained()}
    with pytest.raises(ValueError, match=message):
        BackpropMLPClassifier(**SETTING | options).fit(X, Y)


def test_derivatives_refuse_them():
    model = BackpropMLPClassifier(**SETTING).fit(X, Y)
    with pytest.raises(
        TypeError, match=r"weights, biases and an input layer, .* activation_mixes_"
    ):
        input_gradients(model, X, Y)


def test_a_learner_with_them_predicts_through_its_own_outputs():
    recorder = TraceRecorder()
    teacher = BackpropMLPClassifier((4,), update_rule=SGD(0.1), max_iter=5, random_state=0)
    teacher.set_callbacks(recorder).fit(X, Y)
    learner = BackpropMLPRegressor((6,), parametric_activation=True, max_iter=30, random_state=0)
    rule = LearnedUpdateRule(learner, random_state=0).fit(recorder.trace_)
    student = BackpropMLPClassifier((4,), update_rule=rule, max_iter=3, random_state=0).fit(X, Y)
    assert np.isfinite(student.params_).all()
    assert rule.learner_.layout_.extras


def test_skops_and_onnx_keep_them():
    model = BackpropMLPClassifier(**SETTING).fit(X, Y)
    onnx = pytest.importorskip("onnxruntime")
    to_onnx = pytest.importorskip("skl2onnx").to_onnx
    pytest.importorskip("sklearn_metabp.onnx")
    converted = to_onnx(model, X[:1].astype(np.float64), options={"zipmap": False})
    session = onnx.InferenceSession(converted.SerializeToString())
    _, probabilities = session.run(None, {"X": X})
    np.testing.assert_allclose(probabilities, model.predict_proba(X), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("embedding", [None, "periodic", "piecewise_linear"])
def test_they_stand_behind_an_input_layer(embedding):
    options = {"scaling_layer": True, "numeric_embedding": embedding, "alpha": 0.0}
    quiet = BackpropMLPClassifier(**SETTING | options).fit(X, Y)
    recorder = TraceRecorder()
    options |= {"batch_size": "full", "shuffle": False}
    model = BackpropMLPClassifier(**SETTING | options).set_callbacks(recorder).fit(X, Y)
    start, gradients = recorder.trace_.params[3], recorder.trace_.gradients[3]
    targets = np.asarray(model.targets_.encode(Y, np.float64))
    assert list(quiet.extras_)[-2:] == ["activation_mixes_[0]", "activation_mixes_[1]"]
    for number in [*range(0, len(start), 17), *range(len(start) - 14, len(start))]:
        shift = np.zeros_like(start)
        shift[number] = 1e-6
        rise = model.network_.mean_loss(start + shift, X, targets)
        rise -= model.network_.mean_loss(start - shift, X, targets)
        assert gradients[number] == pytest.approx(rise / 2e-6, rel=1e-5, abs=1e-8)

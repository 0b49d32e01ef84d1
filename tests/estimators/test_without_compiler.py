"""The estimators on the NumPy fallbacks of the kernels."""

import numpy as np
import pytest
from helpers.callbacks import Interruption, StepNotes
from helpers.data import classes, numbers
from helpers.kernels import fallback
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_metabp import (
    SGD,
    Adam,
    AdamW,
    Averaged,
    BackpropAutoencoder,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Clipped,
    DivergenceError,
    Layerwise,
    LinearBackprop,
    Safeguarded,
)
from sklearn_metabp.update_rules import UPDATE_RULES

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RULES = [SGD(0.1), SGD(0.05, 0.9), SGD(0.05, 0.9, nesterov=True), Adam(0.01)]
OTHER_RULES = [
    *(name for name, kind in UPDATE_RULES.items() if kind.takes_steps and kind not in (SGD, Adam)),
    Averaged(Clipped("adam", max_norm=0.1)),
    LinearBackprop("sgd"),
    Layerwise(AdamW(cautious=True), {0: 0.5}, decay_epochs=9.0, cautious=True, frozen=[-1]),
    Safeguarded("adam"),
]
TARGETS = ["binary", "multiclass", "multilabel", "numbers"]


def fit(kind, rule, dtype=np.float64, callbacks=(), **setting):
    X, y = numbers(2, dtype=dtype) if kind == "numbers" else classes(kind, dtype=dtype)
    estimator = BackpropMLPRegressor if kind == "numbers" else BackpropMLPClassifier
    common = {"max_iter": 20, "batch_size": 16, "random_state": 2, "hidden_layer_sizes": (9, 5)}
    model = estimator(update_rule=rule, **(common | setting)).set_callbacks(*callbacks)
    return model.fit(X, y, np.linspace(0.5, 2, len(X))), X, y


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("case", ["plain", "signs", "noise", "sparse"])
def test_an_autoencoder_is_the_same_to_rounding(case, dtype, request):
    X, y = classes("binary", dtype=dtype)
    y = np.where(y == 0, -1, 1) if case == "signs" else None
    X = csr_array(X) if case == "sparse" else X
    noise = {"input_noise": 0.2} if case == "noise" else {}
    model = BackpropAutoencoder((5, 2, 5), "tanh", max_iter=20, random_state=2, **noise)
    compiled = clone(model).fit(X, y)
    request.getfixturevalue("fallback_kernels")
    by_fallback = clone(model).fit(X, y)
    tolerance = 1e-9 if dtype == np.float64 else 1e-3
    for method in ("residuals", "decision_function", "transform"):
        found, expected = (getattr(m, method)(X) for m in (by_fallback, compiled))
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=10 * tolerance)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_training_is_the_same_to_rounding(kind, rule, dtype, request):
    compiled, X, _ = fit(kind, rule, dtype, activation="tanh")
    request.getfixturevalue("fallback_kernels")
    by_fallback, *_ = fit(kind, rule, dtype, activation="tanh")
    assert by_fallback.params_.dtype == dtype
    tolerance = 1e-9 if dtype == np.float64 else 1e-3
    np.testing.assert_allclose(
        by_fallback.params_, compiled.params_, rtol=tolerance, atol=tolerance
    )
    np.testing.assert_allclose(by_fallback.loss_curve_, compiled.loss_curve_, rtol=tolerance)
    np.testing.assert_array_equal(by_fallback.predict(X).shape, compiled.predict(X).shape)


@pytest.mark.parametrize("rule", OTHER_RULES, ids=str)
def test_every_rule_trains_the_same_to_rounding(rule, request):
    compiled, *_ = fit("multiclass", rule, activation="tanh")
    request.getfixturevalue("fallback_kernels")
    by_fallback, *_ = fit("multiclass", rule, activation="tanh")
    np.testing.assert_allclose(by_fallback.params_, compiled.params_, rtol=1e-9, atol=1e-9)


def test_the_fallback_runs_without_a_compiler(fallback_kernels, monkeypatch):
    calls = []
    gradients = fallback.Backprop.gradients
    monkeypatch.setattr(
        fallback.Backprop,
        "gradients",
        lambda self, *batch: calls.append(batch) or gradients(self, *batch),
    )
    fit("binary", "adam", max_iter=2)
    assert len(calls) == 2 * 4


def test_parts_add_up_to_the_whole(fallback_kernels):
    setting = {"tol": 0, "n_iter_no_change": np.inf}
    whole, X, y = fit("multiclass", SGD(0.1, 0.9), max_iter=6, **setting)
    warm, *_ = fit("multiclass", SGD(0.1, 0.9), max_iter=3, warm_start=True, **setting)
    warm.fit(X, y, np.linspace(0.5, 2, len(X)))
    np.testing.assert_array_equal(warm.params_, whole.params_)


def test_callbacks_get_every_step(fallback_kernels):
    notes = StepNotes()
    model, *_ = fit("numbers", SGD(0.1), callbacks=[notes], max_iter=2)
    for before, after in zip(notes.steps, notes.steps[1:], strict=False):
        np.testing.assert_array_equal(before["params"] + before["updates"], after["params"])
        np.testing.assert_allclose(before["updates"], -0.1 * before["gradients"], rtol=1e-14)
    last = notes.steps[-1]
    np.testing.assert_array_equal(last["params"] + last["updates"], model.params_)


def test_divergence_raises_no_numpy_warning(fallback_kernels):
    for rule in (SGD(1e300), SGD(1e300, 0.9), Adam(1e308)):
        with pytest.raises(DivergenceError):
            fit("numbers", rule, activation="identity")


def test_ctrl_c_keeps_what_was_trained(fallback_kernels):
    with pytest.warns(UserWarning, match="interrupted by user after 1 epochs and 6 steps"):
        model, X, _ = fit("numbers", "adam", callbacks=[Interruption(6)])
    assert np.isfinite(model.predict(X)).all()


def test_a_search_runs(fallback_kernels):
    X, y = classes("multiclass")
    model = BackpropMLPClassifier((5,), max_iter=5, random_state=0)
    search = GridSearchCV(model, {"update_rule": RULES}, cv=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()

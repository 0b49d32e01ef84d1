"""Fitted models without the state of their training."""

import pickle

import numpy as np
import pytest
from helpers.data import classes, numbers
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from sklearn_metabp import (
    BackpropAutoencoder,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    BackpropRNNClassifier,
    BackpropRNNRegressor,
    HistoryLogger,
    TabularMLPClassifier,
    TabularMLPRegressor,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RATES = ("predict", "predict_proba", "decision_function", "transform", "residuals")


def sequences(y):
    return np.random.default_rng(0).normal(size=(len(y), 4, 3)), y


# name: a model, its data, and the bytes of a parameter over those in the pickle of a whole model
CASES = {
    "classifier": (BackpropMLPClassifier((40,)), lambda: classes("multiclass")),
    "multilabel": (BackpropMLPClassifier((40,)), lambda: classes("multilabel")),
    "calibrated": (BackpropMLPClassifier((40,), calibration=2.0), lambda: classes("binary")),
    "members": (BackpropMLPClassifier((40,), n_members=3), lambda: classes("multiclass")),
    "lbfgs": (BackpropMLPRegressor((40,), update_rule="lbfgs"), numbers),
    "regressor": (BackpropMLPRegressor((40,)), numbers),
    "embedded": (
        BackpropMLPRegressor((40,), numeric_embedding="periodic", scaling_layer=True),
        numbers,
    ),
    "learned": (BackpropMLPClassifier((40,), update_rule="learned"), lambda: classes("multiclass")),
    "autoencoder": (BackpropAutoencoder((40,)), lambda: (numbers()[0], None)),
    "rnn": (BackpropRNNClassifier(12), lambda: sequences(classes("multiclass")[1])),
    "gru": (BackpropRNNRegressor(12, "gru"), lambda: sequences(numbers()[1])),
    "table": (TabularMLPClassifier(), lambda: classes("multiclass")),
    "refitted table": (TabularMLPRegressor(refit=True, n_members=2), numbers),
}


@pytest.fixture(params=CASES)
def fitted(request):
    model, data = CASES[request.param]
    X, y = data()
    return clone(model).set_params(max_iter=4, random_state=0).fit(X, y), X, y


def predictions(model, X):
    return [np.asarray(getattr(model, name)(X)) for name in RATES if hasattr(model, name)]


def params_of(model):
    network = getattr(model, "network_", model) if "Tabular" in type(model).__name__ else model
    return [member.params_ for member in getattr(network, "members_", [network])]


def test_a_compact_model_predicts_the_same_and_is_little_more_than_its_parameters(fitted):
    model, X, _ = fitted
    size, before = len(pickle.dumps(model)), predictions(model, X)
    compact = model.compact()
    assert type(compact) is type(model)
    assert compact.get_params().keys() == model.get_params().keys()
    check_is_fitted(compact)
    for one in (compact, pickle.loads(pickle.dumps(compact)), compact.compact()):
        for left, right in zip(predictions(one, X), before, strict=True):
            np.testing.assert_array_equal(left, right)
    n_bytes = sum(params.nbytes for params in params_of(model))
    assert len(pickle.dumps(compact)) < n_bytes + 6000 < size
    # The model is as it was, and shares no weights with the compact one.
    assert len(pickle.dumps(model)) == size
    for mine, its in zip(params_of(compact), params_of(model), strict=True):
        assert not np.shares_memory(mine, its)


def test_float32_halves_the_parameters(fitted):
    model, X, _ = fitted
    compact = model.compact(dtype="float32")
    for params in params_of(compact):
        assert params.dtype == np.float32
    for left, right in zip(predictions(compact, X), predictions(model, X), strict=True):
        if right.dtype.kind == "f":
            np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5)
    for dtype in (np.float16, int, "float128"):
        with pytest.raises((ValueError, TypeError)):
            model.compact(dtype=dtype)


def test_a_compact_model_does_not_continue_and_trains_anew(fitted):
    model, X, y = fitted
    compact, again = model.compact(), model.compact()
    if hasattr(compact, "partial_fit"):
        with pytest.raises(ValueError, match="no training state to continue from"):
            compact.partial_fit(X, y)
    if "warm_start" in compact.get_params():
        with pytest.raises(ValueError, match="set warm_start=False and call fit"):
            compact.set_params(warm_start=True).fit(X, y)
        for left, right in zip(predictions(compact, X), predictions(model, X), strict=True):
            np.testing.assert_array_equal(left, right)
    again.fit(X, y)
    for left, right in zip(predictions(again, X), predictions(model, X), strict=True):
        np.testing.assert_array_equal(left, right)
    if hasattr(model, "loss_curve_"):
        assert again.loss_curve_ == model.loss_curve_


def test_attributes_of_the_training_say_where_they_went(fitted):
    model, _, _ = fitted
    compact = model.compact()
    if hasattr(model, "loss_curve_"):
        with pytest.raises(AttributeError, match=r"loss_curve_.*compact"):
            compact.loss_curve_  # noqa: B018
    assert not hasattr(compact, "best_epoch_")
    assert "compact" in str(compact.summary())
    assert compact.summary().n_params == model.summary().n_params


def test_callbacks_are_left_out():
    history = HistoryLogger()
    model = BackpropMLPClassifier((4,), max_iter=3, random_state=0).set_callbacks(history)
    model.fit(*classes("binary"))
    assert not hasattr(model.compact(), "_skl_callbacks")
    assert hasattr(model, "_skl_callbacks")


@pytest.mark.parametrize("estimator", [BackpropMLPClassifier(), TabularMLPClassifier()])
def test_before_fit_there_is_nothing_to_compact(estimator):
    with pytest.raises(NotFittedError):
        estimator.compact()


def test_compact_models_are_saved_with_skops_and_converted():
    skops = pytest.importorskip("skops.io")
    from sklearn_metabp.skops import TRUSTED_TYPES

    X, y = classes("multiclass")
    for dtype in (None, "float32"):
        model = BackpropMLPClassifier((4,), max_iter=3, random_state=0).fit(X, y)
        compact = model.compact(dtype=dtype)
        loaded = skops.loads(skops.dumps(compact), trusted=TRUSTED_TYPES)
        np.testing.assert_array_equal(loaded.predict_proba(X), compact.predict_proba(X))
    onnx = pytest.importorskip("sklearn_metabp.onnx")
    runtime = pytest.importorskip("onnxruntime")
    assert onnx
    from skl2onnx import to_onnx

    rows = X.astype(np.float32)
    graph = to_onnx(compact, rows[:1], options={"zipmap": False}).SerializeToString()
    _, found = runtime.InferenceSession(graph).run(None, {"X": rows})
    np.testing.assert_allclose(found, model.predict_proba(X), atol=1e-5)

"""Options beyond scikit-learn's MLP: class weights, several columns, losses, dropout, starts."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from helpers.data import classes, numbers
from sklearn.base import clone
from sklearn.linear_model import (
    HuberRegressor,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
)
from sklearn.metrics import mean_poisson_deviance
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from sklearn_metabp import LBFGS, SGD, Adam, BackpropMLPClassifier, BackpropMLPRegressor
from sklearn_metabp.network import HIDDEN_ACTIVATIONS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def columns(n=80, seed=0):
    """Two columns of classes: three words, two letters."""
    X, y = classes("strings", n=n, seed=seed)
    return X, np.column_stack([y, np.where(X[:, 0] + X[:, 1] > 0, "p", "q")])


@pytest.mark.parametrize("weights", ["balanced", {0: 1.0, 1: 5.0, 2: 0.5}])
def test_class_weights_are_sample_weights(weights):
    X, y = classes("multiclass", seed=1)
    given = np.linspace(1, 2, len(X))
    model = BackpropMLPClassifier((6,), class_weight=weights, max_iter=10, random_state=0).fit(
        X, y, given
    )
    expected = (
        clone(model)
        .set_params(class_weight=None)
        .fit(X, y, given * compute_sample_weight(weights, y))
    )
    np.testing.assert_array_equal(model.params_, expected.params_)


def test_class_weights_of_partial_fit_are_those_of_all_rows():
    X, y = classes("multiclass", seed=1)
    known = np.unique(y)
    weight = dict(zip(known, compute_class_weight("balanced", classes=known, y=y), strict=True))
    whole = BackpropMLPClassifier((6,), class_weight="balanced", max_iter=3, random_state=0).fit(
        X, y
    )
    parts = BackpropMLPClassifier((6,), class_weight=weight, random_state=0)
    for _ in range(3):
        parts.partial_fit(X, y, classes=known)
    np.testing.assert_allclose(parts.params_, whole.params_, rtol=1e-12)


def test_class_weights_reach_those_of_logistic_regression():
    X, y = classes("binary", n=300, seed=3)
    weights = {0: 1.0, 1: 4.0}
    model = BackpropMLPClassifier(
        (), class_weight=weights, alpha=0, update_rule=LBFGS(), tol=1e-8
    ).fit(X, y)
    reference = LogisticRegression(C=np.inf, class_weight=weights, tol=1e-10, max_iter=1000).fit(
        X, y
    )
    np.testing.assert_allclose(
        model.coefs_[0].ravel(), reference.coef_.ravel(), rtol=1e-3, atol=1e-3
    )


def test_columns_of_classes_without_hidden_layers_are_separate_classifiers():
    """Check columns that share no weights: the oracle is one logistic regression per column."""
    X, y = columns(n=300)
    model = BackpropMLPClassifier((), alpha=3.0, update_rule=LBFGS(), tol=1e-9, max_iter=1000).fit(
        X, y
    )
    # The penalty on the weights of both: alpha / 2 there, 1 / 2C here.
    reference = MultiOutputClassifier(LogisticRegression(C=1 / 3, tol=1e-10, max_iter=1000)).fit(
        X, y
    )
    assert [list(c) for c in model.classes_] == [list(c) for c in reference.classes_]
    np.testing.assert_allclose(model.predict_proba(X)[0], reference.predict_proba(X)[0], atol=1e-4)
    np.testing.assert_array_equal(model.predict(X)[:, 0], reference.predict(X)[:, 0])
    assert model.n_outputs_ == 5
    assert model.predict_proba(X)[1].shape == (300, 2)


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"loss": "squared_error"},
        {"loss": "squared_error", "out_activation": "softmax"},
        {"loss": "squared_error", "out_activation": "tanh"},
        {"out_activation": "logistic"},
        {"class_weight": "balanced"},
        {"early_stopping": True},
    ],
    ids=str,
)
def test_columns_of_classes_are_learned(setting):
    X, y = columns(n=300, seed=2)
    model = BackpropMLPClassifier((20,), update_rule=Adam(0.02), random_state=0, **setting).fit(
        X, y
    )
    assert model.score(X, y) > 0.85
    assert model.score(X, y) == np.mean((model.predict(X) == y).all(axis=1))
    for probabilities, labels in zip(model.predict_proba(X), model.classes_, strict=True):
        assert probabilities.shape == (300, len(labels))
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    logs = model.predict_log_proba(X)
    np.testing.assert_array_equal(
        np.exp(logs[0]).argmax(axis=1), model.predict_proba(X)[0].argmax(axis=1)
    )


def test_columns_of_classes_come_in_chunks():
    X, y = columns(n=90)
    known = [["ant", "bee", "cat"], ["p", "q"]]
    whole = BackpropMLPClassifier(
        (6,), batch_size=30, shuffle=False, max_iter=1, random_state=0
    ).fit(X, y)
    parts = BackpropMLPClassifier((6,), batch_size=30, shuffle=False, random_state=0)
    for start in (0, 30, 60):
        parts.partial_fit(X[start : start + 30], y[start : start + 30], classes=known)
    np.testing.assert_array_equal(parts.params_, whole.params_)
    with pytest.raises(ValueError, match="classes not in"):
        parts.partial_fit(X, np.column_stack([y[:, 1], y[:, 0]]))
    with pytest.raises(ValueError, match="must have 2 columns"):
        parts.partial_fit(X, y[:, 0])
    with pytest.raises(ValueError, match="must be a list with one array per column"):
        BackpropMLPClassifier().partial_fit(X, y, classes=known[:1])


def test_multilabel_comes_in_chunks():
    X, y = classes("multilabel")
    parts = BackpropMLPClassifier((6,), random_state=0)
    for _ in range(3):
        parts.partial_fit(X, y)
    whole = BackpropMLPClassifier((6,), max_iter=3, random_state=0).fit(X, y)
    np.testing.assert_array_equal(parts.params_, whole.params_)


LINEAR = {
    "hidden_layer_sizes": (),
    "alpha": 0.0,
    "update_rule": LBFGS(),
    "tol": 1e-10,
    "max_iter": 3000,
}


def test_poisson_without_hidden_layers_is_poisson_regression():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3))
    y = rng.poisson(np.exp(X @ [0.5, -0.3, 0.1] + 1)).astype(float)
    model = BackpropMLPRegressor(loss="poisson", **LINEAR).fit(X, y)
    reference = PoissonRegressor(alpha=0, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(model.coefs_[0].ravel(), reference.coef_, rtol=1e-4)
    assert model.out_activation_ == "exp"
    assert (model.predict(X) > 0).all()
    assert model.loss_ == pytest.approx(mean_poisson_deviance(y, model.predict(X)) / 2)


def test_poisson_takes_scikit_learns_course():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((100, 3))
    y = rng.poisson(np.exp(0.5 * X[:, 0])).astype(float)
    common = {
        "hidden_layer_sizes": (7,),
        "loss": "poisson",
        "batch_size": 20,
        "max_iter": 20,
        "random_state": 2,
        "n_iter_no_change": np.inf,
        "tol": 0.0,
    }
    model = BackpropMLPRegressor(update_rule=SGD(0.01, 0.9), **common).fit(X, y)
    reference = MLPRegressor(
        solver="sgd", learning_rate_init=0.01, nesterovs_momentum=False, **common
    ).fit(X, y)
    np.testing.assert_allclose(model.loss_curve_, reference.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(model.predict(X), reference.predict(X), rtol=1e-9)


def test_absolute_error_is_median_regression_and_huber_lies_between():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((301, 2))
    y = X @ [1.0, -2.0] + rng.standard_normal(301)
    y[:40] += 50  # outliers that the mean follows
    median = QuantileRegressor(alpha=0).fit(X, y)
    step = {
        "hidden_layer_sizes": (),
        "alpha": 0.0,
        "batch_size": "full",
        "max_iter": 4000,
        "random_state": 0,
        "n_iter_no_change": np.inf,
        "update_rule": Adam(0.05, schedule="cosine"),
    }
    model = BackpropMLPRegressor(loss="absolute_error", **step).fit(X, y)
    np.testing.assert_allclose(model.coefs_[0].ravel(), median.coef_, atol=0.05)
    assert model.loss_ == pytest.approx(np.abs(median.predict(X) - y).mean(), rel=1e-3)
    huber = BackpropMLPRegressor(loss="huber", **(LINEAR | {"random_state": 0})).fit(X, y)
    np.testing.assert_allclose(huber.coefs_[0].ravel(), [1.0, -2.0], atol=0.3)
    # HuberRegressor scales by a variance that it estimates; at a threshold of 1 / sigma it is this
    # loss.
    robust = HuberRegressor(epsilon=1.35, alpha=0).fit(X, y)
    np.testing.assert_allclose(huber.coefs_[0].ravel(), robust.coef_, atol=0.2)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "regression"])
@pytest.mark.parametrize("make", [sp.csr_array, sp.csr_matrix, sp.csc_array, sp.coo_array])
def test_sparse_rows_train_as_dense_ones(kind, make):
    X, y = (
        numbers(n=70, n_features=30) if kind == "regression" else classes(kind, n=70, n_features=30)
    )
    X[np.random.default_rng(0).random(X.shape) < 0.8] = 0
    estimator = BackpropMLPRegressor if kind == "regression" else BackpropMLPClassifier
    model = estimator((8,), update_rule=SGD(0.1, 0.9), batch_size=16, max_iter=10, random_state=0)
    dense = clone(model).fit(X, y)
    sparse = model.fit(make(X), y)
    np.testing.assert_allclose(sparse.params_, dense.params_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(sparse.predict(make(X)), dense.predict(X), rtol=1e-9)
    sparse.set_params(early_stopping=True, random_state=1).fit(make(X), y)
    assert len(sparse.validation_scores_) == sparse.n_iter_
    sparse.fit(make(X), y, X_val=make(X), y_val=y)


def test_sparse_takes_scikit_learns_course_and_keeps_its_dtype():
    X, y = classes("multiclass", n=60, n_features=50)
    X = sp.csr_array(X * (np.random.default_rng(1).random(X.shape) < 0.1))
    common = {
        "hidden_layer_sizes": (6,),
        "batch_size": 20,
        "max_iter": 15,
        "random_state": 2,
        "tol": 0.0,
        "n_iter_no_change": np.inf,
    }
    model = BackpropMLPClassifier(update_rule=SGD(0.2), **common).fit(X, y)
    reference = MLPClassifier(solver="sgd", learning_rate_init=0.2, momentum=0, **common).fit(X, y)
    np.testing.assert_allclose(model.loss_curve_, reference.loss_curve_, rtol=1e-9)
    assert model.fit(X.astype(np.float32), y).params_.dtype == np.float32


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "regression"])
def test_lbfgs_ends_where_scikit_learns_does(kind):
    X, y = numbers(seed=2) if kind == "regression" else classes(kind, seed=2)
    ours, theirs = (
        (BackpropMLPRegressor, MLPRegressor)
        if kind == "regression"
        else (BackpropMLPClassifier, MLPClassifier)
    )
    common = {
        "hidden_layer_sizes": (6,),
        "activation": "tanh",
        "alpha": 0.1,
        "max_iter": 30,
        "random_state": 3,
    }
    model = ours(update_rule=LBFGS(), **common).fit(X, y)
    reference = theirs(solver="lbfgs", **common).fit(X, y)
    assert model.n_iter_ == reference.n_iter_
    assert model.loss_ == pytest.approx(reference.loss_, rel=1e-6)
    for a, b in zip(model.coefs_, reference.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert len(model.loss_curve_) == model.n_iter_
    assert model.t_ >= model.n_iter_ * len(X)
    few = ours(update_rule=LBFGS(max_fun=5), **common).fit(X, y)
    assert few.n_iter_ == theirs(solver="lbfgs", max_fun=5, **common).fit(X, y).n_iter_


@pytest.mark.parametrize("activation", HIDDEN_ACTIVATIONS)
def test_every_activation_learns(activation):
    X, y = numbers(n=200)
    model = BackpropMLPRegressor(
        (20,), activation, update_rule=Adam(0.01), batch_size=20, random_state=0
    )
    assert model.fit(X, y).score(X, y) > (0.6 if activation == "identity" else 0.8)


def test_every_layer_may_have_its_own_activation():
    X, y = numbers(n=50)
    model = BackpropMLPRegressor((6, 5), ["tanh", "relu"], max_iter=5, random_state=0).fit(X, y)
    hidden = np.tanh(X @ model.coefs_[0] + model.intercepts_[0])
    hidden = np.maximum(hidden @ model.coefs_[1] + model.intercepts_[1], 0)
    expected = hidden @ model.coefs_[2] + model.intercepts_[2]
    np.testing.assert_allclose(model.predict(X), expected.ravel(), rtol=1e-12)


def test_dropout_is_of_the_training_alone_and_repeats_by_the_seed():
    X, y = numbers(n=100)
    model = BackpropMLPRegressor((30,), dropout=0.4, max_iter=8, batch_size=20, random_state=0).fit(
        X, y
    )
    np.testing.assert_array_equal(model.predict(X), model.predict(X))
    again = clone(model).fit(X, y)
    np.testing.assert_array_equal(again.params_, model.params_)
    assert not np.allclose(clone(model).set_params(dropout=0.0).fit(X, y).params_, model.params_)
    parts = clone(model)
    for _ in range(8):
        parts.partial_fit(X, y)
    np.testing.assert_array_equal(parts.params_, model.params_)


def test_dropout_draws_by_the_random_state():
    X, y = numbers(n=50)
    common = {"hidden_layer_sizes": (30,), "dropout": 0.5, "shuffle": False, "max_iter": 1}
    start = BackpropMLPRegressor((30,), max_iter=1, random_state=0).fit(X, y)
    given = {"coef_init": start.coefs_, "intercept_init": start.intercepts_}
    one, other = (BackpropMLPRegressor(random_state=s, **common).fit(X, y, **given) for s in (1, 2))
    assert not np.array_equal(one.params_, other.params_)


def test_dropout_keeps_a_wide_network_from_overfitting():
    X, y = numbers(n=60, seed=5)
    noise = np.random.default_rng(0).standard_normal(60)
    common = {
        "hidden_layer_sizes": (200,),
        "alpha": 0,
        "max_iter": 400,
        "update_rule": Adam(0.01),
        "random_state": 0,
    }
    by_heart = BackpropMLPRegressor(**common).fit(X, y + noise)
    dropped = BackpropMLPRegressor(dropout=0.5, **common).fit(X, y + noise)
    assert dropped.score(X, y + noise) < by_heart.score(X, y + noise)
    assert dropped.score(X, y) > by_heart.score(X, y)


def test_a_function_may_be_the_start():
    X, y = numbers(n=50)

    def halves(layout, activations, random_state):
        assert activations == ("relu",)
        return np.full(layout.n_params, 0.5)

    model = BackpropMLPRegressor((4,), init=halves, max_iter=1, update_rule=SGD(1e-300)).fit(X, y)
    assert (model.params_ == 0.5).all()
    assert not (
        BackpropMLPRegressor((4,), init="he_normal", max_iter=1).fit(X, y).params_ == 0.5
    ).any()


@pytest.mark.parametrize("first", [slice(0, 30), slice(30, 90)])
def test_announced_columns_are_columns_whatever_the_first_chunk_has(first):
    X, y = classes("multiclass", n=90)
    y = np.column_stack([y, y == 1])
    y[:30] = y[:30] > 0  # 0 and 1 alone
    known = [[0, 1, 2], [0, 1]]
    model = BackpropMLPClassifier((6,), random_state=0).partial_fit(
        X[first], y[first], classes=known
    )
    assert [list(c) for c in model.classes_] == known
    model.partial_fit(X, y).partial_fit(X[:30], y[:30], classes=known)
    assert [p.shape for p in model.predict_proba(X)] == [(90, 3), (90, 2)]
    with pytest.raises(ValueError, match="not the same as on last call"):
        model.partial_fit(X, y, classes=[0, 1])


def test_a_matrix_of_ones_and_twos_is_columns_of_classes():
    X, y = classes("multilabel")
    model = BackpropMLPClassifier((9,), update_rule=Adam(0.05), random_state=0).fit(X, y + 1)
    assert [list(c) for c in model.classes_] == [[1, 2]] * 3
    assert set(np.unique(model.predict(X))) == {1, 2}
    assert model.score(X, y + 1) > 0.7


def mixed_columns(n=80):
    X, y = columns(n)
    return X, pd.DataFrame({"insect": y[:, 0], "size": (X[:, 0] > 0).astype(int)})


def test_columns_of_several_types_keep_their_labels():
    X, frame = mixed_columns()
    common = {"hidden_layer_sizes": (20,), "update_rule": Adam(0.02), "random_state": 0}
    model = BackpropMLPClassifier(**common, early_stopping=True).fit(X, frame)
    assert [c.dtype.kind for c in model.classes_] == ["U", "i"]
    labels = model.predict(X)
    assert labels.dtype == object
    assert {type(label) for label in labels[:, 0]} == {str}
    assert set(labels[:, 1]) == {0, 1}
    assert model.score(X, frame) == (labels == frame.to_numpy()).all(axis=1).mean()
    whole = BackpropMLPClassifier(**common, max_iter=2).fit(X, frame, X_val=X, y_val=frame)
    as_text = BackpropMLPClassifier(**common, max_iter=2).fit(X, frame.to_numpy().astype(str))
    np.testing.assert_array_equal(whole.params_, as_text.params_)
    parts = BackpropMLPClassifier(**common)
    for _ in range(2):
        parts.partial_fit(X, frame, classes=[["ant", "bee", "cat"], [0, 1]])
    np.testing.assert_array_equal(parts.params_, whole.params_)
    weighted = BackpropMLPClassifier(**common, class_weight=[{"ant": 2.0}, {0: 3.0}], max_iter=2)
    by_rows = BackpropMLPClassifier(**common, max_iter=2)
    weight = np.where(frame["insect"] == "ant", 2.0, 1.0) * np.where(frame["size"] == 0, 3.0, 1.0)
    np.testing.assert_array_equal(
        weighted.fit(X, frame).params_, by_rows.fit(X, frame, weight).params_
    )


def test_class_weights_are_of_the_classes_and_not_of_those_in_the_rows():
    X, y = classes("multiclass", seed=1)
    few = y < 2
    model = BackpropMLPClassifier((6,), class_weight={2: 5.0}, random_state=0)
    model.partial_fit(X[few], y[few], classes=[0, 1, 2]).partial_fit(X, y)
    model.partial_fit(X[few], y[few], classes=[0, 1, 2]).partial_fit(X, y)
    expected = BackpropMLPClassifier((6,), random_state=0)
    for rows in (few, slice(None)) * 2:
        expected.partial_fit(X[rows], y[rows], np.arange(3), np.where(y[rows] == 2, 5.0, 1.0))
    np.testing.assert_array_equal(model.params_, expected.params_)


@pytest.mark.parametrize("make", [np.asarray, sp.csr_array])
def test_labels_have_weights_too(make):
    X, y = classes("multilabel")
    given = [{1: 2.0}, {0: 3.0}, {}]
    model = BackpropMLPClassifier((6,), class_weight=given, max_iter=3, random_state=0).fit(
        X, make(y)
    )
    weight = np.where(y[:, 0] == 1, 2.0, 1.0) * np.where(y[:, 1] == 0, 3.0, 1.0)
    expected = clone(model).set_params(class_weight=None).fit(X, y, weight)
    np.testing.assert_array_equal(model.params_, expected.params_)

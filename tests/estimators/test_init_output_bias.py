"""Output biases that start at the best constant prediction."""

import numpy as np
import pytest
from helpers.data import classes, numbers
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale

from sklearn_metabp import SGD, Adam, BackpropMLPClassifier, BackpropMLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

STILL = {
    "update_rule": SGD(1e-300),
    "max_iter": 1,
    "init_output_bias": "targets",
    "random_state": 0,
}


def only_biases(layout, activations, random_state):
    """Return a start with output weights of 0: the network predicts from its output biases."""
    params = random_state.standard_normal(layout.n_params)
    layout.coefs(params)[-1][...] = 0.0
    return params


def start(kind, **setting):
    return kind((4,), init=only_biases, **STILL, **setting)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("out_activation", ["identity", "tanh", "logistic", "exp"])
def test_the_start_predicts_the_mean(out_activation, weighted):
    X, Y = numbers(2)
    Y = 0.1 + 0.8 * (Y - Y.min()) / np.ptp(Y)
    weight = np.random.default_rng(1).random(60) if weighted else None
    model = start(BackpropMLPRegressor, out_activation=out_activation).fit(X, Y, weight)
    mean = np.average(Y, axis=0, weights=weight)
    np.testing.assert_allclose(model.predict(X), np.tile(mean, (60, 1)), rtol=1e-12)


def test_the_start_predicts_the_median_for_the_absolute_error_and_the_rate_of_counts():
    X, y = numbers()
    model = start(BackpropMLPRegressor, loss="absolute_error").fit(X[:59], y[:59])
    np.testing.assert_allclose(model.predict(X), np.median(y[:59]), rtol=1e-12)
    counts = np.random.default_rng(0).poisson(3.0, 60)
    model = start(BackpropMLPRegressor, loss="poisson").fit(X, counts)
    np.testing.assert_allclose(model.predict(X), counts.mean(), rtol=1e-12)


@pytest.mark.parametrize(
    "setting", [{}, {"loss": "squared_error"}, {"out_activation": "softmax"}], ids=str
)
@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_the_start_predicts_the_shares_of_the_classes(kind, setting):
    X, y = classes(kind)
    model = start(BackpropMLPClassifier, **setting).fit(X, y)
    shares = np.unique(y, return_counts=True)[1] / len(y)
    np.testing.assert_allclose(model.predict_proba(X), np.tile(shares, (60, 1)), rtol=1e-10)


def test_the_start_of_tanh_outputs_of_two_classes_predicts_their_shares():
    X, y = classes("binary")
    model = start(BackpropMLPClassifier, loss="squared_error", out_activation="tanh").fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], y.mean(), rtol=1e-10)


def test_weights_of_classes_and_rows_multiply():
    X, y = classes("multiclass")
    weight = np.random.default_rng(2).random(60)
    model = start(BackpropMLPClassifier, class_weight={0: 5.0, 1: 1.0, 2: 0.5}).fit(X, y, weight)
    mass = np.array([np.sum(weight[y == k]) for k in range(3)]) * [5.0, 1.0, 0.5]
    np.testing.assert_allclose(model.predict_proba(X[:1])[0], mass / mass.sum(), rtol=1e-10)


def test_labels_and_columns_of_classes_have_shares_of_their_own():
    X, Y = classes("multilabel")
    model = start(BackpropMLPClassifier).fit(X, Y)
    np.testing.assert_allclose(model.predict_proba(X[:1])[0], Y.mean(axis=0), rtol=1e-10)
    y = classes("multiclass")[1]
    model = start(BackpropMLPClassifier).fit(X, np.column_stack([y, y == 1]))
    first, second = (column[0] for column in model.predict_proba(X[:1]))
    np.testing.assert_allclose(first, np.bincount(y) / 60, rtol=1e-10)
    np.testing.assert_allclose(second, [np.mean(y != 1), np.mean(y == 1)], rtol=1e-10)


def test_a_class_that_the_first_chunk_lacks_has_the_share_of_half_a_row():
    X, y = classes("binary")
    model = start(BackpropMLPClassifier).partial_fit(X[:10], np.ones(10), classes=[0, 1])
    np.testing.assert_allclose(model.predict_proba(X[:1])[0], [1 / 20, 19 / 20], rtol=1e-10)
    biases = model.intercepts_[-1].copy()
    model.partial_fit(X[10:], y[10:])
    np.testing.assert_array_equal(model.intercepts_[-1], biases)  # the first chunk decides


def test_a_start_that_is_given_wins_and_weights_alone_do_not():
    X, y = numbers()
    model = start(BackpropMLPRegressor)
    given = [np.zeros(4), np.array([7.0])]
    model.fit(X, y, intercept_init=given)
    assert model.intercepts_[-1] == 7.0
    model.fit(X, y, coef_init=[np.ones((4, 4)), np.zeros((4, 1))])
    np.testing.assert_allclose(model.intercepts_[-1], y.mean())


def test_going_on_keeps_the_biases_there_are():
    X, y = numbers()
    model = start(BackpropMLPRegressor, warm_start=True).fit(X, y)
    before = model.intercepts_[-1].copy()
    np.testing.assert_array_equal(model.fit(X, y + 100).intercepts_[-1], before)


def test_all_but_the_output_biases_start_as_without():
    X, y = numbers(dtype=np.float32)
    plain = BackpropMLPRegressor((4,), **STILL | {"init_output_bias": "init"}).fit(X, y)
    shifted = BackpropMLPRegressor((4,), **STILL).fit(X, y)
    assert shifted.params_.dtype == np.float32
    np.testing.assert_array_equal(plain.params_[:-1], shifted.params_[:-1])
    assert plain.params_[-1] != shifted.params_[-1]


@pytest.mark.parametrize("early_stopping", [False, True])
def test_targets_far_from_0_are_learned_as_well_as_near_0(early_stopping):
    X, y = load_diabetes(return_X_y=True)
    X, y = scale(X), scale(y)
    setting = {
        "update_rule": Adam(0.003),
        "max_iter": 60,
        "random_state": 0,
        "early_stopping": early_stopping,
    }
    near = BackpropMLPRegressor(init_output_bias="targets", **setting).fit(X, y)
    far = clone(near).fit(X, y + 1e4)
    assert far.score(X, y + 1e4) == pytest.approx(near.score(X, y), abs=0.02)
    assert BackpropMLPRegressor(**setting).fit(X, y + 1e4).score(X, y + 1e4) < -1e3


def test_rare_classes_start_from_a_lower_loss():
    X, y = classes("binary", n=400)
    y = ((y == 1) & (X[:, 0] > 1.2)).astype(int)
    losses = [
        BackpropMLPClassifier((8,), max_iter=1, random_state=0, init_output_bias=where)
        .fit(X, y)
        .loss_
        for where in ("targets", "init")
    ]
    assert losses[0] < 0.85 * losses[1]

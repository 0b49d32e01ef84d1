"""Weights of a fitted network are written, predicted with, and trained on from."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from helpers.data import classes, numbers
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklearn_metabp import (
    SGD,
    Adam,
    Averaged,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Clipped,
    EarlyStopping,
    Safeguarded,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = numbers(n=60, seed=3)
STILL = 1e-300  # a learning rate under which no weight moves


def fitted(**setting):
    common = {"hidden_layer_sizes": (5,), "max_iter": 4, "random_state": 0, "warm_start": True}
    return BackpropMLPRegressor(**(common | setting)).fit(X, Y)


def by_hand(coefs, intercepts):
    return (np.maximum(X @ coefs[0] + intercepts[0], 0) @ coefs[1] + intercepts[1]).ravel()


def others(model, seed=1):
    rng = np.random.default_rng(seed)
    return [
        [rng.standard_normal(a.shape) for a in given] for given in (model.coefs_, model.intercepts_)
    ]


def set_lists(model, coefs, intercepts):
    model.coefs_ = coefs
    model.intercepts_ = intercepts


def set_items(model, coefs, intercepts):
    for layer in range(len(coefs)):
        model.coefs_[layer] = coefs[layer]
        model.intercepts_[layer - len(coefs)] = intercepts[layer]


def set_slices(model, coefs, intercepts):
    model.coefs_[:] = coefs
    model.intercepts_[0:2] = intercepts


def set_elements(model, coefs, intercepts):
    for array, value in zip(
        [*model.coefs_, *model.intercepts_], [*coefs, *intercepts], strict=True
    ):
        array[...] = value


def set_vector(model, coefs, intercepts):
    model.params_ = model.layout_.flatten(coefs, intercepts)


def set_vector_elements(model, coefs, intercepts):
    model.params_[...] = model.layout_.flatten(coefs, intercepts)


def set_in_place(model, coefs, intercepts):
    model.coefs_[0] *= 0
    model.coefs_[0] += coefs[0]
    model.params_ *= 1
    model.coefs_[1] = coefs[1].tolist()
    model.intercepts_ = tuple(intercepts)


WAYS = [
    set_lists,
    set_items,
    set_slices,
    set_elements,
    set_vector,
    set_vector_elements,
    set_in_place,
]
# Which parameters a fit leaves, and where the learning rates of its rule are.
KEEPING = {
    "the last weights": ({"update_rule": SGD(0.1, 0.9)}, ["learning_rate"]),
    "the best": (
        {
            "update_rule": SGD(0.3),
            "early_stopping": True,
            "n_iter_no_change": np.inf,
            "max_iter": 12,
        },
        ["learning_rate"],
    ),
    "an average": ({"update_rule": Averaged(SGD(0.1), decay=0.9)}, ["rule__learning_rate"]),
    "a checkpoint": (
        {"update_rule": Safeguarded(SGD(0.5), fallback=SGD(0.1)), "batch_size": 5, "max_iter": 30},
        ["rule__learning_rate", "fallback__learning_rate"],
    ),
    "an average of a guarded": (
        {"update_rule": Averaged(Safeguarded(Clipped(SGD(0.2)), fallback=SGD(0.1)), decay=0.9)},
        ["rule__rule__rule__learning_rate", "rule__fallback__learning_rate"],
    ),
}


@pytest.mark.parametrize("write", WAYS)
def test_written_weights_predict_and_are_kept_by_copies(write):
    model = fitted()
    model.predict(X)
    coefs, intercepts = others(model)
    write(model, coefs, intercepts)
    for same in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_allclose(same.predict(X), by_hand(coefs, intercepts), rtol=1e-12)
        np.testing.assert_array_equal(same.params_, model.layout_.flatten(coefs, intercepts))


@pytest.mark.parametrize("keeping", KEEPING)
@pytest.mark.parametrize("write", WAYS)
@pytest.mark.parametrize("how", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    "again", [lambda model: model, lambda model: pickle.loads(pickle.dumps(model))]
)
def test_training_goes_on_from_what_was_written(write, keeping, how, again):
    setting, rates = KEEPING[keeping]
    setting = setting | {"update_rule": clone(setting["update_rule"])}
    model = fitted(**setting, alpha=0)
    coefs, intercepts = others(model)
    write(model, coefs, intercepts)
    model = again(model)
    model.set_params(max_iter=1, **{f"update_rule__{name}": STILL for name in rates})
    getattr(model, how)(X, Y)
    np.testing.assert_allclose(model.params_, model.layout_.flatten(coefs, intercepts), rtol=1e-12)
    np.testing.assert_allclose(model._training_state.params, model.params_, rtol=1e-12)


def test_pruned_weights_are_pruned_for_the_training_that_goes_on():
    model = fitted(update_rule=Averaged(SGD(0.05), decay=0.99), max_iter=50, batch_size=10)
    mask = np.abs(model.coefs_[0]) < np.median(np.abs(model.coefs_[0]))
    before = model.coefs_[0].copy()
    model.coefs_[0][mask] = 0
    model.set_params(max_iter=1).fit(X, Y)
    # An average that still had the old weights in it would have given most of them back.
    assert np.abs(model.coefs_[0][mask]).max() < 0.2 * np.abs(before[mask]).max()
    np.testing.assert_allclose(model.coefs_[0][~mask], before[~mask], atol=0.1)


def test_moments_stay_and_nothing_changes_where_nothing_was_written():
    rule = Adam(0.01)
    one, other = (fitted(update_rule=rule, early_stopping=True) for _ in range(2))
    other.params_ = other.params_
    other.coefs_ = other.coefs_
    other.intercepts_[0] += 0
    np.testing.assert_array_equal(one.fit(X, Y).params_, other.fit(X, Y).params_)
    assert one.best_validation_score_ == other.best_validation_score_
    same, fresh = fitted(update_rule=rule), fitted(update_rule=rule)
    coefs, intercepts = others(same)
    set_lists(same, coefs, intercepts)
    start = same.params_.copy()
    same.partial_fit(X, Y)
    fresh.set_params(warm_start=False, max_iter=1).fit(
        X, Y, coef_init=coefs, intercept_init=intercepts
    )
    assert not np.allclose(
        same.params_ - start, fresh.params_ - start
    )  # Adam went on with its moments


def test_the_best_score_before_is_none_of_the_weights_that_were_written():
    model = fitted(early_stopping=True, max_iter=30, update_rule=Adam(0.05))
    best = model.best_validation_score_
    model.params_ = np.zeros_like(model.params_)
    model.set_params(update_rule__learning_rate=STILL, max_iter=2).fit(X, Y)
    assert model.best_validation_score_ < best
    np.testing.assert_allclose(model.params_, 0, atol=1e-200)


def test_a_callback_that_keeps_the_best_begins_anew():
    model = BackpropMLPRegressor(
        (5,), max_iter=20, random_state=0, warm_start=True, update_rule=Adam(0.05)
    )
    stopping = EarlyStopping("loss", patience=30, restore_best=True)
    model.set_callbacks(stopping).fit(X, Y)
    model.params_ = np.zeros_like(model.params_)
    model.set_params(update_rule__learning_rate=STILL, max_iter=2).fit(X, Y)
    np.testing.assert_allclose(model.params_, 0, atol=1e-200)


def test_patience_begins_anew_after_weights_were_written():
    model = fitted(max_iter=40, n_iter_no_change=5, tol=1e-6, update_rule=Adam(0.02))
    model.params_ = np.random.default_rng(0).standard_normal(model.params_.shape)
    before = model.n_iter_
    model.fit(X, Y)  # its losses are above the best of before for longer than patience lasts
    assert model.n_iter_ == before + 40


@pytest.mark.parametrize(
    ("write", "error", "message"),
    [
        (
            lambda m: m.coefs_.__setitem__(1, np.zeros((1, 5))),
            ValueError,
            r"coefs_\[1\] must have the shape \(5, 1\), got \(1, 5\)",
        ),
        (
            lambda m: m.intercepts_.__setitem__(-1, 0.0),
            ValueError,
            r"intercepts_\[1\] must have the shape \(1,\), got \(\)",
        ),
        (
            lambda m: setattr(m, "coefs_", m.coefs_[:1]),
            ValueError,
            "coefs_ must be 2 arrays, one per layer of weights; got 1",
        ),
        (
            lambda m: setattr(m, "coefs_", [*m.coefs_[:1], [[1], [2, 3]]]),
            ValueError,
            r"coefs_\[1\] must be an array",
        ),
        (
            lambda m: m.coefs_.__setitem__(slice(0, 2), [m.coefs_[0]]),
            ValueError,
            r"coefs_\[0:2\] must be 2 arrays",
        ),
        (
            lambda m: setattr(m, "intercepts_", [["a"] * 5, [0]]),
            TypeError,
            r"intercepts_\[0\] must hold real numbers",
        ),
        (
            lambda m: setattr(m, "intercepts_", [[0.0] * 5, [np.nan]]),
            ValueError,
            r"intercepts_\[1\] must be finite",
        ),
        (
            lambda m: setattr(m, "coefs_", [m.coefs_[0] * 1j, m.coefs_[1]]),
            TypeError,
            r"coefs_\[0\] must hold real",
        ),
        (
            lambda m: m.coefs_.__setitem__(0, sp.csr_array(m.coefs_[0])),
            TypeError,
            r"coefs_\[0\] must be a dense",
        ),
        (
            lambda m: setattr(m, "params_", m.params_[1:]),
            ValueError,
            r"params_ must have the shape \(31,\), got \(30,\)",
        ),
        (
            lambda m: setattr(m, "params_", np.full(31, np.inf)),
            ValueError,
            "params_ must be finite in float64",
        ),
        (
            lambda m: m.coefs_.append(m.coefs_[0]),
            TypeError,
            "of a fitted network do not change",
        ),
        (
            lambda m: m.coefs_.pop(),
            TypeError,
            "of a fitted network do not change",
        ),
        (
            lambda m: m.coefs_.__delitem__(0),
            TypeError,
            "of a fitted network do not change",
        ),
        (
            lambda m: m.coefs_.__imul__(2),
            TypeError,
            "of a fitted network do not change",
        ),
    ],
)
def test_weights_that_do_not_fit_are_an_error_that_names_the_layer(write, error, message):
    model = fitted()
    before = model.params_.copy()
    with pytest.raises(error, match=message):
        write(model)
    np.testing.assert_array_equal(model.params_, before)


def test_weights_beyond_float32_are_refused_in_float32():
    model = BackpropMLPRegressor((5,), max_iter=1).fit(X.astype(np.float32), Y)
    with pytest.raises(ValueError, match=r"intercepts_\[0\] must be finite in float32"):
        model.intercepts_[0] = np.full(5, 1e300)
    model.intercepts_[0] = np.full(5, 0.1)
    assert model.params_.dtype == np.float32


def test_nan_that_was_written_into_an_array_is_found_before_training():
    model = fitted()
    model.coefs_[1][0] = np.nan
    with pytest.raises(ValueError, match=r"coefs_\[1\] must be finite"):
        model.partial_fit(X, Y)


@pytest.mark.parametrize("name", ["coefs_", "intercepts_", "params_"])
def test_a_network_that_is_not_fitted_has_no_weights_to_write(name):
    model = BackpropMLPRegressor()
    assert not hasattr(model, name)
    with pytest.raises(NotFittedError, match="coef_init"):
        setattr(model, name, [])


def test_arrays_given_to_one_model_are_copied():
    one, other = fitted(), fitted()
    one.params_ = given = np.ones_like(one.params_)
    other.params_ = given
    one.coefs_[0][...] = 0
    given[:] = 7
    assert (other.params_ == 1).all()
    saved = one.params_
    one.params_ = given
    assert not (saved == 7).any()
    one.params_ = saved
    np.testing.assert_array_equal(one.params_, saved)


def test_lists_of_weights_stay_lists_and_their_copies_are_plain():
    model = fitted()
    assert isinstance(model.coefs_, list)
    for again in (copy.copy, copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))):
        copied = again(model.coefs_)
        assert type(copied) is list
        np.testing.assert_array_equal(copied[0], model.coefs_[0])


def test_a_class_of_labels_predicts_by_the_weights_it_was_given():
    X, y = classes("multiclass", seed=2)
    model = BackpropMLPClassifier((4,), max_iter=3, random_state=0).fit(X, y)
    model.coefs_[-1] = np.zeros((4, 3))
    model.intercepts_[-1] = [0, 0, 1]
    assert (model.predict(X) == model.classes_[2]).all()

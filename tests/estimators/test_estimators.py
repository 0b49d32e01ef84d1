"""Promises of both estimators beside the numbers of a training."""

import io
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from helpers.data import classes
from helpers.estimators import CASES, data, make
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_metabp import SGD, Adam, BackpropMLPClassifier, BackpropMLPRegressor
from sklearn_metabp.network import Network, ParameterLayout

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0].__name__[11:]} {case[1]}")
def case(request):
    return request.param


def test_coefs_and_intercepts_are_views_of_params(case):
    X, y = data(case[1])
    model = make(case).fit(X, y)
    for one in (model, pickle.loads(pickle.dumps(model)), clone(model).fit(X, y)):
        flat = np.concatenate([view.ravel() for view in (*one.coefs_, *one.intercepts_)])
        np.testing.assert_array_equal(flat, one.params_)
        assert all(np.shares_memory(view, one.params_) for view in (*one.coefs_, *one.intercepts_))
        n_outputs = one.n_outputs_
        assert [w.shape for w in one.coefs_] == [(4, 6), (6, n_outputs)]
        assert [b.shape for b in one.intercepts_] == [(6,), (n_outputs,)]
        before = one.predict(X) if case[0] is BackpropMLPRegressor else one.predict_proba(X)
        one.coefs_[1][...] = 0
        one.intercepts_[1][...] = 0
        after = one.predict(X) if case[0] is BackpropMLPRegressor else one.predict_proba(X)
        assert (before != after).any()
        np.testing.assert_array_equal(after, after[:1].repeat(len(X), axis=0))


def test_attributes_say_what_was_trained(case):
    X, y = data(case[1])
    model = make(case, hidden_layer_sizes=[5, 3], update_rule="sgd").fit(X, y)
    assert model.n_layers_ == 4
    assert model.n_features_in_ == 4
    assert model.layout_ == ParameterLayout((4, 5, 3, model.n_outputs_))
    assert isinstance(model.network_, Network)
    assert isinstance(model.update_rule_, SGD)
    assert model.update_rule == "sgd"
    assert model.loss_ == model.loss_curve_[-1]
    assert model.best_loss_ == min(model.loss_curve_)
    assert len(model.loss_curve_) == model.n_iter_ == 4


def test_unfitted_estimators_have_no_weights(case):
    model = make(case)
    X, _ = data(case[1])
    for name in ("coefs_", "intercepts_", "params_", "n_iter_"):
        assert not hasattr(model, name)
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_training_starts_where_coef_init_and_intercept_init_say(case):
    X, y = data(case[1])
    start = make(case, random_state=8).fit(X, y)
    coefs, intercepts = [w.copy() for w in start.coefs_], [b.copy() for b in start.intercepts_]
    still = SGD(1e-300)
    model = make(case, update_rule=still).fit(X, y, coef_init=coefs, intercept_init=intercepts)
    np.testing.assert_array_equal(model.params_, start.params_)
    drawn = make(case, update_rule=still).fit(X, y)
    half = make(case, update_rule=still).fit(X, y, coef_init=[w.tolist() for w in coefs])
    for layer in range(2):
        np.testing.assert_array_equal(half.coefs_[layer], coefs[layer])
        np.testing.assert_array_equal(half.intercepts_[layer], drawn.intercepts_[layer])
    half = make(case, update_rule=still).fit(X, y, intercept_init=intercepts)
    for layer in range(2):
        np.testing.assert_array_equal(half.coefs_[layer], drawn.coefs_[layer])
        np.testing.assert_array_equal(half.intercepts_[layer], intercepts[layer])
    trained = make(case).fit(X, y, coef_init=coefs, intercept_init=intercepts)
    assert (trained.params_ != start.params_).any()
    np.testing.assert_array_equal(coefs[0], start.coefs_[0])  # what was given is not changed


def test_starts_that_do_not_fit_are_refused(case):
    X, y = data(case[1])
    model = make(case).fit(X, y)
    coefs, intercepts = model.coefs_, model.intercepts_
    with pytest.raises(ValueError, match=r"must have the shapes \[\(4, 6\)"):
        make(case).fit(X, y, coef_init=coefs[:1])
    with pytest.raises(ValueError, match="must have the shapes"):
        make(case).fit(X, y, intercept_init=intercepts[::-1])
    with pytest.raises(ValueError, match="must be finite"):
        make(case).fit(X, y, coef_init=[np.full_like(w, np.nan) for w in coefs])
    with pytest.raises(ValueError, match="or leave them out"):
        model.set_params(warm_start=True).fit(X, y, coef_init=coefs)


def test_batch_sizes(case):
    X, y = data(case[1], n=230)
    auto, two_hundred, full, single = (
        make(case, max_iter=2, batch_size=size).fit(X, y) for size in ("auto", 200, "full", 1)
    )
    np.testing.assert_array_equal(auto.params_, two_hundred.params_)
    assert [model._training_state.n_steps for model in (auto, full, single)] == [4, 2, 460]
    with pytest.warns(UserWarning, match="batch_size=500 is larger than the 230 samples"):
        large = make(case, max_iter=2, batch_size=500).fit(X, y)
    np.testing.assert_array_equal(large.params_, full.params_)
    few, few_y = X[:50], y[:50]
    np.testing.assert_array_equal(
        make(case, batch_size="auto").fit(few, few_y).params_,
        make(case, batch_size="full").fit(few, few_y).params_,
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float32_stays_float32(case, dtype):
    X, y = data(case[1])
    model = make(case).fit(X.astype(dtype), y)
    assert model.params_.dtype == model.layout_.dtype == dtype
    outputs = model.predict(X) if case[0] is BackpropMLPRegressor else model.predict_proba(X)
    assert outputs.dtype == dtype
    model.set_params(warm_start=True).fit(X, y)  # goes on in what it began with
    assert model.params_.dtype == dtype


def test_integers_and_lists_are_taken(case):
    X, y = data(case[1])
    X = np.rint(3 * X).astype(int)
    expected = make(case).fit(X.astype(float), y).params_
    np.testing.assert_array_equal(make(case).fit(X, y).params_, expected)
    np.testing.assert_array_equal(make(case).fit(X.tolist(), y.tolist()).params_, expected)
    np.testing.assert_array_equal(make(case).fit(np.asfortranarray(X), y).params_, expected)


def test_feature_names_are_kept(case):
    X, y = data(case[1])
    frame = pd.DataFrame(X, columns=[*"abcd"])
    model = make(case).fit(frame, y)
    assert list(model.feature_names_in_) == [*"abcd"]
    np.testing.assert_array_equal(model.predict(frame), make(case).fit(X, y).predict(X))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[[*"dcba"]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X)


def test_models_pickle_and_dump(case, tmp_path):
    X, y = data(case[1])
    model = make(case, update_rule=SGD(0.1, 0.9)).fit(X, y)
    joblib.dump(model, tmp_path / "model.joblib")
    buffer = io.BytesIO()
    pickle.dump(model, buffer)
    buffer.seek(0)
    for copy in (pickle.load(buffer), joblib.load(tmp_path / "model.joblib")):
        np.testing.assert_array_equal(copy.params_, model.params_)
        np.testing.assert_array_equal(copy.predict(X), model.predict(X))
        assert copy.loss_curve_ == model.loss_curve_
        assert copy.get_params().keys() == model.get_params().keys()
    np.testing.assert_array_equal(copy.partial_fit(X, y).params_, model.partial_fit(X, y).params_)


def test_clones_are_unfitted_and_train_alike(case):
    X, y = data(case[1])
    model = make(case, update_rule=SGD(0.1, 0.9)).fit(X, y)
    copy = clone(model)
    assert not hasattr(copy, "params_")
    assert copy.update_rule is not model.update_rule
    np.testing.assert_array_equal(copy.fit(X, y).params_, model.params_)


def test_nested_parameters_reach_the_rule(case):
    model = make(case, update_rule=SGD(0.1))
    assert model.get_params()["update_rule__learning_rate"] == 0.1
    model.set_params(update_rule__learning_rate=0.5, update_rule__momentum=0.25)
    assert (model.update_rule.learning_rate, model.update_rule.momentum) == (0.5, 0.25)


def test_names_rules_and_frozen_rules_train_alike(case):
    X, y = data(case[1])
    expected = make(case, update_rule="adam").fit(X, y).params_
    for rule in (Adam(), FrozenEstimator(Adam())):
        np.testing.assert_array_equal(make(case, update_rule=rule).fit(X, y).params_, expected)


def test_a_pipeline_scales_and_trains(case):
    X, y = data(case[1])
    pipeline = make_pipeline(StandardScaler(), make(case, max_iter=30, update_rule=Adam(0.01)))
    shifted = 100 + 10 * X
    assert pipeline.fit(shifted, y).score(shifted, y) > 0.3
    scaled = StandardScaler().fit_transform(shifted)
    np.testing.assert_array_equal(pipeline[-1].params_, clone(pipeline[-1]).fit(scaled, y).params_)


def test_a_search_goes_over_rules_and_their_parameters(case):
    X, y = data(case[1], n=90)
    rules = [SGD(0.1), Adam(0.01)]
    search = GridSearchCV(
        make(case), {"update_rule": rules, "hidden_layer_sizes": [(3,), (5, 4)]}, cv=3
    )
    search.fit(X, y)
    assert len(search.cv_results_["params"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.update_rule_.get_params() in [rule.get_params() for rule in rules]

    grid = {"update_rule__learning_rate": [1e-9, 0.05]}
    model = make(case, update_rule=SGD(), max_iter=30, batch_size=8)
    search = GridSearchCV(model, grid, cv=3).fit(X, y)
    assert search.best_params_ == {"update_rule__learning_rate": 0.05}
    one_by_one = cross_val_score(
        clone(model).set_params(update_rule__learning_rate=0.05), X, y, cv=3
    )
    assert search.best_score_ == one_by_one.mean()
    assert model.update_rule.learning_rate == 0.01


def test_sample_weights_count_as_repetitions(case):
    X, y = data(case[1])
    counts = np.arange(len(X)) % 4
    setting = {"batch_size": "full", "shuffle": False, "max_iter": 10, "update_rule": SGD(0.1)}
    weighted = make(case, **setting).fit(X, y, counts)
    repeated = make(case, **setting).fit(X.repeat(counts, axis=0), y.repeat(counts, axis=0))
    np.testing.assert_allclose(weighted.params_, repeated.params_, rtol=1e-9)


BAD = {
    "a float size": (
        {"hidden_layer_sizes": (10, 2.5)},
        {},
        r"got 2\.5 at position 1 of \(10, 2\.5\)",
    ),
    "a whole float": (
        {"hidden_layer_sizes": [3.0]},
        {},
        r"must be integers of 1 or more.*got 3\.0",
    ),
    "a float for all": ({"hidden_layer_sizes": 10.5}, {}, "hidden_layer_sizes"),
    "no neuron": ({"hidden_layer_sizes": (4, 0)}, {}, "got 0 at position 1"),
    "a negative size": ({"hidden_layer_sizes": -3}, {}, "hidden_layer_sizes"),
    "a truth": ({"hidden_layer_sizes": (True,)}, {}, "got True at position 0"),
    "a word": ({"hidden_layer_sizes": ("ten",)}, {}, "got 'ten'"),
    "an unknown activation": ({"activation": "sine"}, {}, "'activation' parameter"),
    "softmax inside": ({"activation": "softmax"}, {}, "'activation' parameter"),
    "an unknown loss": ({"loss": "hinge"}, {}, "'loss' parameter"),
    "an unknown output": ({"out_activation": "relu"}, {}, "'out_activation' parameter"),
    "an unknown rule": ({"update_rule": "adamant"}, {}, "update_rule must be one of .*'adamant'"),
    "a class": ({"update_rule": SGD}, {}, "add parentheses"),
    "no rule": ({"update_rule": None}, {}, "instance of UpdateRule, got None"),
    "a negative alpha": ({"alpha": -1e-9}, {}, "'alpha' parameter"),
    "no rows a batch": ({"batch_size": 0}, {}, "'batch_size' parameter"),
    "an unknown batch": ({"batch_size": "half"}, {}, "'batch_size' parameter"),
    "no epochs": ({"max_iter": 0}, {}, "'max_iter' parameter"),
    "half an epoch": ({"max_iter": 1.5}, {}, "'max_iter' parameter"),
    "a negative tolerance": ({"tol": -1.0}, {}, "'tol' parameter"),
    "no patience": ({"n_iter_no_change": 0}, {}, "'n_iter_no_change' parameter"),
    "a negative weight": (
        {},
        {"sample_weight": -np.ones(60)},
        "[Nn]egative values in .*sample_weight",
    ),
    "no weight at all": ({}, {"sample_weight": np.zeros(60)}, "at least one non-zero"),
    "too few weights": ({}, {"sample_weight": np.ones(59)}, "sample_weight.shape"),
    "a weight of NaN": ({}, {"sample_weight": np.full(60, np.nan)}, "NaN"),
}


@pytest.mark.parametrize(("setting", "given", "message"), BAD.values(), ids=BAD)
def test_bad_parameters_say_what_is_wrong(case, setting, given, message):
    X, y = data(case[1])
    model = make(case, **setting)
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(X, y, **given)
    assert not hasattr(model, "params_")
    assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_data_that_is_not_finite_is_refused(case, value):
    X, y = data(case[1])
    X[3, 1] = value
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        make(case).fit(X, y)


def test_a_nested_parameter_makes_a_rule_of_a_name():
    X, y = classes("binary")
    model = BackpropMLPClassifier(max_iter=2).set_params(update_rule__learning_rate=0.1)
    assert repr(model.update_rule) == "Adam(learning_rate=0.1)"
    model.set_params(update_rule="sgd", update_rule__momentum=0.9)
    assert repr(clone(model).update_rule) == "SGD(momentum=0.9)"
    with pytest.raises(ValueError, match="update_rule must be one of"):
        model.set_params(update_rule="adamant", update_rule__momentum=0.9)
    with pytest.raises(ValueError, match="Invalid parameter 'speed'"):
        BackpropMLPClassifier().set_params(update_rule__speed=1)
    grid = {"update_rule": ["adam", "sgd"], "update_rule__learning_rate": [0.01, 0.1]}
    search = GridSearchCV(BackpropMLPClassifier(max_iter=2, random_state=0), grid, cv=2).fit(X, y)
    assert (
        search.best_estimator_.update_rule.learning_rate
        == search.best_params_["update_rule__learning_rate"]
    )
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()

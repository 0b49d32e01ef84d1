"""Weights of the validation rows, and errors about validation rows that do not fit."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from helpers.data import classes, numbers
from sklearn.compose import make_column_transformer
from sklearn.metrics import accuracy_score, log_loss, make_scorer, r2_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_metabp import BackpropMLPClassifier, BackpropMLPRegressor, Checkpoint, HistoryLogger

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

KINDS = ["binary", "multiclass", "multilabel", "columns", "numbers"]


def rows(kind, seed=0):
    """An estimator, rows to train on, rows to validate on and weights of these."""
    if kind == "numbers":
        X, y = numbers(2, n=120, seed=seed)
    elif kind == "columns":
        X, y = classes("strings", n=120, seed=seed)
        y = np.column_stack([y, np.where(X[:, 0] > 0, "p", "q")])
    else:
        X, y = classes(kind, n=120, seed=seed)
    make = BackpropMLPRegressor if kind == "numbers" else BackpropMLPClassifier
    weight = np.random.default_rng(seed).integers(0, 4, 40).astype(float)
    return make((6,), max_iter=4, random_state=1), (X[:80], y[:80]), (X[80:], y[80:]), weight


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_of_a_validation_row_is_a_number_of_such_rows(kind, call):
    model, training, (X_val, y_val), weight = rows(kind)
    repeated = np.repeat(np.arange(40), weight.astype(int))
    classes = (
        {}
        if call == "fit" or kind in ("numbers", "multilabel")
        else {"classes": _classes(training[1])}
    )
    weighted = getattr(model, call)(
        *training, X_val=X_val, y_val=y_val, sample_weight_val=weight, **classes
    )
    scores, losses = weighted.validation_scores_, weighted.validation_loss_curve_
    model = type(model)(**model.get_params())
    model = getattr(model, call)(*training, X_val=X_val[repeated], y_val=y_val[repeated], **classes)
    np.testing.assert_allclose(losses, model.validation_loss_curve_, rtol=1e-12)
    np.testing.assert_allclose(scores, model.validation_scores_, rtol=1e-12)
    np.testing.assert_allclose(scores[-1], model.score(X_val, y_val, weight), rtol=1e-12)
    np.testing.assert_array_equal(weighted.params_, model.params_)


def _classes(y):
    return np.unique(y) if y.ndim == 1 else [np.unique(column) for column in y.T]


def test_the_score_that_stops_a_training_is_weighted_as_the_training_is():
    """Rows of weight 0 are as good as absent: in training, in the score and for the best epoch."""
    model, (X, y), (X_val, y_val), weight = rows("multiclass", seed=3)
    here = weight > 0
    model.set_params(early_stopping=True, max_iter=60, n_iter_no_change=5, tol=0)
    weighted = model.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight).params_
    alone = model.fit(
        X, y, X_val=X_val[here], y_val=y_val[here], sample_weight_val=weight[here]
    ).params_
    np.testing.assert_array_equal(weighted, alone)


@pytest.mark.parametrize(
    ("scoring", "expected"),
    [
        (
            "neg_log_loss",
            lambda y, model, X, w: -log_loss(y, model.predict_proba(X), sample_weight=w),
        ),
        ("accuracy", lambda y, model, X, w: accuracy_score(y, model.predict(X), sample_weight=w)),
        (
            make_scorer(accuracy_score),
            lambda y, model, X, w: np.average(model.predict(X) == y, weights=w),
        ),
        (lambda model, X, y: model.score(X, y), lambda y, model, X, w: model.score(X, y)),
    ],
    ids=["probabilities", "labels", "made", "without weights"],
)
def test_a_scorer_that_takes_weights_gets_them(scoring, expected):
    model, training, (X_val, y_val), weight = rows("multiclass")
    model.set_params(scoring=scoring).fit(
        *training, X_val=X_val, y_val=y_val, sample_weight_val=weight
    )
    assert model.validation_scores_[-1] == pytest.approx(expected(y_val, model, X_val, weight))


def test_class_weights_do_not_weigh_the_validation():
    model, training, (X_val, y_val), _ = rows("binary")
    model.set_params(class_weight={1: 7.0}).fit(*training, X_val=X_val, y_val=y_val)
    assert model.validation_scores_[-1] == model.score(X_val, y_val)
    assert model.validation_loss_curve_[-1] == pytest.approx(
        log_loss(y_val, model.predict_proba(X_val))
    )


def test_other_weights_are_another_validation():
    """The best score is the best under the weights as they are now."""
    model, training, (X_val, y_val), weight = rows("numbers")
    model.set_params(warm_start=True, early_stopping=True)
    model.fit(*training, X_val=X_val, y_val=y_val)
    model.fit(*training, X_val=X_val, y_val=y_val, sample_weight_val=weight)
    assert model.best_validation_score_ == max(model.validation_scores_[4:])
    before = model.best_validation_score_
    model.fit(*training, X_val=X_val, y_val=y_val, sample_weight_val=weight)
    assert model.best_validation_score_ >= before


def test_callbacks_see_the_weighted_validation(tmp_path):
    model, training, (X_val, y_val), weight = rows("numbers")
    history = HistoryLogger()
    model.set_callbacks(Checkpoint(tmp_path), history)
    given = {"X_val": X_val, "y_val": y_val}
    model.fit(*training, **given)
    unweighted = model.validation_scores_
    model.fit(
        *training, **given, sample_weight_val=weight
    )  # another training, not the one that was saved
    assert model.validation_scores_ != unweighted
    expected = r2_score(y_val, model.predict(X_val), sample_weight=weight)
    assert model.validation_scores_[-1] == pytest.approx(expected)
    assert history.history_[-1]["validation_score"] == model.validation_scores_[-1]


def test_metadata_routing_brings_the_weights():
    model, (X, y), (X_val, y_val), weight = rows("multiclass")
    with sklearn.config_context(enable_metadata_routing=True):
        model.set_fit_request(X_val=True, y_val=True, sample_weight_val="weight_val")
        pipeline = Pipeline(
            [("scale", StandardScaler()), ("mlp", model)], transform_input=["X_val"]
        )
        pipeline.fit(X, y, X_val=X_val, y_val=y_val, weight_val=weight)
        BackpropMLPRegressor().set_partial_fit_request(sample_weight_val=True)
    model = pipeline["mlp"]
    expected = model.score(pipeline[:-1].transform(X_val), y_val, weight)
    assert model.validation_scores_[-1] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"^sample_weight_val has the weights of the rows of X_val and y_val: pass these too"),
        (
            {"sample_weight_val": [1.0]},
            r"sample_weight_val\): sample_weight\.shape == \(1,\), expected \(40,\)",
        ),
        ({"sample_weight_val": -np.ones(40)}, r"sample_weight_val\): Negative values"),
        ({"sample_weight_val": np.full(40, np.nan)}, r"sample_weight_val\): .*contains NaN"),
        (
            {"sample_weight_val": np.zeros(40)},
            r"sample_weight_val\): .*at least one non-zero number",
        ),
        (
            {"sample_weight_val": np.full(40, 1e308)},
            r"^sample_weight_val: .* add up to more than float64",
        ),
        (
            {"y_val": np.arange(39.0)},
            r"^Validation rows \(X_val, y_val, sample_weight_val\): .*inconsistent",
        ),
        ({"y_val": np.full(40, np.nan)}, r"^Validation rows .*: Input y contains NaN"),
    ],
    ids=range(8),
)
@pytest.mark.parametrize("call", ["fit", "partial_fit"])
def test_weights_and_labels_that_do_not_fit_are_named(call, given, message):
    model, training, (X_val, y_val), _ = rows("numbers")
    y_val = y_val[:, 0]
    rows_given = {"X_val": X_val, "y_val": y_val} if given else {"sample_weight_val": np.ones(40)}
    with pytest.raises(ValueError, match=message) as caught:
        getattr(model, call)(training[0], training[1][:, 0], **(rows_given | given))
    assert "Pipeline" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:X has feature names")
@pytest.mark.parametrize(
    ("X_val", "message"),
    [
        (pd.DataFrame({"a": ["x", "y"] * 20, "b": 1.0}), r"could not convert string to float: 'x'"),
        (np.zeros((40, 7)), r"X has 7 features"),
        (np.full((40, 4), np.nan), r"Input X contains NaN"),
        (
            pd.DataFrame({"a": pd.Categorical(["x", "y"] * 20)}),
            r"could not convert string to float",
        ),
        (np.array([["1", "b", "c", "d"]] * 40, dtype=object), r"could not convert string to float"),
    ],
    ids=["words", "other columns", "missing values", "categories", "objects"],
)
def test_X_val_that_a_pipeline_did_not_transform_is_an_error_that_names_it(X_val, message):
    model, training, (_, y_val), _ = rows("multiclass")
    with pytest.raises(ValueError, match=r"^X_val: " + message) as caught:
        model.fit(*training, X_val=X_val, y_val=y_val)
    assert str(caught.value).endswith('Pipeline(..., transform_input=["X_val"]).')


@pytest.mark.filterwarnings("ignore:X has feature names")
def test_the_advice_on_a_pipeline_works():
    _, y = classes("binary", n=80)
    X = pd.DataFrame({"word": np.array(["a", "b"])[y], "number": np.arange(80.0)})
    model = BackpropMLPClassifier((4,), max_iter=2)
    columns = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["word"]), remainder="passthrough"
    )
    steps = [("columns", columns), ("mlp", model)]
    given = {"X_val": X[60:], "y_val": y[60:]}
    with sklearn.config_context(enable_metadata_routing=True):
        model.set_fit_request(X_val=True, y_val=True)
        with pytest.raises(ValueError, match=r"^X_val: [\s\S]*transform_input"):
            Pipeline(steps).fit(X[:60], y[:60], **given)
        Pipeline(steps, transform_input=["X_val"]).fit(X[:60], y[:60], **given)


def test_a_frame_of_numbers_that_a_pipeline_did_not_scale_is_warned_of():
    X, y = classes("binary", n=80)
    X = pd.DataFrame(X * 100, columns=list("abcd"))
    with sklearn.config_context(enable_metadata_routing=True):
        model = BackpropMLPClassifier((4,), max_iter=2).set_fit_request(X_val=True, y_val=True)
        steps = [("scale", StandardScaler()), ("mlp", model)]
        with (
            pytest.warns(UserWarning, match="X has feature names"),
            pytest.warns(
                UserWarning, match=r"^X_val has feature names, but X has none\. .*transform_input"
            ),
        ):
            Pipeline(steps).fit(X, y, X_val=X, y_val=y)
        Pipeline(steps, transform_input=["X_val"]).fit(X, y, X_val=X, y_val=y)


def test_weights_that_do_not_fit_the_dtype_of_X_are_named():
    model, (X, y), (X_val, y_val), _ = rows("numbers")
    with pytest.raises(ValueError, match=r"^sample_weight_val: .* more than float32"):
        model.fit(
            X.astype(np.float32), y, X_val=X_val, y_val=y_val, sample_weight_val=np.full(40, 1e38)
        )

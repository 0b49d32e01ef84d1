"""The estimators for tables, held to their parts put together by hand."""

import pickle

import numpy as np
import pandas as pd
import pytest
from helpers.tables import labels_of, make_table, quick_classifier, quick_regressor
from scipy.special import expit, logit
from sklearn.base import clone
from sklearn.ensemble import BaggingRegressor
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_metabp import (
    Adam,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    HistoryLogger,
    PeriodicEmbedding,
    TablePreprocessor,
    TabularMLPClassifier,
    TabularMLPRegressor,
    TraceRecorder,
)
from sklearn_metabp.tabular.brier import negative_brier_score
from sklearn_metabp.tabular.recipe import count_epochs

SEEDS = (0, 1)
RANDOM_ROWS = {
    "check_sample_weight_equivalence_on_dense_data": (
        "the validation rows are drawn from the rows as they are given, so other rows are drawn "
        "when one is given twice"
    )
}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@parametrize_with_checks(
    [quick_classifier(), quick_regressor(max_iter=60)],
    expected_failed_checks=lambda estimator: RANDOM_ROWS,
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_classifier_is_its_parts_put_together(seed):
    frame, score = make_table(seed=seed)
    y = labels_of(score)
    model = quick_classifier(random_state=seed).fit(frame, y)
    preprocessor = TablePreprocessor().fit(frame)
    network = BackpropMLPClassifier(
        (16,),
        "elu",
        numeric_embedding=PeriodicEmbedding(columns=slice(0, preprocessor.n_numeric_)),
        update_rule=model.network.update_rule,
        alpha=0.0,
        batch_size="full",
        max_iter=30,
        n_iter_no_change=np.inf,
        early_stopping=True,
        validation_fraction=0.2,
        tied_epochs="last",
        label_smoothing=0.03,
        scoring=negative_brier_score,
        calibration="temperature",
        random_state=seed,
    ).fit(preprocessor.transform(frame), y)
    expected = network.predict_proba(preprocessor.transform(frame))
    assert (model.predict_proba(frame) == expected).all()
    assert model.classes_.tolist() == ["cheap", "dear"]
    assert model.loss_curve_ == network.loss_curve_
    assert model.validation_scores_[model.best_epoch_ - 1] == max(model.validation_scores_)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_regressor_scales_its_targets(seed, weighted):
    frame, score = make_table(seed=seed)
    y = 1e6 + 1e3 * score
    weight = np.random.default_rng(seed).uniform(0.5, 2, len(y)) if weighted else None
    model = quick_regressor(random_state=seed).fit(frame, y, weight)
    mean = np.average(y, weights=weight)
    deviation = np.sqrt(np.average((y - mean) ** 2, weights=weight))
    np.testing.assert_allclose([model.target_mean_, model.target_scale_], [mean, deviation])
    inputs = TablePreprocessor().fit_transform(frame)
    raw = model.network_.predict(inputs).astype(float)
    expected = np.clip(mean + deviation * raw, y.min(), y.max())
    np.testing.assert_allclose(model.predict(frame), expected, rtol=1e-12)
    assert model.score(frame, y) > 0.8
    model.set_params(clip_predictions=False)
    np.testing.assert_allclose(model.predict(frame), mean + deviation * raw, rtol=1e-12)


def test_a_regressor_embeds_the_numbers_of_the_table_alone():
    frame, score = make_table()
    model = quick_regressor().fit(frame, score)
    n_numeric = model.preprocessor_.n_numeric_
    assert 0 < n_numeric < model.network_.n_features_in_
    assert len(model.network_.extras_["embedding_frequencies_"]) == n_numeric
    assert model.network_.extras_["input_scales_"].shape == (model.network_.n_features_in_,)
    unset = TabularMLPRegressor(max_iter=2).set_params(network__hidden_layer_sizes=(4,))
    for options in ({}, {"network__numeric_embedding": "periodic"}):
        fitted = clone(unset).set_params(**options).fit(frame, score)
        assert len(fitted.network_.extras_["embedding_frequencies_"]) == n_numeric
    assert unset.network.numeric_embedding.columns is None


def test_a_learned_rule_trains_a_network_without_extras():
    frame, score = make_table()
    model = TabularMLPRegressor(update_rule="learned", max_iter=20, random_state=0)
    assert model.fit(frame, score).score(frame, score) > 0.5
    assert not model.network_.extras_
    model.set_params(network__hidden_layer_sizes=(4,))
    with pytest.raises(ValueError, match="a learned rule updates weights and biases alone"):
        model.fit(frame, score)


def test_a_regressor_takes_a_table_without_numbers():
    frame, score = make_table()
    words = frame.select_dtypes(exclude="number")
    model = quick_regressor().fit(words, score)
    assert list(model.network_.extras_) == ["input_scales_"]
    assert np.isfinite(model.predict(words)).all()


def test_several_columns_to_predict():
    frame, score = make_table()
    y = np.column_stack([score, 1000 + 50 * score])
    model = quick_regressor().fit(frame, y)
    assert model.predict(frame).shape == y.shape
    np.testing.assert_allclose(model.target_mean_, y.mean(axis=0))
    multilabel = (y > y.mean(axis=0)).astype(int)
    many = quick_classifier().fit(frame, multilabel)
    assert many.predict(frame).shape == y.shape
    columns = np.column_stack([labels_of(score), frame["district"].astype("str").fillna("-")])
    several = quick_classifier().fit(frame, columns)
    assert [p.shape[1] for p in several.predict_proba(frame)] == [2, 4]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_brier_score_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    X, weight = rng.normal(size=(60, 3)), rng.uniform(0.5, 2, 60)
    for y in (rng.choice(["a", "b", "c"], 60), rng.choice([3, 7], 60)):
        model = BackpropMLPClassifier((4,), max_iter=5, random_state=0).fit(X, y)
        expected = brier_score_loss(
            y, model.predict_proba(X), labels=model.classes_, scale_by_half=False,
            sample_weight=weight,
        )  # fmt: skip
        np.testing.assert_allclose(-negative_brier_score(model, X, y, weight), expected)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_temperature_is_the_best_one_for_the_validation_rows(n_classes):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    y = np.digitize(X[:, 0] + rng.normal(size=300), [0.0, 1.0][: n_classes - 1])
    parameters = {"max_iter": 60, "n_iter_no_change": np.inf, "random_state": 0}
    rows = {"X_val": X[200:], "y_val": y[200:]}
    plain = BackpropMLPClassifier((30,), **parameters).fit(X[:200], y[:200], **rows)
    model = BackpropMLPClassifier((30,), calibration="temperature", **parameters)
    model.fit(X[:200], y[:200], **rows)

    def cost(temperature):
        chances = plain.predict_proba(X[200:])
        scaled = np.log(chances) / temperature
        chances = np.exp(scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True))
        return 100 * log_loss(y[200:], chances) + 5 * np.log(temperature) ** 2

    costs = [cost(model.temperature_ * factor) for factor in (0.99, 1.0, 1.01)]
    assert min(costs) == costs[1]
    assert abs(np.log(model.temperature_)) > 0.2
    assert (model.predict(X) == plain.predict(X)).all()
    np.testing.assert_allclose(model.coefs_[-1], plain.coefs_[-1] / model.temperature_)
    assert (model.coefs_[0] == plain.coefs_[0]).all()
    given = clone(model).set_params(calibration=2.0).fit(X[:200], y[:200])
    if n_classes == 2:
        np.testing.assert_allclose(
            given.predict_proba(X)[:, 1], expit(logit(plain.predict_proba(X)[:, 1]) / 2)
        )


def test_calibration_needs_rows_and_probabilities():
    X, y = np.arange(20.0)[:, None], np.arange(20) % 2
    with pytest.raises(ValueError, match="needs validation rows: set early_stopping=True"):
        BackpropMLPClassifier(calibration="temperature", max_iter=2).fit(X, y)
    with pytest.raises(ValueError, match="needs loss='log_loss'"):
        BackpropMLPClassifier(calibration=2.0, loss="squared_error", max_iter=2).fit(X, y)


def test_the_last_of_tied_epochs_can_be_kept():
    X, y = np.arange(40.0)[:, None] / 20 - 1, (np.arange(40) >= 20).astype(int)
    parameters = {"early_stopping": True, "max_iter": 60, "n_iter_no_change": np.inf}
    models = [
        BackpropMLPClassifier(
            (5,), update_rule=Adam(0.05), tied_epochs=which, random_state=0, **parameters
        ).fit(X, y)
        for which in ("first", "last")
    ]
    first, last = models
    assert first.validation_scores_ == last.validation_scores_
    best = np.flatnonzero(np.array(first.validation_scores_) == 1.0) + 1
    assert (first.best_epoch_, last.best_epoch_) == (best[0], best[-1])
    for model in models:
        of_best = BackpropMLPClassifier(
            (5,), update_rule=Adam(0.05), random_state=0, **parameters | {"max_iter": best[-1]}
        )
        of_best.set_params(tied_epochs="last", max_iter=int(model.best_epoch_)).fit(X, y)
        assert (of_best.params_ == model.params_).all()


@pytest.mark.parametrize("n_members", [1, 2])
def test_refit_trains_on_all_rows_up_to_the_best_epoch(n_members):
    frame, score = make_table()
    y = labels_of(score)
    model = quick_classifier(refit=True, n_members=n_members).fit(frame, y)
    before = quick_classifier(n_members=n_members).fit(frame, y)
    assert (model.validated_network_.predict_proba(model.preprocessor_.transform(frame))
            == before.predict_proba(frame)).all()  # fmt: skip
    networks = [model.network_] if n_members == 1 else model.network_.members_
    firsts = [before.network_] if n_members == 1 else before.network_.members_
    inputs = model.preprocessor_.transform(frame)
    for network, first in zip(networks, firsts, strict=True):
        assert network.n_iter_ == first.best_epoch_
        assert network.t_ == first.best_epoch_ * len(frame)
        assert network.temperature_ == first.temperature_
        assert np.isfinite(network.predict_proba(inputs)).all()
    assert (model.predict_proba(frame) != before.predict_proba(frame)).any()


def test_given_validation_rows_choose_the_epoch():
    frame, score = make_table()
    y, later = labels_of(score), make_table(seed=5)
    model = quick_classifier().fit(frame, y, X_val=later[0], y_val=labels_of(later[1]))
    truth = labels_of(later[1]) == "dear"
    chances = model.network_.validation_scores_
    found = model.validation_scores_[model.best_epoch_ - 1]
    assert found == max(chances)
    inputs = model.preprocessor_.transform(later[0])
    sharp = expit(logit(model.network_.predict_proba(inputs)[:, 1]) * model.network_.temperature_)
    np.testing.assert_allclose(found, -2 * np.mean((sharp - truth) ** 2), rtol=1e-3)
    with pytest.raises(ValueError, match=r"X_val: .*feature names"):
        model.fit(frame, y, X_val=later[0].rename(columns={"size": "s"}), y_val=y)


def test_class_weights_multiply_those_of_rows():
    frame, score = make_table()
    y, weight = labels_of(score), np.random.default_rng(0).uniform(0.5, 2, len(score))
    model = quick_classifier(class_weight={"dear": 3.0}).fit(frame, y, weight)
    other = quick_classifier().fit(frame, y, weight * np.where(y == "dear", 3.0, 1.0))
    assert (model.predict_proba(frame) == other.predict_proba(frame)).all()


def test_the_update_rule_can_be_replaced():
    frame, score = make_table()
    model = TabularMLPClassifier(update_rule="learned", max_iter=3, random_state=0)
    model.fit(frame, labels_of(score))
    assert type(model.network_.update_rule_).__name__ == "LearnedUpdateRule"
    assert quick_classifier(update_rule=Adam(0.01)).fit(frame, labels_of(score)).score(
        frame, labels_of(score)
    ) > 0.8  # fmt: skip


def test_parameters_of_the_parts_are_reached_without_giving_them():
    frame, score = make_table()
    grid = {"network__hidden_layer_sizes": [(4,), (8, 8)], "preprocessor__min_frequency": [2]}
    search = GridSearchCV(TabularMLPClassifier(max_iter=5, random_state=0), grid, cv=2)
    search.fit(frame, labels_of(score))
    assert len(search.best_estimator_.network_.coefs_) in (2, 3)
    assert search.best_estimator_.preprocessor_.min_frequency == 2
    assert TabularMLPClassifier().network is None


def test_other_preprocessors_and_networks():
    frame, score = make_table(gaps=0)
    preprocessor = FunctionTransformer(lambda X: X[["size", "rooms"]].to_numpy(float))
    network = BackpropMLPRegressor((8,), update_rule="adam", batch_size=32)
    model = TabularMLPRegressor(
        preprocessor=make_pipeline(preprocessor, StandardScaler()),
        network=network,
        max_iter=5,
        random_state=0,
    ).fit(frame, score)
    assert model.network_.layout_.layer_sizes == (2, 8, 1)
    with pytest.raises(ValueError, match="exp outputs of the network are between 0 and inf"):
        TabularMLPRegressor(network=BackpropMLPRegressor(loss="poisson")).fit(frame, score**2)
    poisson = TabularMLPRegressor(
        network=BackpropMLPRegressor((8,), loss="poisson"), scale_target=False, max_iter=3
    ).fit(frame, score**2)
    assert poisson.predict(frame).min() >= 0


def test_callbacks_see_the_network_and_leave_it():
    frame, score = make_table()
    recorder, history = TraceRecorder(), HistoryLogger()
    model = quick_classifier(max_iter=4).set_callbacks(recorder, history)
    model.fit(frame, labels_of(score))
    assert len(recorder.trace_) == 4  # epochs of one batch
    assert recorder.trace_.params.shape[1] == model.network_.layout_.n_params
    assert not hasattr(model.network_, "_skl_callbacks")
    without = quick_classifier(max_iter=4).fit(frame, labels_of(score))
    assert (without.predict_proba(frame) == model.predict_proba(frame)).all()


def test_a_search_with_a_progress_bar_sees_the_fits(capsys):
    callbacks = pytest.importorskip("sklearn.callback")
    pytest.importorskip("rich")
    frame, score = make_table(n_rows=60)
    model = quick_classifier(max_iter=2).set_callbacks(callbacks.ProgressBar())
    model.fit(frame, labels_of(score))
    assert "BackpropMLPClassifier" in capsys.readouterr().out


def test_pickles_clones_and_pipelines():
    frame, score = make_table()
    y = labels_of(score)
    model = quick_classifier(n_members=2).fit(frame, y)
    loaded = pickle.loads(pickle.dumps(model))
    assert (loaded.predict_proba(frame) == model.predict_proba(frame)).all()
    again = clone(model).fit(frame, y)
    assert (again.predict_proba(frame) == model.predict_proba(frame)).all()
    assert cross_val_score(make_pipeline("passthrough", model), frame, y, cv=2).min() > 0.8


def test_the_summary_and_the_html_show_the_parts():
    frame, score = make_table()
    model = quick_regressor(max_iter=3)
    assert "RobustSmoothClipper" not in str(model)
    html = model._repr_html_()
    assert "TablePreprocessor" in html and "BackpropMLPRegressor" in html
    text = str(model.fit(frame, score).summary())
    assert text.startswith("TabularMLPRegressor ")
    assert "6 columns, 15 inputs" in text


@pytest.mark.parametrize("kind", [TabularMLPClassifier, TabularMLPRegressor])
def test_errors_say_what_to_do(kind):
    frame, score = make_table()
    model = kind(max_iter=2)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(frame, np.where(score > 5, np.nan, score > 0))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(frame, np.arange(len(frame) - 1) % 2)
    with pytest.raises(ValueError, match="No column of X is left to learn from"):
        model.fit(np.ones((10, 2)), np.arange(10) % 2)
    with pytest.raises(ValueError, match="validation_fraction"):
        model.fit(frame[:4], np.arange(4) % 2)
    with pytest.raises(TypeError, match="network__dropout, a parameter of the network"):
        kind(dropout=0.5)
    for name in ("max_iter", "validation_fraction", "scoring", "n_members"):
        with pytest.raises(ValueError, match=f"Set {name} in place of network__{name}"):
            model.set_params(**{f"network__{name}": 1})
    assert model.network is None
    assert not hasattr(model, "preprocessor_")


def test_a_bagging_of_estimators_with_given_networks_sets_their_seeds():
    frame, score = make_table()
    model = TabularMLPRegressor(network=BackpropMLPRegressor((4,)), max_iter=2)
    bagging = BaggingRegressor(model, n_estimators=2, random_state=3).fit(frame, score)
    assert len({each.random_state for each in bagging.estimators_}) == 2


def test_predictions_need_the_columns_of_fit():
    frame, score = make_table()
    model = quick_classifier(max_iter=2).fit(frame, labels_of(score))
    assert model.feature_names_in_.tolist() == list(frame)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[list(frame)[::-1]])


def test_large_tables_have_fewer_epochs():
    epochs = [count_epochs(n) for n in (10, 3_000, 10_000, 10**6)]
    assert epochs == sorted(epochs, reverse=True)
    assert epochs[0] == 256
    frame, score = make_table()
    assert TabularMLPClassifier.default_network().early_stopping
    model = quick_classifier(max_iter=None).fit(
        pd.concat([frame] * 20), labels_of(np.tile(score, 20))
    )
    assert model.n_iter_ == count_epochs(20 * len(frame)) < 256

"""Early stopping, validation rows given by the user, scorers."""

import numpy as np
import pandas as pd
import pytest
from helpers.callbacks import Interruption
from helpers.data import classes, numbers
from scipy.sparse import csr_array
from sklearn.metrics import log_loss, r2_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor

from sklearn_metabp import SGD, Adam, BackpropMLPClassifier, BackpropMLPRegressor
from sklearn_metabp.training import loop

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["binary", "strings", "multilabel", "regression"])
def test_early_stopping_takes_scikit_learns_course(kind, weighted):
    """Check the same validation rows, scores and best weights. Both stratify only two classes."""
    seed = len(kind)
    X, y = numbers(n=200, seed=seed) if kind == "regression" else classes(kind, n=200, seed=seed)
    if kind == "strings":
        y = np.where(y == "ant", "ant", "other")
    weight = np.random.default_rng(seed).uniform(0.5, 2, len(X)) if weighted else None
    common = {
        "hidden_layer_sizes": (9,),
        "batch_size": 32,
        "early_stopping": True,
        "validation_fraction": 0.2,
        "max_iter": 200,
        "tol": 1e-3,
        "random_state": 5,
    }
    ours, theirs = (
        (BackpropMLPRegressor, MLPRegressor)
        if kind == "regression"
        else (BackpropMLPClassifier, MLPClassifier)
    )
    model = ours(update_rule=SGD(0.05, 0.9, nesterov=True), n_iter_no_change=6, **common)
    # Theirs waits for one epoch more than it says.
    reference = theirs(solver="sgd", learning_rate_init=0.05, n_iter_no_change=5, **common)
    model.fit(X, y, weight)
    reference.fit(X, y, weight)
    assert model.n_iter_ == reference.n_iter_ < 200
    np.testing.assert_allclose(model.validation_scores_, reference.validation_scores_, rtol=1e-9)
    np.testing.assert_allclose(model.loss_curve_, reference.loss_curve_, rtol=1e-9)
    assert model.best_validation_score_ == pytest.approx(reference.best_validation_score_)
    for a, b in zip(model.coefs_, reference.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "regression"])
def test_the_best_weights_are_those_of_the_best_epoch(kind):
    X, y = numbers(n=150, seed=1) if kind == "regression" else classes(kind, n=150, seed=1)
    estimator = BackpropMLPRegressor if kind == "regression" else BackpropMLPClassifier
    common = {
        "hidden_layer_sizes": (20,),
        "batch_size": 16,
        "update_rule": Adam(0.02),
        "random_state": 2,
    }
    validation = {"X_val": X[100:], "y_val": y[100:]}
    model = estimator(early_stopping=True, n_iter_no_change=8, **common).fit(
        X[:100], y[:100], **validation
    )
    best = int(np.argmax(model.validation_scores_)) + 1
    assert best < model.n_iter_ < 200
    until_best = estimator(max_iter=best, **common).fit(X[:100], y[:100])
    np.testing.assert_array_equal(model.params_, until_best.params_)
    assert (
        model.score(X[100:], y[100:])
        == model.best_validation_score_
        == max(model.validation_scores_)
    )


def test_validation_rows_are_not_trained_on():
    X, y = classes("multiclass", n=120)
    model = BackpropMLPClassifier((9,), random_state=0, max_iter=8)
    alone = model.fit(X[:80], y[:80]).params_.copy()
    watched = model.fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:])
    np.testing.assert_array_equal(watched.params_, alone)
    assert (
        len(watched.validation_scores_)
        == len(watched.validation_loss_curve_)
        == watched.n_iter_
        == 8
    )


def test_the_validation_loss_is_the_loss_of_those_rows():
    X, y = classes("multiclass", n=120)
    model = BackpropMLPClassifier((9,), alpha=1.0, random_state=0, max_iter=5)
    model.fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:])
    expected = log_loss(y[80:], model.predict_proba(X[80:]))
    assert model.validation_loss_curve_[-1] == pytest.approx(expected, rel=1e-12)
    X, y = numbers(3, n=120)
    model = BackpropMLPRegressor((9,), alpha=1.0, random_state=0, max_iter=5)
    model.fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:])
    expected = 0.5 * ((model.predict(X[80:]) - y[80:]) ** 2).sum(axis=1).mean()
    assert model.validation_loss_curve_[-1] == pytest.approx(expected, rel=1e-12)
    assert model.validation_scores_[-1] == pytest.approx(r2_score(y[80:], model.predict(X[80:])))


@pytest.mark.parametrize(
    "scoring", ["neg_log_loss", "f1_macro", lambda m, X, y: -m.predict_proba(X).max()]
)
def test_any_scorer_decides(scoring):
    X, y = classes("multiclass", n=150, seed=3)
    model = BackpropMLPClassifier((9,), scoring=scoring, early_stopping=True, random_state=0, tol=0)
    model.fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
    assert model.best_validation_score_ == max(model.validation_scores_)
    if scoring == "neg_log_loss":
        np.testing.assert_allclose(
            model.validation_scores_, -np.array(model.validation_loss_curve_)
        )


def test_a_scorer_gets_the_weights_of_the_rows():
    seen = []

    def scorer(model, X, y, sample_weight=None):
        seen.append(sample_weight)
        return 0.0

    X, y = numbers(n=50)
    weight = np.linspace(1, 2, 50)
    model = BackpropMLPRegressor(scoring=scorer, early_stopping=True, max_iter=2, random_state=0)
    model.fit(X, y, weight)
    assert len(seen) == 2
    assert set(seen[0]) <= set(weight)
    assert len(seen[0]) == 5


def test_a_scorer_that_takes_no_weights_gets_none():
    X, y = numbers(n=50)
    weight = np.linspace(1, 2, 50)
    for scoring in (lambda model, X, y: -np.abs(model.predict(X) - y).max(), "neg_max_error"):
        model = BackpropMLPRegressor(
            scoring=scoring, early_stopping=True, max_iter=2, random_state=0
        )
        assert len(model.fit(X, y, weight).validation_scores_) == 2


def test_the_error_of_a_scorer_that_fails_names_the_rows():
    X, y = classes("multiclass", n=60)
    for scoring in (lambda model, X, y: "high", lambda model, X, y: 1 / 0):
        with pytest.raises(ValueError, match="failed on the 6 validation rows"):
            BackpropMLPClassifier(scoring=scoring, early_stopping=True).fit(X, y)


def test_scorers_get_labels_dense():
    X, y = classes("multilabel", n=80)
    common = {
        "scoring": "average_precision",
        "early_stopping": True,
        "max_iter": 3,
        "random_state": 0,
    }
    dense = BackpropMLPClassifier(**common).fit(X, y)
    sparse = BackpropMLPClassifier(**common).fit(X, csr_array(y))
    assert sparse.validation_scores_ == dense.validation_scores_


def test_validation_rows_must_weigh_something():
    X, y = numbers(n=50)
    weight = np.zeros(50)
    weight[0] = 1
    model = BackpropMLPRegressor(early_stopping=True, random_state=0)
    with pytest.raises(ValueError, match=r"^sample_weight: no validation row has a weight above 0"):
        model.fit(X, y, weight)


def test_scores_that_are_all_nan_are_errors_that_say_so():
    X, y = numbers(n=50)
    model = BackpropMLPRegressor(max_iter=2)
    with pytest.warns(
        UserWarning, match="No score on the validation rows was above minus infinity"
    ):
        model.fit(X, y, X_val=np.sign(X) * 1e308, y_val=y)
    assert not max(model.validation_scores_) > -np.inf


def test_partial_fits_with_early_stopping_are_the_epochs_of_a_fit():
    X, y = classes("multiclass", n=120, seed=2)
    common = {
        "hidden_layer_sizes": (9,),
        "early_stopping": True,
        "random_state": 4,
        "batch_size": 20,
    }
    whole = BackpropMLPClassifier(max_iter=12, n_iter_no_change=np.inf, **common).fit(X, y)
    parts = BackpropMLPClassifier(**common)
    for _ in range(12):
        parts.partial_fit(X, y, classes=[0, 1, 2])
    np.testing.assert_array_equal(parts.params_, whole.params_)
    assert parts.validation_scores_ == whole.validation_scores_
    assert parts.score(X, y) == whole.score(X, y)


def test_patience_begins_anew_when_its_monitor_changes():
    X, y = numbers(n=80)
    model = BackpropMLPRegressor((9,), warm_start=True, random_state=0, max_iter=5).fit(X, y)
    model.set_params(early_stopping=True).fit(X, y)
    assert len(model.validation_scores_) == 10
    model.set_params(early_stopping=False, n_iter_no_change=3, tol=0).fit(X, y)
    assert model.n_iter_ == 15


def test_frames_keep_their_names():
    X, y = classes("binary", n=80)
    X = pd.DataFrame(X, columns=list("abcd"))
    model = BackpropMLPClassifier(early_stopping=True, scoring="accuracy", max_iter=2).fit(X, y)
    X_train, X_val, y_train, y_val = train_test_split(X, y)
    model.fit(X_train, y_train, X_val=X_val, y_val=y_val)
    assert list(model.feature_names_in_) == list("abcd")
    with pytest.raises(ValueError, match="feature names should match"):
        model.fit(X_train, y_train, X_val=X_val[list("dcba")], y_val=y_val)


def test_two_epochs_are_printed(capsys):
    X, y = classes("binary", n=80)
    BackpropMLPClassifier(early_stopping=True, max_iter=2, verbose=True, random_state=0).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["Iteration", "Validation"] * 2


def test_the_warning_of_ctrl_c_names_the_weights_that_are_kept(monkeypatch):
    X, y = classes("binary", n=80)
    model = BackpropMLPClassifier(max_iter=9, batch_size=10, random_state=0).set_callbacks(
        Interruption(30)
    )
    with pytest.warns(UserWarning, match="has the weights after the last step"):
        model.fit(X, y)
    monkeypatch.setattr(loop, "_last_interrupt", -np.inf)  # long ago
    with pytest.warns(UserWarning, match="has the weights that were the best so far"):
        model.set_params(early_stopping=True).fit(X, y)
    assert model.params_ is not model._training_state.params


def going_on(then, given, given_then, **setting):
    """A regressor fitted for 5 epochs, then changed and fitted for 5 more."""
    model = BackpropMLPRegressor((9,), warm_start=True, random_state=0, max_iter=5, **setting)
    return (
        model.fit(*given[:2], **given[2]).set_params(**then).fit(*given_then[:2], **given_then[2])
    )


def test_a_best_score_is_the_best_of_what_is_validated_now():
    X, y = numbers(n=90, seed=4)
    rows = (X[:60], y[:60], {"X_val": X[60:], "y_val": y[60:]})
    others = (X[:60], y[:60], {"X_val": X[60:], "y_val": y[60:] + 10})
    on = {"early_stopping": True}
    changes = {
        "scoring": going_on({"scoring": _far_below}, rows, rows, **on),
        "rows": going_on({}, rows, others, **on),
        "watched only": going_on({**on, "scoring": _far_below}, rows, rows),
        "watched alone": going_on(on, rows, rows, scoring=_far_above),
        "no longer watched": going_on(
            {"early_stopping": False, "scoring": _far_below}, rows, rows, **on
        ),
    }
    for name, model in changes.items():
        scores = model.validation_scores_
        assert len(scores) == model.n_iter_ == 10, name
        assert model.best_validation_score_ == max(scores[5:]), name
        if model.early_stopping and np.argmax(scores[5:]) == 4:
            np.testing.assert_array_equal(model.params_, model._training_state.params, err_msg=name)
    same = going_on({}, rows, rows, **on)
    assert same.best_validation_score_ == max(same.validation_scores_)


def _far_below(model, X, y):
    return -1000 - np.abs(model.predict(X) - y).mean()


def _far_above(model, X, y):
    return 1000 - model.n_iter_


def test_curves_of_the_validation_are_as_long_as_that_of_the_loss():
    X, y = numbers(n=60)
    model = BackpropMLPRegressor((9,), warm_start=True, random_state=0, max_iter=3).fit(X, y)
    assert model.validation_scores_ is None
    model.fit(X, y, X_val=X, y_val=y).fit(X, y)
    for curve in (model.validation_scores_, model.validation_loss_curve_):
        assert np.isnan(curve).tolist() == [True] * 3 + [False] * 3 + [True] * 3
    model.partial_fit(X, y, X_val=X, y_val=y)
    assert len(model.validation_scores_) == len(model.loss_curve_) == 10
    assert np.isfinite(model.validation_scores_[-1])

"""Scorers on validation rows, and the errors and warnings of scorers that fail."""

import re
import warnings

import numpy as np
import pytest
from helpers.data import classes
from sklearn.metrics import (
    check_scoring,
    f1_score,
    get_scorer,
    log_loss,
    make_scorer,
    roc_auc_score,
)

from sklearn_metabp import BackpropMLPClassifier, EarlyStopping

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

PROBABILITIES = [
    "neg_log_loss",
    "neg_brier_score",
    "d2_log_loss_score",
    "d2_brier_score",
    "top_k_accuracy",
    "roc_auc_ovo",
    make_scorer(log_loss, response_method="predict_proba"),
]


def network(**setting):
    return BackpropMLPClassifier(
        **({"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0} | setting)
    )


@pytest.mark.parametrize(
    "scoring",
    [*PROBABILITIES, "roc_auc_ovo", make_scorer(log_loss, response_method="predict_proba")],
)
@pytest.mark.parametrize("kind", ["multiclass", "strings"])
def test_probabilities_are_scored_on_rows_that_lack_a_class(kind, scoring):
    X, y = classes(kind, n=80, seed=4)
    few = y != np.unique(y)[1]
    model = network(scoring=scoring).fit(X, y, X_val=X[few], y_val=y[few])
    assert np.isfinite(model.validation_scores_).all()


def test_the_log_loss_of_rows_that_lack_a_class_is_that_of_their_labels():
    X, y = classes("strings", n=80, seed=4)
    few = y != "bee"
    weight = np.linspace(1, 2, few.sum())
    model = network(scoring="neg_log_loss")
    model.fit(X, y, X_val=X[few], y_val=y[few], sample_weight_val=weight)
    share = model.predict_proba(X[few])[
        np.arange(few.sum()), np.searchsorted(model.classes_, y[few])
    ]
    assert model.validation_scores_[-1] == pytest.approx(np.average(np.log(share), weights=weight))
    assert model.validation_scores_[-1] == pytest.approx(-model.validation_loss_curve_[-1])


def test_labels_of_two_classes_may_be_of_one():
    X, y = classes("binary", n=80)
    few = y == 1
    model = network(scoring="neg_log_loss").fit(X, y, X_val=X[few], y_val=y[few])
    assert model.validation_scores_[-1] == pytest.approx(
        np.log(model.predict_proba(X[few])[:, 1]).mean()
    )


def test_averages_of_predicted_labels_are_those_of_the_labels_there():
    X, y = classes("multiclass", n=80, seed=4)
    few = y != 1
    model = network(scoring="f1_macro").fit(X, y, X_val=X[few], y_val=y[few])
    assert model.validation_scores_[-1] == f1_score(y[few], model.predict(X[few]), average="macro")


WORDS = np.array(["no", "yes"])
POSITIVE = r"None of the classes \['no', 'yes'\] is the positive class of this metric"
FAILING = [
    (
        "f1",
        "words",
        POSITIVE + r" \(pos_label is 1\): pass scoring=make_scorer\(f1_score, pos_label='yes'\)",
    ),
    (
        "precision",
        "words",
        POSITIVE + r".* scoring=make_scorer\(precision_score, pos_label='yes'\)",
    ),
    ("average_precision", "words", POSITIVE),
    ("neg_brier_score", "words", POSITIVE + r" \(pos_label is None\)"),
    ("jaccard", "other numbers", r"None of the classes \[2, 5\] .*pos_label=5"),
    ("f1", "multiclass", r"for two classes\. .* scoring='f1_macro'"),
    (make_scorer(f1_score), "multiclass", r"for two classes\. .* scoring='f1_macro'"),
    ("recall", "multilabel", r"for two classes\. .* scoring='recall_macro'"),
    ("f1_samples", "binary", r"for rows with several labels each"),
    ("roc_auc", "multiclass", r"scoring='roc_auc_ovr' or 'roc_auc_ovo'"),
    ("accuracy", "columns", r"take one column of classes: pass a function"),
]


def labels_of(kind):
    two = {"words": WORDS, "other numbers": [2, 5], "signs": [-1, 1], "booleans": [False, True]}
    if kind in two:
        X, y = classes("binary", n=80, seed=6)
        return X, np.array(two[kind])[y]
    if kind == "columns":
        X, y = classes("strings", n=80, seed=6)
        return X, np.column_stack([y, y[::-1]])
    return classes(kind, n=80, seed=6)


def epochs_of(model, X, y):
    """Epochs that a fit trains before it fails."""
    epochs = []
    count = EarlyStopping(
        lambda state, params: float(epochs.append(state.n_epochs) or 0), restore_best=False
    )
    with pytest.raises(
        ValueError, match=r"scoring=.* cannot score these labels\.|failed on the"
    ) as caught:
        model.set_callbacks(count).fit(X, y)
    return len(epochs), str(caught.value)


@pytest.mark.parametrize(("scoring", "kind", "message"), FAILING, ids=range(len(FAILING)))
def test_labels_that_a_scorer_cannot_take_fail_before_the_first_epoch_with_the_cause(
    scoring, kind, message
):
    X, y = labels_of(kind)
    n_epochs, said = epochs_of(network(scoring=scoring, early_stopping=True), X, y)
    assert n_epochs == 0
    assert re.search(message, said)
    assert "No validation row has" not in said
    model = network(max_iter=1).fit(X, y)
    with pytest.raises((TypeError, ValueError)):  # scikit-learn refuses them too
        check_scoring(model, scoring)(model, X, y)


@pytest.mark.parametrize(
    ("scoring", "kind", "message"),
    [
        (
            make_scorer(roc_auc_score, response_method="decision_function"),
            "binary",
            r"method='predict_proba'",
        ),
        (lambda model, X, y: 1 / 0, "multiclass", r"ZeroDivisionError.*\. Use another scoring"),
        ("positive_likelihood_ratio", "multiclass", r"only supports binary"),
    ],
    ids=["method", "own", "scikit-learn's"],
)
def test_advice_on_a_scorer_that_fails_depends_on_the_cause(scoring, kind, message):
    X, y = classes(kind, n=80, seed=6)
    said = epochs_of(network(scoring=scoring, early_stopping=True), X, y)[1]
    assert re.search(message, said)
    assert "No validation row has" not in said


OF_LABELS = [
    "accuracy",
    "balanced_accuracy",
    "f1",
    "f1_macro",
    "f1_samples",
    "precision",
    "recall_weighted",
]
OF_LABELS += ["jaccard", "jaccard_micro", "matthews_corrcoef", "positive_likelihood_ratio"]
OF_PROBABILITIES = ["average_precision", "roc_auc", "roc_auc_ovr", "top_k_accuracy", "neg_log_loss"]
OF_PROBABILITIES += ["neg_brier_score", "d2_brier_score", "d2_log_loss_score"]


@pytest.mark.parametrize(
    "kind", ["binary", "words", "booleans", "signs", "other numbers", "multiclass", "multilabel"]
)
def test_no_scorer_that_could_take_the_labels_is_refused(kind):
    X, y = labels_of(kind)
    model = network(max_iter=1).fit(X, y)
    for name in OF_LABELS + OF_PROBABILITIES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                get_scorer(name)(model, X, y)
            except ValueError:
                continue
            network(max_iter=1, scoring=name).fit(X, y, X_val=X, y_val=y)


def test_advice_on_a_class_that_the_rows_lack_names_it():
    X, y = classes("strings", n=80, seed=6)
    few = y != "bee"

    def needs_all(model, X, y):
        raise ValueError("too few classes")

    with pytest.raises(ValueError, match=r"No validation row has .* classes \['bee'\]: pass X_val"):
        network(scoring=needs_all).fit(X, y, X_val=X[few], y_val=y[few])


def test_a_scorer_that_works_as_advised():
    X, y = labels_of("words")
    model = network(scoring=make_scorer(f1_score, pos_label="yes"), early_stopping=True).fit(X, y)
    assert np.isfinite(model.validation_scores_).all()


def test_a_scorer_of_ones_own_is_called_once_an_epoch():
    X, y = classes("binary")
    calls = []
    model = network(scoring=lambda model, X, y: float(calls.append(1) or 0)).fit(
        X, y, X_val=X, y_val=y
    )
    assert len(calls) == model.n_iter_ == 3


def test_a_score_that_is_not_defined_warns_once():
    X, y = classes("binary", n=80)
    few = y == 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        network(scoring="roc_auc").fit(X, y, X_val=X[few], y_val=y[few])
    said = [str(one.message) for one in caught if "scoring='roc_auc' is NaN" in str(one.message)]
    assert len(said) == 1
    assert (
        "No validation row has one of the classes [0]: pass X_val and y_val with all classes"
        in said[0]
    )

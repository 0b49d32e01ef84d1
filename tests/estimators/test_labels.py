"""Labels in every container and type: everything that takes labels takes the same ones."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from helpers.data import classes
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.callback import ScoringMonitor
from sklearn.ensemble import VotingClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsRestClassifier

from sklearn_metabp import Adam, BackpropMLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, TWO = classes("binary", n=80, seed=5)
THREE = classes("multiclass", n=80, seed=5)[1]
SEVERAL = classes("multilabel", n=80, seed=5)[1]
YES, WORDS = np.array(["no", "yes"])[TWO], np.array(["ant", "bee", "cat"])[THREE]
OBJECTS = {
    "integers": TWO.astype(object),
    "booleans": TWO.astype(bool).astype(object),
    "NumPy's integers": np.array(list(THREE), dtype=object),
    "NumPy's strings": np.array(list(WORDS), dtype=object),
    "NumPy's booleans": np.array(list(TWO.astype(bool)), dtype=object),
    "whole numbers": TWO.astype(float).astype(object),
    "large integers": np.array([2**62, 2**63 + 1], dtype=object)[TWO],
    "a series": pd.Series(THREE, dtype=object, index=range(7, 87)),
    "a matrix": SEVERAL.astype(object),
    "booleans beside integers": pd.DataFrame({"a": SEVERAL[:, 0], "b": SEVERAL[:, 1].astype(bool)}),
}
NULLABLE = {
    "Int64": pd.Series(THREE, dtype="Int64"),
    "boolean": pd.Series(TWO.astype(bool), dtype="boolean"),
    "string": pd.Series(WORDS, dtype="string"),
    "a frame of Int64": pd.DataFrame(SEVERAL).astype("Int64"),
    "a frame of boolean": pd.DataFrame(SEVERAL).astype(bool).astype("boolean"),
    "a frame of both": pd.DataFrame(
        {
            "a": pd.Series(SEVERAL[:, 0], dtype="Int64"),
            "b": SEVERAL[:, 1].astype(bool),
            "c": SEVERAL[:, 2] * 1.0,
        }
    ),
    "columns of classes": pd.DataFrame({"a": THREE, "b": TWO}).astype("Int64"),
}
CONTAINERS = {
    "a list": YES.tolist(),
    "a list of rows": SEVERAL.tolist(),
    "categories": pd.Series(pd.Categorical(YES)),
    "categories of integers": pd.Categorical(THREE),
    "categories of booleans": pd.Series(pd.Categorical(TWO.astype(bool))),
    "a frame of words and numbers": pd.DataFrame({"a": WORDS, "b": TWO}),
    "a frame of nullable words and booleans": pd.DataFrame(
        {"a": pd.Series(WORDS, dtype="string"), "b": pd.Series(TWO.astype(bool), dtype="boolean")}
    ),
    "a list of words and numbers": [
        [word, number] for word, number in zip(WORDS, TWO.tolist(), strict=True)
    ],
    "NumPy's variable strings": YES.astype(np.dtypes.StringDType()),
    "sparse": sp.csr_array(SEVERAL),
    "a sparse frame": pd.DataFrame.sparse.from_spmatrix(sp.csr_matrix(SEVERAL)),
    "bytes of integers": THREE.astype(np.uint8),
}
LABELS = OBJECTS | NULLABLE | CONTAINERS


def network(**setting):
    return BackpropMLPClassifier(
        (5,), **({"update_rule": Adam(0.05), "max_iter": 3, "random_state": 3} | setting)
    )


def plain(labels):
    """An independent reading of the labels, row by row."""
    if sp.issparse(labels):
        return labels.toarray().tolist()
    if isinstance(labels, pd.DataFrame):
        return [list(row) for row in labels.itertuples(index=False)]
    return [row.tolist() if isinstance(row, np.ndarray) else row for row in labels]


@pytest.mark.parametrize("name", LABELS)
def test_labels_that_are_fitted_are_scored_and_come_back(name):
    y = LABELS[name]
    model = network(max_iter=40).fit(X, y)
    predicted, given = plain(model.predict(X)), plain(y)
    right = np.mean([one == other for one, other in zip(predicted, given, strict=True)])
    assert model.score(X, y) == pytest.approx(right)
    assert right > 0.4
    labels = {label for row in given for label in (row if isinstance(row, list) else [row])}
    assert {
        label for row in predicted for label in (row if isinstance(row, list) else [row])
    } <= labels


@pytest.mark.parametrize("name", LABELS)
def test_labels_train_to_the_same_bits_in_every_call(name):
    y = LABELS[name]
    model = network().fit(X, y)
    validated = network().fit(X, y, X_val=X, y_val=y)
    assert validated.validation_scores_[-1] == model.score(X, y)
    parts = network()
    for _ in range(3):
        parts.partial_fit(X, y, classes=model.classes_)
    np.testing.assert_array_equal(parts.params_, model.params_)
    np.testing.assert_array_equal(validated.params_, model.params_)


@pytest.mark.parametrize("name", LABELS)
def test_labels_stop_a_training_early(name):
    scoring = None if "words and" in name or name == "columns of classes" else "f1_macro"
    model = network(early_stopping=True, scoring=scoring, validation_fraction=0.3).fit(
        X, LABELS[name]
    )
    assert np.isfinite(model.validation_scores_).all()


@pytest.mark.parametrize("name", OBJECTS | NULLABLE)
def test_labels_are_scored_across_folds(name):
    scores = cross_val_score(network(), X, LABELS[name], cv=2)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", ["integers", "booleans", "NumPy's integers", "a matrix"])
def test_callbacks_get_labels_that_scorers_take(name):
    model = (
        network().set_callbacks(monitor := ScoringMonitor(scoring="accuracy")).fit(X, LABELS[name])
    )
    scores = [row["accuracy"] for row in monitor.get_logs().data if "accuracy" in row]
    assert scores[-1] == model.score(X, LABELS[name])


@pytest.mark.parametrize(
    "name", ["boolean", "Int64", "string", "categories", "categories of booleans"]
)
def test_decoded_labels_equal_the_given_ones_for_scikit_learn_too(name):
    y = LABELS[name]
    model = network().fit(X, y)
    assert accuracy_score(y, model.predict(X)) == model.score(X, y)
    assert model.predict(X).dtype == np.array(y.tolist()).dtype


@pytest.mark.parametrize(
    "name", ["boolean", "categories of booleans", "bytes of integers", "string"]
)
def test_meta_estimators_and_scorers_take_the_labels(name):
    y = LABELS[name]
    scoring = {2: ["f1", "roc_auc"], 3: ["f1_macro", "roc_auc_ovr"]}[len(np.unique(plain(y)))]
    for one in scoring:
        search = GridSearchCV(
            network(), {"alpha": [0.1, 1]}, scoring=one, cv=2, error_score="raise"
        )
        assert np.isfinite(search.fit(X, y).best_score_)
    for model in (
        CalibratedClassifierCV(network(), cv=2),
        VotingClassifier([("one", network()), ("other", network(alpha=1))]),
        OneVsRestClassifier(network()),
    ):
        assert clone(model).fit(X, y).score(X, y) > 0.2


@pytest.mark.parametrize(
    "y",
    [
        pd.Series(np.where(TWO == 1, None, 0), dtype="Int64"),
        pd.Series(np.where(TWO == 1, None, "a"), dtype="string"),
        pd.Series(pd.Categorical(np.where(TWO == 1, None, "a"))),
        np.where(TWO == 1, None, TWO.astype(object)),
        np.array([pd.NaT if label else "a" for label in TWO], dtype=object),
        np.array([np.nan if label else "a" for label in TWO], dtype=object),
        np.array([pd.NA if label else True for label in TWO], dtype=object),
        pd.DataFrame(SEVERAL).astype("boolean").mask(SEVERAL.cumsum(axis=0) == 3),
        pd.DataFrame({"a": pd.Series(np.where(TWO == 1, None, "a"), dtype="string"), "b": TWO}),
        np.ma.array(TWO, mask=np.arange(80) == 7),
    ],
    ids=range(10),
)
def test_a_missing_label_is_an_error_that_says_so(y):
    with pytest.raises(ValueError, match=r"Input y.* contains NaN"):
        network().fit(X, y)
    with pytest.raises(ValueError, match=r"Input y_val.* contains NaN|Input y contains NaN"):
        network().fit(X, TWO if np.ndim(y) == 1 else SEVERAL, X_val=X, y_val=y)


def test_a_score_counts_labels_that_training_did_not_have_as_wrong():
    model = network().fit(X, TWO.astype(object))
    others = np.where(np.arange(80) < 40, TWO, 9).astype(object)
    assert model.score(X, others) == (model.predict(X)[:40] == TWO[:40]).sum() / 80

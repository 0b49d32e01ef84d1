"""Class weights of the classes that the rows have."""

import numpy as np
import pytest
from helpers.data import classes
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import TimeSeriesSplit, cross_val_score

from sklearn_metabp import BackpropMLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def network(**setting):
    return BackpropMLPClassifier((4,), max_iter=3, random_state=0, **setting)


def test_a_class_without_rows_has_a_weight_that_no_row_has():
    X, y = classes("strings", seed=2)
    few = y != "cat"
    weighted = network(class_weight={"ant": 3.0, "cat": 9.0, "dog": 2.0}).fit(X[few], y[few])
    expected = network(class_weight={"ant": 3.0}).fit(X[few], y[few])
    np.testing.assert_array_equal(weighted.params_, expected.params_)
    weight = np.where(y[few] == "ant", 3.0, 1.0)
    np.testing.assert_array_equal(weighted.params_, network().fit(X[few], y[few], weight).params_)


def test_folds_that_lack_a_class_are_scored():
    X, y = classes("multiclass", n=90, seed=3)
    order = np.argsort(y, kind="stable")  # the last class comes last
    model = network(class_weight={0: 1.0, 1: 2.0, 2: 5.0})
    scores = cross_val_score(model, X[order], y[order], cv=TimeSeriesSplit(3), error_score="raise")
    assert np.isfinite(scores).all()


def test_weights_of_which_none_is_of_a_class_here_are_warned_of():
    X, y = classes("strings", seed=2)
    with pytest.warns(
        UserWarning, match=r"keys are \['Ant'\], and classes_ are \['ant', 'bee', 'cat'\]\.$"
    ):
        model = network(class_weight={"Ant": 3.0}).fit(X, y)
    np.testing.assert_array_equal(model.params_, network().fit(X, y).params_)
    network(class_weight={}).fit(X, y)
    with pytest.warns(UserWarning, match="names no class of y"):
        network(class_weight={0: 2.0}).partial_fit(X, y, classes=["ant", "bee", "cat"])


def test_the_warning_mentions_an_outer_estimator_that_encodes_y():
    X, y = classes("strings", seed=2)
    voting = VotingClassifier([("one", network(class_weight={"ant": 3.0}))])
    with pytest.warns(UserWarning, match=r"classes_ are \[0, 1, 2\]\. If an estimator around"):
        voting.fit(X, y)
    inner = clone(voting).set_params(one__class_weight={0: 3.0}).fit(X, y).estimators_[0]
    np.testing.assert_array_equal(
        inner.params_, network(class_weight={"ant": 3.0}).fit(X, y).params_
    )


def test_weights_of_several_columns_are_ignored_column_by_column():
    X, y = classes("strings", seed=2)
    columns = np.column_stack([y, np.where(X[:, 0] > 0, "p", "q")])
    weighted = network(class_weight=[{"ant": 3.0, "eel": 7.0}, {"p": 2.0, "r": 5.0}]).fit(
        X, columns
    )
    weight = np.where(y == "ant", 3.0, 1.0) * np.where(X[:, 0] > 0, 2.0, 1.0)
    np.testing.assert_array_equal(weighted.params_, network().fit(X, columns, weight).params_)
    with pytest.warns(
        UserWarning, match=r"class_weight\[1\] names no class .* classes of y\[:, 1\] are"
    ):
        network(class_weight=[{"ant": 3.0}, {"s": 2.0}]).fit(X, columns)
    X, y = classes("multilabel", seed=2)
    with pytest.warns(
        UserWarning, match=r"class_weight\[2\] names no class .*: its keys are \['yes'\]"
    ):
        network(class_weight=[{}, {1: 2.0}, {"yes": 2.0}]).fit(X, y)


@pytest.mark.parametrize("weight", [-1, np.nan, "2"])
def test_an_invalid_weight_is_refused_for_an_absent_class_too(weight):
    X, y = classes("multiclass")
    with pytest.raises(ValueError, match="that of class 7 is"):
        network(class_weight={0: 1.0, 7: weight}).fit(X, y)

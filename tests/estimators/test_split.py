"""Choice of the rows that are set aside to validate on."""

import numpy as np
import pytest
from helpers.data import classes
from sklearn.model_selection import train_test_split

from sklearn_metabp import BackpropMLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def labels_validated(y, fraction=0.1, **setting):
    """Return labels and numbers of the rows that are set aside; X is the number of the row."""
    seen = []

    def scorer(model, X, y):
        seen.append((X[:, 0].astype(int), y))
        return 0.0

    X = np.c_[np.arange(len(y)), np.zeros(len(y))]
    model = BackpropMLPClassifier(
        (2,),
        early_stopping=True,
        max_iter=1,
        scoring=scorer,
        validation_fraction=fraction,
        **setting,
    )
    model.fit(X, y)
    rows, labels = seen[0]
    np.testing.assert_array_equal(labels, np.asarray(y)[rows])
    assert len(set(rows)) == len(rows)
    return labels


def test_all_classes_keep_their_shares():
    y = np.repeat([0, 1, 2], [100, 60, 40])
    X = np.random.default_rng(0).standard_normal((200, 3))
    seen = []
    model = BackpropMLPClassifier(
        early_stopping=True,
        max_iter=1,
        scoring=lambda m, X, y: float(seen.append(np.bincount(y)) or 0),
    )
    model.fit(X, y)
    assert seen[0].tolist() == [10, 6, 4]


def test_classes_too_small_to_share_are_no_obstacle():
    X, y = classes("binary", n=40)
    y[:] = 0
    y[3] = 1
    BackpropMLPClassifier(early_stopping=True, max_iter=2, random_state=0).fit(X, y)


@pytest.mark.parametrize("seed", range(5))
def test_a_class_of_one_row_is_trained_on_and_the_others_keep_their_shares(seed):
    y = np.random.default_rng(seed).permutation(
        np.repeat(["a", "b", "c", "d", "e"], [100, 60, 38, 1, 1])
    )
    labels = labels_validated(y, random_state=seed)
    assert dict(zip(*np.unique_counts(labels), strict=True)) == {"a": 10, "b": 6, "c": 4}


@pytest.mark.parametrize("seed", range(5))
def test_no_class_is_kept_from_training_where_there_are_more_classes_than_rows_to_validate_on(seed):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.r_[np.repeat(np.arange(20), 3), 20, 21])
    labels = labels_validated(y, random_state=seed)
    assert len(labels) == 7
    assert max(np.unique_counts(labels).counts) <= 2  # of three
    assert not {20, 21} & set(labels)


@pytest.mark.filterwarnings("ignore:The number of unique classes")
def test_rows_that_are_all_of_classes_of_their_own_are_split_all_the_same():
    assert len(labels_validated(np.arange(40), random_state=0)) == 4
    assert len(labels_validated(np.r_[np.arange(38), 38, 38], random_state=0)) == 4


@pytest.mark.filterwarnings("ignore:The number of unique classes")
def test_few_rows_beside_classes_of_one_row_are_not_all_set_aside():
    y = np.r_[np.arange(30), np.repeat(30, 10)]
    labels = labels_validated(y, fraction=0.5, random_state=0)
    assert set(labels) == {30}
    assert 2 <= len(labels) < 10


def test_a_class_of_one_row_in_one_of_several_columns_is_trained_on():
    for seed in range(5):
        y = np.column_stack([np.repeat(["a", "b"], 20), np.r_[["x"], ["y"] * 38, ["z"]]])
        y = y[np.random.default_rng(seed).permutation(40)]
        assert set(labels_validated(y, fraction=0.5, random_state=seed)[:, 1]) == {"y"}


def test_rows_without_such_classes_are_split_as_scikit_learn_does():
    X, y = classes("multiclass", n=90, seed=2)
    y[0] = y.max()
    random_state = np.random.RandomState(4)
    model = BackpropMLPClassifier(
        (), early_stopping=True, max_iter=1, shuffle=False, random_state=4
    )
    model.fit(X, y)
    random_state.set_state(model._training_state.split_random_state.get_state())
    X_train, X_val, y_train, y_val = train_test_split(
        X, y, test_size=0.1, stratify=y, random_state=random_state
    )
    again = BackpropMLPClassifier(
        (), max_iter=1, shuffle=False, random_state=4, early_stopping=True
    )
    again.fit(X_train, y_train, X_val=X_val, y_val=y_val)
    np.testing.assert_array_equal(again.params_, model.params_)
    assert again.validation_scores_ == model.validation_scores_


@pytest.mark.parametrize("scoring", ["neg_log_loss", "f1_macro", None])
def test_a_class_of_one_row_fails_no_scorer(scoring):
    X, y = classes("strings", n=80, seed=1)
    y = np.where(np.arange(80) == 17, "dog", y)
    model = BackpropMLPClassifier(
        (4,), early_stopping=True, scoring=scoring, max_iter=3, random_state=0
    )
    assert np.isfinite(model.fit(X, y).validation_scores_).all()


def test_weights_go_with_their_rows():
    X, y = classes("strings", n=80, seed=1)
    y = np.where(np.arange(80) == 17, "dog", y)
    weight = np.arange(80.0) + 1
    seen = []

    def scorer(model, rows, labels, sample_weight):
        seen.append([sample_weight, [weight[(row == X).all(axis=1)].item() for row in rows]])
        return 0.0

    BackpropMLPClassifier((4,), early_stopping=True, scoring=scorer, max_iter=1).fit(X, y, weight)
    np.testing.assert_array_equal(*seen[0])

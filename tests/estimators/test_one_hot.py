"""One-hot rows are multilabel, with a warning that they look like classes."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from helpers.data import classes

from sklearn_metabp import BackpropMLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def network(**setting):
    return BackpropMLPClassifier((4,), max_iter=2, random_state=0, **setting)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
@pytest.mark.parametrize(
    "encode",
    [
        lambda y: np.eye(y.max() + 1)[y],
        lambda y: pd.get_dummies(y),
        lambda y: pd.get_dummies(pd.Series(y, dtype="category"), dtype="Int64"),
        lambda y: sp.csr_array(np.eye(y.max() + 1, dtype=bool)[y]),
        lambda y: np.eye(y.max() + 1, dtype=int)[y].tolist(),
    ],
    ids=["floats", "get_dummies", "nullable", "sparse", "lists"],
)
def test_rows_with_one_label_each_are_warned_of_and_stay_multilabel(kind, encode):
    X, y = classes(kind)
    with pytest.warns(
        UserWarning, match=r"exactly one label: .* pass y\.argmax\(axis=1\), or y\.idxmax\(axis=1\)"
    ):
        model = network().fit(X, encode(y))
    assert model.predict(X).shape == (60, y.max() + 1)
    with pytest.warns(UserWarning, match=r"y\.argmax\(axis=1\)"):
        parts = network().partial_fit(X, encode(y))
    parts.partial_fit(X, encode(y))  # said once


@pytest.mark.parametrize("make", [np.asarray, sp.csr_array])
def test_softmax_for_multilabel_is_an_error_that_names_the_remedy(make):
    X, y = classes("multiclass")
    with pytest.raises(ValueError, match=r"pass y\.argmax\(axis=1\)"):
        network(out_activation="softmax").fit(X, make(np.eye(3)[y]))
    assert network(out_activation="softmax").fit(X, np.eye(3)[y].argmax(axis=1)).n_outputs_ == 3


def test_labels_that_do_not_exclude_each_other_raise_no_warning():
    X, y = classes("multiclass")
    one_hot = np.eye(3, dtype=int)[y]
    for place, value in (((7, (y[7] + 1) % 3), 1), ((7, y[7]), 0)):  # a second label; none
        several = one_hot.copy()
        several[place] = value
        network().fit(X, several)
    network().partial_fit(X[:2], one_hot[:2])  # so few rows may be chance
    network().partial_fit(X, one_hot, classes=[[0, 1]] * 3)  # announced as columns of classes

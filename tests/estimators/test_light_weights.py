"""Sample weights in another unit change the strength of the penalty, with a warning."""

import warnings

import numpy as np
import pytest
from helpers.data import classes, numbers
from sklearn.ensemble import AdaBoostClassifier
from sklearn.exceptions import ConvergenceWarning

from sklearn_metabp import SGD, BackpropMLPClassifier, BackpropMLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def make(**setting):
    return BackpropMLPRegressor(
        (4,), **{"max_iter": 3, "update_rule": SGD(0.1), "random_state": 0} | setting
    )


def silent(train):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        return train()


def test_weights_that_sum_to_1_warn_of_a_strong_penalty():
    X, y = numbers()
    with pytest.warns(
        UserWarning,
        match=r"row is 0\.0167, so alpha=0\.0001 is as strong as alpha=0\.006 for weights of mean",
    ):
        light = make().fit(X, y, np.full(60, 1 / 60))
    # It is as strong as the message says: weights in the same ratios with that penalty train to the
    # same.
    same = make(alpha=60 * 1e-4).fit(X, y, np.ones(60))
    np.testing.assert_allclose(light.params_, same.params_, rtol=1e-9)


def test_the_remedy_of_the_message_works():
    X, y = numbers()
    plain = make().fit(X, y)
    divided = silent(lambda: make(alpha=1e-4 / 60).fit(X, y, np.full(60, 1 / 60)))
    np.testing.assert_allclose(plain.params_, divided.params_, rtol=1e-9)


def test_counts_and_usual_weights_are_silent():
    X, y = numbers()
    rng = np.random.default_rng(0)
    for weight in (
        rng.integers(0, 3, 60),
        rng.random(60),
        np.eye(60)[:5].sum(axis=0),
        np.full(60, 1e6),
    ):
        silent(lambda weight=weight: make().fit(X, y, weight))
    silent(lambda: make(alpha=0.0).fit(X, y, np.full(60, 1e-9)))


def test_weights_of_classes_are_named():
    X, y = classes("binary")
    model = BackpropMLPClassifier((4,), max_iter=3, class_weight={0: 0.01, 1: 0.02}, random_state=0)
    with pytest.warns(UserWarning, match="class_weight: the mean weight of a row is 0.01"):
        model.fit(X, y)


def test_a_stream_warns_once():
    X, y = numbers()
    model = make()
    with pytest.warns(UserWarning, match="mean weight of a row") as caught:
        for _ in range(4):
            model.partial_fit(X, y, np.full(60, 1e-3))
    assert len(caught) == 1


def test_boosting_trains_and_its_warning_names_a_remedy():
    X, y = classes("binary", n=200)
    network = BackpropMLPClassifier((8,), update_rule=SGD(0.5), max_iter=20, random_state=0)
    with pytest.warns(UserWarning, match="AdaBoostClassifier makes them, divide alpha by 200"):
        boosted = AdaBoostClassifier(network, n_estimators=3, random_state=0).fit(X, y)
    assert boosted.score(X, y) > 0.8
    silent(lambda: boosted.set_params(estimator__alpha=1e-4 / 200).fit(X, y))

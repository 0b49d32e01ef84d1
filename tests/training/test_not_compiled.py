"""Without compiled kernels the first training gives a warning, and no other one does."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_iris

from sklearn_metabp import (
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    NotCompiledWarning,
)
from sklearn_metabp.training import not_compiled

X, Y = load_iris(return_X_y=True)
SHORT = {"max_iter": 2, "n_iter_no_change": np.inf, "random_state": 0}


@pytest.fixture
def as_at_the_start():
    """No training was made yet in this process."""
    not_compiled.warn_if_not_compiled.cache_clear()
    yield
    not_compiled.warn_if_not_compiled.cache_clear()


def warnings_of(train):
    """Return the messages that a training gives."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train()
    return [str(one.message) for one in caught if one.category is NotCompiledWarning]


@pytest.mark.parametrize(
    "train",
    [
        lambda: BackpropMLPClassifier((3,), **SHORT).fit(X, Y),
        lambda: BackpropMLPRegressor((3,), **SHORT).partial_fit(X, Y),
        lambda: BackpropMLPClassifier((3,), n_members=2, **SHORT).fit(X, Y),
        lambda: BackpropMLPClassifier((3,), update_rule="lbfgs", **SHORT).fit(X, Y),
    ],
    ids=["fit", "partial_fit", "members", "line search"],
)
def test_the_first_training_warns_and_the_next_does_not(train, as_at_the_start, monkeypatch):
    monkeypatch.setattr(not_compiled, "COMPILED", False)
    (message,) = warnings_of(train)
    assert f"{not_compiled.TIMES_AS_LONG} times as long" in message
    assert "Install a C compiler" in message
    assert warnings_of(train) == []


def test_compiled_kernels_give_no_warning(as_at_the_start, monkeypatch):
    monkeypatch.setattr(not_compiled, "COMPILED", True)
    assert warnings_of(lambda: BackpropMLPClassifier((3,), **SHORT).fit(X, Y)) == []


def test_the_filter_of_the_suite_knows_the_warning(as_at_the_start, monkeypatch, pytestconfig):
    monkeypatch.setattr(not_compiled, "COMPILED", False)
    if not any("not compiled" in one for one in pytestconfig.getini("filterwarnings")):
        pytest.skip("the tests run with other settings")
    BackpropMLPRegressor((3,), **SHORT).partial_fit(X, Y)

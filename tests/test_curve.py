"""Curves: lists whose copies are independent and cost nothing."""

import copy
import pickle
import time

import numpy as np
import pytest
from helpers.data import numbers

from sklearn_metabp import BackpropMLPRegressor, UpdateRule
from sklearn_metabp.training import Curve


def test_a_curve_is_a_list_of_its_numbers():
    curve = Curve([3.0, 2.0])
    curve.append(1.0)
    assert curve == [3.0, 2.0, 1.0] == list(curve)
    assert (len(curve), curve[0], curve[-1], curve[1:], curve[-2:]) == (
        3,
        3.0,
        1.0,
        [2.0, 1.0],
        [2.0, 1.0],
    )
    assert min(curve) == 1.0
    with pytest.raises(IndexError):
        curve[3]
    assert pickle.loads(pickle.dumps(curve)) == curve
    assert bool(Curve()) is False


@pytest.mark.parametrize(
    "make", [Curve.copy, copy.copy, copy.deepcopy], ids=["copy", "copy.copy", "deepcopy"]
)
def test_copies_grow_independently(make):
    first = Curve([1.0])
    second = make(first)
    third = make(second)
    first.append(2.0)
    second.append(3.0)
    fourth = make(first)
    third.append(4.0)
    fourth.append(5.0)
    first.append(6.0)
    assert [list(c) for c in (first, second, third, fourth)] == [
        [1, 2, 6],
        [1, 3],
        [1, 4],
        [1, 2, 5],
    ]


def test_a_pickle_holds_no_numbers_of_a_copy_that_grew():
    curve = Curve([1.0])
    grown = curve.copy()
    for _ in range(1000):
        grown.append(0.0)
    assert len(pickle.dumps(curve)) < 200


def test_numbers_that_are_missing_are_nan():
    curve = Curve()
    curve.append_at(2, 7.0)
    np.testing.assert_array_equal(list(curve), [np.nan, np.nan, 7.0])


class Fails(UpdateRule):
    def __init__(self, fails=False):
        self.fails = fails

    def init_state(self, layout):
        return {}

    def compute_update(self, step, state):
        if self.fails and step.index > 2 and step.start:
            raise RuntimeError("on purpose")
        return -0.1 * step.gradients


def test_a_call_that_fails_changes_nothing_and_what_was_taken_before_stays():
    X, y = numbers()
    model = BackpropMLPRegressor(
        (3,), update_rule=Fails(), batch_size=20, random_state=0
    ).partial_fit(X, y)
    other = BackpropMLPRegressor(
        (3,), update_rule=Fails(), batch_size=20, random_state=0
    ).partial_fit(X, y)
    curve, params = model.loss_curve_, model.params_.copy()
    assert isinstance(curve, list)
    with pytest.raises(RuntimeError):
        model.set_params(update_rule__fails=True).partial_fit(X, y)
    assert model.loss_curve_ == curve
    np.testing.assert_array_equal(model.params_, params)
    model.set_params(update_rule__fails=False)
    for one in (model, other):
        one.partial_fit(X, y)
    assert model.loss_curve_ == other.loss_curve_
    assert len(curve) == 1  # a list that was taken does not grow


def test_a_call_of_partial_fit_costs_the_same_after_many():
    """At 200,000 epochs a copy of the curve takes some 60 ms, a call without it about 1."""
    X, y = numbers(n=4)

    def fastest(model):
        times = []
        for _ in range(15):
            start = time.process_time()
            model.partial_fit(X, y)
            times.append(time.process_time() - start)
        return min(times)

    model = BackpropMLPRegressor((3,), random_state=0).partial_fit(X, y)
    few = fastest(model)
    for _ in range(200_000):
        model._training_state.loss_curve.append(0.5)
    assert fastest(model) < few + 0.01
    assert len(model.loss_curve_) == model.n_iter_ == 200_031

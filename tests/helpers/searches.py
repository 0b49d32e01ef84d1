"""A rule of three numbers, an objective of them with a known optimum, and equal searches."""

import numpy as np

from sklearn_metabp import BackpropMLPRegressor, UpdateRule
from sklearn_metabp.meta_training import Task

X = np.linspace(-1, 1, 40).reshape(20, 2)
Y = X[:, 0] * X[:, 1]
NETWORK = BackpropMLPRegressor((3,), max_iter=3, batch_size=10, n_iter_no_change=np.inf)
TASKS = [Task(NETWORK, X, Y, X[:5], Y[:5])]
TARGET = np.array([0.3, -0.2, 0.5])


class Vector(UpdateRule):
    """A rule of three numbers; the first is its learning rate."""

    def __init__(self, numbers):
        self.numbers = numbers

    @property
    def meta_params_(self):
        return np.array(self.numbers, float)

    def with_meta_params(self, vector):
        return Vector(np.array(vector))

    def init_state(self, layout):
        return None

    def compute_update(self, step, state):
        return -self.numbers[0] * step.gradients


def numbers_of(record):
    return np.asarray(record.estimator.update_rule_.numbers)


def quadratic(record):
    return 0.05 * np.sum((numbers_of(record) - TARGET) ** 2)


def table(fitted):
    return {name: column for name, column in fitted.history_.items() if name != "seconds"}


def assert_same(one, other):
    np.testing.assert_array_equal(one.meta_params_, other.meta_params_)
    for name, column in table(one).items():
        np.testing.assert_array_equal(column, other.history_[name], err_msg=name)
    assert len(one.failures_) == len(other.failures_)
    for (index, state), (other_index, other_state) in zip(
        one.failures_, other.failures_, strict=True
    ):
        assert index == other_index
        np.testing.assert_array_equal(state, other_state)

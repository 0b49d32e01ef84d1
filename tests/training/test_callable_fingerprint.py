"""Fingerprints of scorers and monitors, which are constant while their attributes change."""

import numpy as np

from sklearn_metabp import BackpropMLPRegressor, EarlyStopping
from sklearn_metabp.training import callable_fingerprint


def test_the_fingerprint_of_a_callable_stays_while_its_notes_change():
    calls = []

    def monitor(state, params):
        calls.append(state)
        return 0.0

    name = callable_fingerprint(monitor)
    monitor(1, 2)
    assert callable_fingerprint(monitor) == name


class Smoothed:
    def __init__(self, share):
        self.share, self.mean = share, None

    def __call__(self, state, params):
        return params.sum()


def test_the_fingerprint_of_an_object_depends_on_its_constructor_call():
    one, other = Smoothed(0.5), Smoothed(0.5)
    one.mean = 3.0
    assert (
        callable_fingerprint(one)
        == callable_fingerprint(other)
        != callable_fingerprint(Smoothed(0.6))
    )


def test_the_fingerprint_of_a_string_or_none_is_its_repr():
    assert callable_fingerprint("accuracy") == "'accuracy'"
    assert callable_fingerprint(None) == "None"


def test_patience_and_the_best_weights_outlast_a_monitor_that_takes_notes():
    """Check a monitor whose attributes, and so its plain fingerprint, change in every call."""
    X = np.random.default_rng(2).standard_normal((40, 3))
    notes = []

    def monitor(state, params):
        notes.append(state.n_epochs)
        return float(len(notes))

    model = BackpropMLPRegressor((3,), random_state=0).set_callbacks(EarlyStopping(monitor))
    first = model.partial_fit(X, X[:, 0]).params_.copy()
    for _ in range(3):
        model.partial_fit(X, X[:, 0])
    np.testing.assert_array_equal(model.params_, first)

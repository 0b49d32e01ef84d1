"""Names of judges: the same for as long as the judge is."""

import numpy as np

from sklearn_metabp import BackpropMLPRegressor, EarlyStopping
from sklearn_metabp.training import callable_fingerprint


def test_a_judge_keeps_its_name_while_it_takes_notes():
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


def test_an_object_that_judges_is_named_by_what_it_was_made_with():
    one, other = Smoothed(0.5), Smoothed(0.5)
    one.mean = 3.0
    assert (
        callable_fingerprint(one)
        == callable_fingerprint(other)
        != callable_fingerprint(Smoothed(0.6))
    )


def test_a_word_is_its_own_name():
    assert callable_fingerprint("accuracy") == "'accuracy'"
    assert callable_fingerprint(None) == "None"


def test_patience_and_the_best_weights_outlast_a_monitor_that_takes_notes():
    """Its fingerprint is another one after every call."""
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

"""A copy of a state is independent, and what it shares with the first is never drawn from."""

import copy

import numpy as np
import pytest
from helpers.data import numbers
from sklearn.model_selection import train_test_split

from sklearn_metabp import Adam, Averaged, BackpropMLPRegressor, DivergenceError, EarlyStopping
from sklearn_metabp.training.random_numbers import copy_random_state, seeded

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SETTINGS = {
    "one batch": {},
    "batches": {"batch_size": 20},
    "batches in order": {"batch_size": 20, "shuffle": False},
    "early stopping": {"batch_size": "full", "early_stopping": True},
    "dropout": {"batch_size": 20, "dropout": 0.3},
    "an average": {"batch_size": 20, "update_rule": Averaged(Adam())},
}


def network(**setting):
    return BackpropMLPRegressor((3,), random_state=3, **setting)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_copies_of_a_model_continue_on_their_own(setting):
    X, y = numbers()
    first, alone = (network(**setting).partial_fit(X, y) for _ in range(2))
    second = copy.copy(first)
    for one in (second, first, second):
        one.partial_fit(X, y)
    alone.partial_fit(X, y)
    np.testing.assert_array_equal(first.params_, alone.params_)
    alone.partial_fit(X, y)
    np.testing.assert_array_equal(second.params_, alone.params_)
    np.testing.assert_array_equal(first.partial_fit(X, y).params_, alone.params_)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_arrays_that_were_taken_from_a_model_stay(setting):
    X, y = numbers()
    model = network(**setting).partial_fit(X, y)
    params, coefs, intercepts = model.params_, model.coefs_, model.intercepts_
    before = copy.deepcopy([params, *coefs, *intercepts])
    model.partial_fit(X, y)
    assert not np.array_equal(model.params_, params)
    for array, value in zip([params, *coefs, *intercepts], before, strict=True):
        np.testing.assert_array_equal(array, value)


class FailsAt(EarlyStopping):
    """It raises at the end of its epoch of this number."""

    def __init__(self, epoch, error):
        super().__init__(patience=100)
        self.epoch, self.error = epoch, error

    def on_epoch_end(self, estimator, context, state, params):
        if state.n_epochs == self.epoch:
            raise self.error


FAILURES = {
    "a callback": lambda model: model.set_callbacks(FailsAt(2, RuntimeError("on purpose"))),
    "an exit": lambda model: model.set_callbacks(FailsAt(2, SystemExit())),
    "a divergence": lambda model: model.set_params(update_rule=Adam(1e308)),
}
WITHOUT_BEST = [name for name in SETTINGS if name not in ("early stopping", "an average")]


@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize("name", WITHOUT_BEST)
def test_a_call_that_fails_leaves_all_as_it_was(name, kind):
    """The weights, the state of the rule, the random numbers, the order and the counters."""
    X, y = numbers()
    model, never = (network(**SETTINGS[name]).partial_fit(X, y) for _ in range(2))
    params, state = model.params_, model._training_state
    before = copy.deepcopy(vars(state))
    FAILURES[kind](model)
    with pytest.raises((DivergenceError, RuntimeError, SystemExit)):
        model.set_params(warm_start=True, max_iter=3).fit(X, y)
    assert model.params_ is params
    assert model._training_state is state
    assert_equal_values(vars(state), before)
    model.set_params(**never.get_params()).set_callbacks().partial_fit(X, y)
    np.testing.assert_array_equal(model.params_, never.partial_fit(X, y).params_)


def assert_equal_values(values, expected):
    for name, value in expected.items():
        if isinstance(value, np.random.RandomState):
            np.testing.assert_equal(values[name].get_state(), value.get_state())
        else:
            np.testing.assert_equal(values[name], value, err_msg=name)


def test_a_split_is_drawn_again_by_a_continued_training():
    X, y = numbers(n=80)
    model = network(early_stopping=True).partial_fit(X, y)
    kept = model._training_state.split_random_state
    expected = train_test_split(np.arange(80), test_size=8, random_state=copy.deepcopy(kept))
    model.partial_fit(X, y)
    again = model._training_state.split_random_state
    drawn = train_test_split(np.arange(80), test_size=8, random_state=copy.deepcopy(again))
    np.testing.assert_array_equal(drawn[1], expected[1])


GENERATORS = {
    "seeded": lambda: np.random.RandomState(7),
    "PCG64": lambda: np.random.RandomState(np.random.PCG64(7)),
    "a subclass": lambda: Subclass(7),
}


class Subclass(np.random.RandomState):
    pass


@pytest.mark.parametrize("n_drawn", [0, 1, 2, 700])  # one normal number of a pair is kept
@pytest.mark.parametrize("kind", GENERATORS)
def test_a_copied_generator_draws_what_the_first_would_have(kind, n_drawn):
    generator = GENERATORS[kind]()
    generator.standard_normal(n_drawn)
    copied, expected = copy_random_state(generator), copy.deepcopy(generator)
    assert type(copied) is type(expected)
    np.testing.assert_array_equal(copied.standard_normal(5), expected.standard_normal(5))
    np.testing.assert_equal(copied.get_state(legacy=False), expected.get_state(legacy=False))
    assert not np.array_equal(generator.standard_normal(5), copied.standard_normal(5))


@pytest.mark.parametrize("seed", [0, 1, np.uint32(2**32 - 1), np.int64(5)])
def test_a_seeded_generator_is_that_of_numpy(seed):
    np.testing.assert_equal(
        seeded(seed).get_state(legacy=False), np.random.RandomState(seed).get_state(legacy=False)
    )

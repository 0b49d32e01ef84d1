"""Ctrl-C once ends one fit, twice within a second ends all."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from helpers.callbacks import Interruption
from helpers.data import numbers
from helpers.processes import start_python, stop
from sklearn.ensemble import BaggingRegressor
from sklearn.model_selection import GridSearchCV, cross_validate

from sklearn_metabp import LBFGS, BackpropMLPRegressor
from sklearn_metabp.training import loop

X, Y = numbers()


def interrupted(at_step=3, **setting):
    common = {"hidden_layer_sizes": (4,), "batch_size": 20, "max_iter": 9, "random_state": 0}
    return BackpropMLPRegressor(**(common | setting)).set_callbacks(Interruption(at_step))


class Clock:
    def __init__(self, monkeypatch):
        self.seconds = 100.0
        monkeypatch.setattr(loop.time, "monotonic", lambda: self.seconds)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.mark.parametrize("setting", [{}, {"update_rule": LBFGS()}, {"early_stopping": True}])
@pytest.mark.parametrize(("pause", "ends_all"), [(0.0, True), (0.9, True), (1.1, False)])
def test_a_second_ctrl_c_within_a_second_goes_through(clock, setting, pause, ends_all):
    model = interrupted(**setting)
    with pytest.warns(UserWarning, match="Press Ctrl-C again within a second to end all"):
        model.fit(X, Y)
    before = model.params_.copy()
    clock.seconds += pause
    if ends_all:
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, Y)
        np.testing.assert_array_equal(model.params_, before)
    else:
        with pytest.warns(UserWarning, match="interrupted by user"):
            model.fit(X, Y)


@pytest.mark.parametrize(
    "run",
    [
        lambda model: GridSearchCV(model, {"alpha": [0.1, 1.0, 2.0]}, cv=2).fit(X, Y),
        lambda model: cross_validate(model, X, Y, cv=3),
        lambda model: BaggingRegressor(model, 3).fit(X, Y),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_second_ctrl_c_ends_searches_and_ensembles(clock, run):
    with (
        pytest.raises(KeyboardInterrupt),
        pytest.warns(UserWarning, match="uses its result") as warned,
    ):
        run(interrupted())
    assert sum("interrupted by user" in str(w.message) for w in warned) == 1


SEARCH = """
import sys, warnings
warnings.simplefilter("always")
from helpers.data import numbers
from sklearn.model_selection import GridSearchCV
from sklearn_metabp import BackpropMLPRegressor
model = BackpropMLPRegressor((4,), n_iter_no_change=float("inf"), max_iter=10**7, verbose=False)
last = int(sys.argv[1])
search = GridSearchCV(model, {"max_iter": [10**7, last]}, cv=2, refit=False)
print("begins", flush=True)
search.fit(*numbers())
print("whole", flush=True)
"""


def told(process):
    """Wait for the next warning of an interrupted fit, a minute at most."""
    limit = threading.Timer(60, process.kill)
    limit.start()
    try:
        for line in process.stderr:
            if "interrupted by user" in line:
                return
    finally:
        limit.cancel()
    raise AssertionError("the script ended without the warning")


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("again", [True, False])
def test_a_search_that_is_signalled(again):
    process = start_python(SEARCH, 10**7 if again else 1)
    try:
        assert process.stdout.readline() == "begins\n"
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        told(process)
        if again:
            time.sleep(0.2)
        else:
            time.sleep(1.5)  # the second fold of the first candidate has a Ctrl-C of its own
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=60)
    finally:
        stop(process)
    if again:
        assert printed == ""
        assert errors.rstrip().endswith("KeyboardInterrupt")
    else:
        assert printed == "whole\n"

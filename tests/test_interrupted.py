"""Ctrl-C between any two lines of a training leaves a consistent model."""

import sys
import warnings

import numpy as np
import pytest
from helpers.callbacks import SomeSteps
from helpers.data import numbers

from sklearn_metabp import BackpropMLPRegressor
from sklearn_metabp.training import Curve, TrainingState, loop
from sklearn_metabp.training.epochs import Epochs
from sklearn_metabp.training.loop import _EpochEnd
from sklearn_metabp.training.search import Search

# Functions that run between the first epoch and the last.
TRAINING = [
    Epochs.run,
    Epochs.run_one,
    Epochs._run_program,
    Epochs._run_quiet,
    Epochs._take_seen_step,
    Epochs._take_step,
    Epochs._run_steps,
    _EpochEnd.handle,
    _EpochEnd._update_patience,
    TrainingState.note_epochs,
    TrainingState.note_validation,
    Curve.extend,
    Curve.append,
    Curve.append_at,
    Search._iteration_ended,
]
CODES = {function.__code__ for function in TRAINING}


class InterruptedAt:
    """Raises KeyboardInterrupt before the n-th line of the training; counts lines."""

    def __init__(self, at=None):
        self.at, self.n_lines, self.where = at, 0, None

    def trace(self, frame, event, arg):
        if frame.f_code not in CODES:
            return None
        if event == "line":
            self.n_lines += 1
            if self.n_lines == self.at:
                self.where = f"{frame.f_code.co_qualname}:{frame.f_lineno}"
                raise KeyboardInterrupt
        return self.trace

    def __enter__(self):
        loop._last_interrupt = -np.inf  # a Ctrl-C of the test before is long ago
        self._before = sys.gettrace()
        sys.settrace(self.trace)
        return self

    def __exit__(self, *error):
        sys.settrace(self._before)


def make(rule, early_stopping):
    return BackpropMLPRegressor(
        (2,),
        update_rule=rule,
        batch_size=15 if rule == "adam" else "auto",
        max_iter=3,
        early_stopping=early_stopping,
        warm_start=True,
        random_state=0,
        n_iter_no_change=np.inf,
    )


def check(model, where):
    """Assert that all curves and counters of a model end with the same epoch."""
    n = model.n_iter_
    assert len(model.loss_curve_) == n, where
    if model.validation_scores_ is not None:
        assert len(model.validation_scores_) == len(model.validation_loss_curve_) == n, where
        validated = ~np.isnan(model.validation_scores_)
        both = ~np.isnan(model.validation_loss_curve_)
        assert (validated == both).all(), where
        state = model._training_state
        if state.best_params is not None and state.best_score == np.nanmax(
            model.validation_scores_
        ):
            found = model.validation_scores_.index(state.best_score)
            assert found < n, where


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize(
    ("rule", "callbacks"),
    [("adam", ()), ("lbfgs", ()), ("adam", (SomeSteps(every=4),))],
    ids=["adam", "lbfgs", "adam, some steps are seen"],
)
def test_wherever_ctrl_c_comes_curves_and_counters_agree(rule, callbacks, early_stopping):
    X, y = numbers(n=40)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = make(rule, early_stopping).set_callbacks(*callbacks)
        with InterruptedAt() as count:
            whole.fit(X, y)
        assert count.n_lines > 40
        for at in range(1, count.n_lines + 1, 1 if rule == "adam" and not callbacks else 3):
            model = make(rule, early_stopping).set_callbacks(*callbacks)
            with InterruptedAt(at) as interruption:
                model.fit(X, y)
            assert interruption.where is not None
            check(model, interruption.where)
            n = model.n_iter_
            assert model.loss_curve_ == whole.loss_curve_[:n], interruption.where
            if (
                model.validation_scores_ is not None
            ):  # a score is that of its epoch, and never one of another
                scores = np.array(model.validation_scores_)
                there = ~np.isnan(scores)
                np.testing.assert_array_equal(
                    scores[there], np.array(whole.validation_scores_)[:n][there]
                )
            model.fit(X, y)
            check(model, interruption.where)
            assert model.n_iter_ <= n + 3


def test_the_best_score_never_stands_without_its_parameters():
    X, y = numbers(n=40)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with InterruptedAt() as count:
            make("adam", True).fit(X, y)
        for at in range(1, count.n_lines + 1):
            model = make("adam", True)
            with InterruptedAt(at):
                model.fit(X, y)
            state = model._training_state
            assert (state.best_params is None) == (state.best_score == -np.inf)
            if state.best_params is not None:
                assert state.best_score in model.validation_scores_

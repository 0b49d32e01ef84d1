"""Objectives: numbers worked by hand for rollouts that are written down."""

import numpy as np
import pytest

from sklearn_metabp import BackpropMLPClassifier
from sklearn_metabp.meta_training import Rollout, Task, rollout
from sklearn_metabp.meta_training.objectives import (
    MAX_VALUE,
    MEASURES,
    OBJECTIVES,
    as_objective,
    bounded_value,
    n_sound_epochs,
)

X = np.random.default_rng(0).standard_normal((40, 3))
Y = (X[:, 0] > 0).astype(int)
TASK = Task(BackpropMLPClassifier((4,), max_iter=40, n_iter_no_change=np.inf), X, Y, X[:20], Y[:20])


def record(
    curve=(1.0, 0.5),
    validation=(0.9, np.nan, 0.4, 0.7),
    scores=None,
    diverged=False,
    chosen_test_loss=np.nan,
):
    curve = np.array(curve)
    return Rollout(
        loss=np.inf if diverged else float(curve[-1]),
        n_steps=10,
        diverged=diverged,
        seconds=0.0,
        loss_curve=curve,
        validation_loss_curve=None if validation is None else np.array(validation),
        validation_scores=None if scores is None else np.array(scores),
        chosen_test_loss=chosen_test_loss,
        n_planned_epochs=40,
    )


CASES = {
    "final_loss": (record((2.0, 0.495)), np.log(0.5)),
    # Two epochs are two segments.
    "log_curve": (record((0.995, 0.245)), (np.log(1.0) + np.log(0.25)) / 2),
    "final_validation_loss": (record(), np.log(0.71)),
    "best_validation_loss": (record(), np.log(0.41)),
    "chosen_test_loss": (record(chosen_test_loss=0.24), np.log(0.25)),
    "final_validation_score": (record(scores=[0.5, np.nan, 0.9, 0.8]), -0.8),
    "best_validation_score": (record(scores=[0.5, np.nan, 0.9, 0.8]), -0.9),
    "fit": (
        record((0.995, 0.245)),
        0.5 * (np.log(1.0) + np.log(0.25)) / 2 + 0.5 * np.log(0.25),
    ),
    "generalise": (record(), 0.5 * np.log(0.41) + 0.5 * np.log(0.71)),
}


@pytest.mark.parametrize("name", CASES)
def test_values_are_those_worked_by_hand(name):
    rollout_record, expected = CASES[name]
    assert as_objective(name).value(rollout_record, TASK) == pytest.approx(expected, abs=1e-12)


def test_every_measure_and_objective_has_a_case():
    assert set(CASES) == {*MEASURES, *OBJECTIVES}


def test_a_long_curve_has_twenty_segments():
    curve = np.repeat(np.exp(-np.arange(20.0)), 7)  # constant within a segment
    expected = np.mean(np.log(np.exp(-np.arange(20.0)) + 0.005))
    assert as_objective("log_curve").value(record(curve), TASK) == pytest.approx(expected)


def test_a_mix_is_a_weighted_sum():
    mix = as_objective({"final_loss": 2, "final_validation_loss": -0.5})
    expected = 2 * np.log(0.505) - 0.5 * np.log(0.71)
    assert mix.value(record(), TASK) == pytest.approx(expected)
    assert mix.needs_validation and not mix.validation_scores
    assert not as_objective("fit").needs_validation
    by_test = as_objective({"final_loss": 1, "chosen_test_loss": 1})
    assert by_test.needs_test and by_test.needs_validation and not mix.needs_test


def test_a_later_divergence_is_better_and_all_values_are_bounded():
    def value(name, **facts):
        return bounded_value(as_objective(name), record(diverged=True, **facts), TASK)

    early, late = (value("fit", curve=np.full(n, 0.5)) for n in (2, 30))
    never = bounded_value(as_objective("fit"), record(np.full(40, 0.5)), TASK)
    assert never < late < early <= np.log(1000.005)
    assert value("generalise", validation=()) == pytest.approx(np.log(1000.01))
    assert value("final_validation_score", validation=()) == MAX_VALUE
    lost = value("chosen_test_loss", validation=(), chosen_test_loss=np.inf)
    assert lost == pytest.approx(np.log(1000.01))
    assert bounded_value(as_objective(lambda record: 1e9), record(), TASK) == MAX_VALUE
    assert bounded_value(as_objective(lambda record: -np.inf), record(), TASK) == -MAX_VALUE
    assert bounded_value(as_objective(lambda record: 0), record(diverged=True), TASK) == MAX_VALUE


def test_a_scorer_judges_the_trained_network():
    trained = rollout(TASK, "adam", 0, return_estimator=True)
    value = as_objective("accuracy").value(trained, TASK)
    assert value == -trained.estimator.score(X[:20], Y[:20])


@pytest.mark.parametrize(
    ("curve", "diverged", "expected"),
    [
        ((1.0, 0.5, 0.2), False, None),
        ((1.0, 0.5, 9.9), False, None),  # worse, and within ten times the first loss
        ((1.0, 0.5, 11.0, 300.0), False, 2),
        ((1.0, 11.0, 0.5), False, None),  # it came back
        ((1.0, 0.5), True, 2),
        ((1.0, 70.0), True, 1),
        ((), True, 0),
    ],
)
def test_epochs_before_a_failure_are_counted(curve, diverged, expected):
    facts = record(curve or [1.0], diverged=diverged)
    if not curve:
        facts = record(np.empty(0) if diverged else curve, diverged=True)
    assert n_sound_epochs(facts) == expected


@pytest.mark.parametrize("objective", ["fitt", {}, {"fit_loss": 1.0}, {"final_loss": np.nan}, 3])
def test_what_is_no_objective_is_refused(objective):
    with pytest.raises(ValueError, match="objective must"):
        as_objective(objective)

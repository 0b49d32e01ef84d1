"""The display of a diagnosis."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from helpers.diagnostics import classifier, problem

from sklearn_metabp import TrainingDoctor
from sklearn_metabp.plotting import DiagnosisDisplay

X, LABELS, _ = problem()


@pytest.fixture(scope="module")
def doctor():
    doctor = TrainingDoctor()
    classifier((6, 5)).set_callbacks(doctor).fit(X, LABELS, X_val=X, y_val=LABELS)
    return doctor


def test_the_curves_are_those_of_the_course(doctor):
    display = DiagnosisDisplay.from_diagnosis(doctor)
    course = doctor.diagnosis_.course
    losses, _, signals, neurons = display.ax_
    np.testing.assert_array_equal(losses.lines[0].get_ydata(), course.epoch_losses)
    np.testing.assert_array_equal(losses.lines[1].get_ydata(), course.ending.validation_losses)
    look = course.looks[3]
    ratio = look.square * look.n_patterns / look.variance
    np.testing.assert_allclose(signals.lines[0].get_ydata()[3], ratio)
    drawn = [line for line in neurons.lines if line.get_label().startswith("layer")]
    assert [line.get_label() for line in drawn] == ["layer 1", "layer 2"]
    np.testing.assert_allclose(drawn[1].get_ydata()[3], look.idle[1].mean())
    assert display.figure_ is losses.figure


def test_axes_that_are_given_are_used(doctor):
    _, axes = plt.subplots(2, 2)
    display = DiagnosisDisplay.from_diagnosis(doctor.diagnosis_, ax=axes)
    assert list(display.ax_) == list(axes.ravel())
    with pytest.raises(ValueError, match="4 of them"):
        DiagnosisDisplay.from_diagnosis(doctor, ax=axes[0])


def test_a_network_without_hidden_layers_is_drawn():
    doctor = TrainingDoctor()
    classifier(()).set_callbacks(doctor).fit(X, LABELS)
    display = DiagnosisDisplay.from_diagnosis(doctor)
    assert display.ax_[3].get_legend() is None

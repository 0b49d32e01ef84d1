"""Diagnoses of recurrent networks: what is examined, and what is listed as not examined."""

import contextlib
import gc
import warnings
import weakref

import numpy as np
import pytest
from helpers.diagnostics import regressor as mlp
from numpy.testing import assert_allclose

from sklearn_metabp import (
    LBFGS,
    SGD,
    Adam,
    BackpropRNNClassifier,
    BackpropRNNRegressor,
    DivergenceError,
    TraceRecorder,
    TrainingDoctor,
)
from sklearn_metabp.diagnostics import diagnose, gradient_noise
from sklearn_metabp.diagnostics.observer import Observer
from sklearn_metabp.diagnostics.patterns import BatchGradient

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
CELLS = ["elman", "gru"]


def sequences(seed=0, n=90, n_timesteps=12, *, padded=True, every_step=False):
    """Return sequences and running sums of their first feature, or the last of these."""
    random = np.random.RandomState(seed)
    X = random.normal(size=(n, n_timesteps, 2))
    sums = X[:, :, 0].cumsum(axis=1) / 3
    lengths = np.full(n, n_timesteps)
    if padded:
        lengths[: n // 3] = random.randint(2, n_timesteps, n // 3)
    X[np.arange(n_timesteps) >= lengths[:, None]] = np.nan
    if not every_step:
        return X, sums[np.arange(n), lengths - 1]
    return X, np.where(np.isnan(X[:, :, 0]), np.nan, sums)


def regressor(cell="elman", **params):
    params = {"batch_size": 16, "max_iter": 20, "random_state": 0, "tol": 0} | params
    return BackpropRNNRegressor(6, cell, n_iter_no_change=np.inf, **params)


def watched(model, X, y, **fit):
    """Fit under a doctor and a recorder; return both diagnoses."""
    doctor, recorder = TrainingDoctor(), TraceRecorder("all")
    with contextlib.suppress(DivergenceError):
        model.set_callbacks(doctor, recorder).fit(X, y, **fit)
    return doctor.diagnosis_, diagnose(recorder.trace_)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_trainings_that_go_well_and_wrong(cell, every_step, padded):
    X, y = sequences(padded=padded, every_step=every_step)
    for rule, expected in (
        (Adam(0.01), None),
        (SGD(1e-5), "rate too low"),
        (SGD(100.0), "rate too high"),
    ):
        model = regressor(cell, return_sequences=every_step, update_rule=rule, max_iter=40)
        for diagnosis in watched(model, X, y):
            rates = [name for name in diagnosis.names if name.startswith("rate too")]
            assert rates == ([expected] if expected else []), diagnosis
            assert "no signal" in diagnosis.unchecked
            assert "without recurrent layer" in " ".join(repr(diagnosis).split())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("every_step", [False, True])
def test_classes_weights_dropout_truncation_and_searches(cell, every_step):
    X, y = sequences(every_step=every_step)
    labels = [np.where(row[~np.isnan(row)] > 0, "up", "down") for row in np.atleast_2d(y)]
    labels = labels if every_step else labels[0]
    weight = np.random.RandomState(1).uniform(0.2, 3, len(X))
    for params in (
        {},
        {"dropout": 0.3, "bptt_steps": 4},
        {"update_rule": LBFGS(), "batch_size": "full"},
    ):
        model = BackpropRNNClassifier(
            5, cell, return_sequences=every_step, max_iter=4, random_state=0, **params
        )
        for diagnosis in watched(model, X.astype(np.float32), labels, sample_weight=weight):
            assert diagnosis.course.looks
            assert np.isfinite(diagnosis.course.level)
            assert repr(diagnosis)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("every_step", [False, True])
def test_the_penalty_is_told_from_the_rest(cell, every_step):
    X, y = sequences(every_step=every_step)
    weight = np.random.RandomState(1).uniform(0.2, 3, len(X))
    steps = []
    for alpha in (0.0, 3.0):
        recorder = TraceRecorder("all")
        model = regressor(cell, return_sequences=every_step, alpha=alpha, max_iter=1)
        model.set_callbacks(recorder).fit(X, y, sample_weight=weight)
        steps.append(next(step for _, step in recorder.trace_.iter_steps(0)))
    plain, penalised = steps
    gradient = BatchGradient(penalised, 16)
    assert_allclose(gradient.data_gradient, plain.gradients, atol=1e-12)
    assert_allclose(penalised.loss - gradient.penalty, plain.loss, rtol=1e-9)


def test_two_batches_tell_the_noise():
    class Keeps(TrainingDoctor):
        """It also computes the gradient of every sequence of the first batch."""

        def on_step_end(self, estimator, context, step):
            super().on_step_end(estimator, context, step)
            if step.index == 1:
                rows = step.rows
                one = rows.X.shape[0]
                kernel = step.network.backprop(np.array(step.params), self.buffer(step), one)
                kernel.load(rows.X, rows.targets)
                self.single = []
                for row in range(one):
                    kernel.gradients(row, row + 1)
                    self.single.append(self.gradients.copy())

        def buffer(self, step):
            self.gradients = np.zeros_like(step.gradients)
            return self.gradients

    X, y = sequences(n=400)
    ratios = []
    for seed in range(8):
        doctor = Keeps()
        model = regressor(alpha=0.0, max_iter=1, random_state=seed, batch_size=50)
        model.set_callbacks(doctor).fit(X, y)
        true = np.var(doctor.single, axis=0, ddof=1).sum()
        ratios.append(doctor.diagnosis_.course.looks[0].variance / true)
    assert 0.6 < np.mean(ratios) < 1.5, ratios


def test_deltas_vanish_over_time():
    X, y = sequences(n_timesteps=60, padded=False)
    y = X[:, 0, 0]  # the first time step alone decides
    model = regressor(update_rule=SGD(0.01), batch_size="full", max_iter=30)
    start = model.fit(X, y)
    coefs = [0.3 * start.coefs_[0], 0.2 * np.eye(6), start.coefs_[2]]
    fit = {"coef_init": coefs, "intercept_init": start.intercepts_}
    for diagnosis in watched(regressor(update_rule=SGD(0.01), max_iter=30), X, y, **fit):
        finding = next(f for f in diagnosis.findings if f.name == "vanishing gradients")
        assert "from the last time steps to the first" in finding.verdict
        assert "cell='gru'" in finding.advice


@pytest.mark.parametrize("every_step", [False, True])
def test_one_class_is_predicted_for_all(every_step):
    X, _ = sequences(every_step=every_step)
    odd = np.where(np.arange(len(X)) % 6 == 0, "odd", "usual")
    labels = [np.repeat(odd[i], (~np.isnan(X[i, :, 0])).sum()) for i in range(len(X))]
    model = BackpropRNNClassifier(
        5,
        return_sequences=every_step,
        update_rule=SGD(0.1),
        batch_size=10,
        max_iter=20,
        random_state=0,
        n_iter_no_change=np.inf,
    )
    for diagnosis in watched(model, X, labels if every_step else odd):
        assert "class collapse" in diagnosis.names
    shares = np.where(np.nan_to_num(X[:, :, 0]).sum(axis=1) > 0, "up", "down")
    diagnosis = watched(model.set_params(return_sequences=False, update_rule="adam"), X, shares)[0]
    assert "class collapse" not in diagnosis.names


def test_dead_states_and_large_features():
    X, y = sequences()
    X[:, :, 1] *= 1000
    model = regressor(activation="relu", update_rule=SGD(1e-6))
    model.set_params(max_iter=1).fit(X, y)
    fit = {"coef_init": model.coefs_, "intercept_init": [np.full(6, -1e5), np.zeros(1)]}
    for diagnosis in watched(model.set_params(max_iter=5), X, y, **fit):
        verdicts = [finding.verdict for finding in diagnosis.findings]
        assert any(text.startswith("feature 1 of the time steps has mean") for text in verdicts)
        assert any("100% of the neurons are dead from step 1" in text for text in verdicts)


def test_a_doctor_changes_nothing_and_a_trace_on_disk_has_a_diagnosis(tmp_path):
    X, y = sequences()
    plain = regressor("gru").fit(X, y)
    doctor, recorder = TrainingDoctor(), TraceRecorder("all", path=tmp_path)
    seen = regressor("gru").set_callbacks(doctor, recorder).fit(X, y)
    assert plain.params_.tobytes() == seen.params_.tobytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        diagnosis = diagnose(recorder.trace_)
    # a step on disk has no sequences, so no loss at other parameters
    assert {"rate too low", "oscillation"} - set(diagnosis.unchecked) <= {"rate too low"}
    assert diagnosis.names == doctor.diagnosis_.names == ["too few epochs"]


@pytest.mark.parametrize("make", [regressor, mlp])
def test_a_doctor_does_not_keep_the_training_alive(make):
    class Refers(TrainingDoctor):
        def on_step_end(self, estimator, context, step):
            super().on_step_end(estimator, context, step)
            self.step = weakref.ref(step)

    X, y = sequences(padded=False)
    doctor = Refers()
    model = make(max_iter=3).set_callbacks(doctor).fit(X if make is regressor else X[:, :, 0], y)
    gc.collect()
    assert doctor.step() is None
    assert doctor.diagnosis_.n_epochs == model.n_iter_ == 3


def test_quantities_of_patterns_refuse_a_recurrent_network_in_words():
    X, y = sequences()
    recorder = TraceRecorder("all")
    regressor(max_iter=1).set_callbacks(recorder).fit(X, y)
    with pytest.raises(TypeError, match=r"layers follow each other.*; got RecurrentNetwork"):
        gradient_noise(recorder.trace_)


def test_rows_that_are_kept_have_no_nan():
    X, y = sequences(n=300, every_step=True)
    recorder = TraceRecorder("all")
    regressor(return_sequences=True, max_iter=1).set_callbacks(recorder).fit(X, y)
    observer = Observer()
    for number, (_, step) in enumerate(recorder.trace_.iter_steps(0)):
        observer.see(step, number)
    rows, targets = observer.rows()
    assert np.isfinite(rows).all()
    assert np.isfinite(targets).all()
    assert 16 <= len(rows) <= 512

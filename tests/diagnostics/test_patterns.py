"""Gradients of patterns as factors, against gradients that are formed one by one."""

import numpy as np
import pytest
from helpers.diagnostics import (
    classifier,
    gradients_as_products,
    gradients_one_by_one,
    problem,
    record,
    regressor,
)

from sklearn_metabp.diagnostics.patterns import PatternGradients, pattern_gradients

X, LABELS, NUMBERS = problem()
WEIGHTS = np.random.RandomState(3).uniform(0.2, 3.0, len(X))
TRAININGS = {
    "softmax": (classifier(), LABELS),
    "penalty": (classifier(alpha=3.0), LABELS),
    "two layers": (classifier((6, 5), activation="tanh", alpha=0.5), LABELS),
    "no hidden layer": (classifier((), alpha=0.1), LABELS),
    "logistic": (classifier(loss="squared_error"), LABELS > 0),
    "numbers": (regressor((7,), activation="gelu", alpha=1.0), NUMBERS),
    "huber": (regressor(loss="huber", alpha=0.3), NUMBERS),
    "parametric": (classifier((6, 5), activation="selu", parametric_activation=True), LABELS),
    "parametric and embedded": (
        regressor(
            (6, 5), activation="mish", parametric_activation=True, numeric_embedding="periodic"
        ),
        NUMBERS,
    ),
}


def last_step(trace):
    return list(steps_of(trace))[-1]


def steps_of(trace):
    return (step for _, step in trace.iter_steps(0))


@pytest.mark.parametrize("name", TRAININGS)
def test_factors_give_what_single_gradients_give(name):
    model, y = TRAININGS[name]
    random = np.random.RandomState(1)
    for step in steps_of(record(model, X, y)):
        single = gradients_one_by_one(step)
        np.testing.assert_allclose(single.mean(axis=0), step.gradients, rtol=1e-9, atol=1e-12)
        ours = pattern_gradients(step)
        without = single - ours.penalty_gradient
        slices = [tensor.slice for tensor in step.layout.tensors]
        norms = np.stack([(without[:, s] ** 2).sum(axis=1) for s in slices], axis=1)
        np.testing.assert_allclose(ours.squared_norms(), norms, rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(
            ours.second_moments(), (without**2).mean(axis=0), rtol=1e-9, atol=1e-15
        )
        variances = single.var(axis=0, ddof=1)
        by_tensor = [variances[s].sum() for s in slices]
        np.testing.assert_allclose(ours.variances(), by_tensor, rtol=1e-8, atol=1e-14)
        vector = random.normal(size=len(step.params))
        np.testing.assert_allclose(ours.products(vector), single @ vector, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 2.0])
def test_sample_weights_are_found_in_the_deltas(alpha):
    model = classifier(batch_size=len(X), alpha=alpha, shuffle=False)
    step = next(steps_of(record(model, X, LABELS, sample_weight=WEIGHTS)))
    single = gradients_one_by_one(step, WEIGHTS)
    np.testing.assert_allclose(single.mean(axis=0), step.gradients, rtol=1e-9)
    ours = pattern_gradients(step)
    np.testing.assert_allclose(ours.products(step.params), single @ step.params, rtol=1e-8)
    variance = single.var(axis=0, ddof=1).sum()
    np.testing.assert_allclose(ours.variances().sum(), variance, rtol=1e-8)


def test_weights_that_nearly_add_up_to_the_number_of_patterns_are_weights():
    weights = np.ones(len(X))
    weights[0] += 2e-4 * len(X)
    model = classifier(batch_size=len(X), shuffle=False)
    step = next(steps_of(record(model, X, LABELS, sample_weight=weights)))
    ours = pattern_gradients(step)
    assert ours.is_weighted
    single = gradients_one_by_one(step, weights)
    np.testing.assert_allclose(ours.products(step.params), single @ step.params, rtol=1e-7)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_gradients_at_a_minimum_add_up(dtype):
    model = classifier((), "lbfgs", alpha=1.0, batch_size="full", max_iter=300, tol=1e-7)
    trace = record(model, X.astype(dtype), LABELS)
    for step in steps_of(trace):
        ours = pattern_gradients(step)
        assert not ours.is_weighted
    assert np.linalg.norm(step.gradients) < 1e-3


def test_dropped_neurons_belong_to_the_gradients():
    trace = record(classifier((12,), alpha=0.0, dropout=0.5), X, LABELS)
    for step in steps_of(trace):
        single = gradients_as_products(step)
        np.testing.assert_allclose(single.mean(axis=0), step.gradients, rtol=1e-9, atol=1e-12)
        variance = single.var(axis=0, ddof=1).sum()
        np.testing.assert_allclose(pattern_gradients(step).variances().sum(), variance, rtol=1e-8)


def test_float32_is_computed_in_float64():
    trace = record(classifier(), *problem(dtype=np.float32)[:2])
    step = last_step(trace)
    assert step.gradients.dtype == np.float32
    variance = gradients_one_by_one(step).var(axis=0, ddof=1).sum()
    np.testing.assert_allclose(pattern_gradients(step).variances().sum(), variance, rtol=1e-4)


def test_one_pattern_has_no_variance():
    step = last_step(record(classifier(batch_size=1, max_iter=1), X[:5], LABELS[:5]))
    assert np.isnan(pattern_gradients(step).variances()).all()


def test_a_loss_with_another_term_is_refused():
    class Other:
        def __init__(self, step):
            self.step = step
            self.gradients = step.gradients + 0.5 * np.sign(step.params)

        def __getattr__(self, name):
            return getattr(self.step, name)

    step = last_step(record(classifier(), X, LABELS))
    assert PatternGradients(step).mismatch < 1e-12
    with pytest.raises(ValueError, match="do not add up to the gradient of the batch: they differ"):
        pattern_gradients(Other(step))

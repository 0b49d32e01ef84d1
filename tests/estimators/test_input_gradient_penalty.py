"""The penalty of input gradients as a parameter of the estimators."""

import numpy as np
import pytest
from helpers.callbacks import Notes
from scipy.sparse import csr_array
from sklearn.base import clone

from sklearn_metabp import (
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Checkpoint,
    LearnedUpdateRule,
    LinearBackprop,
    TraceRecorder,
)
from sklearn_metabp.derivatives import input_gradients

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def make_data(seed=0, n=60):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 6))
    noise = rng.standard_normal((n, 3))
    return X, (X[:, :3] + noise).argmax(axis=1), X[:, 0] * X[:, 1] + noise[:, 0]


def mean_norm(model, X, y):
    return float((input_gradients(model, X, y) ** 2).sum(axis=1).mean())


@pytest.mark.parametrize("update_rule", ["adam", "lbfgs", "rprop"])
def test_the_penalty_makes_losses_flat_in_the_inputs(update_rule):
    X, y, numbers = make_data()
    for Estimator, target in ((BackpropMLPClassifier, y), (BackpropMLPRegressor, numbers)):
        models = [
            Estimator(
                (4,), "tanh", update_rule=update_rule, max_iter=300, alpha=0.0, random_state=0,
                input_gradient_penalty=beta,
            ).fit(X, target)
            for beta in (0.0, 10.0)
        ]  # fmt: skip
        norms = [mean_norm(model, X, target) for model in models]
        assert norms[0] > 2 * norms[1]


def test_the_loss_of_a_step_has_the_penalty_and_validation_losses_do_not():
    X, y, _ = make_data()
    options = {"batch_size": "full", "max_iter": 1, "alpha": 0.0, "random_state": 1}
    start = BackpropMLPClassifier((8,), max_iter=1, random_state=1, update_rule="sgd")
    start.set_params(update_rule__learning_rate=1e-12).fit(X, y)
    plain = BackpropMLPClassifier((8,), **options).fit(X, y, X_val=X, y_val=y)
    penalised = BackpropMLPClassifier((8,), input_gradient_penalty=3.0, **options)
    penalised.fit(X, y, X_val=X, y_val=y)
    expected = plain.loss_curve_[0] + 3.0 / 2 * mean_norm(start, X, y)
    assert penalised.loss_curve_[0] == pytest.approx(expected, rel=1e-8)
    network = penalised.network_
    targets = penalised.targets_.encode(y, X.dtype)
    assert penalised.validation_loss_curve_[0] == pytest.approx(
        network.mean_loss(penalised.params_, X, targets)
    )


def test_rules_with_deltas_of_their_own_are_refused():
    X, y, _ = make_data()
    model = BackpropMLPClassifier(update_rule=LinearBackprop("adam"), input_gradient_penalty=0.1)
    with pytest.raises(ValueError, match=r"input_gradient_penalty=0\.1 needs .* LinearBackprop"):
        model.fit(X, y)
    assert not hasattr(model, "classes_")


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf, "much"])
def test_impossible_strengths_are_refused(bad):
    X, y, _ = make_data()
    with pytest.raises(ValueError, match="input_gradient_penalty"):
        BackpropMLPClassifier(input_gradient_penalty=bad).fit(X, y)
    with pytest.raises(ValueError, match="input_gradient_norm"):
        BackpropMLPClassifier(input_gradient_norm="l3").fit(X, y)


@pytest.mark.parametrize("update_rule", ["adam", "lbfgs", "conjugategradient"])
def test_a_fit_without_python_is_the_fit_that_is_watched(update_rule):
    X, y, _ = make_data()
    options = {"max_iter": 12, "batch_size": 16, "random_state": 2, "dropout": 0.0}
    model = BackpropMLPClassifier(
        (7, 5), ["gelu", "relu"], update_rule=update_rule, input_gradient_penalty=0.5, **options
    )
    quiet = clone(model).fit(X, y)
    recorder = TraceRecorder(["params", "gradients", "deltas", "loss"])
    watched = clone(model).set_callbacks(recorder).fit(X, y)
    np.testing.assert_array_equal(quiet.params_, watched.params_)
    np.testing.assert_array_equal(quiet.loss_curve_, watched.loss_curve_)
    trace = recorder.trace_
    assert trace.params.shape == trace.gradients.shape


def test_the_loss_at_other_parameters_has_the_penalty():
    X, y, _ = make_data()
    seen = []

    class Watcher(Notes):
        def on_step_end(self, estimator, context, step):
            loss, gradients = step.loss_and_gradients_at(step.params)
            seen.append((loss - step.loss, np.abs(gradients - step.gradients).max()))

    model = BackpropMLPClassifier((7,), max_iter=2, random_state=0, input_gradient_penalty=0.7)
    model.set_callbacks(Watcher()).fit(X, y)
    np.testing.assert_array_equal(seen, np.zeros((2, 2)))


def test_n_calls_of_partial_fit_are_a_fit():
    X, y, _ = make_data()
    options = {"input_gradient_penalty": 0.3, "input_gradient_norm": "l1", "random_state": 0}
    model = BackpropMLPClassifier((6,), "silu", max_iter=4, **options).fit(X, y)
    parts = BackpropMLPClassifier((6,), "silu", **options)
    for _ in range(4):
        parts.partial_fit(X, y, classes=np.unique(y))
    np.testing.assert_array_equal(model.params_, parts.params_)


def test_a_sparse_X_trains_as_a_dense_one():
    X, y, _ = make_data()
    X[X < 0.5] = 0
    options = {"input_gradient_penalty": 0.5, "max_iter": 5, "random_state": 0}
    dense = BackpropMLPClassifier((6,), "tanh", **options).fit(X, y)
    sparse = BackpropMLPClassifier((6,), "tanh", **options).fit(csr_array(X), y)
    np.testing.assert_allclose(dense.params_, sparse.params_, rtol=1e-10)


def test_a_learned_rule_trains_under_the_penalty():
    X, y, _ = make_data()
    recorder = TraceRecorder("all")
    teacher = BackpropMLPClassifier((6,), max_iter=10, random_state=0, input_gradient_penalty=0.5)
    teacher.set_callbacks(recorder).fit(X, y)
    rule = LearnedUpdateRule(scope="link").fit(recorder.trace_)
    student = BackpropMLPClassifier(
        (8,), update_rule=rule, max_iter=10, random_state=1, input_gradient_penalty=0.5
    ).fit(X, y)
    assert student.loss_curve_[-1] < student.loss_curve_[0]
    neuron = LearnedUpdateRule(scope="neuron").fit(recorder.trace_)
    with pytest.raises(ValueError, match="needs the deltas of rule"):
        student.set_params(update_rule=neuron).fit(X, y)


def test_checkpoints_of_another_penalty_are_not_continued(tmp_path):
    X, y, _ = make_data()
    options = {"max_iter": 3, "random_state": 0}
    fits = []
    for penalty in (0.0, 0.5, 0.5):
        model = BackpropMLPClassifier((6,), input_gradient_penalty=penalty, **options)
        fits.append(model.set_callbacks(Checkpoint(tmp_path)).fit(X, y))
    alone = BackpropMLPClassifier((6,), input_gradient_penalty=0.5, **options).fit(X, y)
    np.testing.assert_array_equal(fits[2].params_, alone.params_)
    np.testing.assert_array_equal(fits[1].params_, alone.params_)

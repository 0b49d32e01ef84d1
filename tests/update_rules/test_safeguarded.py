"""Safeguarded helps where the rule within does not, and leaves a rule that helps alone."""

import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.callbacks import StepNotes
from helpers.data import classes, numbers
from sklearn.datasets import load_iris
from sklearn.metrics import log_loss
from sklearn.preprocessing import scale

from sklearn_metabp import (
    SGD,
    Adam,
    Averaged,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Checkpoint,
    Clipped,
    LearnedUpdateRule,
    LinearBackprop,
    RMSprop,
    Safeguarded,
    TraceRecorder,
    UpdateRule,
)
from sklearn_metabp.update_rules.safeguarded import _is_acceptable

LONG = {"tol": 0, "n_iter_no_change": np.inf, "random_state": 0}


def test_infinity_is_no_sane_step_from_weights_whose_length_has_no_number():
    huge = np.full(4, 1e155)
    assert not _is_acceptable(np.array([np.inf, 0.0, 0.0, 0.0]), huge)
    assert not _is_acceptable(np.full(4, np.nan), huge)
    assert _is_acceptable(np.ones(4), np.ones(4))


class Bad(UpdateRule):
    """A rule whose updates are bad in one way, from some step on."""

    def __init__(self, kind, since=1):
        self.kind = kind
        self.since = since

    def init_state(self, layout):
        return {"rng": np.random.default_rng(0)}

    def compute_update(self, step, state):
        if step.index < self.since:
            return -0.1 * step.gradients
        return {
            "uphill": lambda: 0.02 * step.gradients,
            "steep": lambda: 0.5 * step.gradients,
            "far too long": lambda: -1e6 * step.gradients,
            "noise": lambda: (
                0.3 * state["rng"].standard_normal(len(step.params)).astype(step.params.dtype)
            ),
            "still": lambda: 0 * step.gradients,
            "creeping": lambda: -1e-5 * step.gradients,
            "nan": lambda: np.nan * step.gradients,
            "infinite": lambda: np.full_like(step.params, np.inf),
            "doubling": lambda: step.params.copy(),
        }[self.kind]()


KINDS = [
    "uphill",
    "steep",
    "far too long",
    "noise",
    "still",
    "creeping",
    "nan",
    "infinite",
    "doubling",
]


def fit(rule, *, n_epochs=300, batch_size=16, callbacks=(), dtype=np.float64, sample_weight=None):
    X, y = classes("multiclass", seed=2, dtype=dtype)
    setting = {"max_iter": n_epochs, "batch_size": batch_size, **LONG}
    model = BackpropMLPClassifier((6,), "tanh", update_rule=rule, **setting)
    return model.set_callbacks(*callbacks).fit(X, y, sample_weight)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("batch_size", [1, 16, "full"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_rule_costs_steps_and_nothing_else(kind, batch_size, dtype):
    n_epochs = 1000 if batch_size == "full" else 300
    weights = np.linspace(0.5, 2, 60)
    arguments = {
        "n_epochs": n_epochs,
        "batch_size": batch_size,
        "dtype": dtype,
        "sample_weight": weights,
    }
    fallback = fit(SGD(0.1), **arguments)
    guarded = fit(Safeguarded(Bad(kind), SGD(0.1)), **arguments)
    start, end = fallback.loss_curve_[0], fallback.loss_curve_[-1]
    assert np.isfinite(guarded.loss_curve_).all()
    assert min(guarded.loss_curve_[-10:]) < end + 0.35 * (start - end)


@pytest.mark.parametrize("kind", KINDS)
def test_a_rule_that_turns_bad_is_stopped(kind):
    guarded = fit(Safeguarded(Bad(kind, since=200), SGD(0.1)))
    fallback = fit(SGD(0.1))
    assert guarded.loss_curve_[-1] < fallback.loss_curve_[-1] + 0.1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # bad on purpose
def test_the_bad_rules_do_not_lower_the_loss_alone():
    curves = {
        kind: fit(Bad(kind), n_epochs=50).loss_curve_
        for kind in ("uphill", "steep", "noise", "still")
    }
    for kind, curve in curves.items():
        assert curve[-1] >= 0.95 * curve[0], kind


def test_a_good_rule_drives_every_step():
    notes = StepNotes()
    guarded = fit(Safeguarded(Adam(0.02), SGD(1e-9)), n_epochs=100, callbacks=[notes])
    assert min(np.abs(step["updates"]).max() for step in notes.steps) > 1e-7
    np.testing.assert_array_equal(guarded.params_, fit(Adam(0.02), n_epochs=100).params_)


N_BLOCK = 38  # ceil(10 * 60 / 16)


def test_the_fallback_drives_one_block_then_two_then_four():
    """A block of the rule, the step to the fallback's weights, and 1, 2, 4, … blocks of it."""
    notes = StepNotes()
    fit(Safeguarded(Bad("uphill"), SGD(0.05)), n_epochs=150, callbacks=[notes])
    along = [np.dot(step["updates"], step["gradients"]) for step in notes.steps]
    uphill = np.flatnonzero(np.array(along) > 0)
    starts = uphill[np.flatnonzero(np.diff(uphill, prepend=-10) > 5)]
    lengths = [N_BLOCK + 1 + n_blocks * N_BLOCK for n_blocks in (1, 2, 4)]
    np.testing.assert_array_equal(starts[:4], np.cumsum([0, *lengths]))


def test_the_fallback_goes_on_with_the_weights_of_a_training_of_its_own():
    notes, alone = StepNotes(), StepNotes()
    fit(Safeguarded(Bad("noise"), SGD(0.05)), n_epochs=20, callbacks=[notes])
    fit(SGD(0.05), n_epochs=20, callbacks=[alone])
    for number in range(N_BLOCK + 1, 2 * N_BLOCK + 1):
        np.testing.assert_allclose(
            notes.steps[number]["params"], alone.steps[number]["params"], rtol=1e-9
        )


FALLBACKS = [SGD(0.1), Adam(0.01), Averaged(Adam(0.01)), RMSprop(0.003)]


@pytest.mark.parametrize("fallback", FALLBACKS, ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize("kind", [*KINDS, "good"])
def test_the_kept_weights_are_as_good_as_those_of_the_fallback_alone(kind, fallback):
    """All rows are compared on, so it holds for the loss of the training set."""
    X, y = classes("multiclass", seed=2)
    setting = {"max_iter": 30, "batch_size": 16, "alpha": 0.0, **LONG}
    rule = Adam(0.02) if kind == "good" else Bad(kind)

    def loss(rule):
        model = BackpropMLPClassifier((6,), "tanh", update_rule=rule, **setting).fit(X, y)
        return log_loss(y, model.predict_proba(X))

    assert loss(Safeguarded(rule, fallback)) <= loss(fallback) * (1 + 1e-9)


def test_the_training_of_the_fallback_drops_the_same_neurons():
    X, y = classes("multiclass", seed=2)

    def params(rule):
        model = BackpropMLPClassifier((6,), "tanh", update_rule=rule, dropout=0.3, batch_size=16)
        return model.set_params(max_iter=40, **LONG).fit(X, y).params_

    np.testing.assert_allclose(
        params(Safeguarded(Bad("noise"), SGD(0.1))), params(SGD(0.1)), rtol=1e-9
    )


def test_what_a_learned_rule_keeps_is_kept():
    rule = LearnedUpdateRule(scope="layer", random_state=0).initialize(start="averaged_adamw")
    guarded, alone = fit(Safeguarded(rule, SGD(1e-9)), n_epochs=20), fit(rule, n_epochs=20)
    np.testing.assert_array_equal(guarded.params_, alone.params_)


def test_steps_that_are_too_long_or_not_finite_are_not_taken():
    """Check updates longer than 1 + |w| or NaN: the fallback's update is taken instead, at once."""
    notes = StepNotes()
    fit(Safeguarded(Bad("infinite"), SGD(0.05)), n_epochs=20, callbacks=[notes])
    for step in notes.steps:
        np.testing.assert_allclose(step["updates"], -0.05 * step["gradients"], rtol=1e-12)


def test_a_batch_that_explodes_ends_the_block():
    X, y = numbers(1)
    notes = StepNotes()
    model = BackpropMLPRegressor(
        (), update_rule=Safeguarded(Bad("doubling", since=101), SGD(0.01)), batch_size=6
    )
    model.set_params(max_iter=30, **LONG).set_callbacks(notes).fit(X, y)
    losses = np.array([step["loss"] for step in notes.steps])
    assert losses.max() < 1e4
    assert losses[-20:].max() < 10 * losses[:20].max()


def test_weights_that_are_kept_are_those_of_the_fallback_where_they_are_better():
    rule = Safeguarded(Bad("uphill"), SGD(0.05))
    model = fit(rule, n_epochs=9)  # 36 steps: most of a bad block
    np.testing.assert_allclose(model.params_, fit(SGD(0.05), n_epochs=9).params_, rtol=1e-9)
    better = Safeguarded(SGD(0.2), SGD(0.05))
    state = fit(better, n_epochs=9)._training_state
    assert better.kept_params(state.params, state.rule_state) is state.params


@pytest.mark.parametrize("batch_size", [1, 16, "full"])
def test_the_fallback_works_with_true_gradients(batch_size):
    """Check a rule within that acts on the backward step and always fails."""

    class Reversed(Bad):
        acts_backward = True

        def compute_deltas(self, step, layer, state):
            return -step.deltas[layer + 1] @ step.coefs[layer + 1].T

    class Hidden(UpdateRule):
        """A fallback that records the gradients that it gets."""

        def init_state(self, layout):
            return {}

        def compute_update(self, step, state):
            true = step.loss_and_gradients_at(step.params)[1]
            np.testing.assert_array_equal(step.gradients, true)
            return -0.1 * step.gradients

    rule = Safeguarded(Reversed("nan"), Hidden())
    guarded = fit(rule, n_epochs=20, batch_size=batch_size)
    if batch_size == "full":  # nothing is undone there: the loss falls in every step
        plain = fit(SGD(0.1), n_epochs=20, batch_size=batch_size)
        np.testing.assert_allclose(guarded.params_, plain.params_, rtol=1e-9)


def test_rules_that_cannot_be_safeguarded_are_refused():
    with pytest.raises(TypeError, match=r"write Averaged\(Safeguarded"):
        fit(Safeguarded(Clipped(Averaged("adam"))))
    with pytest.raises(TypeError, match="needs true gradients"):
        fit(Safeguarded("adam", LinearBackprop("sgd")))
    with pytest.raises(TypeError, match="cannot wrap LBFGS"):
        fit(Safeguarded("adam", "lbfgs"))


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore:The network predicts no better:sklearn.exceptions.ConvergenceWarning"
)
@pytest.mark.parametrize("scope", ["network", "neuron", "link", "layer"])
def test_the_papers_fourth_experiment_ends_as_under_backpropagation(scope):
    """Fit on 50 cycles; alone rules of the network and of layers end far above the start."""
    folder = Path(__file__).parents[2] / "benchmarks"
    sys.path.insert(0, str(folder))
    try:
        import experiments
    finally:
        sys.path.remove(str(folder))
    experiment, backprop = experiments.EXPERIMENTS[4], experiments.BACKPROPAGATION
    trace = experiments.record(experiment, [0], 50, 50 * len(experiment.X))
    learner = experiments.papers_learner(experiment) if scope == "network" else None
    rule = experiments.rule_for(experiment, scope, learner).fit(trace)

    def loss(rule, seed):
        model = experiments.network(experiment, rule, seed).fit(experiment.X, experiment.y)
        return np.sum((model.predict(experiment.X) - experiment.y) ** 2) / 2 / len(experiment.X)

    for seed in (0, 100):
        guarded, reference = loss(Safeguarded(rule, backprop), seed), loss(backprop, seed)
        assert guarded <= reference * (1 + 1e-6)
        assert guarded < experiments.train(experiment, backprop, seed, 1)[0]


def test_a_learned_rule_that_helps_drives():
    X, y = classes("multiclass", seed=5)
    recorder = TraceRecorder()
    teacher = BackpropMLPClassifier(
        (6,), "tanh", update_rule=Adam(0.02), max_iter=50, batch_size=16, **LONG
    )
    teacher.set_callbacks(recorder).fit(X, y)
    rule = LearnedUpdateRule(random_state=0).fit(recorder.trace_)
    guarded, alone = fit(Safeguarded(rule, SGD(0.02)), n_epochs=100), fit(rule, n_epochs=100)
    assert guarded.loss_curve_[-1] < fit(SGD(0.02), n_epochs=100).loss_curve_[-1] / 2
    assert guarded.loss_curve_[-1] < 2 * alone.loss_curve_[-1]


@pytest.mark.parametrize("max_iter", [3, 7, 9, 14])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_copied_or_resumed_training_keeps_the_same_weights(seed, max_iter, tmp_path):
    X, y = load_iris(return_X_y=True)
    X = scale(X)

    def fit(*callbacks):
        model = BackpropMLPClassifier(
            (5,), update_rule=Safeguarded(SGD(0.5), SGD(0.05)), batch_size=10
        )
        model.set_params(max_iter=max_iter, n_iter_no_change=np.inf, random_state=seed)
        return model.set_callbacks(*callbacks).fit(X, y).params_

    first = fit(Checkpoint(tmp_path))
    np.testing.assert_array_equal(first, fit())
    np.testing.assert_array_equal(fit(Checkpoint(tmp_path)), first)

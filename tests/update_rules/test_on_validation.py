"""Rules that react to the validations of a training: a verb of the protocol."""

import pickle

import numpy as np
import pytest
from helpers.callbacks import StepNotes
from helpers.checkpoints import KillAfter, Killed
from helpers.data import classes
from helpers.rules import WRAPPERS
from sklearn.metrics import accuracy_score, log_loss

from sklearn_metabp import (
    LBFGS,
    SGD,
    Averaged,
    BackpropMLPClassifier,
    Checkpoint,
    Safeguarded,
    TraceRecorder,
    UpdateRule,
)
from sklearn_metabp.meta_training import Task, rollout
from sklearn_metabp.network import ParameterLayout

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = classes("multiclass", n=120, seed=3)
X_VAL, Y_VAL = X[:50] + 0.3 * np.random.default_rng(0).standard_normal((50, 4)), Y[:50]
VALIDATED = {"X_val": X_VAL, "y_val": Y_VAL}


class Watching(UpdateRule):
    """Plain backpropagation that notes its steps, its validations and its plateaus in order."""

    def __init__(self, learning_rate=0.1):
        self.learning_rate = learning_rate

    def init_state(self, layout):
        return {"calls": []}

    def compute_update(self, step, state):
        state["calls"].append(step.index)
        return -self.learning_rate * step.gradients

    def on_validation(self, validation_loss, score, state):
        state["calls"].append((validation_loss, score))

    def on_plateau(self, state):
        state["calls"].append("plateau")
        return False


class Halving(UpdateRule):
    """Plain backpropagation that halves its rate whenever the validation loss rises."""

    def __init__(self, learning_rate=2.0):
        self.learning_rate = learning_rate

    def init_state(self, layout):
        return {"rate": self.learning_rate, "last": np.inf}

    def compute_update(self, step, state):
        return -state["rate"] * step.gradients

    def on_validation(self, validation_loss, score, state):
        if validation_loss > state["last"]:
            state["rate"] /= 2
        state["last"] = validation_loss


def network(rule, n_epochs=4, callbacks=(), data=VALIDATED, **params):
    model = BackpropMLPClassifier(
        (9, 7), "tanh", update_rule=rule, batch_size=30, max_iter=n_epochs, n_iter_no_change=np.inf
    )
    model.set_params(random_state=0, **params).set_callbacks(*callbacks)
    return model.fit(X, Y, **data)


@pytest.mark.parametrize("around", [lambda rule: rule, Averaged], ids=["plain", "averaged"])
def test_a_rule_sees_loss_and_score_after_the_steps_of_an_epoch(around):
    rule = around(Watching())
    model = network(rule)
    state = model._training_state.rule_state
    seen = list(zip(model.validation_loss_curve_, model.validation_scores_, strict=True))
    expected = [
        call for k in range(4) for call in (*range(4 * k + 1, 4 * k + 5), seen[k])
    ]  # fmt: skip
    assert state.get("rule", state)["calls"] == expected
    # The last of them are those of the fitted network, whose weights the wrapper averaged.
    assert expected[-1] == (
        pytest.approx(log_loss(Y_VAL, model.predict_proba(X_VAL))),
        accuracy_score(Y_VAL, model.predict(X_VAL)),
    )


def test_validation_comes_before_a_plateau_that_it_may_cause():
    model = network(
        Watching(1e-9), 9, data={}, early_stopping=True, n_iter_no_change=2, batch_size=108
    )
    seen = list(zip(model.validation_loss_curve_, model.validation_scores_, strict=True))
    expected = [1, seen[0], 2, seen[1], 3, seen[2], "plateau"]
    assert model._training_state.rule_state["calls"] == expected


def test_without_validation_it_is_never_called():
    state = network(Watching(), 2, data={})._training_state.rule_state
    assert state["calls"] == [*range(1, 9)]


def test_a_rollout_validates_as_often_as_it_was_told():
    seen = []

    class Seeing(Halving):
        def on_validation(self, validation_loss, score, state):
            seen.append((validation_loss, score))

    task = Task(BackpropMLPClassifier((5,), batch_size=30, max_iter=9), X, Y, X_VAL, Y_VAL)
    record = rollout(task, Seeing(), random_state=0, n_validations=2, validation_scores=False)
    curve = record.validation_loss_curve
    assert seen == [(loss, -loss) for loss in curve[~np.isnan(curve)]]
    assert len(seen) == 2


def test_a_line_search_is_called_after_its_iterations():
    seen = []

    class Seeing(LBFGS):
        def on_validation(self, validation_loss, score, state):
            seen.append(validation_loss)

    model = network(Seeing(), batch_size="full")
    assert seen == model.validation_loss_curve_ and len(seen) == 4


def test_a_rule_that_halves_its_rate_where_the_loss_rises():
    recorder, notes = TraceRecorder(), StepNotes()
    model = network(Halving(), 30, [recorder, notes])
    rises = np.diff(model.validation_loss_curve_) > 0
    assert 2 <= rises.sum() < 29
    rates = 2.0 * 0.5 ** np.concatenate([[0, 0], np.cumsum(rises)])
    assert model._training_state.rule_state["rate"] == rates[-1]
    for step in notes.steps:
        expected = -rates[step["epoch"]] * step["gradients"]
        np.testing.assert_array_equal(step["updates"], expected)
    # No trace can compute it again: the recorder has copied every step.
    assert not Halving().replayable
    updates = [step["updates"] for step in notes.steps]
    np.testing.assert_array_equal(recorder.trace_.updates, updates)


def test_what_it_saw_is_resumed_after_a_kill_and_continued_to_the_same_bits(tmp_path):
    whole = network(Halving(), 20)
    assert whole._training_state.rule_state["rate"] < 2.0
    with pytest.raises(Killed):
        network(Halving(), 20, [Checkpoint(tmp_path), KillAfter(7)])
    resumed = network(Halving(), 20, [Checkpoint(tmp_path)])
    np.testing.assert_array_equal(resumed.params_, whole.params_)
    assert resumed.loss_curve_ == whole.loss_curve_
    half = pickle.loads(pickle.dumps(network(Halving(), 10, warm_start=True)))
    np.testing.assert_array_equal(half.fit(X, Y, **VALIDATED).params_, whole.params_)


@pytest.mark.parametrize("wrapper", WRAPPERS, ids=lambda wrapper: wrapper.__name__)
def test_wrappers_pass_it_on(wrapper):
    rule = wrapper(wrapper(Watching()) if wrapper.__name__ == "Clipped" else Watching())
    state = rule.init_state(ParameterLayout((2, 2)))
    assert rule.on_validation(1.5, 0.25, state) is None
    while "calls" not in state:
        state = state["rule"]
    assert state["calls"] == [(1.5, 0.25)]


def test_the_fallback_of_a_safeguarded_rule_sees_it_too():
    model = network(Safeguarded(Halving(), Halving(0.5)), 12)
    state = model._training_state.rule_state
    assert state["rule"]["last"] == state["fallback"]["last"] == model.validation_loss_curve_[-1]
    n_rises = (np.diff(model.validation_loss_curve_) > 0).sum()
    assert state["fallback"]["rate"] == 0.5 / 2**n_rises
    assert not Safeguarded(SGD(), Halving()).replayable

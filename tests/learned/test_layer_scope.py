"""The layer scope: a controller of each tensor, from its start to a rule that imitates."""

import copy
import pickle

import matplotlib as mpl
import numpy as np
import pytest
from helpers.callbacks import StepNotes
from helpers.checkpoints import KillAfter, Killed
from helpers.data import classes
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge

from sklearn_metabp import (
    SGD,
    Adam,
    AdamW,
    Averaged,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Checkpoint,
    LearnedUpdateRule,
    RuleFileError,
    TraceRecorder,
    UpdateRule,
    load_rule,
)
from sklearn_metabp._kernels.scopes import LAYER_CONTROLS
from sklearn_metabp.learned import SCOPES
from sklearn_metabp.plotting import ControllerDisplay, ImitationDisplay, LearnedRuleDisplay

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = classes("multiclass", n=120, seed=3)
X_VAL, Y_VAL = X[:50] + 0.3 * np.random.default_rng(0).standard_normal((50, 4)), Y[:50]
ALL = list(SCOPES["layer"].input_descriptions)
VALIDATION = [name for name in ALL if "validation" in name]
IN_TRACES = [name for name in ALL if name not in VALIDATION]  # a trace has no validations
DROPPING = {
    "dropout": 0.1,
    "controls": [*LearnedUpdateRule(scope="layer").initialize().controls_, "dropout"],
}
STARTS = {
    "adam": Adam(),
    "averaged_adamw": Averaged(AdamW(8e-3, weight_decay=0.3), decay=0.99),
}


def started(start="averaged_adamw", by=0.0, inputs=None, learner=None, **facts):
    rule = LearnedUpdateRule(learner, scope="layer", inputs=inputs, random_state=0)
    rule = rule.initialize(start=start, **facts)
    vector = rule.meta_params_
    return rule.with_meta_params(
        vector + by * np.random.default_rng(0).standard_normal(len(vector))
    )


VALIDATED = {"X_val": X_VAL, "y_val": Y_VAL}


def network(
    rule, sizes=(6, 5), n_epochs=10, dtype=np.float64, seed=0, callbacks=(), data=None, **params
):
    model = BackpropMLPClassifier(
        sizes, "tanh", update_rule=rule, batch_size=12, max_iter=n_epochs, n_iter_no_change=np.inf
    )
    model.set_params(random_state=seed, alpha=0.0, **params).set_callbacks(*callbacks)
    return model.fit(X.astype(dtype), Y, **(data or {}))


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("inputs", [None, ALL], ids=["default", "all"])
def test_its_start_trains_as_the_rule_made_by_hand(start, inputs):
    """100 steps; the fitted network has the average of the weights where the rule has one."""
    rule = LearnedUpdateRule(scope="layer", inputs=inputs).initialize(start=start)
    assert rule.is_compiled_
    ours, theirs = network(rule), network(STARTS[start])
    assert ours._training_state.n_steps == 100
    np.testing.assert_allclose(ours.params_, theirs.params_, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-10)
    ours, theirs = (network(r, dtype=np.float32) for r in (rule, STARTS[start]))
    np.testing.assert_allclose(ours.params_, theirs.params_, rtol=1e-3, atol=1e-5)


def test_hidden_layers_of_a_controller_start_at_the_start_too():
    learner = BackpropMLPRegressor((7,), "tanh")
    rule = started(learner=learner)
    assert rule.meta_params_.shape == (13 * 7 + 7 + 7 * 9 + 9,)
    assert np.count_nonzero(rule.meta_params_) > 50
    np.testing.assert_allclose(network(rule).params_, network(started()).params_, rtol=1e-12)


def test_facts_of_a_start_can_be_set_and_are_checked():
    rule = started(learning_rate=0.02, controls=["step", "momentum_0.99"])
    assert (rule.learning_rate_, rule.weight_decay_, rule.horizon_) == (0.02, 0.3, 100.0)
    assert rule.controls_ == ("step", "momentum_0.99")
    assert rule.meta_params_.shape == (14 * 2,)
    hand = Averaged(AdamW(0.02, weight_decay=0.3), decay=0.99)
    np.testing.assert_allclose(network(rule).params_, network(hand).params_, rtol=1e-9)
    for facts in (
        {"start": "sgd"},
        {"learning_rate": 0.0},
        {"weight_decay": -1.0},
        {"horizon": 0.5},
        {"controls": ["step", "step"]},
        {"controls": []},
        {"controls": ["dropout rate"]},
        {"cautious": 1},
        {"dropout": 0.7},
        {"dropout": -0.1},
    ):
        with pytest.raises(ValueError, match=r"start must be|not possible"):
            LearnedUpdateRule(scope="layer").initialize(**facts)
    with pytest.raises(NotFittedError):
        network(LearnedUpdateRule(scope="layer"))


@pytest.mark.parametrize("inputs", [None, ALL], ids=["default", "all"])
def test_any_learner_drives_as_the_kernel_does(inputs):
    """The same controller through ``predict`` of a regressor that no kernel knows."""
    rule = started(by=0.2, inputs=inputs)
    layout = rule.fitted_scope_.mlp.layout
    (weights,), (biases,) = layout.coefs(rule.meta_params_), layout.intercepts(rule.meta_params_)
    rng = np.random.default_rng(0)
    Z = rng.uniform(-1, 1, (300, len(rule.inputs_)))
    slow = LearnedUpdateRule(Ridge(alpha=0.0), scope="layer", inputs=inputs).fit(
        Z, Z @ weights + biases
    )
    assert not slow.is_compiled_
    scope = slow.fitted_scope_  # fit moves means into the start
    step, decay = (rule.controls_.index(name) for name in ("step", "decay"))
    means = (Z @ weights + biases).mean(axis=0)
    assert scope.learning_rate == pytest.approx(0.001 * 4 ** means[step])
    assert scope.weight_decay == pytest.approx(max(0.0, means[decay]))
    vector = rule.meta_params_.copy()
    vector[-len(biases) :][[step, decay]] -= [means[step], max(0.0, means[decay])]
    fast = LearnedUpdateRule(scope="layer", inputs=inputs).initialize(
        learning_rate=scope.learning_rate, weight_decay=scope.weight_decay, cautious=False
    )
    fast = fast.with_meta_params(vector)
    ours, theirs = network(slow, n_epochs=3), network(fast, n_epochs=3)
    np.testing.assert_allclose(ours.params_, theirs.params_, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("facts", [{}, DROPPING], ids=["update", "dropout"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_moved_rule_is_copied_to_the_same_bits(dtype, facts, tmp_path):
    rule = started(by=0.3, inputs=ALL, learner=BackpropMLPRegressor((4,), "tanh"), **facts)
    expected = network(rule, dtype=dtype).params_
    assert np.isfinite(expected).all()
    rule.save(tmp_path / "rule")
    for same in (
        rule.with_meta_params(rule.meta_params_),
        clone(rule),
        pickle.loads(pickle.dumps(rule)),
        load_rule(tmp_path / "rule"),
    ):
        np.testing.assert_array_equal(network(same, dtype=dtype).params_, expected)
        assert same.controls_ == rule.controls_
        assert same.cautious_ is rule.cautious_


def test_a_file_of_other_ends_or_controls_is_refused(tmp_path):
    rule = started(controls=["step", "decay"])
    path = tmp_path / "rule"
    rule.save(path)
    data = path.read_bytes()
    for old, new in ((b'"decay"', b'"delay"'), (b'"step"', b'"decay"'[:6])):
        if old in data and len(old) == len(new):
            path.write_bytes(data.replace(old, new))
            with pytest.raises(RuleFileError):
                load_rule(path)


@pytest.mark.parametrize("facts", [{}, DROPPING], ids=["update", "dropout"])
@pytest.mark.parametrize("inputs", [None, IN_TRACES], ids=["default", "all"])
def test_it_is_resumed_and_replayed_to_the_same_bits(inputs, facts, tmp_path):
    rule = started(by=0.2, inputs=inputs, **facts)
    assert rule.replayable
    expected = network(rule, n_epochs=8)
    with pytest.raises(Killed):
        network(rule, n_epochs=8, callbacks=[Checkpoint(tmp_path), KillAfter(3)])
    resumed = network(rule, n_epochs=8, callbacks=[Checkpoint(tmp_path)])
    assert resumed.loss_curve_ == expected.loss_curve_
    np.testing.assert_array_equal(resumed.params_, expected.params_)
    recorder = TraceRecorder()
    model = network(rule, n_epochs=8, callbacks=[recorder])
    np.testing.assert_array_equal(model.params_, expected.params_)
    trace = recorder.trace_
    np.testing.assert_array_equal(
        trace.params[-1] + trace.updates[-1], model._training_state.params
    )


def test_new_weights_begin_a_new_average():
    model = network(started(horizon=50.0), warm_start=True, n_epochs=5)
    model.params_ = np.zeros_like(model.params_)
    model.set_params(max_iter=1).fit(X, Y)
    assert np.abs(model.params_).max() < 0.2


def test_the_gain_changes_the_first_weights_of_a_training_alone():
    rule = started("adam", controls=["gain"], inputs=["is_bias"])
    halved = rule.with_meta_params([0.0, -0.5])
    recorder = TraceRecorder()
    network(halved, n_epochs=2, callbacks=[recorder])
    trace = recorder.trace_
    first = trace.params[0]
    plain = network(rule, n_epochs=1, callbacks=[other := TraceRecorder()])
    assert plain.n_iter_ == 1
    np.testing.assert_allclose(trace.updates[0], other.trace_.updates[0] - 0.5 * first, rtol=1e-12)
    assert np.abs(trace.updates[1:]).max() < 0.01


def test_a_start_with_dropout_trains_as_the_rule_made_by_hand_with_dropout():
    """From the first step on, whether dropout is controlled or stays at the start."""
    hand = network(STARTS["averaged_adamw"], dropout=0.1)
    for facts in (DROPPING, {"dropout": 0.1}):
        rule = started(**facts)
        assert rule.sets_dropout and rule.dropout_ == 0.1
        ours = network(rule)
        np.testing.assert_allclose(ours.params_, hand.params_, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(ours.loss_curve_, hand.loss_curve_, rtol=1e-10)
        # The rule takes the place of the estimator's dropout.
        np.testing.assert_array_equal(network(rule, dropout=0.5).params_, ours.params_)
    assert not started().sets_dropout
    assert not LearnedUpdateRule(scope="layer").sets_dropout


def test_a_controller_sets_the_dropout_of_the_next_step():
    rule = started(dropout=0.1, controls=["dropout"], inputs=["is_last"])
    rule = rule.with_meta_params(
        [0.6, -0.1]
    )  # 0.05 before the second matrix, 0.35 before the third
    seen = StepNotes()
    model = network(rule, n_epochs=1, callbacks=[seen])
    np.testing.assert_allclose([step["dropout"] for step in seen.steps], [[0.05, 0.35]] * 10)
    np.testing.assert_allclose(model._training_state.rule_state["dropout"], [0.05, 0.35])
    network(rule, (400, 400), n_epochs=1, callbacks=[seen])
    dropped = [[(x == 0).mean() for x in step["activations"][1:-1]] for step in seen.steps[10:]]
    np.testing.assert_allclose(dropped[0], [0.1, 0.1], atol=0.02)
    np.testing.assert_allclose(dropped[1:], [[0.05, 0.35]] * 9, atol=0.03)


def test_any_learner_sets_the_dropout_that_the_kernel_sets():
    rule = started(dropout=0.2, controls=["dropout"], inputs=["is_last"]).with_meta_params([0.4, 0])
    slow = copy.deepcopy(rule)
    slow.fitted_scope_._learner, slow.fitted_scope_.mlp = rule.learner_, None
    assert not slow.fitted_scope_.is_compiled
    ours, theirs = network(slow), network(rule)
    np.testing.assert_allclose(ours.params_, theirs.params_, rtol=1e-8, atol=1e-10)


class ByValidations(UpdateRule):
    """Adam with the rate γ 4^(b·x), where x are the four inputs of the validations."""

    def __init__(self, coefficients):
        self.coefficients = coefficients

    def init_state(self, layout):
        return {"m": layout.zeros(), "v": layout.zeros(), "loss": 0.0, "seen": []}

    def on_validation(self, validation_loss, score, state):
        state["seen"].append(validation_loss)

    def compute_update(self, step, state):
        t, g, seen = step.index, step.gradients, state["seen"]
        state["loss"] = 0.9 * state["loss"] + 0.1 * step.loss
        loss = state["loss"] / (1 - 0.9**t)
        x = np.zeros(4)
        if seen:
            since = len(seen) - 1 - seen.index(min(seen))
            x = [
                1,
                np.log2(seen[-1] / loss) / 2,
                np.log2(seen[-1] / min(seen)) / 2,
                np.log2(1 + since) / 3,
            ]
        state["m"] = 0.9 * state["m"] + 0.1 * g
        state["v"] = 0.999 * state["v"] + 0.001 * g**2
        root = np.sqrt(state["v"] / (1 - 0.999**t)) + 1e-8
        return -0.05 * 4 ** (self.coefficients @ x) * state["m"] / (1 - 0.9**t) / root


def test_it_reads_the_validations_of_its_training():
    """Against a rule made by hand that keeps the losses it saw."""
    coefficients = np.array([-0.3, 0.2, 0.5, -0.7])
    rule = started("adam", inputs=VALIDATION, controls=["step"], learning_rate=0.05)
    rule = rule.with_meta_params([*coefficients, 0.0])
    assert rule.is_compiled_ and not rule.replayable
    ours, theirs = (
        network(r, n_epochs=30, data=VALIDATED) for r in (rule, ByValidations(coefficients))
    )
    losses = np.array(theirs.validation_loss_curve_)
    assert losses.argmin() not in (0, len(losses) - 1)  # it falls, and it rises
    np.testing.assert_allclose(ours.validation_loss_curve_, losses, rtol=1e-6)
    np.testing.assert_allclose(ours.params_, theirs.params_, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("inputs", [VALIDATION, ["is_bias"]], ids=["reads", "does not"])
def test_validations_are_remembered_in_the_state(inputs):
    """Also by a rule that does not read them: one that does can continue."""
    model = network(started(inputs=inputs), n_epochs=30, data=VALIDATED)
    losses = np.array(model.validation_loss_curve_)
    expected = [30, losses[-1], losses.min(), 29 - losses.argmin()]
    np.testing.assert_array_equal(model._training_state.rule_state["validation"], expected)


def test_any_learner_reads_the_validations_that_the_kernel_reads():
    rule = started(by=0.3, inputs=[*VALIDATION, "is_bias"])
    slow = copy.deepcopy(rule)
    slow.fitted_scope_._learner, slow.fitted_scope_.mlp = rule.learner_, None
    assert not slow.fitted_scope_.is_compiled
    ours, theirs = (network(r, data=VALIDATED) for r in (slow, rule))
    np.testing.assert_allclose(ours.params_, theirs.params_, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_without_validations_their_inputs_change_no_bit(dtype):
    plain = started(by=0.2)
    aware = started(inputs=[*plain.inputs_, *VALIDATION])
    layout = aware.fitted_scope_.mlp.layout
    weights, biases = np.split(plain.meta_params_, [len(plain.inputs_) * 9])
    weights = weights.reshape(-1, 9)
    for of_validation, data in ((0.0, None), (0.0, VALIDATED), (1.0, None), (1.0, VALIDATED)):
        more = np.full((4, 9), of_validation)
        rule = aware.with_meta_params(layout.flatten([np.vstack([weights, more])], [biases]))
        ours, theirs = (network(r, n_epochs=5, dtype=dtype, data=data) for r in (rule, plain))
        if of_validation and data:
            assert np.abs(ours.params_ - theirs.params_).max() > 1e-3
        else:
            np.testing.assert_array_equal(ours.params_, theirs.params_)


def test_what_it_saw_of_validations_is_resumed_to_the_same_bits(tmp_path):
    rule = started(by=0.2, inputs=ALL)
    expected = network(rule, n_epochs=8, data=VALIDATED)
    with pytest.raises(Killed):
        network(rule, n_epochs=8, callbacks=[Checkpoint(tmp_path), KillAfter(3)], data=VALIDATED)
    recorder = TraceRecorder()
    resumed = network(rule, n_epochs=8, callbacks=[Checkpoint(tmp_path), recorder], data=VALIDATED)
    np.testing.assert_array_equal(resumed.params_, expected.params_)
    assert resumed.validation_loss_curve_ == expected.validation_loss_curve_
    assert len(recorder.trace_) == 50


def test_the_validations_of_other_weights_are_forgotten():
    model = network(started(inputs=VALIDATION), n_epochs=2, data=VALIDATED, warm_start=True)
    assert model._training_state.rule_state["validation"][0] == 2
    model.params_ = np.zeros_like(model.params_)
    model.set_params(max_iter=1).fit(X, Y)
    np.testing.assert_array_equal(model._training_state.rule_state["validation"], np.zeros(4))


def test_a_trace_has_no_validations_to_learn_from():
    recorder = TraceRecorder()
    network(Adam(), n_epochs=1, callbacks=[recorder], data=VALIDATED)
    rule = started(inputs=["is_bias", "log_validation/best"])
    message = r"inputs \['log_validation/best'\] need the validation losses .* leave these"
    for ask in (
        lambda trace: trace.features("layer", ["is_bias", "log_validation/best"]),
        lambda trace: LearnedUpdateRule(scope="layer", inputs=rule.inputs_).fit(trace),
        rule.score,
        rule.predict,
    ):
        with pytest.raises(ValueError, match=message):
            ask(recorder.trace_)
    rule = started(inputs=["has_validation"], controls=["step"]).with_meta_params([-0.5, 0])
    assert rule.explain().formula == "step = 0.008·4^(-0.5·has_validation)"


# A step of SGD grows with each weight's own gradient, which no control of a tensor does.
TEACHERS = {
    "adam": (Adam(0.003), 1.0001),
    "adamw": (AdamW(8e-3, weight_decay=0.3), 1.0001),
    "momentum": (SGD(0.05, momentum=0.9), 1.5),
}


@pytest.mark.parametrize("name", TEACHERS)
def test_a_student_trains_as_its_teacher(name):
    teacher, factor = TEACHERS[name]
    recorder = TraceRecorder()
    for seed in (1, 2):
        network(teacher, seed=seed, n_epochs=15, callbacks=[recorder])
    trace = recorder.trace_
    rule = LearnedUpdateRule(scope="layer", random_state=0).fit(trace)
    assert rule.is_compiled_
    if name != "momentum":
        assert rule.learning_rate_ == pytest.approx(teacher.learning_rate, rel=1e-4)
        assert rule.weight_decay_ == pytest.approx(getattr(teacher, "weight_decay", 0.0), rel=1e-4)
        assert rule.score(trace) == pytest.approx(1.0)
    for sizes in ((6, 5), (9,)):
        ours, theirs = (network(r, sizes, n_epochs=15) for r in (rule, teacher))
        assert ours.loss_ < factor * theirs.loss_ + 1e-6
    assert rule.predict(trace).shape == (6 * len(trace), 9)


def test_features_of_copied_and_replayed_steps_are_those_of_the_training():
    """The same inputs from steps that are computed again and from steps that were stored."""
    rule = started(by=0.1, inputs=IN_TRACES)
    recorders = TraceRecorder(), TraceRecorder(max_steps=30)
    for recorder in recorders:
        network(rule, n_epochs=3, callbacks=[recorder])
    first, second = (r.trace_.features("layer", IN_TRACES) for r in recorders)
    np.testing.assert_array_equal(first, second)
    assert first.shape == (30 * 6, len(IN_TRACES))
    at = IN_TRACES.index("log_rows")
    np.testing.assert_allclose(first[:, at], np.log2(120 / 256) / 2)
    np.testing.assert_allclose(first[-1, IN_TRACES.index("progress")], 1.0)


def test_it_is_explained_in_words():
    assert started("adam").explain().formula.split("\n") == [
        "step = 0.001",
        "gradient = 0",
        "momentum_0.5 = 0",
        "momentum_0.9 = 1",
        "momentum_0.99 = 0",
        "fast_squares = 0",
        "decay = 0",
        "horizon = 1",
        "gain = 1",
    ]
    rule = started(controls=["step", "decay", "gradient"], inputs=["is_bias", "remaining"])
    vector = np.array([0.5, 0.0, 0.0, -1.0, 0.1, 0.2, 0.0, -0.25, 0.0])
    explanation = rule.with_meta_params(vector).explain(3)
    equations = [
        "step = 0.008·4^(0.5·is_bias - 1·remaining)",
        "decay = max(0, 0.3 + 0.1·remaining - 0.25)",
        "gradient ∝ 0.2·remaining",
    ]
    assert explanation.formula.split("\n") == equations
    assert explanation.outputs == ("step", "decay", "gradient")
    assert explanation.effects["remaining"][1].shape == (3, 3)
    lines = str(explanation).split("\n")
    assert lines[-3:] == equations
    # remaining is log2(1/1.008), log2(1/0.51), 3 at 1, 320 and 640 of 640 steps; 1 for biases.
    remaining = -np.log2(1.01 - np.array([1 / 640, 1 / 2])), 3
    rates = [0.008 * 4**-value for value in (*remaining[0], remaining[1])]
    at = lines.index("learning rate γ")
    for line, factor in zip(lines[at + 1 : at + 7], [1, 1, 1, 2, 2, 2], strict=True):
        assert line.split()[2:] == [f"{factor * rate:.3g}" for rate in rates]
    decay = next(line for line in lines if line.startswith("decay λ of the weights"))
    assert decay.split()[-3:] == ["0.0488", "0.147", "0.35"]


def test_dropout_is_explained_for_the_matrices_after_hidden_layers():
    dropping = started(dropout=0.1, controls=["dropout"], inputs=["is_last"])
    assert dropping.explain().formula == "dropout = 0.1"
    explanation = dropping.with_meta_params([0.5, -0.1]).explain()
    assert explanation.formula == "dropout = max(0, min(0.6, 0.1 + (0.5·is_last - 0.1)/2))"
    lines = str(explanation).split("\n")
    at = lines.index("dropout of the next step")
    assert [line.split()[2:] for line in lines[at + 1 : at + 3]] == [["0.05"] * 3, ["0.3"] * 3]
    assert "weights" not in lines[at + 3]


def test_a_controller_with_hidden_neurons_is_explained_by_its_strongest_inputs():
    learner = BackpropMLPRegressor((4,), "tanh")
    explanation = started(by=0.3, learner=learner).explain(5)
    assert explanation.formula is None
    lines = str(explanation).split("\n")
    of_step = lines[[line.startswith("Inputs that change") for line in lines].index(True) + 1]
    assert of_step.startswith("learning rate γ") and of_step.count(" to ") == 3


def test_it_is_drawn():
    mpl.use("Agg")
    rule = started(by=0.1, controls=["step", "decay", "gradient"])
    display = LearnedRuleDisplay.from_rule(rule)
    labels = [line.get_label() for line in display.lines_["remaining"]]
    assert labels == ["step", "decay", "gradient"]
    recorder = TraceRecorder()
    network(Adam(), n_epochs=2, callbacks=[recorder])
    imitation = ImitationDisplay.from_rule(started("adam"), recorder.trace_)
    assert imitation.names == list(started("adam").controls_)
    assert imitation.ax_[0].get_xlabel() == "true control"
    mpl.pyplot.close("all")


@pytest.mark.parametrize("inputs", [None, ALL], ids=["default", "all"])
def test_what_the_controller_sets_makes_the_recorded_updates(inputs):
    """γ and λ of every tensor explain the updates of a rule of momentum 0.9 alone, of the trace."""
    rule = started(by=0.2, inputs=inputs, controls=["step", "decay", "gain"])
    recorder = TraceRecorder()
    network(rule, n_epochs=2, callbacks=[recorder])
    trace = recorder.trace_
    curves = rule.fitted_scope_.control_curves(trace.recorded[0])
    names = [control.name for control in curves.controls]
    values = dict(zip(names, np.moveaxis(curves.values, 2, 0), strict=True))
    moment, square = 0.0, 0.0
    for t, (g, w, update) in enumerate(
        zip(trace.gradients, trace.params, trace.updates, strict=True), 1
    ):
        moment, square = 0.9 * moment + 0.1 * g, 0.999 * square + 0.001 * g**2
        u = moment / (1 - 0.9**t) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
        for k, tensor in enumerate(trace.layouts[0].tensors):
            rate = values["step"][t - 1, k]
            decay = 0.0 if tensor.is_bias else values["decay"][t - 1, k]
            gain = values["gain"][0, k] if t == 1 else 1.0
            expected = -rate * (u + decay * w) + (gain - 1) * w
            np.testing.assert_allclose(
                update[tensor.slice], expected[tensor.slice], rtol=1e-6, atol=1e-12
            )
    assert np.isnan(values["gain"][1:]).all() and np.isnan(values["decay"][:, -1]).all()
    np.testing.assert_array_equal(np.isnan(values["dropout"][0]), [1, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(curves.of_adam, [0.001, 0, 0, 1, 0, 0, 0, 1, 1, 0])


def test_controls_are_drawn_and_made_a_table():
    mpl.use("Agg")
    rule = started(by=0.1)
    model = network(rule, n_epochs=2)
    display = ControllerDisplay.from_estimator(model, X, Y)
    frame = display.to_frame()
    assert list(frame.columns) == ["step_number", "tensor", *LAYER_CONTROLS]
    assert frame.shape == (20 * 6, 2 + len(LAYER_CONTROLS))
    drawn = display.lines_["step"]["coefs_[1]"].get_ydata()
    np.testing.assert_array_equal(drawn, frame[frame["tensor"] == "coefs_[1]"]["step"])
    mpl.pyplot.close("all")


def test_what_has_no_controls_is_not_drawn():
    recorder = TraceRecorder()
    network(Adam(), n_epochs=2, callbacks=[recorder])
    link = LearnedUpdateRule(random_state=0).fit(recorder.trace_)
    with pytest.raises(ValueError, match="predicts updates and no controls"):
        ControllerDisplay.from_trace(link, recorder.trace_)
    with pytest.raises(ValueError, match="draws a learned rule of scope='layer'"):
        ControllerDisplay.from_estimator(network(Adam(), n_epochs=1), X, Y)
    with pytest.raises(ValueError, match="ControllerDisplay records a BackpropMLPClassifier"):
        ControllerDisplay.from_estimator(Ridge(), X, Y)

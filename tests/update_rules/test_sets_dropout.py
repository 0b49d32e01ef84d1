"""Rules that set the dropout of the next step: a place in the protocol."""

import pickle

import numpy as np
import pytest
from helpers.callbacks import StepNotes
from helpers.checkpoints import KillAfter, Killed
from helpers.data import classes
from helpers.rules import WRAPPERS

from sklearn_metabp import (
    SGD,
    BackpropMLPClassifier,
    Checkpoint,
    Clipped,
    LinearBackprop,
    LineSearchRule,
    Safeguarded,
    TraceRecorder,
    UpdateRule,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = classes("multiclass", n=120, seed=3)


class Dropping(UpdateRule):
    """Plain backpropagation that drops a constant share, from the first step on."""

    sets_dropout = True
    replayable = True

    def __init__(self, dropout=0.3, rate=0.1):
        self.dropout = dropout
        self.rate = rate

    def init_state(self, layout):
        return {}

    def bind(self, step, state):
        step.dropout[...] = self.dropout
        return super().bind(step, state)

    def compute_update(self, step, state):
        return -self.rate * step.gradients


class Climbing(UpdateRule):
    """Plain backpropagation in the wrong direction."""

    def init_state(self, layout):
        return {}

    def compute_update(self, step, state):
        return 0.1 * step.gradients


class DropoutSchedule(UpdateRule):
    """Plain backpropagation whose dropout falls from step to step, faster in later layers."""

    sets_dropout = True
    replayable = True

    def __init__(self, first=0.5, decay=0.9):
        self.first = first
        self.decay = decay

    def init_state(self, layout):
        return {"dropout": np.full(len(layout.layer_sizes) - 2, self.first)}

    def bind(self, step, state):
        dropout = step.dropout
        dropout[...] = state["dropout"]
        factors = self.decay ** np.arange(1, len(dropout) + 1)

        def compute_update():
            state["dropout"] *= factors
            dropout[...] = state["dropout"]
            return -0.1 * step.gradients

        return compute_update

    def compute_update(self, step, state):
        return DropoutSchedule.bind(self, step, state)()


def network(rule, n_epochs=4, callbacks=(), sizes=(9, 7), **params):
    model = BackpropMLPClassifier(
        sizes, "tanh", update_rule=rule, batch_size=12, max_iter=n_epochs, n_iter_no_change=np.inf
    )
    return model.set_params(random_state=0, **params).set_callbacks(*callbacks).fit(X, Y)


@pytest.mark.parametrize("activation", ["tanh", "relu", "silu"])
def test_a_constant_share_is_the_estimators_dropout_to_the_bit(activation):
    ours = network(Dropping(0.3), activation=activation)
    theirs = network(SGD(0.1), activation=activation, dropout=0.3)
    np.testing.assert_array_equal(ours.params_, theirs.params_)
    assert ours.loss_curve_ == theirs.loss_curve_
    # The key is drawn between the start and the first order of the rows.
    ours, theirs = (
        network(rule, activation=activation, shuffle=False) for rule in (Dropping(0.0), SGD(0.1))
    )
    np.testing.assert_allclose(ours.params_, theirs.params_, rtol=1e-9)
    assert ours._training_state.dropout_key and not theirs._training_state.dropout_key


def test_a_step_begins_with_the_dropout_of_the_network():
    class Watching(Dropping):
        def bind(self, step, state):
            np.testing.assert_array_equal(step.dropout, [0.25, 0.25])
            assert step.dropout.dtype == np.float64
            return UpdateRule.bind(self, step, state)

    ours, theirs = network(Watching(), dropout=0.25), network(SGD(0.1), dropout=0.25)
    np.testing.assert_array_equal(ours.params_, theirs.params_)


def test_what_a_step_sets_applies_from_the_next_one_on():
    seen = StepNotes()
    network(DropoutSchedule(0.5, 0.5), 1, [seen], sizes=(400, 400))
    shares = np.array([0.5, 0.5]) * np.array([0.5, 0.25]) ** np.arange(11)[:, None]
    np.testing.assert_allclose([step["dropout"] for step in seen.steps], shares[1:])
    dropped = [[(x == 0).mean() for x in step["activations"][1:-1]] for step in seen.steps]
    np.testing.assert_allclose(dropped, shares[:10], atol=0.03)
    for step in seen.steps:  # f'(in) has the factor of the step, and not that of the next one
        for x, slope in zip(step["activations"][1:-1], step["derivatives"][:-1], strict=True):
            np.testing.assert_array_equal(x == 0, slope == 0)


def test_it_is_resumed_after_a_kill_and_continued_to_the_same_bits(tmp_path):
    rule = DropoutSchedule(0.5, 0.99)
    whole = network(rule, 8)
    with pytest.raises(Killed):
        network(rule, 8, [Checkpoint(tmp_path), KillAfter(3)])
    resumed = network(rule, 8, [Checkpoint(tmp_path)])
    np.testing.assert_array_equal(resumed.params_, whole.params_)
    assert resumed.loss_curve_ == whole.loss_curve_
    half = pickle.loads(pickle.dumps(network(rule, 4, warm_start=True))).fit(X, Y)
    np.testing.assert_array_equal(half.params_, whole.params_)
    expected = 0.5 * np.array([0.99, 0.99**2]) ** 80
    np.testing.assert_allclose(half._training_state.rule_state["dropout"], expected)


def test_partial_fit_goes_on_with_the_shares():
    model, whole = (
        BackpropMLPClassifier(
            (9, 7), update_rule=DropoutSchedule(0.5, 0.9), batch_size=12, random_state=0
        )
        for _ in range(2)
    )
    for _ in range(3):
        model.partial_fit(X, Y, classes=[0, 1, 2])
    whole.set_params(max_iter=3).fit(X, Y)
    np.testing.assert_array_equal(model.params_, whole.params_)


@pytest.mark.parametrize("path", [False, True], ids=["replayed", "on disk"])
def test_a_recorded_training_has_its_gradients(path, tmp_path):
    seen = StepNotes()
    recorder = TraceRecorder("all", path=tmp_path / "trace" if path else None)
    network(DropoutSchedule(0.5, 0.9), 2, [recorder, seen])
    trace = recorder.trace_
    for name in ("params", "gradients", "updates"):
        expected = [step[name] for step in seen.steps]
        np.testing.assert_array_equal(getattr(trace, name), expected)
    for layer in range(3):
        expected = [step["derivatives"][layer] for step in seen.steps]
        np.testing.assert_array_equal(trace.derivatives[layer], expected)
    assert trace.recorded[0].network.dropout == 0.0  # that of the network


def test_a_teacher_does_not_change_the_dropout_of_the_training():
    recorder = TraceRecorder(teacher=DropoutSchedule(0.9, 1.0))
    taught = network(Dropping(0.2), callbacks=[recorder])
    np.testing.assert_array_equal(taught.params_, network(Dropping(0.2)).params_)
    np.testing.assert_array_equal(recorder.trace_.teacher_updates, recorder.trace_.updates)
    recorder = TraceRecorder(teacher=DropoutSchedule(0.9, 1.0))
    network(SGD(0.1), callbacks=[recorder])
    assert len(recorder.trace_) == 40


class WeightsAlone(SGD):
    trains_extras = False


@pytest.mark.parametrize("wrapper", WRAPPERS, ids=lambda wrapper: wrapper.__name__)
def test_wrappers_train_what_the_rule_within_trains(wrapper):
    assert wrapper(SGD()).trains_extras and not wrapper(WeightsAlone()).trains_extras
    assert not Safeguarded(SGD(), fallback=WeightsAlone()).trains_extras


@pytest.mark.parametrize("wrapper", WRAPPERS, ids=lambda wrapper: wrapper.__name__)
def test_wrappers_let_the_rule_within_set_the_dropout(wrapper):
    assert wrapper(Dropping()).sets_dropout and not wrapper(SGD()).sets_dropout
    assert Safeguarded(SGD(), fallback=Dropping()).sets_dropout
    if wrapper is LinearBackprop:
        with pytest.raises(ValueError, match=r"LinearBackprop .* no rule that sets dropout"):
            network(wrapper(Dropping()))
        with pytest.raises(ValueError, match=r"LinearBackprop .* no rule that sets dropout"):
            network(Clipped(wrapper(Dropping())))
        return
    around = {"fallback": SGD(0.1)} if wrapper is Safeguarded else {}
    ours = network(wrapper(Dropping(0.3), **around))
    theirs = network(wrapper(SGD(0.1), **around), dropout=0.3)
    if wrapper is not Safeguarded:
        np.testing.assert_array_equal(ours.params_, theirs.params_)


def test_the_rule_that_drives_a_safeguarded_training_sets_the_dropout():
    seen = StepNotes()
    # The rule climbs slowly: it drives one block, is behind, and the fallback drives the next one.
    guarded = Safeguarded(Dropping(0.3, rate=-0.01), SGD(0.1))
    network(guarded, 20, [seen], dropout=0.1)
    shares = np.array([step["dropout"] for step in seen.steps])
    n_block = 10 * 120 // 12
    assert (shares[: n_block - 1] == 0.3).all()
    assert (shares[n_block : 2 * n_block] == 0.1).all()
    assert set(shares.ravel()) == {0.1, 0.3}
    half = network(guarded, 10, dropout=0.1, warm_start=True)
    model = network(guarded, 20, dropout=0.1)
    np.testing.assert_array_equal(half.fit(X, Y).params_, model.params_)


def test_the_fallback_of_a_safeguarded_training_sets_its_own_dropout():
    """The training beside it, and the steps while it drives, are those of the fallback alone."""
    alone = network(Dropping(0.3), 20)
    for climbing, share in ((Climbing(), 0.1), (Dropping(0.2, rate=-0.1), 0.2)):
        seen = StepNotes()
        guarded = network(Safeguarded(climbing, Dropping(0.3)), 20, [seen], dropout=0.1)
        np.testing.assert_allclose(guarded.params_, alone.params_, rtol=1e-9)
        shares = np.array([step["dropout"] for step in seen.steps])
        assert (shares[0] == share).all() and (shares[-1] == 0.3).all()


def test_a_line_search_cannot_set_dropout():
    class Search(LineSearchRule):
        sets_dropout = True

        def init_state(self, layout):
            return {}

        def minimize(self, objective, params, state, *, max_iter, tol, on_iteration):
            return None

    with pytest.raises(ValueError, match=r"sets_dropout=True drops other neurons .* Search"):
        network(Search(), batch_size="full")


@pytest.mark.parametrize("bad", [1.0, -0.25, np.nan])
def test_a_share_that_is_none_ends_the_training(bad):
    with pytest.raises(ValueError, match=r"at least 0 and below 1.*wrote that to step\.dropout"):
        network(Dropping(bad))


def test_only_a_rule_that_says_so_may_write_to_it():
    class Silent(Dropping):
        sets_dropout = False

    with pytest.raises(ValueError, match="read-only"):
        network(Silent())

    class Writing(SGD):
        def compute_update(self, step, state):
            step.dropout[...] = 0.5
            return step.gradients

    with pytest.raises(ValueError, match=r"sets_dropout = True may also write to step\.dropout"):
        network(Writing(), dropout=0.3)

    class Replacing(Dropping):
        def compute_update(self, step, state):
            step.dropout = np.array([0.1, 0.1])

    with pytest.raises(AttributeError, match="dropout"):
        network(Replacing())


def test_a_network_without_hidden_layers_has_nothing_to_drop():
    ours = network(Dropping(), sizes=())
    theirs = network(SGD(0.1), sizes=(), dropout=0.3)
    np.testing.assert_array_equal(ours.params_, theirs.params_)

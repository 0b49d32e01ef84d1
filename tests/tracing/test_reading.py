"""A variable that is read: the values, what is computed for it, and what is held after it."""

import copy
import gc
import pickle
import tracemalloc
import weakref

import numpy as np
import pytest
from helpers.callbacks import StepNotes
from helpers.data import classes
from helpers.traces import assert_same

from sklearn_metabp import SGD, BackpropMLPClassifier, TraceRecorder
from sklearn_metabp.network import Step
from sklearn_metabp.training.replay import Replay

KINDS = ["computed again", "copied", "on disk"]
N_PATTERNS = 22  # 50 rows: the last batch of an epoch has 6


def train(*callbacks, sizes=(5,), rule=None, n_epochs=4, seed=0):
    X, y = classes("multiclass", n=50)
    model = BackpropMLPClassifier(
        sizes, batch_size=N_PATTERNS, max_iter=n_epochs, n_iter_no_change=np.inf, random_state=seed
    )
    model.set_params(update_rule=SGD(0.1) if rule is None else rule)
    model.set_callbacks(*callbacks).fit(X, y)


def recorded(kind, tmp_path, variables="all"):
    """Return a trace of two runs of one kind, and the values of their steps."""
    path = tmp_path / "trace" if kind == "on disk" else None
    rule = SGD(0.1, schedule="adaptive") if kind == "copied" else SGD(0.1)
    recorder, notes = TraceRecorder(variables, path=path), StepNotes()
    for seed in (0, 1):
        train(recorder, notes, rule=rule, seed=seed)
    return recorder.trace_, notes.steps


def padded(patterns):
    whole = np.full((N_PATTERNS, patterns.shape[1]), np.nan)
    whole[: len(patterns)] = patterns
    return whole


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", [slice(None), [13, 2, 2, 22, 0, 13], slice(5, 7)], ids=str)
def test_values_are_those_of_the_steps_in_any_order(kind, where, tmp_path):
    trace, steps = recorded(kind, tmp_path)
    wanted = np.arange(len(steps))[where]
    for name in ("params", "gradients", "updates"):
        values = [steps[number][name] for number in wanted]
        np.testing.assert_array_equal(getattr(trace[where], name), values)
    for name in ("activations", "net_inputs", "derivatives", "deltas"):
        for layer, array in enumerate(getattr(trace[where], name)):
            values = [padded(steps[number][name][layer]) for number in wanted]
            np.testing.assert_array_equal(array, values)
    values = [padded(steps[number]["outputs"]) for number in wanted]
    np.testing.assert_array_equal(trace[where].outputs, values)


class Computed:
    """Count the steps that are computed again, and the variables that are read of them."""

    def __init__(self, monkeypatch):
        self.n_steps, self.read = 0, set()
        steps, computed = Replay.steps, self

        class Watched:
            def __init__(self, step):
                self._step = step

            def __getattr__(self, name):
                computed.read.add(name)
                return getattr(self._step, name)

        def counted(replay):
            for step in steps(replay):
                computed.n_steps += 1
                yield Watched(step)

        monkeypatch.setattr(Replay, "steps", counted)

    def arrays(self):
        return self.read - {"index", "loss", "n_patterns"}


@pytest.mark.parametrize("name", ["params", "gradients", "updates", "deltas", "targets"])
def test_reading_one_variable_computes_it_alone_and_once(name, monkeypatch):
    recorder = TraceRecorder("all")
    train(recorder)
    trace, computed = recorder.trace_, Computed(monkeypatch)
    getattr(trace, name)
    getattr(trace, name)
    assert computed.n_steps == len(trace) == 12
    assert computed.arrays() == {name}
    trace.losses  # noqa: B018
    assert computed.n_steps == 12


def test_a_selection_is_computed_up_to_its_last_step(monkeypatch):
    recorder = TraceRecorder()
    train(recorder)
    computed = Computed(monkeypatch)
    assert recorder.trace_[[4, 1]].updates.shape[0] == 2
    assert computed.n_steps == 5


def test_net_inputs_are_computed_at_selected_steps_alone(monkeypatch):
    recorder, n_computed = TraceRecorder("all"), []
    train(recorder)
    net_inputs = Step.net_inputs.fget

    def counted(step):
        n_computed.append(step.index)
        return net_inputs(step)

    monkeypatch.setattr(Step, "net_inputs", property(counted))
    recorder.trace_[[8, 3]].net_inputs  # noqa: B018
    assert n_computed == [4, 9]


@pytest.mark.parametrize("kind", KINDS)
def test_reading_takes_the_memory_of_the_variable(kind, tmp_path):
    path = tmp_path / "trace" if kind == "on disk" else None
    rule = SGD(0.1, schedule="adaptive") if kind == "copied" else SGD(0.1)
    recorder = TraceRecorder(["gradients", "updates"], path=path)
    for seed in (0, 1):
        train(recorder, sizes=(400,), rule=rule, n_epochs=60, seed=seed)
    trace = recorder.trace_
    gc.collect()
    tracemalloc.start()
    try:
        n_bytes = trace.gradients.nbytes
        held, peak = tracemalloc.get_traced_memory()
        assert n_bytes > 8e6
        assert held < 1.05 * n_bytes
        # Besides the array there is one chunk of steps, and the buffers of one training.
        assert peak < 1.5 * n_bytes
        del trace
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 0.05 * n_bytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_are_read_only_because_a_trace_keeps_them(kind, tmp_path):
    trace, _ = recorded(kind, tmp_path)
    for array in (trace.updates, trace.deltas[0]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    trace.deltas.pop()
    assert len(trace.deltas) == 2
    assert np.shares_memory(trace.updates, trace.updates)


def test_copies_and_pickles_of_a_trace_that_was_read_are_traces(tmp_path):
    trace, _ = recorded("computed again", tmp_path, ["updates"])
    size = len(pickle.dumps(trace))
    trace.updates  # noqa: B018
    assert len(pickle.dumps(trace)) == size
    names = ("updates", "losses")
    assert_same(copy.copy(trace), trace, names)
    assert_same(pickle.loads(pickle.dumps(trace)), trace, names)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_recorded_step_has_what_was_recorded(kind, tmp_path):
    trace, notes = recorded(kind, tmp_path, ["gradients", "deltas"])
    steps = []
    for _, step in trace.iter_steps(1):
        np.testing.assert_array_equal(step.gradients, notes[12 + step.index - 1]["gradients"])
        assert [layer.shape[0] for layer in step.deltas] == [step.n_patterns] * 2
        with pytest.raises(AttributeError, match="'params' was not recorded of this step"):
            step.params  # noqa: B018
        with pytest.raises(AttributeError, match="a recorded step has no attribute 'weights'"):
            step.weights  # noqa: B018
        steps.append(step.index)
    assert steps == list(range(1, 13))


def test_a_recorder_and_its_runs_end_with_the_last_reference():
    recorder = TraceRecorder()
    train(recorder)
    recorder.trace_.updates  # noqa: B018
    references = weakref.ref(recorder), weakref.ref(recorder.trace_.recorded[0])
    del recorder
    gc.collect()
    assert [reference() for reference in references] == [None, None]

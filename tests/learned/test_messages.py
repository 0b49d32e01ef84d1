"""Errors and warnings name the remedy."""

import gzip
import pickle

import joblib
import numpy as np
import pytest
from helpers.data import classes

from sklearn_metabp import (
    SGD,
    BackpropMLPClassifier,
    Clipped,
    LearnedUpdateRule,
    LinearBackprop,
    RuleFileError,
    Safeguarded,
    TraceRecorder,
    load_rule,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = classes("multiclass", seed=3)


def network(rule):
    return BackpropMLPClassifier(
        (3,), update_rule=rule, max_iter=2, n_iter_no_change=np.inf, random_state=0
    )


@pytest.fixture(scope="module")
def recorder():
    recorder = TraceRecorder("all")
    network(SGD(0.1)).set_callbacks(recorder).fit(X, Y)
    return recorder


@pytest.fixture(scope="module")
def rule(recorder):
    return LearnedUpdateRule(random_state=0).fit(recorder.trace_)


@pytest.mark.parametrize("verb", ["fit", "predict", "score"])
def test_a_recorder_a_path_and_a_list_are_no_trace(verb, recorder, rule, tmp_path):
    trace = recorder.trace_
    for given, message in [
        (recorder, r"pass recorder\.trace_"),
        (TraceRecorder(), r"pass recorder\.trace_"),
        (str(tmp_path), r"pass Trace\.open\(path\)"),
        (tmp_path, r"pass Trace\.open\(path\)"),
        ([trace, trace], r"got 2: pass their sum"),
    ]:
        with pytest.raises(TypeError, match=message):
            getattr(rule, verb)(given)
    assert rule.score(trace + trace) > 0


def test_fit_warns_of_a_matrix_with_columns_of_no_scope():
    other, y = np.random.default_rng(0).uniform(size=(50, 5)), np.arange(50.0)
    with pytest.warns(
        UserWarning,
        match="predicts and cannot train: .* a matrix of 5 columns, not on the 7 inputs",
    ):
        rule = LearnedUpdateRule(random_state=0).fit(other, y)
    assert rule.predict(other).shape == (50,)
    with pytest.raises(ValueError, match="a matrix of 5 columns"):
        network(rule).fit(X, Y)


def test_fit_does_not_warn_of_the_columns_of_a_scope(recorder):
    trace = recorder.trace_
    LearnedUpdateRule(random_state=0).fit(trace.features("link"), trace.targets_of("link"))
    LearnedUpdateRule(scope="network", random_state=0).fit(
        trace.features("network"), trace.targets_of("network")
    )
    with pytest.warns(UserWarning, match="cannot train: scope='neuron' keeps rule \\(3\\)"):
        LearnedUpdateRule(scope="neuron", random_state=0).fit(
            trace.features("neuron"), trace.targets_of("neuron")
        )


OTHER_FILES = {
    "p.joblib": (
        lambda path: joblib.dump({"a": np.arange(9)}, path),
        r"a pickle: load it with pickle\.load or joblib",
    ),
    "c.joblib": (
        lambda path: joblib.dump({"a": np.arange(9)}, path, compress=3),
        "a compressed pickle",
    ),
    "p.pickle.gz": (
        lambda path: path.write_bytes(gzip.compress(pickle.dumps([1] * 99))),
        "a gzip file",
    ),
    "a.npy": (lambda path: np.save(path, np.arange(9.0)), "an array"),
    "a.npz": (lambda path: np.savez(path, a=np.arange(9.0)), "a ZIP archive"),
    "t.txt": (
        lambda path: path.write_text("once upon a time"),
        "another file: load_rule reads files of",
    ),
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_a_file_of_another_kind_is_not_called_cut_short(name, tmp_path):
    write, message = OTHER_FILES[name]
    write(tmp_path / name)
    with pytest.raises(RuleFileError, match=f"{name} is no rule file but {message}"):
        load_rule(tmp_path / name)


def test_a_rule_file_that_is_cut_short_is_still_called_so(rule, tmp_path):
    path = tmp_path / "rule.safetensors"
    rule.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RuleFileError) as raised:
        load_rule(path)
    assert "no rule file" not in str(raised.value)
    with pytest.raises(RuleFileError):
        load_rule(tmp_path / "none.safetensors")


class Forgot(SGD):
    def compute_update(self, step, state):
        super().compute_update(step, state)


@pytest.mark.parametrize(
    "around", [lambda rule: rule, Clipped, Safeguarded], ids=["alone", "clipped", "guarded"]
)
def test_an_update_that_was_not_returned_is_named(around):
    with pytest.raises(
        ValueError, match=r"Forgot\.compute_update returned None.*`return step\.updates`"
    ):
        network(around(Forgot())).fit(X, Y)


def write(name):
    class Writing(SGD):
        acts_backward = name == "deltas"

        def compute_update(self, step, state):
            if name == "gradients":
                step.gradients *= 2
            elif name == "params":
                step.params[0] = 1
            elif name == "activations":
                np.exp(step.activations[0], out=step.activations[0])
            return super().compute_update(step, state)

        def compute_deltas(self, step, layer, state):
            step.deltas[layer][...] = 0

    return Writing()


@pytest.mark.parametrize(
    "around", [lambda rule: rule, Clipped, Safeguarded], ids=["alone", "clipped", "guarded"]
)
@pytest.mark.parametrize("name", ["gradients", "params", "activations", "deltas"])
def test_a_rule_that_writes_to_a_read_only_array_is_named(name, around):
    with pytest.raises(
        ValueError, match=r"^Writing wrote to an array that is read-only .* are read-only"
    ) as raised:
        network(around(write(name))).fit(X, Y)
    assert "read-only" in str(raised.value.__cause__)


def test_a_teacher_that_writes_is_named():
    recorder = TraceRecorder(teacher=write("gradients"))
    with pytest.raises(ValueError, match=r"^Writing wrote to an array that is read-only"):
        network(SGD(0.1)).set_callbacks(recorder).fit(X, Y)


def test_another_error_of_a_rule_arrives_as_it_is():
    class Failing(SGD):
        def compute_update(self, step, state):
            raise ValueError("my own")

    for rule in (Failing(), LinearBackprop(Failing())):
        with pytest.raises(ValueError, match=r"^my own$"):
            network(rule).fit(X, Y)

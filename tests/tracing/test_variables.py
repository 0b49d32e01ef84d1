"""One table of trace variables determines what is recorded, stored, read and documented."""

import shutil

import matplotlib.pyplot as plt
import numpy as np
import pytest
from helpers.damage import put_together, take_apart
from helpers.data import classes
from helpers.traces import assert_same, chunk_files, model

from sklearn_metabp import SGD, Trace, TraceRecorder
from sklearn_metabp.network import Step
from sklearn_metabp.plotting import TraceDisplay
from sklearn_metabp.tracing import variables
from sklearn_metabp.tracing.variables import (
    NUMBER,
    PER_NEURON,
    PER_PARAMETER,
    VARIABLES,
    TraceVariable,
    check_variables,
)

OLD_DEFAULT = ["weights", "biases", "gradients", "weight_updates", "bias_updates", "loss"]
OLD_ALL = ["activations", "net_inputs", "derivatives", "deltas", "targets", "outputs", *OLD_DEFAULT]


def test_the_default_and_all():
    assert check_variables("default") == ("params", "gradients", "updates", "loss")
    assert set(check_variables("all")) == {
        *("params", "gradients", "updates", "loss", "activations", "net_inputs"),
        *("derivatives", "deltas", "targets", "outputs"),
    }
    assert check_variables(["deltas", "params", "deltas"]) == ("params", "deltas")


def test_a_step_has_every_variable():
    X, y = classes("multiclass", seed=3)
    seen = []

    class Notes:
        def setup(self, estimator, context): ...
        def teardown(self, estimator, context): ...
        def on_fit_task_begin(self, estimator, context): ...
        def on_fit_task_end(self, estimator, context): ...

        def on_step_end(self, estimator, context, step):
            layout = step.layout
            for variable in VARIABLES.values():
                if not variable.option:
                    arrays = variable.arrays_of(getattr(step, variable.name))
                    shapes = variable.shapes(layout, step.n_patterns)
                    assert [np.shape(array) for array in arrays] == shapes, variable.name
                    assert len(variable.array_names(layout)) == len(shapes)
                    seen.append(variable.name)

    model((5, 2)).set_callbacks(Notes()).fit(X, y)
    assert set(VARIABLES) - set(seen) == {"teacher_updates", "summary"}


def test_docstrings_list_the_variables():
    recorder, trace = " ".join(TraceRecorder.__doc__.split()), Trace.__doc__
    for name, variable in VARIABLES.items():
        assert f"\n{variable.name_in_trace} : {variable.kind.shape_in_trace}\n" in trace
        if variable.is_choice:
            assert name in recorder
    assert "these are ``params``, ``gradients``, ``updates``, ``loss``" in recorder
    assert "<" not in trace


def test_a_trace_lists_its_attributes_and_names_what_was_renamed():
    X, y = classes("multiclass", seed=3)
    recorder = TraceRecorder()
    model().set_callbacks(recorder).fit(X, y)
    trace = recorder.trace_
    assert {"params", "losses", "teacher_updates", "indices"} <= set(dir(trace))
    with pytest.raises(AttributeError, match="'bias_updates' is part of 'updates' now"):
        trace.bias_updates  # noqa: B018
    with pytest.raises(AttributeError, match=r"'Trace' object has no attribute 'momentum'$"):
        trace.momentum  # noqa: B018


def name_as_before(path, names):
    """Give the variables in the headers of all chunks the names of earlier versions."""
    for file in chunk_files(path):
        table, header, body = take_apart(file.read_bytes())
        file.write_bytes(put_together(table, header | {"variables": names}, body))


@pytest.mark.parametrize(
    ("variables", "before"),
    [
        ("default", OLD_DEFAULT),
        ("all", OLD_ALL),
        (["params", "deltas"], ["deltas", "biases"]),
        (["updates"], ["weight_updates"]),
    ],
    ids=str,
)
def test_files_with_the_names_of_earlier_versions_are_read(tmp_path, variables, before):
    X, y = classes("multiclass", seed=3)
    model().set_callbacks(TraceRecorder(variables, path=tmp_path / "now")).fit(X, y)
    shutil.copytree(tmp_path / "now", tmp_path / "then")
    name_as_before(tmp_path / "then", before)
    now, then = Trace.open(tmp_path / "now"), Trace.open(tmp_path / "then")
    assert then.recorded[0].variables == now.recorded[0].variables
    assert_same(then, now, [*now.recorded[0].stored, "losses", "indices", "runs"])


class TestNewVariable:
    """An attribute of Step and a line of the table: everything else follows."""

    NEW = [
        TraceVariable("steepness", NUMBER, "Largest derivative of the loss."),
        TraceVariable("squares", PER_PARAMETER, "Squares of the gradients."),
        TraceVariable("errors", PER_NEURON, "Size of the deltas.", is_default=True),
    ]

    @pytest.fixture(autouse=True)
    def new_variables(self, monkeypatch):
        read = {
            "steepness": lambda step: float(np.abs(step.gradients).max()),
            "squares": lambda step: step.gradients**2,
            "errors": lambda step: [np.abs(layer) for layer in step.deltas],
        }
        for variable in self.NEW:
            monkeypatch.setattr(Step, variable.name, property(read[variable.name]), raising=False)
            monkeypatch.setitem(variables.VARIABLES, variable.name, variable)

    @pytest.mark.parametrize("rule", [SGD(0.1), SGD(0.1, schedule="adaptive")], ids=str)
    def test_a_new_variable_is_recorded_saved_and_read(self, tmp_path, rule):
        X, y = classes("multiclass", n=70, seed=3)
        memory, disk = TraceRecorder("all"), TraceRecorder("all", path=tmp_path / "recorded")
        model(rule=rule).set_callbacks(memory, disk).fit(X, y)
        memory.trace_.save(tmp_path / "saved")
        traces = [memory.trace_, disk.trace_, Trace.open(tmp_path / "saved")]
        for trace in traces:
            np.testing.assert_array_equal(trace.squares, trace.gradients**2)
            np.testing.assert_array_equal(trace.steepness, np.abs(trace.gradients).max(axis=1))
            for error, delta in zip(trace.errors, trace.deltas, strict=True):
                np.testing.assert_array_equal(error, np.abs(delta))
            for positions, step in trace.iter_steps(0):
                assert step.steepness == trace.steepness[positions[0]]
        assert_same(traces[0], traces[1], ["squares", "errors", "steepness"])
        assert_same(traces[0], traces[2], ["squares", "errors", "steepness"])

    def test_a_new_variable_can_be_a_default_a_column_of_a_frame_and_drawn(self):
        X, y = classes("multiclass", seed=3)
        recorder = TraceRecorder()
        model(rule=SGD(0.1)).set_callbacks(recorder).fit(X, y)
        trace = recorder.trace_
        assert set(trace.recorded[0].stored) == {"params", "gradients", "updates", "errors"}
        with pytest.raises(AttributeError, match=r"has no squares.*'squares'"):
            trace.squares  # noqa: B018
        TraceDisplay.from_trace(trace)
        plt.close("all")
        pytest.importorskip("pandas")
        recorder = TraceRecorder(["squares"])
        model(rule=SGD(0.1)).set_callbacks(recorder).fit(X, y)
        frame = recorder.trace_.to_frame(["squares"])
        np.testing.assert_array_equal(
            frame["squares coefs_[0][0,0]"], recorder.trace_.squares[:, 0]
        )

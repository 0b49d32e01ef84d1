"""The report of a step has the numbers of the step."""

import numpy as np
import pytest
from helpers import lectures
from helpers.data import classes
from helpers.traces import model

from sklearn_metabp import TraceRecorder
from sklearn_metabp.network import rounded


@pytest.fixture(scope="module")
def trace():
    X, y = classes("multiclass", n=40, seed=3)  # batches of 16, 16 and 8
    recorder = TraceRecorder("all")
    model((6, 5), random_state=1).set_callbacks(recorder).fit(X, y)
    return recorder.trace_


def cells(text):
    """Return the cells of every line of a report, by the first cell."""
    lines = [line.split("  ") for line in text.splitlines() if "  " in line]
    rows = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    return {row[0]: row[1:] for row in rows}


def test_the_lectures_numbers_are_in_the_report():
    trace = lectures.record(lectures.network())
    ours, found = lectures.quantities(trace), cells(str(trace[0].report()))
    neurons = ("hidden 1 [0]", "hidden 1 [1]", "output [0]", "output [1]")
    for name, neuron in zip("4567", neurons, strict=True):
        numbers = [ours[f"v{name}"], ours[f"y{name}"], ours[f"∂y{name}/∂v{name}"], ours[f"δ{name}"]]
        assert found[neuron][:4] == [f"{number:.4f}" for number in numbers]
    assert found["output [1]"][4] == "0.0500"
    assert found["coefs_[1][0,1]"] == ["0.8000", "0.1183", "-0.0012", "0.7988"]
    assert found["coefs_[0][2,1]"] == ["0.6000", "0.0020", "-2.0e-05", "0.6000"]


@pytest.mark.parametrize(("position", "pattern"), [(0, 0), (4, 15), (5, 7), (-1, 3)])
def test_every_number_is_that_of_the_trace(trace, position, pattern):
    report = trace[position].report(pattern, precision=9, max_rows=None)
    found = cells(str(report))
    layout = trace.layouts[0]
    for layer, size in enumerate(layout.layer_sizes):
        name = ("input", "hidden 1", "hidden 2", "output")[layer]
        for n in range(size):
            expected = [trace.activations[layer][position, pattern, n]]
            if layer:
                net_input, derivative, delta = (
                    getattr(trace, of)[layer - 1][position, pattern, n]
                    for of in ("net_inputs", "derivatives", "deltas")
                )
                expected = [net_input, *expected, derivative, delta]
            if name == "output":
                expected.append(trace.targets[position, pattern, n])
            assert found[f"{name} [{n}]"] == [rounded(number, 9) for number in expected]
    names = [name for tensor in layout.tensors for name in layout.parameter_names(tensor)]
    assert len(names) == layout.n_params
    for n, name in enumerate(names):
        before, gradient, update = (
            getattr(trace, of)[position, n] for of in ("params", "gradients", "updates")
        )
        numbers = [before, gradient, update, before + update]
        assert found[name] == [rounded(number, 9) for number in numbers]


def test_reports_of_a_recorded_and_of_a_live_step_are_equal(trace, tmp_path):
    X, y = classes("multiclass", n=40, seed=3)

    class Reporter:
        texts = []

        def setup(self, estimator, context):
            pass

        on_fit_task_begin = on_fit_task_end = teardown = setup

        def on_step_end(self, estimator, context, step):
            self.texts.append(str(step.report(3)))

    to_disk = TraceRecorder("all", path=tmp_path / "trace")
    model((6, 5), random_state=1).set_callbacks(to_disk, Reporter()).fit(X, y)
    for position in (0, 1, 7):
        text = str(trace[position].report(3))
        assert str(to_disk.trace_[position].report(3)) == text == Reporter.texts[position]


def test_a_report_stays_valid(trace):
    report = trace[3].report()
    before = str(report)
    for _ in trace.iter_steps(0):
        pass
    assert str(report) == before


def test_only_recorded_variables_are_shown():
    X, y = classes("multiclass", n=40, seed=3)
    recorder = TraceRecorder(["deltas", "updates"])
    model().set_callbacks(recorder).fit(X, y)
    report = recorder.trace_[0].report()
    assert report.missing == [
        "net_inputs",
        "activations",
        "derivatives",
        "targets",
        "params",
        "gradients",
    ]
    text = str(report)
    assert text.endswith(f"Not recorded: {', '.join(report.missing)}.")
    assert "input [0]" not in text
    assert len(cells(text)["hidden 1 [0]"]) == len(cells(text)["coefs_[0][0,0]"]) == 1


def test_a_teacher_has_a_column():
    X, y = classes("multiclass", n=40, seed=3)
    recorder = TraceRecorder(teacher="sgd")
    model().set_callbacks(recorder).fit(X, y)
    trace = recorder.trace_
    head, *_ = [
        line for line in str(trace[1].report()).splitlines() if line.startswith("parameter")
    ]
    assert "teacher's update" in head
    taught = cells(str(trace[1].report(precision=8)))["coefs_[0][0,0]"]
    assert taught[3] == rounded(trace.teacher_updates[1, 0], 8)


@pytest.mark.parametrize(
    ("value", "precision", "text"),
    [
        (0.0, 2, "0.00"), (-0.0, 2, "0.00"), (0.004, 2, "4.0e-03"), (-0.004, 2, "-4.0e-03"),
        (0.006, 2, "0.01"), (1234.5, 0, "1234"), (np.nan, 3, "nan"), (-np.inf, 3, "-inf"),
    ],
)  # fmt: skip
def test_numbers_are_rounded_but_never_to_zero(value, precision, text):
    assert rounded(value, precision) == text


def test_impossible_reports_say_what_to_do(trace):
    with pytest.raises(ValueError, match=r"has 12 steps: select one, as in trace\[0\]\.report\(\)"):
        trace.report()
    with pytest.raises(ValueError, match="has 0 steps"):
        trace[:0].report()
    for pattern in (-1, 8, 0.5, None):
        with pytest.raises(ValueError, match=r"pattern must be a position in the batch, 0 to 7"):
            trace[2].report(pattern)
    with pytest.raises(ValueError, match="precision must be an integer of 0 or more, got -1"):
        trace[2].report(precision=-1)
    with pytest.raises(ValueError, match="max_rows must be an integer of 1 or more or None, got 0"):
        trace[2].report(max_rows=0)

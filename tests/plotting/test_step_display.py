"""The display of a step draws its numbers, each where it belongs."""

import numpy as np
import pytest
from helpers import lectures
from helpers.data import classes
from helpers.traces import model
from matplotlib import pyplot as plt

from sklearn_metabp import BackpropMLPClassifier, BackpropRNNClassifier, TraceRecorder
from sklearn_metabp.network import rounded
from sklearn_metabp.plotting import StepDisplay

PANELS = ["forward", "backward", "update"]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def trace():
    return record((3, 2))


def record(sizes, variables="all", **params):
    X, y = classes("multiclass", n=40, seed=3)
    recorder = TraceRecorder(variables)
    model(sizes, random_state=1, **params).set_callbacks(recorder).fit(X, y)
    return recorder.trace_


def texts_of(display, panel, neuron):
    return [text.get_text() for text in display.neuron_texts_[panel][neuron]]


def test_the_lectures_numbers_are_drawn():
    display = StepDisplay.from_trace(lectures.record(lectures.network()))
    assert list(display.neuron_texts_) == list(display.link_texts_) == PANELS
    assert [ax.get_title().partition(":")[0] for ax in display.ax_] == [
        "Forward", "Backward", "Update",
    ]  # fmt: skip
    assert display.ax_[0].get_title() == "Forward: the loss is 0.5932"
    assert display.figure_ is display.ax_[0].figure
    neuron_7 = [texts_of(display, panel, "output [1]") for panel in PANELS]
    assert neuron_7 == [
        ["0.8004", "in = 1.3888\nev = 0.0500", "θ = 0.5000"],
        ["-0.1199", "f' = 0.1598", "∂J/∂θ = 0.1199"],
        ["-0.0012", "→ 0.4988", ""],
    ]
    w_65 = [display.link_texts_[panel]["coefs_[1][1,0]"].get_text() for panel in PANELS]
    assert w_65 == ["0.9000", "0.0772", "-0.0008\n→ 0.8992"]
    assert texts_of(display, "forward", "input [2]") == ["5.0000", "", ""]
    assert texts_of(display, "backward", "input [2]") == ["", "", ""]


@pytest.mark.parametrize(("step", "pattern"), [(0, 0), (4, 15), (-1, 7)])
def test_every_number_is_that_of_the_trace(trace, step, pattern):
    display = StepDisplay.from_trace(trace, step, pattern=pattern, precision=6)
    layout, new = trace.layouts[0], trace.params[step] + trace.updates[step]
    for layer, size in enumerate(layout.layer_sizes[1:]):
        name = ("hidden 1", "hidden 2", "output")[layer]
        for n in range(size):

            def at(variable, layer=layer, n=n):
                return rounded(getattr(trace, variable)[layer][step, pattern, n], 6)

            def bias(flat, layer=layer, n=n):
                return rounded(layout.intercepts(flat)[layer][n], 6)

            forward = texts_of(display, "forward", f"{name} [{n}]")
            activation = trace.activations[layer + 1][step, pattern, n]
            assert forward[0] == rounded(activation, 6)
            assert forward[1].splitlines()[0] == f"in = {at('net_inputs')}"
            assert forward[2] == f"θ = {bias(trace.params[step])}"
            backward = texts_of(display, "backward", f"{name} [{n}]")
            assert backward == [
                at("deltas"), f"f' = {at('derivatives')}", f"∂J/∂θ = {bias(trace.gradients[step])}",
            ]  # fmt: skip
            update = texts_of(display, "update", f"{name} [{n}]")
            assert update[:2] == [bias(trace.updates[step]), f"→ {bias(new)}"]
        for source in range(layout.layer_sizes[layer]):
            for n in range(size):
                link = f"coefs_[{layer}][{source},{n}]"
                texts = [display.link_texts_[panel][link].get_text() for panel in PANELS]
                weight, gradient, change, changed = (
                    rounded(layout.coefs(flat)[layer][source, n], 6)
                    for flat in (
                        trace.params[step],
                        trace.gradients[step],
                        trace.updates[step],
                        new,
                    )
                )
                assert texts == [weight, gradient, f"{change}\n→ {changed}"]


@pytest.mark.parametrize("sizes", [(2,), (3, 2)])
def test_no_text_lies_on_another(sizes):
    display = StepDisplay.from_trace(record(sizes), precision=3)
    display.figure_.canvas.draw()
    for panel in PANELS:
        texts = [*display.link_texts_[panel].values()]
        boxes = [text.get_window_extent() for text in texts]
        for n, box in enumerate(boxes):
            for other in boxes[:n]:
                assert not box.padded(-1).overlaps(other.padded(-1))


def test_panels_are_chosen_and_axes_given(trace):
    display = StepDisplay.from_trace(trace, show="backward")
    assert list(display.link_texts_) == ["backward"]
    _, axes = plt.subplots(2, 1)
    display = StepDisplay.from_trace(trace, show=["update", "forward"], ax=axes)
    assert list(display.link_texts_) == ["forward", "update"]
    assert list(display.ax_) == list(axes)
    again = StepDisplay(report=trace[0].report()).plot(show="forward", text_kwargs={"fontsize": 5})
    assert {text.get_fontsize() for text in again.link_texts_["forward"].values()} == {5.0}
    _, ax = plt.subplots()
    assert len(StepDisplay.from_trace(trace, ax=ax).ax_) == 3


def test_a_panel_needs_its_variables_only():
    trace = record((2,), ["params", "updates"])
    assert list(StepDisplay.from_trace(trace, show="update").ax_)
    with pytest.raises(
        ValueError, match=r"'backward' needs deltas and derivatives and gradients, .*'all'\)"
    ):
        StepDisplay.from_trace(trace, show=["update", "backward"])


@pytest.mark.parametrize("sizes", [(9,), (7,), (2,) * 5])
def test_a_network_that_is_too_large_is_an_error_with_what_to_do(sizes):
    trace = record(sizes)
    name = "-".join(map(str, (4, *sizes, 3)))
    with pytest.raises(ValueError, match=rf"network {name} is too large .*trace\[2\]\.report\(\)"):
        StepDisplay.from_trace(trace, 2)


def test_other_networks_are_an_error():
    X, y = classes("multiclass", n=40, seed=3)
    for estimator, rows, labels, what in (
        (BackpropMLPClassifier((2,), scaling_layer=True), X, y, "an input layer"),
        (BackpropRNNClassifier(2), X[:, :2].reshape(40, 2, 1), y, "a recurrent layer"),
    ):
        recorder = TraceRecorder("all", max_steps=1)
        estimator.set_params(max_iter=1, n_iter_no_change=np.inf, random_state=0)
        estimator.set_callbacks(recorder).fit(rows, labels)
        with pytest.raises(ValueError, match=f"this network has {what} too"):
            StepDisplay.from_trace(recorder.trace_)


def test_impossible_choices_are_errors(trace):
    with pytest.raises(ValueError, match="step must be a position in the trace, 0 to 11, got 12"):
        StepDisplay.from_trace(trace, 12)
    with pytest.raises(ValueError, match="show must be one or more of"):
        StepDisplay.from_trace(trace, show="sideways")
    with pytest.raises(ValueError, match="show must be one or more of"):
        StepDisplay.from_trace(trace, show=[])
    with pytest.raises(ValueError, match="trace must be a Trace"):
        StepDisplay.from_trace(trace.recorded[0])
    with pytest.raises(ValueError, match="pattern must be a position in the batch"):
        StepDisplay.from_trace(trace, pattern=16)

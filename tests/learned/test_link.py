"""The inputs of the link scope against their definitions, written out."""

import numpy as np
import pytest
from helpers.data import classes

from sklearn_metabp import SGD, BackpropMLPClassifier, TraceRecorder
from sklearn_metabp._kernels.scopes import LINK_INPUTS
from sklearn_metabp.learned import DEFAULT_INPUTS, LinkScope


def record(*seeds, sizes=(3,), variables="all", **params):
    X, y = classes("multiclass", seed=sum(seeds))
    recorder = TraceRecorder(variables, **params)
    for seed in seeds:
        model = BackpropMLPClassifier(
            sizes,
            update_rule=SGD(0.3),
            batch_size=16,
            max_iter=4,
            n_iter_no_change=np.inf,
            random_state=seed,
        )
        model.set_callbacks(recorder).fit(X, y)
    return recorder.trace_


def expected(trace, row, name):
    """Compute one input of every link at a step of a trace of one run, as it is defined."""
    g, t = trace.gradients[: row + 1], row + 1

    def average(values, decay):
        weights = (1 - decay) * decay ** np.arange(t)[::-1]
        return weights @ values / weights.sum()

    def known(symbol):
        kind, _, decay = symbol.partition("_")
        if kind == "gradient":
            return g[-1]
        if kind == "momentum":
            return average(g, float(decay))
        if kind == "peak":
            return (float(decay) ** np.arange(t)[::-1, None] * np.abs(g)).max(axis=0) + 1e-8
        if kind == "norm":
            return np.linalg.norm(g, axis=0) + 1e-8
        return np.sqrt(average(g**2, float(decay))) + 1e-8

    if name == "rms_0.9":
        return known(name)
    if name in ("last_step", "stride"):
        last, strides = np.zeros(g.shape[1]), np.full(g.shape[1], np.finfo(float).tiny)
        for last in trace.updates[:row]:
            strides = np.where(np.abs(last) > strides / 4, np.abs(last), strides)
        return -np.sign(g[-1]) * (last / strides if name == "last_step" else strides)
    if "/" in name:
        above, below = name.split("/")
        return np.clip(known(above) / known(below), -10, 10)
    if name.startswith("warmup"):
        return np.full(g.shape[1], 1 - float(name.partition("_")[2]) ** t)
    layout = trace.layouts[0]
    values = np.empty(layout.n_params)
    for tensor in layout.tensors:
        w = trace.params[row][tensor.slice].reshape(tensor.shape)
        x, delta = (
            np.nanmean(layers[tensor.layer][row], axis=0)
            for layers in (trace.activations, trace.deltas)
        )
        values[tensor.slice] = np.broadcast_to(
            {
                "weight": w / np.sqrt(np.mean(w**2)),
                "activation": 1.0 if tensor.is_bias else (x / np.sqrt(np.mean(x**2)))[:, None],
                "delta": delta / np.sqrt(np.mean(delta**2)),
                "is_bias": float(tensor.is_bias),
                "is_output": float(tensor.layer == len(layout.layer_sizes) - 2),
                "depth": tensor.layer / max(1, len(layout.layer_sizes) - 2),
            }[name],
            tensor.shape,
        ).ravel()
    return np.clip(values, -10, 10)


@pytest.mark.parametrize("sizes", [(3,), (4, 2), ()])
@pytest.mark.parametrize("name", LINK_INPUTS)
def test_inputs_are_what_their_names_say(name, sizes):
    trace = record(len(name), sizes=sizes)
    n = trace.layouts[0].n_params
    features = trace.features("link", [name]).reshape(len(trace), n, -1)
    for row in (0, 1, 9, len(trace) - 1):
        np.testing.assert_allclose(
            features[row, :, 0], expected(trace, row, name), rtol=1e-10, atol=1e-12
        )
        rms = expected(trace, row, "rms_0.9")
        np.testing.assert_allclose(features[row, :, 1], rms, rtol=1e-10)
        if name == "last_step":
            stride = expected(trace, row, "stride")
            np.testing.assert_allclose(features[row, :, 2], stride, rtol=1e-10)


def test_targets_are_the_updates():
    trace = record(1, 2)
    np.testing.assert_array_equal(trace.targets_of("link"), trace.updates.ravel())


def test_history_is_that_of_the_run_whatever_rows_are_selected():
    trace = record(1, 2)
    whole = trace.features("link").reshape(len(trace), -1, len(DEFAULT_INPUTS) + 1)
    rows = [20, 3, 11, 3]
    np.testing.assert_array_equal(
        trace[rows].features("link"), whole[rows].reshape(-1, whole.shape[2])
    )
    updates = trace[rows].targets_of("link")
    np.testing.assert_array_equal(updates, trace.updates[rows].ravel())


def test_steps_that_were_not_recorded_are_part_of_the_history():
    every, third = record(5), record(5, every=3)
    np.testing.assert_array_equal(third.features("link"), every[::3].features("link"))


def test_drawn_links_are_rows_of_all():
    trace = record(3, 4)
    features, targets = trace.features("link"), trace.targets_of("link")
    drawn, answers = LinkScope().sample(trace, 100, np.random.RandomState(0))
    assert drawn.shape == (100, features.shape[1])
    every = {
        (*row, target) for row, target in zip(features.tolist(), targets.tolist(), strict=True)
    }
    assert all((*row, y) in every for row, y in zip(drawn.tolist(), answers.tolist(), strict=True))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["gradient"], r"inputs of scope='link' must be different names .*got \['gradient'\]"),
        (["weight", "weight"], "must be different names"),
        ([], "must be different names"),
    ],
)
def test_bad_inputs_are_named(inputs, message):
    with pytest.raises(ValueError, match=message):
        record(1).features("link", inputs)


def test_variables_that_the_inputs_need_must_have_been_recorded():
    trace = record(1, variables="default")
    with pytest.raises(ValueError, match=r"needs \['deltas', 'gradients', 'params', 'updates'\]"):
        trace.features("link", ["delta"])
    with pytest.raises(ValueError, match="has no rows"):
        trace[:0].features("link")

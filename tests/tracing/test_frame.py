"""Traces as tables."""

import numpy as np
import pytest
from helpers.data import classes
from helpers.traces import model

from sklearn_metabp import TraceRecorder

pd = pytest.importorskip("pandas")


@pytest.fixture(params=["memory", "disk"])
def trace(request, tmp_path):
    X, y = classes("multiclass", seed=3)
    recorder = TraceRecorder(path=tmp_path if request.param == "disk" else None)
    for seed in (0, 1):
        model(random_state=seed).set_callbacks(recorder).fit(X, y)
    return recorder.trace_


def test_a_row_is_a_step_and_a_column_a_parameter(trace):
    frame = trace.to_frame(["params", "gradients"])
    assert len(frame) == len(trace)
    np.testing.assert_array_equal(frame["run"], trace.runs)
    np.testing.assert_array_equal(frame["index"], trace.indices)
    np.testing.assert_array_equal(frame["epoch"], trace.epochs)
    np.testing.assert_array_equal(frame["n_patterns"], trace.n_patterns)
    np.testing.assert_array_equal(frame["loss"], trace.losses)
    layout = trace.layouts[0]
    for name in ("coefs_[0][2,1]", "coefs_[1][4,2]"):
        layer, (i, j) = int(name[7]), (int(name[10]), int(name[12]))
        for column, flat in (("params", trace.params), ("gradients", trace.gradients)):
            expected = [layout.coefs(row)[layer][i, j] for row in flat]
            np.testing.assert_array_equal(frame[f"{column} {name}"], expected)
    expected = [layout.intercepts(row)[1][2] for row in trace.params]
    np.testing.assert_array_equal(frame["params intercepts_[1][2]"], expected)


def test_a_frame_is_the_same_after_parquet(trace, tmp_path):
    pytest.importorskip("pyarrow")
    frame = trace.to_frame(["params", "updates"])
    frame.to_parquet(tmp_path / "trace.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "trace.parquet"), frame)
    columns = ["run", "index", "loss"]
    some = pd.read_parquet(tmp_path / "trace.parquet", columns=columns)
    pd.testing.assert_frame_equal(some, frame[columns])


@pytest.mark.parametrize("variables", ["params", 3, ["weight"], [3], ["params", "params"]], ids=str)
def test_columns_that_there_cannot_be_are_refused(trace, variables):
    with pytest.raises(
        ValueError, match=r"variables must be 'all' or a list of names from .*, each once, got"
    ):
        trace.to_frame(variables)


def test_a_renamed_variable_is_refused_with_its_new_name(trace):
    with pytest.raises(ValueError, match="'bias_updates' is part of 'updates' now"):
        trace.to_frame(["params", "bias_updates"])


def test_a_variable_that_was_not_recorded_is_refused_with_what_to_do(trace):
    with pytest.raises(AttributeError, match=r"TraceRecorder\(variables=\[\.\.\., 'deltas'\]\)"):
        trace.to_frame(["deltas"])


@pytest.mark.parametrize("on_disk", [False, True])
def test_every_variable_that_was_recorded_has_columns(tmp_path, on_disk):
    X, y = classes("multiclass", n=34, seed=3)  # batches of 16, 16 and 2 patterns
    recorder = TraceRecorder("all", path=tmp_path / "trace" if on_disk else None)
    model(random_state=0, batch_size=16).set_callbacks(recorder).fit(X, y)
    trace = recorder.trace_
    frame = trace.to_frame("all")
    pd.testing.assert_frame_equal(frame, trace.to_frame(list(trace.recorded[0].stored)))
    assert frame.columns.is_unique
    known = frame.columns[:5]
    rest = frame.drop(columns=known)
    n_numbers = 0
    for name in trace.recorded[0].stored:
        value = getattr(trace, name)
        for layer, array in enumerate(value if isinstance(value, list) else [value]):
            n_numbers += array[0].size
            if array.ndim < 3:
                continue
            of_layer = f"{name}[{layer}]" if isinstance(value, list) else name
            for pattern, neuron in ((0, 0), (array.shape[1] - 1, array.shape[2] - 1)):
                column = rest[f"{of_layer}[{pattern},{neuron}]"]
                np.testing.assert_array_equal(column, array[:, pattern, neuron])
    assert rest.shape[1] == n_numbers
    short = trace.n_patterns == 2
    assert short.any()
    assert rest.loc[short, "deltas[0][2,0]"].isna().all()
    assert rest.loc[~short, "deltas[0][2,0]"].notna().all()


def test_numbers_of_every_step_may_be_named_and_are_there_once(trace):
    pd.testing.assert_frame_equal(trace.to_frame(["loss", "epoch"]), trace.to_frame())


def test_all_of_two_runs_is_what_both_have(trace):
    X, y = classes("multiclass", seed=3)
    recorder = TraceRecorder(["updates", "outputs"])
    model(random_state=2).set_callbacks(recorder).fit(X, y)
    both = trace + recorder.trace_
    pd.testing.assert_frame_equal(both.to_frame("all"), both.to_frame(["updates"]))


def test_a_trace_without_steps_has_the_columns_of_every_step(trace):
    assert trace[:0].to_frame("all").shape == trace[:0].to_frame(["deltas"]).shape == (0, 5)

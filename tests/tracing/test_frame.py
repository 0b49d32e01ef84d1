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


@pytest.mark.parametrize(
    "variables", ["params", 3, ["deltas"], [3], ["params", "params"], ["loss"]], ids=str
)
def test_columns_that_there_cannot_be_are_refused(trace, variables):
    with pytest.raises(
        ValueError, match=r"variables must be a list of names from .*, each once, got"
    ):
        trace.to_frame(variables)


def test_a_renamed_variable_is_refused_with_its_new_name(trace):
    with pytest.raises(ValueError, match="'bias_updates' is part of 'updates' now"):
        trace.to_frame(["params", "bias_updates"])

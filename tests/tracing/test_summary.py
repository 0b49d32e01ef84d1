"""A recorded summary has the statistics of the steps, in few bytes, and says what it lacks."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from helpers.damage import put_together, take_apart
from helpers.data import classes, numbers
from helpers.traces import chunk_files, model
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_metabp import (
    SGD,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    BackpropRNNRegressor,
    LearnedUpdateRule,
    Muon,
    Trace,
    TraceFileError,
    TraceRecorder,
)
from sklearn_metabp.network import ParameterLayout
from sklearn_metabp.plotting import TraceDisplay
from sklearn_metabp.tracing.summary import steps_between_summaries

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def record_both(estimator, X, y, **options):
    """Return the trace of summaries, and a whole trace of the same training."""
    summary, whole = TraceRecorder(summary=True, **options), TraceRecorder("all")
    clone(estimator).set_callbacks(summary).fit(X, y)
    clone(estimator).set_callbacks(whole).fit(X, y)
    return summary.trace_, whole.trace_


def assert_summarises(trace, whole, rtol=1e-9):
    """The summaries are the statistics, as NumPy computes them, of the same steps of the whole."""
    steps = whole[trace.indices - 1]
    assert_array_equal(steps.indices, trace.indices)
    assert_array_equal(steps.losses, trace.losses)
    summary = trace.summary
    for name in ("params", "gradients", "updates"):
        flat = getattr(steps, name).astype(float)
        for number, tensor in enumerate(trace.layouts[0].tensors):
            values, found = flat[:, tensor.slice], summary[name][:, number]
            assert_allclose(found["l1"], np.abs(values).sum(axis=1), rtol=rtol)
            assert_allclose(found["l2"], np.linalg.norm(values, axis=1), rtol=rtol)
            assert_allclose(found["max"], np.abs(values).max(axis=1), rtol=rtol)
            assert_allclose(found["mean"], values.mean(axis=1), rtol=rtol, atol=1e-9)
            assert_allclose(found["zeros"], (values == 0).mean(axis=1), rtol=rtol)
            # the tensors are so small that all values are in the sample
            expected = np.quantile(values, LEVELS, axis=1).T
            assert_allclose(found["quantiles"], expected, rtol=rtol, atol=1e-9)
    for name, layers in (("outputs", steps.activations[1:]), ("deltas", steps.deltas)):
        for number, values in enumerate(layers):
            for row in range(len(steps)):
                found, one = summary[name][row, number], values[row][: steps.n_patterns[row]]
                one = one.astype(float)
                assert_allclose(found["mean"], one.mean(), rtol=rtol, atol=1e-9)
                assert_allclose(found["std"], one.std(), rtol=rtol, atol=1e-9)
                assert_allclose(found["max"], np.abs(one).max(), rtol=rtol)
                assert_allclose(found["zeros"], (one == 0).mean(), rtol=rtol)
    for number, slopes in enumerate(steps.derivatives[:-1]):
        for row in range(len(steps)):
            one = np.abs(slopes[row][: steps.n_patterns[row]])
            is_flat = one < 0.01 * (
                0.25 if trace.recorded[0].network.activations[0] == "logistic" else 1
            )
            found = summary["outputs"][row, number]
            assert_allclose(found["flat"], is_flat.mean(), rtol=1e-6)
            assert_allclose(found["dead"], is_flat.all(axis=0).mean(), rtol=1e-6)


CASES = {
    "adam": {},
    "logistic": {"activation": "logistic"},
    "softplus, SGD": {"activation": "softplus", "rule": SGD(2.0)},
    "dropout": {"activation": "tanh", "dropout": 0.3},
    "a rule in Python": {"rule": Muon()},
    "a rule that is not replayable": {"rule": SGD(0.1, schedule="adaptive")},
    "a line search": {"rule": "lbfgs", "batch_size": "auto"},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("every", [1, 3, "auto"])
def test_a_summary_is_of_the_steps_that_were_taken(case, every):
    X, y = classes("multiclass", n=70, seed=1)
    trace, whole = record_both(model((7, 4), **CASES[case]), X, y, every=every)
    assert len(trace) and trace.indices[0] == 1
    assert_summarises(trace, whole)


def test_of_float32_and_stored_as_float32():
    X, y = numbers(2, n=50, dtype=np.float32)
    estimator = BackpropMLPRegressor((6,), batch_size=8, max_iter=3, random_state=0)
    trace, whole = record_both(estimator, X, y, every=2)
    assert trace.summary["params"]["l2"].dtype == np.float32
    assert_summarises(trace, whole, 1e-5)
    trace, _ = record_both(estimator, X.astype(float), y, every=2, dtype=np.float32)
    assert trace.summary["params"]["l2"].dtype == np.float32


def test_of_sparse_rows_and_of_sample_weights():
    X, y = classes("multiclass", n=60, n_features=30)
    X = csr_array(np.where(np.random.default_rng(1).random(X.shape) < 0.2, X, 0))
    trace, whole = record_both(model(), X, y, every=4)
    assert_summarises(trace, whole)


def test_the_training_is_the_same_with_a_recorder(monkeypatch):
    X, y = classes("multiclass", n=70, seed=1)
    plain, recorder = model().fit(X, y), TraceRecorder(summary=True, every=3)
    recorded = model().set_callbacks(recorder).fit(X, y)
    assert_array_equal(recorded.params_, plain.params_)
    assert recorded.loss_curve_ == plain.loss_curve_


def test_a_step_takes_the_same_bytes_whatever_the_widths_and_the_batch():
    sizes = []
    for hidden, batch_size in (((3, 3), 5), ((70, 40), 50)):
        X, y = classes("multiclass", n=70, seed=1)
        recorder = TraceRecorder(summary=True, every=1)
        model(hidden, batch_size=batch_size).set_callbacks(recorder).fit(X, y)
        sizes.append(recorder.trace_.summary[:1].nbytes)
    # 6 tensors of 10 numbers in three vectors, 3 layers of 6 and of 4
    assert sizes == [8 * (3 * 6 * 10 + 3 * 10)] * 2


def test_the_files_hold_the_same(tmp_path):
    X, y = classes("multiclass", n=70, seed=1)
    memory = TraceRecorder(summary=True, every=2)
    disk = TraceRecorder(summary=True, every=2, path=tmp_path / "recorded")
    model().set_callbacks(memory, disk).fit(X, y)
    memory.trace_.save(tmp_path / "saved")
    traces = [
        disk.trace_,
        Trace.open(tmp_path / "saved"),
        pickle.loads(pickle.dumps(memory)).trace_,
    ]
    for trace in traces:
        assert trace.summary.tobytes() == memory.trace_.summary.tobytes()
        assert_array_equal(trace.losses, memory.trace_.losses)
        for (position,), step in trace.iter_steps(0):
            norms = step.summary["updates"]["l2"]
            assert_array_equal(norms, trace.summary["updates"]["l2"][position])
    script = (
        "import sys; from sklearn_metabp import Trace; "
        "print(Trace.open(sys.argv[1]).summary['params']['l2'].sum())"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "recorded")]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert float(printed) == memory.trace_.summary["params"]["l2"].sum()


def test_a_file_says_what_its_numbers_are(tmp_path):
    X, y = classes("multiclass", n=70, seed=1)
    model().set_callbacks(TraceRecorder(summary=True, path=tmp_path)).fit(X, y)
    (file,) = chunk_files(tmp_path)
    table, header, body = take_apart(file.read_bytes())
    params = header["records"]["summary"][0]
    assert params[:2] == ["params", [4]]
    assert [name for name, *_ in params[2]] == ["l1", "l2", "max", "mean", "zeros", "quantiles"]
    params[2][0][0] = "l3"
    file.write_bytes(put_together(table, header, body))
    with pytest.raises(TraceFileError, match="records are not those of this version"):
        Trace.open(tmp_path)


def test_a_continued_training_continues_its_run():
    X, y = classes("multiclass", n=50)
    recorder = TraceRecorder(summary=True, every=5)
    stream = model().set_callbacks(recorder)
    for _ in range(6):
        stream.partial_fit(X, y, classes=np.unique(y))  # 4 steps each
    trace = recorder.trace_
    assert trace.indices.tolist() == [1, 6, 11, 16, 21]
    assert len(trace.recorded) == 1
    whole = TraceRecorder("all")
    model(max_iter=6).set_callbacks(whole).fit(X, y)
    assert_summarises(trace, whole.trace_)
    stream.set_callbacks().partial_fit(X, y)
    stream.set_callbacks(recorder).partial_fit(X, y)
    assert len(recorder.trace_.recorded) == 2  # the steps between are not known


@pytest.mark.parametrize("path", [False, True])
def test_a_fit_that_is_interrupted_keeps_its_summaries(tmp_path, path):
    class Interruption:
        skips_epochs = True

        def setup(self, estimator, context): ...
        def teardown(self, estimator, context): ...
        def on_fit_task_begin(self, estimator, context): ...
        def on_fit_task_end(self, estimator, context): ...
        def next_step(self, estimator, index):
            return 8 if index <= 8 else np.inf

        def on_step_end(self, estimator, context, step):
            raise KeyboardInterrupt

    X, y = classes("multiclass", n=50)
    recorder = TraceRecorder(summary=True, every=3, path=tmp_path if path else None)
    estimator = model(warm_start=True).set_callbacks(recorder, Interruption())
    with pytest.warns(UserWarning, match="interrupted"):
        estimator.fit(X, y)
    assert recorder.trace_.indices.tolist() == [1, 4, 7]
    estimator.set_callbacks(recorder).fit(X, y)
    assert recorder.trace_.indices.tolist() == [1, 4, 7, 10, 13, 16, 19, 22]


def test_other_variables_and_a_teacher_go_beside_it():
    X, y = classes("multiclass", n=50)
    recorder = TraceRecorder(["params", "outputs"], summary=True, every=3, teacher=SGD(0.1))
    model().set_callbacks(recorder).fit(X, y)
    trace = recorder.trace_
    norms = np.linalg.norm(trace.params[:, trace.layouts[0].tensors[0].slice], axis=1)
    assert_allclose(trace.summary["params"]["l2"][:, 0], norms)
    assert trace.outputs.shape == (6, 16, 3)
    other = TraceRecorder(["params"], every=3, teacher=SGD(0.1))
    model().set_callbacks(other).fit(X, y)
    assert_array_equal(trace.teacher_updates, other.trace_.teacher_updates)


@pytest.mark.parametrize("is_padded", [False, True])
@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("cell", ["elman", "gru"])
def test_of_recurrent_networks(cell, every_step, is_padded):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(40, 6, 2))
    y = X.cumsum(axis=1)[:, :, 0] if every_step else X.sum(axis=(1, 2))
    if is_padded:
        X[::3, 4:] = np.nan
    recorder = TraceRecorder("all", summary=True, every=1)
    model = BackpropRNNRegressor(4, cell, return_sequences=every_step, batch_size=16, tol=0)
    model.set_params(max_iter=3, n_iter_no_change=np.inf, random_state=0)
    model.set_callbacks(recorder).fit(X, y)
    summary = recorder.trace_.summary
    for row, (_, step) in enumerate(recorder.trace_.iter_steps(0)):
        norms = [np.linalg.norm(step.params[t.slice]) for t in step.layout.tensors]
        assert_allclose(summary["params"]["l2"][row], norms)
        for layer, (outputs, deltas) in enumerate(
            zip(step.activations[1:], step.deltas, strict=True)
        ):
            there = ~np.isnan(outputs[:, 0])
            assert_allclose(summary["outputs"]["mean"][row, layer], outputs[there].mean())
            assert_allclose(summary["deltas"]["std"][row, layer], deltas[there].std())
        flat = summary["outputs"]["flat"][row, 0]
        if cell == "gru":  # gates have no one function
            assert np.isnan(flat)
        else:
            assert_allclose(flat, (1 - step.activations[1] ** 2 < 0.01).mean())
    assert np.ptp(summary["outputs"]["mean"][:, 1]) > 0


def test_max_steps_ends_it():
    X, y = classes("multiclass", n=50)
    recorder = TraceRecorder(summary=True, every=3, max_steps=2)
    stream = model().set_callbacks(recorder).fit(X, y)
    for _ in range(3):
        stream.partial_fit(X, y)
    assert recorder.trace_.indices.tolist() == [1, 4]


def test_runs_of_a_search_come_from_its_workers():
    X, y = classes("multiclass", n=50)
    recorder = TraceRecorder(summary=True, every=4)
    GridSearchCV(
        model().set_callbacks(recorder), {"hidden_layer_sizes": [(3,), (9,)]}, cv=2, n_jobs=2
    ).fit(X, y)
    trace = recorder.trace_
    assert len(trace.recorded) == 5
    with pytest.raises(ValueError, match="several architectures"):
        trace.summary  # noqa: B018
    assert trace.run(0).summary["params"].shape == (2, 4)


def test_what_a_summary_lacks_is_refused_in_words():
    X, y = classes("multiclass", n=50)
    recorder = TraceRecorder(summary=True)
    model().set_callbacks(recorder).fit(X, y)
    trace, whole = recorder.trace_, TraceRecorder()
    for name in ("params", "deltas"):
        with pytest.raises(AttributeError, match=f"no {name}: record them with .*'{name}'"):
            getattr(trace, name)
    for scope in ("link", "neuron", "network", "layer"):
        lacks = rf"scope='{scope}' .*needs .* the run has \['summary'\]: record"
        with pytest.raises(ValueError, match=lacks):
            trace.features(scope)
        with pytest.raises(ValueError, match=lacks):
            LearnedUpdateRule(scope=scope).fit(trace)
    with pytest.raises(ValueError, match="without params and updates"):
        TraceDisplay.from_trace(trace)
    model().set_callbacks(whole).fit(X, y)
    with pytest.raises(AttributeError, match=r"no summary: .*TraceRecorder\(summary=True\)"):
        whole.trace_.summary  # noqa: B018


def test_a_frame_has_a_column_for_every_statistic():
    pytest.importorskip("pandas")
    X, y = classes("multiclass", n=50)
    recorder = TraceRecorder(summary=True, every=3)
    model().set_callbacks(recorder).fit(X, y)
    trace = recorder.trace_
    frame = trace.to_frame(["summary"])
    assert frame.shape == (6, 5 + 3 * 4 * 10 + 2 * 6 + 2 * 4)
    assert_array_equal(frame["gradients coefs_[1] l2"], trace.summary["gradients"]["l2"][:, 1])
    assert_array_equal(
        frame["params intercepts_[0] quantile 0.25"],
        trace.summary["params"]["quantiles"][:, 2, 1],
    )
    assert_array_equal(frame["outputs layer 1 dead"], trace.summary["outputs"]["dead"][:, 0])


def test_the_number_of_summaries_follows_from_the_sizes():
    def every(sizes, batch, dtype=np.float64, n_planned=10**6):
        return steps_between_summaries(ParameterLayout(sizes, np.dtype(dtype)), batch, n_planned)

    assert every((64, 100, 10), 200) < every((64, 64, 64, 10), 32) < every((4, 10, 3), 32)
    assert every((64, 100, 10), 200) < every((64, 100, 10), 200, np.float32)
    assert every((784, 1024, 512, 10), 128) <= 10
    assert every((1, 1), 1) < 20_000
    assert every((4, 10, 3), 32, n_planned=2000) == 500
    assert every((4, 10, 3), 32, n_planned=0) == 1


def test_bad_options_are_named():
    with pytest.raises(ValueError, match="summary must be True or False, got 'yes'"):
        TraceRecorder(summary="yes")
    assert "summary=True" in repr(TraceRecorder(summary=True))


def test_a_recorder_from_an_earlier_version_records_no_summary():
    recorder = TraceRecorder()
    state = recorder.__getstate__()
    del state["summary"]
    older = object.__new__(TraceRecorder)
    older.__setstate__(state)
    X, y = classes("multiclass", n=50)
    BackpropMLPClassifier((3,), max_iter=2, random_state=0).set_callbacks(older).fit(X, y)
    assert older.trace_.params.shape[0] == 2

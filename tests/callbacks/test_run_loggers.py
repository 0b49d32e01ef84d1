"""TensorBoard and MLflow, read by their own readers."""

import pickle
import sys

import numpy as np
import pytest
from helpers.data import classes, numbers
from joblib.externals.loky import get_reusable_executor
from sklearn.model_selection import GridSearchCV

from sklearn_metabp import (
    SGD,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    DivergenceError,
    MLflowLogger,
    TensorBoardLogger,
    TraceRecorder,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
EPOCHS = 3


def model(**params):
    setting = {"max_iter": EPOCHS, "n_iter_no_change": np.inf, "batch_size": 32, "random_state": 0}
    return BackpropMLPClassifier((4,), update_rule=SGD(0.1), **setting | params)


class TensorBoard:
    """Runs below a folder, read by TensorBoard."""

    def __init__(self, folder):
        pytest.importorskip("tensorboard")
        self.folder = folder
        self.logger = TensorBoardLogger(folder)
        self.by_steps = TensorBoardLogger(folder, every=2)

    def runs(self):
        """Curves of every run by name: a list of (position, value)."""
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        runs = {}
        for folder in sorted(self.folder.iterdir()):
            reader = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
            reader.Reload()
            runs[folder.name] = {
                tag: [(e.step, _number(e)) for e in reader.Tensors(tag)]
                for tag in reader.Tags()["tensors"]
            }
        return runs


def _number(event):
    from tensorboard.util import tensor_util

    return float(tensor_util.make_ndarray(event.tensor_proto))


class MLflow:
    """Runs in a folder, read by a client of MLflow."""

    def __init__(self, folder, monkeypatch):
        pytest.importorskip("mlflow")
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        self.uri = (folder / "runs").as_uri()
        self.logger = MLflowLogger("tests", tracking_uri=self.uri)
        self.by_steps = MLflowLogger("tests", tracking_uri=self.uri, every=2)

    @property
    def client(self):
        import mlflow

        return mlflow.MlflowClient(tracking_uri=self.uri)

    def found(self):
        experiment = self.client.get_experiment_by_name("tests")
        if experiment is None:
            return []
        return self.client.search_runs([experiment.experiment_id], order_by=["start_time ASC"])

    def runs(self):
        return {
            run.info.run_id: {
                name: sorted(
                    (m.step, m.value) for m in self.client.get_metric_history(run.info.run_id, name)
                )
                for name in run.data.metrics
            }
            for run in self.found()
        }


@pytest.fixture(params=["tensorboard", "mlflow"])
def tool(request, tmp_path, monkeypatch):
    return (
        TensorBoard(tmp_path) if request.param == "tensorboard" else MLflow(tmp_path, monkeypatch)
    )


def assert_curve(curve, values):
    """Compare in float32, in which TensorBoard stores numbers."""
    assert [position for position, _ in curve] == list(range(1, 1 + len(values)))
    np.testing.assert_allclose([value for _, value in curve], values, rtol=1e-6)


def test_the_reader_of_the_tool_finds_the_curves(tool):
    X, y = classes("multiclass")
    fitted = model().set_callbacks(tool.logger).fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
    ((_, curves),) = tool.runs().items()
    assert set(curves) == {"loss", "validation_loss", "validation_score"}
    assert_curve(curves["loss"], fitted.loss_curve_)
    assert_curve(curves["validation_loss"], fitted.validation_loss_curve_)
    assert_curve(curves["validation_score"], fitted.validation_scores_)


def test_steps_are_those_of_a_trace(tool):
    recorder = TraceRecorder()
    fitted = model().set_callbacks(recorder, tool.by_steps).fit(*classes("multiclass"))
    trace = recorder.trace_
    ((_, curves),) = tool.runs().items()
    assert_curve(curves["loss"], fitted.loss_curve_)
    positions = range(1, 1 + len(trace), 2)
    chosen = slice(0, None, 2)
    assert [position for position, _ in curves["step_loss"]] == list(positions)
    of_trace = {"step_loss": trace.losses[chosen]}
    for tensor in fitted.layout_.tensors:
        name = tensor.name.replace("[", "").replace("]", "")
        for kind, values in (("gradient", trace.gradients), ("update", trace.updates)):
            norms = np.linalg.norm(values[chosen, tensor.slice], axis=1)
            of_trace[f"{kind}_norm/{name}"] = norms
    assert set(of_trace) == set(curves) - {"loss"}
    for name, values in of_trace.items():
        np.testing.assert_allclose([v for _, v in curves[name]], values, rtol=1e-6, atol=1e-30)


def test_every_fit_is_a_run_and_partial_fit_continues_one(tool):
    X, y = classes("multiclass")
    one = model().set_callbacks(tool.by_steps)
    for _ in range(3):
        one.partial_fit(X, y, classes=[0, 1, 2])
    partial = list(one.loss_curve_)
    one.fit(X, y)
    one.set_params(warm_start=True, max_iter=2).fit(X, y)
    runs = sorted(tool.runs().values(), key=lambda curves: len(curves["loss"]))
    assert len(runs) == 2
    assert_curve(runs[0]["loss"], partial)
    assert_curve(runs[1]["loss"], one.loss_curve_)
    assert len(runs[1]["loss"]) == EPOCHS + 2


def test_a_search_has_a_run_for_every_training(tool):
    X, y = classes("multiclass")
    grid = {"alpha": [0.1, 0.2]}
    search = GridSearchCV(model().set_callbacks(tool.logger), grid, cv=3, refit=False)
    search.fit(X, y)
    runs = tool.runs()
    assert len(runs) == 6
    assert all(len(curves["loss"]) == EPOCHS for curves in runs.values())
    if isinstance(tool, TensorBoard):
        ends = {name.rpartition(".")[2] for name in runs}
        assert ends == {str(number) for number in range(6)}
    else:
        ids = [run.data.tags["task_id_path"].rpartition(".")[2] for run in tool.found()]
        assert sorted(ids) == [str(number) for number in range(6)]
        assert {run.data.params["alpha"] for run in tool.found()} == {"0.1", "0.2"}


@pytest.mark.slow
def test_worker_processes_write_too(tool):
    X, y = classes("multiclass")
    # Workers have the environment of their start, and those of an earlier test may still run.
    get_reusable_executor().shutdown()
    if isinstance(tool, MLflow):
        # Files, unlike a server, cannot keep a name from being taken twice.
        tool.client.create_experiment("tests")
    search = GridSearchCV(model().set_callbacks(tool.logger), {"alpha": [0.1, 0.2]}, cv=3, n_jobs=2)
    search.fit(X, y)
    assert sorted(len(curves["loss"]) for curves in tool.runs().values()) == [EPOCHS] * 7


def test_a_logger_changes_no_bit_and_is_pickled_with_its_model(tool):
    X, y = classes("multiclass")
    alone = model().fit(X, y)
    fitted = model().set_callbacks(tool.by_steps).fit(X, y)
    np.testing.assert_array_equal(fitted.params_, alone.params_)
    loaded = pickle.loads(pickle.dumps(fitted))
    assert repr(loaded._skl_callbacks[0]) == repr(tool.by_steps)
    loaded.partial_fit(X, y)
    assert len(tool.runs()) == 2


@pytest.mark.parametrize("every", [0, 1.5, True, "all"])
def test_every_is_checked(tool, every):
    with pytest.raises(ValueError, match="every must be an integer of 1 or more"):
        type(tool.logger)(every=every)


def test_a_training_that_diverges_has_its_curves_so_far(tool):
    X, y = numbers()
    wild = BackpropMLPRegressor((4,), update_rule=SGD(1e6), batch_size=32, random_state=0)
    with pytest.raises(DivergenceError):
        wild.set_callbacks(tool.by_steps).fit(1e3 * X, y)
    ((_, curves),) = tool.runs().items()
    assert curves["step_loss"][0][0] == 1
    if isinstance(tool, MLflow):
        (run,) = tool.found()
        assert run.info.status == "FAILED"


def test_mlflow_has_parameters_and_a_status(tmp_path, monkeypatch):
    tool = MLflow(tmp_path, monkeypatch)
    model().set_callbacks(tool.logger).fit(*classes("multiclass"))
    (run,) = tool.found()
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "BackpropMLPClassifier"
    assert run.data.params["update_rule__learning_rate"] == "0.1"
    assert run.data.params["hidden_layer_sizes"] == "(4,)"
    assert run.data.tags["task_path"] == "fit"


def test_runs_of_mlflow_are_children_of_the_active_run(tmp_path, monkeypatch):
    tool = MLflow(tmp_path, monkeypatch)
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", tool.uri)
    mlflow.set_experiment("tests")
    with mlflow.start_run() as parent:
        model().set_callbacks(MLflowLogger("another")).fit(*classes("multiclass"))
    (child,) = [run for run in tool.found() if run.info.run_id != parent.info.run_id]
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert [
        metric.step for metric in tool.client.get_metric_history(child.info.run_id, "loss")
    ] == [
        1,
        2,
        3,
    ]


@pytest.mark.parametrize(
    ("kind", "package", "extra"),
    [(TensorBoardLogger, "tensorboard", "tensorboard"), (MLflowLogger, "mlflow", "mlflow")],
)
def test_without_its_library_the_error_names_the_extra(monkeypatch, kind, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf'pip install "sklearn-metabp\[{extra}\]"') as raised:
        kind()
    assert raised.value.name == package

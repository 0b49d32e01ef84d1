"""A callback that sends trainings to MLflow."""

import time
from typing import Any

from sklearn_metabp.callbacks.run_logger import RunLogger
from sklearn_metabp.optional_libraries import require_library
from sklearn_metabp.tracing.tasks import task_of

# A tracking server gets the numbers of this many seconds together.
_SECONDS_UNSENT = 1.0
# Limits of MLflow for one request and for the value of a parameter.
_PARAMS_AT_ONCE, _METRICS_AT_ONCE, _LENGTH_OF_PARAM = 100, 1000, 500


class _Run:
    """A run of MLflow, and the numbers that were not sent yet."""

    def __init__(self, client: Any, run_id: str) -> None:
        self.client, self.run_id = client, run_id
        self.unsent: list[Any] = []
        self.last_sent = time.monotonic()

    def send(self) -> None:
        """Send all numbers."""
        unsent, self.unsent = self.unsent, []
        for start in range(0, len(unsent), _METRICS_AT_ONCE):
            self.client.log_batch(self.run_id, unsent[start : start + _METRICS_AT_ONCE])
        self.last_sent = time.monotonic()


class MLflowLogger(RunLogger):
    """A callback that makes a run of MLflow for every training, with parameters and metrics.

    It needs MLflow: ``pip install "sklearn-metabp[mlflow]"`` installs ``mlflow-skinny``, which
    sends to a tracking server. A database file, ``"sqlite:///mlflow.db"``, and the pages that show
    the runs need the package ``mlflow`` itself.

    Parameters
    ----------
    experiment : str, default="sklearn_metabp"
        Name of the experiment that the runs belong to. It is created if it does not exist.
    tracking_uri : str, default=None
        Address of the tracking server or its database. None is MLflow's own setting:
        ``mlflow.set_tracking_uri`` or the environment variable ``MLFLOW_TRACKING_URI``.
    every : int, default=None
        Send numbers of one step in so many, besides those of the epochs. None sends epochs alone.

    Raises
    ------
    ImportError
        If MLflow is not installed.
    ValueError
        If ``every`` is not a positive integer.

    See Also
    --------
    TensorBoardLogger : Writes the same numbers to event files.
    HistoryLogger : Keeps a table of epochs in memory.

    Notes
    -----
    The parameters of a run are those of ``get_params``. Its metrics are those of
    :class:`TensorBoardLogger`, with the number of the epoch or of the step as MLflow's step. Its
    tag ``task_path`` says which task of a search it was. If the script has an active run, as in
    ``with mlflow.start_run():``, the runs are its children, and in its experiment.

    Examples
    --------
    >>> from sklearn_metabp import BackpropMLPClassifier, MLflowLogger
    >>> logger = MLflowLogger("digits", tracking_uri="http://127.0.0.1:5000")
    >>> model = BackpropMLPClassifier().set_callbacks(logger)
    """

    def __init__(
        self,
        experiment: str = "sklearn_metabp",
        *,
        tracking_uri: str | None = None,
        every: int | None = None,
    ) -> None:
        _import_mlflow()
        super().__init__(every)
        self.experiment, self.tracking_uri = experiment, tracking_uri

    def open_run(self, estimator: Any, context: Any) -> _Run:
        """Create a run with the estimator's parameters."""
        mlflow = _import_mlflow()
        client = mlflow.MlflowClient(tracking_uri=self.tracking_uri)
        task, parent = task_of(context), mlflow.active_run()
        tags = {"task_path": task.path, "task_id_path": ".".join(map(str, task.ids))}
        if parent is None:
            experiment_id = self._experiment_id(client, mlflow)
        else:
            experiment_id = parent.info.experiment_id
            tags["mlflow.parentRunId"] = parent.info.run_id
        created = client.create_run(experiment_id, tags=tags, run_name=type(estimator).__name__)
        run = _Run(client, created.info.run_id)
        params = [
            mlflow.entities.Param(name, " ".join(repr(value).split())[:_LENGTH_OF_PARAM])
            for name, value in estimator.get_params().items()
        ]
        for start in range(0, len(params), _PARAMS_AT_ONCE):
            client.log_batch(run.run_id, params=params[start : start + _PARAMS_AT_ONCE])
        return run

    def _experiment_id(self, client: Any, mlflow: Any) -> str:
        """Return the id of the experiment, and create it if it does not exist."""
        found = client.get_experiment_by_name(self.experiment)
        if found is None:
            try:
                return client.create_experiment(self.experiment)
            except mlflow.MlflowException:  # another process was faster
                found = client.get_experiment_by_name(self.experiment)
                if found is None:
                    raise
        return found.experiment_id

    def write(self, run: _Run, numbers: dict[str, float], position: int) -> None:
        """Collect metrics, and send them about once a second."""
        metric, now = _import_mlflow().entities.Metric, int(1000 * time.time())
        run.unsent += [metric(name, value, now, position) for name, value in numbers.items()]
        if time.monotonic() - run.last_sent > _SECONDS_UNSENT:
            run.send()

    def end_fit(self, run: _Run, *, continues: bool, failed: bool) -> None:
        """Send what is left, and the status of the run."""
        run.send()
        run.client.set_terminated(run.run_id, "FAILED" if failed else "FINISHED")

    def __repr__(self) -> str:
        return (
            f"MLflowLogger({self.experiment!r}, tracking_uri={self.tracking_uri!r}, "
            f"every={self.every})"
        )


def _import_mlflow() -> Any:
    """Return the package mlflow.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    require_library("mlflow", "MLflowLogger")
    import mlflow

    return mlflow

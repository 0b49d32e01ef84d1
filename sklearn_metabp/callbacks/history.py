"""A callback that makes a table of the epochs of all trainings."""

import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from sklearn_metabp.callbacks.base import Callback
from sklearn_metabp.description import Described, Table, count, shortened
from sklearn_metabp.optional_libraries import require_library
from sklearn_metabp.tracing.collector import Collector
from sklearn_metabp.tracing.tasks import Task, task_of
from sklearn_metabp.training import TrainingState

if TYPE_CHECKING:
    from pandas import DataFrame

# A worker process sends the epochs of this many seconds together.
_SECONDS_UNSENT = 0.5


class _Epoch(NamedTuple):
    """An entry of the table, with the facts that determine its position."""

    run_key: str
    outer_key: str
    task: Task
    numbers: dict[str, Any]


class _Fit:
    """A fit in progress, and its run."""

    def __init__(self) -> None:
        self.run_key, self.n_epochs = "", 0
        self.outer_key, self.task, self.began = "", Task("", ()), 0.0


class HistoryLogger(Described, Collector, Callback):
    """A callback that keeps a few numbers for every epoch of every training.

    Clones of an estimator share it, so after a search it has all trainings of the search, with any
    backend of joblib. Worker processes send their epochs to the process that started them. In a
    notebook the logger shows the last epoch of every training.

    A pickle of a fitted estimator includes the table of its logger, which continues from there
    after loading. A pickle of an estimator that is not fitted has an empty table.

    Attributes
    ----------
    history_ : list of dict
        One dictionary per epoch, a copy made at every access:

        - ``run``: number of the training, from 0;
        - ``epoch``: from 1;
        - ``loss``, ``validation_score`` and ``validation_loss`` (NaN for an epoch without
          validation rows);
        - ``n_steps``, ``n_rows``: steps taken and rows presented so far;
        - ``seconds``: since the fit began;
        - ``outer_fit``: number of the outermost fit that the training was part of, for example that
          of a search, from 0;
        - ``task_path``: names of the tasks from that fit to the training. It is ``"fit"`` for a
          ``fit`` by itself, and ``"fit/search/candidate-split-evaluation"`` or
          ``"fit/refit-with-best-params"`` in a search;
        - ``task_id_path``: tuple with the number of each of these tasks among its siblings. In a
          search over a grid the last one is ``candidate * n_splits + split``.

        The epochs are sorted by the first appearance of their outermost fits, then by
        ``task_id_path``, so a search gives the same table with any ``n_jobs``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_metabp import BackpropMLPClassifier, HistoryLogger
    >>> X, y = load_iris(return_X_y=True)
    >>> history = HistoryLogger()
    >>> model = BackpropMLPClassifier(tol=1, n_iter_no_change=3, random_state=0)
    >>> model = model.set_callbacks(history).fit(X, y)
    >>> history.to_frame()[["run", "epoch", "n_steps"]].to_numpy().tolist()
    [[0, 1, 1], [0, 2, 2], [0, 3, 3], [0, 4, 4]]
    """

    def __init__(self) -> None:
        super().__init__()
        self._epochs: list[_Epoch] = []
        self._start_in_this_process()

    def _start_in_this_process(self) -> None:
        self._fits: WeakKeyDictionary[Any, _Fit] = WeakKeyDictionary()
        self._unsent: list[_Epoch] = []
        self._last_sent = 0.0

    @property
    def history_(self) -> list[dict]:
        """One dictionary per epoch."""
        with self._lock:
            epochs = list(self._epochs)
        outer_fits: dict[str, int] = {}
        for epoch in epochs:
            outer_fits.setdefault(epoch.outer_key, len(outer_fits))
        epochs.sort(key=lambda epoch: (outer_fits[epoch.outer_key], epoch.task.ids))
        runs: dict[str, int] = {}
        return [
            {
                "run": runs.setdefault(epoch.run_key, len(runs)),
                **epoch.numbers,
                "outer_fit": outer_fits[epoch.outer_key],
                "task_path": epoch.task.path,
                "task_id_path": epoch.task.ids,
            }
            for epoch in epochs
        ]

    def setup(self, estimator: Any, context: Any) -> None:
        """Note when a fit begins; warn if its epochs cannot be sent to any process."""
        self._arrive()
        with self._lock:
            fit = self._fits.setdefault(estimator, _Fit())
        fit.task, fit.began = task_of(context), time.perf_counter()
        fit.outer_key = context.root_uuid.hex

    def on_epoch_end(
        self, estimator: Any, context: Any, state: TrainingState, params: np.ndarray
    ) -> None:
        """Add an epoch to the table."""
        fit = self._fits[estimator]
        if not fit.run_key or fit.n_epochs >= state.n_epochs:
            fit.run_key = uuid.uuid4().hex
        fit.n_epochs = state.n_epochs
        validated = state.was_validated
        numbers = {
            "epoch": state.n_epochs,
            "loss": state.loss_curve[-1],
            "validation_score": state.validation_scores[-1] if validated else np.nan,
            "validation_loss": state.validation_loss_curve[-1] if validated else np.nan,
            "n_steps": state.n_steps,
            "n_rows": state.n_rows,
            "seconds": time.perf_counter() - fit.began,
        }
        epoch = _Epoch(fit.run_key, fit.outer_key, fit.task, numbers)
        if self._home is None:
            self.receive([epoch])
            return
        with self._lock:
            self._unsent.append(epoch)
        if time.perf_counter() - self._last_sent > _SECONDS_UNSENT:
            self._send()

    def _send(self) -> None:
        with self._lock:
            unsent, self._unsent = self._unsent, []
        if unsent:
            self._deliver(unsent)
        self._last_sent = time.perf_counter()

    def receive(self, message: list[_Epoch]) -> None:
        """Add epochs of this process or of a worker process."""
        with self._lock:
            self._epochs += message

    def teardown(self, estimator: Any, context: Any) -> None:
        """Send the remaining epochs.

        Raises
        ------
        ConnectionError
            In a worker process that cannot reach the process that started it.
        """
        self._send()

    def to_frame(self) -> "DataFrame":
        """Return the table as a DataFrame; needs pandas.

        Returns
        -------
        frame : pandas.DataFrame

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        require_library("pandas", "HistoryLogger.to_frame")
        import pandas as pd

        return pd.DataFrame(self.history_)

    def _title(self) -> str:
        with self._lock:
            runs = {epoch.run_key for epoch in self._epochs}
        epochs = count(len(self._epochs), "epoch")
        return f"HistoryLogger() with {epochs} of {count(len(runs), 'run')}"

    def _details(self) -> Iterator[Table]:
        last = {entry["run"]: entry for entry in self.history_}
        validation = ("validation_loss", "validation_score")
        rows = [
            (
                str(run),
                entry["task_path"],
                str(entry["epoch"]),
                str(entry["n_steps"]),
                f"{entry['loss']:.4g}",
                *("" if np.isnan(entry[name]) else f"{entry[name]:.4g}" for name in validation),
                f"{entry['seconds']:.2f}",
            )
            for run, entry in last.items()
        ]
        if rows:
            head = ("run", "task", "epochs", "steps", "loss", "validation loss")
            is_number = (True, False, True, True, True, True, True, True)
            yield Table((*head, "validation score", "seconds"), shortened(rows, "run"), is_number)

    def _forget(self) -> None:
        self._epochs = []

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            state = super().__getstate__() | {"_epochs": list(self._epochs)}
        for name in ("_fits", "_unsent", "_last_sent"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._start_in_this_process()

"""What happened in every epoch, as a table."""

import time
import uuid
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from sklearn_metabp.callbacks.silent import SilentCallback
from sklearn_metabp.tracing.collector import Collector
from sklearn_metabp.tracing.tasks import Task, task_of
from sklearn_metabp.training import TrainingState

# Rows that a worker process keeps for so long are sent together.
_SECONDS_UNSENT = 0.5


class _Epoch(NamedTuple):
    """A row, with what its place in the table follows from."""

    run_key: str
    outer_key: str
    task: Task
    numbers: dict[str, Any]


class _Fit:
    """A fit that is going on, and the run that it belongs to."""

    def __init__(self):
        self.run_key, self.n_epochs = "", 0
        self.outer_key, self.task, self.began = "", Task("", ()), 0.0


class HistoryLogger(Collector, SilentCallback):
    """Callback that keeps a row of numbers for every epoch of every training.

    Clones of an estimator share it, so after a search it holds all of its trainings, whichever of
    joblib's backends they ran on: worker processes send their rows to the process that they work
    for.

    A pickle of a fitted estimator has the rows of its logger, which goes on from them where it is
    loaded. A pickle of an estimator that is not fitted has none.

    Attributes
    ----------
    history_ : list of dict
        A row an epoch. A copy, made when it is asked for:

        - ``run``: number of the training, from 0;
        - ``epoch``: from 1;
        - ``loss``, ``validation_score`` and ``validation_loss`` (NaN of an epoch without validation
          rows);
        - ``n_steps``, ``n_rows``: steps taken and rows presented so far;
        - ``seconds``: since the fit began;
        - ``outer_fit``: number of the outermost fit that the training was part of, for example that
          of a search, from 0;
        - ``task_path``: names of the tasks from that fit to the training. It is ``"fit"`` for a
          ``fit`` by itself, and ``"fit/search/candidate-split-evaluation"`` or
          ``"fit/refit-with-best-params"`` in a search;
        - ``task_id_path``: tuple with the number of each of these tasks among its siblings. In a
          search over a grid the last one is ``candidate * n_splits + split``.

        Rows are in the order in which their outermost fits were first heard of, and within one in
        that of ``task_id_path``, so a search gives the same table whatever ``n_jobs`` is.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_metabp import BackpropMLPClassifier, HistoryLogger
    >>> X, y = load_iris(return_X_y=True)
    >>> history = HistoryLogger()
    >>> model = BackpropMLPClassifier(tol=1, n_iter_no_change=3, random_state=0).set_callbacks(history)
    >>> model = model.fit(X, y)
    >>> history.to_frame()[["run", "epoch", "n_steps"]].to_numpy().tolist()
    [[0, 1, 1], [0, 2, 2], [0, 3, 3], [0, 4, 4]]
    """

    def __init__(self):
        super().__init__()
        self._epochs: list[_Epoch] = []
        self._begin_here()

    def _begin_here(self) -> None:
        self._fits: WeakKeyDictionary[Any, _Fit] = WeakKeyDictionary()
        self._unsent: list[_Epoch] = []
        self._last_sent = 0.0

    @property
    def history_(self) -> list[dict]:
        """A row an epoch."""
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

    def setup(self, estimator, context):
        """Before a fit; warns where its rows can be sent to nobody."""
        self._arrive()
        with self._lock:
            fit = self._fits.setdefault(estimator, _Fit())
        fit.task, fit.began = task_of(context), time.perf_counter()
        fit.outer_key = context.root_uuid.hex

    def on_epoch_end(self, estimator, context, state: TrainingState, params: np.ndarray) -> None:
        """Add a row."""
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
        """Take in epochs that were noted here or in a worker process."""
        with self._lock:
            self._epochs += message

    def teardown(self, estimator, context):
        """After a fit, however it ended: send what is left to send.

        Raises
        ------
        ConnectionError
            In a worker process that cannot reach the process it works for.
        """
        self._send()

    def to_frame(self):
        """The rows as a DataFrame; needs pandas.

        Returns
        -------
        frame : pandas.DataFrame
        """
        import pandas as pd

        return pd.DataFrame(self.history_)

    def __repr__(self) -> str:
        with self._lock:
            runs = {epoch.run_key for epoch in self._epochs}
        return f"HistoryLogger() with {len(self._epochs)} epochs of {len(runs)} runs"

    def _forget(self) -> None:
        self._epochs = []

    def __getstate__(self):
        with self._lock:
            state = super().__getstate__() | {"_epochs": list(self._epochs)}
        for name in ("_fits", "_unsent", "_last_sent"):
            del state[name]
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        self._begin_here()

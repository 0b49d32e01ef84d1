"""What happened in every epoch, as a table."""

import multiprocessing
import os
import time
import weakref

import numpy as np

from sklearn_metabp.callbacks.silent import SilentCallback
from sklearn_metabp.training import TrainingState


class HistoryLogger(SilentCallback):
    """Callback that keeps a row of numbers for every epoch of every training.

    Clones of an estimator share it, so after a search it holds all of its trainings. It keeps them in the
    memory of one process.

    Attributes
    ----------
    history_ : list of dict
        A row an epoch: ``run`` (number of the training, from 0), ``epoch`` (from 1), ``loss``,
        ``validation_score`` and ``validation_loss`` (NaN of an epoch without validation rows), ``n_steps``,
        ``n_rows``, ``seconds`` (since the fit began).

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
        self.history_: list[dict] = []
        self._n_runs = 0
        self._last: dict[int, tuple[weakref.ref, int, int]] = {}
        self._began: dict[int, float] = {}
        self._pid: int | None = os.getpid()

    def setup(self, estimator, context):
        """Before a fit.

        Raises
        ------
        RuntimeError
            In another process than the one that made the logger, where the rows would be lost. A logger
            that was loaded from a file belongs to the main process that first fits with it.
        """
        if self._pid is None and multiprocessing.parent_process() is None:
            self._pid = os.getpid()
        if os.getpid() != self._pid:
            raise RuntimeError(
                "HistoryLogger keeps its rows in the memory of the process that made it, and this fit runs "
                "in another one, where they would be lost: use n_jobs=1 or joblib's threading backend."
            )
        self._began[id(estimator)] = time.perf_counter()

    def on_epoch_end(self, estimator, context, state: TrainingState, params: np.ndarray) -> None:
        """Add a row."""
        last = self._last.get(id(estimator))
        if last is None or last[0]() is not estimator or last[2] >= state.n_epochs:
            run, self._n_runs = self._n_runs, self._n_runs + 1
        else:
            run = last[1]
        self._last[id(estimator)] = weakref.ref(estimator), run, state.n_epochs
        validated = state.was_validated
        self.history_.append(
            {
                "run": run,
                "epoch": state.n_epochs,
                "loss": state.loss_curve[-1],
                "validation_score": state.validation_scores[-1] if validated else np.nan,
                "validation_loss": state.validation_loss_curve[-1] if validated else np.nan,
                "n_steps": state.n_steps,
                "n_rows": state.n_rows,
                "seconds": time.perf_counter() - self._began[id(estimator)],
            }
        )

    def teardown(self, estimator, context):
        """After a fit: its beginning is forgotten."""
        self._began.pop(id(estimator), None)

    def to_frame(self):
        """The rows as a DataFrame; needs pandas.

        Returns
        -------
        frame : pandas.DataFrame
        """
        import pandas as pd

        return pd.DataFrame(self.history_)

    def __repr__(self) -> str:
        return f"HistoryLogger() with {len(self.history_)} epochs of {self._n_runs} runs"

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name not in ("_last", "_began", "_pid")}

    def __setstate__(self, state):
        vars(self).update(state)
        self._last, self._began, self._pid = {}, {}, None

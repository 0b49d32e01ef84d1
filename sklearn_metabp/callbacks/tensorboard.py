"""A callback that writes the event files of TensorBoard."""

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_metabp.callbacks.run_logger import RunLogger
from sklearn_metabp.optional_libraries import require_library
from sklearn_metabp.tracing.tasks import task_of


class _Run:
    """A directory of event files, and the writer of the present one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writer: Any = None


class TensorBoardLogger(RunLogger):
    """A callback that writes event files, which TensorBoard shows as curves.

    It needs TensorBoard: ``pip install "sklearn-metabp[tensorboard]"``. Start it with ``tensorboard
    --logdir runs``, during the training or later. Every training has a directory of its own. Any
    number of processes may write below one ``log_dir``.

    Parameters
    ----------
    log_dir : str or path-like, default="runs"
        Directory for the directories of the trainings. It is created if it does not exist. A
        directory has the name of the estimator's class; in a search also that of the task and its
        number, which is ``candidate * n_splits + split``. A name that is taken gets a number.
    every : int, default=None
        Write numbers of one step in so many, besides those of the epochs. None writes epochs alone.

    Raises
    ------
    ImportError
        If TensorBoard is not installed.
    ValueError
        If ``every`` is not a positive integer.

    See Also
    --------
    MLflowLogger : Sends the same numbers to MLflow.
    HistoryLogger : Keeps a table of epochs in memory.

    Notes
    -----
    The scalars are ``loss``, ``validation_loss`` and ``validation_score`` by the number of the
    epoch, and ``step_loss``, ``gradient_norm/coefs_0``, ``update_norm/coefs_0`` and so on for every
    weight matrix and bias vector, by the number of the step.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_metabp import BackpropMLPClassifier, TensorBoardLogger
    >>> X, y = load_digits(return_X_y=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = BackpropMLPClassifier(tol=0.01, random_state=0)
    ...     _ = model.set_callbacks(TensorBoardLogger(folder)).fit(X / 16, y)
    ...     print(os.listdir(folder))
    ['BackpropMLPClassifier']
    """

    def __init__(
        self, log_dir: str | os.PathLike[str] = "runs", *, every: int | None = None
    ) -> None:
        _writer_class()
        super().__init__(every)
        self.log_dir = log_dir
        self._directory = Path(log_dir).absolute()

    def open_run(self, estimator: Any, context: Any) -> _Run:
        """Make a directory for a training."""
        name, task = type(estimator).__name__, task_of(context)
        if len(task.ids) > 1:
            name += f".{task.path.rpartition('/')[2]}.{task.ids[-1]}"
        for number in itertools.count():
            folder = self._directory / (f"{name}-{number}" if number else name)
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            return _Run(folder)
        raise AssertionError

    def write(self, run: _Run, numbers: dict[str, float], position: int) -> None:
        """Add scalars to the event file, which is opened if it is not open."""
        if run.writer is None:
            run.writer = _writer_class()(str(run.folder))
        with np.errstate(over="ignore"):  # TensorBoard stores float32
            for name, number in numbers.items():
                run.writer.add_scalar(name, number, position)

    def end_fit(self, run: _Run, *, continues: bool, failed: bool) -> None:
        """Write what is left, and close the file unless the next call soon continues it."""
        if run.writer is None:
            return
        run.writer.flush()
        if not continues:
            run.writer.close()
            run.writer = None

    def __repr__(self) -> str:
        return f"TensorBoardLogger({str(self.log_dir)!r}, every={self.every})"


def _writer_class() -> Any:
    """Return TensorBoard's own writer, which needs no other library.

    Raises
    ------
    ImportError
        If TensorBoard is not installed.
    """
    require_library("tensorboard", "TensorBoardLogger")
    from tensorboard.summary import Writer

    return Writer

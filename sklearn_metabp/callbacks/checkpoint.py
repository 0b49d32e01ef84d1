"""Trainings that survive being killed."""

import os
import pickle
import tempfile
from contextlib import suppress
from numbers import Integral
from pathlib import Path

import joblib

from sklearn_metabp.callbacks.early_stopping import EarlyStopping
from sklearn_metabp.callbacks.silent import SilentCallback
from sklearn_metabp.training import TrainingState
from sklearn_metabp.update_rules import LineSearchRule, resolve_update_rule

_FORMAT = "sklearn_metabp checkpoint 1"


class CheckpointError(ValueError):
    """A checkpoint that cannot be read or cannot be written."""


class Checkpoint(SilentCallback):
    """Callback that saves the state of a training every few epochs, and resumes a training that was killed.

    Run the same script again: a ``fit`` with the same parameters and the same data goes on from the last
    epoch that was saved and ends with the bits of one that was never interrupted, be it by a signal or by
    Ctrl-C. A ``fit`` that had ended returns at once with what it had reached. A fit with other
    parameters, other data or another :class:`EarlyStopping` has a file of its own, so one directory serves
    a whole search, in any number of processes. Delete a file, or the directory, to train afresh.

    ``random_state=None`` is a parameter like any other: two such fits in one script are the same fit, and the
    second returns what the first has drawn and reached. Give each a ``random_state`` of its own.

    A file is written beside its name and then renamed, so what is there is whole, whenever the
    process is killed.

    Parameters
    ----------
    path : str or path-like
        Directory for the checkpoints; made if need be.
    every : int, default=1
        Epochs from one checkpoint to the next. The end of a training is always saved.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    A file is a pickle: unpickling runs code, so resume only from directories that you alone write to.
    Update rules that search along lines keep part of their state inside SciPy: they begin again, and only
    their end is saved. ``partial_fit`` is left alone: pickle the estimator, which keeps all its state.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_metabp import BackpropMLPClassifier, Checkpoint
    >>> X, y = load_iris(return_X_y=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = BackpropMLPClassifier(max_iter=500, tol=0.01, random_state=0)
    ...     first = model.set_callbacks(Checkpoint(folder, every=10)).fit(X, y).params_
    ...     again = model.fit(X, y).params_  # read, not trained
    >>> (first == again).all()
    np.True_
    """

    def __init__(self, path, *, every=1):
        if not isinstance(path, (str, os.PathLike)):
            raise ValueError(f"path must be a string or a path, got {path!r}.")
        if os.path.lexists(path) and not os.path.isdir(path):
            raise ValueError(f"path must be a directory or not exist yet; {str(path)!r} is neither.")
        if not isinstance(every, Integral) or isinstance(every, bool) or every < 1:
            raise ValueError(f"every must be an integer of 1 or more, got {every!r}.")
        self.path = path
        self.every = every
        self._directory = Path(path).absolute()

    def resume_training(self, estimator, context, state: TrainingState, data):
        """The state that was saved of this training, and whether it had been stopped; None if none was."""
        state.callback_memory.pop("Checkpoint", None)
        if context.task_name == "partial_fit":
            return None
        state.callback_memory["Checkpoint"] = name = self._name(estimator, state, data)
        self._remove_parts(name)
        file = self._directory / name
        if not file.exists():
            return None
        try:
            with open(file, "rb") as stream:
                saved = pickle.load(stream)
            if saved["format"] != _FORMAT or saved["name"] != name:
                raise KeyError("format")
            return saved["state"], saved["stopped"]
        except Exception as error:
            raise CheckpointError(
                f"{file} is not a checkpoint that can be read ({type(error).__name__}: {error}): delete it "
                f"to train afresh."
            ) from error

    def save_training(self, estimator, context, state: TrainingState, stopped: bool, finished: bool) -> None:
        """Write the state, if it is time to."""
        name = state.callback_memory.get("Checkpoint")
        if name is None:
            return
        if isinstance(resolve_update_rule(estimator.update_rule), LineSearchRule) and not finished:
            return
        if stopped or finished or state.n_epochs % self.every == 0:
            ended = stopped if stopped or finished else None
            self._write(name, {"format": _FORMAT, "name": name, "state": state, "stopped": ended})

    def _name(self, estimator, state: TrainingState, data) -> str:
        """Name of the file: what the training is computed from, hashed."""
        parameters = estimator.get_params(deep=False)
        del parameters["verbose"]
        stoppers = [repr(other) for other in estimator._skl_callbacks if isinstance(other, EarlyStopping)]
        goes_on = (state.n_epochs, state.n_steps, state.params) if state.n_epochs else None
        try:
            return joblib.hash((type(estimator).__name__, parameters, data, stoppers, goes_on)) + ".pickle"
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise CheckpointError(
                f"Checkpoint tells trainings apart by what the estimator pickles to, and it does not: {error}"
            ) from error

    def _remove_parts(self, name: str) -> None:
        """Remove what a process that was killed while it wrote has left of this training."""
        for part in self._directory.glob(f".{name}.*.part"):
            with suppress(OSError):  # one that is being written, where the system does not let it go
                part.unlink()

    def _write(self, name: str, content: dict) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        while not self._written(name, content):
            pass

    def _written(self, name: str, content: dict) -> bool:
        """Whether the file was written; not if another process with the same training removed its part."""
        handle, temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=".part", dir=self._directory)
        try:
            with open(handle, "wb") as stream:
                pickle.dump(content, stream, protocol=pickle.HIGHEST_PROTOCOL)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, self._directory / name)
        except BaseException as error:
            Path(temporary).unlink(missing_ok=True)
            if isinstance(error, FileNotFoundError) and self._directory.exists():
                return False
            if isinstance(error, OSError):
                raise CheckpointError(
                    f"the checkpoint could not be written to {self._directory} ({error}); the one before it "
                    f"is still there."
                ) from error
            raise
        return True

    def __repr__(self) -> str:
        return f"Checkpoint({str(self.path)!r}, every={self.every})"

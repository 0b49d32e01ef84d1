"""Trainings that survive being killed."""

import os
from collections.abc import Iterator
from numbers import Integral
from pathlib import Path

from sklearn_metabp.callbacks.checkpoint_files import CheckpointError, CheckpointFiles
from sklearn_metabp.callbacks.checkpoint_name import training_name
from sklearn_metabp.callbacks.silent import SilentCallback
from sklearn_metabp.training import TrainingState
from sklearn_metabp.training.user_code import PACKAGE
from sklearn_metabp.update_rules import resolve_update_rule

__all__ = ["Checkpoint", "CheckpointError"]


class Checkpoint(SilentCallback):
    """Callback that saves the state of a training every few epochs, and resumes a training that was killed.

    Run the same script again: a ``fit`` with the same parameters and the same data goes on from the
    last epoch that was saved and ends with the bits of one that was never interrupted, be it by a
    signal or by Ctrl-C. A ``fit`` that had ended returns at once with what it had reached. A fit
    with other parameters, other data, other code or another callback that can stop it has a file of
    its own, so one directory serves a whole search, in any number of processes. Delete a file, or
    the directory, to train afresh.

    ``random_state=None`` is a parameter like any other: two such fits in one script are the same
    fit, and the second returns what the first has drawn and reached. Give each a ``random_state``
    of its own.

    A file is written beside its name, flushed and then renamed, so what is there is whole, whenever
    the process is killed. Before the first epoch it is tried whether files can be written there.

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
    **A training is known by what it is computed from:** the release of this package, the
    estimator's class and parameters, the values of the data however they lie in memory, and the
    code of the user's update rules, schedules, ``init`` functions, scorers, monitors and callbacks
    that can stop a training. An edit of a method, or of a function or constant of the script that
    it refers to, makes another training. Comments and docstrings do not, nor do other releases of
    NumPy or scikit-learn. Another minor version of Python compiles the user's code to other bytes,
    so a training by such code begins again. A callback of the user's counts by its code and by the
    attributes named as the parameters of its constructor; one whose hooks return nothing does not
    count. ``docs/design/training.md`` has the details.

    **A file holds arrays and JSON** (the layout of safetensors) and is read without running code: a
    file that was damaged or forged is a :class:`CheckpointError`. That is so for all update rules
    and callbacks of this package, and for rules of your own whose state is made of dictionaries,
    lists, tuples, strings, numbers, arrays and NumPy's random numbers. Whatever else is in a state
    is pickled, into a file that is called ``.pickle``. Unpickling runs code, so such a file is
    refused where its owner is not the user who runs the script, or where others may write to it or
    to its directory. Windows has no such owners to look at: there, resume only from directories
    that you alone write to.

    Update rules that search along lines keep part of their state inside SciPy: they begin again,
    and only their end is saved. ``partial_fit`` is left alone: pickle the estimator, which keeps
    all its state.

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
            raise ValueError(
                f"path must be a directory or not exist yet; {str(path)!r} is neither."
            )
        if not isinstance(every, Integral) or isinstance(every, bool) or every < 1:
            raise ValueError(f"every must be an integer of 1 or more, got {every!r}.")
        self.path = path
        self.every = every
        self._directory = Path(path).absolute()

    def resume_training(self, estimator, context, state: TrainingState, data):
        """The state that was saved of this training, and whether it had been stopped; None if none was.

        Raises
        ------
        CheckpointError
            If what was saved of the training cannot be read, or its states could not be written.
        """
        state.callback_memory.pop("Checkpoint", None)
        if context.task_name == "partial_fit":
            return None
        name = training_name(estimator, state, data)
        files = self._files(estimator, name)
        files.remove_parts()
        saved = files.read(state, _is_ours(estimator))
        if saved is not None and saved[1] is not None:  # it has ended: nothing will be written
            saved[0].callback_memory.pop("Checkpoint", None)
            return saved
        state.callback_memory["Checkpoint"] = name
        files.prepare(state)
        return saved

    def save_training(
        self, estimator, context, state: TrainingState, stopped: bool, finished: bool
    ) -> None:
        """Write the state, if it is time to.

        Raises
        ------
        CheckpointError
            If it cannot be written.
        """
        name = state.callback_memory.get("Checkpoint")
        if name is None:
            return
        if not (resolve_update_rule(estimator.update_rule).resumable or finished):
            return
        if stopped or finished or state.n_epochs % self.every == 0:
            self._files(estimator, name).write(state, stopped if stopped or finished else None)

    def _files(self, estimator, name: str) -> CheckpointFiles:
        owners = [estimator, *estimator.get_params().values(), *estimator._skl_callbacks]
        return CheckpointFiles(self._directory, name, owners)

    def __repr__(self) -> str:
        return f"Checkpoint({str(self.path)!r}, every={self.every})"


def _is_ours(estimator) -> bool:
    """Tell whether the update rule and all rules within it are this package's."""
    types = _types_in(resolve_update_rule(estimator.update_rule).state_key())
    return all(kind.__module__.partition(".")[0] == PACKAGE for kind in types)


def _types_in(key) -> Iterator[type]:
    """Classes in a state key, which holds the keys of the rules within as tuples."""
    if isinstance(key, type):
        yield key
    elif isinstance(key, (tuple, list)):
        for part in key:
            yield from _types_in(part)

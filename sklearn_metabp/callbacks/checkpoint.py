"""A callback that saves a training, so that it can continue after its process was killed."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sklearn_metabp.callbacks.base import Callback, check_count
from sklearn_metabp.callbacks.checkpoint_files import CheckpointError, CheckpointFiles
from sklearn_metabp.callbacks.checkpoint_name import training_name
from sklearn_metabp.callbacks.state_checks import check_same_form, check_training
from sklearn_metabp.training import TrainingState
from sklearn_metabp.training.user_code import PACKAGE
from sklearn_metabp.update_rules import resolve_update_rule

__all__ = ["Checkpoint", "CheckpointError"]


class Checkpoint(Callback):
    """A callback that saves a training every few epochs and resumes one that was killed.

    To resume, run the same script again. A ``fit`` with the same parameters and the same data goes
    on from the last epoch that was saved. It ends with the same bits as a fit that was never
    interrupted, by a signal or by Ctrl-C. A ``fit`` that had ended returns at once with its result.
    A fit with other parameters, other data, other code or another callback that can stop it has a
    file of its own, so one directory serves a whole search, in any number of processes. To train
    afresh, delete the file or the directory.

    ``random_state=None`` is a parameter like any other: two such fits in one script are the same
    fit, and the second returns the result of the first. Give each a ``random_state`` of its own.

    A file is written under a temporary name, flushed and then renamed. So every file is whole at
    whatever time the process is killed. Before the first epoch the callback checks that it can
    write files there.

    Parameters
    ----------
    path : str or path-like
        Directory for the checkpoints. It is created if it does not exist.
    every : int, default=1
        The number of epochs between two checkpoints. The end of a training is always saved.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    **A training is identified by all that it is computed from:** the release of this package, the
    estimator's class and parameters (without ``verbose`` and ``n_threads``, which do not change the
    result), the values of the data in any memory layout, and the code of
    the user's update rules, schedules, ``init`` functions, scorers, monitors and callbacks that can
    stop a training. To edit a method, or a function or constant of the script that it refers to,
    makes another training. Comments and docstrings do not, nor do other releases of NumPy or
    scikit-learn. Another minor version of Python compiles the user's code to other bytes, so a
    training by such code starts again. A user's callback is identified by its code and by the
    attributes with the names of its constructor's parameters; it does not count if its hooks return
    nothing. ``docs/design/training.md`` has the details.

    **A file holds arrays and JSON** (the layout of safetensors) and is read without running code. A
    damaged or forged file is a :class:`CheckpointError`. This holds for all update rules and
    callbacks of this package, and for your own rules if their states consist of dictionaries,
    lists, tuples, strings, numbers, arrays and NumPy's random number generators. Any other object
    in a state is pickled, into a file with the suffix ``.pickle``. Unpickling runs code, so such a
    file is refused if it does not belong to the user who runs the script, or if others may write to
    it or to its directory. Windows has no such owners to check: there, resume only from directories
    that nobody else writes to.

    For an update rule that searches along lines only the end of the training is saved, because part
    of the state of the search is inside SciPy. ``partial_fit`` is not saved: pickle the estimator,
    which keeps all its state.

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

    def __init__(self, path: str | os.PathLike[str], *, every: int = 1) -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise ValueError(f"path must be a string or a path, got {path!r}.")
        if os.path.lexists(path) and not os.path.isdir(path):
            raise ValueError(
                f"path must be a directory or not exist yet; {str(path)!r} is neither."
            )
        self.path = path
        self.every = check_count("every", every)
        self._directory = Path(path).absolute()

    def resume_training(
        self, estimator: Any, context: Any, state: TrainingState, data: Any
    ) -> tuple[TrainingState, bool | None] | None:
        """Return the saved state and whether the training had been stopped; None if none was saved.

        Raises
        ------
        CheckpointError
            If the saved state cannot be read, or if states could not be written.
        """
        state.callback_memory.pop("Checkpoint", None)
        if context.task_name == "partial_fit":
            return None
        name = training_name(estimator, state, data)
        files = self._files(estimator, name)
        files.remove_parts()
        is_form_known = _has_rule_of_package(estimator)

        def check(saved: TrainingState) -> None:
            check_training(saved, state)
            if is_form_known:
                check_same_form(state.rule_state, saved.rule_state, len(state.params))

        saved = files.read(state, check)
        if saved is not None and saved[1] is not None:  # it has ended: there is nothing to write
            saved[0].callback_memory.pop("Checkpoint", None)
            return saved
        state.callback_memory["Checkpoint"] = name
        files.prepare(state)
        return saved

    def save_training(
        self, estimator: Any, context: Any, state: TrainingState, stopped: bool, finished: bool
    ) -> None:
        """Write the state if a checkpoint is due.

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

    def _files(self, estimator: Any, name: str) -> CheckpointFiles:
        owners = [estimator, *estimator.get_params().values(), *estimator._skl_callbacks]
        return CheckpointFiles(self._directory, name, owners)

    def __repr__(self) -> str:
        return f"Checkpoint({str(self.path)!r}, every={self.every})"


def _has_rule_of_package(estimator: Any) -> bool:
    """Return whether the update rule and all rules within it are this package's."""
    types = _types_in(resolve_update_rule(estimator.update_rule).state_key())
    return all(kind.__module__.partition(".")[0] == PACKAGE for kind in types)


def _types_in(key: Any) -> Iterator[type]:
    """Iterate over the classes in a state key; the keys of rules within are tuples in it."""
    if isinstance(key, type):
        yield key
    elif isinstance(key, (tuple, list)):
        for part in key:
            yield from _types_in(part)

"""The files of a checkpoint: one a training, written whole or not at all, read without trusting it."""

import os
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_metabp.callbacks import state_pickles
from sklearn_metabp.callbacks.plain_state import MisfitError, StateReader, StateWriter, classes_in
from sklearn_metabp.callbacks.state_checks import check_same_form, check_training
from sklearn_metabp.tracing.file_writer import FileLayout, FileWriter
from sklearn_metabp.tracing.files import CheckedFile, open_file
from sklearn_metabp.training import Patience, TrainingState

KIND = "sklearn_metabp checkpoint 2"
_PLAIN, _PICKLED = ".safetensors", ".pickle"
_MAX_MESSAGE = 200


class CheckpointError(ValueError):
    """A checkpoint that cannot be read or cannot be written."""


class CheckpointFiles:
    """The files of one training in a directory.

    Parameters
    ----------
    directory : Path
    name : str
        Of the training.
    owners : iterable of objects
        Update rules and callbacks that classes of a state may belong to.
    """

    def __init__(self, directory: Path, name: str, owners: Iterable):
        self._directory, self._name, self._owners = directory, name, list(owners)

    def read(
        self, fresh: TrainingState, rule_is_ours: bool
    ) -> tuple[TrainingState, bool | None] | None:
        """The saved state, and whether the training was stopped there; None where nothing was saved.

        Parameters
        ----------
        fresh : TrainingState
            The state that the training would begin with: what is read has to be of its form.
        rule_is_ours : bool
            True if the update rule and all rules within are this package's: the form of its state
            is known.

        Raises
        ------
        CheckpointError
            If the file is not whole, not of this training, or holds a pickle that others may have
            written.
        """
        path = self._path(_PICKLED)
        if not os.path.lexists(path):
            path = self._path(_PLAIN)
            if not os.path.lexists(path):
                return None
        elif (why_not := state_pickles.why_not_private(path)) is not None:
            raise CheckpointError(
                f"{path} holds a pickle, which runs code when it is read, and {why_not}. Or delete "
                "the file to train afresh."
            )
        try:
            return self._checked(open_file(path, KIND, MisfitError), fresh, rule_is_ours)
        except Exception as error:
            raise CheckpointError(
                f"{path} is not a checkpoint that can be read ({_short(error)}): delete it to "
                "train afresh."
            ) from error

    def _checked(self, file: CheckedFile, fresh: TrainingState, rule_is_ours: bool):
        header = file.header
        if header.keys() != {"name", "stopped", "state"} or header["name"] != self._name:
            raise MisfitError("it is of another training")
        stopped = header["stopped"]
        if stopped is not None and not isinstance(stopped, bool):
            raise MisfitError("it does not say whether the training ended")
        classes = classes_in(fresh) | {
            f"{kind.__module__}.{kind.__qualname__}": kind for kind in (Patience,)
        }
        unpickled = self._unpickled if file.path.suffix == _PICKLED else None
        state = StateReader(file.array, classes, unpickled).value(header["state"])
        check_training(state, fresh)
        if rule_is_ours:
            check_same_form(fresh.rule_state, state.rule_state, len(fresh.params))
        return state, stopped

    def _pickled(self, value) -> bytes:
        return state_pickles.dumps(value, self._owners)

    def _unpickled(self, raw: bytes):
        return state_pickles.loads(raw, self._owners)

    def prepare(self, state: TrainingState) -> None:
        """Make the directory and find out that the state can be saved there, and read again.

        Raises
        ------
        CheckpointError
            If not; it says what to do.
        """
        part = self._part(_PLAIN)
        try:
            # Not for others to write: what is pickled here would not be read.
            self._directory.mkdir(0o755, parents=True, exist_ok=True)
            with open(part, "xb"):
                pass
            part.unlink(missing_ok=True)
        except OSError as error:
            raise CheckpointError(
                f"checkpoints cannot be written to {self._directory} ({error.strerror or error}): "
                "make it a directory that you can write to, or give Checkpoint another path."
            ) from error
        suffix, _, _ = self._content(state, None)
        if (
            suffix == _PICKLED
            and (why_not := state_pickles.why_not_private(self._path(suffix))) is not None
        ):
            raise CheckpointError(
                "the state of this training has to be pickled, as it is not made of dictionaries, "
                f"arrays and numbers alone, and from {self._directory} it could not be read again: "
                f"{why_not}."
            )

    def write(self, state: TrainingState, stopped: bool | None) -> None:
        """Write the state; a file of the training that is there is replaced when the new one is whole.

        Raises
        ------
        CheckpointError
            If it cannot be written.
        """
        suffix, header, arrays = self._content(state, stopped)
        try:
            self._directory.mkdir(0o755, parents=True, exist_ok=True)
            while not self._written(suffix, header, arrays):
                pass
        except OSError as error:
            kept = (
                "; the one before it is still there" if os.path.lexists(self._path(suffix)) else ""
            )
            raise CheckpointError(
                f"the checkpoint could not be written to {self._directory} "
                f"({error.strerror or error}){kept}. Make room there, or give Checkpoint another "
                "path."
            ) from error
        with suppress(OSError):
            self._path(_PLAIN if suffix == _PICKLED else _PICKLED).unlink(missing_ok=True)

    def _content(self, state: TrainingState, stopped: bool | None) -> tuple[str, FileLayout, dict]:
        try:
            writer = StateWriter(self._pickled)
            node: Any = writer.node(state)
            layout = self._layout(writer, node, stopped)
            if layout is None:  # too many parts for a header: in one piece
                writer = StateWriter(self._pickled)
                node = writer.pickle(state)
                layout = self._layout(writer, node, stopped)
        except Exception as error:
            raise CheckpointError(
                f"the state of this training cannot be saved ({_short(error)}). Keep dictionaries, "
                "lists, numbers and arrays in it, or objects of classes at the top of a module."
            ) from None
        assert layout is not None
        return (_PLAIN if writer.is_plain else _PICKLED), layout, writer.arrays

    def _layout(self, writer: StateWriter, node, stopped: bool | None) -> FileLayout | None:
        rows = {name: (array.dtype, array.shape) for name, array in writer.arrays.items()}
        header = {"name": self._name, "stopped": stopped, "state": node}
        try:
            return FileLayout(KIND, header, rows, max(map(len, writer.arrays.values())))
        except ValueError:
            return None

    def _written(self, suffix: str, layout: FileLayout, arrays: dict[str, np.ndarray]) -> bool:
        """Write the file; False if another process with the same training removed its part."""
        part = self._part(suffix)
        file = FileWriter(self._path(suffix), part, layout)
        try:
            if suffix == _PICKLED:  # as the process that reads it wants it
                part.chmod(part.stat().st_mode & 0o755)
            file.write(0, arrays)
            file.finish()
        except BaseException as error:
            file.discard()
            if isinstance(error, FileNotFoundError) and self._directory.exists():
                return False
            raise
        return True

    def _part(self, suffix: str) -> Path:
        return self._directory / f".{self._name}{suffix}.{uuid.uuid4().hex}.part"

    def _path(self, suffix: str) -> Path:
        return self._directory / (self._name + suffix)

    def remove_parts(self) -> None:
        """Remove what a process that was killed while it wrote has left of this training."""
        for part in self._directory.glob(f".{self._name}.*.part"):
            with suppress(
                OSError
            ):  # one that is being written, where the system does not let it go
                part.unlink()


def _short(error: BaseException) -> str:
    """What went wrong, without what other code says of it: that may quote whole arrays."""
    text = str(error)
    is_safe = isinstance(error, (MisfitError, OSError)) or text.startswith("cannot pickle ")
    return f"{text if is_safe else type(error).__name__}"[:_MAX_MESSAGE]

"""The files of checkpoints: one per training, always whole, and read without trust."""

import os
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from sklearn_metabp.callbacks import state_pickles
from sklearn_metabp.callbacks.state_codec import MisfitError, StateReader, StateWriter, classes_in
from sklearn_metabp.tracing.file_writer import FileLayout, FileWriter
from sklearn_metabp.tracing.files import CheckedFile, open_file
from sklearn_metabp.training import Patience

State = TypeVar("State")

KIND = "sklearn_metabp checkpoint 2"
_PLAIN, _PICKLED = ".safetensors", ".pickle"
_MAX_MESSAGE = 200


class CheckpointError(ValueError):
    """An error about a checkpoint that cannot be read or written."""


class CheckpointFiles:
    """The files of one training, or of one search, in a directory.

    Parameters
    ----------
    directory : Path
    name : str
        The name of the training.
    owners : iterable of objects
        Update rules and callbacks whose modules define the classes of a state.
    classes : dict of type, default={}
        Classes of the package, by name, whose objects a later state may have and the first has not.
    """

    def __init__(
        self,
        directory: Path,
        name: str,
        owners: Iterable[Any],
        classes: Mapping[str, type] = MappingProxyType({}),
    ) -> None:
        self._directory, self._name, self._owners = directory, name, list(owners)
        self._classes = classes

    def read(
        self, fresh: State, check: Callable[[State], None]
    ) -> tuple[State, bool | None] | None:
        """Return the saved state and whether the training was stopped; None if nothing was saved.

        Parameters
        ----------
        fresh : object
            The state that the training would start with.
        check : callable
            ``check(state)`` raises an exception unless the saved state has the form of that one.

        Raises
        ------
        CheckpointError
            If the file is damaged, belongs to another training, or holds a pickle that others may
            have written.
        """
        path = self._path(_PICKLED)
        if not os.path.lexists(path):
            path = self._path(_PLAIN)
            if not os.path.lexists(path):
                return None
        elif (why_not := state_pickles.find_reason_to_distrust(path)) is not None:
            raise CheckpointError(
                f"{path} holds a pickle, which runs code when it is read, and {why_not}. Or delete "
                "the file to train afresh."
            )
        try:
            return self._decode(open_file(path, KIND, MisfitError), fresh, check)
        except Exception as error:
            raise CheckpointError(
                f"{path} is not a checkpoint that can be read ({_short(error)}): delete it to "
                "train afresh."
            ) from error

    def _decode(
        self, file: CheckedFile, fresh: State, check: Callable[[State], None]
    ) -> tuple[State, bool | None]:
        header = file.header
        if header.keys() != {"name", "stopped", "state"} or header["name"] != self._name:
            raise MisfitError("it is of another training")
        stopped = header["stopped"]
        if stopped is not None and not isinstance(stopped, bool):
            raise MisfitError("it does not say whether the training ended")
        classes = classes_in(fresh) | {
            f"{kind.__module__}.{kind.__qualname__}": kind for kind in (Patience,)
        }
        classes |= self._classes
        unpickle = self._unpickle if file.path.suffix == _PICKLED else None
        state = StateReader(file.array, classes, unpickle).decode(header["state"])
        check(state)
        return state, stopped

    def _pickle(self, value: Any) -> bytes:
        return state_pickles.dumps(value, self._owners)

    def _unpickle(self, raw: bytes) -> Any:
        return state_pickles.loads(raw, self._owners)

    def prepare(self, state: Any) -> None:
        """Make the directory and check that the state can be saved there and read again.

        Raises
        ------
        CheckpointError
            If it cannot.
        """
        part = self._part(_PLAIN)
        try:
            # Others must not write here: pickles would not be read again.
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
            and (why_not := state_pickles.find_reason_to_distrust(self._path(suffix))) is not None
        ):
            raise CheckpointError(
                "the state of this training has to be pickled, as it is not made of dictionaries, "
                f"arrays and numbers alone, and from {self._directory} it could not be read again: "
                f"{why_not}."
            )

    def write(self, state: Any, stopped: bool | None) -> None:
        """Write the state; the finished file replaces an older one of the training.

        Raises
        ------
        CheckpointError
            If it cannot be written.
        """
        suffix, layout, arrays = self._content(state, stopped)
        try:
            self._directory.mkdir(0o755, parents=True, exist_ok=True)
            while not self._try_to_write(suffix, layout, arrays):
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

    def _content(
        self, state: Any, stopped: bool | None
    ) -> tuple[str, FileLayout, dict[str, np.ndarray]]:
        try:
            writer = StateWriter(self._pickle)
            node: Any = writer.encode(state)
            layout = self._layout(writer, node, stopped)
            if layout is None:  # too many parts for a header: pickle it in one piece
                writer = StateWriter(self._pickle)
                node = writer.pickle(state)
                layout = self._layout(writer, node, stopped)
        except Exception as error:
            raise CheckpointError(
                f"the state of this training cannot be saved ({_short(error)}). Keep dictionaries, "
                "lists, numbers and arrays in it, or objects of classes at the top of a module."
            ) from None
        assert layout is not None
        return (_PLAIN if writer.is_plain else _PICKLED), layout, writer.arrays

    def _layout(self, writer: StateWriter, node: Any, stopped: bool | None) -> FileLayout | None:
        rows = {name: (array.dtype, array.shape) for name, array in writer.arrays.items()}
        header = {"name": self._name, "stopped": stopped, "state": node}
        try:
            return FileLayout(KIND, header, rows, max(map(len, writer.arrays.values())))
        except ValueError:
            return None

    def _try_to_write(self, suffix: str, layout: FileLayout, arrays: dict[str, np.ndarray]) -> bool:
        """Write the file; return False if another process of the same training removed it."""
        part = self._part(suffix)
        file = FileWriter(self._path(suffix), part, layout)
        try:
            if suffix == _PICKLED:  # others must not write to a file that will be unpickled
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
        """Remove the unfinished files of processes that were killed while they wrote."""
        for part in self._directory.glob(f".{self._name}.*.part"):
            with suppress(OSError):  # another process is writing it, and the system keeps it
                part.unlink()


def _short(error: BaseException) -> str:
    """Describe an error in a few words; messages of other code may quote whole arrays."""
    text = str(error)
    is_safe = isinstance(error, (MisfitError, OSError)) or text.startswith("cannot pickle ")
    return f"{text if is_safe else type(error).__name__}"[:_MAX_MESSAGE]

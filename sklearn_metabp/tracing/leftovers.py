"""Temporary files and folders, and the removal of those that killed processes have left.

A process locks the one that it writes, and the system ends the lock with the process, however that
ends. So one without a lock is left over. In a file system without locks nothing is removed. Windows
has no such locks and removes no file that is open, so files are removed there, and folders are not.
"""

import hashlib
import os
import re
import shutil
import uuid
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_RANDOM_PART = re.compile(r"[0-9a-f]{32}\.tmp")
# A name of more bytes is shortened; most file systems allow 255 with what is added.
_MOST_NAME_BYTES = 150


def temporary_path(path: Path) -> Path:
    """A hidden name beside a path that nothing has yet, and that tells what it is for."""
    return path.with_name(f"{_prefix(path.name)}{uuid.uuid4().hex}.tmp")


def _prefix(name: str) -> str:
    encoded = os.fsencode(name)
    if len(encoded) > _MOST_NAME_BYTES:
        name = f"{name[:30]}~{hashlib.sha256(encoded).hexdigest()[:32]}"
    return f".{name}."


class Hold:
    """A lock on a file or folder, until it is closed.

    Attributes
    ----------
    is_locked : bool
        False where the file system has no locks.
    """

    def __init__(self, descriptor: int | None, is_locked: bool):
        self._descriptor, self.is_locked = descriptor, is_locked

    @classmethod
    def on(cls, path: Path) -> "Hold | None":
        """Take hold of what is there; None if somebody else holds it, or it has been removed by now."""
        if fcntl is None:
            return cls(None, False)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        hold = cls(descriptor, True)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            hold.close()
            return None
        except OSError:
            hold.is_locked = False
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False)):
                return hold
        hold.close()
        return None

    def close(self) -> None:
        """Let go."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def made_and_held(path: Path) -> tuple[Path, Hold]:
    """Make a temporary folder for a path, and take hold of it.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    while True:
        folder = temporary_path(path)
        os.makedirs(folder)
        hold = Hold.on(folder)  # None where it was taken for a leftover at once
        if hold is not None:
            return folder, hold


def remove_leftovers_of(path: Path) -> None:
    """Remove temporary files and folders for this path whose writers are gone."""
    _remove(path.parent, _prefix(path.name))


def remove_leftovers_in(folder: Path) -> None:
    """Remove temporary files and folders in a folder whose writers are gone, whatever they are for."""
    _remove(folder, None)


def _remove(folder: Path, prefix: str | None) -> None:
    with suppress(OSError):  # they are in nobody's way
        for name in os.listdir(folder):
            begin, found = name[:-36], _RANDOM_PART.fullmatch(name[-36:])
            if found and (begin == prefix or (prefix is None and begin.startswith("."))):
                with suppress(OSError):
                    _remove_if_left(folder / name)


def _remove_if_left(path: Path) -> None:
    if fcntl is None:
        path.unlink()
        return
    hold = Hold.on(path)
    if hold is None:
        return
    try:
        if hold.is_locked and path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif hold.is_locked:
            path.unlink()
    finally:
        hold.close()

"""Temporary files and folders, and the removal of those that killed processes have left.

A process locks the file or folder that it writes, and the system releases the lock when the process
ends. So a temporary file without a lock was left by a killed process. In a file system without
locks nothing is removed. Windows has no such locks, but does not remove an open file, so files are
removed there, and folders are not.
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
# A longer name is shortened, because most file systems allow 255 bytes with the suffix.
_MOST_NAME_BYTES = 150


def temporary_path(path: Path) -> Path:
    """Return a new hidden name in the folder of a path, which has the name of the path in it."""
    return path.with_name(f"{_prefix(path.name)}{uuid.uuid4().hex}.tmp")


def _prefix(name: str) -> str:
    encoded = os.fsencode(name)
    if len(encoded) > _MOST_NAME_BYTES:
        name = f"{name[:30]}~{hashlib.sha256(encoded).hexdigest()[:32]}"
    return f".{name}."


class Hold:
    """A lock on a file or folder, which lasts until it is closed.

    Attributes
    ----------
    is_locked : bool
        False where the file system has no locks.
    """

    def __init__(self, descriptor: int | None, is_locked: bool):
        self._descriptor, self.is_locked = descriptor, is_locked

    @classmethod
    def on(cls, path: Path) -> "Hold | None":
        """Lock a file or folder; return None if it is locked already or has been removed."""
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
        """Release the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def make_and_lock(path: Path) -> tuple[Path, Hold]:
    """Make a temporary folder for a path, and lock it.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    while True:
        folder = temporary_path(path)
        os.makedirs(folder)
        hold = Hold.on(folder)  # None if another process has removed it before
        if hold is not None:
            return folder, hold


def remove_leftovers_of(path: Path) -> None:
    """Remove the temporary files and folders for this path that are not locked."""
    _remove(path.parent, _prefix(path.name))


def remove_leftovers_in(folder: Path) -> None:
    """Remove all temporary files and folders in a folder that are not locked."""
    _remove(folder, None)


def _remove(folder: Path, prefix: str | None) -> None:
    with suppress(OSError):  # a file that stays does no harm
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

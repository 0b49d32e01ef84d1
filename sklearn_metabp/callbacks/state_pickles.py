"""Pickles of the states of a user's classes: where they are trusted, how classes are found."""

import io
import os
import pickle
import stat
from collections.abc import Iterable
from pathlib import Path
from types import FunctionType
from typing import IO, Any

from sklearn_metabp.callbacks.state_codec import MisfitError
from sklearn_metabp.training.user_code import attribute_at, is_importable, is_library

_MAIN = {"__main__", "__mp_main__"}


def dumps(value: Any, owners: Iterable[Any]) -> bytes:
    """Pickle a value; classes and functions of the owners' modules are pickled as their names.

    The classes and functions of a script arrive in a worker process by value. They cannot be
    imported there.

    Parameters
    ----------
    value : object
    owners : iterable of objects
        Update rules and callbacks. Classes and functions are looked up in the modules of their
        methods.

    Raises
    ------
    MisfitError
        If a class or function is neither there nor importable.
    """
    stream = io.BytesIO()
    _Pickler(stream, list(owners)).dump(value)
    return stream.getvalue()


def loads(raw: bytes, owners: Iterable[Any]) -> Any:
    """Load a pickle of :func:`dumps`; the owners are those of this process."""
    return _Unpickler(io.BytesIO(raw), list(owners)).load()


class _Pickler(pickle.Pickler):
    def __init__(self, stream: IO[bytes], owners: list[Any]) -> None:
        super().__init__(stream, protocol=pickle.HIGHEST_PROTOCOL)
        self._owners = owners

    def persistent_id(self, value: Any) -> tuple[str, str] | None:
        if not isinstance(value, (type, FunctionType)) or is_library(value.__module__):
            return None
        if _find_by_name(self._owners, value.__module__, value.__qualname__) is value:
            return value.__module__, value.__qualname__
        if not is_importable(value):
            raise MisfitError(f"{value.__qualname__[:80]} is not found by its name")
        return None


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: IO[bytes], owners: list[Any]) -> None:
        super().__init__(stream)
        self._owners = owners

    def persistent_load(self, pid: Any) -> Any:
        found = _find_by_name(self._owners, *pid)
        if found is None:
            raise MisfitError(f"{str(pid[1])[:80]} is not found by its name")
        return found


def _find_by_name(owners: list[Any], module: str, qualname: str) -> Any:
    """Find an object by its name in the module of the owners' methods; None if it is not there."""
    for owner in owners:
        for kind in type(owner).__mro__:
            if is_library(kind.__module__):
                continue
            for function in vars(kind).values():
                names = getattr(function, "__globals__", {})
                home = names.get("__name__")
                if home == module or {home, module} <= _MAIN:
                    found = attribute_at(names, qualname)
                    if found is not None:
                        return found
    return None


def find_reason_to_distrust(file: Path) -> str | None:
    """Return the reason why others may have written a file, with a remedy; None if they cannot.

    It checks owner and mode of the file and of its directory. On a system without such owners, as
    Windows, it returns None.
    """
    if not hasattr(os, "geteuid"):
        return None
    paths = [file.parent, file] if os.path.lexists(file) else [file.parent]
    for path in paths:
        status = path.lstat() if path == file else path.stat()
        if path == file and not stat.S_ISREG(status.st_mode):
            return f"{path} is not a regular file: delete it"
        if status.st_uid != os.geteuid():
            return f"{path} belongs to another user: give Checkpoint a directory of your own"
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return f"others may write to {path}: take that from them, chmod go-w {path}"
    return None

"""Pickles of states of a user's own classes: where they may be read, and how their classes are found."""

import io
import os
import pickle
import stat
from collections.abc import Iterable
from pathlib import Path
from types import FunctionType

from sklearn_metabp.callbacks.plain_state import MisfitError
from sklearn_metabp.training.user_code import attribute_at, is_importable, is_library

_MAIN = {"__main__", "__mp_main__"}


def dumps(value, owners: Iterable) -> bytes:
    """Pickle a value; classes and functions of the owners' modules are pickled as their names.

    In a worker process those of a script have arrived by value and cannot be imported.

    Parameters
    ----------
    value : object
    owners : iterable of objects
        Update rules and callbacks: what they refer to is looked for in the modules of their
        methods.

    Raises
    ------
    MisfitError
        If a class or function is found neither there nor by an import.
    """
    stream = io.BytesIO()
    _Pickler(stream, list(owners)).dump(value)
    return stream.getvalue()


def loads(raw: bytes, owners: Iterable):
    """Load what :func:`dumps` wrote; the owners are those of this process."""
    return _Unpickler(io.BytesIO(raw), list(owners)).load()


class _Pickler(pickle.Pickler):
    def __init__(self, stream, owners: list):
        super().__init__(stream, protocol=pickle.HIGHEST_PROTOCOL)
        self._owners = owners

    def persistent_id(self, value):
        if not isinstance(value, (type, FunctionType)) or is_library(value.__module__):
            return None
        if _found(self._owners, value.__module__, value.__qualname__) is value:
            return value.__module__, value.__qualname__
        if not is_importable(value):
            raise MisfitError(f"{value.__qualname__[:80]} is not found by its name")
        return None


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream, owners: list):
        super().__init__(stream)
        self._owners = owners

    def persistent_load(self, pid):
        found = _found(self._owners, *pid)
        if found is None:
            raise MisfitError(f"{str(pid[1])[:80]} is not found by its name")
        return found


def _found(owners: list, module: str, qualname: str):
    """What a name leads to in the module as the owners' methods see it; None where it leads nowhere."""
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


def why_not_private(file: Path) -> str | None:
    """Why somebody else may have written a file, and what to do; None where only this user can have.

    Looks at owner and mode of the file and of its directory. Where the system has no such owners,
    as Windows, the answer is None.
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

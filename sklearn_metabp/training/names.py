"""The names under which a training remembers who judged it."""

import inspect
import weakref
from contextlib import suppress
from functools import partial
from types import FunctionType

from sklearn_metabp.training.fingerprint import fingerprint

_names: dict[int, tuple[weakref.ref, str]] = {}


def judge_name(judge) -> str:
    """Name of a scorer, a monitor or a word; of code the fingerprint that it had when it was first asked for.

    A training that goes on asks whether values can be compared, and a judge stays the same one
    while what it notes changes: a list of its calls, a running mean. So the object keeps its name,
    and one of a class is named by the class and by what its constructor was given.
    """
    if judge is None or isinstance(judge, str):
        return repr(judge)
    known = _names.get(id(judge))
    if known is not None and known[0]() is judge:
        return known[1]
    name = fingerprint(settings_of(judge))
    with suppress(TypeError):  # an object without weak references is named anew
        _names[id(judge)] = weakref.ref(judge, partial(_forget, id(judge))), name
    return name


def _forget(key: int, _) -> None:
    _names.pop(key, None)


def settings_of(value):
    """The class of an object and what its constructor was given, or the object where that cannot be told.

    It can where the parameters of ``__init__`` are attributes under their own names or with an
    underscore before them.
    """
    if isinstance(value, (type, FunctionType)) or "__init__" not in _names_of_python(type(value)):
        return value
    try:
        names = list(inspect.signature(type(value)).parameters)
    except (TypeError, ValueError):  # its metaclass hides them
        return value
    held = getattr(value, "__dict__", {})
    settings = {name: held.get(name, held.get(f"_{name}", settings_of)) for name in names}
    if not names or any(setting is settings_of for setting in settings.values()):
        return value
    return type(value), settings


def _names_of_python(kind: type) -> set[str]:
    """Names of the methods that the class and its bases wrote in Python."""
    return {
        name
        for base in kind.__mro__
        for name, part in vars(base).items()
        if isinstance(part, FunctionType)
    }

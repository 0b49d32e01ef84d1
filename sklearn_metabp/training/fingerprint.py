"""Fingerprints of values and of code: equal in every process, different after an edit."""

import hashlib
import inspect
import warnings
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from operator import itemgetter
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any

import numpy as np
from scipy.sparse import issparse

from sklearn_metabp.training.user_code import (
    is_importable,
    is_library,
    module_of_user,
    names_in,
    release_of,
)

# Attributes of a class that do not change its behaviour: texts, annotations, lines, slots.
_NO_CODE = {
    *("__module__", "__doc__", "__dict__", "__weakref__", "__annotations__", "__annotate__"),
    *("__annotate_func__", "__annotations_cache__", "__firstlineno__", "__static_attributes__"),
    *("__qualname__", "__abstractmethods__", "_abc_impl", "__parameters__", "__orig_bases__"),
    "__slotnames__",  # stored by copyreg when an object is pickled
}
_SLOTS = (GetSetDescriptorType, MemberDescriptorType)
_WEAK = (weakref.ref, weakref.WeakKeyDictionary, weakref.WeakValueDictionary, weakref.WeakSet)
# Callbacks do not change the result of an estimator, and scikit-learn adds its version to pickles.
_NO_STATE = {"__doc__", "_skl_callbacks", "_sklearn_version"}
_BLOCK_BYTES = 2**20
# Values nested deeper are written later, as code is, so that Python's stack does not overflow.
_MAX_DEPTH = 50


def fingerprint(value: Any) -> str:
    """Return the fingerprint of a value and of all code of the user that it refers to.

    Two values have the same fingerprint if they hold the same data and their code is the same. The
    layout in memory does not matter: an array may be in C or in Fortran order, a function in this
    process or in the worker that it was sent to.

    The fingerprint of a function depends on its code, its defaults, its closure, and on the
    functions, classes and values that its global names refer to, and so on. That of a class depends
    on its attributes, methods and bases. Comments, docstrings, annotations and line numbers do not
    matter. That of library code depends on its name. If this package does not depend on the
    library, it also depends on the version and on the source of the module. That of an object
    depends on its class and its pickle, or only on its class if it cannot be pickled, like a lock.

    Parameters
    ----------
    value : object

    Returns
    -------
    fingerprint : str
        40 hexadecimal digits.
    """
    return _Fingerprint().of(value)


_first_fingerprints: dict[int, tuple[weakref.ref, str]] = {}


def callable_fingerprint(function: Callable | str | None) -> str:
    """Return the fingerprint of a scorer or a monitor, which later changes of it do not change.

    A continued training compares its scores with earlier ones only if the scorer is the same. A
    call of a scorer may change its attributes, such as a list of its calls or a running mean. So an
    object keeps its first fingerprint. The fingerprint of an instance depends on its class and the
    arguments of its constructor.

    Parameters
    ----------
    function : callable, str or None
        A string is the name of a scorer or of a curve.

    Returns
    -------
    fingerprint : str
        40 hexadecimal digits. For a string or None it is the ``repr``.
    """
    if function is None or isinstance(function, str):
        return repr(function)
    if not callable(function):
        raise TypeError(f"callable_fingerprint needs a callable, got a {type(function).__name__}.")
    known = _first_fingerprints.get(id(function))
    if known is not None and known[0]() is function:
        return known[1]
    first = fingerprint(constructor_call(function))
    with suppress(TypeError):  # an object without weak references is examined every time
        reference = weakref.ref(function, partial(_forget, id(function)))
        _first_fingerprints[id(function)] = reference, first
    return first


def _forget(key: int, _: weakref.ref) -> None:
    _first_fingerprints.pop(key, None)


def constructor_call(value: Any) -> Any:
    """Return the class of an object and the arguments of its constructor, or the object itself.

    The arguments are known if the parameters of ``__init__`` are attributes of the same names, or
    of these names after an underscore.
    """
    if isinstance(value, (type, FunctionType)) or "__init__" not in _python_methods(type(value)):
        return value
    try:
        names = list(inspect.signature(type(value)).parameters)
    except (TypeError, ValueError):  # its metaclass hides them
        return value
    held = getattr(value, "__dict__", {})
    missing = object()
    settings = {name: held.get(name, held.get(f"_{name}", missing)) for name in names}
    if not names or any(setting is missing for setting in settings.values()):
        return value
    return type(value), settings


def _python_methods(kind: type) -> set[str]:
    """Return the names of the methods that the class and its bases define in Python."""
    return {
        name
        for base in kind.__mro__
        for name, part in vars(base).items()
        if isinstance(part, FunctionType)
    }


class _Fingerprint:
    """One walk through a value: depth first through data, later through code.

    Code is numbered at its first occurrence and written once, later. So the walk ends for functions
    that call each other, and for long chains of them.
    """

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=20)
        self._numbers: dict[int, int] = {}
        self._later: deque = deque()
        self._kept: list = []  # numbered values stay alive, so that no other one gets their id
        self._above: list[int] = []

    def of(self, value: Any) -> str:
        """Return the fingerprint of a value."""
        self._value(value)
        while self._later:
            later = self._later.popleft()
            if isinstance(later, type):
                self._class(later)
            elif isinstance(later, FunctionType):
                self._function(later)
            else:
                self._above.append(id(later))
                self._compound(later, type(later))
                self._above.pop()
        return self._hash.hexdigest()

    def _write(self, tag: str, *parts: Any) -> None:
        """Add a tag and texts or bytes to the hash, each with its length to keep them apart."""
        self._hash.update(f"{tag} {len(parts)};".encode())
        for part in parts:
            raw = part if isinstance(part, bytes) else str(part).encode(errors="surrogatepass")
            self._hash.update(f"{len(raw)}:".encode())
            self._hash.update(raw)

    def _value(self, value: Any) -> None:
        kind = type(value)
        if value is None or value is Ellipsis or value is NotImplemented:
            self._write("single", repr(value))
        elif kind is bool or kind is np.bool_:
            self._write("bool", bool(value))
        elif kind is int or kind is np.int64:
            self._write("int", hex(value))
        elif kind is float or kind is np.float64:
            self._write("float", float(value).hex())
        elif kind is str or kind is np.str_:
            self._write("str", str(value))
        elif kind in (bytes, bytearray, complex):
            self._write(kind.__name__, repr(value) if kind is complex else bytes(value))
        elif isinstance(value, np.dtype):
            self._write("dtype", repr(value.newbyteorder("=")))
        elif kind in (np.ndarray, np.memmap):
            self._array(value)
        elif isinstance(value, np.generic):
            self._write("scalar")
            self._array(np.asarray(value))
        elif isinstance(value, (type, FunctionType)):
            self._reference(value)
        elif isinstance(value, ModuleType):
            self._write("module", value.__name__)
        elif isinstance(value, CodeType):
            self._code_object(value, None)
        elif kind in _SLOTS or isinstance(value, _WEAK):
            self._write("opaque", kind.__qualname__)
        elif id(value) in self._above:
            self._write("above", len(self._above) - self._above.index(id(value)))
        elif len(self._above) >= _MAX_DEPTH:
            self._number(value)
        else:
            self._above.append(id(value))
            self._compound(value, kind)
            self._above.pop()

    def _compound(self, value: Any, kind: type) -> None:
        if kind in (list, tuple):
            self._write(kind.__name__, len(value))
            for item in value:
                self._value(item)
        elif kind is dict:
            # The order of the keys does not count.
            items = sorted(
                ((fingerprint(key), item) for key, item in value.items()), key=itemgetter(0)
            )
            self._write("dict", len(items))
            for key, item in items:
                self._write("key", key)
                self._value(item)
        elif kind in (set, frozenset):
            self._write("set", *sorted(fingerprint(item) for item in value))
        elif issparse(value):
            self._sparse(value)
        elif kind is MethodType:
            function, owner = value.__func__, value.__self__
            of_class = inspect.getattr_static(type(owner), value.__name__, None)
            is_its_own = getattr(of_class, "__code__", None) == getattr(function, "__code__", value)
            self._write("method", value.__name__)  # of its class, unless it was bound by hand
            self._value((owner, None if is_its_own else function))
        elif kind is BuiltinFunctionType:
            self._write("builtin", value.__module__, value.__qualname__)
            if not isinstance(value.__self__, ModuleType):
                self._value(value.__self__)
        elif kind in (staticmethod, classmethod):
            self._write(kind.__name__)
            self._value(value.__func__)
        elif kind is property:
            self._write("property")
            for function in (value.fget, value.fset, value.fdel):
                self._value(function)
        elif kind is partial:
            self._write("partial")
            self._value((value.func, value.args, value.keywords, vars(value)))
        elif (within := _function_within(value)) is not None:
            self._write("around", kind.__module__, kind.__qualname__)
            self._value(within)
        else:
            self._object(value, kind)

    def _object(self, value: Any, kind: type) -> None:
        self._write("object")
        self._value(kind)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                reduced = value.__reduce_ex__(2)
        except Exception:  # code of the object may raise anything
            self._write("opaque")
            self._value(getattr(value, "__dict__", None))
            return
        if isinstance(reduced, str):
            self._write("global", getattr(value, "__module__", ""), reduced)
            return
        function, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        if isinstance(state, dict):
            state = {name: part for name, part in state.items() if name not in _NO_STATE}
        self._value((function, arguments, state))
        self._value(None if items is None else list(items))
        self._value(None if pairs is None else [list(pair) for pair in pairs])

    def _array(self, array: np.ndarray) -> None:
        if array.dtype.names is not None:
            self._write("fields", array.shape, *array.dtype.names)
            for name in array.dtype.names:
                self._value(np.asarray(array[name]))
        elif array.dtype.kind in "OU":
            items = array.ravel().tolist()
            if all(type(item) is str for item in items):
                lengths = np.array([len(item) for item in items], dtype="<i8")
                self._write("strings", array.shape, lengths.tobytes(), "".join(items))
                return
            self._write("objects", array.shape)
            for item in items:
                self._value(item)
        else:
            dtype = array.dtype.newbyteorder("<")
            self._write("array", dtype.str, array.shape)
            array = array.reshape(1) if array.ndim == 0 else array
            row_bytes = max(1, array.nbytes // max(1, len(array)))
            n_rows = max(1, _BLOCK_BYTES // row_bytes)
            for start in range(0, len(array), n_rows):
                block = np.ascontiguousarray(array[start : start + n_rows], dtype)
                self._hash.update(block.view(np.uint8).reshape(-1).data if block.size else b"")

    def _sparse(self, matrix: Any) -> None:
        """Add the rows as they are stored, because their order is the order of the sums."""
        if matrix.format not in ("csr", "csc"):
            matrix = matrix.tocoo()
            arrays = [
                matrix.data,
                *(np.asarray(index, np.int64) for index in (matrix.row, matrix.col)),
            ]
        else:
            indices = (np.asarray(index, np.int64) for index in (matrix.indices, matrix.indptr))
            arrays = [matrix.data, *indices]
        self._write("sparse", matrix.format, matrix.shape)
        for array in arrays:
            self._array(array)

    def _reference(self, code: Any) -> None:
        """Add a function or class: the name if it is from a library, otherwise a number."""
        module = code.__module__
        is_class = isinstance(code, type)
        if is_class and not isinstance(
            module, str
        ):  # of C code: it describes the module of its instances
            self._write("library", "", code.__qualname__)
        # Code of a namespace without a name has the module builtins.
        elif is_library(module) and ((is_class and module != "builtins") or is_importable(code)):
            self._write("library", module, code.__qualname__, release_of(module))
        else:
            self._number(code)

    def _number(self, value: Any) -> None:
        """Add the number of a value that is written later, once."""
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._numbers)
            self._kept.append(value)
            self._later.append(value)
        self._write("number", self._numbers[id(value)])

    def _class(self, kind: type) -> None:
        self._write("class", kind.__qualname__)
        self._value(type(kind))
        self._value(kind.__bases__)
        for name, value in sorted(vars(kind).items()):
            if name not in _NO_CODE and type(value) not in _SLOTS:
                self._write("attribute", name)
                self._value(value)

    def _function(self, function: FunctionType) -> None:
        home = function.__globals__.get("__name__")
        if is_library(home):  # made in the module by a call, such as a decorator
            self._write("function of", home, function.__code__.co_qualname, release_of(home))
        else:
            self._write("function")
            self._code_object(function.__code__, function.__doc__)
            self._names(function)
        self._value((function.__defaults__, function.__kwdefaults__))
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        ):
            self._write("cell", name)
            try:
                self._value(cell.cell_contents)
            except ValueError:  # not filled yet
                self._write("empty")
        self._value(
            {name: value for name, value in vars(function).items() if name != "__wrapped__"}
        )

    def _code_object(self, code: CodeType, doc: str | None) -> None:
        self._write(
            *("bytecode", code.co_name, code.co_code, code.co_exceptiontable, code.co_flags),
            *(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount),
            *(
                code.co_names,
                code.co_varnames,
                code.co_freevars,
                code.co_cellvars,
                len(code.co_consts),
            ),
        )
        for position, constant in enumerate(code.co_consts):
            is_doc = (
                position == 0
                and type(constant) is str
                and inspect.cleandoc(constant) == _clean(doc)
            )
            self._value(None if is_doc else constant)

    def _names(self, function: FunctionType) -> None:
        """Add the values of the global names in the code, and of the user's modules in it."""
        names = names_in(function.__code__)
        for name in sorted(names.global_names):
            if name in function.__globals__:
                self._write("global", name)
                self._named(function.__globals__[name], names.attributes, set())
        for name, level in names.imports:
            self._write("import", name, level)
            module = module_of_user(
                "." * level + name, function.__globals__.get("__package__") or ""
            )
            if module is not None:
                self._named(module, names.attributes, set())

    def _named(self, value: Any, attributes: set[str], seen: set[str]) -> None:
        self._value(value)
        if (
            not isinstance(value, ModuleType)
            or is_library(value.__name__)
            or value.__name__ in seen
        ):
            return
        seen.add(value.__name__)
        for name in sorted(attributes & vars(value).keys()):
            self._write("attribute", name)
            self._named(vars(value)[name], attributes, seen)


def _function_within(value: Any) -> FunctionType | None:
    """Return the function that a library's decorator wrapped, as ``lru_cache`` or a compiler."""
    if not is_library(type(value).__module__):
        return None
    for name in ("__wrapped__", "py_func"):
        within = inspect.getattr_static(value, name, None)
        if isinstance(within, FunctionType):
            return within
    return None


def _clean(doc: str | None) -> str | None:
    return None if doc is None else inspect.cleandoc(doc)

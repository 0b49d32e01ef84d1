"""Code of the user and of libraries: the distinction between them, and the names in code."""

import dis
import hashlib
import importlib.util
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

PACKAGE = __name__.partition(".")[0]
# Installed libraries. Two copies of the same release count as equal.
_FOUNDATION = {PACKAGE, "joblib", "numpy", "pandas", "polars", "scipy", "sklearn", "threadpoolctl"}
_MAIN = {"__main__", "__mp_main__"}
_INSTALLED = {"site-packages", "dist-packages"}


def is_library(module: str | None) -> bool:
    """Return whether a module belongs to Python, to this package or to another library.

    The running script never does, though ``__main__`` of a worker process is a file of joblib.
    """
    return (
        module is not None
        and module not in _MAIN
        and (_is_foundation(module) or _is_installed(module))
    )


def _is_foundation(module: str) -> bool:
    return module.partition(".")[0] in _FOUNDATION


@lru_cache(maxsize=1000)
def _is_installed(module: str) -> bool:
    if module.partition(".")[0] in sys.builtin_module_names:
        return True
    file = _file_of(module)
    return file is not None and (not _INSTALLED.isdisjoint(file.parts) or _is_standard(file))


def _is_standard(file: Path) -> bool:
    roots = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    return _INSTALLED.isdisjoint(file.parts) and any(
        file.is_relative_to(root) for root in roots if root
    )


def _file_of(module: str) -> Path | None:
    loaded = sys.modules.get(module)
    file = getattr(loaded, "__file__", None) or getattr(
        getattr(loaded, "__spec__", None), "origin", None
    )
    if file == "frozen":
        return Path(sysconfig.get_path("stdlib"), module)
    return Path(file) if isinstance(file, str) else None


@lru_cache(maxsize=1000)
def release_of(module: str) -> str:
    """Return the release of a module's library and a digest of the module's source.

    The text is empty for Python, for this package and for the libraries that it depends on.
    """
    file = _file_of(module)
    if _is_foundation(module) or file is None or _is_standard(file):
        return ""
    version = getattr(sys.modules.get(module.partition(".")[0]), "__version__", "")
    return f"{version} {_digest([file]) if file.suffix == '.py' else ''}"


@lru_cache(maxsize=1)
def package_release() -> str:
    """Return the version of this package, with a digest of its source if it is in development."""
    package = sys.modules[PACKAGE]
    version, file = package.__version__, package.__file__
    if "dev" not in version or file is None:
        return version
    return f"{version} {_digest(sorted(Path(file).parent.rglob('*.py')))}"


def _digest(files: list[Path]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        try:
            digest.update(file.read_bytes())
        except OSError:  # a module in an archive: the version of its library
            continue
    return digest.hexdigest()


class CodeNames(NamedTuple):
    """Names that code refers to.

    Attributes
    ----------
    global_names : set of str
        Names read from the module.
    attributes : set of str
        Names read from objects, modules among them.
    imports : list of (str, int)
        Modules that are imported when the code runs, and the level of a relative import.
    """

    global_names: set[str]
    attributes: set[str]
    imports: list[tuple[str, int]]


def names_in(code: CodeType) -> CodeNames:
    """Return the names that code and the code nested in it refer to."""
    names = CodeNames(set(), set(), [])
    constants: list = [None, None]
    for instruction in dis.get_instructions(code):
        name = instruction.opname
        if name in ("LOAD_GLOBAL", "LOAD_NAME"):
            names.global_names.add(instruction.argval)
        elif name in ("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM"):
            names.attributes.add(instruction.argval)
        elif name == "IMPORT_NAME":  # after its level and the names to take from it
            level = constants[-2]
            names.imports.append((instruction.argval, level if type(level) is int else 0))
        elif name in ("LOAD_CONST", "LOAD_SMALL_INT"):
            constants.append(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner = names_in(constant)
            names.global_names.update(inner.global_names)
            names.attributes.update(inner.attributes)
            names.imports.extend(inner.imports)
    return names


def module_of_user(name: str, package: str) -> ModuleType | None:
    """Import a module that code imports when it runs. Return None for a library or no module."""
    try:
        name = importlib.util.resolve_name(name, package)
        spec = importlib.util.find_spec(name.partition(".")[0])
        if spec is None or is_library(name) or _is_of_library(spec.origin):
            return None
        return importlib.import_module(name)
    except Exception:  # the code of the user will meet it too, and may handle it
        return None


def _is_of_library(origin: str | None) -> bool:
    if origin in (None, "built-in", "frozen"):
        return origin is not None
    return not _INSTALLED.isdisjoint(Path(origin).parts) or _is_standard(Path(origin))


def returns_something(function: Any) -> bool:
    """Return whether a function may return something. True if it is not a Python function."""
    function = getattr(function, "__func__", function)
    if not isinstance(function, FunctionType):
        return True
    before = None
    for instruction in dis.get_instructions(function.__code__):
        if instruction.opname == "RETURN_CONST" and instruction.argval is not None:
            return True
        after_none = before is not None and before.opname == "LOAD_CONST" and before.argval is None
        if instruction.opname == "RETURN_VALUE" and (not after_none or instruction.is_jump_target):
            return True
        before = instruction
    return False


def is_importable(code: Any) -> bool:
    """Return whether a class or function can be imported by its module and name."""
    found = sys.modules.get(code.__module__ or "")
    return found is not None and attribute_at(found, code.__qualname__) is code


def attribute_at(module: ModuleType | dict, qualname: str) -> Any:
    """Return the value of a dotted name in a module or in a function's globals, or None."""
    first, *rest = qualname.split(".")
    found = module.get(first) if isinstance(module, dict) else getattr(module, first, None)
    for name in rest:
        found = getattr(found, name, None)
    return found

"""Inventories for intersphinx: the objects of other libraries that our pages link.

    python docs/inventories/write.py

reads pages, docstrings and examples, and writes one file per library beside this script, in
version 1 of Sphinx's format, which is text. A build then needs no network, and links the same pages
with one and without. Run it after adding a link to another library; a test says when to.

The page of an object follows from its name. Only names that can be imported are written.
"""

import builtins
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from pydoc import locate
from typing import NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SOURCES = ("docs/*.rst", "examples/**/*.py", "sklearn_metabp/**/*.py", "README.md")


class Library(NamedTuple):
    """The address of a library's documentation, and the page of an object by its name."""

    url: str
    page: Callable[[str], str]


def _page_of_its_own(folder: str) -> Callable[[str], str]:
    return lambda name: f"{folder}/{name}.html"


def _page_of_the_class(folder: str) -> Callable[[str], str]:
    """Methods and attributes are on the page of their class."""

    def page(name: str) -> str:
        parent = name.rpartition(".")[0]
        return f"{folder}/{parent if inspect.isclass(locate(parent)) else name}.html"

    return page


def _page_of_the_module(name: str) -> str:
    """Return the page of the standard library; that of built-in types and exceptions too."""
    if isinstance(found := getattr(builtins, name, None), type):
        is_error = issubclass(found, BaseException)
        return f"library/{'exceptions' if is_error else 'stdtypes'}.html"
    while not inspect.ismodule(locate(name)):
        name = name.rpartition(".")[0]
    return f"library/{name}.html"


LIBRARIES = {
    "sklearn": Library("https://scikit-learn.org/stable/", _page_of_the_class("modules/generated")),
    "numpy": Library("https://numpy.org/doc/stable/", _page_of_its_own("reference/generated")),
    "scipy": Library("https://docs.scipy.org/doc/scipy/", _page_of_its_own("reference/generated")),
    "joblib": Library("https://joblib.readthedocs.io/en/stable/", _page_of_the_class("generated")),
    "pandas": Library("https://pandas.pydata.org/docs/", _page_of_its_own("reference/api")),
    "matplotlib": Library("https://matplotlib.org/stable/", _page_of_its_own("api/_as_gen")),
    "python": Library("https://docs.python.org/3/", _page_of_the_module),
}
# Roles (:class:`~numpy.ndarray`), and the names of See Also sections (numpy.ndarray : An array).
_ROLE = re.compile(r":(?:class|func|meth|mod|attr|obj|data|exc):`(?:[^`<]*<)?[~!]?([\w.]+)>?`")
_ROOTS = "|".join(LIBRARIES)
_SEE_ALSO = re.compile(rf"^ *((?:{_ROOTS})(?:\.\w+)+)(?: :|$)", re.MULTILINE)


def linked_names() -> Iterator[str]:
    """Yield every name of an object of another library that a source links."""
    for pattern in SOURCES:
        for file in ROOT.glob(pattern):
            text = file.read_text("utf-8")
            yield from _ROLE.findall(text)
            yield from _SEE_ALSO.findall(text)


def _kind(name: str) -> str | None:
    found = locate(name)
    parent = locate(name.rpartition(".")[0]) if "." in name else None
    if inspect.ismodule(found):
        return "mod"
    if inspect.isclass(found):
        return "exception" if issubclass(found, BaseException) else "class"
    if inspect.isclass(parent):
        return "method" if callable(found) else "attribute"
    return "function" if callable(found) else None


def _library(name: str) -> str | None:
    """Return the library of an object, or None for our own and for short names of methods."""
    root = name.partition(".")[0]
    if root in LIBRARIES:
        return root
    is_standard = root in sys.stdlib_module_names or isinstance(getattr(builtins, name, None), type)
    return "python" if is_standard else None


def inventories() -> dict[str, str]:
    """Return the text of every library's inventory."""
    lines: dict[str, set[str]] = {library: set() for library in LIBRARIES}
    for name in set(linked_names()):
        if (library := _library(name)) and (kind := _kind(name)):
            lines[library].add(f"{name} {kind} {LIBRARIES[library].page(name)}")
    return {
        library: "\n".join(
            ["# Sphinx inventory version 1", f"# Project: {library}", "# Version: stable"]
            + sorted(entries)
            + [""]
        )
        for library, entries in lines.items()
    }


if __name__ == "__main__":
    for library, text in inventories().items():
        (HERE / f"{library}.txt").write_text(text, "utf-8")

"""Lists of scopes, inputs and facts in docstrings, made from the table of scopes."""

import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from typing import TypeVar

from sklearn_metabp.learned.scopes import Scope

_Type = TypeVar("_Type", bound=type)
_WIDTH = 92
# A heading of numpydoc: a line, and one of dashes.
_SECTION = re.compile(r"\n\n[^\n]+\n-{3,}\n")


def describe_scopes(scopes: Mapping[str, type[Scope]]) -> str:
    """Write a definition list of the scopes, from the docstrings of their classes."""
    entries = []
    for name, scope in scopes.items():
        text = _SECTION.split(inspect.getdoc(scope) or "")[0]
        entries.append(f'``"{name}"``\n{textwrap.indent(text, "    ")}')
    return "\n\n".join(entries)


def describe_inputs(scopes: Mapping[str, type[Scope]]) -> str:
    """Write a list of the inputs of every scope."""
    lists = []
    for name, scope in scopes.items():
        items = [
            _item(
                f'``"{one}"``{" (default)" if one in scope.default_inputs else ""}: {description}'
            )
            for one, description in scope.input_descriptions.items()
        ]
        lists.append(f'Of ``"{name}"``:\n\n' + "\n".join(items))
    return "\n\n".join(lists)


def _item(text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent="- ", subsequent_indent="  ")


def describe_facts(scopes: Mapping[str, type[Scope]]) -> str:
    """Write an entry of an attribute for every fact, with the scopes that have it."""
    kinds: dict[str, str] = {}
    meanings: dict[str, dict[str, list[str]]] = {}
    for name, scope in scopes.items():
        for fact in scope.facts:
            kinds.setdefault(fact.name, fact.kind)
            owners = meanings.setdefault(fact.name, {}).setdefault(fact.description, [])
            owners.append(f'``"{name}"``')
    return "\n".join(
        f"{name}_ : {kind}\n"
        + textwrap.indent(
            textwrap.fill(
                " ".join(
                    f"{description} Only of {' and '.join(owners)}."
                    for description, owners in meanings[name].items()
                ),
                _WIDTH,
            ),
            "    ",
        )
        for name, kind in kinds.items()
    )


def documents(scopes: Mapping[str, type[Scope]]) -> Callable[[_Type], _Type]:
    """Return a decorator that fills ``{scopes}``, ``{inputs}`` and ``{facts}`` into a docstring.

    Each is in a line of its own; the list gets the indentation of that line.
    """
    lists = {
        "{scopes}": describe_scopes(scopes),
        "{inputs}": describe_inputs(scopes),
        "{facts}": describe_facts(scopes),
    }

    def fill(kind: _Type) -> _Type:
        if kind.__doc__ is not None:  # python -OO drops docstrings
            lines = []
            for line in kind.__doc__.split("\n"):
                indent = line[: len(line) - len(line.lstrip())]
                filled = lists.get(line.strip())
                lines.append(line if filled is None else textwrap.indent(filled, indent))
            kind.__doc__ = "\n".join(lines)
        return kind

    return fill

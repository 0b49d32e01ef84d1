"""The sources of the pages: code that fits the column, outputs that say something, pictures."""

import ast
import doctest
import importlib.util
import inspect
import re
from pathlib import Path

import pytest

import sklearn_metabp

PACKAGE = Path(sklearn_metabp.__file__).parent
ROOT = PACKAGE.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.rst"))
WIDEST = 88

pytestmark = pytest.mark.skipif(not PAGES, reason="the pages are not installed")
PARSER = doctest.DocTestParser()
LITERAL = re.compile(r"^( *)(?:\.\. (?:code-block|code|parsed-literal|prompt)::.*|(?!\.\. ).*::)$")
FENCE = re.compile(r"^ *```")


def literal_lines(text):
    """Yield the number and the text of every line of a literal block, without its indentation."""
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        opened = LITERAL.match(lines[number])
        number += 1
        if not opened:
            continue
        block = []
        while number < len(lines):
            line = lines[number]
            if line.strip() and not line.startswith(opened[1] + " "):
                break
            block.append((number + 1, line))
            number += 1
        indents = [len(line) - len(line.lstrip()) for _, line in block if line.strip()]
        for at, line in block:
            yield at, line[min(indents) :] if line.strip() else ""


def doctest_lines(text):
    """Yield the number and the text of every line of an example, without its indentation."""
    lines = text.splitlines()
    for example in PARSER.get_examples(text):
        n_lines = example.source.count("\n") + example.want.count("\n")
        for number in range(example.lineno, example.lineno + n_lines):
            yield number + 1, lines[number][example.indent :]


def fenced_lines(text):
    """Yield the number and the text of every line of Python between fences of Markdown.

    Commands of a shell stand on one line each, so that one copy runs all of it.
    """
    language = None
    for number, line in enumerate(text.splitlines(), 1):
        if FENCE.match(line):
            language = line.strip().lstrip("`") if language is None else None
        elif language == "python":
            yield number, line


def too_wide(lines):
    return [
        f"line {number}, {len(line)} wide: {line}" for number, line in lines if len(line) > WIDEST
    ]


def docstrings(path):
    """Yield the docstrings of a module, each with the number of its first line."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            yield node.body[0].lineno, inspect.cleandoc(ast.get_docstring(node, clean=False))


def captions():
    """Return the pages of every toctree of the first page, by its caption."""
    found = {}
    for tree in (DOCS / "index.rst").read_text("utf-8").split(".. toctree::")[1:]:
        caption = re.search(r":caption: (.+)", tree)[1]
        found[caption] = re.findall(r"^    (?:[^:\n]*<)?([\w/]+)>?$", tree, re.MULTILINE)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_of_a_page_fits_the_column(page):
    text = page.read_text("utf-8")
    assert too_wide([*literal_lines(text), *doctest_lines(text)]) == []


def test_code_of_the_readme_fits_the_column():
    assert too_wide(fenced_lines((ROOT / "README.md").read_text("utf-8"))) == []


def test_examples_of_docstrings_fit_the_column():
    wide = [
        f"{path.relative_to(ROOT)}, docstring of line {first}, {problem}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for first, text in docstrings(path)
        for problem in too_wide([*literal_lines(text), *doctest_lines(text)])
    ]
    assert wide == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Text::\n\n    a\n      b\n\n    c\n\nMore", ["", "a", "  b", "", "c", ""]),
        (".. code-block:: python\n\n    a = 1\n", ["", "a = 1"]),
        (".. note::\n\n    No code.\n", []),
        ("Text.\n\n    >>> 1 + 1\n    2\n", []),
    ],
)
def test_literal_blocks_are_found(text, expected):
    assert [line for _, line in literal_lines(text)] == expected


def test_lines_of_examples_are_found():
    assert list(doctest_lines("A\n\n    >>> f(1,\n    ...   2)\n    3\n")) == [
        (3, ">>> f(1,"),
        (4, "...   2)"),
        (5, "3"),
    ]


def printed_outputs(page):
    return [
        example.want.strip()
        for example in PARSER.get_examples(page.read_text("utf-8"))
        if example.want.strip()
    ]


def test_printed_outputs_say_more_than_true():
    outputs = {page.stem: printed_outputs(page) for page in PAGES}
    n_outputs = sum(map(len, outputs.values()))
    n_true = {name: printed.count("True") for name, printed in outputs.items() if "True" in printed}
    assert sum(n_true.values()) <= n_outputs / 10, f"of {n_outputs} outputs, True are {n_true}"


@pytest.mark.parametrize(
    "page", [page for name in ("Start", "User guide", "Background") for page in captions()[name]]
)
def test_a_page_of_the_guide_has_a_picture(page):
    text = (DOCS / f"{page}.rst").read_text("utf-8")
    has_picture = re.search(r"^ *\.\. (plot|image|figure|minigallery)::", text, re.MULTILINE)
    assert has_picture, f"docs/{page}.rst shows nothing"


def test_every_page_stands_under_a_caption():
    listed = [page for pages in captions().values() for page in pages]
    assert len(listed) == len(set(listed))
    assert {page.stem for page in PAGES} - {"index"} == set(listed) - {"auto_examples/index"}


def test_inventories_have_the_names_that_are_linked():
    spec = importlib.util.spec_from_file_location("write", DOCS / "inventories" / "write.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = {file.stem: file.read_text("utf-8") for file in module.HERE.glob("*.txt")}
    assert written == module.inventories(), "run python docs/inventories/write.py"

"""Write pages of the documentation and the examples as Jupyter notebooks.

``python binder/make_notebooks.py FOLDER`` writes ``FOLDER/<page>.ipynb`` for each page of ``PAGES``
and ``FOLDER/auto_examples/`` with a notebook for each script of the gallery. Code cells are the
doctests of a page, without prompts and outputs. Text cells are its prose in Markdown.
"""

import ast
import doctest
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS, EXAMPLES = ROOT / "docs", ROOT / "examples"
PAGES = ("getting_started", "lectures", "how_the_loop_works")
SITE = "https://sklearn-metabp.github.io/sklearn-metabp/"
OPENED = """import matplotlib.pyplot as plt
from sklearn_metabp.plotting import figure_style

plt.style.use(figure_style())"""


def text_cell(markdown: str) -> dict:
    """Return a cell of text."""
    return {"cell_type": "markdown", "metadata": {}, "source": markdown}


def code_cell(code: str, raises: bool = False) -> dict:
    """Return a cell of code; the notebook goes on after one that raises an error on purpose."""
    metadata = {"tags": ["raises-exception"]} if raises else {}
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": metadata,
        "outputs": [],
        "source": code.rstrip(),
    }


def notebook(cells: list[dict]) -> dict:
    """Return a notebook of format 4.5, whose cells have identifiers."""
    return {
        "cells": [{"id": f"cell-{number}", **cell} for number, cell in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


# Roles and links --------------------------------------------------------------------------------


def _page_link(target: str, title: str | None) -> str:
    title = title or target.strip("/").replace("_", " ")
    return f"[{title}]({SITE}{target.strip('/')}.html)"


def _reference(target: str, title: str | None) -> str:
    example = re.fullmatch(r"sphx_glr_(auto_examples_(?:paper_)?)(\w+)\.py", target)
    if example is None:
        return title or target
    folder = example[1].replace("_", "/").replace("auto/", "auto_")
    return f"[{title or example[2]}]({SITE}{folder}{example[2]}.html)"


def _name(target: str, title: str | None) -> str:
    return f"`{title or (target.split('.')[-1] if target.startswith('~') else target)}`"


ROLES: dict[str, Callable[[str, str | None], str]] = {
    "doc": _page_link,
    "ref": _reference,
    "term": lambda target, title: title or target,
    "math": lambda target, title: f"${target}$",
    "binder": lambda target, title: "",  # the link to the notebook itself
    **dict.fromkeys(("attr", "class", "data", "exc", "func", "meth", "mod", "obj"), _name),
}
_ROLE = re.compile(r":(?P<role>[\w:]+):`(?P<text>[^`]+)`")
_LITERAL = re.compile(r"``(.+?)``", re.S)
_LINK = re.compile(r"`([^`<]+?)\s*<([^`>]+)>`__?")
_SECTION = re.compile(r"`([^`<]+)`_\b")


def _role(match: re.Match) -> str:
    name = match["role"].removeprefix("py:")
    if name not in ROLES:
        raise ValueError(f"no Markdown for the role :{name}:")
    text = " ".join(match["text"].split())
    titled = re.fullmatch(r"(.+?)\s*<(.+)>", text) if name != "math" else None
    return ROLES[name](titled[2], titled[1]) if titled else ROLES[name](text, None)


def inline(text: str) -> str:
    """Return Markdown for roles, links and literals of reStructuredText."""
    text = _ROLE.sub(_role, text)
    text = _LINK.sub(r"[\1](\2)", text)
    text = _SECTION.sub(r"\1", text)
    return _LITERAL.sub(r"`\1`", text)


# Directives -------------------------------------------------------------------------------------


def _math(argument: str, options: dict, body: str, page: Path) -> str:
    return "$$\n" + (argument + "\n" + body).strip() + "\n$$"


def _code(argument: str, options: dict, body: str, page: Path) -> str:
    return f"```{argument}\n{body}\n```"


def _include(argument: str, options: dict, body: str, page: Path) -> str:
    """Return the lines of a source file that the options of ``literalinclude`` select."""
    lines = (page.parent / argument).read_text(encoding="utf-8").splitlines()
    if "pyobject" in options:
        scope, node = ast.parse("\n".join(lines)).body, None
        for name in options["pyobject"].split("."):
            node = next(one for one in scope if getattr(one, "name", None) == name)
            scope = getattr(node, "body", [])
        first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
        lines = lines[first - 1 : node.end_lineno]
    if "start-at" in options:
        lines = lines[next(k for k, line in enumerate(lines) if options["start-at"] in line) :]
    if "end-before" in options:
        lines = lines[: next(k for k, line in enumerate(lines) if options["end-before"] in line)]
    code = textwrap.dedent("\n".join(lines))
    return "```python\n" + (options.get("prepend", "") + "\n" + code).strip() + "\n```"


def _table(argument: str, options: dict, body: str, page: Path) -> str:
    rows: list[list[str]] = []
    for line in body.splitlines():
        if cell := re.match(r"(\*|\s) - (.*)", line):
            if cell[1] == "*":
                rows.append([])
            rows[-1].append(cell[2])
        elif line.strip():
            rows[-1][-1] += " " + line.strip()
    head, *rest = [f"| {' | '.join(inline(cell).replace('|', '&#124;') for cell in row)} |"
                   for row in rows]  # fmt: skip
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *rest])


def _quote(argument: str, options: dict, body: str, page: Path) -> str:
    text = markdown(textwrap.dedent(argument + "\n\n" + body).strip(), page)
    return textwrap.indent(text, "> ", lambda line: True)


def _nothing(argument: str, options: dict, body: str, page: Path) -> str:
    return ""


DIRECTIVES: dict[str, Callable[[str, dict, str, Path], str]] = {
    "math": _math,
    "code-block": _code,
    "literalinclude": _include,
    "list-table": _table,
    **dict.fromkeys(("note", "tip", "warning", "important", "seealso", "admonition"), _quote),
    # Pictures of the pages are made by the code cells.
    **dict.fromkeys(("plot", "figure", "image", "only", "raw", "contents", "toctree"), _nothing),
}
_DIRECTIVE = re.compile(r"\.\. (?P<name>[\w-]+)::[ ]?(?P<argument>.*)")
_UNDERLINES = "=-.~^"


def markdown(text: str, page: Path) -> str:
    """Return Markdown for prose and directives of a page.

    Raises
    ------
    ValueError
        If there is a directive or a role that has no Markdown.
    """
    out: list[str] = []
    prose: list[str] = []
    lines = text.splitlines()

    def flush() -> None:
        out.append(inline("\n".join(prose)))
        prose.clear()

    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        below = lines[at] if at < len(lines) else ""
        if line.startswith(".. "):
            flush()
            indented = []
            while at < len(lines) and (not lines[at].strip() or lines[at].startswith("   ")):
                indented.append(lines[at])
                at += 1
            directive = _DIRECTIVE.match(line)
            if directive is None:
                continue  # a comment or a target
            options, body = _options("\n".join(indented))
            if directive["name"] not in DIRECTIVES:
                raise ValueError(f"{page.name}: no Markdown for the directive {line!r}")
            convert = DIRECTIVES[directive["name"]]
            out.append("\n" + convert(directive["argument"], options, body, page) + "\n")
        elif below and below[0] in _UNDERLINES and set(below) == {below[0]} and len(below) > 3:
            prose.append("#" * (1 + _UNDERLINES.index(below[0])) + " " + line)
            at += 1
        else:
            prose.append(line)
    flush()
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip()


def _options(block: str) -> tuple[dict[str, str], str]:
    """Split the indented block of a directive into its options and its body."""
    lines = textwrap.dedent(block).splitlines()
    options = {}
    while lines and (option := re.match(r":([\w-]+):\s*(.*)", lines[0])):
        options[option[1]] = option[2]
        lines.pop(0)
    return options, "\n".join(lines).strip("\n")


# Pages and scripts ------------------------------------------------------------------------------


def page_cells(page: Path) -> Iterator[dict]:
    """Yield the cells of a page of the documentation: prose, and doctests without outputs."""
    code: list[str] = []
    prose = ""
    for piece in doctest.DocTestParser().parse(page.read_text(encoding="utf-8")):
        if isinstance(piece, str):
            if code and piece.strip():
                yield code_cell("\n".join(code))
                code = []
            prose += piece
            continue
        if prose.strip() and (text := markdown(prose, page)):
            yield text_cell(text)
        prose = ""
        if piece.options.get(doctest.SKIP):
            yield text_cell(f"```python\n{piece.source.rstrip()}\n```")
        elif piece.exc_msg is not None:
            if code:
                yield code_cell("\n".join(code))
                code = []
            yield code_cell(piece.source, raises=True)
        else:
            code.append(piece.source.rstrip())
    if code:
        yield code_cell("\n".join(code))
    if prose.strip() and (text := markdown(prose, page)):
        yield text_cell(text)


def page_notebook(page: Path) -> dict:
    """Return the notebook of a page."""
    title, *rest = page_cells(page)
    return notebook([title, code_cell(OPENED), *rest])


def script_notebook(script: Path) -> dict:
    """Return the notebook of a script of the gallery, as sphinx-gallery makes it."""
    from sphinx_gallery.gen_gallery import DEFAULT_GALLERY_CONF
    from sphinx_gallery.notebook import jupyter_notebook
    from sphinx_gallery.py_source_parser import (
        remove_config_comments,
        split_code_and_text_blocks,
    )

    _, blocks = split_code_and_text_blocks(str(script))
    blocks = [
        block._replace(content=remove_config_comments(block.content))
        if block.type == "code"
        else block
        for block in blocks
    ]
    made = jupyter_notebook(blocks, dict(DEFAULT_GALLERY_CONF), str(script.parent))
    cells = []
    for cell in made["cells"]:
        source = "".join(cell["source"])
        is_code = cell["cell_type"] == "code"
        cells.append(code_cell(source) if is_code else text_cell(_ROLE.sub(_role, source)))
    return notebook(cells)


def main(folder: Path) -> None:
    """Write all notebooks."""
    made = {f"{name}.ipynb": page_notebook(DOCS / f"{name}.rst") for name in PAGES}
    for script in sorted(EXAMPLES.rglob("plot_*.py")):
        place = Path("auto_examples") / script.relative_to(EXAMPLES).with_suffix(".ipynb")
        made[str(place)] = script_notebook(script)
    for place, content in made.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
    print(f"{len(made)} notebooks in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The pages of the documentation as notebooks: every cell runs, and the text is Markdown."""

import doctest
import importlib.util
import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import sklearn_metabp

ROOT = Path(sklearn_metabp.__file__).parents[1]
SCRIPT = ROOT / "binder" / "make_notebooks.py"
if not SCRIPT.exists():
    pytest.skip("the notebooks are not installed", allow_module_level=True)

spec = importlib.util.spec_from_file_location("make_notebooks", SCRIPT)
make_notebooks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_notebooks)
PAGES = {name: ROOT / "docs" / f"{name}.rst" for name in make_notebooks.PAGES}

PAGE = """\
A page
======

.. _a-label:

Read :class:`~sklearn_metabp.SGD`, :doc:`words`, :doc:`the tips </tips>`, :term:`rows <row>`, a
`site <https://x.org>`__ and ``code``: :math:`x_1`.

    >>> a = 1
    >>> for k in range(2):
    ...     a += k

    >>> a
    2

Below
-----

.. math::

    y = x

.. plot::
    :context: close-figs

    >>> b = a

.. list-table::
    :header-rows: 1

    * - one
      - two,
        longer
    * - ``x``
      - y

>>> 1 / 0
Traceback (most recent call last):
    ...
ZeroDivisionError: division by zero
"""


def cells_of(text, tmp_path):
    page = tmp_path / "page.rst"
    page.write_text(text, encoding="utf-8")
    return list(make_notebooks.page_cells(page))


def test_a_page_becomes_cells(tmp_path):
    site = make_notebooks.SITE
    first, loop, below, plot, table, error = cells_of(PAGE, tmp_path)
    assert first["source"] == (
        f"# A page\n\nRead `SGD`, [words]({site}words.html), [the tips]({site}tips.html), rows, a\n"
        "[site](https://x.org) and `code`: $x_1$."
    )
    assert loop["source"] == "a = 1\nfor k in range(2):\n    a += k\na"
    assert below["source"] == "## Below\n\n$$\ny = x\n$$"
    assert plot["source"] == "b = a"
    assert table["source"] == "| one | two, longer |\n| --- | --- |\n| `x` | y |"
    assert error["source"] == "1 / 0" and error["metadata"]["tags"] == ["raises-exception"]


def test_an_unknown_directive_or_role_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"the directive '\.\. whatever::'"):
        cells_of("Page\n====\n\n.. whatever::\n", tmp_path)
    with pytest.raises(ValueError, match="role :whatever:"):
        cells_of("Page\n====\n\nSee :whatever:`this`.\n", tmp_path)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_a_whole_notebook(name):
    """All examples of the page are in code cells; no markup is left in the text."""
    made = json.loads(json.dumps(make_notebooks.page_notebook(PAGES[name])))
    assert (made["nbformat"], made["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in made["cells"]}) == len(made["cells"])
    code = "\n".join(cell["source"] for cell in made["cells"] if cell["cell_type"] == "code")
    examples = doctest.DocTestParser().get_examples(PAGES[name].read_text(encoding="utf-8"))
    assert examples
    for example in examples:
        if not example.options.get(doctest.SKIP):
            assert example.source.rstrip() in code
    for cell in made["cells"]:
        if cell["cell_type"] == "markdown":
            prose = re.sub(r"```.*?```|`[^`\n]*`", "", cell["source"], flags=re.S)
            assert not re.search(r":\w+:`|``|^\.\. |`_", prose, flags=re.M), cell["source"]


@pytest.mark.parametrize("name", PAGES)
def test_jupyter_accepts_the_notebook_of_a_page(name):
    nbformat = pytest.importorskip("nbformat")
    made = json.dumps(make_notebooks.page_notebook(PAGES[name]))
    nbformat.validate(nbformat.reads(made, as_version=4))


def test_jupyter_accepts_the_notebook_of_a_script():
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("sphinx_gallery")
    script = ROOT / "examples" / "plot_recurrent.py"
    made = make_notebooks.script_notebook(script)
    nbformat.validate(nbformat.reads(json.dumps(made), as_version=4))
    text = "".join(cell["source"] for cell in made["cells"] if cell["cell_type"] == "markdown")
    assert "align" in text and ":class:" not in text


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in PAGES])
def test_a_notebook_of_a_page_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    with plt.rc_context():
        for cell in make_notebooks.page_notebook(PAGES[name])["cells"]:
            if cell["cell_type"] == "markdown":
                continue
            code = compile(cell["source"], f"{name}: {cell['id']}", "exec")
            if "raises-exception" in cell["metadata"].get("tags", ()):
                with pytest.raises(Exception, match=r"\w"):
                    exec(code, names)
            else:
                exec(code, names)
    plt.close("all")


def test_the_environment_of_binder_is_complete():
    """``postBuild`` is run, installs the package and writes the notebooks where the links look."""
    post_build = ROOT / "binder" / "postBuild"
    assert post_build.stat().st_mode & 0o111, "postBuild must be executable"
    text = post_build.read_text(encoding="utf-8")
    assert text.startswith("#!/bin/bash") and "pip install" in text
    folder = re.search(r"make_notebooks\.py (\S+)", text)[1]
    conf = (ROOT / "docs" / "conf.py").read_text(encoding="utf-8")
    assert f'"notebooks_dir": "{folder}"' in conf and f"tree/{folder}/" in conf
    for name, page in PAGES.items():
        assert f"<{name}>`" in page.read_text(encoding="utf-8"), (
            f"{name} does not link its notebook"
        )

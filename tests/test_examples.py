"""Every example runs alone: as a script in an empty folder, and as a notebook."""

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_metabp

ROOT = Path(sklearn_metabp.__file__).parents[1]
SCRIPTS = sorted((ROOT / "examples").rglob("plot_*.py"))
QUICK = {"plot_data_start", "plot_table_columns"}
CASES = [
    pytest.param(
        path, id=path.stem, marks=() if path.stem in QUICK else pytest.mark.slow
    )
    for path in SCRIPTS
]  # fmt: skip

pytestmark = pytest.mark.skipif(not SCRIPTS, reason="the examples are not installed")


def binder():
    """Return the module that makes notebooks; it is a script of the repository."""
    spec = importlib.util.spec_from_file_location(
        "make_notebooks", ROOT / "binder" / "make_notebooks.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(folder, *arguments):
    """Run Python in a folder without a screen; return what it prints."""
    environment = os.environ | {"MPLBACKEND": "agg", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def code_cells(path):
    pytest.importorskip("sphinx_gallery")
    cells = binder().script_notebook(path)["cells"]
    return [cell["source"] for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", CASES)
def test_a_script_runs_alone(path, tmp_path):
    printed = run(tmp_path, shutil.copy(path, tmp_path))
    assert "\r" not in printed and "━" not in printed, "a progress bar is in the output"


@pytest.mark.parametrize("path", CASES)
def test_a_notebook_runs_alone(path, tmp_path):
    """Cell by cell in one namespace, in a process of its own, which is no file, as in Jupyter."""
    code = (
        "names = {'__name__': '__main__'}\n"
        f"for cell in {code_cells(path)!r}:\n"
        "    exec(compile(cell, 'cell', 'exec'), names)\n"
    )
    run(tmp_path, "-c", code)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_notebook_has_the_code_of_its_script(path):
    script = ast.parse(path.read_text(encoding="utf-8"))
    docstring, *statements = script.body
    notebook = [node for cell in code_cells(path) for node in ast.parse(cell).body]
    assert [ast.dump(node) for node in notebook] == [ast.dump(node) for node in statements]
    assert isinstance(docstring, ast.Expr)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_imports_no_file_beside_it(path):
    beside = {other.stem for other in (ROOT / "examples").rglob("*.py")} | {"examples", "paper"}
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert not imported & beside

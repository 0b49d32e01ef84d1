"""The scripts of ``benchmarks``: each takes from the others only what they have."""

import ast
from pathlib import Path

import pytest

import sklearn_metabp

BENCHMARKS = Path(sklearn_metabp.__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(BENCHMARKS.glob("*.py"))
pytestmark = pytest.mark.skipif(not SCRIPTS, reason="benchmarks are not installed")


def names_in(path):
    """Return the names that the top level of a script defines or imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_imports_what_the_others_have(script):
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.ImportFrom) and (BENCHMARKS / f"{node.module}.py") in SCRIPTS:
            missing = {alias.name for alias in node.names} - names_in(
                BENCHMARKS / f"{node.module}.py"
            )
            assert not missing, f"{script.name} imports {missing} from {node.module}"

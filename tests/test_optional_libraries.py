"""A library that is not installed is an error that says what to install."""

import ast
import re
import sys
import tomllib
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris

import sklearn_metabp
from sklearn_metabp import SGD, BackpropMLPClassifier, HistoryLogger, TraceRecorder, plotting
from sklearn_metabp.optional_libraries import LIBRARIES, require_library

PACKAGE = Path(sklearn_metabp.__file__).parent
PROJECT = PACKAGE.parent / "pyproject.toml"
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
# It is imported through joblib's backend of the same name, whose error is joblib's.
BY_JOBLIB = {"distributed", "ray"}


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_error_names_the_caller_the_library_and_the_command(library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError) as caught:
        require_library(library, "Something.to_draw")
    assert str(caught.value).startswith(f"Something.to_draw requires {library}, which is not")
    assert f'pip install "{LIBRARIES[library]}"' in str(caught.value)
    assert caught.value.name == library


def test_an_installed_library_is_no_error():
    require_library("pandas", "Something.to_frame")


@pytest.mark.skipif(not PROJECT.exists(), reason="pyproject.toml is not installed")
def test_the_extras_bring_the_libraries_that_they_are_named_for():
    extras = tomllib.loads(PROJECT.read_text("utf-8"))["project"]["optional-dependencies"]
    for library, requirement in LIBRARIES.items():
        if extra := re.search(r"\[(\w+)\]", requirement):
            assert any(re.match(rf"{library}\b", one) for one in extras[extra[1]]), library
    assert {"plot", "progress", "notebook", "onnx", "dask", "ray", "cma"} <= set(extras)


def imported(source):
    """Return the libraries of the table that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found & set(LIBRARIES)


def for_types_alone(source):
    """Return a module without its imports for type checkers."""
    return re.sub(r"^if TYPE_CHECKING:\n(?:    .*\n)+", "", source, flags=re.MULTILINE)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_that_imports_a_library_asks_for_it_first(module):
    source = for_types_alone((PACKAGE / module).read_text("utf-8"))
    assert "sklearn.utils._optional_dependencies" not in source  # their errors name no extra
    # onnx/__init__.py asks for the other modules of its package, and displays for their drawings.
    asks = {
        "onnx": "onnx/__init__.py",
        "plotting/axes.py": "plotting/trace.py",
        "plotting/style.py": "plotting/trace.py",
        "plotting/step_drawing.py": "plotting/step.py",
    }
    asker = asks.get(module.as_posix()) or asks.get(module.parts[0]) or module
    text = (PACKAGE / asker).read_text("utf-8")
    for library in imported(source):
        assert re.search(rf'(require|missing)_library\(\s*"{library}"', text), library


@pytest.fixture(scope="module")
def recorded():
    X, y = load_iris(return_X_y=True)
    recorder, history = TraceRecorder(), HistoryLogger()
    model = BackpropMLPClassifier(
        (3,), update_rule=SGD(0.1), max_iter=3, n_iter_no_change=np.inf, random_state=0
    )
    model.set_callbacks(recorder, history).fit(X, y)
    return recorder.trace_, history


@pytest.mark.parametrize("name", [name for name in plotting.__all__ if "Display" in name])
def test_a_display_names_the_extra_before_it_looks_at_anything_else(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    display = getattr(plotting, name)
    constructors = [one for one in vars(display) if one.startswith("from_")]
    assert constructors
    for constructor in constructors:
        construct = getattr(display, constructor)
        required = [p for p in signature(construct).parameters.values() if p.default is p.empty]
        given = [None for p in required if p.kind is not p.VAR_KEYWORD]
        with pytest.raises(ImportError, match=rf"{name}\.{constructor} requires matplotlib.*plot"):
            construct(*given)


def test_a_table_names_pandas(recorded, monkeypatch):
    trace, history = recorded
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"Trace\.to_frame requires pandas.*pip install \"pandas"):
        trace.to_frame()
    with pytest.raises(ImportError, match=r"HistoryLogger\.to_frame requires pandas"):
        history.to_frame()

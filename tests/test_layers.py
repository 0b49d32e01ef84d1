"""Each layer imports only layers above it in the list: the arrows of the design run one way."""

import ast
from pathlib import Path

import pytest

import sklearn_metabp

# From the top: what imports nothing of ours, down to what may import all.
LAYERS = (
    "_kernels",
    "doc_links",
    "did_you_mean",
    "network",
    "targets",
    "update_rules",
    "tracing",
    "training",
    "callbacks",
    "estimators",
    "derivatives",
    "learned",
    "meta_training",
    "pretrained",
    "plotting",
    "onnx",
    "skops",
)
PACKAGE = "sklearn_metabp"
ROOT = Path(sklearn_metabp.__file__).parent
MODULES = sorted(
    path.relative_to(ROOT) for path in ROOT.rglob("*") if path.suffix in {".py", ".pyx"}
)


def layer_of(parts):
    """Layer of a module below the package, by the parts of its path or dotted name; None: the face."""
    name = parts[0].removesuffix(".py") if parts else "__init__"
    return name if name in LAYERS else None


def imported_modules(source, parts):
    """Dotted names below the package that a module imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = [PACKAGE, *parts[:-1]]
                base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [base])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name == PACKAGE or name.startswith(f"{PACKAGE}."):
                yield name


def imports_that_run_up(source, parts):
    """Names a module imports from its own face or from a layer below its own."""
    own = layer_of(parts)
    if own is None:
        return []
    return [
        name
        for name in imported_modules(source, parts)
        if (layer := layer_of(name.split(".")[1:])) is None
        or LAYERS.index(layer) > LAYERS.index(own)
    ]


def python_part(path):
    """The module's source; of Cython its plain import lines."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return source
    lines = (line.strip() for line in source.splitlines())
    return "\n".join(
        line for line in lines if line.startswith(("import ", "from ")) and " cimport " not in line
    )


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_run_down_the_list_of_layers(module):
    assert imports_that_run_up(python_part(ROOT / module), module.parts) == []


def test_there_are_modules_to_check():
    assert {"network", "update_rules", "estimators"} <= {
        layer_of(module.parts) for module in MODULES
    }
    assert any(module.suffix == ".pyx" for module in MODULES)


RUNNING_UP = [
    ("network/step.py", "from sklearn_metabp.training import train"),
    ("network/step.py", "import sklearn_metabp.estimators._base"),
    ("network/step.py", "from sklearn_metabp import training"),
    ("network/step.py", "from sklearn_metabp import SGD"),
    ("network/step.py", "import sklearn_metabp"),
    ("network/step.py", "from .. import training"),
    ("network/step.py", "from ..update_rules.sgd import SGD"),
    (
        "_kernels/network/backprop_fallback.py",
        "def f():\n    from sklearn_metabp.network import Step",
    ),
    (
        "training/loop.py",
        "class A:\n    def f(self):\n        if True:\n            from ..learned import rule",
    ),
    (
        "tracing/trace.py",
        "try:\n    from sklearn_metabp.training import train\nexcept ImportError: pass",
    ),
    ("estimators/_base.py", "from sklearn_metabp.learned import LearnedUpdateRule"),
    ("estimators/_base.py", "from sklearn_metabp.derivatives import jacobian"),
    (
        "update_rules/sgd.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..tracing import Trace",
    ),
]
RUNNING_DOWN = [
    ("network/step.py", "from sklearn_metabp._kernels.network import Backprop"),
    ("network/step.py", "from sklearn_metabp.network.layout import ParameterLayout"),
    ("network/step.py", "from .layout import ParameterLayout"),
    ("training.py", "from sklearn_metabp.tracing import Trace"),
    ("plotting/curve.py", "from ..pretrained import load"),
    ("network/step.py", "import numpy, sklearn_metabp_extras.training"),
    ("__init__.py", "from sklearn_metabp.estimators import BackpropMLPClassifier"),
]


@pytest.mark.parametrize(("module", "source"), RUNNING_UP)
def test_an_import_that_runs_up_is_found(module, source):
    assert len(imports_that_run_up(source, Path(module).parts)) == 1


@pytest.mark.parametrize(("module", "source"), RUNNING_DOWN)
def test_an_import_that_runs_down_is_not(module, source):
    assert imports_that_run_up(source, Path(module).parts) == []


def test_the_face_is_small_and_whole():
    assert len((ROOT / "__init__.py").read_text(encoding="utf-8").splitlines()) < 60
    assert len(set(sklearn_metabp.__all__)) == len(sklearn_metabp.__all__)
    for name in sklearn_metabp.__all__:
        assert hasattr(sklearn_metabp, name), name


@pytest.mark.parametrize(
    "layer", [layer for layer in LAYERS if (ROOT / layer / "__init__.py").exists()]
)
def test_every_layer_exports_what_it_says(layer):
    module = pytest.importorskip(f"{PACKAGE}.{layer}")
    for name in getattr(module, "__all__", []):
        assert hasattr(module, name), f"{layer}.{name}"

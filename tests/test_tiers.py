"""Imports between packages: each may import only from the tiers above its own.

The list of tiers is the table of ``docs/design/structure.md``.
"""

import ast
import re
from pathlib import Path

import pytest

import sklearn_metabp

PACKAGE = "sklearn_metabp"
ROOT = Path(sklearn_metabp.__file__).parent
PAGE = Path(__file__).parents[1] / "docs" / "design" / "structure.md"
MODULES = sorted(
    path.relative_to(ROOT) for path in ROOT.rglob("*") if path.suffix in {".py", ".pyx"}
)


def read_tiers(page):
    """Return the names in the first column of the page's table of tiers, from top to bottom."""
    table = page.partition("\n| tier |")[2].partition("\n\n")[0]
    return tuple(re.findall(r"^\| `(\w+)(?:/|\.py)` \|", table, re.MULTILINE))


TIERS = read_tiers(PAGE.read_text(encoding="utf-8"))


def tier_of(parts):
    """Return the tier of a module by the parts of its path or dotted name; None: top package."""
    name = parts[0].removesuffix(".py") if parts else "__init__"
    return name if name in TIERS else None


def imported_modules(source, parts):
    """Yield dotted names below the package that a module imports, wherever the import stands."""
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


def forbidden_imports(source, parts):
    """Return the names that a module imports from the top package or from a tier below its own."""
    own = tier_of(parts)
    if own is None:
        return []
    return [
        name
        for name in imported_modules(source, parts)
        if (tier := tier_of(name.split(".")[1:])) is None or TIERS.index(tier) > TIERS.index(own)
    ]


def python_part(path):
    """Return the module's source; of a Cython module only its imports in Python."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return source
    imports = re.findall(r"^ *((?:import|from) [^(\n]*(?:\([^)]*\))?)", source, re.MULTILINE)
    return "\n".join(one for one in imports if " cimport " not in one)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_imports_from_tiers_above_alone(module):
    assert forbidden_imports(python_part(ROOT / module), module.parts) == []


def private_imports(source, parts):
    """Return the names with a leading underscore that a module imports from another tier."""
    return [
        name
        for name in imported_modules(source, parts)
        if tier_of(name.split(".")[1:]) != tier_of(parts)
        and any(part.startswith("_") for part in name.split(".")[2:])
    ]


def private_attributes(source):
    """Return the attributes with a leading underscore that are taken from anything but self."""
    return [
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    ]


@pytest.mark.parametrize("module", [m for m in MODULES if m.suffix == ".py"], ids=str)
def test_a_module_imports_only_public_names_of_other_tiers(module):
    if tier_of(module.parts) is not None:
        assert private_imports(python_part(ROOT / module), module.parts) == []


@pytest.mark.parametrize(
    "module", [m for m in MODULES if tier_of(m.parts) in ("derivatives", "onnx", "skops")], ids=str
)
def test_users_of_fitted_estimators_take_only_public_attributes(module):
    assert private_attributes(python_part(ROOT / module)) == []


def test_private_names_are_found():
    imports = (
        "from sklearn_metabp.estimators._base import A\nfrom sklearn_metabp.targets import B, _c"
    )
    assert private_imports(imports, ("onnx", "graph.py")) == [
        "sklearn_metabp.estimators._base.A",
        "sklearn_metabp.targets._c",
    ]
    assert private_imports(imports, ("estimators", "_fit.py")) == ["sklearn_metabp.targets._c"]
    assert private_imports("from sklearn_metabp._kernels.flat import d", ("network", "a.py")) == []
    assert private_attributes("self._a = model._b.__dict__, cls._c, x.y") == ["_b"]


def test_the_table_lists_every_package_and_module_once():
    found = {module.parts[0].removesuffix(".py") for module in MODULES}
    private_modules = {"__init__", "_show_versions"}
    assert sorted(TIERS) == sorted(found - private_modules)


def test_there_are_modules_to_check():
    assert {"network", "update_rules", "estimators"} <= {tier_of(m.parts) for m in MODULES}
    assert any(module.suffix == ".pyx" for module in MODULES)


def test_a_table_of_tiers_is_read_in_its_order():
    table = "| tier | contents |\n| --- | --- |\n| `b/` | x `c/` |\n| `a.py` | y |\n"
    page = f"text\n\n{table}\n| `z/` | n |\n"
    assert read_tiers(page) == ("b", "a")


FORBIDDEN = [
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
ALLOWED = [
    ("network/step.py", "from sklearn_metabp._kernels.network import Backprop"),
    ("network/step.py", "from sklearn_metabp.network.layout import ParameterLayout"),
    ("network/step.py", "from .layout import ParameterLayout"),
    ("training/loop.py", "from sklearn_metabp.tracing import Trace"),
    ("plotting/curve.py", "from ..learned import load_rule"),
    ("network/step.py", "import numpy, sklearn_metabp_extras.training"),
    ("__init__.py", "from sklearn_metabp.estimators import BackpropMLPClassifier"),
]


@pytest.mark.parametrize(("module", "source"), FORBIDDEN)
def test_a_forbidden_import_is_found(module, source):
    assert len(forbidden_imports(source, Path(module).parts)) == 1


@pytest.mark.parametrize(("module", "source"), ALLOWED)
def test_an_import_from_above_is_allowed(module, source):
    assert forbidden_imports(source, Path(module).parts) == []


def test_the_top_package_is_small_and_has_what_it_lists():
    assert len((ROOT / "__init__.py").read_text(encoding="utf-8").splitlines()) < 90
    assert len(set(sklearn_metabp.__all__)) == len(sklearn_metabp.__all__)
    for name in sklearn_metabp.__all__:
        assert hasattr(sklearn_metabp, name), name


@pytest.mark.parametrize("tier", [tier for tier in TIERS if (ROOT / tier / "__init__.py").exists()])
def test_every_package_has_what_it_lists(tier):
    module = pytest.importorskip(f"{PACKAGE}.{tier}")
    for name in getattr(module, "__all__", []):
        assert hasattr(module, name), f"{tier}.{name}"

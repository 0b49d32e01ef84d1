import pkgutil
from importlib import import_module

import pytest
from helpers.kernels import RULE_STEPS, compiled_only, fallback, installed

from sklearn_metabp import update_rules
from sklearn_metabp.network import network
from sklearn_metabp.training import epochs, loop
from sklearn_metabp.update_rules import program

# Wherever a compiled step is used by its name.
RULE_MODULES = [
    f"{update_rules.__name__}.{m.name}" for m in pkgutil.iter_modules(update_rules.__path__)
]


@pytest.fixture(autouse=True)
def _no_interrupt_before(monkeypatch):
    """Ctrl-C in a test is not the second of one in the test before."""
    monkeypatch.setattr(loop, "_last_interrupt", float("-inf"))


@pytest.fixture(
    params=[
        pytest.param(installed, id="compiled", marks=compiled_only),
        pytest.param(fallback, id="fallback"),
    ]
)
def kernels(request):
    """Each of the two implementations."""
    return request.param


@pytest.fixture
def fallback_kernels(monkeypatch):
    """Run the estimators on the NumPy fallbacks, as without a compiler."""
    monkeypatch.setattr(network, "Backprop", fallback.Backprop)
    monkeypatch.setattr(program, "Program", fallback.Program)
    for module in (epochs, *map(import_module, RULE_MODULES)):
        for name in RULE_STEPS & set(vars(module)):
            monkeypatch.setattr(module, name, getattr(fallback, name))

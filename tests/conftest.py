import os
import sys

import pytest
from helpers.kernels import compiled_only

from sklearn_metabp import _kernels
from sklearn_metabp._kernels import reference
from sklearn_metabp.network import network
from sklearn_metabp.training import epochs
from sklearn_metabp.update_rules import adam, sgd

os.environ["MPLBACKEND"] = "Agg"  # nothing is shown, wherever the tests run


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(
    params=[pytest.param(_kernels, id="compiled", marks=compiled_only), pytest.param(reference, id="twin")]
)
def kernels(request):
    """Each of the two implementations."""
    return request.param


@pytest.fixture
def twin_kernels(monkeypatch):
    """The estimators run on NumPy alone, as where no compiler was."""
    monkeypatch.setattr(network, "Backprop", reference.Backprop)
    monkeypatch.setattr(epochs, "apply_updates", reference.apply_updates)
    monkeypatch.setattr(adam, "adam_step", reference.adam_step)
    monkeypatch.setattr(sgd, "sgd_step", reference.sgd_step)
    monkeypatch.setattr(sgd, "momentum_step", reference.momentum_step)

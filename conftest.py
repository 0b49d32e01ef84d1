"""Settings of all tests, those of tests/, of docstrings and of pages."""

import os
import sys
from importlib.util import find_spec

import pytest

os.environ["MPLBACKEND"] = "Agg"  # nothing is shown, wherever the tests run

# Modules whose doctests cannot be collected, because they import what is not installed.
_WORKERS = "sklearn_metabp/meta_training/workers"
_NEEDS = {
    "distributed": f"{_WORKERS}/dask_workers.py",
    "ray": f"{_WORKERS}/ray_workers.py",
    "tensorboard": "sklearn_metabp/callbacks/tensorboard.py",
    "mlflow": "sklearn_metabp/callbacks/mlflow.py",
}

collect_ignore = [module for name, module in _NEEDS.items() if find_spec(name) is None]


def pytest_addoption(parser):
    """Add the option of the tests that open the pages in a browser."""
    parser.addoption(
        "--built-docs", metavar="FOLDER", help="the built pages that a browser opens in the tests"
    )


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")

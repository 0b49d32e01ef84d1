"""Versions of the installed packages, for a bug report."""

import platform
from importlib.metadata import PackageNotFoundError, version

from sklearn_metabp._kernels import COMPILED
from sklearn_metabp._kernels.network import instruction_set


def show_versions() -> None:
    """Print the versions of the packages in use, and whether the kernels are compiled.

    Examples
    --------
    >>> from sklearn_metabp import show_versions
    >>> show_versions()
    python: ...
    core: ...
    sklearn-metabp: ...
    """
    print(f"python: {platform.python_version()} on {platform.machine()}, {platform.system()}")
    fallback = "NumPy fallback (no compiler was found at installation)"
    products = f"compiled, products by {instruction_set()}"
    print(f"core: {products if COMPILED else fallback}")
    for package in ("sklearn-metabp", "scikit-learn", "numpy", "scipy", "joblib", "threadpoolctl"):
        try:
            print(f"{package}: {version(package)}")
        except PackageNotFoundError:
            print(f"{package}: not installed as a package")
